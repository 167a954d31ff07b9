"""One style for all figures: fonts, colours, sizes, the layout, and how a figure becomes a file.

Nothing goes through pyplot: a caller's own figures, backend and settings stay as they are. Colours are those of Okabe and Ito (2008),
which colour-blind readers can tell apart; lines differ by dash and marker too, so that a grey print stays readable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlp_cli.files import write_atomic
from mlp_cli.plots.text import DPI, families, fit, load_matplotlib
from mlp_cli.text import RAISED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

TITLE, LABEL, TICK, SMALL = 10.0, 9.0, 8.0, 7.5  # points
MARGIN = 16  # pixels between the figure's edge and whatever is next to it

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
INK, GREY, PALE = "#222222", "#606060", "#D9D9D9"


class Line(NamedTuple):
    """How one curve looks: colour, dash, marker, and the marker's inside (the colour itself or white)."""

    color: str
    dash: str
    marker: str
    face: str


LINES = (
    Line(BLUE, "-", "o", BLUE),
    Line(VERMILLION, "--", "s", "white"),
    Line(GREEN, "-.", "^", GREEN),
    Line(PURPLE, ":", "D", "white"),
    Line(ORANGE, "-", "v", "white"),
    Line(SKY, "--", "P", SKY),
)

_TICKS = {"labelsize": TICK, "color": GREY, "labelcolor": INK, "major.width": 0.6, "major.size": 3.0}
_SETTINGS = {
    "font.size": LABEL,
    "text.parse_math": False,  # a name such as "$x^2$" is a name; no label of ours needs mathtext
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    **{f"{axis}tick.{key}": value for axis in "xy" for key, value in _TICKS.items()},
    "legend.fontsize": TICK,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.constrained_layout.w_pad": MARGIN / DPI / 2,
    "figure.constrained_layout.h_pad": MARGIN / DPI / 2,
    "svg.hashsalt": "mlp",  # it tells `context` that it is active; ids inside an SVG are else drawn by chance
}


@contextmanager
def context() -> Iterator[None]:
    """Matplotlib's own defaults with this style on top, whatever a user's matplotlibrc, MPLBACKEND or display says; the caller's
    settings come back after. Inside another it does nothing, and costs nothing."""
    load_matplotlib()
    import matplotlib

    if matplotlib.rcParams["svg.hashsalt"] == _SETTINGS["svg.hashsalt"]:
        yield
        return
    settings: dict[Any, Any] = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    settings.update(_SETTINGS)
    with matplotlib.rc_context({**settings, "font.family": families()}):
        yield


def new_axes(width: int, height: int) -> Axes:
    """The axes of a new figure of so many pixels, see `new_figure`. `finish` lays it out."""
    return new_figure(width, height).subplots()


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of so many pixels on an Agg canvas, unknown to pyplot. Needs `context`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width / DPI, height / DPI), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish(axes: Axes, title: str, detail: str = "", size: tuple[int, int] | None = None) -> Figure:
    """The axes' figure with a title on top, and under it a smaller line of explanation, each cut in its middle to the width.

    size: width and height in pixels that the axes must have, on whole pixels, for images; the figure becomes as large as that needs.
    """
    figure: Any = axes.figure
    width, height = figure.bbox.size
    above = round(MARGIN + 1.35 * pixels(TITLE) + (1.5 * pixels(TICK) if detail else 0))
    if size:
        figure.set_layout_engine("none")
        figure.set_size_inches(size[0] / DPI, size[1] / DPI)
        axes.set_position((0, 0, 1, 1))
        around: Any = axes.get_tightbbox(figure.canvas.get_renderer())
        left, below = MARGIN - math.floor(around.x0), MARGIN - math.floor(around.y0)
        width, height = max(600, left + math.ceil(around.x1) + MARGIN), below + math.ceil(around.y1) + MARGIN
        axes.set_position((left / width, below / (height + above), size[0] / width, size[1] / (height + above)))
    else:
        figure.get_layout_engine().set(rect=(0, 0, 1, height / (height + above)))
    # The hundredth of a pixel keeps a rounding error from cutting off the last row or column.
    figure.set_size_inches((width + 0.01) / DPI, (height + above + 0.01) / DPI)
    for text, points, down, color in ((title, TITLE, 0.0, INK), (detail, TICK, 1.45 * pixels(TITLE), GREY)):
        shown = fit(text, (width - 2 * MARGIN) / DPI, points, both_ends=True)
        figure.text(MARGIN / width, 1 - (MARGIN + down) / (height + above), shown, size=points, color=color, va="top")
    return figure


