"""Sets of arrays: .npz, .npy, .mat, IDX and pickles, and the rules by which named arrays make a set.

NumPy makes the arrays once it is checked what a header declares; no pickle in them is run.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.data.dataset import Array, RawSet, Task
from mlp_cli.data.formats import Found, named_files, reads
from mlp_cli.data.safe_pickle import load_pickle
from mlp_cli.data.streams import Limit, Stream, members, open_file, printable, some
from mlp_cli.errors import DataError
from mlp_cli.text import listed

PARTS = ("train", "validation", "test")
_MOST_CLASSES = 1_000
"""So many different labels may stand for classes; more are quantities."""

_PART_OF = {"train": "train", "training": "train", "test": "test", "testing": "test", "t10k": "test"}
_PART_OF |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")
_KIND_OF = dict.fromkeys(("x", "images", "image", "imgs", "data", "features", "inputs"), "x")
_KIND_OF |= dict.fromkeys(("y", "labels", "label", "targets", "target"), "y")
_KEY = re.compile(
    "(?:({parts})[_ .-]?)?({kinds})(?:[_ .-]?({parts}))?".format(parts="|".join(_PART_OF), kinds="|".join(_KIND_OF)),
    re.IGNORECASE,
)
_KEYS_HINT = "save them as x and y (or images and labels), or as x_train, y_train, x_test and y_test"
_MATLAB_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_MATLAB_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_MATLAB_MATRIX, _MATLAB_PACKED, _MATLAB_MOST = 14, 15, 10_000
_IDX = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IDX_NAME = r"((?:train|t10k|test)-(?:images|labels))[-.]idx\d-ubyte"
_NPY_NAME = r"([^.].*)\.npy"
_MOST_DIMENSIONS = 4
_ROWS = 4096
_FEW_ROWS = 3
_FEW_CLASSES = 20
"""So many different numbers may be classes even where most of them are in one row only."""
_QUANTITY = "if it is a quantity, set loss: mse"


def part_of(word: str) -> str | None:
    """`train`, `validation` or `test` for a word that means it, such as `t10k`, or has it in it: `seg_train`, `test2017`."""
    found = {_PART_OF.get(piece.lower()) for piece in re.findall(r"t10k|[A-Z]?[a-z]+|[A-Z]+", word)} - {None}
    return found.pop() if len(found) == 1 else None


def choose(keys: Iterable[str], where: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Role (train_x, train_y, validation_x … test_y) → key, and notices of the keys that are passed over.

    `images`, `X_train`, `train-labels`, `testImages` and the like are understood. Errors: DataError that lists the keys, where two
    mean the same, where the training part cannot be told or a pair is not whole.
    """
    quoted = [key[:60] if key.isidentifier() else repr(key[:60]) for key in keys]
    told = f"it has {listed(quoted, 10) or 'none'}"
    roles: dict[str, str] = {}
    for key in keys:
        match = _KEY.fullmatch(key)
        if not match or (match[1] and match[3]):
            continue
        role = f"{_PART_OF[(match[1] or match[3] or 'train').lower()]}_{_KIND_OF[match[2].lower()]}"
        if role in roles:
            raise DataError(f"{where}: {roles[role]} and {key} could both be {role}; {told}", _KEYS_HINT)
        roles[role] = key
    unused = [key for key in keys if key not in roles.values()]
    notices = [f"arrays whose names tell no role are passed over: {some(unused)}"] if unused else []
    for part in PARTS:
        inputs, labels = f"{part}_x" in roles, f"{part}_y" in roles
        if part == "test" and inputs and not labels:
            notices.append(f"{roles.pop('test_x')} has no labels (no y_test is there) and is passed over")
        elif inputs != labels or (part == "train" and not inputs):
            what = "labels" if inputs else "inputs"
            raise DataError(f"{where}: no array can be told to be the {what} of the {part} part; {told}", _KEYS_HINT)
    return roles, tuple(notices)


