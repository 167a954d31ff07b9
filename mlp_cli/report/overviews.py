"""The page's charts of a group, second part: heat map, parallel coordinates, importance of keys."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlp_cli.choosing import higher_is_better
from mlp_cli.config.resolved import show
from mlp_cli.plots.style import number
from mlp_cli.report.charts import Chart, Shape, path
from mlp_cli.report.model import Configuration, Group
from mlp_cli.report.panels import monitor_scale
from mlp_cli.report.scales import Scale, Tick, category, metric_scale, ordered, setting_scale
from mlp_cli.report.wording import cut, decimals, digits, first_upper, metric_label, scaled
from mlp_cli.text import counted, is_percent, metric_name

_CELLS = 24  # values of a key up to which it goes into a heat map
_AXES = 8  # of the parallel coordinates, the metric's own included
_LINES = 1000  # of the parallel coordinates
_STRONG = 0.1  # share of the lines that are drawn strongly


def heat_map(group: Group) -> Chart | None:
    """The monitor metric for two keys, as cells: the two that matter most where there are more. None where no two keys fit."""
    scored = [each for each in group.configurations if group.monitor in each.metrics]
    pair = _pair(group, scored)
    if pair is None:
        return None
    values = {key: ordered(each.differs[key] for each in scored if key in each.differs) for key in pair}
    down, across = sorted(pair, key=lambda key: (-len(values[key]), pair.index(key)))
    x, y = category(values[across]), category(list(reversed(values[down])))
    height = 28 + 44 + max(24.0, min(44.0, 220 / len(values[down]))) * len(values[down])
    title = first_upper(f"{metric_name(group.monitor)} by {down} and {across}")
    chart = Chart(title, x, y, across, down, height=height, grid=False)
    cells: dict[tuple[str, str], list[float]] = {}
    for each in scored:
        if across in each.differs and down in each.differs:
            place = (show(each.differs[across]), show(each.differs[down]))
            cells.setdefault(place, []).append(scaled(group.monitor, each.metrics[group.monitor].mean))
    means = {place: sum(found) / len(found) for place, found in cells.items()}
    low, high = min(means.values()), max(means.values())
    shades = metric_scale(group.monitor, means.values())[0]
    weakest, strongest = (shades.at(value) for value in ((low, high) if higher_is_better(group.monitor) else (high, low)))
    wide, tall = (chart.right - chart.left) / len(x.ticks), (chart.bottom - chart.top) / len(y.ticks)
    places = min(2, decimals(group.monitor, (high - low) / 20))
    for (column, row), mean in sorted(means.items()):
        share = (shades.at(mean) - weakest) / (strongest - weakest) if high > low else 0.5
        left, top = chart.across(x.places[column]) - wide / 2, chart.down(y.places[row]) - tall / 2
        count = len(cells[column, row])
        hint = f"{down}={row} {across}={column}: {digits(mean, places + 1)}, mean of {counted(count, 'configuration')}"
        shade = round(0.08 + 0.92 * share, 2)
        chart.shapes.append(Shape("cell", "heat", x=left + 1, y=top + 1, width=wide - 2, height=tall - 2, shade=shade, hint=hint))
        text = number(float(f"{mean:.2g}")) if shades.kind == "log" else digits(mean, places)
        if len(text) * 6.6 <= wide - 4:
            chart.shapes.append(Shape("text", "value", x=left + wide / 2, y=top + tall / 2 + 4, text=text))
    most = max(len(found) for found in cells.values())
    over = " over seeds and the other keys" if most > 1 else " over seeds"
    chart.note = f"{first_upper(metric_label(group.monitor, group))}, mean{over}. The stronger the colour, the better"
    chart.note += ", on a log scale." if shades.kind == "log" else "."
    return chart


def _pair(group: Group, scored: Sequence[Configuration]) -> tuple[str, str] | None:
    """Two keys with few values each: those of most importance, else the first two."""
    count = {key: len({show(each.differs[key]) for each in scored if key in each.differs}) for key in group.keys}
    fit = [key for key in group.keys if 2 <= count[key] <= _CELLS]
    rank = {each.key: place for place, each in enumerate(group.importance)}
    fit.sort(key=lambda key: rank.get(key, len(rank)))
    chosen = fit[:2]
    if len(chosen) < 2 or sum(all(key in each.differs for key in chosen) for each in scored) < 3:
        return None
    return chosen[0], chosen[1]


def parallel(group: Group) -> Chart | None:
    """One line per configuration through an axis per key and the metric's own; None for fewer than two keys."""
    keys = group.keys[: _AXES - 1]
    known = [each for each in group.configurations if group.monitor in each.metrics and all(key in each.differs for key in keys)]
    if len(keys) < 2 or len(known) < 3:
        return None
    skipped = len(group.configurations) - len(known)
    known = known[:_LINES]
    scales: list[tuple[str, Scale]] = [(key, setting_scale((each.differs[key] for each in known), 6)) for key in keys]
    scales.append((group.monitor, monitor_scale(group, known, whiskers=False)[0]))
    apart = 112.0
    chart = Chart("Parallel coordinates", width=apart * len(scales) + 24, height=300, left=12, wide=True, grid=False)
    chart.bottom_space = 14
    tops = 46.0
    middles = [12 + apart * (index + 0.5) for index in range(len(scales))]

    def down(share: float) -> float:
        return chart.bottom - share * (chart.bottom - tops)

    strong = max(1, round(_STRONG * len(known)))
    for index in reversed(range(len(known))):  # the best lie on top
        each = known[index]
        shares = [scale.at(each.differs[key]) for key, scale in scales[:-1]]
        shares.append(scales[-1][1].at(scaled(group.monitor, each.metrics[group.monitor].mean)))
        line = path((x, down(share)) for x, share in zip(middles, shares, strict=True))
        chart.shapes.append(Shape("path", "first" if index < strong else "thread", line, hint=each.label))
    for x, (name, scale) in zip(middles, scales, strict=True):
        chart.shapes.append(Shape("path", "axis", f"M{x:.1f} {tops:g}V{chart.bottom:g}"))
        chart.shapes.append(Shape("text", "name", x=x, y=tops - 26, text=cut(name, 17), hint=name))
        for tick in _spread(scale.ticks):
            chart.shapes.append(Shape("text", "tick", x=x + 5, y=down(tick.at) + 4, text=cut(tick.text, 12)))
        if scale.kind == "log":
            chart.shapes.append(Shape("text", "unit", x=x, y=tops - 12, text="log scale"))
    if is_percent(group.monitor):
        chart.shapes.append(Shape("text", "unit", x=middles[-1], y=tops - 12, text="%"))
    chart.note = f"One line per configuration; strong: the best{'' if strong == 1 else f' {strong:,}'}."
    if skipped:
        chart.note += f" {counted(skipped, 'configuration')} without a score or without one of the keys left out."
    if len(group.keys) > len(keys):
        chart.note += f" The first {len(keys)} of {len(group.keys)} keys."
    return chart


