"""Features of patches against the same written patch by patch, and against what defines whitening and spherical k-means."""

import math
import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from mlp_cli.data.dataset import Part
from mlp_cli.data.patches import Patches, _spherical_k_means
from mlp_cli.data.pictures import Pictures
from mlp_cli.errors import UsageError

COLOUR = Pictures(3, 9, 8)


def part_of(pictures: Pictures, rows: int = 300) -> Part:
    """Smooth pictures, whose neighbouring pixels are alike."""
    generator = np.random.default_rng(4)
    x = generator.normal(128, 90, (rows, pictures.channels, pictures.height + 2, pictures.width + 2))
    x = (x[:, :, 1:-1, 1:-1] + x[:, :, :-2, 1:-1] + x[:, :, 1:-1, :-2]) / 3
    return Part(np.clip(x, 0, 255).astype(np.uint8).reshape(rows, -1), np.zeros(rows, np.int64), np.arange(rows))


def by_hand(component: Patches, learnt: dict[str, np.ndarray], picture: np.ndarray) -> list[float]:
    """The features of one picture (C, H, W), in float64, one patch after the other."""
    size, stride, grid = component.size, component.stride, component.grid
    downs, acrosses = (range(0, length - size + 1, stride) for length in picture.shape[1:])
    cells: dict[tuple[int, int], list[np.ndarray]] = {}
    for (i, top), (j, left) in product(enumerate(downs), enumerate(acrosses)):
        patch = picture[:, top : top + size, left : left + size].astype(float).reshape(-1)
        normal = (patch - patch.mean()) / math.sqrt(patch.var() + 10)
        white = learnt["whitening"][:, :-1].astype(float) @ normal + learnt["whitening"][:, -1]
        if component.encoding == "threshold":
            response = learnt["filters"].astype(float) @ white
            code = [max(0.0, r - component.threshold) for r in response] + [max(0.0, -r - component.threshold) for r in response]
        else:
            distances = [float(np.linalg.norm(white - each)) for each in learnt["filters"]]
            code = [max(0.0, sum(distances) / len(distances) - each) for each in distances]
        cells.setdefault((i * grid // len(downs), j * grid // len(acrosses)), []).append(np.array(code))
    means = [np.mean(cells[cell], axis=0) for cell in sorted(cells)]
    return np.array(means).T.reshape(-1).tolist()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "grid": 1},
        {"encoding": "triangle"},
        {"encoding": "triangle", "whiten": False, "grid": 3},
        {"threshold": 0.0, "whiten": False},
    ],
)
@pytest.mark.parametrize("pictures", [COLOUR, Pictures(1, 8, 8), Pictures(3, 9, 8, last=True)])
def test_features_are_those_of_each_patch(options: dict[str, Any], pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlp_cli.data.patches._FLOATS", 3000)  # several pieces
    part = part_of(pictures)
    component = Patches(**{"filters": 5, "size": 4, "samples": 2000} | options)
    learnt = component.learn(part, pictures)
    found = component.compute(part.x[:7], pictures, learnt)
    assert found.shape == (7, component.width(pictures)) and found.dtype == np.float32
    for picture, features in zip(pictures.planes(part.x[:7]), found, strict=True):
        np.testing.assert_allclose(features, by_hand(component, learnt, picture), atol=2e-5)


def test_numbers_within_0_and_1_give_the_features_of_bytes() -> None:
    part, unit = part_of(COLOUR), Pictures(3, 9, 8, top=1.0)
    scaled = Part((part.x / 255).astype(np.float32), part.y, part.index)
    component = Patches(filters=4, size=5, samples=500)
    learnt, same = component.learn(part, COLOUR), component.learn(scaled, unit)
    np.testing.assert_allclose(same["filters"], learnt["filters"], atol=1e-3)
    found = [component.compute(x[:9], pictures, learnt) for x, pictures in ((part.x, COLOUR), (scaled.x, unit))]
    np.testing.assert_allclose(*found, atol=1e-4)


def test_white_patches_have_the_unit_matrix_as_covariance() -> None:
    part, pictures = part_of(Pictures(1, 9, 8)), Pictures(1, 9, 8)
    learnt = Patches(filters=3, size=3, samples=20_000, epsilon=1e-4).learn(part, pictures)
    generator = np.random.default_rng(0)
    rows, top, left = (generator.integers(0, most, 20_000) for most in (300, 7, 6))
    planes = pictures.planes(part.x)[:, 0].astype(float)
    patches = np.array([planes[r, i : i + 3, j : j + 3].reshape(-1) for r, i, j in zip(rows, top, left, strict=True)])
    normal = (patches - patches.mean(axis=1, keepdims=True)) / np.sqrt(patches.var(axis=1, keepdims=True) + 10)
    white = normal @ learnt["whitening"][:, :-1].T + learnt["whitening"][:, -1]
    # Nothing is left along the mean of a patch, which normalising took out.
    np.testing.assert_allclose(np.cov(white.T), np.eye(9) - 1 / 9, atol=0.05)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=0.05)


def test_spherical_k_means_finds_the_directions() -> None:
    generator = np.random.default_rng(0)
    truth = np.linalg.qr(generator.standard_normal((6, 6)))[0][:3]
    signs, sizes = generator.choice([-1, 1], 3000), generator.uniform(1, 3, 3000)
    patches = (truth[np.arange(3000) % 3] * (signs * sizes)[:, None] + generator.normal(0, 0.05, (3000, 6))).astype(np.float32)
    found = _spherical_k_means(patches, 8, np.random.default_rng(1))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    likeness = abs(found @ truth.T)
    assert (likeness.max(axis=0) > 0.995).all(), "up to order and sign; the rest lie between"


def test_the_seed_is_the_features_own() -> None:
    part = part_of(COLOUR)
    one, again, other = (Patches(filters=4, size=5, samples=500, seed=seed).learn(part, COLOUR) for seed in (0, 0, 1))
    assert all((one[name] == again[name]).all() for name in one) and (one["filters"] != other["filters"]).any()


def test_only_rows_of_the_part_are_learnt_from() -> None:
    part = part_of(COLOUR)
    index = np.arange(0, 300, 2)
    changed = part.x.copy()
    changed[1::2] = 0
    component = Patches(filters=4, size=5, samples=500)
    one, other = (component.learn(Part(x, part.y, index), COLOUR) for x in (part.x, changed))
    assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize(
    ("options", "pictures", "message"),
    [
        ({"size": 10}, COLOUR, r"patches of size 10, and the pictures are 8 × 9\nset features.size to at most 8"),
        ({"size": 7, "grid": 3}, COLOUR, r"a grid of 3, .* gives 2 patches across"),
        ({"size": 6, "stride": 5}, COLOUR, r"a grid of 2, .* gives 1 patches across"),
        ({"size": 1, "grid": 1}, Pictures(1, 9, 8), "a single value have no contrast"),
    ],
)
def test_pictures_that_are_too_small(options: dict[str, int], pictures: Pictures, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Patches(**options).check(pictures)
    assert re.search(message, str(caught.value)), caught.value
