"""The verdict of a group: the best configuration, or a baseline, and how all others stand to it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from mlp_cli.choosing import LEAST_SEEDS, Standing, best_of, higher_is_better, ranking
from mlp_cli.config.resolved import show
from mlp_cli.report import power
from mlp_cli.report.model import Configuration, Group
from mlp_cli.report.scales import is_number, ordered
from mlp_cli.report.statistics import games_howell, paired, verdict
from mlp_cli.report.wording import digits, interval, mean_and_sd, p_value, scaled, score_text
from mlp_cli.text import counted, either, is_percent, metric_name

_LIBERAL_SEEDS, _LIBERAL_GROUPS = 5, 10
_FEW_SEEDS = 5  # below which a standard deviation's own range is told


def compare(group: Group, baseline: Configuration | None = None, margin: float | None = None) -> None:
    """Fills in, in place: best, reference, p, verdicts, intervals, paired differences, the order and the sentence.

    The best is chosen by `choosing.best_of`. baseline: a configuration of this group that all others are compared with instead.
    margin: a difference that does not matter, in the monitor's unit. Where there is nothing to compare with, only `too few seeds` is
    told.
    """
    group.margin = margin
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
            each.verdict = verdict(p, _difference(group, each), higher)
            each.paired = paired(sample, samples[place])
    tested = [each for each in group.configurations if each.p is not None]
    if tested:
        _tell_how_sure(group, reference, tested)
        smaller = [each for each in tested if _is_smaller(each, reference) and _may_stand(group, each) and not each.failed]
        group.smallest = min(smaller, key=lambda each: each.parameters or 0, default=None)


def _difference(group: Group, each: Configuration) -> float:
    """Its mean minus the reference's."""
    reference = 0.0 if group.reference is None else group.reference.metrics[group.monitor].mean
    return each.metrics[group.monitor].mean - reference if group.monitor in each.metrics else 0.0


def _sample(group: Group, each: Configuration) -> power.Sample:
    summary = each.metrics[group.monitor]
    return summary.sd or 0.0, summary.n


def _tell_how_sure(group: Group, reference: Configuration, tested: Sequence[Configuration]) -> None:
    """Fills in the intervals, `equivalent`, and the differences that these seeds find."""
    count, own = len(tested) + 1, _sample(group, reference)
    wide = power.reaches(own, [_sample(group, each) for each in tested], count)
    for each, half in zip(tested, wide, strict=True):
        middle, sample = _difference(group, each), _sample(group, each)
        each.interval = middle - half, middle + half
        if each.verdict == "indistinguishable":
            each.detectable = power.detectable(own, sample, count)
        if group.margin is not None:
            each.seeds_needed = power.seeds_needed(group.margin, own[0], sample[0], count) or 0
            if max(map(abs, each.interval)) <= group.margin:
                each.verdict = "equivalent"


def _is_smaller(each: Configuration, other: Configuration) -> bool:
    return each.parameters is not None and other.parameters is not None and each.parameters < other.parameters


def _may_stand(group: Group, each: Configuration) -> bool:
    """Whether a configuration is not worse by the margin or, without one, was not told apart."""
    return each.verdict == "indistinguishable" if group.margin is None else worst_loss(group, each) < group.margin


def worst_loss(group: Group, each: Configuration) -> float:
    """How much worse than the reference a configuration may be, at the end of its interval; infinite where it was not tested."""
    if each.interval is None:
        return math.inf
    return -each.interval[0] if higher_is_better(group.monitor) else each.interval[1]


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
        "equivalent": f"equivalent to {against}: within {amount(group, group.margin or 0.0)}",
        "indistinguishable": f"indistinguishable from {against}",
        "worse": f"worse than {against}",
        "better": f"better than {against}"
        if group.baseline
        else "better on the seeds that completed, though not all of them did",
        "too few seeds": f"not told apart from {against}: that takes {LEAST_SEEDS} completed seeds on both sides",
        "failed": "without a score: every seed failed or diverged",
    }
    said = Counter("failed" if each.failed == len(each.runs) else each.verdict for each in others)
    for name, telling in tellings.items():
        count = said[name]
        if count:
            parts.append(f"{_share(count, len(others))} {telling}.")
    return " ".join([*parts, *_too_few_to_tell(group), *_at_an_end(group, best), *_of_the_smallest(group)])


def _too_few_to_tell(group: Group) -> list[str]:
    """What is said of the furthest configuration that few seeds did not tell apart, where it is further from the reference than
    either's standard deviation, and nearer than what such seeds find."""

    told = list[tuple[float, str]]()
    for each in group.configurations:
        if each.detectable is not None and group.reference is not None:
            spreads, seeds = zip(_sample(group, each), _sample(group, group.reference), strict=True)
            far, found = abs(_difference(group, each)), f"a true difference of {amount(group, each.detectable)}"
            words = f"{each.label} differs by {amount(group, far)}, and they find {found} with a chance of 80 %."
            if min(seeds) < _FEW_SEEDS and max(spreads) < far < each.detectable:
                told.append((far, f"{min(seeds)} seeds are too few to tell: {words}"))
    return [max(told)[1]] if told else []


