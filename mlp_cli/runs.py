"""The run store: what a run's folder says (`Record`, `read_curves`), who may write in it (`Claim`), and which runs there are.

A run is a folder, and the folder is the truth. A claim is a lock of the kernel's on the run's log.txt; it goes when the process
goes, however that ends, and nobody ever has to clean one up.
"""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import json
import math
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mlp_cli import files, packs
from mlp_cli.choosing import higher_is_better
from mlp_cli.errors import Notify, RunError, UsageError, cause_of
from mlp_cli.registry import did_you_mean
from mlp_cli.training.callbacks import DIAGNOSTICS, MEASURES, METRICS, TIMINGS

RECORD, LOG, NOTE = "run.json", "log.txt", "note.json"
DATA = "data.npz"
"""The arrays that a run was given, where it was given arrays: they are no result, and stay as long as the folder."""
FORMAT = 1
"""The format of run.json that this version reads; a record without a number has it."""
FINDINGS = "lr-find"
STORE, ARTIFACTS = "mlflow.db", "mlartifacts"
"""Beside the runs: what MLflow keeps where `log_to` names it, and its copies of files."""
SKIPPED = ("report", FINDINGS, ARTIFACTS)
"""Folders of these names hold reports, what `mlp lr-find` found, and MLflow's copies, and are not looked into."""
SWEEP_FILES = ("sweep.yaml", "trials.csv")
TIMEOUT = "timeout"
"""The error of a failed run that ran out of its time: it goes on from its checkpoint."""

_ARCHIVES = ("checkpoint.npz", "checkpoint.previous.npz", "model.npz", "predictions.npz")
_RUN_FILES = ("config.yaml", METRICS, TIMINGS, *_ARCHIVES, LOG)
_RUN_NAME = re.compile(r".+-[0-9a-f]{8}")
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_LOCK_WAIT = 1.0
_LARGEST = 256 << 20  # bytes of a file
_MOST_METRICS = 200
_LONGEST = 200  # characters of a name in a message

Status = Literal["running", "completed", "interrupted", "failed", "diverged", "pruned"]
Column = list[float | None]
Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Entry(BaseModel):
    """A mapping of run.json. Every value has exactly its type; keys of a later version are kept as they are."""

    model_config = ConfigDict(strict=True, extra="allow", defer_build=True)

    def plain(self) -> dict[str, Any]:
        """As run.json holds it: the keys that stood there or were given since."""
        return self.model_dump(exclude_unset=True)


class Divergence(_Entry):
    """Where a run diverged.

    step: counts over the whole run. layer: the one with the largest gradient, from 1; gradient_norm: of that gradient, None where
    it is not finite. dead_relus: the share of ReLU units that were 0 for the whole batch, None without any.
    """

    epoch: Count
    step: Count
    layer: Count
    gradient_norm: Number | None
    learning_rate: Number
    dead_relus: Number | None


class Data(_Entry):
    """What a run was given: the set, the SHA-256 of its arrays, the rows of each part, and how they enter the network.

    largest_class: the share of the rows of `train`, `validation` and `test` that are of the part's largest class, which is the
    accuracy of always naming it; of labels that of giving each its more frequent value; None for a quantity. positive_rates: by
    label, the share of the training rows that have it; only of labels.
    """

    name: str
    sha256: str
    train: Count = 0
    validation: Count = 0
    test: Count = 0
    classes: list[str] | None = None
    inputs: Count | None = None
    scale: str | None = None
    notices: list[str] | None = None
    largest_class: dict[str, Number] | None = None
    positive_rates: dict[str, Number] | None = None


class Environment(_Entry):
    """What a run's last digits depend on besides its config and data (`environment.describe`)."""

    version: str | None = None
    python: str | None = None
    numpy: str | None = None
    blas: str | None = None
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    kernels: str | None = None
    cpu: str | None = None
    platform: str | None = None
    git: str | None = None