def assemble(found: Found, where: str, task: Task | None = None) -> RawSet:
    """The set that a reader found, as rows and targets; a validation part goes to the end of the training rows.

    Bytes stay uint8. Other whole numbers and truth values become float32 (up to 16 bits) or float64, floats stay float32 or float64.
    Labels become int64 where they are whole numbers, else float64; one-hot ones become numbers, unless `task` is multi_label. Columns
    of labels, any number of which a row may have, stay (N, K), as uint8; they are called by `found.labels`, else label_0, label_1, …
    Errors: DataError where arrays are no rows of numbers, or do not fit each other.
    """
    x, y, shapes = {}, {}, {}
    labels = _are_labels([array for role, array in found.arrays.items() if role.endswith("_y")], task)
    for part in (part for part in PARTS if f"{part}_x" in found.arrays):
        x[part] = _rows(*_numbers(found.arrays[f"{part}_x"], _MOST_DIMENSIONS, f"{where}: the {part} part's inputs"))
        y[part] = _targets(*_numbers(found.arrays[f"{part}_y"], 2, f"{where}: the {part} part's labels"), labels)
        shapes[part] = found.arrays[f"{part}_x"].shape[1:] or (1,)
        if len(x[part]) != len(y[part]):
            raise DataError(f"{where}: the {part} part has {len(x[part]):,} rows of inputs, but {len(y[part]):,} labels")
        if shapes[part] != shapes["train"] or (x[part].dtype == np.uint8) != (x["train"].dtype == np.uint8):
            mine, other = (f"{x[one].dtype} {shapes[one]} in the {one} part" for one in (part, "train"))
            raise DataError(f"{where}: rows are {mine}, {other}")
        if y[part].shape[1:] != y["train"].shape[1:]:
            mine, other = (f"{y[one].shape[1]} columns of labels in the {one} part" for one in (part, "train"))
            raise DataError(f"{where}: there are {mine}, {other}")
    for arrays in (x, y):
        dtype = np.result_type(*arrays.values())
        arrays.update({part: array.astype(dtype, copy=False) for part, array in arrays.items()})
    if validation := len(y.get("validation", ())):
        x["train"], y["train"] = (np.concatenate((one["train"], one["validation"])) for one in (x, y))
    return RawSet(
        train_x=x["train"],
        train_y=y["train"],
        test_x=x.get("test"),
        test_y=y.get("test"),
        shape=shapes["train"],
        task="multi_label" if labels else "classification",
        classes=_label_names(found.labels, y["train"].shape[1], where) if labels else found.classes,
        official_validation=validation or None,
        columns=_column_names(found.columns, shapes["train"], where),
        notices=(*found.notices, "the array classes is passed over") if found.labels and not labels else found.notices,
    )


def _numbers(array: Array, most: int, where: str) -> tuple[Array, str]:
    """The array and `where`, as they came. Errors: DataError for no numbers, and for more than `most` dimensions."""
    if not 1 <= array.ndim <= most or not array.size or array.dtype.kind not in "buif":
        told = f"numbers in 1 to {most} dimensions are read"
        raise DataError(f"{where}: are {array.dtype} of the shape {array.shape}; {told}")
    return array, where


def _rows(array: Array, where: str) -> Array:
    rows = np.ascontiguousarray(array).reshape(len(array), -1)
    if rows.dtype == np.uint8:
        return rows
    exact = np.float32 if rows.dtype.itemsize <= (4 if rows.dtype.kind == "f" else 2) else np.float64
    rows = rows.astype(exact, copy=False)
    for at in range(0, len(rows), _ROWS):
        finite = np.isfinite(rows[at : at + _ROWS]).all(axis=1)
        if not finite.all():
            raise DataError(f"{where}: row {at + int(np.argmin(finite)):,} (counted from 0) holds values that are not finite")
    return rows


