"""How a set's training rows are cut into training and validation. A split is fixed by its own seed, never by the run's.

A split is a function (whole, validation, split_seed) -> Rows; its name in a config is the function's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mlp_cli.data.dataset import Array, Whole
from mlp_cli.errors import UsageError
from mlp_cli.registry import Registry
from mlp_cli.rng import Purpose, stream

Index = NDArray[np.intp]
Amount = int | float


class Rows(NamedTuple):
    """Row numbers of the training arrays, ascending; `validation` may be empty. Test rows are those of the test arrays."""

    train: Index
    validation: Index


splits: Registry = Registry("split")


@splits.register
def stratified(whole: Whole, validation: Amount | None, split_seed: int) -> Rows:
    """Drawn at random, each class in its share; regression: drawn from all rows alike."""
    total = len(whole.train_y)
    count = validation_rows(whole, validation)
    chosen = draw(whole.train_y, np.arange(total), count, stream(split_seed, Purpose.SPLIT), whole.task == "classification")
    return Rows(_others(total, chosen), chosen)


@splits.register
def last(whole: Whole, validation: Amount | None, split_seed: int) -> Rows:
    """The last rows of the training part, in the order of the files."""
    rows = np.arange(len(whole.train_y))
    left = len(rows) - validation_rows(whole, validation)
    return Rows(rows[:left], rows[left:])


@splits.register
def official(whole: Whole, validation: Amount | None, split_seed: int) -> Rows:
    """The validation part that the set's own distribution sets aside; `validation` must agree with it or be left out."""
    count = whole.official_validation
    if count is None:
        raise UsageError(f"split: official, but {whole.name} has no validation part of its own", "use split: stratified or last")
    if validation is not None and validation_rows(whole, validation) != count:
        raise UsageError(
            f"validation: {validation}, but the official validation part of {whole.name} has {count:,} rows",
            "leave validation out, or use another split",
        )
    return last(whole, count, split_seed)


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


def validation_rows(whole: Whole, validation: Amount | None) -> int:
    """How many training rows are set aside; None is 0. Errors: UsageError with the numbers if none is left to train on."""
    total = len(whole.train_y)
    count = rows_of("validation", validation or 0, total)
    if count == total:
        raise UsageError(
            f"validation: {validation} leaves no row to train on; the training part of {whole.name} has {total:,}",
            f"use at most {total - 1}",
        )
    return count


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
