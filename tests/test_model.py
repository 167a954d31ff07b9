"""Reading model.npz: a trained run's model gives exactly the outputs that the run itself had, and a damaged one is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exported import IMAGES, QUANTITY
from small_sets import arrays_in, write_labels, write_quantity, write_table

from mlp_cli.build import build, load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data import npz
from mlp_cli.data.batches import Batches
from mlp_cli.data.transforms import Affine
from mlp_cli.errors import DataError, MlpError, RunError
from mlp_cli.experiment import Plan, run
from mlp_cli.model import load_weights, read_model
from mlp_cli.runs import Record
from mlp_cli.training.evaluate import ROWS

TABLE = {
    "dataset": {"path": "kinds.csv", "target": "kind", "missing": "mean", "validation": 50, "test": 600},
    "hidden_sizes": [8],
    "epochs": 3,
}
LABELS: dict[str, Any] = {
    "dataset": {"path": "weather.csv", "target": ["warm", "wet"], "validation": 50, "test": 60},
    "loss": "multi_label",
    "hidden_sizes": [8],
    "epochs": 20,
    "learning_rate": 0.01,
}
CASES: dict[str, dict[str, Any]] = {
    "labels": LABELS,
    "dense": IMAGES,
    "no hidden layer": IMAGES | {"hidden_sizes": []},
    "batch_norm": IMAGES | {"batch_norm": True, "hidden_sizes": [12, 8]},
    "layer_norm": IMAGES | {"layer_norm": {"epsilon": 1e-5}},
    "prelu": IMAGES | {"activation": ["prelu", "tanh"], "hidden_sizes": [12, 8]},
    "noise": IMAGES | {"dropout": 0.5, "gaussian_noise": 0.1, "input_dropout": 0.2, "ema": 0.9},
    "float64": IMAGES | {"dtype": "float64"},
    "standard": IMAGES | {"dataset": {**IMAGES["dataset"], "scale": "standard"}},
    "features": IMAGES | {"features": {"name": "pca", "components": 10}},
    "features of a table": TABLE | {"features": "pca"},
    "table": TABLE,
    "one logit": TABLE | {"loss": "binary_cross_entropy"},
    "quantity": QUANTITY,
    "quantity as it is": QUANTITY | {"dataset": {**QUANTITY["dataset"], "target_scale": "none"}, "learning_rate": 1e-5},
    "logarithm": QUANTITY | {"dataset": {**QUANTITY["dataset"], "target_scale": "log"}},
}


@pytest.fixture
def train(tmp_path: Path, idx_set: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Trains a config given as a mapping; gives its folder."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "kinds.csv")
    write_quantity(tmp_path / "prices.npz")
    write_labels(tmp_path / "weather.csv")

    def call(mapping: dict[str, Any]) -> tuple[Path, Record]:
        outcome = run(Plan(config_from_mapping(mapping), Path("results")), plots=False)
        return outcome.folder, outcome.record

    return call


@pytest.mark.parametrize("case", CASES)
def test_a_model_gives_the_very_outputs_of_its_run(train: Any, case: str) -> None:
    folder, record = train(CASES[case])
    model = read_model(folder)
    config = config_from_mapping(CASES[case])
    dataset = load_data(config)
    trainer = build(config, dataset)
    load_weights(folder, trainer.network)
    test = dataset.test
    assert test is not None
    batches = Batches(test, trainer.train.transform, ROWS, trainer.network.dtype)
    own = np.concatenate([trainer.network.forward(x).copy() for x, _ in batches])
    raw, y = test.x[test.index], test.y[test.index]
    outputs = model.outputs(raw)
    assert outputs.dtype == own.dtype and np.array_equal(outputs[:, -own.shape[1] :], own)
    assert model.shape == dataset.shape and model.classes == dataset.classes and model.task == dataset.task
    assert model.config.hash() == config.hash() and model.encoding == dataset.encoding

    predicted = model.predict(raw)
    if model.task == "multi_label":
        assert np.mean((predicted > 0.5) == y) == record.metrics["test_accuracy"]
        loss = -np.mean(np.where(y == 1, np.log(predicted), np.log1p(-predicted)))
        assert record.metrics["test_loss"] == pytest.approx(loss, rel=1e-5)
    elif model.classes:
        assert np.mean(outputs.argmax(axis=1) == y) == record.metrics["test_accuracy"]
        assert predicted.shape == (len(raw), len(model.classes)) and predicted.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
        picked = np.log(predicted[np.arange(len(y)), y])
        assert record.metrics["test_loss"] == pytest.approx(-picked.mean(), rel=1e-5)
    else:
        assert predicted.shape == (len(raw),)
        assert np.sqrt(np.mean((predicted - y) ** 2)) == pytest.approx(record.metrics["test_rmse"], rel=1e-12)


def test_rows_of_a_model(train: Any) -> None:
    folder, _ = train(IMAGES)
    model = read_model(folder)
    pictures = np.zeros((3, 6, 6), np.uint8)
    assert np.array_equal(model.predict(pictures), model.predict(pictures.reshape(3, 36)))
    assert model.predict(np.zeros((0, 36))).shape == (0, 4) and model.predict(np.zeros(0)).shape == (0, 4)
    with pytest.raises(DataError, match="its rows are 35, and the network takes 6 x 6"):
        model.predict(np.zeros((2, 35)))
    assert isinstance(model.transform, Affine) and model.inputs == 36


def test_a_model_that_is_damaged_or_missing(train: Any) -> None:
    folder, _ = train(TABLE)
    path = folder / "model.npz"
    good = path.read_bytes()
    arrays = arrays_in(path)
    config = json.loads(str(arrays["config"]))
    for change in (
        {"W1": arrays["W1"][:, :-1]},
        {"b2": arrays["b2"][:1]},
        {"shape": np.array([99])},
        {"classes": np.array(["one", "two", "three"])},
        {"config": np.array("no json")},
        {"config": np.array(json.dumps(config | {"hidden_sizes": [8, 8]}))},
        {"config": np.array(json.dumps(config | {"later": 1}))},
        {"encoding": np.array("[]")},
        {"scale": None},
    ):
        path.write_bytes(npz.pack({name: value for name, value in (arrays | change).items() if value is not None}))
        with pytest.raises(RunError, match=r"model\.npz is damaged: \S"):
            read_model(folder)
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(RunError, match="damaged"):
        read_model(folder)
    path.unlink()
    with pytest.raises(MlpError, match="no such file"):
        read_model(folder)
    record = json.loads((folder / "run.json").read_text()) | {"status": "interrupted"}
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="is not completed: its status is interrupted"):
        read_model(folder)
