"""Finding runs: a scan of any folders for those of runs, and the run that a person means by a RUN."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp_cli import runs
from mlp_cli.choosing import higher_is_better
from mlp_cli.errors import RunError, UsageError, cause_of
from mlp_cli.registry import did_you_mean

SKIPPED = "report"
"""Folders of this name hold reports, and are not looked into."""

_RUN_FILES = (
    "config.yaml",
    "metrics.csv",
    "timings.csv",
    "checkpoint.npz",
    "checkpoint.previous.npz",
    "model.npz",
    runs.LOG,
)
_RUN_NAME = re.compile(r".+-[0-9a-f]{8}")
SWEEP_FILES = ("sweep.yaml", "trials.csv")
_DEEPEST = 32
_LIST = 5
_LONGEST = 200
_TEST = "test_"


@dataclass(frozen=True)
class Found:
    """A folder that a scan met: of a run (reason is None), or one that should be a run's and is none, with the reason."""

    folder: Path
    reason: str | None = None


def scan(paths: Iterable[Path]) -> Iterator[Found]:
    """Every run below `paths`, each once, in the order of the paths and then of the names.

    Links are followed, once; one that leads back, and a folder that cannot be read, is found with the reason, and so are empty
    folders and those that look like a run's without a run.json. Errors: UsageError for a path that does not exist.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        if not os.path.lexists(path):
            raise UsageError(f"{path} does not exist", "name a run, a sweep or a folder of results")
        if not (os.path.isdir(path) or path.is_symlink()):
            raise UsageError(f"{path} is no folder", "name a run, a sweep or a folder of results")
        yield from _walk(path, seen, ())


def _walk(folder: Path, seen: set[tuple[int, int]], above: tuple[tuple[int, int], ...]) -> Iterator[Found]:
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            yield Found(folder, "a symbolic link that leads back to a folder above it")
            return
        if identity in seen:
            return
        seen.add(identity)
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        names = {entry.name for entry in entries}
        if runs.RECORD in names:
            yield Found(folder)
            return
        inside = [entry for entry in entries if _leads_to_folder(entry)]
    except OSError as error:
        yield Found(folder, f"cannot be read: {cause_of(error)}")
        return
    if (reason := _no_run(folder, names, bool(inside))) is not None:
        yield Found(folder, reason)
        return
    if len(above) >= _DEEPEST:
        yield Found(folder, f"more than {_DEEPEST} folders deep: not looked into")
        return
    for entry in inside:
        if entry.name != SKIPPED:
            yield from _walk(folder / entry.name, seen, (*above, identity))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one; a link that cannot be followed counts, one to nowhere where it has the name
    of a run."""
    if not entry.is_symlink():
        return entry.is_dir()
    try:
        return stat.S_ISDIR(os.stat(entry.path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return _RUN_NAME.fullmatch(entry.name) is not None
    except OSError:
        return True


def _no_run(folder: Path, names: set[str], has_folders: bool) -> str | None:
    """Why a folder without run.json that should be a run's is none; None for one that only holds others, or other things."""
    looks_like_run = bool(names.intersection(_RUN_FILES)) or _RUN_NAME.fullmatch(folder.name) is not None
    if names.intersection(SWEEP_FILES) or (has_folders and not names.intersection(_RUN_FILES)):
        return None
    if runs.in_use(folder):
        return "a run is just starting here: no run.json yet"
    if not names:
        return None if folder.name in ("runs", "plots", "results") else "empty"
    return f"no {runs.RECORD}" if looks_like_run else None


@dataclass(frozen=True)
class _Known:
    """The runs that a RUN may mean, and how a person sees them."""

    folders: Sequence[Path]
    hint: str


def find_run(reference: str, results: Path, among: Sequence[Path] | None = None) -> Path:
    """The folder of the run that a RUN means: a folder, a unique prefix of its name, `@last`, or `@best:val_accuracy`.

    results: where names are looked for, in sweeps too; among: folders of runs to look among instead. `@last` is the run that was
    started or finished last. `@best:METRIC` is the completed run with the best validation or training metric. Errors: UsageError
    with the nearest name.
    """
    if reference.startswith("@"):
        return _by_rank(reference, _known(results, among))
    folder = Path(reference)
    try:
        if reference and (folder / runs.RECORD).is_file():
            return folder
    except PermissionError as error:
        raise RunError(f"cannot read {folder}: permission denied") from error
    except (OSError, ValueError):
        pass  # no path at all, such as a name that is too long
    known = _known(results, among)
    exact = [path for path in known.folders if path.name == reference]
    matching = exact or ([path for path in known.folders if path.name.startswith(reference)] if reference else [])
    if len(matching) == 1:
        return matching[0]
    if matching:
        listed = ", ".join(str(path) for path in matching[:_LIST])
        more = f" and {len(matching) - _LIST} more" if len(matching) > _LIST else ""
        raise UsageError(f"{reference!r} means {len(matching)} runs: {listed}{more}", "write more of the name, or the folder")
    if reference and os.path.isdir(reference):
        raise UsageError(f"{reference} is no run: it has no {runs.RECORD}", known.hint)
    names = [name for path in known.folders for name in (path.name, path.name.rpartition("-")[0])]
    nearest = did_you_mean(reference, filter(None, names)) if len(reference) < _LONGEST else ""
    raise UsageError(f"unknown run {reference[:_LONGEST]!r}{nearest}", known.hint)


def _known(results: Path, among: Sequence[Path] | None) -> _Known:
    special = "@last and @best:val_accuracy are runs too"
    if among is not None:
        return _Known(among, f"name one of the {len(among):,} runs of this report; {special}")
    folders = [found.folder for found in scan([results]) if found.reason is None] if os.path.isdir(results) else []
    if not folders:
        return _Known(folders, f"there are no runs in {results}; another folder is named with --results DIR")
    return _Known(folders, f"`mlp ls {results}` lists the {len(folders):,} runs there; {special}")


def _by_rank(reference: str, known: _Known) -> Path:
    kind, colon, metric = reference.partition(":")
    if kind not in ("@last", "@best") or (kind == "@last") == bool(colon):
        raise UsageError(f"unknown run {reference!r}", "write @last, or @best with a metric: @best:val_accuracy")
    if metric.startswith(_TEST):
        raise UsageError(f"{reference}: the test set is never used for choosing", f"write @best:val_{metric.removeprefix(_TEST)}")
    records = [(path, record) for path in known.folders if (record := _record(path)) is not None]
    if kind == "@last":
        if not records:
            raise UsageError("no run is the last: there is none", known.hint)
        return max(records, key=lambda pair: _when(*pair))[0]
    return _best(metric, records, known)


def _best(metric: str, records: Sequence[tuple[Path, dict[str, Any]]], known: _Known) -> Path:
    scores: dict[str, list[tuple[float, Path]]] = {}
    for path, record in records:
        if record["status"] == "completed":
            for name, value in record["metrics"].items():
                if value is not None:
                    scores.setdefault(name, []).append((value, path))
    allowed = [name for name in scores if not name.startswith(_TEST)]
    if metric not in allowed:
        if not allowed:
            raise UsageError("no run is the best: no completed run has scores", known.hint)
        raise UsageError(f"unknown metric {metric!r}{did_you_mean(metric, allowed)}", f"known: {', '.join(sorted(allowed))}")
    sign = -1 if higher_is_better(metric) else 1
    return min(scores[metric], key=lambda pair: sign * pair[0])[1]


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        return runs.read_record(folder)
    except RunError:
        return None


def _when(folder: Path, record: dict[str, Any]) -> tuple[str, int]:
    """When a run was last begun or ended, by its record, and by the file where that is the same second."""
    last = max(filter(None, (record["started"], record["finished"])), default="")
    try:
        return last, (folder / runs.RECORD).stat().st_mtime_ns
    except OSError:
        return last, 0
