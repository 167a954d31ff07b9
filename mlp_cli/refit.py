"""A run again on its training and validation part together: what `mlp train --refit` trains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlp_cli import packs, runs
from mlp_cli.build import check_data, load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.errors import UsageError
from mlp_cli.experiment import Plan


def refit_plan(folder: Path, results: Path, overrides: Sequence[str] = ()) -> Plan:
    """The plan of a completed run's config with `validation: 0`, no early stopping and as many epochs as its best epoch.

    A schedule that runs over all epochs runs over these; its warm-up keeps its share of them. The test rows stay the same.
    Errors: RunError for a run that is not completed; UsageError where nothing was validated, and where the test rows would be
    others; DataError where the data is missing or has changed.
    """
    record = runs.completed_record(folder)
    before = config_from_mapping(record.config)
    if record.data is None or not record.data.validation:
        raise UsageError(f"{folder} has no validation part: it is trained on all rows already")
    if not record.best_epoch:
        raise UsageError(f"{folder} is best before its first epoch: there is nothing to train", "train it for longer first")
    if isinstance(before.dataset.validation, str):
        told = f"the validation rows of {folder} are a file of their own, {before.dataset.validation}"
        raise UsageError(told, "put them into the training file, and train with validation=0")
    whole = before.to_dict()
    schedule = whole["schedule"]
    if warmup := schedule.get("warmup_epochs"):
        schedule["warmup_epochs"] = warmup * record.best_epoch / before.epochs
    changes = {"dataset": {**whole["dataset"], "validation": 0}, "schedule": schedule, "epochs": record.best_epoch}
    changes |= {"early_stopping": None, "evaluate": "last", "name": f"{before.name}_refit"}
    changes |= {"log_to": []} if packs.find(folder) else {}
    config = config_from_mapping(whole | changes, overrides, source=f"the config of {folder}, trained on all rows,")
    packs.refuse_paths(folder, whole)
    old, new = load_data(before), load_data(config)
    check_data(folder, record.data_sha256, old, "put the old data back")
    if (old.test is None) != (new.test is None) or (old.test and new.test and not np.array_equal(old.test.index, new.test.index)):
        told = "without a validation part its test rows would be others, since rows that belong together stay together"
        raise UsageError(f"{folder}: {told}", "give the test rows as a file of their own: test_path")
    return Plan(config, results, refit_of=folder.name)
