"""The figures of a group of runs: learning curves, the metric against each key and against time, heat map, importance, parallel
coordinates, comparison. A figure is one function, listed once in `SECTIONS`."""

from __future__ import annotations

import io
import math
import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from mlp_cli import files
from mlp_cli.choosing import higher_is_better
from mlp_cli.config.resolved import show
from mlp_cli.plots import style
from mlp_cli.plots.text import clean, fit
from mlp_cli.report.curves import inside, learning_curves
from mlp_cli.report.drawing import HEAT, WIDE, Panel, for_page, line_options, new_panel, short_names, short_settings, svg, wrapped
from mlp_cli.report.model import Configuration, Group, Report
from mlp_cli.report.rows import BINS
from mlp_cli.report.scales import Scale, is_number, metric_scale, number_scale, ordered, setting_scale
from mlp_cli.report.wording import (
    cut,
    decimals,
    digits,
    ends,
    first_upper,
    interval,
    mean_and_sd,
    metric_label,
    plain,
    scaled,
)
from mlp_cli.text import counted, either, is_percent, metric_name

KEYS = 8  # with a figure
ROWS = 12  # of the comparison
NAMED = 8  # configurations up to which the points of a figure have their names
GROUPS = 12  # of a report that get figures
FOLDER = "plots"
FEW = 30  # predictions of a bin of confidence, below which its accuracy says little
ROWS_HEADING = "Row by row"
"""The heading under which the page also has what is said of single rows."""
_CELLS = 24  # values of a key up to which it goes into a heat map
_AXES = 8  # of the parallel coordinates, the metric's own included
_LINES = 1000  # of the parallel coordinates
_STRONG = 0.1  # share of the lines that are drawn strongly


def against_keys(group: Group) -> Iterator[Panel]:
    """The monitor metric against each of the first keys that differ, with the 95 % interval of each mean: a line for each setting of
    the other keys, or, where those are too many, a dot for each configuration."""
    for key in group.keys[:KEYS]:
        known = [each for each in _scored(group) if key in each.differs]
        values = ordered(each.differs[key] for each in known)
        if len(values) < 2:
            continue
        panel = new_panel(f"{group.monitor}-{key}", first_upper(f"{metric_name(group.monitor)} against {plain(key)}"))
        series = defaultdict[str, list[Configuration]](list)
        for rest, each in zip(short_names(group, known, without=key), known, strict=True):
            series[rest].append(each)
        scale = setting_scale(values)
        if len(series) <= len(style.LINES):
            entries = settings_lines(
                panel, group, scale, {name: [(each.differs[key], each) for each in series[name]] for name in series}
            )
            note = _over_seeds(group, known)
        else:
            entries = _dots(panel, group, [(scale.at(each.differs[key]), each) for each in known])
            note = "One dot per configuration" + _level_bars(panel, group, key, scale, known) + "."
        panel.setting_axis(key, scale, values)
        yield panel.finish(note, group.data.get("name"), entries if len(series) > 1 else ())


def settings_lines(
    panel: Panel, group: Group, scale: Scale, series: Mapping[str, Sequence[tuple[Any, Configuration]]]
) -> list[tuple[Any, str]]:
    """Draws a line with intervals for each series of settings and configurations; returns the legend's entries."""
    metric, entries = group.monitor, []
    for index, (name, members) in enumerate(series.items()):
        look = style.LINES[index]
        shift = 0.09 * (index - (len(series) - 1) / 2) if scale.kind == "category" else 0.0
        found = sorted(((scale.at(value) + shift, each) for value, each in members), key=lambda pair: pair[0])
        places = [place for place, _ in found]
        means = [scaled(metric, each.metrics[metric].mean) for _, each in found]
        if scale.kind != "category":
            panel.axes.plot(places, means, color=look.color, linestyle=look.dash)
        whiskers(panel, metric, found, look.color)
        dots = panel.axes.scatter(
            places, means, s=22, c=look.face, marker=look.marker, edgecolors=look.color, linewidths=1.0, zorder=3
        )
        panel.hint(dots, [_hint(metric, each) for _, each in found])
        entries.append((panel.axes.plot([], [], **line_options(look))[0], name))
    panel.metric_axis("y", group, [each for members in series.values() for _, each in members], intervals=True)
    return entries


