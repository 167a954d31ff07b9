"""A set of the user's own, given by path: the whole set out of its files, from the cache where that has it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

# Each of these modules enters the formats that it reads.
from mlp_cli.data import arrays, cache, cifar, images  # noqa: F401
from mlp_cli.data.arrays import assemble, read_npy, with_classes
from mlp_cli.data.dataset import Array, RawSet, Task, arrays_sha256
from mlp_cli.data.formats import Found, format_of
from mlp_cli.data.streams import reading, some
from mlp_cli.errors import DataError, cause_of
from mlp_cli.text import listed

_STAMPED = 64
_RULES = "rules 4"
"""By what rules files become a set; another number here means that no set made by older ones is taken from the cache."""
_TABLES = (".csv", ".tsv", ".tab", ".parquet")


@dataclass(frozen=True)
class Read:
    """How the text of a table is cut into cells. The names and meanings are those of `pandas.read_csv`.

    sep: one character, or \\s+ for blanks and tabs; None for what suits. header: the row with the columns' names, from 0, not counting
    blank lines; none: there is none, and the columns are 0, 1, …; infer: row 0, which must not hold numbers only; either: none where
    row 0 holds numbers only. Cells that stand
    for a missing value: the empty one, na_values, and with keep_default_na pandas's own and `?`. encoding: None is UTF-8.
    """

    sep: str | None = None
    decimal: str = "."
    thousands: str | None = None
    header: int | str = "infer"
    na_values: tuple[str, ...] = ()
    keep_default_na: bool = True
    encoding: str | None = None


PLAIN = Read()


@dataclass(frozen=True)
class Own:
    """What a config says of a set given by path, besides the path.

    labels: the .npy file that belongs to a .npy file of inputs. test_path, validation_path: rows to test and to validate with.
    The rest is for tables, see `read_table` and `fit_encoding`. missing: error, mean or drop. groups: the column whose equal values
    stay in one part. order: the column of numbers or dates by which rows are sorted in time. Neither is an input.
    """

    labels: str | None = None
    test_path: str | None = None
    validation_path: str | None = None
    target: str | tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    missing: str = "error"
    groups: str | None = None
    order: str | None = None
    read: Read = PLAIN

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to predict: none, one, or several, which are labels."""
        return () if self.target is None else (self.target,) if isinstance(self.target, str) else self.target


def is_table(path: str | Path) -> bool:
    """Whether a path is that of a table, by its name."""
    name = str(path).lower()
    return name.endswith(_TABLES) or re.sub(r"\.(gz|xz|zip)$", "", name).endswith(_TABLES[:-1])


def resolved(path: str | Path) -> Path:
    """The absolute path, links followed. Errors: DataError where there is nothing, or no access."""
    try:
        found = Path(os.path.expanduser(path)).resolve()
        found.stat()
    except (RuntimeError, ValueError) as error:
        raise DataError(f"{str(path)!r}: not a usable path ({error})") from error
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            raise DataError(f"{path}: {cause_of(error)}") from error
        where = "" if os.path.isabs(path) else f" (looked for in {Path.cwd()})"
        raise DataError(f"{path}: no such file or folder{where}") from error
    return found


def load_own(path: str | Path, own: Own, task: Task | None) -> RawSet:
    """The whole set, which is no table, from the cache where that has it (see `cache.cached`).

    task: regression or multi_label where the config's loss asks for it; else labels decide. A validation part of its own path comes
    last in the training rows, and `official_validation` counts it. Errors: DataError, UsageError.
    """
    main = resolved(path)
    others = {name: resolved(given) for name in ("labels", "test_path", "validation_path") if (given := getattr(own, name))}
    told = [task or "", *others]

    def origin() -> list[str]:
        return [_RULES, text_of(main), *told, *(line for one in (main, *others.values()) for line in _stamps(one))]

    before = origin()

    def make() -> RawSet:
        found = _read(main, others.get("labels"))
        for role in ("test", "validation"):
            if f"{role}_path" in others:
                found = _with_part(found, role, _read(others[f"{role}_path"], None), main, task)
        raw = assembled(found, task, str(main))
        if origin() != before:
            raise DataError(f"{main}: its files changed while they were read", "run it again once they are complete")
        source = f"{'folder' if main.is_dir() else 'file'} {text_of(main)}"
        return replace(raw, name=set_name(main), source=source)

    given = repr([*map(os.fsencode, (main, *others.values())), *told]).encode()
    plain = re.sub(r"[^\w-]", "_", set_name(main), flags=re.ASCII)[:60]
    key = f"path-{plain}-{hashlib.blake2b(given, digest_size=8).hexdigest()}"
    return cache.cached(key, before, make, tell_again=True)