def _are_labels(targets: Sequence[Array], task: Task | None) -> bool:
    """Whether columns are labels, any number of which a row may have: where that is asked for, or a row has not exactly one."""
    several = all(array.ndim == 2 and array.shape[1] > 1 and array.dtype.kind in "buif" for array in targets)
    return several and (task == "multi_label" or any((array.sum(axis=1) != 1).any() for array in targets))


def _label_names(names: Sequence[str], count: int, where: str) -> tuple[str, ...]:
    """Errors: DataError where names are no names of so many labels."""
    if names and (len(names) != count or len(set(names)) < count or not all(names)):
        raise DataError(
            f"{where}: classes has {listed(names, 10)}, and the labels have {count} columns, each with a name of its own"
        )
    return tuple(names) or tuple(f"label_{column}" for column in range(count))


def _column_names(names: Sequence[str], shape: Sequence[int], where: str) -> Array | None:
    """(D,) texts. Errors: DataError where names are no names of the columns of such rows."""
    if names and ((len(names),) != tuple(shape) or len(set(names)) < len(names) or not all(names)):
        wanted = " x ".join(map(str, shape))
        raise DataError(f"{where}: columns has {listed(names, 10)}, and a row {wanted} values, each with a name of its own")
    return np.array(names) if names else None


def _targets(array: Array, where: str, labels: bool = False) -> Array:
    if not np.isfinite(array).all() or (array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max):
        raise DataError(f"{where}: hold values that are not finite, or too large")
    if array.ndim == 2 and array.shape[1] > 1:
        wrong = (array != 0) & (array != 1)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            told = f"{array[row, column]:g} in row {row:,}, column {column} (counted from 0)"
            hint = f"several quantities at once are not supported: save one column as y, of shape ({len(array)},), for each run"
            raise DataError(f"{where}: hold {told}; columns are read of 0 and 1, one for each class or label", hint)
        if labels:
            return array.astype(np.uint8)
        if not (array.sum(axis=1) == 1).all():
            raise DataError(f"{where}: have the shape {array.shape} and are not one-hot, with a single 1 in each row")
        return array.argmax(axis=1)
    return array.reshape(-1).astype(np.float64 if array.dtype.kind == "f" else np.int64)


def with_classes(raw: RawSet, task: Task | None, where: str) -> RawSet:
    """The set with its labels as class numbers 0 … K − 1 in their order, or as quantities.

    Whole numbers are classes, whatever type they are stored in, unless `task` is regression; others are quantities.
    Errors: DataError for too many classes, for a single one, and for labels that the training part lacks.
    """
    cut = len(raw.train_y) - (raw.official_validation or 0)
    parts = {"training": raw.train_y[:cut], "validation": raw.train_y[cut:], "test": raw.test_y}
    labels = {part: np.unique(y) for part, y in parts.items() if y is not None}
    if task == "regression" or not all((values == np.round(values)).all() for values in labels.values()):
        test_y = None if raw.test_y is None else raw.test_y.astype(np.float64)
        return replace(raw, task="regression", classes=(), train_y=raw.train_y.astype(np.float64), test_y=test_y)
    known, counts = np.unique(raw.train_y[:cut], return_counts=True)
    for part, values in labels.items():
        if not np.isin(values, known).all():
            both = f"{_listed(values)} in the {part} part, {_listed(known)} in the training part"
            hint = f"number the classes alike in both; {_QUANTITY}"
            raise DataError(f"{where}: the {part} part has labels that the training part lacks: {both}", hint)
    names = tuple(f"{int(value)}" for value in known)
    return replace(
        raw,
        classes=names,
        train_y=np.searchsorted(known, raw.train_y),
        test_y=None if raw.test_y is None else np.searchsorted(known, raw.test_y),
        notices=(*raw.notices, *check_classes(f"{where}: the target", names, counts)),
    )


