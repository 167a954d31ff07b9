"""How time and memory grow: a step against hidden units and batch size, a training's memory against rows; a figure of each."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.bench.steps import measure
from mlp_cli.bench.timing import Case
from mlp_cli.bench.whole import finish
from mlp_cli.errors import RunError
from mlp_cli.files import make_folder, write_atomic
from mlp_cli.plots import style
from mlp_cli.rng import Purpose, stream

HIDDEN = [2**power for power in range(6, 13)]
BATCHES = [2**power for power in range(4, 13)]
ROWS = [4_000 * 2**power for power in range(7)]
CONFIG = "dataset: {path: rows.npz, validation: 0, test: 1}\nhidden_sizes: [16]\nepochs: 1\n"


def grow(rounds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Entries as of `steps.measure`, and one of mebibytes by rows; the figures go into `folder`, as PNG and SVG."""
    make_folder(folder)
    wide = [Case((784, hidden, 10), 128) for hidden in HIDDEN]
    tall = [Case((784, 128, 10), batch) for batch in BATCHES]
    charts = {"hidden units H, 784-H-10, batch 128": (HIDDEN, wide), "batch size, 784-128-10": (BATCHES, tall)}
    for label, (values, cases) in charts.items():
        lines: dict[str, list[float]] = {}
        for entry in measure(cases, rounds, ()):
            yield entry
            for name, time in entry["microseconds"].items():
                lines.setdefault(name, []).append(time)
        _draw(folder / f"growth_{label.split()[0]}", values, lines, label, "time of a step, µs")
    used = dict(zip(ROWS, map(_memory, ROWS), strict=True))
    lines = {"mlp train, peak": list(used.values()), "the rows, as bytes": [rows * 784 / 2**20 for rows in ROWS]}
    _draw(folder / "growth_rows", ROWS, lines, "training rows of 784 bytes", "memory, MiB")
    yield {"case": "memory of mlp train by rows of 784 bytes", "mebibytes": {f"{rows:,}": value for rows, value in used.items()}}


def _memory(rows: int) -> float:
    """Peak memory of a training on so many made-up rows, in MiB."""
    generator = stream(0, Purpose.BENCH, rows)
    with tempfile.TemporaryDirectory(prefix="mlp-bench-") as folder:
        x = generator.integers(0, 256, (rows, 784), np.uint8)
        np.savez(Path(folder, "rows.npz"), x=x, y=np.arange(rows) % 10, allow_pickle=False)
        Path(folder, "net.yaml").write_text(CONFIG, encoding="utf-8")
        words = [sys.executable, "-m", "mlp_cli", "train", "net.yaml", "--no-plots"]
        _, mebibytes, code, text = finish(words, folder, {"XDG_CACHE_HOME": os.path.abspath(folder)})
    if code:
        raise RunError(f"mlp train on {rows:,} rows failed: {''.join(text.strip().splitlines()[-1:])}")
    return mebibytes


def _draw(path: Path, values: list[int], lines: dict[str, list[float]], x: str, y: str) -> None:
    """Curves over `values`, both axes logarithmic."""
    with style.context():
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.ticker import LogLocator

        axes = style.new_axes(720, 440)
        axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
        for look, (name, measured) in zip(style.LINES, lines.items(), strict=False):
            axes.plot(values, measured, look.dash, color=look.color, marker=look.marker, markerfacecolor=look.face, label=name)
        axes.set_xticks(values, [f"{value:,}" for value in values])
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(style.tick_numbers())
        axes.grid()
        style.legend_above(axes)
        figure = style.finish(axes, f"{y.partition(',')[0].capitalize()} against {x}")
        write_atomic(path.with_suffix(".svg"), partial(FigureCanvasSVG(figure).print_svg, metadata={"Date": None}))
    style.save(figure, path.with_suffix(".png"))
