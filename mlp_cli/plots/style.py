"""One style for all figures: fonts, colours, sizes, and how a figure becomes a file.

Every figure is laid out in whole pixels at 150 dpi, so that images are shown without resampling, and nothing goes through
pyplot: a caller's own figures, backend and settings stay as they are. Colours are those of Okabe and Ito (2008), which colour-blind
readers can tell apart; lines differ by dash and marker too, so that a grey print stays readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mlp_cli.files import write_atomic
from mlp_cli.plots.text import DPI, FONT, fit, load_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Formatter

TITLE, LABEL, TICK, SMALL = 10.0, 9.0, 8.0, 7.5  # points
MARGIN = 16  # pixels between the figure's edge and whatever is next to it

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
INK, GREY, PALE = "#222222", "#606060", "#D9D9D9"

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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

_SETTINGS = {
    "font.family": FONT,
    "font.size": LABEL,
    "text.parse_math": False,  # a name such as "$x^2$" is a name; no label of ours needs mathtext
    "text.color": INK,
    "axes.titlesize": TITLE,
    "axes.labelsize": LABEL,
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
    "xtick.labelsize": TICK,
    "ytick.labelsize": TICK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "legend.fontsize": TICK,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "svg.hashsalt": "mlp",  # ids inside an SVG are else drawn by chance
}


@contextmanager
def context() -> Iterator[None]:
    """Matplotlib's own defaults with this style on top, whatever a user's matplotlibrc, MPLBACKEND or display says; the caller's
    settings come back after."""
    load_matplotlib()
    import matplotlib

    settings: dict[Any, Any] = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    settings.update(_SETTINGS)
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: int, height: int) -> Figure:
    """An empty figure of `width` × `height` pixels on an Agg canvas, unknown to pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # The hundredth of a pixel keeps a rounding error from cutting off the last row or column.
    figure = Figure(figsize=((width + 0.01) / DPI, (height + 0.01) / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def size(figure: Figure) -> tuple[int, int]:
    """Width and height of a figure in pixels."""
    return int(figure.bbox.width), int(figure.bbox.height)


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """New axes whose box has its upper left corner at (`left`, `top`); pixels, counted from the figure's upper left corner."""
    whole_width, whole_height = size(figure)
    box = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(box)


def pixels(points: float) -> float:
    """Points as pixels."""
    return points * DPI / 72


def heading_height(detail: str = "") -> int:
    """Pixels that `heading` needs, the margin above it included."""
    return MARGIN + round(pixels(TITLE) * 1.35) + (round(pixels(TICK) * 1.5) if detail else 0)


def heading(figure: Figure, title: str, detail: str = "", left: float = MARGIN) -> None:
    """Writes the title, and under it a smaller line of explanation; what is too long is cut in its middle."""
    width, height = size(figure)
    room = (width - left - MARGIN) / DPI
    top = 1 - MARGIN / height
    figure.text(left / width, top, fit(title, room, TITLE, both_ends=True), size=TITLE, va="top", ha="left")
    if detail:
        below = top - pixels(TITLE) * 1.45 / height
        figure.text(left / width, below, fit(detail, room, TICK, both_ends=True), size=TICK, va="top", ha="left", color=GREY)


def number(value: float, *, power: bool = False) -> str:
    """A number as a label: at most six digits, a real minus sign, powers of ten with raised digits; no mathtext.

    power: a power of ten in any case.
    """
    mantissa, _, exponent = (f"{value:.5e}" if power else f"{value:g}").partition("e")
    if not exponent:
        return mantissa.replace("-", "−")
    raised = "10" + str(int(exponent)).translate(_RAISED)
    mantissa = f"{float(mantissa):g}".replace("-", "−")
    return raised if mantissa == "1" else f"{mantissa}·{raised}"


def numbers(values: Sequence[float]) -> list[str]:
    """The ticks of one axis as labels, all with as many decimals as the one that needs most; `number` where powers of ten come in."""
    plain = [f"{value:g}" for value in values]
    if any("e" in text or "n" in text for text in plain):
        return [number(value) for value in values]
    decimals = max((len(text.partition(".")[2]) for text in plain), default=0)
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


def save(figure: Figure, path: Path, maker: str | None = None) -> None:
    """Writes the figure as SVG where the path ends so, else as PNG, whole or not at all; equal figures give equal bytes (no date, no
    version inside).

    maker: what made it, which then stands in the file's first kilobyte. Errors: RunError as for every file (`files.write_atomic`).
    """
    form = "svg" if str(path).endswith(".svg") else "png"
    said = {"Date": None, "Creator": maker} if form == "svg" else {"Software": maker}
    with context():
        write_atomic(path, lambda handle: figure.savefig(handle, format=form, dpi=DPI, metadata=said))
