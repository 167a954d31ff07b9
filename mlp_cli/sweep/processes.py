"""Worker processes on this machine: long-lived, one job each at a time, replaced when they die.

Each is a fresh interpreter (nothing is inherited but the environment), with one BLAS thread. Data sets are memory-mapped from the
cache, so all workers share one copy. The driver waits on their sockets and does nothing in between.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from pathlib import Path
from typing import Self

from mlp_cli.errors import RunError
from mlp_cli.sweep.handle import Worker
from mlp_cli.sweep.jobs import Job, Result, not_started, note_loss, time_is_up

STOP_PATIENCE = 10.0
"""Seconds that a cancelled job has to end its batch before it gets SIGTERM."""
KILL_PATIENCE = 2.0
"""Seconds from SIGTERM to SIGKILL."""
CLOSE_PATIENCE = 5.0
"""Seconds that `close` waits for jobs under way."""
_START_FAILURES = 5


class Processes:
    """An executor (see `Executor`) of worker processes, started as jobs come.

    workers: at most so many. timeout: seconds for an attempt; then SIGTERM, and SIGKILL if that does not end it, and the run's status
    is `failed`. folder: the workers' current folder, None for this process's.
    Make it in a thread that lives as long: on Linux a worker ends with the thread that started it.
    """

    def __init__(self, workers: int, *, timeout: float | None = None, folder: Path | None = None) -> None:
        self.workers, self.timeout, self.folder = workers, timeout, folder
        self._crew: list[Worker] = []
        self._queue: deque[Job] = deque()
        self._done: list[Result] = []
        self._selector = selectors.DefaultSelector()
        self._start_failures = 0
        self._closed = False

    def submit(self, job: Job) -> None:
        """Takes a job; an idle worker gets it at once, and a new one is started where there is room."""
        self._queue.append(job)
        self._hand_out()

    def results(self, timeout: float) -> list[Result]:
        """See `Executor`."""
        end = time.monotonic() + timeout
        while True:
            self._hand_out()
            busy = bool(self._queue) or any(worker.job for worker in self._crew)
            now = time.monotonic()
            wait = 0.0 if self._done or not busy else max(0.0, min(end - now, self._next_deadline() - now, 3600.0))
            for key, _ in self._selector.select(wait):
                self._hear(key.data)
            self._enforce()
            if self._done or not busy or time.monotonic() >= end:
                break
        self._hand_out()  # whoever became idle works on while the caller looks at the results
        done, self._done = self._done, []
        return done

    def cancel_all(self) -> None:
        """See `Executor`. A job that does not stop gets SIGTERM after `STOP_PATIENCE`, then SIGKILL."""
        self._done += [not_started(job) for job in self._queue]
        self._queue.clear()
        for worker in self._crew:
            if worker.job:
                worker.cancelled = True
                worker.send({"stop": True})
                worker.deadline = min(worker.deadline, time.monotonic() + STOP_PATIENCE)

    def close(self) -> None:
        """See `Executor`. A worker that is still busy after `CLOSE_PATIENCE` is killed; its run goes on from its checkpoint."""
        if self._closed:
            return
        self._closed = True
        try:
            self.cancel_all()
            end = time.monotonic() + CLOSE_PATIENCE
            while any(worker.job for worker in self._crew) and time.monotonic() < end:
                self.results(end - time.monotonic())
        finally:
            for worker in self._crew:
                if worker.job:
                    worker.process.kill()
                worker.channel.close()  # they end by themselves, all at the same time
            for worker in self._crew:
                worker.end_of()
            self._crew.clear()
            self._selector.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_out(self) -> None:
        """Gives waiting jobs to idle workers, and starts workers for the rest."""
        for worker in self._crew:
            if self._queue and worker.idle:
                worker.give(self._queue.popleft(), self.timeout)
        starting = sum(not worker.ready for worker in self._crew)
        while len(self._crew) < self.workers and starting < len(self._queue):
            try:
                worker = Worker(self.folder)
            except OSError as error:
                if self._crew:
                    return  # fewer will do; the next one is tried when something has happened
                raise RunError(f"cannot start a worker: {error}", "stop other programs, or use fewer with --workers") from error
            self._crew.append(worker)
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)
            starting += 1

    def _hear(self, worker: Worker) -> None:
        messages = worker.receive()
        if messages is None:
            self._bury(worker)
            return
        for message in messages:
            if "ready" in message:
                worker.ready = True
                self._start_failures = 0
            elif "started" in message:
                worker.started = True
            else:
                self._finish(worker, Result(**message["result"]))

    def _finish(self, worker: Worker, result: Result) -> None:
        job = worker.job
        assert job is not None
        if worker.verdict is not None and result.status == "interrupted":
            result = self._condemned(job, worker.verdict, "")
        worker.free()
        self._done.append(result)

    def _bury(self, worker: Worker) -> None:
        """Takes away a worker that has died; its job alone bears the loss, and only if it had begun."""
        self._selector.unregister(worker.channel)
        self._crew.remove(worker)
        how, printed = worker.end_of()
        job = worker.job
        if job is None:
            if not worker.ready:
                self._count_start_failure(how, printed)
        elif worker.verdict is not None:
            self._done.append(self._condemned(job, worker.verdict, printed))
        elif worker.cancelled:
            self._done.append(Result(job.run_id, "interrupted", f"stopped by the sweep, {how}", job.attempt))
        elif not worker.started:
            self._queue.appendleft(job)
        else:
            error = f"the worker was {how}" if how.startswith("killed") else f"the worker {how}"
            note_loss(job, error, printed)
            self._done.append(Result(job.run_id, "interrupted", error, job.attempt, lost=True))

    def _count_start_failure(self, how: str, printed: str) -> None:
        self._start_failures += 1
        if self._start_failures >= _START_FAILURES:
            last = printed.splitlines()[-1] if printed else "it printed nothing"
            raise RunError(f"workers do not start: the last one {how.replace(' in the middle of the run', '')}: {last}")

    def _condemned(self, job: Job, verdict: str, printed: str) -> Result:
        from mlp_cli.sweep.attempt import timed_out  # slow to import, and seldom needed

        return timed_out(job, verdict, printed)

    def _next_deadline(self) -> float:
        return min((worker.deadline for worker in self._crew), default=float("inf"))

    def _enforce(self) -> None:
        """Ends the jobs whose time is up: SIGTERM first, which lets them write their status, then SIGKILL."""
        now = time.monotonic()
        for worker in self._crew:
            if worker.job is None or now < worker.deadline:
                continue
            if worker.warned:
                worker.process.kill()
                worker.deadline = float("inf")
            else:
                if not worker.cancelled:
                    worker.verdict = time_is_up(self.timeout or 0)
                worker.process.terminate()
                worker.warned, worker.deadline = True, now + KILL_PATIENCE