def check_classes(what: str, names: Sequence[str], counts: Array, numbers: bool = True) -> tuple[str, ...]:
    """Notices of a target with these classes, of which there are `counts` rows. numbers: it may be a quantity just as well.

    Numbers of which most occur once are a quantity, and refused, unless they are few or count without gaps, as numbered classes do.
    Errors: DataError for too many classes, for a single one, and for a quantity.
    """
    gaps = numbers and int(names[-1]) - int(names[0]) >= len(names)
    if gaps and _FEW_CLASSES < len(names) < 2 * int((counts == 1).sum()):
        told = f"{what} has {len(names):,} different numbers in {int(counts.sum()):,} rows, most of them once"
        raise DataError(told, "write loss: mse for a quantity")
    if len(names) > _MOST_CLASSES:
        raise DataError(f"{what} has {len(names):,} different values; at most {_MOST_CLASSES:,} are classes", _QUANTITY)
    if len(names) < 2:
        raise DataError(f"{what} has one class only, {printable(names[0])!r}: there is nothing to tell apart")
    few = int((counts < _FEW_ROWS).sum())
    told = f"{what}: {few:,} of its {len(names):,} classes have fewer than {_FEW_ROWS} rows; {_QUANTITY}"
    return (told,) if numbers and 2 * few > len(names) else ()


def _listed(values: Array) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:20])
    return shown + (f", … {values[-1]:g}" if len(values) > 20 else "")


@reads(
    *("npy", "a folder of .npy files, or one .npy with labels: FILE.npy", ".npy"),
    files=lambda path: list(named_files(path, _NPY_NAME).values()),
)
def read_npy_folder(path: Path) -> Found:
    """The set in a folder of .npy files that are named as the arrays of a .npz file would be. Errors: DataError."""
    if not path.is_dir():
        hint = "add labels: FILE.npy, or give a folder with x.npy and y.npy"
        raise DataError(f"{path}: a .npy file holds one array, and the labels are missing", hint)
    return _read_named(path, _NPY_NAME, read_npy)


@reads("idx", "a folder of IDX files", files=lambda path: list(named_files(path, IDX_NAME).values()))
def read_idx_folder(path: Path) -> Found:
    """The set in a folder of IDX files named as those of MNIST are. Errors: DataError."""
    if len(files := named_files(path, IDX_NAME)) % 2:
        needed = "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte"
        raise DataError(f"{path}: a file is missing; it has {', '.join(files)}", f"needed are {needed}; .gz and .xz will do")
    return _read_named(path, IDX_NAME, read_idx)


def _read_named(folder: Path, pattern: str, read: Callable[[Path], Array]) -> Found:
    """The set in the files of a folder whose names tell their roles."""
    files = named_files(folder, pattern)
    roles, notices = choose(files, str(folder))
    return Found({role: read(files[key]) for role, key in roles.items()}, notices=notices)


def read_npy(path: Path) -> Array:
    """The array in a .npy file (also .gz and .xz): C order, native byte order, of the file's own type and shape. Errors: DataError."""
    with open_file(path) as stream:
        return _parse_npy(stream)


def _parse_npy(stream: Stream) -> Array:
    try:
        with warnings.catch_warnings():
            # NumPy warns of long integers of Python 2, Python of odd literals.
            warnings.simplefilter("ignore")
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except DataError:
        raise
    # A damaged header makes the library raise whatever it likes, MemoryError and RecursionError among it.
    except Exception as error:
        if "allow_pickle" in str(error):
            raise stream.error("holds Python objects, which can run code when read", "save it as an array of numbers") from error
        reason = printable(str(error).lower() or type(error).__name__)
        raise stream.error(f"not a usable .npy file ({reason})") from error
    stream.check_end()
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)


