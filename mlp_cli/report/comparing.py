"""The verdict of a group: the best configuration, or a baseline, and how all others stand to it."""

from __future__ import annotations

from collections.abc import Sequence

from mlp_cli.report.model import Configuration, Group, higher_is_better
from mlp_cli.report.statistics import LEAST_SEEDS, games_howell, paired, verdict
from mlp_cli.report.wording import counted, is_percent, mean_and_sd, metric_name

_LIBERAL_SEEDS, _LIBERAL_GROUPS = 5, 10


def compare(group: Group, baseline: Configuration | None = None) -> None:
    """Fills in, in place: best, reference, p, verdicts, paired differences, the order and the sentence.

    The best is the configuration with the best mean of the monitor metric, among those without failed or diverged seeds.
    baseline: a configuration of this group that all others are compared with instead.
    """
    higher = higher_is_better(group.monitor)
    ranked = sorted(group.configurations, key=lambda each: _rank(each, group.monitor, higher))
    group.best = next((each for each in ranked if each.failed == 0 and group.monitor in each.metrics), None)
    group.baseline = baseline is not None
    group.reference = reference = baseline or group.best
    group.configurations = [each for each in ranked if each is group.best] + [each for each in ranked if each is not group.best]
    if reference is None or group.monitor not in reference.metrics:
        group.reference = None
        for each in group.configurations:
            each.verdict = "too few seeds"
    else:
        _judge(group, reference, higher)
    if _is_liberal(group.configurations):
        group.notes.append(
            "With so many configurations and so few seeds the test is a little bold: where nothing differs at all, the chance "
            "of some false verdict is about 6 to 7 % instead of 5 %. More seeds help."
        )
    group.sentence = sentence(group)


def _rank(each: Configuration, monitor: str, higher: bool) -> tuple[bool, bool, float, str]:
    summary = each.metrics.get(monitor)
    mean = 0.0 if summary is None else summary.mean
    return summary is None, each.failed > 0, -mean if higher else mean, each.label


def _judge(group: Group, reference: Configuration, higher: bool) -> None:
    samples = [list(_by_seed(each, group.monitor).values()) for each in group.configurations]
    own = _by_seed(reference, group.monitor)
    values = games_howell(samples, group.configurations.index(reference))
    for each, p in zip(group.configurations, values, strict=True):
        if each is reference:
            each.verdict = "baseline" if group.baseline else "best"
            continue
        summary = each.metrics.get(group.monitor)
        each.p = p
        each.verdict = verdict(p, (summary.mean if summary else 0.0) - reference.metrics[group.monitor].mean, higher)
        each.paired = paired(_by_seed(each, group.monitor), own)


def _by_seed(each: Configuration, metric: str) -> dict[int, float]:
    return {run.seed or 0: float(run.metrics[metric]) for run in each.completed if metric in run.metrics}


def _is_liberal(configurations: Sequence[Configuration]) -> bool:
    tested = [each for each in configurations if each.n >= LEAST_SEEDS]
    return len(tested) >= _LIBERAL_GROUPS and any(each.n <= _LIBERAL_SEEDS for each in tested)


def sentence(group: Group) -> str:
    """The verdict in words."""
    best = group.best
    if best is None:
        return _no_best(group)
    summary = best.metrics[group.monitor]
    unit = " %" if is_percent(group.monitor) else ""
    score = f"{mean_and_sd(group.monitor, summary)}{unit} over {counted(summary.n, 'seed')}"
    parts = [f"Best by mean {metric_name(group.monitor)}: {best.label}, {score}."]
    others = [each for each in group.configurations if each is not group.reference]
    if not others:
        return f"{parts[0]} There is no other configuration to compare it with."
    against = f"the baseline {group.reference.label}" if group.baseline and group.reference is not None else "it"
    tellings = {
        "indistinguishable": f"indistinguishable from {against}",
        "worse": f"worse than {against}",
        "better": f"better than {against}"
        if group.baseline
        else "better on the seeds that completed, though not all of them did",
        "too few seeds": f"not told apart from {against}: that takes {LEAST_SEEDS} completed seeds on both sides",
    }
    for name, telling in tellings.items():
        count = sum(each.verdict == name for each in others)
        if count:
            parts.append(f"{count:,} of {counted(len(others), 'other')} {'is' if count == 1 else 'are'} {telling}.")
    return " ".join(parts)


def _no_best(group: Group) -> str:
    if not any(each.n for each in group.configurations):
        return "There is no best configuration yet: no run is completed."
    if not any(group.monitor in each.metrics for each in group.configurations):
        return (
            f"There is no best configuration: the runs have no {metric_name(group.monitor)}, and the test set is never used for "
            "choosing. Set dataset.validation."
        )
    return "There is no best configuration: each of them has seeds that failed or diverged."