def whiskers(
    panel: Panel, metric: str, found: Sequence[tuple[float, Configuration]], color: str, *, across: bool = False
) -> None:
    """Draws the 95 % interval of each mean that has one, cut at what is possible, at its place on the other axis."""
    for place, each in found:
        summary = each.metrics[metric]
        if (between := ends(metric, summary)) is not None and between[1] > between[0]:
            mean, look = scaled(metric, summary.mean), {"fmt": "none", "ecolor": color, "elinewidth": 1.0, "capsize": 2.5}
            errors = [[max(0.0, mean - between[0])], [max(0.0, between[1] - mean)]]
            panel.axes.errorbar(*((mean, place, None, errors) if across else (place, mean, errors)), **look)  # type: ignore[arg-type]


def _hint(metric: str, each: Configuration) -> str:
    summary = each.metrics[metric]
    between = interval(metric, summary)
    text = f"{each.label}: {mean_and_sd(metric, summary)}" + (f" (95 % interval {between})" if between else "")
    return f"{text}, {each.verdict}" if each.verdict else text


def _over_seeds(group: Group, known: Sequence[Configuration]) -> str:
    repeated = any(each.metrics[group.monitor].n > 1 for each in known)
    return "Mean over seeds with its 95 % interval." if repeated else "One run each."


def _scored(group: Group) -> list[Configuration]:
    return [each for each in group.configurations if group.monitor in each.metrics]


def _dots(panel: Panel, group: Group, found: Sequence[tuple[float, Configuration]]) -> list[tuple[Any, str]]:
    """Draws a dot for each configuration, the reference as a diamond; returns the legend's entries."""
    metric, entries = group.monitor, []
    kinds = defaultdict[str, list[tuple[float, Configuration]]](list)
    for place, each in found:
        kinds["chosen" if each is group.reference else "worse" if each.verdict == "worse" else "even"].append((place, each))
    for kind, marker, face, edge in (
        ("even", "o", style.BLUE, style.BLUE),
        ("worse", "o", "white", style.BLUE),
        ("chosen", "D", style.VERMILLION, style.INK),
    ):
        if members := kinds[kind]:
            places, heights = zip(*((place, scaled(metric, each.metrics[metric].mean)) for place, each in members), strict=True)
            dots = panel.axes.scatter(places, heights, s=26, c=face, marker=marker, edgecolors=edge, linewidths=0.8, zorder=3)
            panel.hint(dots, [_hint(metric, each) for _, each in members])
            verdicts = dict.fromkeys(each.verdict for _, each in members if each.verdict)
            entries += [(dots, " or ".join(verdicts))] if verdicts else []
    panel.metric_axis("y", group, [each for _, each in found])
    return entries[::-1]


def _level_bars(panel: Panel, group: Group, key: str, scale: Scale, known: Sequence[Configuration]) -> str:
    """Draws the mean of each value of a key that several configurations have; returns what is to be said of it."""
    by_place = defaultdict[float, list[float]](list)
    for each in known:
        by_place[scale.at(each.differs[key])].append(scaled(group.monitor, each.metrics[group.monitor].mean))
    several = {place: means for place, means in by_place.items() if len(means) > 1}
    if not several or len(by_place) > 2 * KEYS:
        return ""
    means = [sum(found) / len(found) for found in several.values()]
    bars = panel.axes.scatter(list(several), means, s=260, c=style.INK, marker="_", linewidths=1.6, zorder=4)
    panel.hint(bars, [f"mean of {counted(len(found), 'configuration')}" for found in several.values()])
    return "; the bar is the mean over the other keys"


