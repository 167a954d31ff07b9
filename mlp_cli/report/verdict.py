"""The verdict of a group: the best configuration, or a baseline, and how all others stand to it."""

from __future__ import annotations

from mlp_cli.choosing import LEAST_SEEDS, Standing, best_of, higher_is_better, ranking
from mlp_cli.report.model import Configuration, Group
from mlp_cli.report.statistics import games_howell, paired, verdict
from mlp_cli.report.wording import interval, mean_and_sd, p_value, score_text
from mlp_cli.text import counted, is_percent, metric_name

_LIBERAL_SEEDS, _LIBERAL_GROUPS = 5, 10


def compare(group: Group, baseline: Configuration | None = None) -> None:
    """Fills in, in place: best, reference, p, verdicts, paired differences, the order and the sentence.

    The best is chosen by `choosing.best_of`. baseline: a configuration of this group that all others are compared with instead.
    Where there is nothing to compare with, only `too few seeds` is told.
    """
    higher, monitor = higher_is_better(group.monitor), group.monitor
    standings = [
        Standing(each.label, _mean(each, monitor), _seeds(each, monitor), each.failed, each.pruned, _mean(each, "val_loss"))
        for each in group.configurations
    ]
    best = best_of(standings, higher)
    group.best = None if best is None else group.configurations[best]
    group.baseline = baseline is not None
    order = sorted(ranking(standings, higher), key=lambda index: index != best)
    group.configurations = [group.configurations[index] for index in order]
    reference = baseline or group.best
    group.reference = reference if reference is not None and monitor in reference.metrics else None
    if group.reference is not None:
        _judge(group, group.reference, higher)
    else:
        for each in group.configurations:
            each.verdict = "too few seeds" if each.n < LEAST_SEEDS else ""
    tested = [each for each in group.configurations if each.n >= LEAST_SEEDS]
    if len(tested) >= _LIBERAL_GROUPS and any(each.n <= _LIBERAL_SEEDS for each in tested):
        group.notes.append(
            "With so many configurations and so few seeds the test is a little bold: where nothing differs at all, the chance "
            "of some false verdict is about 6 to 7 % instead of 5 %. More seeds help."
        )
    group.sentence = sentence(group)


def _mean(each: Configuration, metric: str) -> float | None:
    return each.metrics[metric].mean if metric in each.metrics else None


def _seeds(each: Configuration, metric: str) -> int:
    return each.metrics[metric].n if metric in each.metrics else 0


def _judge(group: Group, reference: Configuration, higher: bool) -> None:
    samples = [_by_seed(each, group.monitor) for each in group.configurations]
    place = group.configurations.index(reference)
    values = games_howell([list(sample.values()) for sample in samples], place)
    for each, sample, p in zip(group.configurations, samples, values, strict=True):
        each.verdict = "baseline" if group.baseline else "best"
        if each is not reference:
            each.p = p
            difference = (_mean(each, group.monitor) or 0.0) - reference.metrics[group.monitor].mean
            each.verdict = verdict(p, difference, higher)
            each.paired = paired(sample, samples[place])


def _by_seed(each: Configuration, metric: str) -> dict[int, float]:
    return {run.seed or 0: float(run.metrics[metric]) for run in each.completed if metric in run.metrics}


def sentence(group: Group) -> str:
    """The verdict in words."""
    best = group.best
    if best is None:
        return _no_best(group)
    summary = best.metrics[group.monitor]
    score = f"{score_text(group.monitor, summary.mean, summary.sd)} over {counted(summary.n, 'seed')}"
    parts = [f"Best by mean {metric_name(group.monitor)}: {best.label}, {score}."]
    thin = _thin_leader(group, best)
    if thin is not None:
        lead = thin.metrics[group.monitor]
        score = score_text(group.monitor, lead.mean, lead.sd)
        parts.append(f"{thin.label} has {score}, but over {counted(thin.n, 'seed')} only: too few to be named the best.")
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
            parts.append(f"{_share(count, len(others))} {telling}.")
    return " ".join(parts)


def _share(count: int, others: int) -> str:
    """`2 of 5 others are`, `All 5 others are`, `The other is`."""
    if count < others:
        return f"{count:,} of {others:,} others {'is' if count == 1 else 'are'}"
    return "The other is" if others == 1 else f"All {others:,} others are"


def _thin_leader(group: Group, best: Configuration) -> Configuration | None:
    """A sound configuration of fewer seeds than it takes to be the best, with the best mean of such, better than the best's."""
    sign = 1.0 if higher_is_better(group.monitor) else -1.0

    def lead(each: Configuration) -> float:
        return sign * (each.metrics[group.monitor].mean - best.metrics[group.monitor].mean)

    scored = [each for each in group.configurations if group.monitor in each.metrics and not each.failed and not each.pruned]
    ahead = [each for each in scored if each.metrics[group.monitor].n < LEAST_SEEDS and lead(each) > 0]
    return max(ahead, key=lead, default=None)


def _no_best(group: Group) -> str:
    if not any(each.n for each in group.configurations):
        return "There is no best configuration yet: no run is completed."
    if not any(group.monitor in each.metrics for each in group.configurations):
        return (
            f"There is no best configuration: the runs have no {metric_name(group.monitor)}, and the test set is never used for "
            "choosing. Set dataset.validation."
        )
    return "There is no best configuration: each of them has seeds that failed or diverged."


def compared(group: Group) -> str:
    """What the configurations of a group are compared with, in a word."""
    return "baseline" if group.baseline else "best"


def against(group: Group, each: Configuration) -> str:
    """How a configuration stands to the group's reference, in words; empty without a verdict."""
    if group.reference is None or each is group.reference or not each.verdict:
        return f"Verdict: {each.verdict}." if each.verdict else ""
    words = f"Against the {compared(group)}: {each.verdict}"
    if each.p is not None:
        words += ", adjusted p\u00a0" + ("" if each.p < 0.001 else "=\u00a0") + p_value(each.p)
    if each.paired is not None:
        unit = " percentage points" if is_percent(group.monitor) else ""
        words += f"; {metric_name(group.monitor)} paired by seed {mean_and_sd(group.monitor, each.paired)}{unit} ("
        between = interval(group.monitor, each.paired, difference=True)
        words += f"95 % interval {between}, " if between else ""
        words += f"n\u00a0=\u00a0{each.paired.n})"
    return words + "."
