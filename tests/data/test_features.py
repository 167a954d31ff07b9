"""Features against what defines them: whitened values have the unit matrix as covariance."""

import numpy as np
import pytest

from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Part
from mlp_cli.data.features import features
from mlp_cli.data.pca import Projection
from mlp_cli.data.transforms import fit
from mlp_cli.errors import UsageError


def part_of(x: np.ndarray, index: np.ndarray | None = None) -> Part:
    return Part(x, np.zeros(len(x), np.int64), np.arange(len(x)) if index is None else index)


def correlated(rows: int = 3000, width: int = 6) -> np.ndarray:
    generator = np.random.default_rng(2)
    return generator.standard_normal((rows, width)) @ generator.standard_normal((width, width)) + 5


def applied(projection: Projection, x: np.ndarray) -> np.ndarray:
    out = np.empty((len(x), projection.matrix.shape[1]), projection.matrix.dtype)
    projection.apply(x, out)
    return out


def test_whitened_values_have_the_unit_matrix_as_covariance() -> None:
    x = correlated()
    index = np.arange(0, 3000, 2)
    part = part_of(x, index)
    projection = features.build("pca").fit(part, fit("none", part, np.float64), np.float64)
    white = applied(projection, x)[index]
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(6), atol=1e-10)
    other = applied(projection, x)[1::2]
    assert abs(np.cov(other.T) - np.eye(6)).max() > 1e-3, "fitted on the part's rows alone"


def test_without_whitening_it_is_a_rotation_of_the_centred_values() -> None:
    x = correlated()
    part = part_of(x)
    projection = features.build("pca", whiten=False).fit(part, fit("none", part, np.float64), np.float64)
    np.testing.assert_allclose(projection.matrix.T @ projection.matrix, np.eye(6), atol=1e-12)
    turned = applied(projection, x)
    np.testing.assert_allclose((turned**2).sum(axis=1), ((x - x.mean(axis=0)) ** 2).sum(axis=1), rtol=1e-10)
    variance = turned.var(axis=0)
    assert (np.diff(variance) < 0).all(), "the largest first"
    assert (projection.matrix[np.abs(projection.matrix).argmax(axis=0), np.arange(6)] > 0).all()


def test_a_set_worked_by_hand() -> None:
    # Along (1, 1)/√2 the values are ±√8 and 0, so their variance is 4; along (1, −1)/√2 it is 1.
    x = np.array([[2.0, 2], [-2, -2], [1, -1], [-1, 1]])
    part = part_of(x)
    projection = features.build("pca", components=1, whiten=False).fit(part, fit("none", part, np.float64), np.float64)
    np.testing.assert_allclose(np.abs(projection.matrix[:, 0]), np.sqrt([0.5, 0.5]), atol=1e-12)
    np.testing.assert_allclose(np.abs(applied(projection, x)[:, 0]), np.sqrt([8, 8, 0, 0]), atol=1e-12)
    white = features.build("pca", components=1).fit(part, fit("none", part, np.float64), np.float64)
    np.testing.assert_allclose(np.abs(applied(white, x)[:, 0]), np.sqrt([2, 2, 0, 0]), atol=1e-12)


def test_directions_that_do_not_vary_are_left_out() -> None:
    x = np.zeros((200, 5), np.uint8)
    x[:, :2] = np.random.default_rng(0).integers(0, 256, (200, 2))
    x[:, 4] = 9
    part = part_of(x)
    for dtype in (np.float32, np.float64):
        scaling = fit("unit", part, dtype)
        projection = features.build("pca").fit(part, scaling, dtype)
        assert projection.matrix.shape == (5, 2) and projection.matrix.dtype == dtype and np.isfinite(projection.matrix).all()
        with pytest.raises(UsageError, match="3 components, but the training part varies in 2 directions only"):
            features.build("pca", components=3).fit(part, scaling, dtype)
    constant = part_of(np.full((10, 3), 7, np.uint8))
    with pytest.raises(UsageError, match="all rows of the training part are equal"):
        features.build("pca").fit(constant, fit("unit", constant, np.float32), np.float32)


def test_batches_hold_the_features() -> None:
    x = np.random.default_rng(1).integers(0, 256, (2500, 7), dtype=np.uint8)
    part = part_of(x)
    projection = features.build("pca", components=3).fit(part, fit("unit", part, np.float32), np.float32)
    expected = (x / np.float64(255)) @ projection.matrix.astype(np.float64) + projection.shift
    for size in (100, 2000, None):
        batches = Batches(part, projection, size, np.float32)
        found = np.concatenate([batch.copy() for batch, _ in batches])
        np.testing.assert_allclose(found, expected, atol=2e-4)
    assert set(projection.arrays()) == {"scale", "shift", "projection", "projection_shift"}


@pytest.mark.parametrize("size", [1e-42, 1e-13, 1e200])
def test_the_size_of_scaled_inputs_does_not_matter(size: float) -> None:
    part = part_of(size * np.random.default_rng(1).normal(3, 1, (50, 4)))
    projection = features.build("pca").fit(part, fit("standard", part, np.float32), np.float32)
    out = np.empty((50, 4), np.float32)
    projection.apply(part.x, out)
    np.testing.assert_allclose(np.cov(out.T, bias=True), np.eye(4), atol=1e-4)


def test_inputs_too_large_for_their_squares_are_an_error() -> None:
    part = part_of(1e30 * np.random.default_rng(1).normal(3, 1, (50, 4)))
    with pytest.raises(UsageError, match="features: pca, but the inputs are too large for it as they are scaled"):
        features.build("pca").fit(part, fit("none", part, np.float32), np.float32)
