"""Where the members of a sweep are trained: in this process, in worker processes, or on a Dask cluster; one interface for all."""

from __future__ import annotations

import signal
import time
from collections import deque
from typing import Protocol, Self

from mlp_cli.errors import Interrupted, Notify, UsageError
from mlp_cli.sweep.attempt import Stopped, failure, record_failure, timed_out, train
from mlp_cli.sweep.jobs import Job, Result, not_started, time_is_up

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
    """Trains in this process, one job after the other, inside `results`: for debugging.

    timeout: seconds for an attempt. deadline: when training is to end, on the monotonic clock. Both are looked at after each
    batch, so that what hangs within one hangs for good here. A signal that stops a run is raised again after it, for the caller's
    own handler.
    """

    workers = 1

    def __init__(self, *, timeout: float | None = None, deadline: float | None = None) -> None:
        self.timeout, self.deadline = timeout, deadline
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
            late = float("inf") if self.timeout is None else time.monotonic() + self.timeout
            end = float("inf") if self.deadline is None else self.deadline
            try:
                result = train(job, lambda: time.monotonic() >= min(late, end))
            except Stopped as error:
                result = timed_out(job, time_is_up(self.timeout or 0)) if time.monotonic() < end else failure(job, error)
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


def check_executor(name: str, workers: int | None, scheduler: str | None) -> None:
    """Errors: UsageError for an unknown executor, options that it does not have, an address that is none, a missing package."""
    if name not in EXECUTORS:
        raise UsageError(f"unknown executor {name}", f"one of {', '.join(EXECUTORS)}")
    if scheduler is not None and name != "dask":
        raise UsageError(f"--scheduler goes with --executor dask, not with {name}", "add --executor dask")
    if name == "serial" and workers not in (None, 1):
        raise UsageError(
            f"--executor serial trains one run at a time, and --workers asks for {workers}",
            "leave out --workers, or use --executor processes",
        )
    if name == "dask":
        from mlp_cli.sweep.dask_cluster import check_scheduler

        check_scheduler(scheduler)


def open_executor(
    name: str,
    *,
    workers: int,
    timeout: float | None = None,
    deadline: float | None = None,
    scheduler: str | None = None,
    notify: Notify = lambda text: None,
) -> Executor:
    """An executor by its name (see `EXECUTORS`), ready for jobs.

    workers: how many at a time; a cluster's own number is used where there is one. timeout: seconds for one attempt, after which it
    is ended and the run's status is `failed`. deadline: on the monotonic clock, when training ends; only `serial` needs to know,
    of the others it is asked. scheduler: address of a Dask scheduler, None for a cluster on this machine alone.
    notify: takes notices, such as workers of a cluster that cannot be used.
    Errors: UsageError (see `check_executor`), RunError (no cluster to be had).
    """
    check_executor(name, None, scheduler)
    if name == "serial":
        return Serial(timeout=timeout, deadline=deadline)
    if name == "processes":
        from mlp_cli.sweep.processes import Processes

        return Processes(workers, timeout=timeout)
    from mlp_cli.sweep.dask_executor import Dask

    return Dask(scheduler, workers, timeout=timeout, notify=notify)
