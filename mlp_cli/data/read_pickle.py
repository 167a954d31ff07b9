"""Sets in a pickle: the `mnist.pkl.gz` of the Theano tutorials, and dicts of arrays such as the `mnist.pkl` of several courses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlp_cli.data.content import Content
from mlp_cli.data.dataset import Array
from mlp_cli.data.pieces import Pieces, assemble, choose
from mlp_cli.data.safe_pickle import load_pickle
from mlp_cli.errors import DataError

_ROWS = 2048
_IMAGE = (28, 28)
_PARTS = {2: ("train", "test"), 3: ("train", "validation", "test")}
_LAYOUTS = "read are two or three pairs (inputs, labels) for training, validation and test, and a dict of arrays by name"


@dataclass(frozen=True)
class _Bytes:
    """What is left of an array of floats all of which are a byte / 256: the bytes. The floats can be had back exactly."""

    content: Array
    dtype: np.dtype

    def restored(self) -> Array:
        floats: Array = self.content.astype(self.dtype)
        floats /= 256
        return floats


def read_pickle(path: Path, names: Mapping[str, str] | None = None) -> Pieces:
    """The set in a pickle (also .gz and .xz), which is read without running anything in it (see `safe_pickle`).

    Two layouts: two or three pairs (inputs, labels), which are training, perhaps validation, and test; or a dict of arrays whose keys
    tell the same (`training_images`, `x_train` …). names: role → key of the dict, where the keys alone do not tell.
    Inputs that all are floats of a byte / 256, as in `mnist.pkl.gz`, become those bytes: a quarter of the memory, and the very array
    that the IDX files give; the scale `256` makes the file's own values out of them, exactly. A notice says so.
    Errors: DataError with the path and the reason.
    """
    with Content(path) as content:
        value = load_pickle(content, _shrunk)
    if isinstance(value, dict):
        found = {key: item for key, item in value.items() if _array(item) is not None}
        arrays = {role: found[key] for role, key in choose(found, str(path), names).items()}
    else:
        arrays = _pairs(value, path)
    del value
    return _as_pieces(arrays, path)


def _pairs(value: object, path: Path) -> dict[str, object]:
    parts = _PARTS.get(len(value)) if isinstance(value, tuple | list) else None
    if parts is None or not isinstance(value, tuple | list):
        raise DataError(f"{path}: its pickle holds {_told(value)}", _LAYOUTS)
    arrays: dict[str, object] = {}
    for part, pair in zip(parts, value, strict=True):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or any(_array(item) is None for item in pair):
            raise DataError(f"{path}: its pickle has {_told(pair)} where the pair of the {part} part should be", _LAYOUTS)
        arrays |= {f"{part}_x": pair[0], f"{part}_y": pair[1]}
    return arrays


def _told(value: object) -> str:
    name = type(value).__name__
    return f"a {name} of {len(value)}" if isinstance(value, tuple | list | dict) else f"a single {name}"


def _array(item: object) -> object | None:
    """An array, or a list that is one, or None."""
    if isinstance(item, np.ndarray | _Bytes):
        return item
    numbers = isinstance(item, list) and bool(item) and all(type(number) in (int, float, bool) for number in item)
    return item if numbers else None


def _as_pieces(arrays: dict[str, object], path: Path) -> Pieces:
    shrunk = {role for role, item in arrays.items() if isinstance(item, _Bytes) and role.endswith("_x")}
    all_shrunk = shrunk == {role for role in arrays if role.endswith("_x")}
    plain: dict[str, Array] = {}
    for role in list(arrays):
        item = arrays.pop(role)
        if isinstance(item, _Bytes):
            item = item.content if all_shrunk and role in shrunk else item.restored()
        try:
            plain[role] = np.asarray(item)
        except OverflowError as error:
            raise DataError(f"{path}: a list in its pickle has a number that is too large") from error
    notice = "its values are a byte / 256 and are kept as bytes; `scale: 256` gives the file's own values, `scale: unit` divides by 255"
    pieces = assemble(plain, str(path), (notice,) if all_shrunk else ())
    # Both layouts are known for MNIST, whose images they keep as rows.
    return replace(pieces, shape=_IMAGE) if pieces.shape == (_IMAGE[0] * _IMAGE[1],) else pieces


def _shrunk(array: Array) -> object:
    """The array, or `_Bytes` for rows of floats that all are a byte / 256."""
    if array.dtype.kind != "f" or array.ndim < 2 or not array.size:
        return array
    content = np.empty(array.shape, dtype=np.uint8)
    for at in range(0, len(array), _ROWS):
        rows = array[at : at + _ROWS]
        # NaN fails this comparison too. A power of two scales exactly.
        if not ((rows >= 0) & (rows < 1)).all():
            return array
        scaled = rows * rows.dtype.type(256)
        np.copyto(content[at : at + _ROWS], scaled, casting="unsafe")
        if not np.array_equal(content[at : at + _ROWS], scaled):
            return array
    return _Bytes(content, array.dtype)
