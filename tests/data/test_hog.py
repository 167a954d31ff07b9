"""Histograms of oriented gradients against the same written pixel by pixel."""

import math

import numpy as np
import pytest

from mlp_cli.data.dataset import Part
from mlp_cli.data.hog import Hog
from mlp_cli.data.pictures import Pictures
from mlp_cli.errors import UsageError


def by_hand(component: Hog, picture: np.ndarray) -> list[float]:
    """The features of one picture (C, H, W) of values from 0 to 1."""
    bins, cell, block = component.orientations, component.cell, component.block
    _, height, width = picture.shape
    cells = np.zeros((height // cell, width // cell, bins))
    for y in range(height // cell * cell):
        for x in range(width // cell * cell):
            up, down, left, right = max(y - 1, 0), min(y + 1, height - 1), max(x - 1, 0), min(x + 1, width - 1)
            gradients = [(plane[down, x] - plane[up, x], plane[y, right] - plane[y, left]) for plane in picture]
            dy, dx = max(gradients, key=lambda pair: pair[0] ** 2 + pair[1] ** 2)
            place = (math.degrees(math.atan2(dy, dx)) % 180) / (180 / bins) - 0.5
            share = place - math.floor(place)
            cells[y // cell, x // cell, math.floor(place) % bins] += (1 - share) * math.hypot(dy, dx)
            cells[y // cell, x // cell, (math.floor(place) + 1) % bins] += share * math.hypot(dy, dx)
    found: list[float] = []
    for i in range(len(cells) - block + 1):
        for j in range(len(cells[0]) - block + 1):
            values = cells[i : i + block, j : j + block].transpose(2, 0, 1).reshape(-1)
            values = np.minimum(values / math.sqrt((values**2).sum() + 1e-6), 0.2)
            found += (values / math.sqrt((values**2).sum() + 1e-6)).tolist()
    return found


@pytest.mark.parametrize("pictures", [Pictures(1, 16, 12), Pictures(3, 13, 12), Pictures(3, 13, 12, last=True)])
@pytest.mark.parametrize("options", [{"cell": 4}, {"cell": 3, "block": 1, "orientations": 4}])
def test_features_are_those_of_each_pixel(pictures: Pictures, options: dict[str, int]) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (5, pictures.channels * pictures.height * pictures.width), dtype=np.uint8)
    component = Hog(**options)
    found = component.compute(rows, pictures, component.learn(Part(rows, rows[:, 0], np.arange(5)), pictures))
    assert found.shape == (5, component.width(pictures))
    for picture, features in zip(pictures.planes(rows / 255), found, strict=True):
        np.testing.assert_allclose(features, by_hand(component, picture), atol=1e-5)


def test_an_edge_is_in_the_bin_of_its_direction() -> None:
    step = np.zeros((1, 8, 8), np.uint8)
    step[:, :, 4:] = 255
    features = Hog(cell=8, block=1, orientations=2).compute(step.reshape(1, -1), Pictures(1, 8, 8), {})
    # Straight across is halfway between the two bins; both are above 0.2 and so equal.
    np.testing.assert_allclose(features, [[np.sqrt(0.5), np.sqrt(0.5)]], atol=1e-3)
    assert (Hog(cell=8, block=1).compute(np.full((1, 64), 7, np.uint8), Pictures(1, 8, 8), {}) == 0).all()


def test_pictures_that_are_too_small() -> None:
    with pytest.raises(UsageError, match="a block of 2 × 2 cells of 8 pixels, and the pictures are 12 × 16"):
        Hog().check(Pictures(1, 16, 12))
