"""Reading runs' folders, whatever they hold: every value is checked before anything relies on it."""

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
from mlp_cli.errors import RunError
from mlp_cli.find import scan
from mlp_cli.report.flatten import flatten
from mlp_cli.report.model import Broken, Column, Run

FORMAT = 1
"""The format of run.json that this version reads; a record without a number has it."""

STATUSES = ("running", "completed", "interrupted", "failed", "diverged", "pruned")
METRICS = "metrics.csv"

_HUGE = 1e100
_SWEEP_LIMIT = 4 << 20
_METRIC = re.compile(r"^(metric|mode): ((?:(?:val|train)_)?[a-z0-9]+)$", re.MULTILINE)
_CURVES_LIMIT = 64 << 20
_MOST_METRICS = 200
_LONGEST_NAME = 100

_TEXTS = ("id", "name", "error", "started", "finished", "command")
_NUMBERS = ("seconds", "epochs", "best_epoch", "parameters")
_DATA_NUMBERS = ("train", "validation", "test")


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
    record = runs.read_record(folder)
    if record is None:
        raise RunError(f"{folder / runs.RECORD} is missing, or no file")
    written = record.get("format", FORMAT)
    if isinstance(written, int) and written > FORMAT:
        raise RunError(
            f"{folder / runs.RECORD} has format {written}, of a later version of mlp than this one, which reads {FORMAT}",
            "update mlp to read it",
        )
    try:
        flat = _check(record)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder / runs.RECORD} is damaged: {error}", "start the run afresh with --force") from error
    return Run(folder, record, runs.status(folder, record), flat, {})


def _check(record: dict[str, Any]) -> dict[str, Any]:
    """The flat config of a record whose every value has the type that others rely on. Errors: ValueError."""
    if record["status"] not in STATUSES:
        raise ValueError(f"its status {_shown(record['status'])} is none that this version knows")
    for key in _TEXTS:
        _require(record, key, record.get(key) is None or isinstance(record[key], str), "text")
    for key in _NUMBERS:
        _require(record, key, record.get(key) is None or is_number(record[key]), "a number")
    _require(record, "config", isinstance(record.get("config"), dict), "a mapping")
    _require(record, "environment", isinstance(record.get("environment") or {}, dict), "a mapping")
    _check_metrics(record)
    _check_data(record)
    flat = flatten(record["config"])
    seed = flat.get("seed")
    _require(flat, "seed", isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32, "a seed")
    _require(flat, "learning_rate", is_number(flat.get("learning_rate", 0)), "a number")
    return flat


def _check_metrics(record: Mapping[str, Any]) -> None:
    metrics = record.get("metrics") or {}
    _require(record, "metrics", isinstance(metrics, dict) and len(metrics) <= _MOST_METRICS, "a mapping of scores")
    for name, value in metrics.items():
        if len(name) > _LONGEST_NAME:
            raise ValueError("a metric's name is too long")
        if value is not None and not is_number(value):
            raise ValueError(f"metrics.{name} is {_shown(value)}, not a finite number")
    if record["status"] == "completed" and not metrics:
        raise ValueError("the run is completed, and has no metrics")


def _check_data(record: Mapping[str, Any]) -> None:
    data = record.get("data") or {}
    _require(record, "data", isinstance(data, dict), "a mapping")
    for key in ("name", "sha256"):
        if data and not isinstance(data.get(key), str):
            raise ValueError(f"data.{key} is {_shown(data.get(key))}, not text")
    for key in _DATA_NUMBERS:
        count = data.get(key, 0)
        if not is_number(count) or count != int(count):
            raise ValueError(f"data.{key} is {_shown(count)}, not a whole number")


def _require(record: Mapping[str, Any], key: str, good: bool, wanted: str) -> None:
    if not good:
        raise ValueError(f"{key} is {_shown(record.get(key))}, not {wanted}")


def _shown(value: Any) -> str:
    kind = {dict: "a mapping", list: "a list", type(None): "missing"}.get(type(value))
    return kind or repr(value)[:60]


def is_number(value: Any) -> bool:
    """Whether a value is a finite number of a size that can be reckoned with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_HUGE < value < _HUGE


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
