"""Ready arrays in the user's cache folder, memory-mapped at the next start without decompressing or hashing anything.

    <cache>/ready/<key>/   train_x.npy, train_y.npy, test_x.npy, test_y.npy, meta.json

A folder appears under its name only when it is whole, so a reader needs no lock; a lock keeps two builders from doing the work twice.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mlp_cli import files
from mlp_cli.data.dataset import Array, RawSet, arrays_sha256
from mlp_cli.errors import RunError

FORMAT = 2
LOCK_PATIENCE = 600.0
_STALE = 24 * 3600.0
_NOTED = ("name", "task", "shape", "classes", "official_validation", "notices", "sha256", "source")
"""The fields of a set that meta.json has."""


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/mlp-cli`, else the system's usual place: ~/Library/Caches on macOS, ~/.cache elsewhere."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / "mlp-cli"
    home = Path(os.path.expanduser("~"))
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "mlp-cli"


def ready_folder(key: str) -> Path:
    """Where the ready arrays of a set lie, or would lie."""
    return cache_folder() / "ready" / key


def ready_sets() -> dict[str, list[str]]:
    """The keys of all ready arrays by the name of their set, which has several where it has subsets, or files of one name."""
    found: dict[str, list[str]] = {}
    for path in sorted((cache_folder() / "ready").glob("[!.]*/meta.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found.setdefault(str(json.loads(path.read_bytes())["name"]), []).append(path.parent.name)
    return found


def remove(key: str) -> None:
    """Takes a set's ready arrays away; a process that has mapped them keeps them. Errors: RunError where that is not allowed."""
    folder = ready_folder(key)
    gone = folder.with_name(f".{key}.{secrets.token_hex(4)}.tmp")
    with files.writing(folder):
        os.rename(folder, gone)  # nobody sees a part of it
        shutil.rmtree(gone)


