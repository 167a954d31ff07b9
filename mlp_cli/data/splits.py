"""How a set's training rows are cut into training and validation, and into test where the set has no test part of its own.

A split is fixed by its own seed, never by the run's. It is a function (whole, counts, split_seed) -> Rows, where `counts` are
the rows to train, validate and test with; its name in a config is the function's. `cut` checks what it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mlp_cli.data.dataset import Array, RawSet
from mlp_cli.errors import UsageError
from mlp_cli.registry import Registry
from mlp_cli.rng import Purpose, stream

Index = NDArray[np.intp]
Counts = NDArray[np.int64]
Amount = int | float
Sizes = tuple[int, int, int]

_VU_ROWS = 60_000
_ECE421_SEED = 521
_NEAR = 0.1
"""The share by which a part may differ from what was asked without a word; one row always may."""


@dataclass(frozen=True)
class Rows:
    """Row numbers of the training arrays, ascending. notices: what a user should be told of the split.

    validation may be empty, and so may test, where the test rows are those of the test arrays.
    """

    train: Index
    validation: Index
    test: Index
    notices: tuple[str, ...] = field(default=(), kw_only=True)


splits: Registry[Callable[[RawSet, Sizes, int], Rows]] = Registry("split")

PRESET_VALIDATION = {"vu": 5_000, "ece421": 6_000, "ece421_handout": 1_000}
"""How many rows the splits of courses set aside for validation."""


def cut(name: str, whole: RawSet, validation: Amount | None, split_seed: int, test: Amount | None = None) -> Rows:
    """The split of that name. validation, test: how many rows, or what share of them, to set aside; None is 0, or the split's own.

    Errors: UsageError where the amounts do not fit each other or the split, and where a part that is asked for stays empty.
    """
    total = len(whole.train_y)
    if name == "official" or name in PRESET_VALIDATION:
        if test:
            raise UsageError(f"test: {test} does not go with split: {name}", "leave test out, or use split: stratified or last")
        count = _preset(name, whole, validation)
        return splits[name](whole, (total - count, count, 0), split_seed)
    count, held_out = rows_of("validation", validation or 0, total), rows_of("test", test or 0, total)
    if count + held_out >= total:
        told = f"validation: {validation}" + (f" and test: {test} together" if test else "")
        leaves = f"{told} leave{'' if test else 's'} no row to train on"
        raise UsageError(f"{leaves}; the training part of {whole.name} has {total:,}", f"use at most {total - 1} in all")
    counts = (total - count - held_out, count, held_out)
    rows = splits[name](whole, counts, split_seed)
    notices = list(rows.notices)
    parts = {"training": rows.train, "validation": rows.validation, "test": rows.test}
    for wanted, (part, found) in zip(counts, parts.items(), strict=True):
        if wanted and not len(found):
            told = f"split: {name} leaves the {part} part of {whole.name} empty, where {wanted:,} rows were asked for"
            hint = "ask for larger parts, or use split: last"
            raise UsageError(f"{told}: the rows that have to stay together are too many", hint)
        if not _is_near(len(found), wanted):
            told = f"the {part} part has {len(found):,} rows, {wanted:,} were asked for"
            notices.append(f"{told}: rows that belong together stay together")
    return replace(rows, notices=tuple(notices))


def _preset(name: str, whole: RawSet, validation: Amount | None) -> int:
    """How many rows a split sets aside that has a size of its own. Errors: UsageError where another one is asked for."""
    total = len(whole.train_y)
    own = whole.official_validation if name == "official" else PRESET_VALIDATION[name]
    if own is None:
        raise UsageError(f"split: official, but {whole.name} has no validation part of its own", "use split: stratified or last")
    if name == "official" and own in (0, total):
        part = "training" if own else "validation"
        raise UsageError(f"the {part} part of {whole.name} has no row of the classes that are kept")
    if validation == 0:
        return 0
    if validation is not None and rows_of("validation", validation, total) != own:
        told = f"split: {name} of {whole.name} sets {own:,} rows aside"
        raise UsageError(f"validation: {validation}, but {told}", "leave validation out, or use another split")
    return own


def _is_near(size: int, wanted: int) -> bool:
    return abs(size - wanted) <= max(1, _NEAR * wanted) and bool(size) == bool(wanted)


@splits.register
def stratified(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """Drawn at random, each class in its share; regression: drawn from all rows alike. With `test`, equal rows stay in one part.

    Where most rows equal another one, and parts of the sizes asked for cannot be had so, a notice says that rows are split one by one.
    """
    total = len(whole.train_y)
    by_class = whole.task == "classification"
    if not counts[2]:
        chosen = draw(whole.train_y, np.arange(total), counts[1], stream(split_seed, Purpose.SPLIT), by_class)
        return Rows(np.setdiff1d(np.arange(total), chosen, assume_unique=True), chosen, chosen[:0])
    y = whole.train_y if by_class else np.zeros(total, dtype=np.int64)
    groups = equal_rows(whole.train_x)
    parts = together(groups, y[groups], counts, split_seed)
    equal = int((groups != np.arange(total)).sum())
    if 2 * equal <= total or all(_is_near(len(part), wanted) for part, wanted in zip(parts, counts, strict=True)):
        return Rows(*parts)
    told = f"{equal:,} of {total:,} rows equal another one, too many to keep equal rows in one part: rows are split one by one"
    return Rows(*together(np.arange(total), y, counts, split_seed), notices=(told,))


@splits.register
def last(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """The last rows of the training part, in the order of the files; test rows, where they are set aside, come last of all."""
    return Rows(*np.split(np.arange(sum(counts)), np.cumsum(counts[:2])))


@splits.register
def official(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """The validation part that the set's own distribution sets aside; `validation` must agree with it, be left out, or be 0, which
    trains on it too."""
    return last(whole, counts, split_seed)


@splits.register
def group(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """Drawn at random, with all rows of a group in one part. `groups` names the column that has a row's group."""
    if whole.groups is None:
        raise UsageError(f"split: group, but nothing says which rows of {whole.name} belong together", "add groups: COLUMN")
    _, first, inverse = np.unique(whole.groups, return_index=True, return_inverse=True)
    return Rows(*together(first[inverse], np.zeros_like(inverse), counts, split_seed))


