"""Reading runs' folders, whatever they hold: what is no run, or a damaged one, is listed with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlp_cli import files, runs
from mlp_cli.choosing import higher_is_better
from mlp_cli.config.resolved import NOT_HASHED, flat
from mlp_cli.errors import RunError
from mlp_cli.report.model import Broken, Run
from mlp_cli.report.where import choose
from mlp_cli.runs import METRICS, NOTE, RECORD, read_curves, scan

_HUGE = 1e100
_SWEEP_LIMIT = 4 << 20
_METRIC = re.compile(r"^(metric|mode): ((?:(?:val|train)_)?[a-z0-9]+)$", re.MULTILINE)
_MOST_KEYS = 2_000
_LISTED = ("val_accuracy", "val_r2", "test_accuracy", "test_r2", "val_loss")


def collect(paths: Iterable[Path], *, curves: bool = True) -> tuple[list[Run], list[Broken]]:
    """Every run below `paths` and everything there that should be one and cannot be read.

    curves: also read each run's metrics.csv. Errors: UsageError for a path that does not exist.
    """
    found: list[Run] = []
    broken: list[Broken] = []
    for folder, reason in scan(paths):
        if reason is not None:
            broken.append(Broken(folder, reason))
            continue
        try:
            run = read_run(folder)
        except RunError as error:
            broken.append(Broken(folder, error.message.removeprefix(f"{folder / RECORD} ")))
            continue
        try:
            run = replace(run, note=runs.read_note(folder))
        except RunError as error:
            broken.append(Broken(folder / NOTE, error.message.removeprefix(f"{folder / NOTE} ")))
        if curves:
            try:
                for name, column in read_curves(folder).items():
                    run.epochs[name] = [None if value is None or abs(value) >= _HUGE else value for value in column]
            except RunError as error:
                reason = error.message.removeprefix(f"{folder / METRICS} ")
                broken.append(Broken(folder / METRICS, f"{reason}; the run's scores are reported, its curves are not"))
        found.append(run)
    return found, broken


def metric_of_sweep(runs_folder: Path) -> str | None:
    """What chooses the winner of the sweep whose members' folders are in `runs_folder`, by its sweep.yaml; None where that says
    nothing, or the folder is no sweep's."""
    try:
        text = files.read_bytes(runs_folder.parent / "sweep.yaml", _SWEEP_LIMIT, RunError).decode("utf-8", "replace")
    except RunError:
        return None
    found = dict(_METRIC.findall(text)) if runs_folder.name == "runs" else {}
    metric = found.get("metric")
    usual = metric is not None and found.get("mode") == ("max" if higher_is_better(metric) else "min")
    return metric if usual else None


def read_run(folder: Path) -> Run:
    """A run from its folder, without curves. Errors: RunError with what is wrong with its run.json."""
    record, status = runs.read_status(folder)
    if record is None:
        raise RunError(f"{folder / RECORD} is missing, or no file")
    try:
        config = {key: value for key, value in flat(record.config).items() if key not in NOT_HASHED}
        if len(config) > _MOST_KEYS:
            raise ValueError(f"the config has more than {_MOST_KEYS:,} keys")
        _check_sizes({**dict(record), **record.metrics, **dict(record.data or ()), **record.config})
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder / RECORD} is damaged: {error}", "start the run afresh with --force") from error
    return Run(folder, record, status, config, {})


def _check_sizes(values: Mapping[str, Any]) -> None:
    """Errors: ValueError for a number whose square no float holds: statistics cannot be made of it."""
    for key, value in values.items():
        if isinstance(value, int | float) and abs(value) >= _HUGE:
            raise ValueError(f"{key} is {repr(value)[:40]}, too large to be compared")


def epochs_done(run: Run) -> int | None:
    """The epochs that a run has trained: its metrics.csv is written as it goes on, its run.json when it ends."""
    if run.status == "completed":
        return run.record.epochs
    try:
        written = (run.epochs or read_curves(run.folder)).get("epoch")
    except RunError:
        return run.record.epochs
    return int(written[-1] or 0) if written else run.record.epochs


def list_runs(paths: Sequence[Path], where: str | None = None) -> tuple[list[dict[str, Any]], list[Broken]]:
    """A row for each run below `paths`, `@last` at the end, and what could not be read: for `mlp ls`, which is quick.

    Keys: folder, id, name, status, seed, data (its name), metric (the name of the score in `score`: validation's where there is one),
    score, epochs, seconds, started, error, note, tags. where: only the runs that meet this condition.
    """
    found, broken = collect(paths, curves=False)
    found = found if where is None or not found else choose(found, where)
    rows = []
    for run in sorted(found, key=lambda run: runs.last_touched(run.folder, run.record)):
        own = {"folder": str(run.folder)} | {name: getattr(run, name) for name in ("id", "name", "status", "seed")}
        own["data"] = run.record.data.name if run.record.data else None
        own["metric"] = next((name for name in _LISTED if name in run.metrics), None)
        own |= {"score": run.metrics.get(own["metric"]), "epochs": epochs_done(run)}
        own |= {name: getattr(run.record, name) for name in ("seconds", "started", "error")}
        rows.append(own | {"note": run.note.text, "tags": run.note.tags})
    return rows, broken
