"""A set of the user's own, given by path: which format it has, and the whole set out of it, from the cache where that has it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from mlp_cli.data import cache, local, read_table
from mlp_cli.data.content import Content, foreign
from mlp_cli.data.dataset import Array, Task, Whole, arrays_sha256
from mlp_cli.data.pictures import SUFFIXES
from mlp_cli.data.pieces import Pieces, assemble
from mlp_cli.data.read_cifar import ARCHIVES, find_batches, read_cifar
from mlp_cli.data.read_idx import find_idx
from mlp_cli.data.read_images import read_images
from mlp_cli.data.read_npy import npy_files, read_npy, read_npy_set
from mlp_cli.data.read_pickle import read_pickle
from mlp_cli.data.read_tar import is_tar_name, tar_members
from mlp_cli.errors import DataError, RunError, cause_of

ACCEPTED = (
    "read are: tables (.csv, .tsv, .tab, .parquet); .npz; a folder of .npy files, or one .npy with labels: FILE.npy; pickles of arrays "
    "such as mnist.pkl.gz; a folder of IDX files; CIFAR-10 as a folder or archive; a folder, .zip or .tar(.gz) with one folder of "
    "pictures a class"
)
MOST_CLASSES = 1_000
"""So many different labels arrays may hold; more are quantities."""
FEW_CLASSES = 100
"""Whole numbers stored as floats are class numbers where there are at most so many different ones."""

_BATCH = re.compile(r"(?:data_batch_[1-5]|test_batch)(?:\.bin|\.png)?")
_PEEKED = 40
_STAMPED = 64


@dataclass(frozen=True)
class Own:
    """What a config says of a set given by path, besides the path.

    labels: the .npy file that belongs to a .npy file of inputs. test_path, validation_path: rows to test and to validate with.
    target, drop, categorical, missing (error or mean): for tables, see `read_table` and `fit_encoding`.
    """

    labels: str | None = None
    test_path: str | None = None
    validation_path: str | None = None
    target: str | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    missing: str = "error"


def is_table(path: str | Path) -> bool:
    """Whether a path is that of a table, by its name."""
    name = str(path).lower()
    packed = name.removesuffix(".gz").removesuffix(".xz")
    return (name if name.endswith(".parquet") else packed).endswith(read_table.SUFFIXES)


def resolved(path: str | Path) -> Path:
    """The absolute path, links followed. Errors: DataError where there is nothing, or no access."""
    try:
        found = Path(os.path.expanduser(path)).resolve()
        found.stat()
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{str(path)!r}: not a usable path ({error})") from error
    except OSError as error:
        reason = "no such file or folder" if isinstance(error, FileNotFoundError) else cause_of(error)
        raise DataError(f"{path}: {reason}") from error
    return found


def kind_of(path: Path) -> str:
    """The format of what lies at a resolved path: a key of `_READERS`, `npy` or `table`. Errors: DataError that lists the formats."""
    if path.is_dir():
        return _kind_of_folder(path)
    name = path.name.lower()
    if is_table(path):
        return "table"
    plain = name.removesuffix(".gz").removesuffix(".xz")
    for kind, suffixes in (("npz", (".npz",)), ("npy", (".npy",)), ("pickle", (".pkl", ".pickle"))):
        if (name if kind == "npz" else plain).endswith(suffixes):
            return kind
    if is_tar_name(path):
        return "cifar10" if _is_cifar_archive(path) else "images"
    if name.endswith(".zip"):
        return "images"
    with Content(path) as content:
        reason = foreign(content.read(512))
    raise DataError(f"{path}: {reason or 'not a format that is known by its name'}", ACCEPTED)


def _kind_of_folder(path: Path) -> str:
    try:
        if find_idx(path):
            return "idx"
        if npy_files(path):
            return "npy folder"
        names = sorted(entry.name for entry in os.scandir(path) if not entry.name.startswith("."))
        folders = [name for name in names if (path / name).is_dir()]
    except OSError as error:
        raise DataError(f"{path}: {cause_of(error)}") from error
    try:
        find_batches(path)
        return "cifar10"
    except DataError:
        pass
    if folders:
        return "images"
    for name in names:
        try:
            kind_of(path / name)
        except DataError:
            continue
        raise DataError(f"{path}: a folder without images or arrays; give the file itself: path: {path / name}", ACCEPTED)
    raise DataError(f"{path}: a folder that holds no data that can be read", ACCEPTED)


def _is_cifar_archive(path: Path) -> bool:
    if path.name in ARCHIVES:
        return True
    with closing(tar_members(path)) as members:
        return any(_BATCH.fullmatch(member.name.rsplit("/", 1)[-1]) for member in islice(members, _PEEKED))


def _read_idx(path: Path) -> Pieces:
    whole = local.read(path, local.files_of(path))
    return Pieces(whole.train_x, whole.train_y, whole.test_x, whole.test_y, whole.shape, classes=whole.classes)


_READERS: Mapping[str, Callable[[Path], Pieces]] = {
    "idx": _read_idx,
    "npz": read_npy_set,
    "npy folder": read_npy_set,
    "pickle": read_pickle,
    "cifar10": read_cifar,
    "images": read_images,
}


def load_own(path: str | Path, own: Own, task: Task | None) -> tuple[Whole, RunError | None]:
    """The whole set, which is no table, and why the cache could not be written, if so.

    task: regression where the config's loss asks for it; else labels decide. A validation part of its own path comes last in the
    training rows, and `official_validation` counts it. Errors: DataError, UsageError.
    """
    main = resolved(path)
    kind = kind_of(main)
    others = {name: resolved(given) for name in ("labels", "test_path", "validation_path") if (given := getattr(own, name))}
    files = {"path": main} | others
    told = [task or "", *others]

    def origin() -> list[str]:
        return [*local.origin(main, {}), kind, *told, *(line for one in files.values() for line in _stamps(one))]

    before = origin()

    def make() -> Whole:
        pieces = _read(main, kind, others.get("labels"))
        for role in ("test", "validation"):
            if f"{role}_path" in others:
                pieces = _joined(pieces, _read(others[f"{role}_path"], kind_of(others[f"{role}_path"]), None), role, str(main))
        whole = _whole(pieces, main, task)
        if origin() != before:
            raise DataError(
                f"{main}: its files changed while they were read", "run the same command again once they are complete"
            )
        return whole

    digest = hashlib.blake2b(repr((told, list(map(str, others.values())))).encode("utf-8", "surrogateescape"), digest_size=4)
    key = local.cache_key(main) + (f"-{digest.hexdigest()}" if any(told) else "")
    return cache.cached(key, before, make)


def _read(path: Path, kind: str, labels: Path | None) -> Pieces:
    if kind == "table":
        raise DataError(f"{path}: a table, where arrays or images are expected", "give both parts in the same format")
    if kind != "npy":
        if labels is not None:
            raise DataError(f"labels: goes with a single .npy file of inputs, and {path} has labels of its own", "remove labels")
        return _READERS[kind](path)
    if labels is None:
        raise DataError(
            f"{path}: a .npy file holds one array, and the labels are missing",
            "add labels: FILE.npy, or give a folder with x.npy and y.npy",
        )
    return assemble({"train_x": read_npy(path), "train_y": read_npy(labels)}, str(path))


def _stamps(path: Path) -> list[str]:
    """What tells one state of a set's files from another: names, sizes and times, as a digest where they are many."""
    if not path.is_dir():
        return local.origin(path, {"file": path})[1:]
    kind = kind_of(path)
    files: Iterable[Path]
    if kind == "images":
        files = [Path(top) / name for top, _, names in os.walk(path) for name in names if name.lower().endswith(SUFFIXES)]
    elif kind == "idx":
        files = local.files_of(path).values()
    elif kind == "npy folder":
        files = npy_files(path).values()
    else:
        found = find_batches(path)
        files = [found] if isinstance(found, Path) else [file for file, _ in found]
    lines = local.origin(path, {os.path.relpath(file, path): file for file in files if file.exists()})[1:]
    if len(lines) <= _STAMPED:
        return lines
    return [hashlib.blake2b("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()]


def _joined(pieces: Pieces, more: Pieces, role: str, where: str) -> Pieces:
    """The set with the training rows of another as its test or validation part; classes are matched by their names."""
    if role == "test" and pieces.test_x is not None:
        raise DataError(f"{where}: has a test part of its own", "remove test_path")
    if role == "validation" and pieces.official_validation:
        raise DataError(f"{where}: has a validation part of its own", "use split: official, or remove the path under validation")
    y = more.train_y
    if pieces.classes and more.classes:
        position = {name: place for place, name in enumerate(pieces.classes)}
        unknown = [name for name in more.classes if name not in position]
        if unknown:
            raise DataError(f"the {role} part has the class {unknown[0]}, which {where} lacks")
        y = np.array([position[name] for name in more.classes])[y]
    if more.shape != pieces.shape or (more.train_x.dtype == np.uint8) != (pieces.train_x.dtype == np.uint8):
        raise DataError(
            f"rows are {more.train_x.dtype} {more.shape} in the {role} part, {pieces.train_x.dtype} {pieces.shape} in {where}"
        )
    dtype_x, dtype_y = np.result_type(pieces.train_x, more.train_x), np.result_type(pieces.train_y, y)
    x, y = more.train_x.astype(dtype_x, copy=False), y.astype(dtype_y, copy=False)
    notices = (*pieces.notices, *more.notices)
    train_x, train_y = pieces.train_x.astype(dtype_x, copy=False), pieces.train_y.astype(dtype_y, copy=False)
    if role == "test":
        return replace(pieces, train_x=train_x, train_y=train_y, test_x=x, test_y=y, notices=notices)
    return replace(
        pieces,
        train_x=np.concatenate((train_x, x)),
        train_y=np.concatenate((train_y, y)),
        official_validation=len(y),
        notices=notices,
    )


def _whole(pieces: Pieces, path: Path, task: Task | None) -> Whole:
    named = bool(pieces.classes) and not (task == "regression" and pieces.classes == _numbered(len(pieces.classes)))
    labels = [pieces.train_y] + ([] if pieces.test_y is None else [pieces.test_y])
    classes = pieces.classes
    if named:
        task = "classification"
    else:
        task, classes, labels = _labelled(labels, task, path)
    arrays: dict[str, Array] = {"train_x": pieces.train_x, "train_y": labels[0]}
    if pieces.test_x is not None:
        arrays |= {"test_x": pieces.test_x, "test_y": labels[1]}
    return Whole(
        name=local.set_name(path),
        task=task,
        shape=pieces.shape,
        classes=classes,
        train_x=arrays["train_x"],
        train_y=arrays["train_y"],
        test_x=arrays.get("test_x"),
        test_y=arrays.get("test_y"),
        official_validation=pieces.official_validation,
        sha256=arrays_sha256(arrays),
        source=f"{'folder' if path.is_dir() else 'file'} {local.origin(path, {})[0]}",
        notices=pieces.notices,
    )


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(str(label) for label in range(count))


def _labelled(labels: list[Array], task: Task | None, path: Path) -> tuple[Task, tuple[str, ...], list[Array]]:
    """Task, classes and targets of labels without names: whole numbers become 0 … K − 1 in their order, other numbers are quantities."""
    every = np.unique(np.concatenate(labels))
    whole = bool((every == np.round(every)).all())
    if task == "regression" or not whole or (every.dtype.kind == "f" and len(every) > FEW_CLASSES):
        return "regression", (), [part.astype(np.float64) for part in labels]
    if len(every) > MOST_CLASSES:
        raise DataError(
            f"{path}: its labels have {len(every):,} different values; at most {MOST_CLASSES:,} classes are taken",
            "if they are quantities, set loss: mse",
        )
    if len(every) < 2:
        raise DataError(f"{path}: all its labels are {every[0]:g}: there is nothing to tell apart")
    names = tuple(f"{int(value)}" for value in every)
    return "classification", names, [np.searchsorted(every, part).astype(np.int64) for part in labels]
