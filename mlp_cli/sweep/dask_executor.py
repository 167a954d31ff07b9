"""Members on a Dask cluster with shared storage, or on a local cluster of this machine's own.

Each task is pinned to one worker and watched from here: Dask itself would move a task whose worker died, and would blame whatever
else that worker had in hand. The runs' folders are the truth, so that nothing is lost with a worker or the scheduler.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from mlp_cli import files, runs
from mlp_cli.errors import Notify
from mlp_cli.sweep.dask_cluster import GONE, Cluster
from mlp_cli.sweep.dask_task import run_member
from mlp_cli.sweep.jobs import Job, Result, not_started

STOP_PATIENCE = 5.0
"""Seconds that a cancelled job has to end its batch."""
_LOOK = 1.0
_GATHER = 30.0


@dataclass(frozen=True)
class _Flight:
    """A job under way: the worker that has it, and its future."""

    job: Job
    address: str
    future: Any


class Dask:
    """An executor (see `Executor`) that hands jobs to the workers of a Dask cluster, one for each of their threads.

    scheduler: its address; None starts a local cluster of `workers` processes. timeout: seconds for an attempt. notify: takes notices
    about workers that cannot be used: those with another version of this package or of NumPy (a member's bytes would differ), and
    those that do not see the results folder.
    Errors: UsageError without the package distributed; RunError where the scheduler cannot be reached or no worker can be used.
    """

    def __init__(
        self,
        scheduler: str | None,
        workers: int,
        *,
        timeout: float | None = None,
        notify: Notify = lambda text: None,
    ) -> None:
        self.timeout = timeout
        self._queue: deque[Job] = deque()
        self._done: list[Result] = []
        self._flights: dict[str, _Flight] = {}
        self._stopping: list[tuple[Job, float]] = []
        self._landed: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._probes: dict[str, Path] = {}
        self._looked = float("-inf")
        self._cluster = Cluster(scheduler, workers, notify)
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """How many jobs are trained at a time, now: clusters grow and shrink."""
        return max(1, sum(self._cluster.threads.values()))

    def submit(self, job: Job) -> None:
        """Takes a job. Errors: RunError where the results folder cannot be written."""
        job = replace(job, results=str(Path(job.results).absolute()))
        if job.results not in self._probes:
            probe = Path(job.results) / f".probe.{secrets.token_hex(4)}.tmp"  # tidied like any temporary file
            files.make_folder(probe.parent)
            files.write_text(probe, "the workers of a cluster look for this file, to know that they see this folder\n")
            self._probes[job.results] = probe
        self._queue.append(job)
        self._hand_out()

    def results(self, timeout: float) -> list[Result]:
        """See `Executor`. Errors: RunError where the scheduler, or every worker, is gone."""
        end = time.monotonic() + timeout
        while True:
            self._look()
            self._hand_out()
            self._see_stopped()
            left = end - time.monotonic()
            if self._done or left <= 0 or not (self._queue or self._flights or self._stopping):
                break
            with contextlib.suppress(queue.Empty):
                self._land(self._landed.get(timeout=min(left, 0.1 if self._stopping else _LOOK)))
                while True:
                    self._land(self._landed.get_nowait())
        done, self._done = self._done, []
        return done

    def cancel_all(self) -> None:
        """See `Executor`. A job counts as stopped once nobody holds its folder."""
        self._done += [not_started(job) for job in self._queue]
        self._queue.clear()
        flights, self._flights = list(self._flights.values()), {}
        end = time.monotonic() + STOP_PATIENCE
        self._stopping += [(flight.job, end) for flight in flights]
        with contextlib.suppress(*GONE):
            self._cluster.client.cancel([flight.future for flight in flights], force=True)

    def close(self) -> None:
        """See `Executor`. The workers of an existing cluster stay."""
        self.cancel_all()
        while self._stopping:
            self._see_stopped()
            time.sleep(0.05)
        for probe in self._probes.values():
            probe.unlink(missing_ok=True)
        self._probes.clear()
        self._cluster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self) -> None:
        """Sees which workers there are, at most once a second, and gives up the jobs of those that have gone."""
        if time.monotonic() - self._looked < _LOOK:
            return
        self._cluster.look()
        self._looked = time.monotonic()
        for key, flight in list(self._flights.items()):
            if flight.address not in self._cluster.threads:
                self._lose(key, f"the Dask worker {flight.address} is gone")

    def _hand_out(self) -> None:
        """Gives waiting jobs to workers that have a thread for each of the job's BLAS threads left, or have nothing at all to do."""
        threads = self._cluster.threads
        used = dict.fromkeys(threads, 0)
        for flight in self._flights.values():
            if flight.address in used:
                used[flight.address] += flight.job.threads or 1
        while self._queue and used:
            job = self._queue[0]
            address = max(used, key=lambda name: threads[name] - used[name])
            needed = job.threads or 1
            if used[address] and used[address] + needed > threads[address]:
                return
            self._queue.popleft()
            used[address] += needed
            self._send(job, address)

    def _send(self, job: Job, address: str) -> None:
        key = f"mlp-{job.run_id}-{job.attempt}-{secrets.token_hex(4)}"
        future = self._cluster.client.submit(
            run_member,
            key,
            job.plain(),
            self.timeout,
            os.getcwd(),
            str(self._probes[job.results]),
            key=key,
            workers=[address],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        self._flights[key] = _Flight(job, address, future)
        future.add_done_callback(lambda landed: self._landed.put(landed.key))

    def _land(self, key: str) -> None:
        """Takes the result of a task that has ended, if it is still waited for."""
        flight = self._flights.get(key)
        if flight is None:
            return
        try:
            answer = flight.future.result(timeout=_GATHER)
        except Exception as error:
            # KilledWorker, a cancelled future, a worker lost while it answered: all of them the cluster's doing.
            self._looked = float("-inf")
            self._look()  # where the scheduler is gone, that is the news, and no attempt is spent
            if key in self._flights:
                self._lose(key, f"the Dask worker {flight.address} did not finish ({type(error).__name__}: {error})")
            return
        del self._flights[key]
        if answer is None:
            self._queue.appendleft(flight.job)
            self._cluster.refuse(flight.address, f"it does not see the folder {flight.job.results}")
            self._looked = float("-inf")  # perhaps none is left
        else:
            self._done.append(Result(**answer))

    def _lose(self, key: str, error: str) -> None:
        flight = self._flights.pop(key)
        with contextlib.suppress(*GONE):
            flight.future.cancel()
        self._done.append(Result(flight.job.run_id, "interrupted", error, flight.job.attempt, lost=True))

    def _see_stopped(self) -> None:
        """Reports cancelled jobs whose folders nobody holds any more, or that have had their time."""
        waiting, self._stopping = self._stopping, []
        for job, end in waiting:
            folder = Path(job.results) / job.run_id
            if runs.in_use(folder) and time.monotonic() < end:
                self._stopping.append((job, end))
                continue
            record = runs.read_quietly(folder)
            if record is not None and record.status in ("completed", "diverged", "failed", "pruned"):
                self._done.append(Result(job.run_id, record.status, record.error, job.attempt))
            else:
                self._done.append(Result(job.run_id, "interrupted", "stopped by the sweep", job.attempt))
