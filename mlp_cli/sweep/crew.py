"""Has members trained: hands them to the executor, takes what comes back, and notices when it is time to stop."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlp_cli import runs
from mlp_cli.sweep.attempt import record_failure
from mlp_cli.sweep.missing import is_missing
from mlp_cli.sweep.planner import Workload
from mlp_cli.sweep.pool import Pool, Task, TaskResult
from mlp_cli.sweep.space import Member
from mlp_cli.sweep.trials import Trial, Trials
from mlp_cli.text import counted
from mlp_cli.training.stop import StopRequest

WRITE_EVERY = 2.0
"""Seconds from one trials.csv to the next."""

_WAIT = 0.5
_GRACE = 15.0
_BUSY_TRIES = 5


@dataclass(frozen=True)
class Limits:
    """What a user may ask of a sweep's course. budget: seconds. max_failures: failures in a row that end it."""

    retry_failed: bool = False
    max_attempts: int = 2
    max_failures: int | None = None
    budget: float | None = None


class Listener(Protocol):
    """Who hears of a sweep's course. A stint is a member's training to its end, or to the epoch at which it pauses."""

    def begin(self, stints: int, workload: Workload) -> None:
        """Training begins."""

    def skip(self, count: int) -> None:
        """So many stints are done already."""

    def finished(self, trial: Trial) -> None:
        """A stint is over."""

    def notify(self, text: str) -> None:
        """A notice."""

    def end(self) -> None:
        """Nothing more will be trained."""


