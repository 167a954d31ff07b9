"""What a run says of its layers: by hand on a small net, from the weights that it wrote, and that nothing else changes by it."""

import csv
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import arrays_in, make_idx_set

from mlp_cli import experiment, runs
from mlp_cli.config import config_from_mapping
from mlp_cli.errors import RunError
from mlp_cli.experiment import Plan
from mlp_cli.nn.activations import activations
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import build_network
from mlp_cli.training import checkpoint
from mlp_cli.training.diagnostics import Diagnostics
from mlp_cli.training.state import Row

NOISY = {
    "dropout": 0.3,
    "input_dropout": 0.1,
    "gaussian_noise": 0.2,
    "mixup": 0.3,
    "label_smoothing": 0.1,
    "batch_norm": True,
    "ema": 0.9,
    "max_norm": 2.0,
    "activation": "prelu",
}


def small_network(function: str) -> Any:
    network = build_network(1, [2], 1, [activations.build(function)], dropout=[0.0], dtype=np.float64)
    weights = {"W1": [[1.0, -1.0]], "b1": [0.0, 0.0], "W2": [[2.0], [5.0]], "b2": [0.0]}
    for name, values in weights.items():
        network.parameters[name][...] = values
    return network


def test_by_hand() -> None:
    """x = 1 and 2, two units of ReLU that give (1, 0) and (2, 0), outputs 2 and 4, targets 0.

    Outputs: mean 3, sd 1. Units: mean 3/4, sd √(11/16); one of two is dead. The loss's slopes at the outputs are 2 and 4 (2·o over
    two rows), so ∂L/∂W2 is (1·2 + 2·4, 0) = (10, 0); at the units 4 and 8, so ∂L/∂W1 is (1·4 + 2·8, 0) = (20, 0).
    """
    trained, x, y = small_network("relu"), np.array([[1.0], [2.0]]), np.zeros(2)
    watched = Diagnostics(small_network("relu"), losses.build("mse"), x, y)
    trained.parameters["W1"] -= [[0.03, -0.04]]
    trained.parameters["W2"] -= [[0.0], [0.5]]
    watched.before_step(trained)
    trained.parameters["W1"] += [[0.03, -0.04]]
    trained.parameters["W2"] += [[0.0], [0.5]]
    watched.after_step(trained)
    watched.observe(trained)
    steps = 0.05 / math.hypot(0.97, 0.96), 0.5 / math.hypot(2.0, 4.5)
    (found,) = watched.history
    np.testing.assert_allclose(found[0], [20.0, 0.75, math.sqrt(11) / 4, 0.5, 0.5, steps[0]], rtol=1e-12)
    np.testing.assert_allclose(found[1], [10.0, 3.0, 1.0, np.nan, np.nan, steps[1]], rtol=1e-12)
    first, last = watched.lines(Row(1, 0.0, 0.0, None, None, 0.0, 0.0))
    assert first == ["1", "dense_1", "20", "0.75", "0.829156", "0.5", "0.5", f"{steps[0]:.6g}"]
    assert last[:2] == ["1", "dense_2"] and last[5:7] == ["", ""]


def test_units_that_are_saturated_are_not_dead() -> None:
    """z = ±10 and ±20: the slopes of the sigmoid are at most 4.5e-5, far below a twentieth of 1/4. z = ±0.1: nearly 1/4."""
    for x, share in ((10.0, 1.0), (0.1, 0.0)):
        watched = Diagnostics(small_network("sigmoid"), losses.build("mse"), np.array([[x], [2 * x]]), np.zeros(2))
        watched.observe(small_network("sigmoid"))
        assert watched.history[0][0, 3:5].tolist() == [0.0, share] and np.isnan(watched.history[0][:, 5]).all()


@pytest.mark.parametrize("name", activations)
def test_the_largest_slope_of_an_activation(name: str) -> None:
    """Differences of the function itself, at its default options."""
    function = activations[name]()
    network = build_network(1, [1], 1, [function], dropout=[0.0], dtype=np.float64)
    for layer in network.layers[:2]:
        layer.initialize(lambda *_: np.ones((1, 1)), 0)  # type: ignore[arg-type]
    network.parameters["W1"][...] = 1.0
    z = np.linspace(-8.0, 8.0, 4001)[:, None] + 1e-4  # beside the kinks
    network.forward(z)
    values, slopes = network.layers[1].output[:, 0].copy(), network.layers[1].slopes()[:, 0]  # type: ignore[attr-defined]
    middle = (values[2:] - values[:-2]) / (z[2:, 0] - z[:-2, 0])
    smooth = np.abs(np.diff(slopes, 2)) < 1e-3
    np.testing.assert_allclose(slopes[1:-1][smooth], middle[smooth], atol=1e-4)
    assert np.abs(slopes).max() == pytest.approx(function.steepest, rel=0.15)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_idx_set(tmp_path_factory.mktemp("inside") / "shapes", train=160, test=20)


def plan(data: Path, results: Path, **keys: Any) -> Plan:
    usual = {"name": "inside", "hidden_sizes": [6, 5], "batch_size": 16, "learning_rate": 0.01, "epochs": 4}
    return Plan(config_from_mapping(usual | keys | {"dataset": {"path": str(data), "validation": 40}}), results)


def train(planned: Plan, **options: Any) -> Path:
    return experiment.run(planned, plots=False, **options).folder


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "diagnostics.csv").read_text().splitlines()))


