"""The figure of what each layer of a run does: small panels over epochs, a line a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.plots import style
from mlp_cli.plots.text import fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PANELS = {
    "gradient_norm": "gradient norm |∂L/∂W|",
    "update_ratio": "step to weights |ΔW| / |W|",
    "dead": "dead units (%)",
    "activation_mean": "mean of the outputs",
    "activation_sd": "sd of the outputs",
    "saturated": "saturated units (%)",
}
"""The panels by measure, with their headings."""
LOGARITHMIC = ("gradient_norm", "update_ratio")
SHARES = ("dead", "saturated")
HEALTHY = 1e-3
"""The ratio of a step to the weights that is often taken as healthy; a dotted line."""
_NAMED = 6  # layers in the legend


def diagnostics(layers: Mapping[str, Mapping[str, Any]], title: str = "") -> Figure:
    """Each measure against the epoch. layers: by name, first to last, the columns of diagnostics.csv: `epoch` and the measures, (E,)
    each, None or NaN where there is no value."""
    with style.context():
        from matplotlib import colormaps

        figure = style.new_figure(1080, 560)
        grid = figure.subplots(2, 3, sharex=True)
        shades = colormaps["viridis"](np.linspace(0.0, 0.88, len(layers)))
        named = set(np.linspace(0, len(layers) - 1, min(_NAMED, len(layers))).round().astype(int).tolist())
        for (measure, heading), axes in zip(PANELS.items(), grid.flat, strict=True):
            values = {name: np.array(columns[measure], np.float64) for name, columns in layers.items()}
            if measure in LOGARITHMIC:
                heading += f"\nlog scale{_logarithmic(axes, values)}"
            if measure == "update_ratio":
                axes.axhline(HEALTHY, color=style.GREY, linewidth=1.0, linestyle=":")
            scale = 100.0 if measure in SHARES else 1.0
            for number, ((name, each), shade) in enumerate(zip(values.items(), shades, strict=True)):
                marker = {"marker": "o", "markersize": 3.0} if len(each) <= 12 else {}
                epochs, label = layers[name]["epoch"], fit(name, 1.2, style.TICK) if number in named else None
                axes.plot(epochs, scale * each, color=shade, label=label, zorder=3, **marker)
            if measure in SHARES:
                axes.set_ylim(-3, 103)
            axes.set_title(heading, fontsize=style.LABEL, loc="left")
            axes.yaxis.set_major_formatter(style.tick_numbers())
            axes.grid()
        for axes in grid[-1]:
            axes.set_xlabel("epoch")
            axes.locator_params(axis="x", integer=True, min_n_ticks=1)
            axes.xaxis.set_major_formatter("{x:.0f}")
        figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=_NAMED, columnspacing=1.2)
        detail = "What each layer does, on one batch of training rows as each epoch ends; dotted: a step of usual size"
        return style.finish(grid[0, 0], title, detail)


def _logarithmic(axes: Axes, values: dict[str, NDArray[Any]]) -> str:
    """Makes the vertical axis logarithmic; zeros are put below all else, in place. Returns what is to be said of them."""
    from matplotlib.ticker import LogLocator, NullLocator

    positive = [each for column in values.values() for each in column.tolist() if each > 0] or [1.0]
    axes.set_yscale("log")
    narrow = max(positive) < 100 * min(positive)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if narrow else LogLocator(numticks=7))
    axes.yaxis.set_minor_locator(NullLocator())
    floor, zeros = min(positive) / 10, False
    for column in values.values():
        zeros = zeros or bool((column == 0).any())
        column[column == 0] = floor
    return ", the lowest are 0" if zeros else ""
