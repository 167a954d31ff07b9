"""What the tests of the figures share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp_cli.plots import text


@pytest.fixture
def read_png() -> Callable[[Path], np.ndarray]:
    """Reads a PNG as (height, width, channels), after a check that it is not blank."""

    def read(path: Path) -> np.ndarray:
        from matplotlib.image import imread

        pixels = imread(path)
        assert pixels[..., :3].std() > 0.01
        return pixels

    return read


@pytest.fixture
def hostile() -> list[str]:
    """Class names that break careless drawing: mathtext (balanced and not), control marks, missing glyphs, empty, long, equal when cut."""
    return [
        "$x^2$",
        "$\\frac{",
        "a\nb\t_c",
        "日本語",
        "",
        "x" * 500,
        "x" * 499 + "y",
        "\u202eevil\x00\x07",
        "\ud800",
        "e\u0301 & <b>",
    ]


@pytest.fixture
def inside() -> Callable[[Any], bool]:
    """Whether everything that a figure shows lies inside it, after it was laid out."""

    def check(figure: Any) -> bool:
        figure.draw_without_rendering()
        box = figure.get_tightbbox(figure.canvas.get_renderer())
        wide, high = figure.get_size_inches()
        axes = [each for outer in figure.axes for each in (outer, *outer.child_axes)]
        texts = [text for each in axes for text in each.texts] + figure.texts
        places = [text.get_window_extent() for text in texts if text.get_text()]
        corners = [
            (box.x0, box.y0),
            (box.x1, box.y1),
            *(tuple(point / figure.dpi) for place in places for point in (place.min, place.max)),
        ]
        return all(0 <= x <= wide and 0 <= y <= high for x, y in corners)

    return check


@pytest.fixture(autouse=True)
def fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The fonts that are installed besides DejaVu Sans: none, whatever this machine has, until a test adds some."""
    found: list[str] = []
    text._family_of.cache_clear()
    monkeypatch.setattr(text, "_families", ["DejaVu Sans"])
    monkeypatch.setattr(text, "_installed", lambda: found)
    yield found
    text._family_of.cache_clear()