def heat_map(group: Group) -> Iterator[Panel]:
    """The monitor metric for two keys, as cells: the two that matter most where there are more."""
    metric, scored = group.monitor, _scored(group)
    count = {key: len({show(each.differs[key]) for each in scored if key in each.differs}) for key in group.keys}
    rank = {each.key: place for place, each in enumerate(group.importance)}
    pair = sorted((key for key in group.keys if 2 <= count[key] <= _CELLS), key=lambda key: rank.get(key, len(rank)))[:2]
    inside = [each for each in scored if all(key in each.differs for key in pair)]
    if len(pair) < 2 or len(inside) < 3:
        return
    down, across = sorted(pair, key=lambda key: (-count[key], pair.index(key)))
    rows, columns = (ordered(each.differs[key] for each in inside) for key in (down, across))
    cells = defaultdict[tuple[str, str], list[float]](list)
    for each in inside:
        cells[show(each.differs[down]), show(each.differs[across])].append(scaled(metric, each.metrics[metric].mean))
    means = {place: sum(found) / len(found) for place, found in cells.items()}
    low, high = min(means.values()), max(means.values())
    shades = metric_scale(metric, means.values())
    weakest, strongest = (shades.share(value) for value in ((low, high) if higher_is_better(metric) else (high, low)))
    places = min(2, decimals(metric, (high - low) / 20))
    title = first_upper(f"{metric_name(metric)} by {plain(down)} and {plain(across)}")
    panel = new_panel("heat_map", title, tall=0.8 + max(0.22, min(0.4, 2.4 / len(rows))) * len(rows))
    across_places, down_places = ({show(value): place for place, value in enumerate(each)} for each in (columns, rows))
    for (row, column), mean in means.items():
        strength = (shades.share(mean) - weakest) / (strongest - weakest) if high > low else 0.5
        x, y = across_places[column], down_places[row]
        (cell,) = panel.axes.bar(x, 0.94, 0.96, y - 0.47, color=HEAT, alpha=round(0.08 + 0.91 * strength, 2))
        mean_of = f", mean of {counted(len(cells[row, column]), 'configuration')}" if len(cells[row, column]) > 1 else ""
        panel.hint(cell, [f"{down}={row} {across}={column}: {digits(mean, places + 1)}{mean_of}"])
        text = style.number(float(f"{mean:.2g}")) if shades.kind == "log" else digits(mean, places)
        if len(columns) <= 12:
            panel.axes.text(x, y, text, ha="center", va="center", size=style.TICK)
    panel.setting_axis(across, setting_scale(map(show, columns)), columns)
    setting_scale(map(show, rows)).apply(panel.axes.yaxis, [fit(name, 1.4, style.TICK) for name in short_settings(rows).values()])
    panel.axes.set_ylabel(fit(down, 2.5, style.LABEL))
    panel.axes.set_ylim(len(rows) - 0.5, -0.5)
    panel.axes.grid(visible=False)
    over = "seeds and the other keys" if max(map(len, cells.values())) > 1 else "seeds"
    note = f"{first_upper(metric_label(metric, group))}, mean over {over}; the stronger the colour, the better{shades.remark}."
    yield panel.finish(note, group.data.get("name"))


def importance(group: Group) -> Iterator[Panel]:
    """Bars of the share of the metric's variance that each key explains."""
    entries = [each for each in group.importance[:20] if math.isfinite(each.share)]
    if len(entries) < 3:  # of one key and the seeds the verdict says as much
        return
    panel = new_panel("importance", "Importance of the keys", tall=0.5 + 0.24 * len(entries))
    for row, each in enumerate(entries):
        share = 100 * min(1.0, max(0.0, each.share))
        color = style.GREY if each.key in ("seeds", "interactions") else style.BLUE
        panel.axes.barh(row, share, 0.7, color=color)
        panel.axes.annotate(f"{share:.0f} %", (share, row), (4, 0), textcoords="offset points", va="center", size=style.TICK)
    panel.axes.set_yticks(range(len(entries)), [fit(each.key, 1.8, style.TICK) for each in entries])
    panel.axes.set_ylim(len(entries) - 0.5, -0.5)
    panel.axes.set_xlim(0, 1.12 * max(1.0, *(100 * each.share for each in entries)))
    panel.axes.set_xticks([])
    panel.axes.spines["bottom"].set_visible(False)
    panel.axes.grid(visible=False)
    note = f"Share of the variance of {metric_name(group.monitor)} that goes with each key, the seeds' own noise subtracted."
    yield panel.finish(note, group.data.get("name"))


