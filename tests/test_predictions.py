"""predictions.npz: it says exactly what run.json says, has the same bytes however the run was made, and is written again without
training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import arrays_in, write_labels, write_quantity, write_table

from mlp_cli.build import load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data import npz
from mlp_cli.errors import RunError
from mlp_cli.experiment import Outcome, Plan, run
from mlp_cli.predictions import Predictions, read_predictions, write_predictions

IMAGES: dict[str, Any] = {
    "dataset": {"path": "shapes", "validation": 100},
    "hidden_sizes": [12],
    "epochs": 3,
    "learning_rate": 0.01,
}
QUANTITY: dict[str, Any] = {"dataset": {"path": "prices.npz", "validation": 60}, "loss": "mse", "hidden_sizes": [6], "epochs": 2}
CASES: dict[str, dict[str, Any]] = {
    "images": IMAGES,
    "best epoch": IMAGES | {"early_stopping": {"patience": 1}, "epochs": 8, "learning_rate": 0.3},
    "average": IMAGES | {"ema": 0.9, "dropout": 0.3},
    "one logit": {
        "dataset": {"path": "kinds.csv", "target": "kind", "missing": "mean", "validation": 50, "test": 600},
        "hidden_sizes": [8],
        "epochs": 3,
        "loss": "binary_cross_entropy",
    },
    "scalar": IMAGES | {"engine": "scalar", "dtype": "float64", "optimizer": "sgd", "epochs": 1},
    "no validation": IMAGES | {"dataset": {"path": "shapes", "validation": 0}},
}


@pytest.fixture
def train(tmp_path: Path, idx_set: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trains a config given as a mapping, without plots."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "kinds.csv")
    write_quantity(tmp_path / "prices.npz")
    write_labels(tmp_path / "weather.csv")

    def call(mapping: dict[str, Any], results: str = "results", **options: Any) -> Outcome:
        return run(Plan(config_from_mapping(mapping), Path(results)), plots=False, **options)

    return call


@pytest.mark.parametrize("case", CASES)
def test_predictions_give_the_scores_of_run_json(train: Any, case: str) -> None:
    outcome = train(CASES[case])
    found, metrics = read_predictions(outcome.folder), outcome.record.metrics
    dataset = load_data(config_from_mapping(CASES[case]))
    assert list(found) == [name for name in ("validation", "test") if name in dataset.parts()]
    for part, each in found.items():
        own, short = dataset.parts()[part], {"validation": "val"}.get(part, part)
        assert np.array_equal(each.rows, own.index) and np.array_equal(each.labels, own.y[own.index])
        assert each.right.mean() == metrics[f"{short}_accuracy"]
        assert np.array_equal(each.logits().argmax(axis=1), each.predicted)
        probabilities = each.probabilities()
        assert probabilities.shape == (len(own), len(dataset.classes)) and probabilities.sum(axis=1) == pytest.approx(1.0)
        loss = -np.log(probabilities[np.arange(len(own)), each.labels]).mean()
        assert loss == pytest.approx(metrics[f"{short}_loss"], rel=2e-3)


def test_predictions_of_a_quantity(train: Any) -> None:
    for scale in ("standard", "log"):
        outcome = train(QUANTITY | {"dataset": {**QUANTITY["dataset"], "target_scale": scale}})
        test = read_predictions(outcome.folder)["test"]
        assert test.predicted.dtype == np.float32 and test.log_probabilities is None and len(test) == 200
        assert np.abs(test.predicted - test.labels).mean() == pytest.approx(outcome.record.metrics["test_mae"], rel=1e-6)


def test_predictions_of_labels(train: Any) -> None:
    dataset = {"path": "weather.csv", "target": ["warm", "wet"], "validation": 50, "test": 60}
    outcome = train({"dataset": dataset, "loss": "multi_label", "hidden_sizes": [8], "epochs": 20, "learning_rate": 0.01})
    found, metrics = read_predictions(outcome.folder)["test"], outcome.record.metrics
    assert found.labels.shape == found.predicted.shape == found.probabilities().shape == (60, 2)
    assert (found.predicted == found.labels).mean() == metrics["test_accuracy"]
    assert found.right.mean() == np.mean([all(row) for row in found.predicted == found.labels])
    assert np.array_equal(found.logits() > 0, found.predicted == 1)
    probabilities = found.probabilities()
    loss = -np.mean(np.where(found.labels == 1, np.log(probabilities), np.log1p(-probabilities)))
    assert loss == pytest.approx(metrics["test_loss"], rel=2e-3)
    assert found.logits() == pytest.approx(np.log(probabilities) - np.log1p(-probabilities), rel=1e-9, abs=1e-9)


def test_what_the_file_holds(train: Any) -> None:
    folder = train(IMAGES).folder
    arrays = arrays_in(folder / "predictions.npz")
    kinds = {name: (array.dtype.name, array.shape) for name, array in arrays.items() if name.startswith("test")}
    assert kinds == {
        "test_rows": ("uint8", (120,)),
        "test_labels": ("uint8", (120,)),
        "test_predicted": ("uint8", (120,)),
        "test_log_probabilities": ("float16", (120, 4)),
    }
    assert arrays["validation_rows"].max() > 255 and arrays["validation_rows"].dtype == np.uint16


def test_a_probability_of_nothing_is_kept_as_a_small_one(tmp_path: Path) -> None:
    logs = np.array([[-0.5, -1e4], [-np.inf, 0.0]])
    found = Predictions(np.arange(2), np.array([1, 1]), np.array([0, 1]), logs)
    write_predictions(tmp_path, {"test": found})
    kept = read_predictions(tmp_path)["test"].log_probabilities
    assert kept is not None and kept.tolist() == [[-0.5, -60.0], [-60.0, 0.0]]


def test_of_equal_probabilities_the_predicted_class_is_the_largest() -> None:
    """In float16 two classes may be alike; what was predicted still is."""
    found = Predictions(np.arange(2), np.array([1, 1]), np.array([1, 0]), np.full((2, 3), np.float16(-1.1)))
    assert found.logits().argmax(axis=1).tolist() == [1, 0] and found.right.tolist() == [True, False]
    with pytest.raises(AssertionError):
        replace(found, log_probabilities=None).logits()


def test_equal_bytes_whether_the_run_paused_and_whoever_writes_them(train: Any) -> None:
    for case in (IMAGES, CASES["one logit"], QUANTITY):
        calm = train(case).folder / "predictions.npz"
        bytes_before = calm.read_bytes()
        assert train(case, "paused", until=1).record.status == "pruned"
        paused = train(case, "paused")
        assert paused.record.status == "completed" and (paused.folder / calm.name).read_bytes() == bytes_before
        for harm in ("gone", "emptied"):
            calm.unlink() if harm == "gone" else calm.write_bytes(b"")
            heard: list[str] = []
            again = train(case, notify=heard.append)
            assert not again.trained and calm.read_bytes() == bytes_before
            assert heard[-1] == "predictions.npz was not there; it is written from model.npz, without training"


def test_predictions_that_are_damaged_or_missing(train: Any) -> None:
    folder = train(IMAGES).folder
    path = folder / "predictions.npz"
    arrays = arrays_in(path)
    for change in (
        {"test_labels": arrays["test_labels"][1:]},
        {"test_predicted": arrays["test_predicted"] + np.uint8(4)},
        {"test_predicted": arrays["test_predicted"].astype(np.int8)},
        {"test_log_probabilities": arrays["test_log_probabilities"][:, :1]},
        {"test_log_probabilities": np.full_like(arrays["test_log_probabilities"], np.nan)},
        {"validation_log_probabilities": None},
        {"test_predicted": None},
    ):
        path.write_bytes(npz.pack({name: value for name, value in (arrays | change).items() if value is not None}))
        with pytest.raises(RunError, match=r"predictions\.npz is damaged: \S"):
            read_predictions(folder)
    path.write_bytes(b"PK")
    with pytest.raises(RunError, match="damaged"):
        read_predictions(folder)
    path.unlink()
    with pytest.raises(RunError, match=r"has no predictions\.npz"):
        read_predictions(folder)