@reads("npz", ".npz", ".npz")
def read_npz(path: Path) -> Found:
    """The set in a .npz file; arrays whose key means nothing are left unread, `classes` names labels, texts in `columns` inputs.

    Errors: DataError.
    """
    # Another file in the archive is no array, and no key either.
    keys = [member.member.removesuffix(".npy") for member in members(path) if member.member.endswith(".npy")]
    roles, notices = choose(keys, str(path))
    role_of = {f"{key}.npy": role for role, key in roles.items()}
    arrays = {role_of[member.member]: _parse_npy(member) for member in members(path) if member.member in role_of}
    names = dict[str, tuple[str, ...]]()
    for member in members(path):
        key = {"columns.npy": "columns", "classes.npy": "classes"}.get(member.member)
        if key is None or (key == "classes" and arrays["train_y"].ndim != 2):
            continue
        array = _parse_npy(member)
        if key == "classes" or array.dtype.kind in "SU":
            texts = (text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in array.flat)
            names[key] = tuple(map(printable, texts))
    notices = choose([key for key in keys if key not in names], str(path))[1]
    return Found(arrays, notices=notices, labels=names.get("classes", ()), columns=names.get("columns", ()))


def read_array(path: Path) -> tuple[Array, tuple[str, ...]]:
    """The rows to predict in a .npy, .npz or IDX file, bytes or floats, and notices.

    Of a .npz file that array is taken which is the only one, or whose key means inputs; of several those of the test part.
    Errors: DataError for other files, where no array can be told to be it, and for values that are not finite.
    """
    name = re.sub(r"\.(gz|xz)$", "", path.name.lower())
    notices: tuple[str, ...] = ()
    if name.endswith(".npz"):
        keys = [member.member.removesuffix(".npy") for member in members(path) if member.member.endswith(".npy")]
        inputs = {key: match for key in keys if (match := _KEY.fullmatch(key)) and _KIND_OF[match[2].lower()] == "x"}
        tests = [key for key, match in inputs.items() if _PART_OF.get((match[1] or match[3] or "").lower()) == "test"]
        chosen = next((each for each in (keys, [*inputs], tests) if len(each) == 1), None)
        if chosen is None:
            raise DataError(f"{path}: which of its arrays holds the rows? it has {listed(keys, 10) or 'none'}", "call it x")
        others = [key for key in keys if key not in chosen]
        notices = (f"{path}: {chosen[0]} is predicted, and not {some(others)}",) if others else ()
        array = next(_parse_npy(member) for member in members(path) if member.member == f"{chosen[0]}.npy")
    elif name.endswith(".npy"):
        array = read_npy(path)
    elif re.search(r"[-.]idx\d-ubyte$|\.idx$", name):
        array = read_idx(path)
    else:
        read = "a table (.csv, .tsv, .parquet), .npz, .npy, an IDX file, a picture, a folder of pictures"
        raise DataError(f"{path}: not a format that is known by its name", f"read are: {read}")
    return _rows(*_numbers(array, _MOST_DIMENSIONS, f"{path}: its rows")).reshape(array.shape), notices


@reads("mat", ".mat (MATLAB)", ".mat")
def read_mat(path: Path) -> Found:
    """The set in a MATLAB file of version 5 to 7, with variables named as the arrays of a .npz file would be.

    Where samples are columns, or the last axis, as in several sets made with MATLAB, they are turned to rows, and a notice says so.
    SciPy does not read it: it takes an unknown code of a type for an address, and the process crashes.
    Errors: DataError, also for version 7.3, which is HDF5.
    """
    with open_file(path) as stream:
        head = stream.read(128)
        order = {b"IM": "<", b"MI": ">"}.get(bytes(head[126:]))
        if order is None or head.startswith(b"MATLAB 7.3"):
            raise stream.error("a MATLAB file of version 5 to 7 is expected, not 7.3 or another", "save it with the option -v7")
        try:
            variables = dict(_matlab_variables(memoryview(stream.read()), order, stream.limit, _MATLAB_MOST))
            roles, notices = choose(variables, str(path))
            arrays = {role: _matlab_array(order, *variables[key]) for role, key in roles.items()}
        except (ValueError, LookupError, RecursionError, struct.error, zlib.error) as error:
            raise stream.error(f"not a usable MATLAB file ({printable(str(error).lower())})") from error
    for part in (part for part in PARTS if f"{part}_x" in arrays):
        x, y = arrays[f"{part}_x"], arrays[f"{part}_y"]
        if y.ndim == 2 and len(y) != len(x) and y.shape[1] in (len(x), x.shape[-1]):
            y = y.T
        if len(x) != len(y) == x.shape[-1]:
            notices += (f"the samples of {roles[f'{part}_x']} {x.shape} are its last axis; they are taken as rows",)
            x = np.moveaxis(x, -1, 0)
        arrays |= {f"{part}_x": x, f"{part}_y": y}
    return Found(_as_images(arrays), notices=notices)