class Record(_Entry):
    """run.json. Times are UTC in ISO 8601; seconds: of training, validation and the test. best_epoch: see `Best`.

    metrics: the final scores by name (`val_accuracy`), None where the run has none; {} until it is completed.
    refit_of: the run that was trained again on all rows; only such a run has it.
    continued_from: the id of the shorter run whose epochs this one did not train again.
    """

    id: str | None = None
    name: str | None = None
    status: Status
    error: str | None = None
    divergence: Divergence | None = None
    config_hash: str
    config: dict[str, Any]
    started: str | None = None
    finished: str | None = None
    seconds: Number | None = None
    epochs: Count | None = None
    best_epoch: Count | None = None
    parameters: Count | None = None
    metrics: dict[Annotated[str, Field(max_length=100)], Number | None] = Field(default={}, max_length=_MOST_METRICS)
    data: Data | None = None
    environment: Environment | None = None
    command: str | None = None
    refit_of: str | None = None
    continued_from: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Record:
        """What others rely on besides. Errors: ValueError."""
        seed, rate = self.config.get("seed"), self.config.get("learning_rate", 0.0)
        if type(seed) is not int or not 0 <= seed < 2**32:
            raise ValueError(f"config.seed is {_shown(seed)}; it should be a seed")
        if type(rate) not in (int, float) or not abs(rate) <= sys.float_info.max:
            raise ValueError(f"config.learning_rate is {_shown(rate)}; it should be a finite number")
        for name in ("seconds", "epochs", "metrics") if self.status == "completed" else ():
            if getattr(self, name) in (None, {}):
                raise ValueError(f"{name} is missing, and the run is completed")
        return self

    @property
    def data_sha256(self) -> str | None:
        """SHA-256 of the run's data, None where it is not known yet."""
        return None if self.data is None else self.data.sha256


class Note(_Entry):
    """note.json: what a person wrote about a run. It is the user's: training again, with --force too, leaves it alone."""

    text: str = ""
    tags: list[str] = []

    def __str__(self) -> str:
        """`#keep #paper the one of figure 2`."""
        return " ".join([*(f"#{tag}" for tag in self.tags), *([self.text] if self.text else [])])


def run_id(name: str, config_hash: str) -> str:
    """The name of a run's folder: the config's name and the first 8 hex digits of its hash."""
    return f"{name}-{config_hash[:8]}"