def color_bar(axes: Axes, colors: Any, label: str, extend: str = "neither") -> Any:
    """A colour bar beside the axes. colors: a ScalarMappable, such as an image."""
    bar = axes.figure.colorbar(colors, axes.inset_axes((1.03, 0, 0.025, 1)), label=label, extend=extend)
    bar.outline.set(linewidth=0.6, edgecolor=GREY)  # the light ends would be lost on white paper
    return bar


def legend_above(axes: Axes) -> None:
    """The legend in one row above the axes, where it hides nothing."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.1, borderpad=0.2)


def pixels(points: float) -> float:
    """Points as pixels."""
    return points * DPI / 72


def number(value: float, *, power: bool = False, digits: int = 6) -> str:
    """A number as a label: at most so many digits, a real minus sign, powers of ten with raised digits; no mathtext.

    power: a power of ten in any case.
    """
    mantissa, _, exponent = (f"{value:.{digits - 1}e}" if power and value else f"{value:.{digits}g}").partition("e")
    if not exponent:
        return mantissa.replace("-", "−")
    raised = "10" + str(int(exponent)).translate(RAISED)
    mantissa = f"{float(mantissa):.{digits}g}".replace("-", "−")
    return raised if mantissa == "1" else f"{mantissa}·{raised}"


def numbers(values: Sequence[float]) -> list[str]:
    """The ticks of one axis as labels in one notation, with more than six digits where fewer would make different ticks read the same.

    Ticks of one size have equal decimals and, where one is a power of ten, the power of the largest; others, those of a logarithmic
    axis, have what each needs.
    """
    for digits in range(6, 18):
        plain = [f"{value:.{digits}g}" for value in values]
        if len(set(plain)) == len(set(values)):
            break
    sizes = [abs(value) for value in values if value]
    powers = any("e" in text or "n" in text for text in plain)
    if not sizes or not max(sizes) < 50 * min(sizes):
        return [number(value, power=powers, digits=digits) for value in values]
    if powers:
        largest = 10.0 ** math.floor(math.log10(max(sizes)))
        of_largest = numbers([float(f"{value / largest:.{digits}g}") for value in values])
        return [f"{text}·{number(largest, power=True)}" if value else "0" for text, value in zip(of_largest, values, strict=True)]
    decimals = max(len(text.partition(".")[2]) for text in plain)
    return [f"{value:.{decimals}f}".replace("-", "−") for value in values]


def tick_numbers() -> Formatter:
    """A formatter that labels the ticks of an axis with `numbers`."""
    from matplotlib.ticker import Formatter

    class Numbers(Formatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return number(x)

        def format_ticks(self, values: list[float]) -> list[str]:
            return numbers(values)

    return Numbers()


def save(figure: Figure, path: Path) -> None:
    """Writes the figure as a PNG, whole or not at all; equal figures give equal bytes (no date, no version inside).

    Errors: RunError as for every file (`files.write_atomic`).
    """
    with context():
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        # `savefig` would lay the figure out in a drawing of its own, and pack it for longer.
        canvas = FigureCanvasAgg(figure)
        write_atomic(path, partial(canvas.print_png, metadata={"Software": None}, pil_kwargs={"compress_level": 3}))
