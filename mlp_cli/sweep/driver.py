"""Drives a sweep: asks the sampler, has the members trained, tells the sampler, and ends with a summary. Read it first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mlp_cli import files, runs
from mlp_cli.choosing import ROWS_KEYS, mean_of_all
from mlp_cli.config.resolved import flat
from mlp_cli.sweep.crew import Crew, Limits, Listener
from mlp_cli.sweep.halving import Bracket, Halving
from mlp_cli.sweep.missing import is_missing, missing_members, score_at
from mlp_cli.sweep.planner import Workload
from mlp_cli.sweep.pool import Pool
from mlp_cli.sweep.preflight import Preflight
from mlp_cli.sweep.samplers import ROUND, Score
from mlp_cli.sweep.space import Configuration, Member, unique
from mlp_cli.sweep.summary import Standings, Summary, count_line, summarize
from mlp_cli.sweep.sweepfile import SweepPlan
from mlp_cli.sweep.trials import Trial, Trials
from mlp_cli.training.stop import stop_on_signals


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    stopped: `signal`, `budget` or `failures` where it was stopped; signal: the number of the first. trained: members that a worker
    brought to their end, or to a pause. seconds: since the start of this command.
    earlier: runs in the folder that this command does not ask for.
    """

    summary: Summary
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
    open_pool: Callable[[Workload], Pool],
    workers: int | None = None,
    threads: int | str | None = None,
    command: str | None = None,
    started: float | None = None,
) -> Outcome:
    """Trains what is missing, in the sweep's folder, which no other process drives meanwhile.

    open_pool: called once there is something to train. workers, threads: None for the planner's choice. command: for each
    run.json. started: when the command began, on the monotonic clock (now, if it is None); the budget counts from then.
    Errors: RunError where another process drives this sweep, or the folder cannot be written; DataError, UsageError and
    ConfigError before anything is trained.
    """
    started = time.monotonic() if started is None else started
    trials = Trials(planned.folder, planned.space.swept)
    crew = Crew(trials, limits, listener, started, command, open_pool)
    driver = _Driver(planned, trials, crew, listener)
    fresh = not planned.folder.exists()
    if fresh:  # whatever cannot be trained at all leaves no folder
        driver.prepare()
    with runs.Claim(planned.folder) as claim:
        files.refuse_link(planned.runs)
        claim.tidy()
        claim.log(command or "started")
        if not fresh:
            driver.prepare()
        with stop_on_signals() as stop:  # from here on, since nothing before would heed it
            crew.stop = stop
            try:
                driver.run(workers, threads)
            finally:
                listener.end()
                crew.close()
            number, stop.signal = stop.signal, None  # heeded
        summary = driver.summary()
        claim.log(count_line(summary))
        earlier = len(trials.rows.keys() - trials.current)
        return Outcome(summary, crew.stopped, number, len(crew.trained), time.monotonic() - started, earlier)


