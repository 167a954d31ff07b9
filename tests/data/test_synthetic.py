"""Generated sets: the course's check values, and shapes worked by hand; what holds for all is tested over the registry."""

import hashlib

import numpy as np
import pytest

from mlp_cli.data.dataset import RawSet, arrays_sha256
from mlp_cli.data.synthetic import synthetic
from mlp_cli.registry import Range

DRAWN = [name for name in synthetic if name != "ellipse"]


def angles(x: np.ndarray) -> np.ndarray:
    """In full turns, from 0 to 1."""
    return np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi) % 1


def test_ellipse_is_the_set_of_the_course_value_for_value() -> None:
    whole = synthetic.build("ellipse")
    assert whole.test_x is not None and whole.test_y is not None
    assert whole.train_x.shape == (60_000, 2) and whole.test_x.shape == (10_000, 2) and whole.train_x.dtype == np.float64
    assert np.round(whole.train_x[0], 8).tolist() == [1.76405235, 0.40015721]
    assert whole.train_y[:20].tolist() == [1, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert (whole.train_y.sum(), whole.test_y.sum()) == (33_494, 5_622)
    x = np.concatenate([whole.train_x, whole.test_x])
    y = np.concatenate([whole.train_y, whole.test_y]).astype(np.int64)
    assert hashlib.sha256(x.tobytes()).hexdigest() == "9bd1548f555ca4c6557ee8bd8f4800befdf781740eebb94a720fd25a2571c35e"
    assert hashlib.sha256(y.tobytes()).hexdigest() == "1830b053d63fe0cab6e27783450743b931f95bf338a9b7e21a11bf874faad9e2"


def test_ellipse_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    synthetic.build("ellipse", rows=10, test_rows=0)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("name", list(synthetic))
def test_every_set_is_whole_repeatable_and_changed_by_its_own_seed_alone(name: str) -> None:
    first, again, other = (synthetic.build(name, rows=50, test_rows=11, data_seed=seed) for seed in (5, 5, 6))
    for whole in (first, other):
        assert isinstance(whole, RawSet) and whole.name == name and whole.task == "classification" and whole.shape == (2,)
        assert whole.test_x is not None and whole.test_y is not None
        assert whole.train_x.shape == (50, 2) and whole.test_x.shape == (11, 2)
        assert {whole.train_x.dtype, whole.test_x.dtype} == {np.dtype(np.float64)}
        assert {whole.train_y.dtype, whole.test_y.dtype} == {np.dtype(np.int64)}
        assert set(whole.train_y) == set(range(len(whole.classes))) and np.isfinite(whole.train_x).all()
        assert whole.sha256 == arrays_sha256(whole.arrays())
    assert first.sha256 == again.sha256 != other.sha256
    assert synthetic.build(name, rows=50, test_rows=0, data_seed=5).test_x is None


@pytest.mark.parametrize("name", list(synthetic))
def test_every_option_has_a_checked_range_and_the_names_that_all_share(name: str) -> None:
    options = {option.name: option for option in synthetic.options(name)}
    assert {"rows", "test_rows", "data_seed"} <= set(options)
    for option in options.values():
        assert any(isinstance(mark, Range) for mark in option.annotation.__metadata__), option.name
    assert synthetic.summary(name)


@pytest.mark.parametrize("name", DRAWN)
def test_more_test_rows_leave_the_training_rows_as_they_were(name: str) -> None:
    few, many = synthetic.build(name, rows=30, test_rows=5), synthetic.build(name, rows=30, test_rows=50)
    assert few.train_x.tobytes() == many.train_x.tobytes() and few.train_y.tobytes() == many.train_y.tobytes()
    assert not np.isin(many.test_x, many.train_x).any()


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("rows", [101, 1000])
def test_classes_are_as_equal_in_size_as_can_be_and_mixed(name: str, rows: int) -> None:
    whole = synthetic.build(name, rows=rows, test_rows=0)
    counts = np.bincount(whole.train_y)
    assert counts.max() - counts.min() <= 1
    assert (np.diff(whole.train_y) < 0).sum() > rows / 10


def test_blobs_are_spaced_evenly_on_the_unit_circle() -> None:
    whole = synthetic.build("blobs", rows=40, class_count=4, noise=0)
    centres = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]])
    assert whole.classes == ("0", "1", "2", "3")
    np.testing.assert_allclose(whole.train_x, centres[whole.train_y], atol=1e-15)


