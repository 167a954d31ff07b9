"""trials.csv: made of the folders, and harmless to a spreadsheet."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.config import config_from_mapping
from mlp_cli.experiment import FILES
from mlp_cli.sweep.trials import Trials, metric_at, read_attempts, row_values, safe, trial_of

KEYS = ("optimizer", "learning_rate")


def write_run(folder: Path, name: str, status: str = "completed", **more: Any) -> str:
    """A run's folder with its run.json, as a worker leaves it."""
    keys = {"dataset": "mnist", "name": name, "optimizer": {"name": "adam", "beta_1": 0.8}, "seed": 4, "learning_rate": 0.5}
    config = config_from_mapping(keys | more.pop("config", {}))
    metrics = {"train_loss": 0.25, "val_loss": 0.5, "val_accuracy": 0.75, "test_accuracy": None}
    record = {"id": name, "name": name, "status": status, "error": None, "config": config.to_dict(), "metrics": metrics}
    record["config_hash"] = config.hash()
    record |= {"epochs": 3, "seconds": 1.5} | more
    path = folder / "runs" / f"{name}-{config.hash()[:8]}"
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(record))
    for file in FILES:
        (path / file).write_text("x")
    return path.name


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))


def test_a_row_for_each_folder(tmp_path: Path) -> None:
    name = write_run(tmp_path, "a")
    write_run(tmp_path, "b", "running", config={"optimizer": "sgd", "hidden_sizes": [3, 4]}, metrics={}, seconds=None)
    (tmp_path / "runs" / "begun").mkdir()
    (tmp_path / "runs" / "stray.txt").write_text("")
    trials = Trials(tmp_path, KEYS)
    trials.scan()
    trials.write()
    first, second = table(tmp_path)
    assert list(first) == [
        "id", "label", "optimizer", "learning_rate", "seed", "status", "attempts",
        "train_loss", "val_loss", "val_accuracy", "test_accuracy", "seconds", "current",
    ]  # fmt: skip
    assert list(first.values()) == [
        name, "a", '{name: adam, beta_1: 0.8}', "0.5", "4", "completed", "1", "0.25", "0.5", "0.75", "", "1.5", "false",
    ]  # fmt: skip
    assert (second["optimizer"], second["status"], second["val_loss"], second["seconds"]) == ("sgd", "interrupted", "", "")


def test_it_is_rebuilt_from_the_folders_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_run(tmp_path, name)
    trials = Trials(tmp_path, KEYS)
    trials.scan()
    trials.write()
    before = (tmp_path / "trials.csv").read_bytes()
    (tmp_path / "trials.csv").unlink()
    again = Trials(tmp_path, KEYS)
    again.scan()
    again.write()
    assert (tmp_path / "trials.csv").read_bytes() == before


def test_attempts_and_current_are_kept(tmp_path: Path) -> None:
    name = write_run(tmp_path, "a", "running")
    trials = Trials(tmp_path, KEYS)
    trials.scan()
    trials.attempts[name] = 2
    trials.current.add(name)
    record = tmp_path / "runs" / name / "run.json"
    record.write_text(record.read_text().replace("running", "completed"))
    row = trials.refresh(name)
    assert row is not None and (row.status, row.attempts) == ("completed", 2)
    trials.write()
    assert (table(tmp_path)[0]["current"], table(tmp_path)[0]["attempts"]) == ("true", "2")
    later = Trials(tmp_path, KEYS)
    later.scan()
    assert later.rows[name].attempts == 2
    record.unlink()
    assert later.refresh(name) is None and name not in later.rows


def test_a_failure_that_no_folder_shows(tmp_path: Path) -> None:
    config = config_from_mapping({"dataset": "mnist", "name": "x", "seed": 3})
    trials = Trials(tmp_path, KEYS)
    trials.attempts["x-1"] = 2
    trials.fail("x-1", config, "the worker died")
    trials.write()
    (row,) = table(tmp_path)
    assert (row["label"], row["optimizer"], row["seed"], row["status"], row["attempts"]) == ("x", "adam", "3", "failed", "2")


