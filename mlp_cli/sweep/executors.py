"""Where the members of a sweep are trained: in this process, in worker processes, or on a Dask cluster; one interface for all."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable
from typing import Protocol, Self

from mlp_cli.errors import Interrupted, UsageError
from mlp_cli.sweep.attempt import failure, record_failure, train
from mlp_cli.sweep.jobs import Job, Result, not_started

__all__ = ["EXECUTORS", "Executor", "Job", "Result", "Serial", "open_executor", "record_failure"]

EXECUTORS = ("processes", "dask", "serial")


class Executor(Protocol):
    """Trains jobs. Use it in a `with` statement, from one thread.

    A job gives exactly one result, whatever becomes of it; nothing that goes wrong with a member is raised. An executor never
    submits a job again by itself: a result that is `lost` (the worker died; nothing else was harmed) has spent the job's attempt,
    and the caller either submits the job anew with `attempt` one higher or makes the failure final with `record_failure`.
    """

    @property
    def workers(self) -> int:
        """How many jobs are trained at a time; more may be submitted and wait their turn, first come, first served."""

    def submit(self, job: Job) -> None:
        """Takes a job, and starts it if there is room."""

    def results(self, timeout: float) -> list[Result]:
        """Waits at most `timeout` seconds for results, and returns those that are there; at once where nothing is under way.

        A signal handler runs while this waits, but what it notes is seen only afterwards: wait a second or less at a time.
        Errors: RunError where no worker can be had any more; the runs under way can be gone on with.
        """

    def cancel_all(self) -> None:
        """Asks what is under way to stop within the batch in hand and drops what waits; `results` then gives them all, with the
        status `interrupted` (a run that ends just before keeps its own)."""

    def close(self) -> None:
        """Cancels everything, waits a few seconds, and ends the workers; results that nobody fetched are dropped."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Serial:
    """Trains in this process, one job after the other, inside `results`: for debugging. A time limit has no effect here.

    A signal that stops a run is raised again after it, for the caller's own handler.
    """

    workers = 1

    def __init__(self) -> None:
        self._queue: deque[Job] = deque()
        self._done: list[Result] = []

    def submit(self, job: Job) -> None:
        """Takes a job."""
        self._queue.append(job)

    def results(self, timeout: float) -> list[Result]:
        """Trains the next job, if there is one, however long that takes."""
        number = None
        if self._queue and not self._done:
            job = self._queue.popleft()
            try:
                result = train(job)
            except Interrupted as error:
                result, number = failure(job, error), error.exit_code - 128
            except KeyboardInterrupt as error:
                result, number = failure(job, error), signal.SIGINT
            except BaseException as error:
                result = failure(job, error)
            self._done.append(result)
        if number is not None:
            signal.raise_signal(number)  # the handler may raise: the result is then there at the next call
        done, self._done = self._done, []
        return done

    def cancel_all(self) -> None:
        """Drops what waits."""
        self._done += [not_started(job) for job in self._queue]
        self._queue.clear()

    def close(self) -> None:
        """Drops everything."""
        self._queue.clear()
        self._done.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_executor(
    name: str,
    *,
    workers: int,
    timeout: float | None = None,
    scheduler: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Executor:
    """An executor by its name (see `EXECUTORS`), ready for jobs.

    workers: how many at a time; a cluster's own number is used where there is one. timeout: seconds for one attempt, after which it
    is ended and the run's status is `failed`. scheduler: address of a Dask scheduler, None for a cluster on this machine alone.
    say: takes notices, such as workers of a cluster that cannot be used.
    Errors: UsageError (unknown name, missing package), RunError (no cluster to be had).
    """
    if scheduler is not None and name != "dask":
        raise UsageError(f"--scheduler goes with --executor dask, not with {name}", "add --executor dask")
    if name == "serial":
        return Serial()
    if name == "processes":
        from mlp_cli.sweep.processes import Processes

        return Processes(workers, timeout=timeout)
    if name == "dask":
        from mlp_cli.sweep.dask_executor import Dask

        return Dask(scheduler, workers, timeout=timeout, say=say)
    raise UsageError(f"unknown executor {name}", f"one of {', '.join(EXECUTORS)}")
