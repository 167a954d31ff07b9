"""The run store: a run is a folder, and the folder is the truth. Claiming one holds a lock of the kernel's on its log.txt,
which goes when the process goes, however it ends; nobody ever has to clean one up."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlp_cli import files
from mlp_cli.errors import RunError

RECORD, LOG = "run.json", "log.txt"
_RECORD_LIMIT = 64 << 20
_LOCK_WAIT = 1.0
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


def run_id(name: str, config_hash: str) -> str:
    """The name of a run's folder: the config's name and the first 8 hex digits of its hash."""
    return f"{name}-{config_hash[:8]}"


def now() -> str:
    """The time, as run.json states it: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_record(folder: Path) -> dict[str, Any] | None:
    """The content of run.json, or None where there is none. Errors: RunError where it is damaged."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        record = json.loads(files.read_bytes(path, _RECORD_LIMIT, RunError))
        if not isinstance(record, dict) or not all(isinstance(record.get(key), str) for key in ("status", "config_hash")):
            raise ValueError("it is not the record of a run")
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}", "start the run afresh with --force") from error
    return record


class Claim:
    """The sole right to write in a run's folder, until `release` or the end of the process. Use it in a `with` statement.

    Errors (on making): RunError where the folder cannot be made or written, or another process has it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path_log = folder / LOG
        files.make_folder(folder)
        with files.writing(self.path_log):
            self._log = os.open(self.path_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | files.PLAIN, 0o666)
        try:
            self._lock()
            self.check()
        except BaseException:
            self.release()
            raise

    def _lock(self) -> None:
        deadline = time.monotonic() + _LOCK_WAIT  # a listing may look at the lock for a moment
        while True:
            try:
                fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunError(
                        f"{self.folder} is in use by another process", "wait until it ends, or stop it and run this again"
                    ) from None
                time.sleep(0.02)

    def __enter__(self) -> Claim:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Gives the folder back."""
        os.close(self._log)

    def check(self) -> None:
        """Errors: RunError where the folder is a link by now, or its log.txt with the lock is gone: another process may have it."""
        files.refuse_link(self.folder)
        with files.writing(self.path_log):
            if not os.path.samestat(os.lstat(self.path_log), os.fstat(self._log)):
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))

    def log(self, text: str) -> None:
        """Adds lines to log.txt, each with the time. Errors: RunError, also where the folder was removed or replaced."""
        rest = "".join(f"{now()} {line}\n" for line in text.splitlines()).encode("utf-8", "backslashreplace")
        self.check()
        with files.writing(self.path_log):
            while rest:
                rest = rest[os.write(self._log, rest) :]

    def clear(self) -> None:
        """Empties the folder, but for the log.txt that carries the lock. run.json goes first: what is left is no finished run."""
        with files.writing(self.folder):
            (self.folder / RECORD).unlink(missing_ok=True)
            files.sync_folder(self.folder)
            os.ftruncate(self._log, 0)
            for entry in sorted(self.folder.iterdir()):  # checkpoints next: what is left starts at the beginning
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry.name != LOG:
                    entry.unlink()

    def tidy(self) -> None:
        """Takes away temporary files that a killed process left here or in a folder here; deeper down others may be at work."""
        with files.writing(self.folder):
            folders = [entry for entry in self.folder.iterdir() if entry.is_dir() and not entry.is_symlink()]
            for place in (self.folder, *folders):
                for entry in place.iterdir():
                    if _TEMPORARY.fullmatch(entry.name):
                        entry.unlink(missing_ok=True)

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Replaces run.json. Errors: RunError, also where the folder was removed or replaced."""
        self.check()
        files.write_json(self.folder / RECORD, record)


def in_use(folder: Path) -> bool:
    """Whether a living process holds the claim on a folder."""
    try:
        log = os.open(folder / LOG, os.O_RDONLY | files.PLAIN)
    except OSError:
        return False
    try:
        fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(log)
    return False


def status(folder: Path, record: Mapping[str, Any]) -> str:
    """A run's status; one that says `running` and whose process is gone was interrupted."""
    stated = str(record.get("status"))
    return "interrupted" if stated == "running" and not in_use(folder) else stated
