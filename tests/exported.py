"""Runs to export: small ones of every kind of layer, activation, scaling and task."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing
from small_sets import make_idx_set

from mlp_cli.build import load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.experiment import Plan, run
from mlp_cli.nn.activations import activations

IMAGES: dict[str, Any] = {
    "dataset": {"path": "shapes", "validation": 100},
    "hidden_sizes": [12],
    "epochs": 2,
    "learning_rate": 0.01,
}
TABLE = {
    "dataset": {"path": "kinds.csv", "target": "kind", "missing": "mean", "validation": 50, "test": 300},
    "hidden_sizes": [8],
    "epochs": 3,
}
QUANTITY: dict[str, Any] = {"dataset": {"path": "prices.npz", "validation": 60}, "loss": "mse", "hidden_sizes": [6], "epochs": 2}
TWO = {"dataset": {"path": "far.npz", "validation": 20}, "loss": "binary_cross_entropy", "hidden_sizes": [5], "epochs": 2}
CASES: dict[str, dict[str, Any]] = {
    **{f"{name}, float32": IMAGES | {"activation": name, "hidden_sizes": [12, 6]} for name in activations},
    **{f"{name}, float64": IMAGES | {"activation": name, "dtype": "float64"} for name in activations},
    "gelu with tanh": IMAGES | {"activation": {"name": "gelu", "approximate": True}},
    "options": IMAGES
    | {"activation": [{"name": "leaky_relu", "negative_slope": 0.3}, {"name": "elu", "alpha": 0.5}], "hidden_sizes": [9, 5]},
    "no hidden layer": IMAGES | {"hidden_sizes": []},
    "batch norm": IMAGES | {"batch_norm": True, "hidden_sizes": [12, 8]},
    "layer norm": IMAGES | {"layer_norm": {"epsilon": 1e-5}, "hidden_sizes": [12, 8]},
    "layer norm, float64": IMAGES | {"layer_norm": True, "dtype": "float64"},
    "noise": IMAGES | {"dropout": 0.5, "gaussian_noise": 0.1, "input_dropout": 0.2, "ema": 0.9},
    "standard scale": IMAGES | {"dataset": {"path": "shapes", "validation": 100, "scale": "standard"}},
    "pca": IMAGES | {"features": {"name": "pca", "components": 10}},
    "pca of a table": TABLE | {"features": "pca"},
    "table": TABLE,
    "table, float64": TABLE | {"dtype": "float64"},
    "two classes far from 0": TWO,
    "labels": {"dataset": {"path": "labels.npz", "validation": 20}, "loss": "multi_label", "hidden_sizes": [5], "epochs": 5},
    "quantity": QUANTITY,
    "quantity by its logarithm": QUANTITY | {"dataset": {"path": "prices.npz", "validation": 60, "target_scale": "log"}},
    "quantity not scaled": QUANTITY | {"dataset": {"path": "prices.npz", "validation": 60, "target_scale": "none"}},
}


def write_sets(folder: Path) -> None:
    """The sets of `CASES`: images, a table of numbers and texts, a quantity, and inputs that float32 cannot tell apart."""
    make_idx_set(folder / "shapes")
    generator = np.random.default_rng(3)
    lines = ["size,colour,weight,kind"]
    for row in range(500):
        size, colour = generator.normal(), ("red", "green", "blue")[generator.integers(3)]
        weight = "" if row % 50 == 7 else f"{generator.normal(5.0, 2.0):.3f}"
        lines.append(f"{size:.4f},{colour},{weight},{'big' if size + (colour == 'red') > 0.5 else 'small'}")
    (folder / "kinds.csv").write_text("\n".join(lines) + "\n")
    x = generator.normal(40.0, 9.0, (400, 3))
    y = np.exp(0.03 * x[:, 0]) + 0.1 * x[:, 1] + 5
    np.savez(folder / "prices.npz", x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    labels = (x[:, :2] > 40.0).astype(int)
    np.savez(folder / "labels.npz", x_train=x[:300], y_train=labels[:300], x_test=x[300:], y_test=labels[300:])
    far = 1e9 + generator.normal(0.0, 1.0, (200, 2))
    labels = (far[:, 0] > 1e9).astype(int)
    np.savez(folder / "far.npz", x_train=far[:120], y_train=labels[:120], x_test=far[120:], y_test=labels[120:])


def train(config: dict[str, Any], results: Path) -> tuple[Path, np.ndarray]:
    """Trains a run; its folder, and the raw rows (N, D) of its whole test part."""
    planned = Plan(config_from_mapping(config), results)
    dataset = load_data(planned.config)
    run(planned, plots=False)
    assert dataset.test is not None
    return planned.folder, np.asarray(dataset.test.x[dataset.test.index])


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-5; of quantities relative to their size."""
    numpy.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
