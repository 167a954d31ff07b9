"""Drives a sweep: asks the sampler, has the members trained, tells the sampler. Read `run_sweep` first."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from mlp_cli import files, runs
from mlp_cli.choosing import mean_of_all
from mlp_cli.loggers import Logs
from mlp_cli.sweep.attempt import record_failure
from mlp_cli.sweep.forecast import Preflight, Workload, stints
from mlp_cli.sweep.pool import Pool, Task, TaskResult
from mlp_cli.sweep.samplers import Score
from mlp_cli.sweep.space import Configuration, Member, unique
from mlp_cli.sweep.sweepfile import SweepPlan
from mlp_cli.sweep.trials import WRONG, Trial, Trials, course, is_missing, missing_members, score_at
from mlp_cli.text import counted
from mlp_cli.training.stop import StopRequest, stop_on_signals

WRITE_EVERY = 2.0
"""Seconds from one trials.csv to the next."""

_ORDER = ("completed", "pruned", "interrupted", "running", *WRONG, "not started")
_WAIT = 0.5
_GRACE = 15.0
_BUSY_TRIES = 5
_LINE = 1000  # bytes that no line of metrics.csv has


@dataclass(frozen=True)
class Limits:
    """What a user may ask of a sweep's course. budget: seconds. max_failures: failures in a row that end it."""

    retry_failed: bool = False
    max_attempts: int = 2
    max_failures: int | None = None
    budget: float | None = None