class _Driver:
    """One start of a sweep."""

    def __init__(self, planned: SweepPlan, trials: Trials, crew: Crew, listener: Listener) -> None:
        self.planned, self.trials, self.crew, self.listener = planned, trials, crew, listener
        self.preflight = Preflight(planned.runs, trials, listener.notify)
        self.halving = planned.halving()
        self.sampler = planned.start()
        self.configurations: dict[str, Configuration] = {}
        self.asked: list[Configuration] = []
        self.rounds: list[list[Configuration]] = []

    def prepare(self) -> None:
        """Looks at what is there, and checks the first round."""
        self.trials.scan()
        self._ask()

    def run(self, workers: int | None, threads: int | str | None) -> None:
        """Rounds of the sampler, until it asks for nothing more or it is time to stop."""
        self._begin(unique(self.asked), workers, threads)
        while self.asked:
            scores = self._round(unique(self.asked))
            if scores is None:
                return
            self.sampler.tell([scores[configuration.members[0].hash] for configuration in self.asked])
            self._ask()

    def _ask(self) -> None:
        """The next round. Errors: those of the members, and of their data."""
        expansion = self.planned.space.expand(self.sampler.ask())
        for text in [*expansion.notices, *filter(None, [self.sampler.notice if expansion.configurations else None])]:
            self.listener.notify(text)
        self.asked = self.trials.adopt(expansion.configurations)
        self.rounds.append(self.asked)
        self.preflight.check(unique(self.asked), lambda run_id: self.crew.is_wanted(run_id, self._first_rung()))

    def summary(self) -> Summary:
        """Where the current members stand."""
        standings: dict[str, Standings] = {}
        for configuration in self.configurations.values():
            label = configuration.label or self.planned.name
            name = f"{label} ({configuration.members[0].hash[:8]})" if label in standings else label
            config = flat(configuration.members[0].config.to_dict())
            rows = repr([config.get(key) for key in ROWS_KEYS])
            standings[name] = Standings(name, self._rows(configuration), rows)
        summary = summarize(list(standings.values()), self.planned.metric, self.planned.mode)
        return replace(summary, unfinished=self._unfinished())

    def _unfinished(self) -> int:
        """Members that another start would train, those that the sampler has not proposed yet among them."""
        left = {member.id for each in self.rounds for member in missing_members(self.planned, self.trials, unique(each), False)}
        later = max(0, (self.planned.trials or 0) - sum(map(len, self.rounds))) if self.planned.sampler.name == "tpe" else 0
        return len(left) + later * len(self.planned.space.seeds)

    def _begin(self, configurations: Sequence[Configuration], workers: int | None, threads: int | str | None) -> None:
        files.write_text(self.planned.folder / "sweep.yaml", self.planned.to_yaml())
        missing = len(missing_members(self.planned, self.trials, configurations, self.crew.limits.retry_failed))
        self.crew.workload = self.preflight.workload(configurations, missing, workers, threads)
        self.crew.threads = None if threads is None else self.crew.workload.threads
        if self.crew.workload.notice and missing:
            self.listener.notify(self.crew.workload.notice)
        self.listener.begin(stints(self.planned, len(configurations)), self.crew.workload)

    def _first_rung(self) -> int | None:
        return self.planned.rungs[0] if self.planned.rungs else None

    def _round(self, configurations: Sequence[Configuration]) -> dict[str, Score] | None:
        """Trains one round, and scores its configurations; None where it was not brought to its end."""
        for configuration in configurations:
            self.configurations[configuration.members[0].hash] = configuration
            self.trials.current |= {member.id for member in configuration.members}
        if self.halving is not None:
            return self._halve(configurations, self.halving)
        self.crew.train(_seed_by_seed(configurations), None)
        if not self._is_over(configurations):
            return None
        return {configuration.members[0].hash: Score(self._final(configuration)) for configuration in configurations}

    def _halve(self, configurations: Sequence[Configuration], halving: Halving) -> dict[str, Score] | None:
        bracket = Bracket(self.planned.rungs, len(configurations), halving, self.planned.mode)
        found: dict[str, Score] = {}
        while bracket.alive:
            alive, until = {number: configurations[number] for number in bracket.alive}, bracket.until
            self.crew.train(_seed_by_seed(list(alive.values())), until)
            if not self._is_over(list(alive.values()), until):
                return None
            if until is None:
                return found | {
                    configuration.members[0].hash: Score(self._final(configuration)) for configuration in alive.values()
                }
            scores = {
                number: score_at(self.planned, self.trials, configuration, until) for number, configuration in alive.items()
            }
            bracket.judge(scores)
            found |= {configurations[n].members[0].hash: Score(scores[n], until) for n in alive if n not in bracket.alive}
        return found

    def _rows(self, configuration: Configuration) -> list[Trial | None]:
        return [self.trials.rows.get(member.id) for member in configuration.members]

    def _is_over(self, configurations: Sequence[Configuration], until: int | None = None) -> bool:
        """Whether every member has got as far as it should; none has, for instance, where another process has a member."""
        rows = [row for configuration in configurations for row in self._rows(configuration)]
        return self.crew.stopped is None and not any(is_missing(row, until, False) for row in rows)

    def _final(self, configuration: Configuration) -> float | None:
        """The mean over the seeds of the metric that chooses, at the evaluated epoch; None where a seed has none."""
        rows = [row for row in self._rows(configuration) if row is not None and row.status == "completed"]
        return mean_of_all([row.metrics.get(self.planned.metric) for row in rows], len(configuration.members))


def stints(planned: SweepPlan, configurations: int) -> int:
    """How often a member is handed to a worker, or found to be done, in a whole sweep. configurations: of the first round."""

    def of(count: int) -> int:
        halving, total = planned.halving(), 0
        for _ in planned.rungs or (None,):
            total += count
            count = halving.kept(count) if halving is not None else count
        return total * len(planned.space.seeds)

    if planned.sampler.name != "tpe" or planned.trials is None:
        return of(configurations)
    full, rest = divmod(planned.trials, ROUND)
    return full * of(ROUND) + (of(rest) if rest else 0)


def _seed_by_seed(configurations: Sequence[Configuration]) -> list[Member]:
    """The members in the order in which they are trained: all with the first seed, then all with the second."""
    return [member for row in zip(*(configuration.members for configuration in configurations), strict=True) for member in row]
