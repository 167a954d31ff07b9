"""A set as a reader hands it on, and the rules by which named arrays make one: which key is what, what rows and labels look like."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mlp_cli.data.dataset import Array
from mlp_cli.errors import DataError

_PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing", "t10k"),
}
_KINDS = {
    "x": ("x", "images", "image", "imgs", "data", "features", "inputs"),
    "y": ("y", "labels", "label", "targets", "target"),
}
_PART_OF = {word: part for part, words in _PARTS.items() for word in words}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
_KEY = re.compile(
    "(?:({parts})[_ .-]?)?({kinds})(?:[_ .-]?({parts}))?".format(parts="|".join(_PART_OF), kinds="|".join(_KIND_OF)),
    re.IGNORECASE,
)
_ROWS = 4096
_MOST_DIMENSIONS = 4
_KEYS_HINT = "save them as x and y (or images and labels), or as x_train, y_train, x_test and y_test"


@dataclass(frozen=True)
class Pieces:
    """What a reader found: all that `dataset.Whole` needs but a name, a task and a hash.

    train_x, test_x: (N, D), C order, uint8, float32 or float64, both of one type. train_y, test_y: (N,) int64 labels as the file has
    them, or float64. test_x and test_y may be None. shape: of one row before it was flattened.
    official_validation: how many of the last training rows the file sets aside for validation, or None.
    classes: their names where the format has names, in the order of the labels 0 … K − 1; else empty.
    notices: what a user should be told about how the set was read.
    """

    train_x: Array
    train_y: Array
    test_x: Array | None
    test_y: Array | None
    shape: tuple[int, ...]
    official_validation: int | None = None
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def part_of(word: str) -> str | None:
    """`train`, `validation` or `test` for a word that means it, such as `t10k` or `val`."""
    return _PART_OF.get(word.lower())


def roles_of(keys: Iterable[str]) -> dict[str, str]:
    """Which key holds what: role (train_x, train_y, validation_x … test_y) → key; keys that mean nothing are left out.

    `images`, `X_train`, `train-labels`, `testImages` and the like are understood. Errors: ValueError where two keys mean the same.
    """
    roles: dict[str, str] = {}
    for key in keys:
        match = _KEY.fullmatch(key)
        if not match or (match[1] and match[3]):
            continue
        part = _PART_OF[(match[1] or match[3] or "train").lower()]
        role = f"{part}_{_KIND_OF[match[2].lower()]}"
        if role in roles:
            raise ValueError(f"{roles[role]} and {key} could both be {role}")
        roles[role] = key
    return roles


def choose(keys: Iterable[str], where: str, chosen: Mapping[str, str] | None = None) -> dict[str, str]:
    """Role → key for a file with these keys; `chosen` has those that the user picked, by role, and then nothing is guessed.

    Errors: DataError that lists the keys that were found, where the training part cannot be told or a pair is not whole.
    """
    keys = list(keys)
    found = f"it has {', '.join(map(_quoted, keys[:10])) or 'none'}{', …' if len(keys) > 10 else ''}"
    if chosen is not None:
        missing = [key for key in chosen.values() if key not in keys]
        if missing:
            raise DataError(f"{where}: has no array {_quoted(missing[0])}; {found}")
        roles = dict(chosen)
    else:
        try:
            roles = roles_of(keys)
        except ValueError as error:
            raise DataError(f"{where}: {error}; {found}", _KEYS_HINT) from error
    for part in _PARTS:
        lacking = [role for role in (f"{part}_x", f"{part}_y") if role not in roles]
        if lacking and (part == "train" or len(lacking) == 1):
            what = "inputs" if lacking[0].endswith("x") else "labels"
            raise DataError(f"{where}: no array can be told to be the {what} of the {part} part; {found}", _KEYS_HINT)
    return roles


def _quoted(key: str) -> str:
    return key if key.isidentifier() and len(key) < 60 else repr(key[:60])


def assemble(arrays: Mapping[str, Array], where: str, notices: tuple[str, ...] = ()) -> Pieces:
    """The set that arrays by role make; a validation part goes to the end of the training rows.

    Errors: DataError where they do not fit each other.
    """
    x, y, shapes = {}, {}, {}
    for part in _PARTS:
        if f"{part}_x" in arrays:
            x[part], shapes[part] = as_rows(arrays[f"{part}_x"], f"{where}: the {part} part's inputs")
            y[part] = as_targets(arrays[f"{part}_y"], f"{where}: the {part} part's labels")
            if len(x[part]) != len(y[part]):
                raise DataError(f"{where}: the {part} part has {len(x[part]):,} rows of inputs, but {len(y[part]):,} labels")
    for part in x:
        if shapes[part] != shapes["train"] or (x[part].dtype == np.uint8) != (x["train"].dtype == np.uint8):
            raise DataError(
                f"{where}: rows are {x[part].dtype} {shapes[part]} in the {part} part, "
                f"{x['train'].dtype} {shapes['train']} in the train part"
            )
    dtype_x, dtype_y = np.result_type(*x.values()), np.result_type(*y.values())
    train = [part for part in ("train", "validation") if part in x]
    return Pieces(
        train_x=_joined([x[part] for part in train]).astype(dtype_x, copy=False),
        train_y=_joined([y[part] for part in train]).astype(dtype_y, copy=False),
        test_x=x["test"].astype(dtype_x, copy=False) if "test" in x else None,
        test_y=y["test"].astype(dtype_y, copy=False) if "test" in y else None,
        shape=shapes["train"],
        official_validation=len(x["validation"]) if "validation" in x else None,
        notices=notices,
    )


def _joined(arrays: list[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def as_rows(array: Array, where: str) -> tuple[Array, tuple[int, ...]]:
    """Inputs of any numeric type as rows (N, D), and the shape of a row before it was flattened.

    Bytes stay uint8. Other whole numbers and truth values become float32 (up to 16 bits) or float64, floats stay float32 or float64.
    Errors: DataError for something else, for values that are not finite, and where there is nothing.
    """
    if not 1 <= array.ndim <= _MOST_DIMENSIONS or not array.size:
        raise DataError(f"{where}: have the shape {array.shape}; rows of 1 to {_MOST_DIMENSIONS - 1} dimensions are read")
    shape = array.shape[1:] or (1,)
    rows = np.ascontiguousarray(array).reshape(len(array), math.prod(shape))
    if rows.dtype.kind not in "buif":
        raise DataError(f"{where}: are of type {rows.dtype}; numbers are read")
    if rows.dtype == np.uint8:
        return rows, shape
    exact = np.float32 if rows.dtype.itemsize <= (4 if rows.dtype.kind == "f" else 2) else np.float64
    rows = rows.astype(exact, copy=False)
    for at in range(0, len(rows), _ROWS):
        finite = np.isfinite(rows[at : at + _ROWS]).all(axis=1)
        if not finite.all():
            raise DataError(f"{where}: row {at + int(np.argmin(finite)):,} (counted from 0) holds values that are not finite")
    return rows, shape


def as_targets(array: Array, where: str) -> Array:
    """Labels or targets (N,): int64 for whole numbers, float64 for others; (N, 1) is flattened, one-hot (N, K) turned into labels.

    Errors: DataError.
    """
    if array.dtype.kind not in "buif":
        raise DataError(f"{where}: are of type {array.dtype}; numbers are read")
    if array.ndim == 2 and array.shape[1] > 1 and array.size and _is_one_hot(array):
        return array.argmax(axis=1).astype(np.int64)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or not array.size:
        raise DataError(f"{where}: have the shape {array.shape}; (rows,) or one-hot (rows, classes) are read")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise DataError(f"{where}: hold values that are not finite")
        return array.astype(np.float64)
    if array.dtype == np.uint64 and array.max() > np.iinfo(np.int64).max:
        raise DataError(f"{where}: hold the value {array.max()}")
    return array.astype(np.int64)


def _is_one_hot(array: Array) -> bool:
    ones = array == 1
    return bool((ones.sum(axis=1) == 1).all() and ((array == 0) | ones).all())
