"""What differs between two runs: config, environment, data, metrics, and the first epoch where their curves part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.errors import RunError
from mlp_cli.predictions import read_predictions
from mlp_cli.report.collect import epochs_done, read_run
from mlp_cli.report.model import Run
from mlp_cli.runs import METRICS, Column, read_curves


@dataclass(frozen=True)
class Difference:
    """Two runs and what differs: for each section (run, config, environment, data, metrics) the
    keys with both values, None for a value that one does not have.

    mcnemar: the test of their common test rows (see `compare_rows`), None where there is none; mcnemar_note: why.
    common: epochs that both have. first_epoch, columns: the first epoch in which their curves part, and the columns that do with
    both values; None and empty where all common epochs are equal.
    """

    first: Run
    second: Run
    sections: dict[str, dict[str, tuple[Any, Any]]]
    common: int
    first_epoch: int | None
    columns: dict[str, tuple[Any, Any]]
    mcnemar: dict[str, Any] | None = None
    mcnemar_note: str = ""

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
    sections = {name: _differing(*pair) for name, pair in pairs.items()}
    try:
        rows, note = compare_rows(one, other), ""
    except RunError as error:
        rows, note = None, error.message
    return Difference(one, other, sections, *_parting(*curves), rows, note)


def compare_rows(one: Run, other: Run) -> dict[str, Any] | None:
    """McNemar's exact test (1947) on the test rows that both runs predicted: which of two trained nets is right more often.

    rows: how many they have in common; only_first, only_second: those that one alone gets right; p: two-sided, by the binomial
    distribution. It is about these two nets; another seed gives others. None for a quantity, other data or classes, and runs
    without common test rows. Errors: RunError where predictions are missing or damaged.
    """
    data = one.record.data, other.record.data
    if data[0] is None or data[1] is None or not data[0].classes:
        return None
    if (data[0].sha256, data[0].classes) != (data[1].sha256, data[1].classes) or {one.status, other.status} != {"completed"}:
        return None
    first, second = (read_predictions(run.folder).get("test") for run in (one, other))
    if first is None or second is None:
        return None
    from scipy.stats import binomtest

    common, *places = np.intersect1d(first.rows, second.rows, assume_unique=True, return_indices=True)
    if not len(common) or not np.array_equal(first.labels[places[0]], second.labels[places[1]]):
        return None
    right = first.right[places[0]], second.right[places[1]]
    alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p = float(binomtest(alone[0], sum(alone)).pvalue) if sum(alone) else 1.0
    return {"rows": len(common), "only_first": alone[0], "only_second": alone[1], "p": p}


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
