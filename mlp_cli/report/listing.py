"""One line a run, for `mlp ls`: reads run.json alone, and imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlp_cli.report.collect import collect, epochs_done
from mlp_cli.report.model import Broken, Run


def list_runs(paths: Sequence[Path]) -> tuple[list[dict[str, Any]], list[Broken]]:
    """A row for each run below `paths`, in the order of the folders, and what could not be read.

    Keys: folder, id, name, status, seed, epochs, metric (the name of the score in `score`: validation's where there is one),
    score, seconds, started, error.
    """
    found, broken = collect(paths, curves=False)
    return [_row(run) for run in found], broken


def _row(run: Run) -> dict[str, Any]:
    metrics = run.metrics
    metric = next((name for name in ("val_accuracy", "val_r2", "test_accuracy", "test_r2", "val_loss") if name in metrics), None)
    own = {"folder": str(run.folder), "id": run.id, "name": run.name, "status": run.status, "seed": run.seed}
    scores = {"metric": metric, "score": None if metric is None else metrics[metric]}
    return (
        own | scores | {"epochs": epochs_done(run)} | {key: getattr(run.record, key) for key in ("seconds", "started", "error")}
    )