@splits.register
def time(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """The earliest rows train, the latest test, those between validate; `order` names the column. Equal times stay together."""
    if whole.order is None:
        raise UsageError(f"split: time, but nothing says in which order the rows of {whole.name} come", "add order: COLUMN")
    ranks = np.argsort(whole.order, kind="stable")
    times = whole.order[ranks]
    cuts = []
    for at in np.cumsum(counts[:2]).tolist():
        if at < len(ranks):
            before, after = (int(np.searchsorted(times, times[at], side)) for side in ("left", "right"))
            at = before if at - before <= after - at else after
        cuts.append(at)
    return Rows(*map(np.sort, np.split(ranks, cuts)))


@splits.register
def vu(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """The last 5,000 of 60,000 rows, as in Deep Learning at VU Amsterdam; `validation: 0` trains on all, for the final run."""
    if len(whole.train_y) != _VU_ROWS:
        told = f"split: vu cuts {_VU_ROWS:,} training rows into 55,000 and 5,000, but there are {len(whole.train_y):,}"
        raise UsageError(told, "use split: last with a validation count of your own")
    return last(whole, counts, split_seed)


@splits.register
def ece421(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """10,000 rows to train, 6,000 to validate, the rest to test, as the starter program of ECE421 (Toronto) shuffles them;
    `validation: 0` trains on both."""
    return _ece421("ece421", whole, 16_000, counts[1])


@splits.register
def ece421_handout(whole: RawSet, counts: Sizes, split_seed: int) -> Rows:
    """As `ece421`, with the 15,000 and 1,000 rows that its handout prints."""
    return _ece421("ece421_handout", whole, 16_000, counts[1])


def _ece421(name: str, whole: RawSet, both: int, count: int) -> Rows:
    """both: rows to train and to validate with, of which `count` validate."""
    rows, train = len(whole.train_y), both - count
    hint = "use split: stratified or last"
    if whole.test_x is not None:
        raise UsageError(f"split: {name} cuts a test part off, but {whole.name} has one of its own", hint)
    if rows <= both:
        told = f"{train:,} rows to train, {count:,} to validate and the rest to test"
        raise UsageError(f"split: {name} takes {told}, but there are only {rows:,}", hint)
    # The program shuffles with NumPy's global generator; one of our own with its seed gives the same order.
    order = np.arange(rows)
    np.random.RandomState(_ECE421_SEED).shuffle(order)
    return Rows(*map(np.sort, np.split(order, [train, both])))


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


def draw(y: Array, rows: Index, count: int, generator: Generator, by_class: bool) -> Index:
    """`count` of the given rows, ascending, drawn without replacement; by_class: each class in its share (largest remainder).

    A class's quota is its share of `count` rounded down; the rows then missing go to the largest remainders, the lower class first.
    """
    order = generator.permutation(rows)
    if not by_class:
        return np.sort(order[:count])
    labels = y[order]
    sizes = np.bincount(labels)
    quota = _shares(sizes, (len(rows) - count, count))[1]
    by_label = np.argsort(labels.astype(np.uint16), kind="stable")
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(rows)) - np.repeat(starts, sizes)
    return np.sort(order[by_label[place < np.repeat(quota, sizes)]])


def equal_rows(x: Array) -> Index:
    """For each row of x (N, D) the number of the first row with the same bytes, (N,) intp."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(row.data, digest_size=16).digest() for row in np.ascontiguousarray(x))
    return np.array([first.setdefault(digest, at) for at, digest in enumerate(digests)], dtype=np.intp)


def together(groups: Index, strata: Counts, counts: tuple[int, ...], split_seed: int) -> list[Index]:
    """One part of each size in `counts`, each stratum in its share, with the rows of a group all in one part; ascending.

    groups: (N,) the number of the first row of a row's group. strata: (N,) from 0, equal within a group. counts: N in all.
    Where groups are so large that the sizes cannot be met, the first part takes what is missing or left.
    """
    generator = stream(split_seed, Purpose.SPLIT)
    wanted = _shares(np.bincount(strata), counts)
    part = np.full(len(groups), -1)
    _place_groups(part, groups, strata, wanted, generator)
    for label in range(wanted.shape[1]):
        rows = generator.permutation(np.flatnonzero((strata == label) & (part < 0)))
        for number in range(len(wanted) - 1, 0, -1):
            count = max(int(wanted[number, label]), 0)
            part[rows[:count]] = number
            rows = rows[count:]
        part[rows] = 0
    return [np.flatnonzero(part == number) for number in range(len(counts))]


def _shares(sizes: Counts, counts: tuple[int, ...]) -> Counts:
    """How many rows of each class each part gets, (parts, K): shares rounded so that parts and classes both add up."""
    wanted = np.zeros((len(counts), len(sizes)), dtype=np.int64)
    left = sizes.astype(np.int64)
    for number in range(len(counts) - 1, 0, -1):
        # Whole numbers throughout, so that no rounding decides between equal remainders.
        share, remainder = np.divmod(left * counts[number], max(left.sum(), 1))
        missing = counts[number] - int(share.sum())
        share[np.argsort(-remainder, kind="stable")[:missing]] += 1
        wanted[number] = share
        left = left - share
    wanted[0] = left
    return wanted


def _place_groups(part: Counts, groups: Index, strata: Counts, wanted: Counts, generator: Generator) -> None:
    """Gives each group of several rows a part at random, by what the parts still want of its stratum, the largest groups first.

    Where none wants so many, the part goes first that has least of what it should have.
    Writes into `part`, and takes what was placed off `wanted`.
    """
    sizes = np.bincount(groups)
    members = np.argsort(groups, kind="stable")
    starts = np.cumsum(sizes) - sizes
    asked = np.maximum(wanted, 1)
    several = generator.permutation(np.flatnonzero(sizes > 1))
    for first in several[np.argsort(-sizes[several], kind="stable")]:
        size, label = int(sizes[first]), strata[first]
        room = np.where(wanted[:, label] >= size, wanted[:, label], 0)
        if room.any():
            number = int(np.searchsorted(np.cumsum(room), generator.integers(room.sum()), side="right"))
        else:
            number = int(np.argmax(wanted[:, label] / asked[:, label]))
        part[members[starts[first] : starts[first] + size]] = number
        wanted[number, label] -= size
