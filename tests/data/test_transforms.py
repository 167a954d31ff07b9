"""Scalings against values worked by hand; fitted on the training part alone."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mlp_cli.data.dataset import Part, RawSet
from mlp_cli.data.transforms import SCALES, Affine, choose_scale, fit
from mlp_cli.errors import DataError, UsageError

# Rows 0 and 2 train; row 1 is in another part and must not count.
RAW = np.array([[0, 10, 7, 2], [255, 255, 255, 255], [4, 30, 7, 6]], np.uint8)
TRAIN = Part(RAW, np.zeros(3, np.int64), np.array([0, 2]))


def applied(affine: Affine, raw: np.ndarray, dtype: type = np.float64) -> list[list[float]]:
    out = np.full(raw.shape, 99, dtype)
    affine.apply(raw, out)
    return out.tolist()


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("unit", [[0, 10 / 255, 7 / 255, 2 / 255], [1, 1, 1, 1]]),
        ("256", [[0, 0.0390625, 0.02734375, 0.0078125], [0.99609375] * 4]),
        (256, [[0, 0.0390625, 0.02734375, 0.0078125], [0.99609375] * 4]),
        # Means 2, 20, 7, 4 and deviations 2, 10, 0, 2.
        ("standard", [[-1, -1, 0, -1], [126.5, 23.5, 0, 125.5]]),
        # Least 0, 10, 7, 2 and spans 4, 20, 0, 4.
        ("minmax", [[0, 0, 0, 0], [63.75, 12.25, 0, 63.25]]),
        ("none", [[0, 10, 7, 2], [255, 255, 255, 255]]),
    ],
)
def test_scalings_by_hand(scale: str | int, expected: list[list[float]]) -> None:
    affine = fit(scale, TRAIN, np.float64)
    np.testing.assert_allclose(applied(affine, RAW[:2]), expected, rtol=0, atol=1e-14)


def test_channels_by_hand() -> None:
    # Three channels of two pixels: 0 10 4 30 (mean 11, variance 133), 7 2 7 6 (mean 5.5, variance 4.25) and 1 3 3 1 (2, 1).
    planes = np.array([[0, 10, 7, 2, 1, 3], [255] * 6, [4, 30, 7, 6, 3, 1]], np.uint8)
    first, second = 133**0.5, 4.25**0.5
    expected = [-11 / first, -1 / first, 1.5 / second, -3.5 / second, -1, 1]
    for raw in (planes, planes.astype(np.float32), planes.astype(np.float64)):
        affine = fit("standard_channel", Part(raw, TRAIN.y, TRAIN.index), np.float64, shape=(3, 1, 2))
        np.testing.assert_allclose(applied(affine, raw[:1]), [expected], rtol=1e-13)
        # The same pixels with the channels last.
        order = [0, 2, 4, 1, 3, 5]
        affine = fit("standard_channel", Part(raw[:, order], TRAIN.y, TRAIN.index), np.float64, shape=(2, 1, 3))
        np.testing.assert_allclose(applied(affine, raw[:1, order]), [np.array(expected)[order]], rtol=1e-13)
    for shape in ((2, 3, 2), (1, 2, 3)):
        with pytest.raises(UsageError, match="have their channels nowhere or twice"):
            fit("standard_channel", Part(raw, TRAIN.y, TRAIN.index), np.float64, shape=shape)
    # One channel: mean of 0 10 7 2 4 30 7 6 is 8.25, of the squares 1154 / 8.
    affine = fit("standard_channel", TRAIN, np.float64, shape=(2, 2))
    assert affine.scale.shape == affine.shift.shape == ()
    deviation = (1154 / 8 - 8.25**2) ** 0.5
    np.testing.assert_allclose(applied(affine, RAW[:1]), [[(v - 8.25) / deviation for v in (0, 10, 7, 2)]], rtol=1e-14)


def test_statistics_do_not_suffer_from_a_large_mean() -> None:
    values = 1e8 + np.array([[-1.0], [1.0], [-1.0], [1.0]])
    affine = fit("standard", Part(values, np.zeros(4), np.arange(4)), np.float64)
    np.testing.assert_allclose(affine.scale, [1.0], rtol=1e-12)


def test_statistics_over_more_rows_than_one_piece() -> None:
    values = np.random.default_rng(0).normal(3, 2, (3000, 5)).astype(np.float32)
    part = Part(values, np.zeros(3000), np.arange(3000))
    out = np.empty_like(values)
    fit("standard", part, np.float32).apply(values, out)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-5)
    fit("minmax", part, np.float32).apply(values, out)
    np.testing.assert_allclose([out.min(axis=0), out.max(axis=0)], [[0] * 5, [1] * 5], atol=1e-6)


@pytest.mark.parametrize("scale", ["unit", "256", "none"])
def test_floats_keep_their_scale(scale: str) -> None:
    part = Part(np.array([[0.5, -3.0]]), np.zeros(1), np.arange(1))
    assert applied(fit(scale, part, np.float64), part.x) == [[0.5, -3.0]]


@pytest.mark.parametrize("scale", list(SCALES))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("raw_dtype", [np.uint8, np.float32, np.float64])
def test_every_scale_in_every_type(scale: str, dtype: type, raw_dtype: type) -> None:
    raw = RAW.astype(raw_dtype)
    before = raw.copy()
    affine = fit(scale, Part(raw, TRAIN.y, TRAIN.index), dtype)
    centred = raw_dtype is not np.uint8 and scale not in ("unit", "256", "none")
    assert affine.scale.dtype == (np.float64 if centred else dtype) and affine.shift.dtype == dtype
    assert affine.scale.shape in ((), (4,))
    out = np.full((3, 4), 99, dtype)
    affine.apply(raw, out)
    expected = before.astype(np.float64) * affine.scale.astype(np.float64) + affine.shift.astype(np.float64)
    if centred:
        assert affine.centre is not None and affine.centre.dtype == np.float64
        expected = (before.astype(np.float64) - affine.centre) * affine.scale
    np.testing.assert_allclose(out, expected, rtol=1e-5 if dtype is np.float32 else 1e-14, atol=1e-5)
    assert np.isfinite(out).all() and (raw == before).all()


def test_an_unknown_scale() -> None:
    with pytest.raises(UsageError, match="unknown scale 'standart'; did you mean standard"):
        fit("standart", TRAIN, np.float32)


def scaled(scale: str, column: list[float], dtype: type = np.float32, other: float = 0.0) -> tuple[list[float], float]:
    """A column of float64 values as the network sees it, and what becomes of `other`, a value of another row."""
    values = np.array([[value] for value in column])
    affine = fit(scale, Part(values, np.zeros(len(values)), np.arange(len(values))), dtype)
    return [row[0] for row in applied(affine, values, dtype)], applied(affine, np.array([[other]]), dtype)[0][0]


@pytest.mark.parametrize("scale", ["standard", "minmax", "standard_channel"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "column",
    [
        [98.6] * 60,
        [0.1] * 7,
        [-1e300] * 3,
        # Three sums that are 0.6 but for rounding.
        [0.1 + 0.2 + 0.3, 0.6, 0.3 + 0.2 + 0.1] * 5,
    ],
)
def test_a_constant_becomes_0_whatever_another_row_holds(scale: str, dtype: type, column: list[float]) -> None:
    values, other = scaled(scale, column, dtype, other=50.0)
    assert values == [0.0] * len(column) and other == 0.0


@pytest.mark.parametrize("size", [1e-300, 1e-42, 1e-13, 1.0, 1e30, 1e300])
def test_the_size_of_a_column_does_not_matter(size: float) -> None:
    # Mean 3 and deviation 2.
    values, other = scaled("standard", [size, 5 * size, size, 5 * size], other=7 * size)
    assert values == pytest.approx([-1, 1, -1, 1], rel=1e-6) and other == pytest.approx(2, rel=1e-6)
    values, other = scaled("minmax", [size, 5 * size, 3 * size], other=7 * size)
    assert values == pytest.approx([0, 1, 0.5], rel=1e-6) and other == pytest.approx(1.5, rel=1e-6)


@pytest.mark.parametrize("column", [[1e308, -1e308], [0.0, 1e-309]])
def test_what_float64_cannot_scale_is_an_error(column: list[float]) -> None:
    with pytest.raises(DataError, match="too large, or differ by too little, to be scaled"):
        scaled("standard", column)


def test_times_in_seconds_lose_nothing() -> None:
    """Exact mean and deviation by fractions; float32 alone holds such times to 128 s."""
    generator = np.random.default_rng(5)
    times = [1_700_000_000 + generator.normal(30 * (row % 2), 5) for row in range(200)]
    exact = [Fraction(time) for time in times]
    mean = sum(exact) / 200
    deviation = math.sqrt(sum((time - mean) ** 2 for time in exact) / 200)
    values, _ = scaled("standard", times)
    assert values == pytest.approx([float(time - mean) / deviation for time in exact], abs=1e-6)


def raw_set(train: np.ndarray, test: np.ndarray | None = None) -> RawSet:
    return RawSet(name="some", shape=train.shape[1:], train_x=train, train_y=np.zeros(len(train), np.int64), test_x=test)


BYTES = np.array([[0, 200], [17, 3]])
FLAGS = np.array([[0, 1], [1, 1]])


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (BYTES.astype(np.uint8), None, ("unit", True)),
        (BYTES.astype(np.float32), None, ("unit", True)),
        (BYTES.astype(np.float64), None, ("unit", True)),
        # Whole numbers as small as those of other bytes: the whole set decides.
        (FLAGS.astype(np.float64), BYTES.astype(np.float64), ("unit", True)),
        (FLAGS.astype(np.float32), None, ("unit", False)),
        (np.array([[0.25, 1.0]]), None, ("unit", False)),
        (np.array([[0.0, 127.0]]), None, ("standard", False)),
        (np.array([[0.0, 256.0]]), None, ("standard", False)),
        (np.array([[-1.0, 200.0]]), None, ("standard", False)),
        (np.array([[0.5, 200.0]]), None, ("standard", False)),
        (np.array([[0.5, 1.5]]), None, ("standard", False)),
    ],
)
def test_what_suits_the_values(train: np.ndarray, test: np.ndarray | None, expected: tuple[str, bool]) -> None:
    whole = raw_set(train, test)
    assert choose_scale(None, whole, known=False) == (*expected, ())
    for scale in ("unit", "256"):
        if expected[0] == "unit":
            assert choose_scale(scale, whole, known=False) == (scale, expected[1], ())
        else:
            with pytest.raises(
                UsageError, match=rf"scale: {scale} divides bytes, and the inputs of some go from .* to"
            ) as caught:
                choose_scale(scale, whole, known=False)
            assert "standard" in str(caught.value.hint)


def test_bytes_of_0_and_1_stay_and_it_is_said() -> None:
    scale, divides, notices = choose_scale(None, raw_set(FLAGS.astype(np.uint8)), known=False)
    assert (scale, divides) == ("unit", False) and "bytes of 0 and 1" in notices[0]
    part = Part(FLAGS.astype(np.uint8), np.zeros(2), np.arange(2))
    assert applied(fit("unit", part, np.float64, divides=divides), part.x) == FLAGS.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bytes_in_any_type_are_the_same_inputs(dtype: type) -> None:
    part = Part(BYTES.astype(np.uint8), np.zeros(2), np.arange(2))
    expected = applied(fit("unit", part, dtype), part.x, dtype)
    for raw in (BYTES.astype(np.float32), BYTES.astype(np.float64)):
        affine = fit("unit", Part(raw, part.y, part.index), dtype, divides=True)
        assert applied(affine, raw, dtype) == expected


def test_values_beyond_float32_are_refused_where_nothing_scales_them() -> None:
    for scale in ("none", "unit"):
        with pytest.raises((DataError, UsageError), match=r"inputs (from|of some go from)"):
            choose_scale(scale, raw_set(np.array([[1e39, 0.0]])), known=False)
    assert choose_scale(None, raw_set(np.array([[1e39, 0.0]])), known=False)[0] == "standard"