class Listener(Protocol):
    """Who hears of a sweep's course. A stint is a member's training to its end, or to the epoch at which it pauses."""

    def begin(self, stints: int, epochs: int, workload: Workload) -> None:
        """Training begins: so many stints with so many epochs in all."""

    def skip(self, stints: int, epochs: int) -> None:
        """So many are done already."""

    def advance(self, epochs: int) -> None:
        """So many epochs are done by now, in stints that are over and in those under way."""

    def finished(self, trial: Trial) -> None:
        """A stint is over."""

    def notify(self, text: str) -> None:
        """A notice."""

    def end(self) -> None:
        """Nothing more will be trained."""


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    counts: the current members by status. wrong: those that failed, diverged or cannot be read. present: the ids of those that
    have a folder. unfinished: how many another start of the same command would train. stopped: `signal`, `budget` or `failures`
    where it was stopped; signal: the number of the first. trained: members that a worker brought to their end, or to a pause.
    seconds: since the start of this command. earlier: runs in the folder that this command does not ask for.
    """

    counts: dict[str, int]
    wrong: tuple[Trial, ...]
    present: tuple[str, ...]
    unfinished: int
    stopped: str | None
    signal: int | None
    trained: int
    seconds: float
    earlier: int = 0


def run_sweep(
    planned: SweepPlan,
    *,
    limits: Limits,
    listener: Listener,
    open_pool: Callable[..., Pool],
    workers: int | None = None,
    threads: int | str | None = None,
    command: str | None = None,
    started: float | None = None,
) -> Outcome:
    """Trains what is missing, in the sweep's folder, which no other process drives meanwhile.

    open_pool: `pool.open_pool` with its executor, timeout and scheduler given, called once there is something to train. workers,
    threads: None for the planner's choice. command: for each run.json. started: when the command began, on the monotonic clock (now,
    if it is None); the budget counts from then.
    Errors: RunError where another process drives this sweep, or the folder cannot be written; DataError, UsageError and
    ConfigError before anything is trained.
    """
    if "epochs" in planned.space.swept:
        listener.notify("epochs: each member trains from its first epoch, since a sweep's members keep no checkpoint")
    driver = _Driver(planned, limits, listener, open_pool, command, time.monotonic() if started is None else started)
    # Whatever cannot be trained at all leaves no folder.
    asked = None if os.path.isdir(planned.folder) else driver.prepare()
    with runs.Claim(planned.folder) as claim:
        files.refuse_link(planned.runs)
        claim.tidy()
        claim.log(command or "started")
        asked = driver.prepare() if asked is None else asked
        with stop_on_signals() as stop:  # from here on, since nothing before would heed it
            driver.stop = stop
            try:
                driver.begin(asked, workers, threads)
                while asked:
                    scores = driver.train(unique(asked))
                    if scores is None:
                        break
                    driver.sampler.tell([scores[each.key] for each in asked])
                    asked = driver.ask()
            finally:
                listener.end()
                driver.close()
            number, stop.signal = stop.signal, None  # heeded
        outcome = driver.outcome(number)
        claim.log(", ".join(f"{count:,} {status}" for status, count in outcome.counts.items()))
        return outcome


class _Driver:
    """One start of a sweep.

    rounds: what the sampler has asked for. stop: a signal's request. stopped: why nothing more is trained: `signal`, `budget` or
    `failures`. trained: the members that a worker brought to their end, or to a pause.
    """

    def __init__(
        self,
        planned: SweepPlan,
        limits: Limits,
        listener: Listener,
        open_pool: Callable[..., Pool],
        command: str | None,
        started: float,
    ) -> None:
        self.planned, self.limits, self.listener, self.command, self.started = planned, limits, listener, command, started
        self.trials = Trials(planned.folder, planned.space.swept)
        self.preflight = Preflight(planned, self.trials, listener.notify)
        self.sampler = planned.start()
        self.logs = Logs(planned.log_to, planned.folder.parent, planned.name, listener.notify)
        self.log_writer = ThreadPoolExecutor(1)
        self.rounds: list[list[Configuration]] = []
        self.open_pool = open_pool
        self.pool: Pool | None = None
        self.stop = StopRequest()
        self.stopped: str | None = None
        self.stopped_at = self.written = 0.0
        self.workload = Workload(1, 1, 1)
        self.threads: int | None = None
        self.trained: set[str] = set()
        self._tried: set[str] = set()
        self._failures = self._epochs = 0
        self._unwritten = False
        self._members: dict[str, Member] = {}
        self._flying: dict[str, Task] = {}
        self._waiting: deque[Task] = deque()
        self._busy: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()

    def prepare(self) -> list[Configuration]:
        """Looks at what is there, and asks for the first round."""
        self.trials.scan()
        return self.ask()

    def ask(self) -> list[Configuration]:
        """The sampler's next round, checked. Errors: those of the members, and of their data."""
        expansion = self.planned.space.expand(self.sampler.ask())
        asked = self.trials.adopt(expansion.configurations)
        for text in (*expansion.notices, *([self.sampler.notice] if asked and self.sampler.notice else [])):
            self.listener.notify(text)
        self.preflight.check(unique(asked), lambda run_id: self._is_wanted(run_id, next(iter(self.planned.rungs), None)))
        self.rounds.append(asked)
        return asked

    def begin(self, asked: Sequence[Configuration], workers: int | None, threads: int | str | None) -> None:
        """Writes sweep.yaml and says what there is to do."""
        files.write_text(self.planned.folder / "sweep.yaml", self.planned.to_yaml())
        configurations = unique(asked)
        missing = len(missing_members(self.planned, self.trials, configurations, self.limits.retry_failed))
        self.workload = self.preflight.workload(configurations, missing, workers, threads)
        self.threads = None if threads is None else self.workload.threads
        if self.workload.notice and missing:
            self.listener.notify(self.workload.notice)
        epochs = [each.members[0].config.epochs for each in configurations]
        self.listener.begin(*stints(self.planned, epochs), self.workload)

    def train(self, configurations: Sequence[Configuration]) -> dict[str, Score] | None:
        """Trains one round, and scores its configurations; None where it was not brought to its end."""
        self.trials.current |= {member.id for each in configurations for member in each.members}
        found: dict[str, Score] = {}
        for going, until in course(self.planned, self.trials, configurations):
            self._train(_seed_by_seed(going), until)
            if not self._is_over(going, until):
                return None
            for each in going:
                score = self._final(each) if until is None else score_at(self.planned, self.trials, each, until)
                found[each.key] = Score(score, until)
        return found

    def close(self) -> None:
        """Ends the workers and writes trials.csv."""
        if self.pool is not None:
            self.pool.close()
            self.pool = None
        for run_id in [run_id for run_id, row in self.trials.rows.items() if row.status == "running"]:
            self.trials.refresh(run_id)
        for row in self.trials.rows.values() if self.stopped is None else ():
            self._log(row)
        self.log_writer.shutdown(cancel_futures=self.stopped == "signal")
        self.trials.write()

    def outcome(self, number: int | None) -> Outcome:
        """Where the current members stand. number: of the signal that stopped it."""
        left = {m.id for asked in self.rounds for m in missing_members(self.planned, self.trials, unique(asked), False)}
        later = (self.planned.trials or 0) - sum(map(len, self.rounds)) if self.planned.sampler.name == "tpe" else 0
        members = {member.id: None for asked in self.rounds for each in asked for member in each.members}
        rows = [row for run_id in members if run_id in self.trials.current and (row := self.trials.rows.get(run_id)) is not None]
        counts = Counter(row.status for row in rows) + Counter({"not started": len(self.trials.current) - len(rows)})
        return Outcome(
            {status: counts[status] for status in _ORDER if counts[status]},
            tuple(row for row in rows if row.status in WRONG),
            tuple(row.id for row in rows if os.path.lexists(self.planned.runs / row.id / runs.RECORD)),
            len(left) + max(0, later) * len(self.planned.space.seeds),
            self.stopped,
            number,
            len(self.trained),
            time.monotonic() - self.started,
            len(self.trials.rows.keys() - self.trials.current),
        )

    def _rows(self, configuration: Configuration) -> list[Trial | None]:
        return [self.trials.rows.get(member.id) for member in configuration.members]

    def _is_over(self, configurations: Sequence[Configuration], until: int | None = None) -> bool:
        """Whether every member has got as far as it should; none has, for instance, where another process has a member."""
        rows = [row for each in configurations for row in self._rows(each)]
        return self.stopped is None and not any(is_missing(row, until, False) for row in rows)

    def _final(self, configuration: Configuration) -> float | None:
        """The mean over the seeds of the metric that chooses, at the evaluated epoch; None where a seed has none."""
        rows = [row for row in self._rows(configuration) if row is not None and row.status == "completed"]
        return mean_of_all([row.metrics.get(self.planned.metric) for row in rows], len(configuration.members))

    def _is_wanted(self, run_id: str, until: int | None) -> bool:
        """Whether a member has anything left to do before it reaches the epoch `until` (None: its end)."""
        retry = self.limits.retry_failed and run_id not in self._tried
        return is_missing(self.trials.rows.get(run_id), until, retry)

    def _train(self, members: Sequence[Member], until: int | None) -> None:
        """Trains members in this order, as far as they need it; returns when all are over, or when it is time to stop."""
        self._members = {member.id: member for member in members}
        self._lost.clear()
        wanted = [member for member in members if self._is_wanted(member.id, until)]
        self._waiting = deque(self._task(member, until) for member in wanted)
        skipped = sum(self._share(member.id, until) for member in members if member not in wanted)
        self._epochs += skipped
        self.listener.skip(len(members) - len(wanted), skipped)
        if self._waiting and self.pool is None:
            self.pool = self.open_pool(
                workers=self.workload.workers,
                folder=self.planned.runs,
                threads=self.workload.threads,
                deadline=None if self.limits.budget is None else self.started + self.limits.budget,
                notify=self.listener.notify,
            )
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
            self.listener.advance(self._epochs + sum(map(self._epochs_of, self._flying)))
            self._write_now_and_then()
            self._look_round()
            if self.stopped is not None and time.monotonic() - self.stopped_at > _GRACE:
                self._flying.clear()
        if self.stopped is not None:
            self._waiting.clear()

    def _task(self, member: Member, until: int | None) -> Task:
        config = member.config.to_dict()
        return Task(member.id, config, str(self.planned.runs), self.threads, until, self.command)

    def _share(self, run_id: str, until: int | None) -> int:
        """The epochs of a stint: those since the rung before it."""
        before = [rung for rung in self.planned.rungs[:-1] if until is None or rung < until]
        return (until or self._members[run_id].config.epochs) - max(before, default=0)

    def _epochs_of(self, run_id: str) -> int:
        """Epochs that a member under way has done in its stint, by its metrics.csv."""
        until = self._flying[run_id].until
        share = self._share(run_id, until)
        try:
            with open(self.planned.runs / run_id / "metrics.csv", "rb") as table:
                table.seek(max(0, table.seek(0, os.SEEK_END) - _LINE))
                last = table.read().rpartition(b"\n")[0].rpartition(b"\n")[2].partition(b",")[0]
        except OSError:
            return 0
        epoch = int(last) if last.isdigit() else 0
        return min(share, max(0, epoch - (until or self._members[run_id].config.epochs) + share))

    def _submit(self, task: Task) -> bool:
        """Hands a member to the pool; False where that has no room."""
        row = self.trials.rows.get(task.run_id)
        if row is not None and row.status == "unreadable":
            with runs.Claim(task.folder) as claim:
                claim.clear()
        if self.pool is None or not self.pool.submit(task):
            return False
        if row is not None and row.status in ("failed", "unreadable") and task.run_id not in self._tried:
            self.trials.attempts[task.run_id] = row.attempts + 1
            self._tried.add(task.run_id)
        self.trials.attempts.setdefault(task.run_id, 1)
        self._flying[task.run_id] = task
        return True

    def _take(self, result: TaskResult) -> None:
        """Notes how an attempt ended, and decides about another."""
        task = self._flying.pop(result.run_id, None)
        if task is None:
            return
        row, error = self.trials.refresh(task.run_id), _how_it_ended(result)
        self._unwritten = True
        cut_short = self.stopped is None and (result.lost or result.status == "interrupted")
        self._lost[task.run_id] += cut_short
        if cut_short and self._lost[task.run_id] < self.limits.max_attempts:  # another worker goes on from the checkpoint
            self.trials.attempts[task.run_id] = self.trials.attempts.get(task.run_id, 1) + 1
            self.listener.notify(f"{task.label}: {error}; trying again")
            self._waiting.appendleft(task)
            return
        if self.stopped is None and result.status == "running" and self._busy[task.run_id] < _BUSY_TRIES:
            self._busy[task.run_id] += 1  # a driver that was killed: its workers end any moment
            self._waiting.append(task)
            return
        failed = cut_short or result.status in ("failed", "diverged")
        if cut_short:
            record_failure(task, error)
            row = self.trials.refresh(task.run_id)
        if failed and (row is None or row.status not in ("failed", "completed", "diverged")):
            row = self.trials.fail(task.run_id, self._members[task.run_id].config, error)
        self._tried.add(task.run_id)
        self._failures = self._failures + 1 if failed else 0
        if row is not None and (failed or result.status in ("completed", "pruned")):
            self._epochs += self._share(task.run_id, task.until)
            self.trained.add(task.run_id)
            self.listener.finished(row)
            if row.status != "pruned":  # which may go on
                self._log(row)

    def _log(self, row: Trial) -> None:
        """Has an ended member written for the tools of `log_to`, beside the training: MLflow may take ten seconds for a first one."""
        if self.logs.names and row.id in self.trials.current:
            self.log_writer.submit(self.logs.write, self.planned.runs / row.id)

    def _patience(self) -> float:
        if self.limits.budget is None or self.stopped is not None:
            return _WAIT
        return min(_WAIT, max(0.0, self.started + self.limits.budget - time.monotonic()))

    def _look_round(self) -> None:
        """Stops everything where that is asked for."""
        limits = self.limits
        reasons = {
            "signal": self.stop.signal is not None,
            "budget": limits.budget is not None and time.monotonic() - self.started >= limits.budget,
            "failures": limits.max_failures is not None and self._failures >= limits.max_failures,
        }
        if self.stopped is None and any(reasons.values()):
            self.stopped, self.stopped_at = next(reason for reason, holds in reasons.items() if holds), time.monotonic()
            if self.pool is not None:
                self.pool.cancel()

    def _write_now_and_then(self) -> None:
        if self._unwritten and time.monotonic() - self.written >= WRITE_EVERY:
            self.trials.write()
            self.written, self._unwritten = time.monotonic(), False


def _how_it_ended(result: TaskResult) -> str:
    """Why an attempt did not come to its end, in words."""
    if result.status == "interrupted" and not result.lost:
        return f"stopped from outside: {result.error}" if result.error else "stopped from outside"
    return result.error or "no reason was given"


def _seed_by_seed(configurations: Sequence[Configuration]) -> list[Member]:
    """The members in the order in which they are trained: all with the first seed, then all with the second."""
    return [member for row in zip(*(each.members for each in configurations), strict=True) for member in row]
