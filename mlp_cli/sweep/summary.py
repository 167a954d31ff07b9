"""How a sweep ends: the best configuration, the counts by status, what failed and why, and how to go on."""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlp_cli.choosing import Standing, best_of, mean, mean_of_all, ranking, sd
from mlp_cli.report.wording import score_text
from mlp_cli.runs import TIMEOUT
from mlp_cli.sweep.trials import Trial
from mlp_cli.text import counted, metric_name

WRONG = ("failed", "diverged", "unreadable")
_ORDER = ("completed", "pruned", "interrupted", "running", *WRONG, "not started")
_MOST_FAILURES = 20


@dataclass(frozen=True)
class Standings:
    """A configuration's members, one a seed, in the order of the seeds; None for one that never began.

    rows: what says which rows it is scored on besides the data itself: configurations that differ in it are not compared.
    """

    label: str
    members: Sequence[Trial | None]
    rows: str = ""


@dataclass(frozen=True)
class Result:
    """A configuration's standing: the metric's mean and standard deviation (n − 1; None for one seed) over n seeds.

    label, values: of the configuration. completed, planned: its seeds. wrong: seeds that failed or diverged; with any of them
    it is never the best. pruned: seeds that halving paused. metrics: the means of all metrics over the same seeds. group: 0, 1 …:
    configurations of equal data, split and task.
    """

    label: str
    values: Mapping[str, str]
    n: int
    completed: int
    planned: int
    wrong: int
    pruned: int
    mean: float | None
    deviation: float | None
    metrics: Mapping[str, float]
    group: int = 0


@dataclass(frozen=True)
class Summary:
    """All configurations, the best of each group that has one, counts by status, the members that went wrong, and how many
    another start of the same command would train (pruned ones not among them: the driver knows which of these go on)."""

    results: tuple[Result, ...]
    winners: tuple[Result, ...]
    counts: Mapping[str, int]
    wrong: tuple[Trial, ...]
    metric: str
    mode: str
    unfinished: int

    @property
    def best(self) -> Result | None:
        """The best configuration; None while there is none, and where several groups have one each."""
        return self.winners[0] if len(self.winners) == 1 else None


def summarize(configurations: Sequence[Standings], metric: str, mode: str) -> Summary:
    """Weighs the current members of a sweep. Each configuration is weighed on its completed seeds, and the best is chosen as a
    report chooses it (`choosing.best_of`), among those of equal data, split and task."""
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for number, each in enumerate(configurations):
        groups.setdefault((each.rows, *_data_and_task(each.members)), []).append(number)
    results: dict[int, Result] = {}
    winners: list[Result] = []
    for group, numbers in enumerate(groups.values()):
        found = [_result(configurations[number], metric, group) for number in numbers]
        results |= zip(numbers, found, strict=True)
        best = best_of([_standing(result) for result in found], mode == "max")
        winners += [] if best is None else [found[best]]
    members = [trial for each in configurations for trial in each.members]
    counts = Counter("not started" if trial is None else trial.status for trial in members)
    wrong = tuple(trial for trial in members if trial is not None and trial.status in WRONG)
    ordered = {status: counts[status] for status in _ORDER if counts[status]}
    unfinished = sum(count for status, count in counts.items() if status not in ("completed", "pruned", *WRONG))
    return Summary(tuple(results[number] for number in sorted(results)), tuple(winners), ordered, wrong, metric, mode, unfinished)


def _data_and_task(members: Sequence[Trial | None]) -> tuple[str | None, str | None]:
    """SHA-256 of the data, and the score that tells the task, as far as members have got."""
    began = [trial for trial in members if trial is not None]
    scores = [name for trial in began for name in trial.metrics if not name.endswith("_loss")]
    return next((trial.data for trial in began if trial.data), None), scores[0].partition("_")[2] if scores else None


def _standing(result: Result) -> Standing:
    return Standing(result.label, result.mean, result.n, result.wrong, result.pruned, result.metrics.get("val_loss"))


def _result(standings: Standings, metric: str, group: int) -> Result:
    present = [trial for trial in standings.members if trial is not None]
    completed = [trial.metrics for trial in present if trial.status == "completed"]
    scores = [score for metrics in completed if (score := metrics.get(metric)) is not None and math.isfinite(score)]
    names = list(completed[0]) if completed else []
    means = {name: mean_of_all([metrics.get(name) for metrics in completed], len(completed)) for name in names}
    return Result(
        standings.label,
        present[0].values if present else {},
        len(scores),
        len(completed),
        len(standings.members),
        sum(trial.status in WRONG for trial in present),
        sum(trial.status == "pruned" for trial in present),
        mean(scores) if scores else None,
        sd(scores) if len(scores) > 1 else None,
        {name: value for name, value in means.items() if value is not None},
        group,
    )


