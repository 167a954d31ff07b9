"""Splits: exact counts, no row twice, fixed by their own seed; values worked by hand."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data.dataset import RawSet
from mlp_cli.data.splits import cut, draw, rows_of
from mlp_cli.errors import UsageError


def whole_of(labels: list[int], official: int | None = None) -> RawSet:
    y = np.array(labels, np.int64)
    classes = tuple(str(label) for label in range(max(labels) + 1))
    return RawSet(name="some", shape=(1,), classes=classes, train_x=y[:, None], train_y=y, official_validation=official)


STORED = [5, 8, 18, 19, 21, 22]
LABELS = st.lists(st.integers(0, 5), min_size=2, max_size=200)


@pytest.mark.parametrize("name", ["stratified", "last"])
@given(labels=LABELS, data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_parts_are_disjoint_whole_and_of_the_size_asked_for(name: str, labels: list[int], data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(0, len(labels) - 1))
    rows = cut(name, whole_of(labels), count, seed)
    assert len(rows.validation) == count
    assert sorted([*rows.train, *rows.validation]) == list(range(len(labels)))
    assert not len(rows.test)
    for part in (rows.train, rows.validation):
        assert part.dtype == np.intp and (np.diff(part) > 0).all()


@given(labels=LABELS, data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_stratified_gives_each_class_its_share(labels: list[int], data: st.DataObject, seed: int) -> None:
    count = data.draw(st.integers(0, len(labels) - 1))
    chosen = [labels[row] for row in cut("stratified", whole_of(labels), count, seed).validation]
    for label in set(labels):
        share = Fraction(labels.count(label) * count, len(labels))
        assert abs(chosen.count(label) - share) < 1


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        # Shares 2.0, 1.2, 0.8: one row is missing after rounding down, and goes to the remainder 0.8.
        ([5, 3, 2], 4, [2, 1, 1]),
        # Shares 1.5 four times: two rows are missing, and go to the lower classes.
        ([3, 3, 3, 3], 6, [2, 2, 1, 1]),
        # Shares 0.9, 0.1: the small class gets none.
        ([9, 1], 1, [1, 0]),
        # A class without rows gets none.
        ([4, 0, 4], 3, [2, 0, 1]),
    ],
)
def test_largest_remainder_by_hand(sizes: list[int], count: int, expected: list[int]) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(5):
        rows = cut("stratified", whole_of(labels.tolist()), count, seed).validation
        assert np.bincount(labels[rows], minlength=len(sizes)).tolist() == expected


def test_a_split_is_fixed_by_its_seed() -> None:
    whole = whole_of([0, 1, 2] * 10)
    # Stored: another choice of rows would change every result that was ever made with this seed.
    assert cut("stratified", whole, 6, 0).validation.tolist() == STORED
    one, two = cut("stratified", whole, 6, 1), cut("stratified", whole, 6, 1)
    assert one.validation.tolist() == two.validation.tolist() != STORED


def test_every_row_can_be_drawn() -> None:
    whole = whole_of([0, 1] * 10)
    drawn = {int(row) for seed in range(60) for row in cut("stratified", whole, 4, seed).validation}
    assert drawn == set(range(20))


def test_last_by_hand() -> None:
    rows = cut("last", whole_of([0, 0, 0, 1, 2]), 2, 0)
    assert rows.train.tolist() == [0, 1, 2] and rows.validation.tolist() == [3, 4]


def test_official() -> None:
    whole = whole_of([0, 1, 0, 1, 0], official=2)
    for validation in (None, 2, 0.4):
        assert cut("official", whole, validation, 0).validation.tolist() == [3, 4]
    with pytest.raises(UsageError, match="validation: 3, but split: official of some sets 2 rows aside"):
        cut("official", whole, 3, 0)
    with pytest.raises(UsageError, match="split: official, but some has no validation part of its own"):
        cut("official", replace(whole, official_validation=None), None, 0)


def test_regression_is_drawn_from_all_rows() -> None:
    y = np.linspace(0, 1, 50)
    whole = RawSet(name="some", task="regression", shape=(1,), train_x=y[:, None], train_y=y)
    rows = cut("stratified", whole, 0.2, 3)
    assert len(rows.validation) == 10 and len(rows.train) == 40
    assert rows.validation.tolist() != list(range(40, 50))


@pytest.mark.parametrize(
    ("amount", "total", "expected"),
    [
        (0, 10, 0),
        (3, 10, 3),
        (10, 10, 10),
        (0.0, 10, 0),
        (0.25, 10, 3),
        (0.24, 10, 2),
        (1.0, 10, 10),
        (5.0, 10, 5),
        (5e3, 10**4, 5000),
    ],
)
def test_amounts(amount: float, total: int, expected: int) -> None:
    assert rows_of("limit", amount, total) == expected


@pytest.mark.parametrize("name", ["stratified", "last"])
@pytest.mark.parametrize(
    ("amount", "message"),
    [
        (-1, "-1 is neither a count of rows nor a share between 0 and 1"),
        (-0.5, "-0.5 is neither"),
        (True, "True is neither"),
        ("5", "'5' is neither"),
        (float("nan"), "nan is neither"),
        (float("inf"), "inf is neither"),
        (2.5, "2.5 is neither a whole number of rows"),
        (0.01, "0.01 of 20 training rows is less than one row"),
        (20, "20 leaves no row to train on; the training part of some has 20"),
        (1.0, "1.0 leaves no row to train on"),
        (21, "21, but there are only 20 training rows"),
    ],
)
def test_wrong_amounts(name: str, amount: float, message: str) -> None:
    with pytest.raises(UsageError, match=f"^validation: {message}"):
        cut(name, whole_of([0, 1] * 10), amount, 0)


def test_drawing_looks_only_at_the_given_rows() -> None:
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    rows = np.array([0, 1, 4, 5, 6, 7])
    for seed in range(10):
        chosen = draw(y, rows, 3, np.random.default_rng(seed), by_class=True)
        assert set(chosen) <= set(rows) and np.bincount(y[chosen]).tolist() == [1, 2]


@pytest.mark.parametrize(("name", "counts"), [("ece421", (10_000, 6_000, 2_724)), ("ece421_handout", (15_000, 1_000, 2_724))])
def test_the_splits_of_ece421_cut_a_test_part_off(name: str, counts: tuple[int, ...]) -> None:
    whole = whole_of([0, 1] * 9_362)
    rows = cut(name, whole, None, 5)
    assert (len(rows.train), len(rows.validation), len(rows.test)) == counts
    assert sorted([*rows.train, *rows.validation, *rows.test]) == list(range(18_724))
    order = np.arange(18_724)
    np.random.RandomState(521).shuffle(order)
    assert sorted(order[: counts[0]]) == rows.train.tolist() and sorted(order[-2_724:]) == rows.test.tolist()
    assert cut(name, whole, counts[1], 6).train.tolist() == rows.train.tolist(), "neither seed has a say"
    for options, message in (((5, 0), "sets .* rows aside"), ((None, 0, 9), f"test: 9 does not go with split: {name}")):
        with pytest.raises(UsageError, match=message):
            cut(name, whole, *options)
    with pytest.raises(UsageError, match="has one of its own"):
        cut(name, replace(whole, test_x=whole.train_x, test_y=whole.train_y), None, 0)


def test_the_split_of_vu() -> None:
    whole = whole_of([0, 1] * 30_000)
    rows = cut("vu", whole, None, 0)
    assert rows.train.tolist() == list(range(55_000)) and rows.validation.tolist() == list(range(55_000, 60_000))
    assert not len(rows.test) and len(cut("vu", whole, 0, 0).train) == 60_000
    with pytest.raises(UsageError, match="sets 5,000 rows aside"):
        cut("vu", whole, 6_000, 0)
    with pytest.raises(UsageError, match="but there are 40"):
        cut("vu", whole_of([0, 1] * 20), None, 0)


def test_a_test_part_is_set_aside() -> None:
    whole = whole_of([0, 1] * 30)
    rows = cut("last", whole, 6, 0, 0.1)
    assert rows.test.tolist() == [*range(54, 60)] and rows.validation.tolist() == [*range(48, 54)]
    distinct = replace(whole, train_x=np.arange(60)[:, None])
    rows = cut("stratified", distinct, 6, 0, 10)
    train, validation, test = rows.train, rows.validation, rows.test
    assert [len(part) for part in (train, validation, test)] == [44, 6, 10]
    assert np.bincount(whole.train_y[test]).tolist() == [5, 5] and sorted([*train, *validation, *test]) == [*range(60)]
    with pytest.raises(UsageError, match="validation: 30 and test: 30 together leave no row to train on"):
        cut("stratified", whole, 30, 0, 30)


def set_of_groups(groups: list[int], order: list[float] | None = None) -> RawSet:
    whole = whole_of([0, 1] * (len(groups) // 2))
    return replace(whole, groups=np.array(groups), order=None if order is None else np.array(order))


@given(groups=st.lists(st.integers(0, 12), min_size=20, max_size=120), seed=st.integers(0, 2**32 - 1))
def test_a_group_is_in_one_part(groups: list[int], seed: int) -> None:
    whole = set_of_groups([7 * number for number in groups])
    whole = replace(whole, train_x=np.zeros((len(groups), 1)), train_y=np.arange(len(groups)) % 2)
    try:
        rows = cut("group", whole, 0.2, seed, 0.2)
    except UsageError as error:
        # No part can be had of so few groups, or of groups so large.
        assert "part of some empty" in str(error)
        return
    parts = [rows.train, rows.validation, rows.test]
    assert sorted(np.concatenate(parts)) == list(range(len(groups)))
    kept = [set(whole.groups[part]) for part in parts]
    assert not (kept[0] & kept[1] or kept[0] & kept[2] or kept[1] & kept[2])
    asked = [len(groups) - 2 * len(rows.validation), round(len(groups) / 5), round(len(groups) / 5)]
    assert all(len(part) for part in parts) and (rows.notices or abs(len(rows.test) - asked[2]) <= max(1, 0.1 * asked[2]))


def test_groups_that_fit_give_the_parts_asked_for() -> None:
    # 20 groups of five rows: two of them validate, four test.
    whole = set_of_groups([row // 5 for row in range(100)])
    rows = cut("group", whole, 10, 0, 20)
    assert [len(part) for part in (rows.train, rows.validation, rows.test)] == [70, 10, 20]
    assert rows.notices == ()
    assert not len(cut("group", whole, 10, 0).test)
    # Five groups of 20: none fits into ten rows, yet each part gets one.
    for seed in range(20):
        rows = cut("group", set_of_groups([row // 20 for row in range(100)]), 10, seed, 20)
        assert [len(rows.train), len(rows.validation), len(rows.test)] == [60, 20, 20]
        assert rows.notices == (
            "the training part has 60 rows, 70 were asked for: rows that belong together stay together",
            "the validation part has 20 rows, 10 were asked for: rows that belong together stay together",
        )
    with pytest.raises(UsageError, match=r"split: group leaves the .* part of some empty"):
        cut("group", set_of_groups([0] * 50 + [1] * 50), 10, 0, 10)
    with pytest.raises(UsageError, match="split: group, but nothing says which rows of some belong together"):
        cut("group", whole_of([0, 1] * 10), 2, 0)


def test_the_earliest_rows_train_and_the_latest_test() -> None:
    times = [5, 1, 4, 2, 3, 10, 9, 8, 7, 6]
    rows = cut("time", set_of_groups([0] * 10, times), 2, 0, 3)
    assert [sorted(times[row] for row in part) for part in (rows.train, rows.validation, rows.test)] == [
        [1, 2, 3, 4, 5],
        [6, 7],
        [8, 9, 10],
    ]
    assert all((np.diff(part) > 0).all() for part in (rows.train, rows.validation, rows.test))
    with pytest.raises(UsageError, match="split: time, but nothing says in which order the rows of some come"):
        cut("time", whole_of([0, 1] * 10), 2, 0)


def test_equal_times_stay_together() -> None:
    # Asked: 6, 2 and 2 rows. The cut after six rows falls into three rows of time 2 and moves behind them, by one row.
    times = [1, 1, 1, 1, 2, 2, 2, 3, 4, 4]
    rows = cut("time", set_of_groups([0] * 10, times), 2, 0, 2)
    assert rows.notices == ()
    assert [rows.train.tolist(), rows.validation.tolist(), rows.test.tolist()] == [[0, 1, 2, 3, 4, 5, 6], [7], [8, 9]]
    with pytest.raises(UsageError, match="split: time leaves the test part of some empty, where 2 rows were asked for"):
        cut("time", set_of_groups([0] * 10, [1] * 4 + [2] * 6), 2, 0, 2)


def test_where_most_rows_are_equal_they_are_split_one_by_one() -> None:
    # 100 rows with four different contents: 25 equal rows each, more than fit into 10 or 20.
    whole = replace(whole_of([0, 1] * 50), train_x=np.arange(100)[:, None] % 4)
    rows = cut("stratified", whole, 10, 0, 0.2)
    assert [len(part) for part in (rows.train, rows.validation, rows.test)] == [70, 10, 20]
    assert rows.notices == (
        "96 of 100 rows equal another one, too many to keep equal rows in one part: rows are split one by one",
    )
    # 160 of 200 rows are equal.
    x = np.maximum(np.arange(200) - 159, 0)[:, None]
    rows = cut("stratified", replace(whole_of([0, 1] * 100), train_x=x), 20, 0, 40)
    assert [len(part) for part in (rows.train, rows.validation, rows.test)] == [140, 20, 40]
    assert "159 of 200 rows" in rows.notices[0]


def test_a_part_that_differs_from_what_was_asked_is_told() -> None:
    # Eight rows of one content, of 40: they do not fit into five validation rows, and are too few to split them one by one.
    x = np.maximum(np.arange(40) - 7, 0)[:, None]
    whole = replace(whole_of([0] * 40), train_x=x)
    sizes = {len(cut("stratified", whole, 5, seed, 10).validation) for seed in range(30)}
    assert sizes == {5}
    rows = cut("stratified", replace(whole, train_x=np.repeat(np.arange(20), 2)[:, None]), 5, 0, 5)
    assert {len(rows.validation), len(rows.test)} <= {4, 5, 6}
    assert rows.notices == (), "one row is no difference"


def test_an_official_part_without_rows_is_refused() -> None:
    for official in (0, 5):
        with pytest.raises(UsageError, match="part of some has no row of the classes that are kept"):
            cut("official", whole_of([0, 1, 0, 1, 0], official=official), None, 0)
