"""Reading runs' folders, whatever they hold: what is no run, or a damaged one, is listed with the reason."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlp_cli import files, runs
from mlp_cli.choosing import higher_is_better
from mlp_cli.config.resolved import NOT_HASHED, flat
from mlp_cli.errors import RunError
from mlp_cli.find import scan
from mlp_cli.report.model import Broken, Column, Run

METRICS = "metrics.csv"

_HUGE = 1e100
_SWEEP_LIMIT = 4 << 20
_METRIC = re.compile(r"^(metric|mode): ((?:(?:val|train)_)?[a-z0-9]+)$", re.MULTILINE)
_CURVES_LIMIT = 64 << 20
_MOST_METRICS = 200
_MOST_KEYS = 2_000


def collect(paths: Iterable[Path], *, curves: bool = True) -> tuple[list[Run], list[Broken]]:
    """Every run below `paths` and everything there that should be one and cannot be read.

    curves: also read each run's metrics.csv. Errors: UsageError for a path that does not exist.
    """
    found: list[Run] = []
    broken: list[Broken] = []
    for folder in scan(paths):
        if folder.reason is not None:
            broken.append(Broken(folder.folder, folder.reason))
            continue
        try:
            run = read_run(folder.folder)
        except RunError as error:
            broken.append(Broken(folder.folder, error.message.removeprefix(f"{folder.folder / runs.RECORD} ")))
            continue
        if curves:
            try:
                run.epochs.update(read_curves(folder.folder))
            except RunError as error:
                reason = error.message.removeprefix(f"{folder.folder / METRICS} ")
                broken.append(Broken(folder.folder / METRICS, f"{reason}; the run's scores are reported, its curves are not"))
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
        raise RunError(f"{folder / runs.RECORD} is missing, or no file")
    try:
        config = {key: value for key, value in flat(record["config"]).items() if key not in NOT_HASHED}
        if len(config) > _MOST_KEYS:
            raise ValueError(f"the config has more than {_MOST_KEYS:,} keys")
        _check_sizes({**record, **(record.get("metrics") or {}), **(record.get("data") or {}), **record["config"]})
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder / runs.RECORD} is damaged: {error}", "start the run afresh with --force") from error
    return Run(folder, record, status, config, {})


def _check_sizes(values: Mapping[str, Any]) -> None:
    """Errors: ValueError for a number whose square no float holds: statistics cannot be made of it."""
    for key, value in values.items():
        if isinstance(value, int | float) and abs(value) >= _HUGE:
            raise ValueError(f"{key} is {repr(value)[:40]}, too large to be compared")


def read_curves(folder: Path) -> dict[str, Column]:
    """The columns of metrics.csv, `epoch` first; {} where there is no such file. A last line that is being written is left out.

    Errors: RunError where it is damaged.
    """
    path = folder / METRICS
    if not path.is_file():
        return {}
    text = files.read_bytes(path, _CURVES_LIMIT, RunError).decode("utf-8", "replace")
    whole = text[: text.rfind("\n") + 1]
    try:
        header, *lines = list(csv.reader(io.StringIO(whole))) or [[]]
        if not header or header[0] != "epoch" or len(set(header)) < len(header) or len(header) > _MOST_METRICS:
            raise ValueError("its header is not that of metrics")
        if any(len(line) != len(header) for line in lines):
            raise ValueError("a line is too short or too long")
        columns: dict[str, Column] = (
            {name: [_cell(text) for text in column] for name, column in zip(header, zip(*lines, strict=True), strict=True)}
            if lines
            else {name: [] for name in header}
        )
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}") from error
    epochs = columns["epoch"]
    if any(epoch is None or epoch != int(epoch) for epoch in epochs):
        raise RunError(f"{path} is damaged: an epoch is no whole number")
    return columns


def epochs_done(run: Run) -> float | None:
    """The epochs that a run has trained: its metrics.csv is written as it goes on, its run.json when it ends."""
    stated: float | None = run.record.get("epochs")
    if run.status == "completed":
        return stated
    try:
        written = (run.epochs or read_curves(run.folder)).get("epoch")
    except RunError:
        return stated
    return int(written[-1] or 0) if written else stated


def _cell(text: str) -> float | None:
    if not text:
        return None
    value = float(text)
    return value if math.isfinite(value) and abs(value) < _HUGE else None
