"""Batches: every row once, in the generator's order, also the last, smaller batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Part
from mlp_cli.data.transforms import fit

X = (np.arange(250)[:, None] + [0, 1, 2]).astype(np.uint8)
Y = np.arange(250, dtype=np.int64) * 10


def batches(index: np.ndarray, size: int | str | None, dtype: type = np.float32) -> Batches:
    part = Part(X, Y, index)
    return Batches(part, fit("none", part, dtype), size, dtype)  # type: ignore[arg-type]


def seen(stream: Batches) -> list[tuple[list[float], list[int]]]:
    """What an epoch yields, copied, since buffers are used again."""
    return [(x[:, 0].tolist(), y.tolist()) for x, y in stream]


@given(
    index=st.lists(st.integers(0, 249), unique=True, min_size=1, max_size=100).map(sorted),
    size=st.integers(1, 12) | st.sampled_from([100, None, "full"]),
    seed=st.none() | st.integers(0, 100),
)
def test_each_row_once_in_batches_of_the_size(index: list[int], size: int | str | None, seed: int | None) -> None:
    stream = batches(np.array(index), size)
    for _ in range(2):
        stream.shuffle(None if seed is None else np.random.default_rng(seed))
        epoch = seen(stream)
        rows = [int(row) for values, _ in epoch for row in values]
        assert sorted(rows) == index
        assert [label for _, labels in epoch for label in labels] == [10 * row for row in rows], (
            "inputs and targets stay together"
        )
        most = len(index) if size in (None, "full") else min(int(size), len(index))
        sizes = [len(labels) for _, labels in epoch]
        assert all(n == most for n in sizes[:-1]) and 0 < sizes[-1] <= most
        assert len(stream) == len(sizes) and stream.rows == len(index)
        if seed is None:
            assert rows == index


def test_the_order_is_the_generators() -> None:
    stream = batches(np.arange(50), 8)
    stream.shuffle(np.random.default_rng(3))
    first = seen(stream)
    stream.shuffle(np.random.default_rng(4))
    assert seen(stream) != first
    stream.shuffle(np.random.default_rng(3))
    assert seen(stream) == first, "whatever came before"
    expected = np.random.default_rng(3).permutation(50)
    assert [row for values, _ in first for row in values] == expected.tolist()
    assert [label for _, labels in first for label in labels] == (10 * expected).tolist()
    stream.shuffle(None)
    assert [row for values, _ in seen(stream) for row in values] == list(range(50))


@pytest.mark.parametrize("index", [np.arange(5, 25), np.array([1, 2, 4, 8, 16])])
def test_inputs_are_scaled_and_converted(index: np.ndarray) -> None:
    part = Part(X, Y, index)
    for dtype in (np.float32, np.float64):
        for size in (4, "full"):
            stream = Batches(part, fit("256", part, dtype), size, dtype)  # type: ignore[arg-type]
            for _ in range(2):
                x = np.concatenate([x.copy() for x, _ in stream])
                assert x.dtype == dtype and (x == X[index] / 256).all()


def test_buffers_are_used_again_and_the_data_are_left_alone() -> None:
    before = X.copy()
    stream = batches(np.arange(20), 5)
    stream.shuffle(np.random.default_rng(0))
    addresses = {x.__array_interface__["data"][0] for x, _ in stream}
    assert len(addresses) == 1
    assert (before == X).all()


def test_one_batch_of_all_rows_is_converted_once() -> None:
    stream = batches(np.arange(250), "full")
    (x, y), (again, _) = next(iter(stream)), next(iter(stream))
    assert x is again and not x.flags.writeable
    assert y.tolist() == Y.tolist()


def test_more_rows_than_one_piece() -> None:
    values = np.arange(5000, dtype=np.float64)[:, None]
    part = Part(values, np.arange(5000), np.arange(0, 5000, 2))
    for size in (2000, None):
        stream = Batches(part, fit("none", part, np.float64), size, np.float64)
        stream.shuffle(np.random.default_rng(1))
        rows = np.concatenate([x[:, 0] for x, _ in ((x.copy(), y) for x, y in stream)])
        assert sorted(rows.tolist()) == list(range(0, 5000, 2))