class Crew:
    """The pool's master. `stopped` says why nothing more is trained: `signal`, `budget` or `failures`.

    started: when the sweep began, on the monotonic clock. command: for each run.json. stop: a signal's request, put in its place
    while there is something to stop. threads: BLAS threads of each member; None for what it used before, which is 1 at first.
    trained: the members that a worker brought to their end, or to a pause.
    """

    def __init__(
        self,
        trials: Trials,
        limits: Limits,
        listener: Listener,
        started: float,
        command: str | None,
        open_pool: Callable[[Workload], Pool],
    ) -> None:
        self.trials, self.limits, self.listener, self.stop = trials, limits, listener, StopRequest()
        self.started, self.command, self.open_pool = started, command, open_pool
        self.workload = Workload(1, 1, 1)
        self.threads: int | None = None
        self.pool: Pool | None = None
        self.stopped: str | None = None
        self.stopped_at = 0.0
        self.trained: set[str] = set()
        self._tried: set[str] = set()
        self._tries: dict[str, int] = {}
        self._failures = 0
        self._written = 0.0
        self._unwritten = False
        self._members: dict[str, Member] = {}
        self._flying: dict[str, Task] = {}
        self._waiting: deque[Task] = deque()
        self._busy: dict[str, int] = {}

    def is_wanted(self, run_id: str, until: int | None) -> bool:
        """Whether a member has anything left to do before it reaches the epoch `until` (None: its end)."""
        retry = self.limits.retry_failed and run_id not in self._tried
        return is_missing(self.trials.rows.get(run_id), until, retry)

    def train(self, members: Sequence[Member], until: int | None) -> None:
        """Trains members in this order, as far as they need it; returns when all are over, or when it is time to stop."""
        self._members = {member.id: member for member in members}
        self._tries = {}
        self._waiting = deque(self._task(member, until) for member in members if self.is_wanted(member.id, until))
        self.listener.skip(len(members) - len(self._waiting))
        if self._waiting and self.pool is None:
            self.pool = self.open_pool(self.workload)
            if self.pool.workers != self.workload.workers:
                self.listener.notify(f"the cluster has {counted(self.pool.workers, 'worker')}")
        self._look_round()
        while self.pool is not None and (self._flying or (self._waiting and self.stopped is None)):
            while self._waiting and self.stopped is None and self._submit(self._waiting[0]):
                self._waiting.popleft()
            done = self.pool.results(self._patience())
            self._look_round()
            for result in done:
                self._take(result)
            self._write_now_and_then()
            self._look_round()
            if self.stopped is not None and time.monotonic() - self.stopped_at > _GRACE:
                self._flying.clear()
        if self.stopped is not None:
            self._waiting.clear()

    def close(self) -> None:
        """Ends the workers and writes trials.csv."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None
        for run_id in [run_id for run_id, row in self.trials.rows.items() if row.status == "running"]:
            self.trials.refresh(run_id)
        self.trials.write()

    def _task(self, member: Member, until: int | None) -> Task:
        runs_folder = str(self.trials.folder / "runs")
        return Task(
            member.id,
            member.config.to_dict(),
            runs_folder,
            threads=self.threads,
            until=until,
            command=self.command,
        )

    def _submit(self, task: Task) -> bool:
        """Hands a member to the pool; False where that has no room."""
        assert self.pool is not None
        row = self.trials.rows.get(task.run_id)
        if row is not None and row.status == "unreadable":
            with runs.Claim(task.folder) as claim:
                claim.clear()
        if not self.pool.submit(task):
            return False
        if row is not None and row.status in ("failed", "unreadable") and task.run_id not in self._tried:
            self.trials.attempts[task.run_id] = row.attempts + 1
            self._tried.add(task.run_id)
        self.trials.attempts.setdefault(task.run_id, 1)
        self._tries[task.run_id] = self._tries.get(task.run_id, 0) + 1
        self._flying[task.run_id] = task
        return True

    def _take(self, result: TaskResult) -> None:
        task = self._flying.pop(result.run_id, None)
        if task is None:
            return
        row = self.trials.refresh(task.run_id)
        self._unwritten = True
        cut_short = self.stopped is None and (result.lost or result.status == "interrupted")
        if cut_short and self._again(task, result):
            return
        if self.stopped is None and result.status == "running" and self._busy.get(task.run_id, 0) < _BUSY_TRIES:
            self._busy[task.run_id] = self._busy.get(task.run_id, 0) + 1  # a driver that was killed: its workers end any moment
            self._tries[task.run_id] -= 1
            self._waiting.append(task)
            return
        failed = cut_short or result.status in ("failed", "diverged")
        if cut_short:
            record_failure(task, _how_it_ended(result))
            row = self.trials.refresh(task.run_id)
        if failed and (row is None or row.status not in ("failed", "completed", "diverged")):
            row = self.trials.fail(task.run_id, self._members[task.run_id].config, _how_it_ended(result))
        self._tried.add(task.run_id)
        self._failures = self._failures + 1 if failed else 0
        if row is not None and (failed or result.status in ("completed", "pruned")):
            self.trained.add(task.run_id)
            self.listener.finished(row)

    def _again(self, task: Task, result: TaskResult) -> bool:
        """Hands a member whose worker died to another one, which goes on from the checkpoint; False after the last attempt."""
        if self._tries[task.run_id] >= self.limits.max_attempts:
            return False
        self.trials.attempts[task.run_id] = self.trials.attempts.get(task.run_id, 1) + 1
        self.listener.notify(f"{task.label}: {_how_it_ended(result)}; trying again")
        self._waiting.appendleft(task)
        return True

    def _patience(self) -> float:
        if self.limits.budget is None or self.stopped is not None:
            return _WAIT
        return min(_WAIT, max(0.0, self.started + self.limits.budget - time.monotonic()))

    def _look_round(self) -> None:
        """Stops everything where that is asked for."""
        if self.stopped is not None:
            return
        if self.stop.signal is not None:
            self._stop("signal")
        elif self.limits.budget is not None and time.monotonic() - self.started >= self.limits.budget:
            self._stop("budget")
        elif self.limits.max_failures is not None and self._failures >= self.limits.max_failures:
            self._stop("failures")

    def _stop(self, reason: str) -> None:
        self.stopped, self.stopped_at = reason, time.monotonic()
        if self.pool is not None:
            self.pool.cancel()

    def _write_now_and_then(self) -> None:
        if self._unwritten and time.monotonic() - self._written >= WRITE_EVERY:
            self.trials.write()
            self._written, self._unwritten = time.monotonic(), False


def _how_it_ended(result: TaskResult) -> str:
    """Why an attempt did not come to its end, in words."""
    if result.status == "interrupted" and not result.lost:
        return f"stopped from outside: {result.error}" if result.error else "stopped from outside"
    return result.error or "no reason was given"
