"""What differs between two runs: config, environment, data, metrics, and the first epoch where their curves part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp_cli.report.collect import epochs_done, read_run
from mlp_cli.report.model import Run
from mlp_cli.runs import METRICS, Column, read_curves

SECTIONS = ("run", "config", "environment", "data", "metrics")


@dataclass(frozen=True)
class Difference:
    """Two runs and what differs: for each of SECTIONS the keys with both values, None for a value that one does not have.

    common: epochs that both have. first_epoch, columns: the first epoch in which their curves part, and the columns that do;
    None and empty where all common epochs are equal.
    """

    first: Run
    second: Run
    sections: dict[str, dict[str, tuple[Any, Any]]]
    common: int
    first_epoch: int | None
    columns: list[str]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.first_epoch is None and not any(self.sections.values())


def compare_runs(first: Path, second: Path) -> Difference:
    """Compares the runs in two folders. Errors: RunError where one cannot be read."""
    one, other = read_run(first), read_run(second)
    curves = read_curves(first), read_curves(second)
    sections = {
        "run": _differing(_run(one, curves[0]), _run(other, curves[1])),
        "config": _differing(one.config, other.config),
        "environment": _differing(one.environment, other.environment),
        "data": _differing(one.data, other.data),
        "metrics": _differing(one.record.metrics, other.record.metrics),
    }
    return Difference(one, other, sections, *_parting(*curves))


def _run(run: Run, curves: Mapping[str, Column]) -> dict[str, Any]:
    own = {"status": run.status, "epochs": epochs_done(run), METRICS: "there" if curves else "missing"}
    return own | {key: getattr(run.record, key) for key in ("error", "best_epoch", "parameters")}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys: Iterable[str] = dict.fromkeys((*one, *other))
    pairs = {key: (one.get(key), other.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if _differ(*pair)}


def _differ(a: Any, b: Any) -> bool:
    return bool(a != b) or isinstance(a, bool) != isinstance(b, bool)


def _parting(one: Mapping[str, Column], other: Mapping[str, Column]) -> tuple[int, int | None, list[str]]:
    """The number of common epochs, the first where any common column differs, and the columns that do."""
    epochs = [int(epoch) for epoch in one.get("epoch", []) if epoch is not None]
    rows = {int(epoch): row for row, epoch in enumerate(other.get("epoch", [])) if epoch is not None}
    columns = [name for name in one if name in other and name != "epoch"]
    common = 0
    for row, epoch in enumerate(epochs):
        if epoch not in rows:
            continue
        common += 1
        parted = [name for name in columns if one[name][row] != other[name][rows[epoch]]]
        if parted:
            return sum(each in rows for each in epochs), epoch, parted
    return common, None, []
