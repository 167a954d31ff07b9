"""How much of a metric's variance each swept key explains: an analysis of variance on a complete grid."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from mlp_cli.report.model import Configuration, Group, Importance

_MOST_AXES = 8


def weigh(group: Group) -> tuple[list[Importance], str]:
    """The importance of each key that differs, largest first; or none, with the reason.

    Fixed-effects analysis of variance of the monitor metric over all keys, on a complete grid of k cells with at least two
    completed seeds each. With y the cell means, r the harmonic mean of the cells' n, MS_e the variance within cells (the seeds'
    noise) with df_e = N − k, and A one key with a levels:

        SS_A = r · (k / a) · Σ (marginal mean − grand mean)²,  SS_cells = r · Σ (y − grand mean)²,  SS_e = df_e · MS_e
        share of A = max(0, SS_A − (a − 1) · MS_e) / (SS_cells + SS_e + MS_e)

    which is omega squared (Hays 1963, Statistics for Psychologists): the noise that would be in SS_A without any effect is
    subtracted. What the cells explain beyond all keys' own effects is `interactions`, the rest is `seeds`. Cells of unequal n are
    weighted alike (Winer 1971, unweighted means), which is exact where all n are equal.
    """
    axes = _axes(group)
    if not axes:
        return [], "no key differs"
    if len(axes) > _MOST_AXES:
        return [], f"more than {_MOST_AXES} keys differ"
    levels = [sorted({_level(each, axis[0]) for each in group.configurations}) for axis in axes]
    cells = {tuple(_level(each, axis[0]) for axis in axes): _values(each, group.monitor) for each in group.configurations}
    wanted = math.prod(map(len, levels))
    if len(cells) != len(group.configurations) or len(cells) != wanted:
        return [], f"the runs are no complete grid: {len(group.configurations):,} of {wanted:,} combinations are there"
    thin = sum(len(values) < 2 for values in cells.values())
    if thin:
        return [], f"{thin:,} of {wanted:,} combinations have fewer than 2 completed seeds"
    return _shares([" + ".join(axis) for axis in axes], levels, cells)


def _shares(
    names: Sequence[str], levels: Sequence[Sequence[str]], cells: dict[tuple[str, ...], list[float]]
) -> tuple[list[Importance], str]:
    k = len(cells)
    means = {cell: math.fsum(values) / len(values) for cell, values in cells.items()}
    grand = math.fsum(means.values()) / k
    within = math.fsum((value - means[cell]) ** 2 for cell, values in cells.items() for value in values)
    freedom = sum(len(values) - 1 for values in cells.values())
    noise = within / freedom
    r = k / math.fsum(1 / len(values) for values in cells.values())
    between = r * math.fsum((mean - grand) ** 2 for mean in means.values())
    total = between + within + noise
    if total <= 1e-24 * (1 + grand * grand):
        return [], "all scores are equal"
    shares: list[Importance] = []
    rest, rest_freedom = between, k - 1
    for position, (name, own) in enumerate(zip(names, levels, strict=True)):
        marginal = [math.fsum(mean for cell, mean in means.items() if cell[position] == level) * len(own) / k for level in own]
        effect = r * k / len(own) * math.fsum((mean - grand) ** 2 for mean in marginal)
        rest, rest_freedom = rest - effect, rest_freedom - (len(own) - 1)
        shares.append(Importance(name, max(0.0, effect - (len(own) - 1) * noise) / total))
    shares.sort(key=lambda each: (-each.share, each.key))
    if rest_freedom > 0:
        shares.append(Importance("interactions", max(0.0, rest - rest_freedom * noise) / total))
    left = 1.0 - math.fsum(each.share for each in shares)
    return [*shares, Importance("seeds", max(0.0, left))], ""


def _axes(group: Group) -> list[list[str]]:
    """The keys that differ, those that move together joined, and without those that follow from another one (as weight_decay's
    default does from the optimizer)."""
    columns = {key: tuple(_level(each, key) for each in group.configurations) for key in group.keys}
    axes: list[list[str]] = []
    for key, column in columns.items():
        twin = next((axis for axis in axes if _follows(column, columns[axis[0]]) and _follows(columns[axis[0]], column)), None)
        if twin is not None:
            twin.append(key)
        elif not any(_follows(column, other) and len(set(other)) > len(set(column)) for other in columns.values()):
            axes.append([key])
    return axes


def _follows(column: Sequence[str], other: Sequence[str]) -> bool:
    """Whether each value of `other` comes with one value of `column`."""
    return len(set(zip(other, column, strict=True))) == len(set(other))


def _level(each: Configuration, key: str) -> str:
    return json.dumps(each.config[key], sort_keys=True, default=str) if key in each.config else ""


def _values(each: Configuration, metric: str) -> list[float]:
    return [run.metrics[metric] for run in each.completed if metric in run.metrics]
