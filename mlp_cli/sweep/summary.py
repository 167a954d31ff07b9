"""How a sweep ends: the best configuration, the counts by status, what failed and why, and how to go on."""

from __future__ import annotations

import math
import shlex
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlp_cli.sweep.trials import Trial

DONE = ("completed", "failed", "diverged")
"""A member with one of these is not trained again by itself."""

WRONG = ("failed", "diverged", "unreadable")
_ORDER = ("completed", "pruned", "interrupted", "running", *WRONG, "not started")
_MOST_FAILURES = 20


@dataclass(frozen=True)
class Result:
    """A configuration's standing: the metric's mean and standard deviation (n − 1; None for one seed) over n seeds.

    label, values: of the configuration. completed, planned: its seeds. wrong: seeds that failed or diverged; with any of them
    it is never the best. metrics: the means of all metrics over the same seeds.
    """

    label: str
    values: Mapping[str, str]
    n: int
    completed: int
    planned: int
    wrong: int
    mean: float | None
    deviation: float | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Summary:
    """All configurations, the best of them (None while there is none), counts by status, and the members that went wrong."""

    results: tuple[Result, ...]
    best: Result | None
    counts: Mapping[str, int]
    wrong: tuple[Trial, ...]
    metric: str
    mode: str

    @property
    def unfinished(self) -> int:
        """Members that another start of the same command would train."""
        return sum(count for status, count in self.counts.items() if status not in (*DONE, "pruned", "unreadable"))


def summarize(configurations: Mapping[str, Sequence[Trial | None]], metric: str, mode: str) -> Summary:
    """Weighs the current members of a sweep.

    configurations: for each label the members, one a seed, in the same order of seeds for all; None for one that never began.
    A configuration is weighed on its completed seeds; while seeds are unfinished, on those that all of them have completed, so
    that a sweep that was stopped compares like with like. Pruned members are left out.
    """
    complete = {
        label: {number for number, trial in enumerate(trials) if trial is not None and trial.status == "completed"}
        for label, trials in configurations.items()
    }
    fair = _common_seeds(configurations, complete)
    results = [
        _result(label, trials, [trials[number] for number in sorted(complete[label] & fair or complete[label])], metric)
        for label, trials in configurations.items()
    ]
    eligible = [result for result in results if result.mean is not None and not result.wrong]
    sign = -1.0 if mode == "max" else 1.0
    best = min(eligible, key=lambda result: sign * (result.mean or 0.0)) if eligible else None
    members = [trial for trials in configurations.values() for trial in trials]
    counts = Counter("not started" if trial is None else trial.status for trial in members)
    wrong = tuple(trial for trial in members if trial is not None and trial.status in WRONG)
    ordered = {status: counts[status] for status in _ORDER if counts[status]}
    return Summary(tuple(results), best, ordered, wrong, metric, mode)


def _common_seeds(configurations: Mapping[str, Sequence[Trial | None]], complete: Mapping[str, set[int]]) -> set[int]:
    """The numbers of the seeds that all sound configurations have completed which have completed any; of all where there is
    no such seed."""
    everything = {number for trials in configurations.values() for number in range(len(trials))}
    sound = [
        complete[label]
        for label, trials in configurations.items()
        if complete[label] and not any(trial is not None and trial.status in WRONG for trial in trials)
    ]
    return everything.intersection(*sound) or everything


def _result(label: str, trials: Sequence[Trial | None], weighed: Sequence[Trial | None], metric: str) -> Result:
    present = [trial for trial in trials if trial is not None]
    measured = [trial.metrics for trial in weighed if trial is not None]
    scores = [metrics.get(metric) for metrics in measured]
    sound = [score for score in scores if score is not None and math.isfinite(score)]
    names = list(measured[0]) if measured else []
    means = {name: _mean([metrics.get(name) for metrics in measured]) for name in names}
    whole = bool(sound) and len(sound) == len(scores)
    return Result(
        label,
        present[0].values if present else {},
        len(sound),
        sum(trial.status == "completed" for trial in present),
        len(trials),
        sum(trial.status in WRONG for trial in present),
        statistics.fmean(sound) if whole else None,
        statistics.stdev(sound) if whole and len(sound) > 1 else None,
        {name: value for name, value in means.items() if value is not None},
    )


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return statistics.fmean(found) if found and len(found) == len(values) else None


def metric_name(metric: str) -> str:
    """`val_accuracy` becomes `validation accuracy`."""
    part, _, kind = metric.partition("_")
    return f"{ {'val': 'validation', 'train': 'training'}.get(part, part) } {'R²' if kind == 'r2' else kind}"


def value_text(metric: str, mean: float, deviation: float | None = None) -> str:
    """`97.81 ± 0.12 %` for an accuracy, `0.0837 ± 0.0012` for a loss."""
    if metric.endswith("_accuracy"):
        spread = "" if deviation is None else f" ± {100 * deviation:.2f}"
        return f"{100 * mean:.2f}{spread} %"
    return f"{mean:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}")


def best_lines(summary: Summary) -> list[str]:
    """The best configuration in words; or why there is none."""
    best = summary.best
    if best is None or best.mean is None:
        if not summary.counts.get("completed"):
            return ["best        none: no run is completed"]
        if all(result.mean is None for result in summary.results):
            return [f"best        none: the runs have no {metric_name(summary.metric)}; set dataset.validation"]
        return ["best        none: each configuration has failed or diverged runs"]
    what = ", ".join(f"{key} {value}" for key, value in best.values.items()) or best.label or "the only configuration"
    lines = [f"best        {what}"]
    seeds = f"mean of {best.n} seeds" if best.n > 1 else "1 seed"
    lines.append(f"            {metric_name(summary.metric)} {value_text(summary.metric, best.mean, best.deviation)} ({seeds})")
    test = f"test_{summary.metric.partition('_')[2]}"
    if test in best.metrics:
        lines[-1] += f", test {test[5:]} {value_text(test, best.metrics[test])}"
    if best.n < best.planned:
        lines.append(f"            weighed on {best.n} of {best.planned} seeds, the rest is unfinished")
    return lines


def ranking_lines(summary: Summary, most: int = 10) -> list[str]:
    """The best configurations in order, one line each: mean ± standard deviation, and the completed seeds where some are missing.

    Those with failed seeds come last, whatever their mean.
    """
    sign = -1.0 if summary.mode == "max" else 1.0
    ranked = sorted(
        (result for result in summary.results if result.mean is not None),
        key=lambda result: (result.wrong > 0, sign * (result.mean or 0.0)),
    )
    if len(summary.results) < 2 or not ranked:
        return []
    width = max(len("configuration"), *(len(result.label) for result in ranked[:most]))
    lines = [f"{'configuration':{width}}  {metric_name(summary.metric)}"]
    for result in ranked[:most]:
        seeds = f"   {result.completed}/{result.planned}" if result.completed < result.planned else ""
        lines.append(f"{result.label:{width}}  {value_text(summary.metric, result.mean or 0.0, result.deviation)}{seeds}")
    rest = len(ranked) - most
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


def retry_line(summary: Summary, command: Sequence[str]) -> str | None:
    """The exact command that goes on or retries, or None where nothing is left to do. command: the words of this one."""
    failed = any(trial.status in ("failed", "unreadable") for trial in summary.wrong)
    words = [*command, *(["--retry-failed"] if failed and "--retry-failed" not in command else [])]
    if failed:
        return f"to retry what failed: {shlex.join(words)}"
    return f"to go on: {shlex.join(command)}" if summary.unfinished else None
