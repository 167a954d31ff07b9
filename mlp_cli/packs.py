"""Packs: a run or a sweep in one zip file, which is read in memory as its folder would be, and never extracted.

A path may go through a pack as it goes through a folder, as in `mnist.zip/mnist-5d32f549/run.json`: `files.read_bytes` and
`files.is_file` come here where one does, so that nobody else has to know. A sweep's pack is like its folder, a run's like a folder
with the run in it. pack.json lists each file with its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mlp_cli import files
from mlp_cli.errors import DataError, MlpError, RunError

INDEX = "pack.json"
FORMAT = 1
PLACES = ("dataset.path", "dataset.labels", "dataset.test_path", "dataset.validation", "features.path")
"""Keys of a config that may be paths."""
_SUFFIXES = (".json", ".yaml", ".csv", ".npz", ".txt", ".png")
_LARGEST = 4 << 30  # bytes of a file in a pack
_INDEX_LARGEST = 64 << 20
_DATE = (1980, 1, 1, 0, 0, 0)  # the same for all, so that the same run gives the same pack
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, KeyError, ValueError, RuntimeError)
"""What reading a damaged, encrypted or made-up zip file raises."""


class Pack:
    """An open pack. hashes: the SHA-256 of each file, by its path in the pack.

    Errors (on making): RunError where the file is no pack, or lists a path that leads elsewhere.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.archive = zipfile.ZipFile(path)
            if INDEX not in self.archive.namelist():
                raise RunError(f"{path} is a zip file and no pack: it has no {INDEX}", "mlp pack makes one of a run or a sweep")
            index = json.loads(self._member(INDEX, _INDEX_LARGEST, RunError))
            if index["format"] != FORMAT:
                raise RunError(f"{path} is a pack of another version of mlp than this one", "update mlp to read it")
            self.hashes: dict[str, str] = {str(name): str(digest) for name, digest in index["files"].items()}
        except (*_DAMAGE, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"{path} is no pack, or damaged: {error}", "get it again, or make it again with mlp pack") from error
        if strange := [name for name in self.hashes if not _is_plain(name)]:
            raise RunError(
                f"{path} is refused: it lists {strange[0]!r}, which is no plain path", "ask for a pack made by mlp pack"
            )

    def read(self, name: str, limit: int, error: type[MlpError]) -> bytes:
        """The content of a file of at most `limit` bytes. Errors: `error` where it is missing, larger or not what was packed."""
        where = self.path / name
        if name not in self.hashes:
            raise error(f"cannot read {where}: no such file in the pack")
        try:
            content = self._member(name, limit, error)
        except _DAMAGE as cause:
            raise error(f"cannot read {where}: the pack is damaged: {cause}") from cause
        if hashlib.sha256(content).hexdigest() != self.hashes[name]:
            raise error(f"cannot read {where}: it is not what was packed: its SHA-256 is another than {INDEX} says")
        return content

    def _member(self, name: str, limit: int, error: type[MlpError]) -> bytes:
        with self.archive.open(name) as member:
            content = member.read(limit + 1)
        if len(content) > limit:
            raise error(f"cannot read {self.path / name}: larger than the limit of {limit:,} bytes")
        return content


def find(path: Path) -> tuple[Pack, str] | None:
    """The pack that a path goes through or leads to, and the rest of the path in it (`.` for none); None where there is no zip file
    on the way. Errors: RunError where there is one that is no pack."""
    for above in (path, *path.parents):
        try:
            status = os.stat(above)
        except NotADirectoryError:
            continue
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        pack = _opened(above, status.st_ino, status.st_size, status.st_mtime_ns)
        return None if pack is None else (pack, path.relative_to(above).as_posix())
    return None


@lru_cache(maxsize=4)
def _opened(path: Path, *_: int) -> Pack | None:
    """The pack, opened once for each state of its file; None where that is no zip file, by its name neither."""
    return Pack(path) if path.suffix == ".zip" or zipfile.is_zipfile(path) else None


def run_folders(pack: Pack, below: str, record: str, skipped: Sequence[str]) -> list[Path]:
    """The folders in a pack that have a file `record`, in the order of their names; none below a folder of the names `skipped`."""
    parts = PurePosixPath(below).parts
    homes = [PurePosixPath(name).parent for name in sorted(pack.hashes) if PurePosixPath(name).name == record]
    return [pack.path / home for home in homes if home.parts[: len(parts)] == parts and not {*skipped} & {*home.parts}]


def refuse_paths(folder: Path, config: Mapping[str, Any], given: Sequence[str] = ()) -> None:
    """Errors: DataError where a run comes in a pack and its config names a file: whoever packed it could name any of this machine.

    given: the user's KEY=VALUEs, which may say where such a file lies here.
    """
    if find(folder) is None:
        return
    for key in PLACES:
        part, _, option = key.partition(".")
        written = (config.get(part) or {}).get(option)
        if isinstance(written, str) and not any(text.startswith(f"{key}=") for text in given):
            raise DataError(
                f"{folder} comes in a pack, and no path is taken from one",
                f"mlp rerun takes {key}=…, where that lies on this machine",
            )


def write(folder: Path, out: Path, top: str) -> dict[str, str]:
    """Packs the files of a run or a sweep, but for checkpoints and a report, which can be made anew; gives their SHA-256 by name.

    top: the folder in the pack, with a slash, or nothing. Links are left out. Errors: RunError where something cannot be read or written.
    """
    hashes: dict[str, str] = {}

    def fill(handle: BinaryIO) -> None:
        with zipfile.ZipFile(handle, "w") as archive:

            def add(name: str, content: bytes) -> None:
                archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)

            for name in _names(folder):
                content = files.read_bytes(folder / name, _LARGEST, RunError)
                hashes[top + name] = hashlib.sha256(content).hexdigest()
                add(top + name, content)
            add(INDEX, files.strict_json({"format": FORMAT, "files": hashes}).encode())

    files.write_atomic(out, fill)
    return hashes


def _names(folder: Path) -> Iterator[str]:
    """The files that go into a pack, by their paths in the folder."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(place, name) for name in sorted(names)):
            inside = path.relative_to(folder)
            kept = inside.suffix in _SUFFIXES and not inside.name.startswith((".", "checkpoint"))
            made = inside.parts[0] == "report" and inside.parts[1:2] != ("best",)
            if kept and not made and _is_plain(inside.as_posix()) and not path.is_symlink():
                yield inside.as_posix()


def _is_plain(name: str) -> bool:
    """Whether a path goes down from where it starts, by names that can be printed."""
    parts = name.split("/")
    return name.isprintable() and "\\" not in name and not {"", ".", ".."}.intersection(parts)
