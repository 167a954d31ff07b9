"""Plain values that go between the driver of a sweep and its workers: what is asked, what is answered."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlp_cli.errors import MlpError


@dataclass(frozen=True)
class Job:
    """A member to train: plain values only, so that it goes through any channel.

    run_id: the folder's name, `<label>-<hash>`. config: the resolved config, with whatever name; it gets the label as its name.
    results: the folder of the members' folders. threads: BLAS threads (None: as before, 1 at first). until: pause after this epoch
    (None: train to the end).
    attempt: which attempt at this member it is, from 1. command: for run.json.
    """

    run_id: str
    config: dict[str, Any]
    results: str
    label: str
    threads: int | None = None
    until: int | None = None
    attempt: int = 1
    command: str | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """How an attempt ended. Every job that was submitted gives exactly one.

    status: one of run.json's. `interrupted` means: it was asked to stop, or its process is gone (`lost`); the run goes on from its
    checkpoint when it is submitted again. `running` means: another process has this run, and it was left alone.
    error: what went wrong, None where nothing did.
    attempt: the job's. lost: the worker died of this attempt, which is spent; whoever hands out the jobs decides about another.
    """

    run_id: str
    status: str
    error: str | None
    attempt: int
    lost: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def note_loss(job: Job, error: str, output: str) -> None:
    """Writes into the run's log.txt how the worker that trained it ended, where that can be done."""
    from mlp_cli import runs  # pydantic takes time, and each worker imports this module before it heeds its parent's end

    with suppress(MlpError), runs.Claim(Path(job.results) / job.run_id) as claim:
        claim.log(f"{error}\n{output}")


def not_started(job: Job) -> Result:
    """The result of a job that was cancelled before its turn."""
    return Result(job.run_id, "interrupted", "not started", job.attempt)


def time_is_up(timeout: float) -> str:
    """Why an attempt was ended that took longer than `timeout` seconds."""
    return f"timed out: not done after {timeout:g} s"


def _signal_text(number: int) -> str:
    """A signal's name, with what it usually means."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    reasons = {"SIGKILL": "out of memory, or killed by hand", "SIGSEGV": "a memory error in native code"}
    return f"{name} ({reasons[name]})" if name in reasons else name


def exit_text(code: int) -> str:
    """How a process ended that should not have, from its return code as `subprocess` gives it."""
    return f"killed by {_signal_text(-code)}" if code < 0 else f"ended with exit code {code} in the middle of the run"