@pytest.mark.parametrize(
    "text", ["{", "[]", "", '{"status": "completed", "config": 3, "metrics": [], "epochs": "x", "name": 5, "config_hash": "1"}']
)
def test_damaged_records_are_rows_too(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "runs" / "bad-12345678"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(text)
    trials = Trials(tmp_path, KEYS)
    trials.scan()
    trials.write()
    (row,) = table(tmp_path)
    assert row["id"] == "bad-12345678" and row["status"] == "unreadable"


def test_a_damaged_table_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "trials.csv"
    for text in (b"", b"\xff\xfe\x00", b"id\nx\n", b'id,attempts\n"a', b"id,attempts\nx,many\ny,3\n"):
        path.write_bytes(text)
        assert read_attempts(path) in ({}, {"y": 3})
    assert read_attempts(tmp_path / "none") == {}
    os.mkfifo(tmp_path / "pipe")
    assert read_attempts(tmp_path / "pipe") == {}, "nobody waits for it"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (0.1, "0.1"),
        (-0.5, "-0.5"),
        (3, "3"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-cmd", "'-cmd"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("a\nb", "a b"),
        ("\r=1", " =1"),
        ("relu", "relu"),
    ],
)
def test_cells_by_hand(value: object, text: str) -> None:
    assert safe(value) == text


@given(st.text(max_size=20))
def test_no_text_is_computed_by_a_spreadsheet(text: str) -> None:
    found = safe(text)
    assert len(found.splitlines()) <= 1
    if found.startswith(("=", "@", "+", "-", "\t", "\r")):
        float(found)


def test_values_as_text() -> None:
    config = {
        "hidden_sizes": [300, 100],
        "activation": ["relu", {"name": "leaky_relu", "negative_slope": 0.2}],
        "optimizer": {"name": "adam", "beta_1": 0.8},
        "learning_rate": 2.0,
        "early_stopping": None,
        "batch_norm": False,
    }
    assert row_values(config, [*config, "epochs", "batch_norm.momentum"]) == {
        "hidden_sizes": "[300, 100]",
        "activation": "[relu, {name: leaky_relu, negative_slope: 0.2}]",
        "optimizer": "{name: adam, beta_1: 0.8}",
        "learning_rate": "2",
        "early_stopping": "null",
        "batch_norm": "null",
        "epochs": "10",
    }


def test_a_run_of_another_version_is_still_a_row(tmp_path: Path) -> None:
    name = write_run(tmp_path, "a")
    record = tmp_path / "runs" / name / "run.json"
    record.write_text(record.read_text().replace('"batch_size"', '"no_such_key"'))
    row = trial_of(record.parent, KEYS)
    assert list(row.values) == list(KEYS) and row.seed == 4 and row.status == "completed"


@pytest.mark.parametrize("lost", FILES)
def test_a_completed_run_that_lost_a_file_is_not_done(tmp_path: Path, lost: str) -> None:
    folder = tmp_path / "runs" / write_run(tmp_path, "a")
    assert trial_of(folder, KEYS).status == "completed"
    (folder / lost).write_text("")
    assert trial_of(folder, KEYS).status == "interrupted"
    (folder / lost).unlink()
    assert trial_of(folder, KEYS).status == "interrupted"


def test_the_metric_of_a_rung(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate\n1,1,1,0.5,,1\n2,1,1,0.4,0.8,1\n3,1,1,0.3,0.9,1\n"
    )
    assert [metric_at(tmp_path, "val_loss", epoch, True) for epoch in (1, 2, 3, 9, 0)] == [0.5, 0.4, 0.3, 0.3, None]
    assert metric_at(tmp_path, "val_loss", 9, False) is None, "it did not get there"
    assert metric_at(tmp_path, "val_loss", 3, False) == 0.3
    assert metric_at(tmp_path, "val_accuracy", 1, True) is None and metric_at(tmp_path, "val_r2", 1, True) is None
    (tmp_path / "metrics.csv").write_text("epoch\nx\n")
    assert metric_at(tmp_path, "val_loss", 1, True) is None and metric_at(tmp_path / "none", "val_loss", 1, True) is None
