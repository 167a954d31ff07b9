"""The splits that courses prescribe, on their own numbers; and equal rows that stay together."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data.arrays import read_idx
from mlp_cli.data.dataset import RawSet
from mlp_cli.data.splits import cut, equal_rows, together
from mlp_cli.errors import UsageError

REAL = Path(os.environ.get("MLP_DATA_DIR") or Path(__file__).parents[2].parent / "shared/data")


def real(name: str) -> np.ndarray:
    path = REAL / name
    if not path.exists():
        pytest.skip("no real data: set MLP_DATA_DIR to a folder that has them")
    return read_idx(path)


def set_of(x: np.ndarray, y: np.ndarray) -> RawSet:
    return RawSet(name="some", shape=x.shape[1:], train_x=x, train_y=y)


def rows(count: int) -> RawSet:
    return set_of(np.zeros((count, 1), np.uint8), np.arange(count) % 2)


def stratified_by_content(x: np.ndarray, y: np.ndarray, counts: tuple[int, ...], seed: int) -> tuple[np.ndarray, ...]:
    groups = equal_rows(x)
    return together(groups, y[groups], counts, seed)


def test_vu_is_the_first_55000_and_the_last_5000() -> None:
    found = cut("vu", rows(60_000), None, 0)
    assert (len(found.train), found.train[0], found.train[-1]) == (55_000, 0, 54_999)
    assert (len(found.validation), found.validation[0], found.validation[-1]) == (5_000, 55_000, 59_999)
    final = cut("vu", rows(60_000), 0, 0)
    assert (len(final.train), len(final.validation)) == (60_000, 0)
    with pytest.raises(UsageError, match="cuts 60,000 training rows into 55,000 and 5,000, but there are 50,000"):
        cut("vu", rows(50_000), None, 0)


def test_ece421_is_what_its_starter_program_makes() -> None:
    # The program's own lines, on images that are their row's number.
    Data = np.arange(18_724)
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(521)  # noqa: NPY002
    randIndx = np.arange(len(Data))
    np.random.shuffle(randIndx)  # noqa: NPY002
    np.random.set_state(state)  # noqa: NPY002
    Data = Data[randIndx]
    for split, cuts in (("ece421", [10_000, 16_000]), ("ece421_handout", [15_000, 16_000])):
        found = cut(split, rows(18_724), None, 0)
        parts = (found.train, found.validation, found.test)
        assert [len(part) for part in parts] == [cuts[0], cuts[1] - cuts[0], 2_724]
        for part, expected in zip(parts, np.split(Data, cuts), strict=True):
            assert part.tolist() == sorted(expected)


@pytest.mark.parametrize("split", ["ece421", "ece421_handout"])
def test_ece421_needs_rows_to_test_with(split: str) -> None:
    with pytest.raises(UsageError, match="but there are only 16,000"):
        cut(split, rows(16_000), None, 0)
    assert len(cut(split, rows(16_001), None, 0).test) == 1


@given(
    pictures=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=120),
    data=st.data(),
    seed=st.integers(0, 2**32 - 1),
)
def test_equal_rows_are_in_one_part_and_no_row_is_lost(pictures: list[tuple[int, int]], data: st.DataObject, seed: int) -> None:
    x = np.array([[picture, 7] for picture, _ in pictures], dtype=np.uint8)
    y = np.array([label for _, label in pictures], dtype=np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(y)), min_size=2, max_size=2)))
    counts = (cuts[0], cuts[1] - cuts[0], len(y) - cuts[1])
    parts = stratified_by_content(x, y, counts, seed)
    assert sorted(np.concatenate(parts)) == list(range(len(y)))
    for one in range(3):
        assert (np.diff(parts[one]) > 0).all()
        for other in range(one):
            assert not set(x[parts[one], 0]) & set(x[parts[other], 0])
    again = stratified_by_content(x, y, counts, seed)
    assert all(np.array_equal(part, same) for part, same in zip(parts, again, strict=True))


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4), data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_without_equal_rows_sizes_are_exact_and_classes_shared(sizes: list[int], data: st.DataObject, seed: int) -> None:
    y = np.repeat(np.arange(len(sizes)), sizes)
    x = np.arange(len(y), dtype=np.float64)[:, None]
    counts = tuple(data.draw(st.lists(st.integers(0, len(y) // 3), min_size=1, max_size=3)))
    counts = (len(y) - sum(counts), *counts)
    parts = stratified_by_content(x, y, counts, seed)
    assert tuple(len(part) for part in parts) == counts
    for part, count in zip(parts, counts, strict=True):
        share = np.array(sizes) * count / len(y)
        # Each part's shares are rounded after the parts behind it, whose rounding adds to its own.
        assert np.abs(np.bincount(y[part], minlength=len(sizes)) - share).max() < len(counts) + 1


def test_equal_rows_are_given_out_by_share() -> None:
    # 200 pictures twice each: each pair falls into the half-size second part with probability 1/2.
    x = np.repeat(np.arange(200, dtype=np.uint8), 2)[:, None]
    y = np.zeros(400, dtype=np.int64)
    parts = stratified_by_content(x, y, (200, 200), 3)
    assert [len(part) for part in parts] == [200, 200]
    # Of the first hundred pictures about 50 in each part, deviation 3.5: not the first ones here and the last ones there.
    assert 30 < (x[parts[1], 0] < 100).sum() / 2 < 70
    assert not np.array_equal(parts[1], stratified_by_content(x, y, (200, 200), 4)[1])


def test_a_large_group_may_fall_into_any_part() -> None:
    x = np.array([[0], [0], [0], *([number] for number in range(1, 8))], dtype=np.uint8)
    y = np.zeros(10, dtype=np.int64)
    second = sum(0 in x[stratified_by_content(x, y, (5, 5), seed)[1]] for seed in range(200))
    # Half of 200, deviation 7.
    assert 60 < second < 140


def test_bytes_decide_what_is_equal() -> None:
    x = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    assert equal_rows(x).tolist() == [0, 1, 0, 3]
    assert equal_rows(x[:, ::-1]).tolist() == [0, 1, 0, 3]


def test_float_targets_are_one_class() -> None:
    whole = RawSet(name="some", task="regression", shape=(1,), train_x=np.arange(10.0)[:, None], train_y=np.linspace(0, 1, 10))
    found = cut("stratified", whole, 3, 0, 2)
    assert (len(found.train), len(found.validation), len(found.test)) == (5, 3, 2)


def test_the_official_rows_of_mnist_are_those_of_the_pickle() -> None:
    # mnist.pkl.gz: 50,000 to train, the last 10,000 to validate.
    y = real("mnist/train-labels-idx1-ubyte.gz").astype(np.int64)
    whole = RawSet(
        name="mnist", shape=(1,), classes=tuple("0123456789"), train_x=y[:, None], train_y=y, official_validation=10_000
    )
    rows = cut("official", whole, None, 0)
    assert np.bincount(y[rows.train]).tolist() == [4932, 5678, 4968, 5101, 4859, 4506, 4951, 5175, 4842, 4988]
    assert np.bincount(y[rows.validation]).tolist() == [991, 1064, 990, 1030, 983, 915, 967, 1090, 1009, 961]
    assert y[rows.train[:5]].tolist() == [5, 0, 4, 1, 9] and y[rows.validation[:5]].tolist() == [3, 8, 6, 9, 6]


def test_the_notmnist_sample_splits_exactly() -> None:
    x = real("notmnist/t10k-images-idx3-ubyte.gz").reshape(10_000, -1)
    y = real("notmnist/t10k-labels-idx1-ubyte.gz").astype(np.int64)
    same = equal_rows(x)
    assert len(set(same)) == 9_804
    parts = stratified_by_content(x, y, (7_000, 1_000, 2_000), 0)
    assert [np.bincount(y[part]).tolist() for part in parts] == [[700] * 10, [100] * 10, [200] * 10]
    assert sum(len(set(same[part])) for part in parts) == 9_804
