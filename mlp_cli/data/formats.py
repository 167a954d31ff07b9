"""The formats of data that a path may name. A reader enters itself with `reads`, which is all that a new format takes.

Readers of arrays are in arrays.py, those of pictures in images.py and cifar.py. own.py imports the modules of all readers. Tables
are pandas's matter, in tables.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mlp_cli.data.dataset import Array
from mlp_cli.data.streams import open_file
from mlp_cli.errors import DataError, cause_of


class Found(NamedTuple):
    """What a reader found. `arrays.assemble` makes a set of it.

    arrays: by role (train_x, train_y, and perhaps validation_x, validation_y, test_x, test_y), as the file has them: inputs with one
    row a sample, labels as numbers or one-hot, or several a row as columns of 0 and 1. classes: their names, where the format has
    names. notices: what a user should know. labels: the names of such columns, where the file has them. columns: those of inputs.
    """

    arrays: dict[str, Array]
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


class Format(NamedTuple):
    """A way in which a set lies in a file, an archive or a folder.

    accepted: what it is called in the list of all that is read. read: what is at a path. suffixes: how its files' names end; .gz or
    .xz may follow. files: those that make a folder, or an archive, one of this format; none where it is not. last: asked after others.
    """

    name: str
    accepted: str
    read: Callable[[Path], Found]
    suffixes: tuple[str, ...]
    files: Callable[[Path], list[Path]]
    last: bool


FORMATS: dict[str, Format] = {}


def reads(
    name: str, accepted: str, *suffixes: str, files: Callable[[Path], list[Path]] = lambda path: [], last: bool = False
) -> Callable[[Callable[[Path], Found]], Callable[[Path], Found]]:
    """Enters a reader as a format; the parameters are the fields of `Format`."""

    def enter(read: Callable[[Path], Found]) -> Callable[[Path], Found]:
        FORMATS[name] = Format(name, accepted, read, suffixes, files, last)
        return read

    return enter


def format_of(path: Path) -> tuple[Format, list[Path]]:
    """The format of what lies at a path, and the files that belong to it. Errors: DataError that lists the formats."""
    listed = "read are: tables (.csv, .tsv, .tab, .parquet); " + "; ".join(known.accepted for known in FORMATS.values())
    try:
        for known in sorted(FORMATS.values(), key=lambda known: known.last):
            if files := known.files(path):
                return known, files
        inside = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else []
    except OSError as error:
        raise DataError(f"{path}: {cause_of(error)}") from error
    if not path.is_dir():
        if named := _by_name(path):
            return named, [path]
        # A web page or a pointer is named as such.
        open_file(path).close()
        raise DataError(f"{path}: not a format that is known by its name", listed)
    for file in filter(_by_name, inside):
        raise DataError(f"{path}: a folder without images or arrays; give the file itself: path: {file}", listed)
    raise DataError(f"{path}: a folder that holds no data that can be read", listed)


def named_files(folder: Path, pattern: str) -> dict[str, Path]:
    """The files of a folder by the first group of a pattern for their names; .gz or .xz may follow, and a plain file goes first."""
    found: dict[str, Path] = {}
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        if match := re.fullmatch(rf"{pattern}(\.gz|\.xz)?", name):
            found.setdefault(match[1], folder / name)
    return found


def _by_name(path: Path) -> Format | None:
    name = path.name.lower().removesuffix(".gz").removesuffix(".xz")
    return next((known for known in FORMATS.values() if name.endswith(known.suffixes)), None)