def now() -> str:
    """The time, as run.json states it: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_record(folder: Path) -> Record | None:
    """The content of run.json, or None where there is none.

    Errors: RunError where it is damaged, of a later format, or cannot be read.
    """
    path = folder / RECORD
    content = _content(path)
    if content is None:
        return None
    try:
        values = json.loads(content)
        if not isinstance(values, dict):
            raise ValueError("it is not the record of a run")
        written = values.get("format", FORMAT)
        if type(written) is not int:
            raise ValueError(f"format is {_shown(written)}; it should be a whole number")
        if written > FORMAT:
            later = f"{path} has format {_shown(written)}, of a later version of mlp than this one, which reads {FORMAT}"
            raise RunError(later, "update mlp to read it")
        return Record.model_validate(values)
    except (ValueError, RecursionError) as error:
        reason = _reason(error) if isinstance(error, ValidationError) else error
        raise RunError(f"{path} is damaged: {reason}", "start the run afresh with --force") from error


def read_note(folder: Path) -> Note:
    """What a person wrote about a run; an empty note where there is none. Errors: RunError where note.json is damaged."""
    try:
        return Note.model_validate_json(_content(folder / NOTE) or b"{}")
    except ValidationError as error:
        raise RunError(f"{folder / NOTE} is damaged: {_reason(error)}", "mend it, or remove it") from error


def _content(path: Path) -> bytes | None:
    """The bytes of a file, or None where there is none. Errors: RunError where it cannot be read."""
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        regular = files.is_file(path)  # in a pack
    except OSError as error:
        raise RunError(f"cannot read {path}: {cause_of(error)}") from error
    return files.read_bytes(path, _LARGEST, RunError) if regular else None


def _reason(error: ValidationError) -> str:
    """The first fault: the field, what stands there, and what should."""
    fault = error.errors(include_url=False)[0]
    field = ".".join(map(str, fault["loc"]))[:_LONGEST]
    if fault["type"] == "missing":
        return f"{field} is missing"
    wanted = re.sub(r"^\w+ should", "it should", fault["msg"].removeprefix("Value error, "))
    return f"{field} is {_shown(fault['input'])}; {wanted}" if field else wanted


def _shown(value: Any) -> str:
    return {dict: "a mapping", list: "a list", type(None): "missing"}.get(type(value)) or repr(value)[:60]


def read_quietly(folder: Path) -> Record | None:
    """The content of run.json, or None where there is none that can be read."""
    with suppress(RunError):
        return read_record(folder)
    return None


def read_status(folder: Path) -> tuple[Record | None, str]:
    """The content of run.json and the run's status: one that says `running` and whose process is gone was interrupted.

    None and "" where there is no run.json. Errors: those of `read_record`.
    """
    record = read_record(folder)
    if record is not None and record.status == "running" and not in_use(folder):
        record = read_record(folder) or record  # it may have ended between the two looks
        return record, "interrupted" if record.status == "running" else record.status
    return record, record.status if record is not None else ""


def completed_record(folder: Path) -> Record:
    """The content of run.json of a completed run. Errors: RunError that says what to do about any other."""
    record, status = read_status(folder)
    if record is None or status != "completed":
        hint = "with the same settings it ends so again; try a smaller learning_rate" if status == "diverged" else ""
        raise RunError(
            f"{folder} is not completed: its status is {status or 'unknown'}", hint or "the command that began the run ends it"
        )
    return record


def read_curves(folder: Path, table: str = METRICS) -> dict[str, Column]:
    """The columns of metrics.csv, or of timings.csv, `epoch` first; {} where there is no such file. A last line that is being
    written is left out.

    A cell is None where it is empty or no finite number. Errors: RunError where the file is damaged.
    """
    path = folder / table
    text = (_content(path) or b"").decode("utf-8", "replace")
    try:
        header, *lines = list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1]))) or [[]]
        if text and (header[:1] != ["epoch"] or len(set(header)) < len(header) or len(header) > _MOST_METRICS):
            raise ValueError("its header is not that of metrics")
        if any(len(line) != len(header) for line in lines):
            raise ValueError("a line is too short or too long")
        cells = [[float(cell) if cell else math.nan for cell in line] for line in lines]
        if any(not line[0].is_integer() for line in cells):
            raise ValueError("an epoch is no whole number")
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}", "train the run again with --force") from error
    return {name: [line[k] if math.isfinite(line[k]) else None for line in cells] for k, name in enumerate(header)}


def read_diagnostics(folder: Path) -> dict[str, dict[str, Column]]:
    """The columns of diagnostics.csv by layer, first to last, `epoch` and the measures; {} where there is no such file. A cell is
    None where it is empty. Errors: RunError where the file is damaged."""
    path, found = folder / DIAGNOSTICS, dict[str, dict[str, Column]]()
    text = (_content(path) or b"").decode("utf-8", "replace")
    try:
        for line in csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])):
            columns = found.setdefault(line["layer"], {})
            for name in ("epoch", *MEASURES):
                columns.setdefault(name, []).append(float(line[name]) if line[name] else None)
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}", "train the run again with --force") from error
    return found


class Claim(AbstractContextManager["Claim"]):
    """The sole right to write in a run's folder, for the body of a `with` statement, or until the end of the process.

    Errors (on making): RunError where the folder cannot be made or written, or another process has it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path_log = folder, folder / LOG
        files.make_folder(folder)
        with files.writing(self.path_log):
            self._log = os.open(self.path_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | files.PLAIN, 0o666)
        try:
            deadline = time.monotonic() + _LOCK_WAIT  # a listing may look at the lock for a moment
            while True:
                with files.writing(self.path_log), suppress(BlockingIOError):
                    fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise RunError(f"{folder} is in use by another process", "wait until it ends, or stop it and run this again")
                time.sleep(0.02)
            self.check()
        except BaseException:
            os.close(self._log)
            raise

    def __exit__(self, *_: object) -> None:
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
        """Empties the folder, but for the data, the user's note, and the log.txt that carries the lock.

        run.json goes first: what is left is no finished run.
        """
        with files.writing(self.folder):
            (self.folder / RECORD).unlink(missing_ok=True)
            files.sync_folder(self.folder)
            os.ftruncate(self._log, 0)
            # Checkpoints next, the older one first: what is left goes on where the run was, or starts at the beginning.
            for entry in sorted(
                os.scandir(self.folder), key=lambda entry: (not entry.name.startswith("checkpoint"), -len(entry.name))
            ):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry)
                elif entry.name not in (LOG, NOTE, DATA):
                    os.unlink(entry)

    def remove(self) -> None:
        """Takes the folder away with all that is in it, and the claim's own log.txt last of all. No link in it is gone through."""
        self.clear()
        with files.writing(self.folder):
            for name in (NOTE, DATA):
                (self.folder / name).unlink(missing_ok=True)
            self.path_log.unlink()
            self.folder.rmdir()
            files.sync_folder(self.folder.parent)

    def tidy(self) -> None:
        """Takes away temporary files that a killed process left here or in a folder here; deeper down others may be at work."""
        with files.writing(self.folder):
            folders = [entry.path for entry in os.scandir(self.folder) if entry.is_dir(follow_symlinks=False)]
            for entry in (entry for place in (str(self.folder), *folders) for entry in os.scandir(place)):
                if _TEMPORARY.fullmatch(entry.name) and not entry.is_dir(follow_symlinks=False):
                    Path(entry.path).unlink(missing_ok=True)

    def write_record(self, record: Record) -> None:
        """Replaces run.json. Errors: RunError, also where the folder was removed or replaced."""
        self.check()
        files.write_text(self.folder / RECORD, files.strict_json(record.plain()) + "\n")


