"""The run store: a run is a folder, and the folder is the truth. Claiming one holds a lock of the kernel's on its log.txt,
which goes when the process goes, however it ends; nobody ever has to clean one up."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlp_cli import files
from mlp_cli.errors import RunError, cause_of

RECORD, LOG = "run.json", "log.txt"
FORMAT = 1
"""The format of run.json that this version reads; a record without a number has it."""
STATUSES = ("running", "completed", "interrupted", "failed", "diverged", "pruned")

_RECORD_LIMIT = 64 << 20
_MOST_METRICS = 200
_LONGEST_NAME = 100
_MOST_THREADS = 1024
_TEXTS = ("id", "name", "error", "started", "finished", "command")
_NUMBERS = ("seconds", "epochs", "best_epoch", "parameters")
_LOCK_WAIT = 1.0
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


def run_id(name: str, config_hash: str) -> str:
    """The name of a run's folder: the config's name and the first 8 hex digits of its hash."""
    return f"{name}-{config_hash[:8]}"


def now() -> str:
    """The time, as run.json states it: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_record(folder: Path) -> dict[str, Any] | None:
    """The content of run.json, or None where there is none. Every value has the type that others rely on; a missing one is None.

    Errors: RunError where it is damaged, of a later format, or cannot be read.
    """
    path = folder / RECORD
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"cannot read {path}: {cause_of(error)}") from error
    try:
        record = json.loads(files.read_bytes(path, _RECORD_LIMIT, RunError))
        if not isinstance(record, dict):
            raise ValueError("it is not the record of a run")
        if type(written := record.get("format")) is int and written > FORMAT:
            later = f"{path} has format {_shown(written)}, of a later version of mlp than this one, which reads {FORMAT}"
            raise RunError(later, "update mlp to read it")
        record = dict.fromkeys((*_TEXTS, *_NUMBERS)) | record
        _check(record)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {error}", "start the run afresh with --force") from error
    return record


def _check(record: dict[str, Any]) -> None:
    """Errors: ValueError where a value is not of its type, or one is missing that every run has."""
    _require(record, "format", type(record.get("format", FORMAT)) is int, "a whole number")
    for key in ("status", "config_hash"):
        _require(record, key, isinstance(record.get(key), str), "text")
    completed = record["status"] == "completed"
    if record["status"] not in STATUSES:
        raise ValueError(f"its status {_shown(record['status'])} is none that this version knows")
    for key in _TEXTS:
        _require(record, key, isinstance(record[key], str | None), "text")
    for key in _NUMBERS:
        optional = record[key] is None and not (completed and key in ("seconds", "epochs"))
        _require(record, key, optional or _is_number(record[key]), "a number")
    _require(record, "config", isinstance(record.get("config"), dict), "a mapping")
    config, environment = record["config"], record.get("environment") or {}
    seed = config.get("seed")
    _require(config, "seed", type(seed) is int and 0 <= seed < 2**32, "a seed")
    _require(config, "learning_rate", _is_number(config.get("learning_rate", 0)), "a number")
    _require(record, "environment", isinstance(environment, dict), "a mapping")
    threads = environment.get("threads", 1)
    _require(environment, "threads", type(threads) is int and 0 < threads <= _MOST_THREADS, "a number of threads")
    _check_metrics(record)
    _check_data(record)
    if completed and not record.get("metrics"):
        raise ValueError("the run is completed, and has no metrics")


def _check_metrics(record: Mapping[str, Any]) -> None:
    metrics = record.get("metrics") or {}
    _require(record, "metrics", isinstance(metrics, dict) and len(metrics) <= _MOST_METRICS, "a mapping of scores")
    for name, value in metrics.items():
        if len(name) > _LONGEST_NAME:
            raise ValueError("a metric's name is too long")
        if value is not None and not _is_number(value):
            raise ValueError(f"metrics.{name} is {_shown(value)}, not a finite number")


def _check_data(record: Mapping[str, Any]) -> None:
    data = record.get("data") or {}
    _require(record, "data", isinstance(data, dict), "a mapping")
    for key in ("name", "sha256"):
        if data and not isinstance(data.get(key), str):
            raise ValueError(f"data.{key} is {_shown(data.get(key))}, not text")
    for key in ("train", "validation", "test"):
        count = data.get(key, 0)
        if not _is_number(count) or count != int(count):
            raise ValueError(f"data.{key} is {_shown(count)}, not a whole number")


def _require(values: Mapping[str, Any], key: str, good: bool, wanted: str) -> None:
    if not good:
        raise ValueError(f"{key} is {_shown(values.get(key))}, not {wanted}")


def _shown(value: Any) -> str:
    kind = {dict: "a mapping", list: "a list", type(None): "missing"}.get(type(value))
    return kind or repr(value)[:60]


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, also as a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


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
            with files.writing(self.path_log):
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
            # Checkpoints next, the older one first: what is left goes on where the run was, or starts at the beginning.
            for entry in sorted(
                self.folder.iterdir(), key=lambda entry: (not entry.name.startswith("checkpoint"), -len(entry.name))
            ):
                if _is_folder(entry):
                    shutil.rmtree(entry)
                elif entry.name != LOG:
                    entry.unlink()

    def tidy(self) -> None:
        """Takes away temporary files that a killed process left here or in a folder here; deeper down others may be at work."""
        with files.writing(self.folder):
            for place in (self.folder, *filter(_is_folder, self.folder.iterdir())):
                for entry in place.iterdir():
                    if _TEMPORARY.fullmatch(entry.name) and not _is_folder(entry):
                        entry.unlink(missing_ok=True)

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Replaces run.json. Errors: RunError, also where the folder was removed or replaced."""
        self.check()
        files.write_json(self.folder / RECORD, record)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


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


def read_status(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The content of run.json and the run's status: one that says `running` and whose process is gone was interrupted.

    None and "" where there is no run.json. Errors: those of `read_record`.
    """
    record = read_record(folder)
    if record is not None and record["status"] == "running" and not in_use(folder):
        record = read_record(folder)  # it may have ended between the two looks
        if record is not None and record["status"] == "running":
            return record, "interrupted"
    return record, record["status"] if record is not None else ""