def _spread(ticks: Sequence[Tick]) -> list[Tick]:
    """So many ticks as have room one under another."""
    every = max(1, math.ceil(len(ticks) / 14))
    return list(ticks[::every])


def importance(group: Group) -> Chart | None:
    """Bars of the share of the metric's variance that each key explains; None where it was not analysed."""
    if not group.importance:
        return None
    entries = group.importance[:20]
    left = min(190.0, 16 + 6.4 * max(len(cut(each.key, 28)) for each in entries))
    chart = Chart("Importance of the keys", left=left, height=28 + 26 * len(entries) + 12, grid=False)
    chart.bottom_space = 8
    room = chart.right - left - 48
    for index, each in enumerate(entries):
        top = 24 + 26 * index
        share = min(1.0, max(0.0, each.share)) if math.isfinite(each.share) else 0.0
        look = "bar rest" if each.key in ("seeds", "interactions") else "bar"
        chart.shapes.append(Shape("text", "key", x=left - 6, y=top + 15, text=cut(each.key, 28), hint=each.key))
        chart.shapes.append(Shape("cell", look, x=left, y=top + 3, width=max(0.5, room * share), height=18))
        chart.shapes.append(Shape("text", "share", x=left + room * share + 5, y=top + 16, text=f"{100 * share:.0f} %"))
    chart.note = (
        f"Share of the variance of {metric_name(group.monitor)} that goes with each key, the seeds' own noise subtracted."
    )
    return chart
