"""What differs between two runs: config, environment, data, metrics, and the first epoch where their curves part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp_cli.report.collect import epochs_done, read_run
from mlp_cli.report.model import Run
from mlp_cli.runs import METRICS, Column, read_curves


@dataclass(frozen=True)
class Difference:
    """Two runs and what differs: for each section (run, config, environment, data, metrics) the
    keys with both values, None for a value that one does not have.

    common: epochs that both have. first_epoch, columns: the first epoch in which their curves part, and the columns that do with
    both values; None and empty where all common epochs are equal.
    """

    first: Run
    second: Run
    sections: dict[str, dict[str, tuple[Any, Any]]]
    common: int
    first_epoch: int | None
    columns: dict[str, tuple[Any, Any]]

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.first_epoch is None and not any(self.sections.values())


def compare_runs(first: Path, second: Path) -> Difference:
    """Compares the runs in two folders. Errors: RunError where one cannot be read."""
    one, other = read_run(first), read_run(second)
    curves = read_curves(first), read_curves(second)
    pairs = {
        "run": (_run(one, curves[0]), _run(other, curves[1])),
        "config": (one.config, other.config),
        "environment": (one.environment, other.environment),
        "data": (one.data, other.data),
        "metrics": (one.record.metrics, other.record.metrics),
    }
    return Difference(one, other, {name: _differing(*pair) for name, pair in pairs.items()}, *_parting(*curves))


def _run(run: Run, curves: Mapping[str, Column]) -> dict[str, Any]:
    own = {"status": run.status, "epochs": epochs_done(run), METRICS: "there" if curves else "missing"}
    return own | {key: getattr(run.record, key) for key in ("error", "best_epoch", "parameters")}


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    pairs = {key: (one.get(key), other.get(key)) for key in dict.fromkeys((*one, *other))}
    return {key: (a, b) for key, (a, b) in pairs.items() if a != b or isinstance(a, bool) != isinstance(b, bool)}


def _parting(one: Mapping[str, Column], other: Mapping[str, Column]) -> tuple[int, int | None, dict[str, tuple[Any, Any]]]:
    """The number of common epochs, the first where any common column differs, and the columns that do."""
    rows, other_rows = _rows(one), _rows(other)
    common = [epoch for epoch in rows if epoch in other_rows]
    columns = [name for name in one if name in other and name != "epoch"]
    for epoch in common:
        pairs = {name: (one[name][rows[epoch]], other[name][other_rows[epoch]]) for name in columns}
        if parted := {name: (a, b) for name, (a, b) in pairs.items() if a != b}:
            return len(common), epoch, parted
    return len(common), None, {}


def _rows(curves: Mapping[str, Column]) -> dict[int, int]:
    return {int(epoch): row for row, epoch in enumerate(curves.get("epoch", [])) if epoch is not None}
