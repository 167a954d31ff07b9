"""One attempt at one member of a sweep, in whatever process, and the record of attempts that could not write their own."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlp_cli import experiment, runs
from mlp_cli.config import config_from_mapping
from mlp_cli.errors import DataError, Diverged, Interrupted, MlpError, RunError
from mlp_cli.experiment import Plan
from mlp_cli.sweep.pool import Task, TaskResult
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.stop import HINT


class Stopped(Interrupted):
    """The sweep, and no signal, asked this run to stop."""


class _StopWhen(Callback):
    """Ends training within the batch in hand once it is asked for."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self.asked = asked

    def on_step(self, step: int, loss: float) -> None:
        if self.asked():
            raise Stopped("stopped by the sweep", HINT)


def run_task(task: Task, asked: Callable[[], bool]) -> TaskResult:
    """Trains one member in this process; whatever goes wrong is in the result.

    asked: whether to end the training within the batch in hand, status `interrupted`.
    """
    try:
        return train(task, asked)
    except BaseException as error:
        return failure(task, error)


def train(task: Task, asked: Callable[[], bool]) -> TaskResult:
    """Trains one member in this process, see `run_task`. Errors: whatever `experiment.run` raises, Stopped where that was asked
    for; RunError for a config that means another run."""
    done = experiment.run(
        _plan(task),
        threads=task.threads,
        plots=False,
        callbacks=[_StopWhen(asked)],
        command=task.command,
        until=task.until,
        alone=False,
    )
    return TaskResult(task.run_id, done.record.status, done.record.error)


def _plan(task: Task) -> Plan:
    """Where a task's run goes. Errors: ConfigError; RunError where this version of the package names it otherwise."""
    planned = Plan(config_from_mapping(task.config), Path(task.results))
    if planned.id != task.run_id:
        raise RunError(f"{task.run_id}: here this config makes the run {planned.id}", "use the same version of mlp everywhere")
    return planned


def failure(task: Task, error: BaseException) -> TaskResult:
    """The result of an attempt that ended in `error`."""
    text = error.message if isinstance(error, MlpError) else f"{type(error).__name__}: {error}"
    if isinstance(error, Interrupted | KeyboardInterrupt):
        status = "interrupted"
    elif isinstance(error, Diverged):
        status = "diverged"
    elif isinstance(error, RunError) and runs.in_use(task.folder):  # our own claim is gone by now
        status = "running"
    else:
        status = "failed"
    record = runs.read_quietly(task.folder)
    # What is mended from outside (a disk, a missing data set) leaves no mark: the same command goes on. Anything else is the
    # member's own and stands in its folder, even where it failed before it had one.
    own = status == "failed" and not isinstance(error, RunError | DataError)
    if own and (record is None or record.status != "failed"):
        # A failure outside the training has not been logged yet; an error of ours says all there is to say.
        record_failure(task, text, "" if isinstance(error, MlpError) else "".join(traceback.format_exception(error)))
    return TaskResult(task.run_id, status, text)


def timed_out(task: Task, printed: str = "") -> TaskResult:
    """The result of an attempt that was ended because its time was up. printed: see `record_failure`."""
    record = record_failure(task, runs.TIMEOUT, printed)
    status, error = ("failed", runs.TIMEOUT) if record is None else (record.status, record.error)
    return TaskResult(task.run_id, status, error)


def record_failure(task: Task, error: str, output: str = "") -> runs.Record | None:
    """Makes a failure final that the run could not write itself: run.json then says `failed`, and log.txt why.

    For a run that was ended from outside or whose worker died too often. A run that is over by now keeps its status.
    output: what the worker printed last, for the log. Returns run.json's content; None where it cannot be written.
    """
    with suppress(MlpError):
        planned = _plan(task)
        with runs.Claim(planned.folder) as claim:
            record = runs.read_quietly(planned.folder) or experiment.new_record(planned)
            if record.status not in ("completed", "diverged", "failed"):
                record.status, record.error, record.finished = "failed", error, runs.now()
                record.command = record.command or task.command
                claim.log(f"{error}\n{output}")
                claim.write_record(record)
            return record
    return None