def test_noise_is_the_standard_deviation_of_each_coordinate() -> None:
    whole = synthetic.build("blobs", rows=40_000, class_count=2, noise=0.3)
    rest = whole.train_x - np.array([[1, 0], [-1, 0]])[whole.train_y]
    # Ten standard errors: 0.3 / sqrt(40,000) for the mean, that over sqrt(2) for the deviation.
    assert np.abs(rest.mean(axis=0)).max() < 0.015 and np.abs(rest.std(axis=0) - 0.3).max() < 0.0107


def test_blobs_can_be_told_apart_by_the_nearest_centre() -> None:
    # Three centres are sqrt(3) apart, so 4.3 standard deviations from the middle between two: 1.5 of 100,000 rows lie beyond.
    whole = synthetic.build("blobs")
    nearest = np.round(angles(whole.train_x) * 3) % 3
    assert (nearest != whole.train_y).sum() <= 3


def test_moons_are_two_half_circles() -> None:
    whole = synthetic.build("moons", rows=500, noise=0)
    upper, lower = whole.train_x[whole.train_y == 0], whole.train_x[whole.train_y == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert upper[:, 1].min() >= 0 and lower[:, 1].max() <= 0.5
    assert upper[:, 0].min() < -0.9 and upper[:, 0].max() > 0.9 and lower[:, 0].min() < 0.1 and lower[:, 0].max() > 1.9


def test_spirals_wind_with_the_radius() -> None:
    whole = synthetic.build("spirals", rows=600, class_count=2, turns=0.5, noise=0)
    radius = np.hypot(*whole.train_x.T)
    assert 0.1 <= radius.min() < 0.15 and 0.95 < radius.max() <= 1
    # Where the radius is 0.5, arm 0 has made a quarter turn, and arm 1, which starts half a turn on, three quarters.
    for label, expected in ((0, 0.25), (1, 0.75)):
        near = (np.abs(radius - 0.5) < 0.02) & (whole.train_y == label)
        assert near.any() and np.abs(angles(whole.train_x[near]) - expected).max() < 0.0101


def test_xor_is_the_sign_of_the_product() -> None:
    whole = synthetic.build("xor", rows=2_000)
    product = whole.train_x[:, 0] * whole.train_x[:, 1]
    assert ((product < 0) == (whole.train_y == 1)).all() and (product != 0).all() and np.abs(whole.train_x).max() <= 1
    quadrants = np.unique(np.sign(whole.train_x), axis=0, return_counts=True)[1]
    assert len(quadrants) == 4 and quadrants.min() > 400
    noisy = synthetic.build("xor", rows=2_000, noise=0.1)
    wrong = (noisy.train_x[:, 0] * noisy.train_x[:, 1] < 0) != (noisy.train_y == 1)
    assert 0 < wrong.sum() < 400


def test_rings_have_evenly_growing_radii() -> None:
    whole = synthetic.build("rings", rows=90, class_count=3, noise=0)
    np.testing.assert_allclose(np.hypot(*whole.train_x.T), np.array([1, 2, 3])[whole.train_y] / 3)
    # With the default noise the middle between the rings at 0.5 and 1 is five standard deviations away.
    radius = np.hypot(*synthetic.build("rings").train_x.T)
    assert ((radius > 0.75) != synthetic.build("rings").train_y).sum() <= 1