def assembled(found: Found, task: Task | None, where: str) -> RawSet:
    """The set that was found, with classes or quantities and its hash. task: as in `load_own`. Errors: DataError."""
    raw = assemble(found, where, task)
    # Names that are the numbers themselves may be quantities as well.
    if not raw.classes or (task == "regression" and raw.classes == tuple(map(str, range(len(raw.classes))))):
        raw = with_classes(raw, task, where)
    return replace(raw, sha256=arrays_sha256(raw.arrays()))


def set_name(path: Path) -> str:
    """The name of a set that lies at a resolved path: the folder's or file's name without its suffix, and without .gz and .xz."""
    packed = path.suffix.lower() in (".gz", ".xz") or (path.suffix.lower() == ".zip" and is_table(path))
    return text_of(path.with_suffix("").stem if packed else path.stem) or "data"


def text_of(path: Path | str) -> str:
    """A path as text that can be stored, whatever bytes are in it."""
    return os.fsencode(path).decode("utf-8", "replace")


def _stamps(path: Path) -> list[str]:
    """What tells one state of a set's files from another without reading them: format, names, sizes and times; as a digest if many."""
    if is_table(path):
        raise DataError(f"{path}: a table, where arrays or images are expected", "give both parts in the same format")
    known, files = format_of(path)
    with reading(str(path)):
        stamps = [(os.path.relpath(file, path), file.stat()) for file in files]
    lines = [f"{text_of(name)} {stamp.st_size} {stamp.st_mtime_ns}" for name, stamp in stamps]
    if len(lines) > _STAMPED:
        lines = [hashlib.blake2b("\n".join(lines).encode()).hexdigest()]
    return [known.name, *lines]


def _read(path: Path, labels: Path | None) -> Found:
    known, _ = format_of(path)
    if labels is None:
        return known.read(path)
    if known.name != "npy" or path.is_dir():
        raise DataError(f"labels: goes with a single .npy file of inputs, and {path} has labels of its own", "remove labels")
    return Found({"train_x": read_npy(path), "train_y": read_npy(labels)})


def _with_part(found: Found, role: str, more: Found, where: Path, task: Task | None) -> Found:
    """What was found, with the training part of another file as its test or validation part; classes are matched by their names."""
    key = "test_path" if role == "test" else "validation"
    if f"{role}_x" in found.arrays:
        hint = "remove test_path" if role == "test" else "use split: official, or remove the path under validation"
        raise DataError(f"{where}: has a {role} part of its own", hint)
    if others := [part for part in ("validation", "test") if f"{part}_x" in more.arrays]:
        raise DataError(f"the file under {key} has a {others[0]} part as well", f"give {key} one part alone, as x and y")
    part = assemble(more, f"the file under {key}", task)
    if found.columns and more.columns and found.columns != more.columns:
        told = f"the {role} part has the columns {listed(more.columns, 10)}, and {where} has {listed(found.columns, 10)}"
        raise DataError(told, "name them alike in both, in the same order")
    y, names, notices = part.train_y, list(part.classes), (*found.notices, *more.notices)
    if part.task == "multi_label":
        if more.labels not in ((), found.labels):
            told = f"the {role} part has the labels {listed(names, 10)}, and {where} has {listed(found.labels, 10) or 'no names'}"
            raise DataError(told, "name them alike in both, in the same order")
        return _joined(found, role, more, y, notices)
    if found.classes or names:
        number = {name: at for at, name in enumerate(found.classes)} or {name: int(name) for name in names if name.isdecimal()}
        if not names:
            labels, y = np.unique(y, return_inverse=True)
            names = [f"{label:g}" for label in labels]
            if not set(names) & set(number):
                number = {f"{at}": at for at in number.values()}
                notices += (f"the labels of the {role} part are taken as numbers of the classes: 0 is {found.classes[0]}",)
        if not number.keys() >= set(names):
            known = found.classes or [f"{label:g}" for label in np.unique(found.arrays["train_y"])]
            hint = "call the classes alike in both, or number them alike"
            raise DataError(f"the {role} part has the classes {some(names)}, and {where} has {some(known)}", hint)
        y = np.array([number[name] for name in names])[y]
    return _joined(found, role, more, y, notices)


def _joined(found: Found, role: str, more: Found, y: Array, notices: tuple[str, ...]) -> Found:
    return found._replace(arrays=found.arrays | {f"{role}_x": more.arrays["train_x"], f"{role}_y": y}, notices=notices)
