"""How a set's training rows are cut into training and validation, and into test where the set has no test part of its own.

A split is fixed by its own seed, never by the run's. It is a function (whole, validation, split_seed, test) -> Rows; its name in a
config is the function's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mlp_cli.data import course_splits
from mlp_cli.data.dataset import Array, RawSet
from mlp_cli.errors import UsageError
from mlp_cli.registry import Registry
from mlp_cli.rng import Purpose, stream

Index = NDArray[np.intp]
Amount = int | float


class Rows(NamedTuple):
    """Row numbers of the training arrays, ascending; `validation` may be empty. test None: the test rows are the test arrays'."""

    train: Index
    validation: Index
    test: Index | None = None


splits: Registry = Registry("split")

PRESET_VALIDATION = {"vu": 5_000, "ece421": 6_000, "ece421_handout": 1_000}
"""How many rows the splits of courses set aside for validation."""


@splits.register
def stratified(whole: RawSet, validation: Amount | None, split_seed: int, test: Amount | None = None) -> Rows:
    """Drawn at random, each class in its share; regression: drawn from all rows alike. With `test`, equal rows stay in one part."""
    total = len(whole.train_y)
    if test:
        count, held_out = validation_rows(whole, validation, test)
        parts = course_splits.stratified_by_content(
            whole.train_x, whole.train_y, (total - count - held_out, count, held_out), split_seed
        )
        return Rows(*parts)
    count, _ = validation_rows(whole, validation)
    chosen = draw(whole.train_y, np.arange(total), count, stream(split_seed, Purpose.SPLIT), whole.task == "classification")
    return Rows(_others(total, chosen), chosen)


@splits.register
def last(whole: RawSet, validation: Amount | None, split_seed: int, test: Amount | None = None) -> Rows:
    """The last rows of the training part, in the order of the files; test rows, where they are set aside, come last of all."""
    count, held_out = validation_rows(whole, validation, test)
    train, chosen, rest = np.split(np.arange(len(whole.train_y)), np.cumsum((len(whole.train_y) - count - held_out, count)))
    return Rows(train, chosen, rest if test else None)


@splits.register
def official(whole: RawSet, validation: Amount | None, split_seed: int, test: Amount | None = None) -> Rows:
    """The validation part that the set's own distribution sets aside; `validation` must agree with it or be left out."""
    count = whole.official_validation
    if count is None:
        raise UsageError(f"split: official, but {whole.name} has no validation part of its own", "use split: stratified or last")
    _refuse_test("official", test)
    if validation is not None and validation_rows(whole, validation)[0] != count:
        raise UsageError(
            f"validation: {validation}, but the official validation part of {whole.name} has {count:,} rows",
            "leave validation out, or use another split",
        )
    return last(whole, count, split_seed)


@splits.register
def vu(whole: RawSet, validation: Amount | None, split_seed: int, test: Amount | None = None) -> Rows:
    """The last 5,000 of 60,000 rows, as in Deep Learning at VU Amsterdam; `validation: 0` trains on all, for the final run."""
    _refuse_test("vu", test)
    _refuse_validation(whole, "vu", validation or None)
    return Rows(*course_splits.vu(len(whole.train_y), final=validation == 0))


@splits.register
def ece421(whole: RawSet, validation: Amount | None, split_seed: int, test: Amount | None = None) -> Rows:
    """10,000 rows to train, 6,000 to validate, the rest to test, as the starter program of ECE421 (Toronto) shuffles them."""
    _check_preset(whole, "ece421", validation, test)
    return Rows(*course_splits.ece421(len(whole.train_y)))


@splits.register
def ece421_handout(whole: RawSet, validation: Amount | None, split_seed: int, test: Amount | None = None) -> Rows:
    """As `ece421`, with the 15,000 and 1,000 rows that its handout prints."""
    _check_preset(whole, "ece421_handout", validation, test)
    return Rows(*course_splits.ece421_handout(len(whole.train_y)))


def _check_preset(whole: RawSet, name: str, validation: Amount | None, test: Amount | None) -> None:
    if whole.test_x is not None:
        raise UsageError(
            f"split: {name} cuts a test part off, but {whole.name} has one of its own", "use split: stratified or last"
        )
    _refuse_test(name, test)
    _refuse_validation(whole, name, validation)


def _refuse_validation(whole: RawSet, name: str, validation: Amount | None) -> None:
    count = PRESET_VALIDATION[name]
    if validation is not None and rows_of("validation", validation, len(whole.train_y)) != count:
        raise UsageError(
            f"validation: {validation}, but split: {name} sets {count:,} rows aside", "leave validation out, or use another split"
        )


def _refuse_test(name: str, test: Amount | None) -> None:
    if test:
        raise UsageError(f"test: {test} does not go with split: {name}", "leave test out, or use split: stratified or last")


def rows_of(key: str, amount: Amount, total: int) -> int:
    """How many of `total` rows `amount` means: a count, or a share as a float of at most 1 (rounded, halves up).

    Errors: UsageError for anything else, and for more rows than there are; `key` is the option's name.
    """
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
        raise UsageError(f"{key}: {amount!r} is neither a count of rows nor a share between 0 and 1")
    if isinstance(amount, float) and amount <= 1:
        count = int(amount * total + 0.5)
        if amount and not count:
            raise UsageError(f"{key}: {amount} of {total:,} training rows is less than one row")
    elif amount == int(amount):
        count = int(amount)
    else:
        raise UsageError(f"{key}: {amount} is neither a whole number of rows nor a share of at most 1")
    if count > total:
        raise UsageError(f"{key}: {amount}, but there are only {total:,} training rows", f"use at most {total}")
    return count


def validation_rows(whole: RawSet, validation: Amount | None, test: Amount | None = None) -> tuple[int, int]:
    """How many training rows are set aside for validation and for testing; None is 0.

    Errors: UsageError with the numbers if none is left to train on.
    """
    total = len(whole.train_y)
    count, held_out = rows_of("validation", validation or 0, total), rows_of("test", test or 0, total)
    if count + held_out >= total:
        told = f"validation: {validation}" + (f" and test: {test} together" if test else "")
        raise UsageError(
            f"{told} leave{'' if test else 's'} no row to train on; the training part of {whole.name} has {total:,}",
            f"use at most {total - 1}" + (" in all" if test else ""),
        )
    return count, held_out


def draw(y: Array, rows: Index, count: int, generator: Generator, by_class: bool) -> Index:
    """`count` of the given rows, ascending, drawn without replacement; by_class: each class in its share (largest remainder).

    A class's quota is its share of `count` rounded down; the rows then missing go to the largest remainders, the lower class first.
    """
    order = generator.permutation(rows)
    if not by_class:
        return np.sort(order[:count])
    labels = y[order]
    sizes = np.bincount(labels)
    # Whole numbers throughout, so that no rounding decides between equal remainders.
    quota, remainder = np.divmod(sizes * count, len(rows))
    missing = count - int(quota.sum())
    quota[np.argsort(-remainder, kind="stable")[:missing]] += 1
    by_label = np.argsort(labels.astype(np.uint16), kind="stable")
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(rows)) - np.repeat(starts, sizes)
    return np.sort(order[by_label[place < np.repeat(quota, sizes)]])


def _others(total: int, chosen: Index) -> Index:
    keep = np.ones(total, dtype=bool)
    keep[chosen] = False
    return np.flatnonzero(keep)