def against_time(group: Group) -> Iterator[Panel]:
    """The monitor metric against the training time of a run, with the line of the best for its time."""
    metric = group.monitor
    known = [(each.seconds, each) for each in _scored(group) if each.seconds is not None and is_number(each.seconds)]
    if len(known) < 2:
        return
    times = [seconds for seconds, _ in known]
    panel = new_panel("time", first_upper(f"{metric_name(metric)} against time"))
    sign = 1.0 if higher_is_better(metric) else -1.0
    front: list[tuple[float, float]] = []
    for seconds, each in sorted(known, key=lambda pair: (pair[0], -sign * pair[1].metrics[metric].mean)):
        mean = scaled(metric, each.metrics[metric].mean)
        if not front or (mean - front[-1][1]) * sign > 0:
            front.append((seconds, mean))
    panel.axes.step(*zip(*front, strict=True), where="post", color=style.GREY, linestyle="--", linewidth=0.9)
    entries = _dots(panel, group, known)
    scale = number_scale(times, least=0.2 * max(times), log=True)
    scale.apply(panel.axes.xaxis)
    panel.axes.set_xlabel(f"seconds per run{scale.remark}")
    note = "Mean training time of a run, as measured while it ran."
    note += " The line passes through what is best for its time." if len(front) > 1 else ""
    named = len(known) <= NAMED and bool(group.keys)
    note += f" Beside each point: {either([plain(key) for key in group.keys], 'and')}." if named else ""
    panel.finish(note, group.data.get("name"), entries)
    if named:
        points = [(seconds, scaled(metric, each.metrics[metric].mean)) for seconds, each in known]
        panel.name_points(points, short_names(group, [each for _, each in known], values_alone=True), int(sign))
    yield panel


def parallel(group: Group) -> Iterator[Panel]:
    """One line per configuration through an axis per key and the metric's own, for two keys or more."""
    keys = group.keys[: _AXES - 1]
    known = [each for each in _scored(group) if all(key in each.differs for key in keys)]
    skipped, known = len(group.configurations) - len(known), known[:_LINES]
    if len(keys) < 2 or len(known) < 3:
        return
    from matplotlib.collections import LineCollection

    metric = group.monitor
    scales = [setting_scale((each.differs[key] for each in known), 6) for key in keys]
    scores = [scaled(metric, each.metrics[metric].mean) for each in known]
    scales.append(metric_scale(metric, scores))
    panel = new_panel("parallel", "Parallel coordinates", wide=max(WIDE, 1.25 * len(scales)), tall=3.2)
    panel.wide = len(scales) > 4
    strong = max(1, round(_STRONG * len(known)))
    lines = []
    for each, score in zip(known, scores, strict=True):
        shares = [scale.share(scale.at(each.differs[key])) for key, scale in zip(keys, scales, strict=False)]
        lines.append(list(enumerate([*shares, scales[-1].share(score)])))
    for members, color, thick in ((range(len(known))[strong:], style.GREY, 0.5), (range(strong), style.VERMILLION, 1.5)):
        own = LineCollection([lines[index] for index in members], colors=color, linewidths=thick, alpha=0.5 if thick < 1 else 1)
        panel.axes.add_collection(own)
        panel.hint(own, [_hint(metric, known[index]) for index in members])
    for index, (name, scale) in enumerate(zip([*keys, metric], scales, strict=True)):
        panel.axes.axvline(index, 0.04, 0.96, color=style.GREY, linewidth=0.7)
        below = (scale.remark or (", %" if name == metric and is_percent(metric) else "")).removeprefix(", ")
        panel.axes.text(index, 1.06, f"{fit(name, 1.15, style.TICK)}\n{below}", ha="center", size=style.TICK)
        for place, text in scale.ticks[:: max(1, math.ceil(len(scale.ticks) / 12))]:
            panel.axes.text(
                index + 0.04, scale.share(place), cut(clean(text), 12), va="center", size=style.SMALL,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
            )  # fmt: skip
    panel.axes.set_xlim(-0.4, len(scales) - 0.4)
    panel.axes.set_ylim(-0.05, 1.05)
    panel.axes.set_axis_off()
    note = f"One line per configuration; strong: the best{'' if strong == 1 else f' {strong:,}'}."
    if skipped:
        note += f" {counted(skipped, 'configuration')} without a score or without one of the keys left out."
    if len(group.keys) > len(keys):
        note += f" The first {len(keys)} of {len(group.keys)} keys."
    yield panel.finish(note, group.data.get("name"))


