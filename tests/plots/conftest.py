"""What the tests of the figures share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


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
