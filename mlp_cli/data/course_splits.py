"""Splits that courses prescribe, and one that keeps equal rows together. All give row numbers, ascending, part by part."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mlp_cli.data.dataset import Array
from mlp_cli.errors import UsageError
from mlp_cli.rng import Purpose, stream

Index = NDArray[np.intp]
Counts = NDArray[np.int64]

_VU_ROWS = 60_000
_VU_VALIDATION = 5_000
_ECE421_SEED = 521


def vu(rows: int, final: bool = False) -> tuple[Index, Index]:
    """(train, validation) of the training rows, as load_mnist of Deep Learning at VU Amsterdam cuts them.

    The first 55,000 rows train, the last 5,000 validate. final: all 60,000 train and nothing validates, as when the course's
    students have chosen their settings and turn to the test set. Errors: UsageError for any other number of rows.
    """
    if rows != _VU_ROWS:
        raise UsageError(
            f"split: vu cuts {_VU_ROWS:,} training rows into 55,000 and 5,000, but there are {rows:,}",
            "use split: last with a validation count of your own",
        )
    every = np.arange(rows)
    left = rows if final else rows - _VU_VALIDATION
    return every[:left], every[left:]


def ece421(rows: int) -> tuple[Index, Index, Index]:
    """(train, validation, test) of all rows: 10,000, 6,000 and the rest, shuffled as the starter program of ECE421 (Toronto) does.

    Errors: UsageError where no row is left for the test part.
    """
    return _ece421("ece421", rows, 10_000, 6_000)


def ece421_handout(rows: int) -> tuple[Index, Index, Index]:
    """(train, validation, test) as `ece421`, but 15,000, 1,000 and the rest, the numbers that the handout prints."""
    return _ece421("ece421_handout", rows, 15_000, 1_000)


def _ece421(name: str, rows: int, train: int, validation: int) -> tuple[Index, Index, Index]:
    if rows <= train + validation:
        raise UsageError(
            f"split: {name} takes {train:,} rows to train, {validation:,} to validate and the rest to test, "
            f"but there are only {rows:,}",
            "use split: stratified or last",
        )
    # The program shuffles with NumPy's global generator; one of our own with its seed gives the same order.
    order = np.arange(rows)
    np.random.RandomState(_ECE421_SEED).shuffle(order)
    first, second, third = np.split(order, [train, train + validation])
    return np.sort(first), np.sort(second), np.sort(third)


def equal_rows(x: Array) -> Index:
    """For each row of x (N, D) the number of the first row with the same bytes, (N,) intp."""
    first: dict[bytes, int] = {}
    plain = np.ascontiguousarray(x)
    return np.array(
        [first.setdefault(hashlib.blake2b(row.data, digest_size=16).digest(), at) for at, row in enumerate(plain)], dtype=np.intp
    )


def stratified_by_content(x: Array, y: Array, counts: tuple[int, ...], split_seed: int) -> tuple[Index, ...]:
    """One part of each size in `counts`, each class in its share, with rows of equal bytes all in one part.

    So no picture is both trained on and tested with. Rows beyond the sum of `counts` are in no part. Equal rows count for the class
    of the first of them, also where their labels differ; float targets count as one class. Where equal rows are so many that
    the sizes cannot be met, the first part takes what is missing or left.

    x: (N, D). y: (N,) class numbers, or float targets. Errors: UsageError for more rows than there are.
    """
    total = len(y)
    if sum(counts) > total:
        raise UsageError(
            f"a split into {', '.join(f'{count:,}' for count in counts)} rows needs more than the {total:,} there are"
        )
    labels = y if y.dtype.kind in "iu" else np.zeros(total, dtype=np.int64)
    generator = stream(split_seed, Purpose.SPLIT)
    groups = equal_rows(x)
    strata = labels[groups]
    wanted = _shares(np.bincount(strata), (*counts, total - sum(counts)))
    part = np.full(total, -1)
    _place_equal(part, groups, strata, wanted, generator)
    for label in range(wanted.shape[1]):
        rows = generator.permutation(np.flatnonzero((strata == label) & (part < 0)))
        for number in range(len(wanted) - 1, 0, -1):
            count = max(int(wanted[number, label]), 0)
            part[rows[:count]] = number
            rows = rows[count:]
        part[rows] = 0
    return tuple(np.flatnonzero(part == number) for number in range(len(counts)))


def _shares(sizes: Counts, counts: tuple[int, ...]) -> Counts:
    """How many rows of each class each part gets, (parts, K): shares rounded so that parts and classes both add up."""
    wanted = np.zeros((len(counts), len(sizes)), dtype=np.int64)
    left = sizes.astype(np.int64)
    for number in range(len(counts) - 1, 0, -1):
        share, remainder = np.divmod(left * counts[number], max(left.sum(), 1))
        missing = counts[number] - int(share.sum())
        share[np.argsort(-remainder, kind="stable")[:missing]] += 1
        wanted[number] = share
        left = left - share
    wanted[0] = left
    return wanted


def _place_equal(part: Counts, groups: Index, strata: Counts, wanted: Counts, generator: Generator) -> None:
    """Gives each set of equal rows a part at random, by what the parts still want of its class, the largest sets first.

    Writes into `part`, and takes what was placed off `wanted`.
    """
    sizes = np.bincount(groups)
    members = np.argsort(groups, kind="stable")
    starts = np.cumsum(sizes) - sizes
    several = generator.permutation(np.flatnonzero(sizes > 1))
    for first in several[np.argsort(-sizes[several], kind="stable")]:
        size, label = int(sizes[first]), strata[first]
        room = np.where(wanted[:, label] >= size, wanted[:, label], 0)
        if room.any():
            number = int(np.searchsorted(np.cumsum(room), generator.integers(room.sum()), side="right"))
        else:
            number = int(np.argmax(wanted[:, label]))
        part[members[starts[first] : starts[first] + size]] = number
        wanted[number, label] -= size