@pytest.mark.parametrize(
    "keys", [{}, NOISY, {"batch_size": "full"}, {"epochs": 0}, {"loss": {"name": "cross_entropy", "reduction": "sum"}}], ids=str
)
def test_nothing_else_changes(data: Path, tmp_path: Path, keys: dict[str, Any]) -> None:
    with_, without = (train(plan(data, tmp_path, **keys, diagnostics=on)) for on in (True, False))
    assert (with_ / "metrics.csv").read_bytes() == (without / "metrics.csv").read_bytes()
    first, second = (arrays_in(folder / "model.npz") for folder in (with_, without))
    assert {name for name in first if first[name].tobytes() != second[name].tobytes()} == {"config"}
    first, second = (checkpoint.read(folder / checkpoint.CURRENT).arrays for folder in (with_, without))
    assert first.keys() - second.keys() == {"diagnostics"}
    assert all(np.array_equal(first[name], second[name]) for name in second if name != "history")
    assert not (without / "diagnostics.csv").exists()
    rows = rows_of(with_)
    epochs = [0] if keys.get("epochs") == 0 else [1, 2, 3, 4]
    assert [(row["epoch"], row["layer"]) for row in rows] == [(str(epoch), f"dense_{n}") for epoch in epochs for n in (1, 2, 3)]
    assert all((row["update_ratio"] == "") == (epochs == [0]) for row in rows)


def test_the_last_row_follows_from_the_weights(data: Path, tmp_path: Path) -> None:
    """All 120 training rows are the batch. The noise is off: the layers' outputs are those of the weights in model.npz, and the
    gradient of W3 is aᵀ(softmax − one-hot) / rows."""
    planned = plan(data, tmp_path, dropout=0.4, input_dropout=0.2, dtype="float64", diagnostics=True)
    folder = train(planned)
    from mlp_cli.build import load_data

    dataset, model = load_data(planned.config), arrays_in(folder / "model.npz")
    a = dataset.train.x[dataset.train.index].reshape(120, -1) / 255.0
    last = rows_of(folder)[-3:]
    for number in (1, 2):
        a = np.maximum(a @ model[f"W{number}"] + model[f"b{number}"], 0.0)
        row = last[number - 1]
        assert float(row["activation_mean"]) == pytest.approx(a.mean(), rel=1e-5)
        assert float(row["activation_sd"]) == pytest.approx(a.std(), rel=1e-5)
        assert float(row["dead"]) == pytest.approx((a == 0).all(axis=0).mean(), abs=1e-6)
    logits = a @ model["W3"] + model["b3"]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    p[np.arange(120), dataset.train.y[dataset.train.index]] -= 1.0
    assert float(last[2]["gradient_norm"]) == pytest.approx(np.linalg.norm(a.T @ p / 120), rel=1e-5)
    assert float(last[2]["activation_sd"]) == pytest.approx(logits.std(), rel=1e-5)


def test_the_ratio_is_of_a_step_in_the_middle(data: Path, tmp_path: Path) -> None:
    """Plain SGD on one batch: a step is the rate times the gradient that the epoch before saw, on the same 120 rows."""
    keys = {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": "full", "dtype": "float64", "epochs": 3}
    folder = train(plan(data, tmp_path, **keys, diagnostics=True))
    weights = [arrays_in(train(plan(data, tmp_path, **keys | {"epochs": epochs})) / "model.npz")["W1"] for epochs in (1, 2)]
    before, after = (row for row in rows_of(folder) if row["layer"] == "dense_1" and row["epoch"] in "12")
    assert float(after["update_ratio"]) == pytest.approx(
        0.05 * float(before["gradient_norm"]) / np.linalg.norm(weights[0]), rel=1e-4
    )
    step = np.linalg.norm(weights[1] - weights[0]) / np.linalg.norm(weights[0])
    assert float(after["update_ratio"]) == pytest.approx(step, rel=1e-4)


def test_rows_survive_a_stop(data: Path, tmp_path: Path) -> None:
    """The file is torn as well, and mended from the checkpoint."""
    calm = (train(plan(data, tmp_path / "calm", **NOISY, diagnostics=True)) / "diagnostics.csv").read_bytes()
    planned = plan(data, tmp_path / "stopped", **NOISY, diagnostics=True)
    path = train(planned, until=2) / "diagnostics.csv"
    assert calm.startswith(path.read_bytes()) and len(path.read_bytes().splitlines()) == 1 + 2 * 3
    os.truncate(path, len(path.read_bytes()) - 7)
    train(planned)
    assert path.read_bytes() == calm


def test_vanishing_gradients_and_dead_units_show(data: Path, tmp_path: Path) -> None:
    deep = {"hidden_sizes": [8] * 6, "optimizer": "sgd", "diagnostics": True}
    sigmoid = rows_of(train(plan(data, tmp_path, **deep, activation="sigmoid", initializer="xavier_normal")))[-7:]
    norms = [float(row["gradient_norm"]) for row in sigmoid]
    assert norms[1] < norms[3] < norms[5] and norms[0] < 1e-2 * norms[-1]
    relu = rows_of(train(plan(data, tmp_path, **deep | {"learning_rate": 5.0, "hidden_sizes": [8, 8]})))
    assert float(relu[-2]["dead"]) == 1.0 and float(relu[-3]["gradient_norm"]) == 0.0


def test_what_is_read_again(data: Path, tmp_path: Path) -> None:
    folder = train(plan(data, tmp_path, diagnostics=True))
    layers = runs.read_diagnostics(folder)
    assert list(layers) == ["dense_1", "dense_2", "dense_3"]
    assert all(columns["epoch"] == [1.0, 2.0, 3.0, 4.0] for columns in layers.values())
    assert layers["dense_3"]["dead"] == [None] * 4 and runs.read_diagnostics(tmp_path) == {}
    path = folder / "diagnostics.csv"
    path.write_text(path.read_text().replace("gradient_norm", "norm"))
    with pytest.raises(RunError, match=r"diagnostics\.csv is damaged"):
        runs.read_diagnostics(folder)
