"""Folders of runs that nobody trained: what `mlp train` leaves, made in an instant, for tests of all that reads runs."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.config import config_from_mapping

SHA256 = hashlib.sha256(b"data").hexdigest()
COMMAND = "mlp sweep base.yaml learning_rate=0.001,0.01 --seeds 3"


@cache
def _resolved(text: str) -> tuple[str, str]:
    config = config_from_mapping(json.loads(text))
    return json.dumps(config.to_dict()), config.hash()


def write_run(
    folder: Path,
    config: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    score: float = 0.95,
    epochs: int = 3,
    status: str = "completed",
    error: str | None = None,
    name: str = "fake",
    **changes: Any,
) -> Path:
    """A run `<folder>/<name>-<hash>` whose validation accuracy is `score`. changes: other entries of run.json."""
    mapping = {"dataset": "mnist", **(config or {}), "seed": seed, "name": name}
    resolved, digest = _resolved(json.dumps(mapping))
    home = folder / f"{name}-{digest[:8]}"
    home.mkdir(parents=True)
    completed = status == "completed"
    curve = [score - 0.1 * 0.5**epoch for epoch in range(1, epochs)] + [score]
    rows = [[epoch, 1 - value, value - 0.01, 1.1 - value, value, 0.001] for epoch, value in enumerate(curve, 1)]
    header = "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate"
    lines = [header, *(",".join(map(repr, row)) for row in rows)]
    (home / "metrics.csv").write_text("\n".join(lines) + "\n")
    metrics = {"train_loss": 1 - score, "train_accuracy": score - 0.01, "val_loss": 1.1 - score, "val_accuracy": score}
    record = {
        "id": home.name,
        "name": name,
        "status": status,
        "error": error,
        "config_hash": digest,
        "config": json.loads(resolved),
        "started": f"2024-05-01T10:00:{seed % 60:02d}Z",
        "finished": f"2024-05-01T11:00:{seed % 60:02d}Z",
        "seconds": 2.5 + seed if completed else None,
        "epochs": epochs,
        "best_epoch": epochs if completed else None,
        "parameters": 238_510,
        "metrics": {**metrics, "test_loss": 1.1 - score, "test_accuracy": score - 0.002} if completed else {},
        "data": {"name": "mnist", "sha256": SHA256, "train": 55_000, "validation": 5_000, "test": 10_000},
        "environment": {"version": "0.1.0", "python": "3.11.9", "numpy": "2.1.0", "threads": 1},
        "command": COMMAND,
    } | changes
    (home / "run.json").write_text(json.dumps(record, indent=2))
    return home


def write_grid(folder: Path, rates: Sequence[float], optimizers: Sequence[str], seeds: int, epochs: int = 20) -> Iterator[Path]:
    """A grid of runs with noise over seeds; the score falls with the distance of the learning rate from 0.003."""
    generator = np.random.default_rng(0)
    for rate, optimizer in product(rates, optimizers):
        for seed in range(seeds):
            score = 0.97 - 0.01 * abs(np.log10(rate / 0.003)) - 0.003 * (optimizer == "sgd") + generator.normal(0, 0.001)
            yield write_run(
                folder,
                {"learning_rate": rate, "optimizer": optimizer},
                seed=seed,
                score=float(score),
                epochs=epochs,
                name=f"learning_rate-{rate:.6g}_optimizer-{optimizer}_seed-{seed}",
            )