def _matlab_elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Code and content of the elements in a row. Source: MathWorks, MAT-File Format, level 5."""
    at = 0
    while at < len(content):
        code, size = struct.unpack_from(f"{order}II", content, at)
        # A small element has its size in front of its code, and its content in the place of the size.
        start, size = (at + 4, code >> 16) if code >> 16 else (at + 8, size)
        if start + size > len(content):
            raise ValueError(f"truncated: {size:,} bytes are declared")
        yield code & 0xFFFF, content[start : start + size]
        at = at + 8 if code >> 16 else start + size + (-size % 8 if code != _MATLAB_PACKED else 0)


def _matlab_variables(content: memoryview, order: str, limit: Limit, most: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Name, and what `_matlab_array` needs, of the variables that are real numbers; others are passed over. most: of them all."""
    for number, (code, element) in enumerate(_matlab_elements(content, order)):
        if number == most or code not in (_MATLAB_MATRIX, _MATLAB_PACKED):
            raise ValueError(f"more than {most:,} variables" if number == most else f"an element of type {code}")
        if code == _MATLAB_PACKED:
            unpacked = zlib.decompressobj().decompress(element, limit.most - limit.used + 1)
            limit.take(len(unpacked))
            yield from _matlab_variables(memoryview(unpacked), order, limit, 1)
        else:
            (_, flags), (_, sizes), (_, name), *data = islice(_matlab_elements(element, order), 4)
            (flag,) = struct.unpack_from(f"{order}I", flags)
            if flag & 0xFF in _MATLAB_CLASSES and not flag & 0x800 and data:
                shape = np.frombuffer(sizes, f"{order}i4").tolist()
                yield bytes(name).decode("latin1"), (_MATLAB_CLASSES[flag & 0xFF], shape, *data[0])


def _matlab_array(order: str, dtype: str, shape: list[int], code: int, values: memoryview) -> Array:
    """The array of a class; its values may be stored as a smaller type."""
    if code not in _MATLAB_TYPES:
        raise ValueError(f"values of type {code}")
    return np.frombuffer(values, order + _MATLAB_TYPES[code]).astype(dtype).reshape(shape, order="F")


def _as_images(arrays: dict[str, Array]) -> dict[str, Array]:
    """Rows of 784 values as 28 x 28 pictures, since files of MNIST in these formats keep them so."""
    return {
        role: array.reshape(-1, 28, 28) if role.endswith("_x") and array.shape[1:] == (784,) else array
        for role, array in arrays.items()
    }


def _as_bytes(array: Array) -> Array:
    """The bytes of rows of floats that all are a byte / 256; any other array as it is."""
    if array.dtype.kind != "f" or array.ndim < 2:
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
    return content