def best_lines(summary: Summary) -> list[str]:
    """The best configuration in words, one for each of several data sets or splits; or why there is none."""
    if not summary.winners:
        if not summary.counts.get("completed"):
            return ["best        none: no run is completed"]
        if all(result.mean is None for result in summary.results):
            return [f"best        none: the runs have no {metric_name(summary.metric)}; set dataset.validation"]
        return ["best        none: each configuration has failed or diverged runs"]
    several = len({result.group for result in summary.results if result.mean is not None}) > 1
    lines = ["the runs differ in their data, split or task: the best of each"] if several else []
    for best in summary.winners:
        lines += _winner_lines(summary.metric, best)
    unscored = sum(result.completed > 0 and result.mean is None for result in summary.results)
    if unscored:
        has = "has" if unscored == 1 else "have"
        lines.append(
            f"            {counted(unscored, 'configuration')} {has} no {metric_name(summary.metric)} and could not be weighed"
        )
    return lines


def _winner_lines(metric: str, best: Result) -> list[str]:
    what = ", ".join(f"{key} {value}" for key, value in best.values.items()) or best.label or "the only configuration"
    seeds = f"mean of {best.n} seeds" if best.n > 1 else "1 seed"
    score = f"            {metric_name(metric)} {score_text(metric, best.mean or 0.0, best.deviation)} ({seeds})"
    test = f"test_{metric.partition('_')[2]}"
    if test in best.metrics:
        score += f", test {test[5:]} {score_text(test, best.metrics[test])}"
    rest = f"            weighed on {best.n} of {best.planned} seeds"
    rest += ", the rest is unfinished" if best.completed + best.pruned < best.planned else ""
    return [f"best        {what}", score, *([rest] if best.n < best.planned else [])]


def ranking_lines(summary: Summary, most: int = 10) -> list[str]:
    """The best configurations in order, one line each: mean ± standard deviation, and the completed seeds where some are missing.

    Those with failed seeds come last, whatever their mean; the groups one after another.
    """
    order = ranking([_standing(result) for result in summary.results], summary.mode == "max")
    scored = [result for number in order if (result := summary.results[number]).mean is not None]
    scored.sort(key=lambda result: result.group)
    if len(summary.results) < 2 or not scored:
        return []
    width = max(len("configuration"), *(len(result.label) for result in scored[:most]))
    lines = [f"{'configuration':{width}}  {metric_name(summary.metric)}"]
    for result in scored[:most]:
        seeds = f"   {result.completed}/{result.planned}" if result.completed < result.planned else ""
        lines.append(f"{result.label:{width}}  {score_text(summary.metric, result.mean or 0.0, result.deviation)}{seeds}")
    rest = len(scored) - most
    return [*lines, *([f"and {rest:,} more; see trials.csv"] if rest > 0 else [])]


def count_line(summary: Summary) -> str:
    """`15 completed, 1 diverged`."""
    return ", ".join(f"{count:,} {status}" for status, count in summary.counts.items())


def failure_lines(summary: Summary) -> list[str]:
    """A table of what went wrong and why, one line a member."""
    shown = summary.wrong[:_MOST_FAILURES]
    if not shown:
        return []
    width = max(len(trial.label) for trial in shown)
    lines = [f"  {trial.label:{width}}  {trial.status:9}  {reason(trial)}" for trial in shown]
    rest = len(summary.wrong) - len(shown)
    return ["what went wrong:", *lines, *([f"  and {rest:,} more; see trials.csv"] if rest else [])]


def reason(trial: Trial, limit: int = 160) -> str:
    """Why a member went wrong, on one line; the status, which is shown next to it, is not repeated."""
    text = (trial.error or "no reason was written").splitlines()[0].removeprefix(f"{trial.status}: ")
    again = f" ({trial.attempts} attempts)" if trial.attempts > 1 else ""
    return (text if len(text) <= limit else text[: limit - 1] + "…") + again


def retry_line(summary: Summary, command: Sequence[str], timeout: float | None = None) -> str | None:
    """The exact command that goes on or retries, or None where nothing is left to do. command: the words of this one, `mlp`,
    `sweep` and so on. timeout: its `--timeout` in seconds; where a run ran out of that, the retry has twice as much."""
    failed = [trial for trial in summary.wrong if trial.status in ("failed", "unreadable")]
    if failed:  # after `sweep`, since behind a -- it would be taken for an override
        rest = [word for word in command[2:] if word != "--retry-failed"]
        more = ""
        if timeout is not None and any(trial.error == TIMEOUT for trial in failed):
            more, time = ", with more time", f"{2 * timeout:g}s"
            words = zip(["", *rest], rest, strict=False)
            rest = [
                time if before == "--timeout" else re.sub("^--timeout=.*", f"--timeout={time}", word) for before, word in words
            ]
        return f"to retry what failed{more}: {shlex.join([*command[:2], '--retry-failed', *rest])}"
    return f"to go on: {shlex.join(command)}" if summary.unfinished else None