def comparison(group: Group) -> Iterator[Panel]:
    """The configurations one under another: each run a small dot, the mean with its 95 % interval, n and the verdict."""
    metric, scored = group.monitor, _scored(group)
    shown = scored[:ROWS]
    if len(scored) < 2:
        return
    if group.reference in scored and group.reference not in shown:
        shown[-1] = group.reference
    labels = [wrapped(name, 1.5, style.TICK, 5) for name in short_names(group, shown)]
    height = 0.06 + 0.15 * max(2, *(label.count("\n") + 1 for label in labels))
    panel = new_panel(
        "comparison", f"{first_upper(metric_name(metric))} of {len(shown)} configurations", tall=0.6 + height * len(shown)
    )
    singles = [
        (scaled(metric, run.metrics[metric]), row + 0.25)
        for row, each in enumerate(shown)
        for run in each.completed
        if metric in run.metrics
    ]
    repeated = any(each.metrics[metric].n > 1 for each in shown)
    if repeated:
        panel.axes.scatter([value for value, _ in singles], [row for _, row in singles], s=5, c=style.GREY)
    for row, each in enumerate(shown):
        chosen, summary = each is group.reference, each.metrics[metric]
        color = style.VERMILLION if chosen else style.BLUE
        whiskers(panel, metric, [(row, each)], color, across=True)
        face = "white" if each.verdict == "worse" else color
        dot = panel.axes.scatter(
            scaled(metric, summary.mean), row, s=30, c=face, marker="D" if chosen else "o", edgecolors=color, zorder=3
        )
        panel.hint(dot, [_hint(metric, each)])
        words = f"{mean_and_sd(metric, summary)}\n{each.verdict}{', ' if each.verdict else ''}n = {each.count}"
        panel.axes.annotate(
            words, (1.0, row), (6, 0), ("axes fraction", "data"), textcoords="offset points", va="center", size=style.SMALL
        )
    panel.metric_axis("x", group, shown, intervals=True, besides=[value for value, _ in singles])
    panel.axes.set_ylim(len(shown) - 0.5, -0.5)
    panel.axes.set_yticks(range(len(shown)), labels)
    panel.axes.grid(visible=False, axis="y")
    note = _over_seeds(group, shown).removesuffix(".")
    note += f"; the first {len(shown)} of {len(scored):,}" if len(shown) < len(scored) else ""
    yield panel.finish(note + ("; small dots are single runs." if repeated else "."), group.data.get("name"))


def reliability(group: Group) -> Iterator[Panel]:
    """How often predictions of a confidence are right, over all seeds of the best configuration, with the number in each bin."""
    if group.rows is None or not group.rows.bins:
        return
    bins, panel = group.rows.bins, new_panel("reliability", "Accuracy against confidence")
    panel.axes.plot([0, 100], [0, 100], color=style.GREY, linewidth=0.8, linestyle="--")
    places, heights = [100 * each.confidence for each in bins], [100 * each.accuracy for each in bins]
    look, faces = style.LINES[0], [style.LINES[0].face if each.n >= FEW else "white" for each in bins]
    dots = panel.axes.scatter(places, heights, s=30, c=faces, edgecolors=look.color, zorder=3)
    hints = [
        f"confidence {x:.1f} %, accuracy {y:.1f} %, n = {each.n:,}" for x, y, each in zip(places, heights, bins, strict=True)
    ]
    panel.hint(dots, hints)
    for each in bins:
        middle = 50 * (each.low + each.high)
        panel.axes.text(middle, -1, f"{each.n:,}", size=style.SMALL, rotation=90, ha="center", va="bottom", color=style.GREY)
    panel.axes.set(xlim=(-2, 102), ylim=(-3, 103), xlabel="confidence: probability of the predicted class (%)")
    panel.axes.set_ylabel("accuracy (%)")
    note = f"{BINS} bins; in grey how many predictions of {counted(len(group.rows.runs), 'seed')} each has, hollow below {FEW}."
    yield panel.finish(f"{note} {group.rows.note}".strip(), group.data.get("name"))


SECTIONS: Mapping[str, Sequence[Callable[[Group], Iterator[Panel]]]] = {
    "Learning curves": (learning_curves,),
    "Inside the layers": (inside,),
    "What the settings do": (comparison, against_keys, heat_map, importance, against_time, parallel),
    ROWS_HEADING: (reliability,),
}
"""The figures of a group, by the heading on the page that they stand under."""

