"""The row numbers of predictions.npz and errors.csv count rows of the file that was read, also where some of them are left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import mlp_cli
from mlp_cli.predictions import read_predictions

KEYS: dict[str, Any] = {"hidden_sizes": [3], "epochs": 1, "plots": False, "quiet": True}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(path: str, rows: int) -> pandas.Series:
    """A table whose target says nothing; every third row has a gap. Gives the target of each row of the file."""
    generator = np.random.default_rng(rows)
    frame = pandas.DataFrame({"size": generator.normal(size=rows), "kind": generator.choice(["a", "b", "c"], rows)})
    frame.loc[::3, "size"] = np.nan
    frame.to_csv(path, index=False)
    return frame.kind


def check(run: Any, **true: Any) -> None:
    classes = run.model.classes
    for part, found in read_predictions(run.folder).items():
        assert [classes[label] for label in found.labels] == [str(text) for text in np.asarray(true[part])[found.rows]], part
        assert len(set(found.rows.tolist())) == len(found)


@pytest.mark.parametrize("extra", [{}, {"classes": ["c", "a"]}])
def test_rows_of_a_table_with_gaps(extra: dict[str, Any]) -> None:
    kind = write("all.csv", 200)
    run = mlp_cli.train(
        {"dataset": {"path": "all.csv", "target": "kind", "missing": "drop", "validation": 0.2, "test": 0.2, **extra}}, **KEYS
    )
    check(run, validation=kind, test=kind)
    assert all(row % 3 for found in read_predictions(run.folder).values() for row in found.rows.tolist())


def test_rows_of_three_tables() -> None:
    """Validation rows count on after all rows of the training file."""
    first, second, third = (write(f"{name}.csv", rows) for name, rows in (("one", 60), ("two", 40), ("three", 50)))
    paths = {"path": "one.csv", "validation": "two.csv", "test_path": "three.csv"}
    run = mlp_cli.train({"dataset": {**paths, "target": "kind", "missing": "drop"}}, **KEYS)
    check(run, validation=pandas.concat([first, second]), test=third)


def test_rows_of_some_classes_of_arrays() -> None:
    generator = np.random.default_rng(0)
    y, later = generator.integers(0, 4, 200), generator.integers(0, 4, 60)
    np.savez("set.npz", x_train=generator.normal(size=(200, 3)), y_train=y, x_test=generator.normal(size=(60, 3)), y_test=later)
    run = mlp_cli.train({"dataset": {"path": "set.npz", "classes": ["3", "1"], "validation": 20}}, **KEYS)
    check(run, validation=y, test=later)


def test_rows_that_every_seed_gets_wrong() -> None:
    kind = write("all.csv", 200)
    dataset = {"path": "all.csv", "target": "kind", "missing": "drop", "validation": 0.2, "test": 0.2}
    made = mlp_cli.sweep({"dataset": dataset, "hidden_sizes": [3], "epochs": 1}, seeds=2, quiet=True, executor="serial")
    told = pandas.read_csv(made.page.with_name("errors.csv"))
    assert len(told) and (told.true.to_numpy() == kind[told.row].to_numpy()).all()