def in_use(folder: Path) -> bool:
    """Whether a living process holds the claim on a folder."""
    try:
        with open(folder / LOG, "rb", opener=lambda name, flags: os.open(name, flags | files.PLAIN)) as log:
            fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def check_locks(folder: Path) -> None:
    """Tries whether a lock in a folder keeps others out. Errors: RunError where it does not, or nothing can be written there."""
    with files.writing(folder), tempfile.NamedTemporaryFile(dir=folder, prefix=".locks-") as held, open(held.name, "rb") as other:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with suppress(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise RunError(f"locks in {folder} keep nobody out: two processes could write one run", "choose another file system")


def scan(paths: Iterable[Path]) -> Iterator[tuple[Path, str | None]]:
    """Every run's folder below `paths`, each once, in the order of the paths and then of the names, with None.

    A folder that should be a run's and is none comes with the reason: it is empty, looks like a run's without a run.json, cannot be
    read, or is a link that leads back; other links are followed, once. Errors: UsageError for a path that does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not os.path.isdir(path) and (packed := packs.find(path)):
            yield from ((folder, None) for folder in packs.run_folders(*packed, RECORD, SKIPPED))
            continue
        if not (os.path.isdir(path) or path.is_symlink()):
            wrong = "is no folder" if os.path.lexists(path) else "does not exist"
            raise UsageError(f"{path} {wrong}", "name a run, a sweep or a folder of results")
        waiting: list[tuple[Path, frozenset[tuple[int, int]]]] = [(path, frozenset())]
        while waiting:
            folder, above = waiting.pop()
            try:
                status = os.stat(folder)
                identity = (status.st_dev, status.st_ino)
                if identity in above:
                    yield folder, "a symbolic link that leads back to a folder above it"
                if identity in seen:
                    continue
                seen.add(identity)
                with os.scandir(folder) as listing:
                    entries = {entry.name: entry for entry in listing}
                inside = [] if RECORD in entries else [name for name in sorted(entries) if _leads_to_folder(entries[name])]
            except OSError as error:
                yield folder, f"cannot be read: {cause_of(error)}"
                continue
            reason = None if RECORD in entries else _no_run(folder, set(entries), bool(inside))
            if RECORD in entries or reason is not None:
                yield folder, reason
            else:
                waiting += [(folder / name, above | {identity}) for name in reversed(inside) if name not in SKIPPED]


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link that cannot be followed counts, one to nowhere where it has the name
    of a run."""
    try:
        return entry.is_dir() or (not os.path.exists(entry.path) and _RUN_NAME.fullmatch(entry.name) is not None)
    except OSError:
        return True


def _no_run(folder: Path, names: set[str], has_folders: bool) -> str | None:
    """Why a folder without run.json that should be a run's is none; None for one that only holds others, or other things."""
    if names.intersection(SWEEP_FILES) or (has_folders and not names.intersection(_RUN_FILES)):
        return None
    if in_use(folder):
        return "a run is just starting here: no run.json yet"
    if not names:
        return None if folder.name in ("runs", "plots", "results") else "empty"
    return f"no {RECORD}" if names.intersection(_RUN_FILES) or _RUN_NAME.fullmatch(folder.name) else None


def find_run(reference: str, results: Path, among: Sequence[Path] | None = None, notify: Notify = lambda text: None) -> Path:
    """The folder of the run that a RUN means: a folder, a unique prefix of its name, `@last`, or `@best:val_accuracy`.

    A prefix may stand behind the folder that the run lies in. results: where names are looked for, in sweeps too; among: folders of
    runs to look among instead. `@last` is the run that was started or finished last. `@best:METRIC` is the completed run with the
    best validation or training metric; notify is told which where they are on several data sets. Errors: UsageError with the
    nearest name.
    """
    inside = None
    try:
        if reference and not reference.startswith("@"):
            if (Path(reference) / RECORD).is_file():
                return Path(reference)
            inside = packs.find(Path(reference))
    except PermissionError as error:
        raise RunError(f"cannot read {reference}: permission denied") from error
    except (OSError, ValueError):
        pass  # no path at all, such as a name that is too long
    known, hint = among, "name one of the {:,} runs of this report; @last and @best:val_accuracy are runs too"
    if inside is not None:
        return _in_pack(reference, *inside, notify)
    home, name = os.path.split(reference)
    beside = Path(home).glob(f"*/{RECORD}") if among is None and os.path.isdir(home) and not os.path.isdir(reference) else ()
    if there := sorted(found.parent for found in beside):
        return _named(name, there, f"`mlp ls {home}` lists the {len(there):,} runs there", notify)
    if known is None:
        known = [folder for folder, reason in scan([results]) if reason is None] if os.path.lexists(results) else []
        hint = f"`mlp ls {results}` lists the {{:,}} runs there; @last and @best:val_accuracy are runs too"
    hint = hint.format(len(known)) if known else f"there are no runs in {results}; another folder is named with --results DIR"
    return _named(reference, known, hint, notify)


def find_sweep(reference: str, results: Path) -> Path | None:
    """The folder or pack of the sweep that a SWEEP means: itself, its name, or a prefix that nothing else there has; else None."""
    for place in (Path(reference), results / reference) if reference else ():
        if _is_sweep(place):
            return place
    matching = [each for each in results.iterdir() if each.name.startswith(reference)] if results.is_dir() else []
    return matching[0] if len(matching) == 1 and _is_sweep(matching[0]) else None


def _is_sweep(folder: Path) -> bool:
    return files.is_file(folder / SWEEP_FILES[0])


def _in_pack(reference: str, pack: packs.Pack, name: str, notify: Notify) -> Path:
    """The run that a RUN means which leads into a pack: `best.zip` that has one run, `all.zip/NAME`, `all.zip/@best:val_accuracy`."""
    known = packs.run_folders(pack, ".", RECORD, SKIPPED)
    hint = f"{pack.path} has {len(known):,} runs: name one as {pack.path}/NAME, or take {pack.path}/@best:val_accuracy"
    if Path(reference) in known:
        return Path(reference)
    if name != ".":
        return _named(name.rpartition("/")[2], known, hint, notify)
    if len(known) == 1:
        return known[0]
    raise UsageError(f"{reference} is no single run", hint)


def _named(reference: str, known: Sequence[Path], hint: str, notify: Notify) -> Path:
    """The run that a name, its beginning, `@last` or `@best:METRIC` means among those known. hint: where there is none."""
    if reference.startswith("@"):
        return _by_rank(reference, known, hint, notify)
    exact = [path for path in known if path.name == reference]
    exact = exact or [path for path in known if reference and path.name.rpartition("-")[0] == reference]
    matching = exact or [path for path in known if reference and path.name.startswith(reference)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        listed = ", ".join(map(str, matching[:5])) + (f" and {len(matching) - 5} more" if len(matching) > 5 else "")
        raise UsageError(f"{reference!r} means {len(matching)} runs: {listed}", "write more of the name, or the folder")
    if reference and os.path.isdir(reference):
        raise UsageError(f"{reference} is no run: it has no {RECORD}", hint)
    names = [name for path in known for name in (path.name, path.name.rpartition("-")[0]) if name]
    nearest = did_you_mean(reference, names) if len(reference) < _LONGEST else ""
    raise UsageError(f"unknown run {reference[:_LONGEST]!r}{nearest}", hint)


def last_touched(folder: Path, record: Record) -> tuple[str, int]:
    """When a run was started or finished last, for `@last` and `mlp ls`; run.json's own time (ns, 0 in a pack) decides a tie."""
    path = folder / RECORD
    return max(record.started or "", record.finished or ""), path.stat().st_mtime_ns if path.exists() else 0


def _by_rank(reference: str, folders: Sequence[Path], hint: str, notify: Notify) -> Path:
    """The run that `@last` or `@best:METRIC` means among those that can be read. hint: where there is none."""
    kind, colon, metric = reference.partition(":")
    if kind not in ("@last", "@best") or (kind == "@last") == bool(colon):
        raise UsageError(f"unknown run {reference!r}", "write @last, or @best with a metric: @best:val_accuracy")
    if metric.startswith("test_"):
        raise UsageError(
            f"{reference}: the test set is never used for choosing", f"write @best:val_{metric.removeprefix('test_')}"
        )
    times: dict[Path, tuple[str, int]] = {}
    scores: dict[str, dict[Path, float]] = {}
    sets: dict[Path, str] = {}
    for folder in folders:
        with suppress(RunError, OSError):
            if (record := read_record(folder)) is not None:
                times[folder] = last_touched(folder, record)
                sets[folder] = record.data.name if record.data else ""
                for name, value in record.metrics.items() if record.status == "completed" else ():
                    if value is not None and not name.startswith("test_"):
                        scores.setdefault(name, {})[folder] = value
    if kind == "@last":
        if not times:
            raise UsageError("no run is the last: there is none", hint)
        return max(times, key=lambda folder: times[folder])
    if not scores:
        raise UsageError("no run is the best: no completed run has scores", hint)
    if metric not in scores:
        raise UsageError(f"unknown metric {metric!r}{did_you_mean(metric, scores)}", f"known: {', '.join(sorted(scores))}")
    best = max if higher_is_better(metric) else min
    found = best(scores[metric], key=lambda folder: scores[metric][folder])
    if (count := len({sets[folder] for folder in scores[metric]})) > 1:
        notify(f"{reference} is {found}, on {sets[found]}: the best over runs on {count:,} data sets")
    return found