ACROSS = "Across the data"
"""The heading of the figure that belongs to all groups."""


def panels(group: Group) -> Iterator[tuple[str, Panel]]:
    """The figures of a group that apply, each with the heading it stands under; their names are different as files."""
    taken: set[str] = set()
    for heading, functions in SECTIONS.items():
        for panel in (panel for function in functions for panel in function(group)):
            name = re.sub(r"[^A-Za-z0-9._-]", "_", panel.name)[:80]
            while name.lower() in taken:  # there are file systems to which a and A are one
                name += "_"
            taken.add(name.lower())
            panel.name = name
            yield heading, panel


def across_data(report: Report) -> Iterator[Panel]:
    """The monitor metric against the one key of the data set that differs between groups: a line for each configuration that several
    of them have, best first."""
    groups = report.groups
    keys = {key for group in groups for key in group.data_keys}
    if len(keys) != 1 or len({group.monitor for group in groups}) > 1 or any(not group.data_keys for group in groups):
        return
    (key,), metric = keys, groups[0].monitor
    series = defaultdict[str, list[tuple[Any, Configuration]]](list)
    for group in groups:
        for each in _scored(group):
            series[each.label].append((group.data_keys[key], each))
    sign = -1 if higher_is_better(metric) else 1
    several = [label for label, members in series.items() if len(members) > 1]
    several.sort(key=lambda label: sign * sum(each.metrics[metric].mean for _, each in series[label]) / len(series[label]))
    shown = {label: series[label] for label in several[: len(style.LINES)]}
    if not shown:
        return
    values = ordered(value for members in shown.values() for value, _ in members)
    panel = new_panel("across", first_upper(f"{metric_name(metric)} against {plain(key)}"))
    scale = setting_scale(values)
    entries = settings_lines(panel, groups[0], scale, shown)
    panel.setting_axis(key, scale, values)
    note = "Each place on the axis is other data; a verdict holds within one of them."
    note += f" The best {len(shown)} of {len(several)} configurations." if len(shown) < len(several) else ""
    yield panel.finish(note, "all data", entries)


@dataclass(frozen=True)
class Drawn:
    """A figure inside the page. heading: what it stands under. svg: its text. files: by name, as .svg and .png."""

    heading: str
    title: str
    note: str
    wide: bool
    svg: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)


def draw(report: Report, with_files: bool = False) -> list[list[Drawn]]:
    """Draws the figures of the first groups; returns those of each group, for the page, the first with that of all groups.

    with_files: each as files too; where there are several groups, their names begin with `g1-`, `g2-` …. Equal reports give equal
    bytes.
    """
    drawn = list[list[Drawn]]()
    with style.context():
        for number, group in enumerate(report.groups[:GROUPS], 1):
            drawn.append([])
            found = ((ACROSS, panel) for panel in (across_data(report) if number == 1 else ()))
            for heading, panel in chain(found, panels(group)):
                name = f"g{number}-{panel.name}" if len(report.groups) > 1 and heading != ACROSS else panel.name
                text = svg(panel, _maker(f"{name}.svg"))
                own: dict[str, str | bytes] = {}
                if with_files:
                    png = io.BytesIO()
                    panel.figure.canvas.print_png(png, metadata={"Software": _maker(f"{name}.png")})  # type: ignore[attr-defined]
                    own = {f"{name}.svg": text, f"{name}.png": png.getvalue()}
                drawn[-1].append(Drawn(heading, panel.title, panel.note, panel.wide, for_page(panel, text), own))
    return [*drawn, *([] for _ in report.groups[GROUPS:])]


def remove_others(home: Path, kept: Container[Path]) -> None:
    """Takes away the figures that an older report wrote into `home`, and nothing else. Errors: RunError."""
    with files.writing(home):
        for path in home.iterdir():
            if path.suffix in (".png", ".svg") and path not in kept and _is_ours(path):
                path.unlink()


def _maker(name: str) -> str:
    """What a figure says of its origin: its name too, so that a copy under another name is its owner's."""
    return f"mlp report, {name}"


def _is_ours(path: Path) -> bool:
    try:
        with open(path, "rb") as handle:
            return _maker(path.name).encode("utf-8", "surrogateescape") in handle.read(2048)
    except OSError:
        return False