def open_ready(key: str, origin: list[str]) -> RawSet | None:
    """The set under `key` with its arrays memory-mapped, if it is there, whole, and made from `origin`; else None.

    Sizes and times of the files are compared with those noted when they were written. If one differs, as after a copy, the arrays are
    hashed once more; those that are no longer the same make the set be built again.
    """
    folder = ready_folder(key)
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        if meta["format"] != FORMAT or meta["origin"] != origin:
            return None
        paths = {name: folder / f"{name}.npy" for name in meta["arrays"]}
        # Plain arrays over the maps: the class memmap makes every indexing call slower.
        arrays = {name: np.asarray(np.lib.format.open_memmap(path, mode="r")) for name, path in paths.items()}
        # Looked at last, so that files which somebody puts in place of these meanwhile are not taken for them.
        found = {name: _stamp(path) for name, path in paths.items()}
        if found != meta["arrays"]:
            if arrays_sha256(arrays) != meta["sha256"]:
                return None
            # A cache that may be read but not written is as good; it is then hashed at every start.
            with contextlib.suppress(RunError):
                files.write_text(folder / "meta.json", files.strict_json(meta | {"arrays": found}))
        fields: dict[str, Any] = {key: tuple(meta[key]) if isinstance(meta[key], list) else meta[key] for key in _NOTED}
        return RawSet(**fields | arrays)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def _stamp(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def release(array: Array) -> None:
    """Gives back the memory that a mapped array takes in this process; what is read again comes from the system's own cache.

    Arrays that are not mapped are left alone.
    """
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def store(key: str, origin: list[str], whole: RawSet) -> None:
    """Writes a set's arrays under `key`, in place of what may be there. Errors: RunError where the cache cannot be written."""
    meta = {"format": FORMAT, **{key: getattr(whole, key) for key in _NOTED}, "origin": origin}
    store_arrays(key, {name: array_writer(array) for name, array in whole.arrays().items()}, meta)


def array_writer(array: Array) -> Callable[[BinaryIO], None]:
    """What writes an array to a handle, as .npy in C order."""
    plain = np.ascontiguousarray(array).reshape(np.shape(array))
    return partial(np.lib.format.write_array, array=plain, version=(1, 0), allow_pickle=False)


def store_arrays(key: str, writers: Mapping[str, Callable[[BinaryIO], None]], meta: Mapping[str, Any]) -> None:
    """Writes arrays and what is known of them under `key`, in place of what may be there.

    writers: by the name of the array, what writes it to a handle as .npy. meta: becomes meta.json, with the files' stamps.
    Errors: RunError where the cache cannot be written; those of the writers.
    """
    target = ready_folder(key)
    fresh = target.with_name(f".{key}.{secrets.token_hex(4)}.tmp")
    stamps = {}
    try:
        with files.writing(target):
            fresh.mkdir(parents=True)
            for name, writer in writers.items():
                path = fresh / f"{name}.npy"
                files.write_atomic(path, writer)
                stamps[name] = _stamp(path)
            files.write_text(fresh / "meta.json", files.strict_json({**meta, "arrays": stamps}))
            _move(fresh, target)
            files.sync_folder(target.parent)
    except RunError as error:
        raise RunError(error.message, "set XDG_CACHE_HOME to a folder that can be written and has room") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def open_arrays(key: str, meta: Mapping[str, Any]) -> dict[str, Array] | None:
    """The arrays that `store_arrays` wrote under `key`, memory-mapped; None where they are not there, not whole, or of other `meta`."""
    folder = ready_folder(key)
    try:
        noted = json.loads((folder / "meta.json").read_bytes())
        if {name: value for name, value in noted.items() if name != "arrays"} != meta:
            return None
        if any(_stamp(folder / f"{name}.npy") != stamp for name, stamp in noted["arrays"].items()):
            return None
        return {name: np.asarray(np.lib.format.open_memmap(folder / f"{name}.npy", mode="r")) for name in noted["arrays"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def _move(fresh: Path, target: Path) -> None:
    """Renames `fresh` to `target`; what was there goes away, though processes that have mapped it keep it."""
    for _ in range(10):
        try:
            os.rename(fresh, target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        with contextlib.suppress(FileNotFoundError):
            os.rename(target, old)
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    raise OSError(errno.EBUSY, "other processes keep replacing it")


def cached(
    key: str, origin: list[str], make: Callable[[], RawSet], renew: bool = False, tell_again: bool = False, must: bool = False
) -> RawSet:
    """The set under `key`, memory-mapped from the cache, else from `make`, which is then cached.

    renew: make it even if the cache has it. tell_again: keep its notices in the cache, too. must: a cache that cannot be written is
    an error; else the set's arrays stay in memory, and a notice says so. Errors: RunError.
    """
    if not renew and (whole := open_ready(key, origin)):
        return whole
    with building(key):
        # Another process may have built it while this one waited.
        if not renew and (whole := open_ready(key, origin)):
            return whole
        made = make()
        try:
            store(key, origin, made if tell_again else replace(made, notices=()))
        except RunError as problem:
            if must:
                raise
            told = f"{problem.message}; {made.name} stays in memory and is read from its source again at the next start"
            return replace(made, notices=(*made.notices, told))
    whole = open_ready(key, origin)
    return made if whole is None else replace(whole, notices=made.notices)


@contextlib.contextmanager
def building(key: str) -> Iterator[None]:
    """Holds the lock of a set while it is built, so that others wait for the result in place of building it as well.

    The lock is a courtesy: where it cannot be had (a read-only cache, a file system without locks, a holder that is stuck), the
    body runs all the same, since `store` is safe without it. A process that dies gives it up.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder = ready_folder(key).parent
            folder.mkdir(parents=True, exist_ok=True)
            handle = stack.enter_context(open(folder / f".{key}.lock", "wb"))
            deadline = time.monotonic() + LOCK_PATIENCE
            while time.monotonic() < deadline:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(handle.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(0.05)
        yield


@contextlib.contextmanager
def workspace() -> Iterator[Path]:
    """A new folder for downloads, inside the cache where that can be written, else in the system's temporary folder; removed after.

    What processes that were killed left behind a day ago or more is removed as well.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in (*folder.glob(".work-*"), *folder.glob("ready/.*.tmp")):
            if time.time() - leftover.lstat().st_mtime > _STALE:
                shutil.rmtree(leftover, ignore_errors=True)
        room = tempfile.mkdtemp(prefix=".work-", dir=folder)
    except OSError:
        with files.writing(Path(tempfile.gettempdir())):
            room = tempfile.mkdtemp(prefix="mlp-cli-")
    try:
        yield Path(room)
    finally:
        shutil.rmtree(room, ignore_errors=True)