def _at_an_end(group: Group, best: Configuration) -> list[str]:
    """What is said of the best's settings that are the smallest or largest of at least three numbers tried, failed runs too.

    Said also where the next value is not told apart, as a run costs less than a better value missed; not where that is equivalent.
    A key with a value of its own in each configuration was drawn at random, if it is not the only one; 0 and 1 are natural ends.
    """
    found = []
    for key, value in best.differs.items():
        known = [each for each in group.configurations if key in each.differs]
        values = ordered(each.differs[key] for each in known)
        single = (each[0] if isinstance(each, list) and len(each) == 1 else each for each in values)  # [64] is a number too
        if len(values) < 3 or not all(map(is_number, single)) or key.endswith("seed"):
            continue
        drawn = len(values) == len(known) and len(group.keys) > 1
        for (end, inner), is_end, better in ((values[:2], "smallest", "smaller"), (values[:-3:-1], "largest", "larger")):
            next_one = best.differs | {key: inner}
            equal = any(each.verdict == "equivalent" and each.differs == next_one for each in known)
            if value == end and end not in (0, 1) and not (drawn or equal):
                found.append((f"{key}={show(end)} is the {is_end} tried", better))
    better = f"a {found[0][1]} one" if len(found) == 1 else "values beyond these"
    return [f"{either([text for text, _ in found], 'and')}: {better} may be better."] if found else []


def _of_the_smallest(group: Group) -> list[str]:
    """What is said of the smallest network that may stand beside the reference."""
    if (each := group.smallest) is None:
        small = group.reference is not None and any(_is_smaller(other, group.reference) for other in group.configurations)
        return (
            [f"No smaller network is shown to be less than {amount(group, group.margin)} worse."]
            if group.margin and small
            else []
        )
    worst = worst_loss(group, each)
    size = f"{each.label} ({each.parameters or 0:,} parameters)"
    if group.margin is not None:
        worse = amount(group, max(0.0, worst))
        return [f"The smallest network that is not worse by {amount(group, group.margin)}: {size}, at most {worse} worse."]
    seeds = f"these {counted(each.metrics[group.monitor].n, 'seed')}"
    open_to = f"but up to {amount(group, worst)} worse is compatible with" if worst > 0 else "with the same scores over"
    return [f"The smallest network, {size}: not told apart, {open_to} {seeds}."]


def amount(group: Group, value: float) -> str:
    """A difference of the monitor with its unit: `0.5 points` for an accuracy."""
    shown = scaled(group.monitor, value)
    text = digits(float(f"{shown:.2g}"), max(0, 1 - math.floor(math.log10(abs(shown)))) if shown else 0)
    return f"{text} points" if is_percent(group.monitor) else text


def _share(count: int, others: int) -> str:
    """`2 of 5 others are`, `All 5 others are`, `The other is`."""
    if count < others:
        return f"{count:,} of {others:,} others {'is' if count == 1 else 'are'}"
    return {1: "The other is", 2: "Both others are"}.get(others, f"All {others:,} others are")


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
    words += _how_sure(group, each)
    if each.paired is not None:
        unit = " percentage points" if is_percent(group.monitor) else ""
        words += f"; {metric_name(group.monitor)} paired by seed {mean_and_sd(group.monitor, each.paired)}{unit} ("
        between = interval(group.monitor, each.paired, difference=True)
        words += f"95 % interval {between}, " if between else ""
        words += f"n\u00a0=\u00a0{each.paired.n})"
    return words + "."


def _how_sure(group: Group, each: Configuration) -> str:
    """What these seeds can find, and what would be needed."""
    words, reference = "", group.reference
    if each.interval is not None:
        low, high = (amount(group, end) for end in each.interval)
        words += f"; difference {low.removesuffix(' points')} to {high} (simultaneous 95 % interval)"
    if each.detectable is not None and reference is not None:
        words += f"; these seeds find a true difference of {amount(group, each.detectable)} with a chance of 80 %"
        thin = [sample for sample in (_sample(group, reference), _sample(group, each)) if sample[1] < _FEW_SEEDS and sample[0]]
        ranges = [[amount(group, end) for end in (sample[0], *power.sd_range(sample))] for sample in thin]
        known = [f"{sd} may be {low} to {high}" for sd, low, high in ranges]
        words += f", if the standard deviations are the true ones ({', '.join(known)})" if known else ""
    if each.seeds_needed is not None and group.margin is not None:
        needed = str(each.seeds_needed) if each.seeds_needed else f"more than {power.MOST_SEEDS}"
        words += f"; to find {amount(group, group.margin)} takes {needed} seeds of each"
    return words
