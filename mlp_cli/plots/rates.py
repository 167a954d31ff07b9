"""The figure of a learning-rate range test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.plots import style
from mlp_cli.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[NDArray[Any], NDArray[Any]]


def loss_by_rate(curves: Sequence[Curve], rate: float, span: tuple[float, float], title: str, unit: str) -> Figure:
    """Smoothed losses against the learning rate, both axes logarithmic: each seed, their mean, and the band between their extremes.

    curves: of each seed its rates and losses, (S,) positive numbers; S differs, and the mean ends where the first seed does.
    rate: the one to take; span: the smallest and the largest of the seeds. unit: of the losses, in words.
    """
    both = min((rates for rates, _ in curves), key=len)
    together = np.log(np.maximum([losses[: len(both)] for _, losses in curves], np.finfo(np.float64).tiny))
    with style.context():
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes = style.new_axes(720, 440)
        axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel=unit)
        if len(curves) > 1:
            axes.fill_between(both, *np.exp([together.min(0), together.max(0)]), color=style.BLUE, alpha=0.2, linewidth=0)
            for number, (rates, losses) in enumerate(curves):
                label = None if number else "each seed"
                axes.plot(rates, losses, color=style.SKY, linewidth=0.7, label=label)
        axes.plot(both, np.exp(together.mean(0)), color=style.BLUE, label="mean" if len(curves) > 1 else "smoothed loss")
        axes.axvspan(*span, color=style.VERMILLION, alpha=0.2, linewidth=0)
        axes.axvline(rate, color=style.VERMILLION, linestyle="--", label=f"steepest: {style.number(rate)}")
        # The rise at the end is as high as the test let it be: what matters lies below.
        first = max(losses[: len(both) // 8 or 1].max() for _, losses in curves)
        axes.set_ylim(0.8 * min(losses.min() for _, losses in curves), 2.0 * first)
        axes.xaxis.set_major_locator(LogLocator(numticks=10))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value, power=True)))
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(style.tick_numbers())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid()
        style.legend_above(axes)
        return style.finish(axes, title, f"Learning-rate range test over {counted(len(curves), 'seed')}")