@reads("pickle", "pickles of arrays such as mnist.pkl.gz", ".pkl", ".pickle")
def read_pickle(path: Path) -> Found:
    """The set in a pickle, which is read without running anything in it (see `safe_pickle`).

    Two layouts: two or three pairs (inputs, labels), which are training, perhaps validation, and test; or a dict of arrays whose keys
    tell the same (`training_images`, `x_train` …).
    Inputs that all are floats of a byte / 256, as in `mnist.pkl.gz`, become those bytes: a quarter of the memory, and the very array
    that the IDX files give; the scale `256` makes the file's own values out of them, exactly. A notice says so.
    Errors: DataError.
    """
    with open_file(path) as stream:
        value = load_pickle(stream)
    notices: tuple[str, ...] = ()
    if isinstance(value, dict):
        roles, notices = choose([key for key, item in value.items() if _is_array(item)], str(path))
        items = {role: value[key] for role, key in roles.items()}
    else:
        items = _pairs(value, path)
    arrays = {role: np.asarray(item) for role, item in items.items()}
    as_bytes = {role: _as_bytes(array) for role, array in arrays.items() if role.endswith("_x")}
    if all(array is not arrays[role] for role, array in as_bytes.items()):
        arrays |= as_bytes
        told = "its values are a byte / 256 and are kept as bytes"
        notices += (f"{told}; `scale: 256` gives the file's own values, `scale: unit` divides by 255",)
    return Found(_as_images(arrays), notices=notices)


def _pairs(value: object, path: Path) -> dict[str, object]:
    """The arrays of two or three pairs by role."""
    pairs = value if isinstance(value, tuple | list) else ()
    parts = {2: ("train", "test"), 3: PARTS}.get(len(pairs))
    if parts is None or not all(isinstance(pair, tuple | list) and [*map(_is_array, pair)] == [True, True] for pair in pairs):
        hint = "read are two or three pairs (inputs, labels) for training, validation and test, and a dict of arrays by name"
        raise DataError(f"{path}: its pickle holds a {type(value).__name__} that is no set", hint)
    named = [(f"{part}_x", f"{part}_y") for part in parts]
    return {role: item for roles, pair in zip(named, pairs, strict=True) for role, item in zip(roles, pair, strict=True)}


def _is_array(item: object) -> bool:
    """Whether it is an array, or a list of numbers, which is as good."""
    numbers = isinstance(item, list) and bool(item) and all(type(number) in (int, float, bool) for number in item)
    return numbers or isinstance(item, np.ndarray)


def read_idx(path: Path) -> Array:
    """The array in an IDX file (plain, .gz or .xz): native byte order, of the file's own type and shape. Errors: DataError."""
    with open_file(path) as stream:
        return parse_idx(stream.read(), str(path))


def parse_idx(content: bytes | Array, where: str) -> Array:
    """The array in the bytes of an IDX file: two zero bytes, a code of the type, the number of sizes, the sizes (32 bits), the values.

    All is big-endian; bytes come as a view. Errors: DataError that starts with `where`.
    """
    raw = np.frombuffer(content, np.uint8)
    start = raw[:4].tolist()
    if len(start) < 4 or start[:2] != [0, 0] or start[2] not in _IDX or not 1 <= start[3] <= _MOST_DIMENSIONS:
        told = f"starts with bytes {bytes(start).hex(' ')}"
        raise DataError(f"{where}: not an IDX file of 1 to {_MOST_DIMENSIONS} dimensions; {told}")
    sizes, values = raw[4 : 4 + 4 * start[3]].tobytes(), raw[4 + 4 * start[3] :]
    shape = tuple(int.from_bytes(sizes[at : at + 4], "big") for at in range(0, 4 * start[3], 4))
    dtype = np.dtype(_IDX[start[2]])
    size = math.prod(shape) * dtype.itemsize
    if not size or size != len(values):
        told = " x ".join(map(str, shape))
        raise DataError(f"{where}: its header declares {told} values = {size:,} bytes, {len(values):,} follow")
    return values.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def idx_header(array: Array) -> bytes:
    """The header with which an array's bytes (big-endian, C order) make an IDX file. Errors: KeyError for a type that IDX lacks."""
    codes = {np.dtype(name): code for code, name in _IDX.items()}
    return bytes([0, 0, codes[array.dtype.newbyteorder(">")], array.ndim]) + np.array(array.shape, ">u4").tobytes()
