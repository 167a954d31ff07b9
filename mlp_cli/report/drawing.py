"""A figure of a report: drawn once by matplotlib, as files for slides and papers and as an SVG inside the page.

Inside the page an SVG takes the page's colours, light or dark, has a hint on each point, and needs no style of its own, which the
page's policy would refuse.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from mlp_cli.config.resolved import show
from mlp_cli.plots import style
from mlp_cli.plots.text import clean, fit, width
from mlp_cli.report.model import Configuration, Group
from mlp_cli.report.scales import Scale, metric_scale
from mlp_cli.report.wording import cut, ends, floor, metric_label, plain, scaled

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE, TALL = 4.8, 3.0  # inches of a figure without heading and legend
_LINE = 0.17  # inches of a line of a legend or a heading
_SHORT = ((4, 2, 24), (6, 3, 40), (9, 5, 70))
"""Digits of a number in a name, entries at both ends of a list, characters of a text: the first of these with which no two read the
same."""

HEAT = "#4799c8"  # of the cells of a heat map, whose texts stay readable on it
_COLORS = {
    HEAT: "var(--heat)",
    style.INK: "var(--ink)",
    style.GREY: "var(--grey)",
    style.PALE: "var(--rule)",
    "#ffffff": "var(--paper)",
    **{line.color: f"var(--s{index})" for index, line in enumerate(style.LINES)},
}
_PAPER = {color.lower(): variable for color, variable in _COLORS.items()}
_KEPT = (
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-opacity",
    "stroke-dasharray",
    "opacity",
    "text-anchor",
    "font-size",
)
_NUMBER = re.compile(r"-?\d+\.\d+")


@dataclass
class Panel:
    """A figure and what is said of it. Made by `new_panel`, drawn into, then closed by `finish`.

    name: of its files, without a suffix. hints: the texts of an artist's points, by its gid; one text is that of the whole artist.
    heading: inches at the top that title and note take, which the page writes itself.
    wide: it keeps its size on a narrow screen, where one scrolls it sideways.
    """

    name: str
    title: str
    figure: Figure
    axes: Axes
    note: str = ""
    wide: bool = False
    heading: float = 0.0
    hints: dict[str, list[str]] = field(default_factory=dict)

    def hint(self, artist: Artist, texts: Sequence[str]) -> None:
        """Gives an artist its texts, shown on hovering: one for each of its points in order, or one."""
        ident = f"hint{len(self.hints)}"
        artist.set_gid(ident)
        self.hints[ident] = [plain(text) for text in texts]

    def setting_axis(self, key: str, scale: Scale, values: Sequence[Any]) -> None:
        """The horizontal axis of a key: numbers on a linear or logarithmic one, everything else evenly placed, its names on two rows
        by turns where they do not fit on one."""
        room = self.figure.get_size_inches()[0] - 0.9
        names = None
        if scale.kind == "category":
            named, beside = list(short_settings(values).values()), room / len(values) - 0.06
            names = [fit(name, beside, style.TICK, both_ends=True) for name in named]
            if any(width(clean(name), style.TICK) > beside for name in named):
                names = [
                    "\n" * (place % 2) + fit(name, 2 * beside, style.TICK, both_ends=True) for place, name in enumerate(named)
                ]
        scale.apply(self.axes.xaxis, names)
        self.axes.set_xlabel(fit(plain(key), room - 0.7, style.LABEL) + scale.remark)

    def metric_axis(
        self,
        side: str,
        group: Group,
        known: Sequence[Configuration],
        *,
        intervals: bool = False,
        besides: Sequence[float] = (),
    ) -> None:
        """The axis of the monitor metric, `x` or `y`, long enough for the means, their intervals and further values."""
        metric = group.monitor
        values = [*besides, *(scaled(metric, each.metrics[metric].mean) for each in known)]
        for each in known if intervals else ():
            values += [end for end in ends(metric, each.metrics[metric]) or () if end > floor(metric)]
        scale = metric_scale(metric, values)
        scale.apply(self.axes.xaxis if side == "x" else self.axes.yaxis)
        self.axes.set(**{f"{side}label": axis_label(metric_label(metric, group) + scale.remark)})

    def finish(self, note: str, data: object, entries: Sequence[tuple[Any, str]] = ()) -> Panel:
        """Adds the heading, the note and a legend under the axes, and lays all out.

        data: the set's name. entries: handles and their names.
        """
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        wide, tall = self.figure.get_size_inches()
        below = wrapped(note, wide - 0.2, style.TICK, 3)
        names = [wrapped(name, wide - 0.8, style.TICK, 3) for _, name in entries]
        self.note, self.heading = note, 0.4 + _LINE * (below.count("\n") + 1)
        tall += self.heading + _LINE * sum(name.count("\n") + 1 for name in names)
        self.figure.set_size_inches(wide, tall)
        for text, down, size, color in (
            (fit(f"{self.title}, {plain(data)}", wide - 0.2, style.TITLE, both_ends=True), 0.1, style.TITLE, style.INK),
            (below, 0.32, style.TICK, style.GREY),
        ):
            self.figure.text(0.1 / wide, 1 - down / tall, text, size=size, color=color, va="top", gid="heading")
        if names:
            handles = [handle for handle, _ in entries]
            self.figure.legend(handles, names, loc="outside lower left", borderpad=0.2, labelspacing=0.25)
        layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - self.heading / tall), w_pad=0.08, h_pad=0.05)
        layout.execute(self.figure)  # once, for the files as for the page
        return self

    def name_points(self, points: Sequence[tuple[float, float]], names: Sequence[str], first: int) -> None:
        """Writes a name beside each point, once it is finished, where it covers no point and no other name; else none.

        first: 1 where above the point is best, -1 for below.
        """
        from matplotlib.transforms import Bbox

        unit = self.figure.dpi / 72  # all below is in points, 1/72 inch
        frame, places = Bbox(self.axes.bbox.get_points() / unit), self.axes.transData.transform(points) / unit
        taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in places]
        for point, name, (x, y) in zip(points, names, places, strict=True):
            text = fit(name, WIDE / 3, style.SMALL)
            wide, tall = 72 * width(text, style.SMALL), 1.2 * style.SMALL
            for right, up in ((0, 1), (1, 1), (-1, 1), (1, 0), (-1, 0), (0, -1), (1, -1), (-1, -1)):
                left, low = 6 * right - wide * (1 - right) / 2, first * up * (4 + tall / 2) - tall / 2
                box = Bbox.from_bounds(x + left, y + low, wide, tall)
                if all(frame.fully_contains(*end) for end in (box.min, box.max)) and not box.count_overlaps(taken):
                    self.axes.annotate(text, point, (left, low + tall / 5), textcoords="offset points", size=style.SMALL)
                    taken.append(box)
                    break


def new_panel(name: str, title: str, *, wide: float = WIDE, tall: float = TALL) -> Panel:
    """A figure of so many inches with empty axes; heading and legend make it taller. Needs `style.context`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((wide, tall), dpi=style.DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    axes.grid(True)
    return Panel(name, title, figure, axes)


def axis_label(text: str) -> str:
    """The label of an axis on two lines at most."""
    return wrapped(text, TALL - 0.8, style.LABEL)


def line_options(look: style.Line, points: int = 1) -> dict[str, Any]:
    """How matplotlib draws a line of so many points."""
    own = {"color": look.color, "linestyle": look.dash, "marker": look.marker, "markerfacecolor": look.face}
    return own | {"markevery": max(1, points // 10)}


def short_names(group: Group, shown: Sequence[Configuration], without: str = "", *, values_alone: bool = False) -> list[str]:
    """The labels of configurations, but for one key: numbers with few digits and long lists cut, as far as the values of a key
    stay different from each other; without differing keys the whole label. values_alone: `0.01 adam`."""
    short = {
        key: short_settings([each.differs[key] for each in group.configurations if key in each.differs]) for key in group.keys
    }
    front = {key: "" if values_alone else f"{plain(key)}=" for key in group.keys}
    named = (
        " ".join(f"{front[key]}{short[key][show(value)]}" for key, value in each.differs.items() if key != without)
        for each in shown
    )
    return [name or ("" if without else plain(each.label)) for name, each in zip(named, shown, strict=True)]


def short_settings(values: Sequence[Any]) -> dict[str, str]:
    """Settings by their whole text, as short as they stay different from each other."""
    distinct = {show(value): value for value in values}
    for digits, outer, characters in _SHORT:
        found = {text: _shortened(value, digits, outer, characters) for text, value in distinct.items()}
        if len(set(found.values())) == len(found):
            return found
    return {text: plain(text) for text in distinct}


def _shortened(value: Any, digits: int, outer: int, characters: int) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, list | tuple):
        kept = [show(each) for each in value]
        kept = [*kept[:outer], "…", *kept[-outer:]] if len(kept) > 2 * outer + 1 else kept
        return plain(f"[{', '.join(kept)}]")
    return cut(show(value), characters)


def wrapped(text: str, inches: float, points: float, lines: int = 2) -> str:
    """Text on so many lines of at most so many inches, the last one cut where it is longer still; on one where it fits."""
    words, done = clean(text).split(), list[str]()
    while len(done) < lines - 1 and width(" ".join(words), points) > inches:
        count = max((k for k in range(1, len(words)) if width(" ".join(words[:k]), points) <= inches), default=0)
        if not count:
            break
        done.append(" ".join(words[:count]))
        words = words[count:]
    return "\n".join([*done, fit(" ".join(words), inches, points)])


def svg(panel: Panel, maker: str) -> str:
    """The figure as an SVG document of its own. maker: what made it, which stands in it.

    Needs `style.context`. Equal figures give equal texts.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text, canvas = io.StringIO(), panel.figure.canvas
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": maker}):
        FigureCanvasSVG(panel.figure).print_svg(text, metadata={"Date": None, "Creator": maker})
    panel.figure.dpi = style.DPI
    panel.figure.set_canvas(canvas)
    return text.getvalue()


def for_page(panel: Panel, document: str) -> str:
    """An SVG of `svg` as the page holds it: without heading, in the page's colours, with hints, and without styles or references."""
    root = ElementTree.fromstring(document)
    for element in root.iter():
        element.tag = element.tag.partition("}")[2]
    shapes = {f"#{each.get('id')}": each for each in root.iter("path") if each.get("id")}
    wide, tall = (72 * inches for inches in panel.figure.get_size_inches())
    top = 72 * panel.heading - 4
    new = ElementTree.Element("svg", {"viewBox": f"0 {top:.4g} {wide:.4g} {tall - top:.4g}", "role": "img"})
    new.set("width", f"{wide * 4 / 3:.4g}")
    new.set("aria-label", f"{panel.title}. {panel.note}")
    clips = ElementTree.SubElement(new, "defs")
    for clip in root.iter("clipPath"):
        copy = ElementTree.SubElement(clips, "clipPath", {"id": clip.get("id", "")})
        copy.extend(_leaf(each, {}) for each in clip)
    new.extend(_kept(next(root.iter("g")), shapes, panel.hints))
    return ElementTree.tostring(new, encoding="unicode")


def _kept(
    group: ElementTree.Element, shapes: dict[str, ElementTree.Element], hints: dict[str, list[str]]
) -> Iterator[ElementTree.Element]:
    """What is drawn in a group, in a group of its own where it has a place, a clip or hints."""
    ident = group.get("id", "")
    if ident in ("heading", "patch_1"):
        return
    inside = [
        kept
        for each in group
        if each.tag != "defs"
        for kept in (_kept(each, shapes, hints) if each.tag == "g" else [_leaf(each, shapes)])
    ]
    texts = hints.get(ident, [])
    leaves = [leaf for each in inside for leaf in each.iter() if leaf.tag in ("path", "text")]
    if len(texts) == len(leaves):
        for leaf, text in zip(leaves, texts, strict=True):
            ElementTree.SubElement(leaf, "title").text = text if leaf.tag == "path" else None
    own = {name: value for name in ("transform", "clip-path", "opacity") if (value := group.get(name))} | _attributes(group)
    if own or (texts and len(texts) != len(leaves)):
        new = ElementTree.Element("g", own)
        if len(texts) == 1 != len(leaves):
            ElementTree.SubElement(new, "title").text = texts[0]
        new.extend(inside)
        inside = [new]
    yield from inside


def _leaf(element: ElementTree.Element, shapes: dict[str, ElementTree.Element]) -> ElementTree.Element:
    """A path, a text or a clip's outline; a reference to a path becomes the path, at its place."""
    new = ElementTree.Element("path" if element.tag == "use" else element.tag, _attributes(element))
    new.text = element.text if element.tag == "text" else None
    places = {name: value for name in ("x", "y", "width", "height", "d", "transform") if (value := element.get(name))}
    if element.tag == "use":
        shape = shapes[element.get("{http://www.w3.org/1999/xlink}href", "")]
        moved = f"translate({places.pop('x', '0')} {places.pop('y', '0')})"
        places |= {"d": shape.get("d", ""), "transform": moved}
        new.attrib.update({**_attributes(shape), **new.attrib})
    if places.get("transform", "").startswith("rotate(-0 "):
        del places["transform"]
    for name, value in places.items():
        new.set(name, _NUMBER.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), " ".join(value.split())))
    return new


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    """The style of an element as attributes, its colours as those of the page."""
    pairs = (each.partition(":")[::2] for each in element.get("style", "").split(";"))
    found = {name.strip(): value.strip() for name, value in pairs if name.strip() in _KEPT}
    if clip := element.get("clip-path"):
        found["clip-path"] = clip
    return {name: _PAPER.get(value, value).removesuffix("px") for name, value in found.items()}
