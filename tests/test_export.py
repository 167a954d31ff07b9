"""`mlp export`: what plain arrays say is what the model predicts, by the README's formula alone; and what is refused."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exported import CASES, IMAGES, TABLE, close, train, write_sets
from scipy.special import erf, expit, softmax
from small_sets import Answer, arrays_in

from mlp_cli.model import read_model

ACTIVATIONS: dict[str, Callable[..., np.ndarray]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "gelu": lambda z, approximate: z * (1 + erf(z / np.sqrt(2))) / 2,
    "leaky_relu": lambda z, negative_slope: np.where(z > 0, z, negative_slope * z),
    "elu": lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(z)),
    "prelu": lambda z, initial_slope, slope: np.where(z > 0, z, slope * z),
}
NAMES = [
    *("relu, float32", "prelu, float64", "gelu, float32", "options", "no hidden layer", "batch norm", "layer norm"),
    *("standard scale", "pca", "table", "two classes far from 0", "labels"),
    *("quantity", "quantity by its logarithm", "quantity not scaled"),
]


def by_formula(file: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Predictions from the arrays of an export, in float64, by what the README says of them."""
    x = (x - file["centre"]) * file["scale"] + file["shift"]
    if "projection" in file:
        x = x @ file["projection"] + file["projection_shift"]
    layers = sum(name.startswith("W") for name in file)
    for k in range(1, layers + 1):
        x = x @ file[f"W{k}"].astype(float) + file[f"b{k}"]
        if f"gain{k}" in file:
            x = x * file[f"gain{k}"] + file[f"offset{k}"]
        if f"gamma{k}" in file:
            middle, spread = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
            x = (x - middle) / np.sqrt(spread + file[f"epsilon{k}"]) * file[f"gamma{k}"] + file[f"beta{k}"]
        if k < layers:
            options = json.loads(str(file[f"activation{k}"]))
            name, learnt = options.pop("name"), {"slope": file[f"slope{k}"]} if f"slope{k}" in file else {}
            x = ACTIVATIONS[name](x, **options, **learnt)
    match str(file["output"]):
        case "softmax":
            return softmax(x, axis=1)
        case "labels":
            return expit(x)
        case "sigmoid":
            return np.concatenate([1 - expit(x), expit(x)], axis=1)
    x = x * file["target_scale"] + file["target_shift"]
    return np.exp(x) if file["target_log"] else x


@pytest.mark.parametrize("case", NAMES)
def test_plain_arrays(case: str, tmp_path: Path, mlp: Callable[..., Answer]) -> None:
    write_sets(tmp_path)
    folder, x = train(CASES[case], tmp_path / "results")
    done = mlp("export", folder, "--format", "npz", "--out", "out.npz", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["bytes"] == (tmp_path / "out.npz").stat().st_size
    expected = read_model(folder).predict(x)
    close(by_formula(arrays_in(tmp_path / "out.npz"), x), expected.reshape(len(x), -1))


def test_the_inputs_of_a_table_are_named(tmp_path: Path, mlp: Callable[..., Answer]) -> None:
    write_sets(tmp_path)
    folder, _ = train(TABLE, tmp_path / "results")
    done = mlp("export", folder, "--format", "npz")
    names = ["size", "colour=blue", "colour=green", "colour=red", "weight"]
    assert f"\ninput: 5 numbers a row: {', '.join(names)}; a column=category is 1 where the row has it, else 0; " in done.out
    file = arrays_in(tmp_path / f"{folder.name}.npz")
    assert file["columns"].tolist() == names
    assert file["classes"].tolist() == ["big", "small"]


@pytest.mark.parametrize(
    ("x", "scale", "words"),
    [
        (np.uint8([[0, 200], [255, 3]]), "unit", "2 numbers a row, 0 to 255 as"),
        (np.uint8([[0, 200], [255, 3]]), "standard", "2 numbers a row, 0 to 255 as"),
        ([[0.0, 0.5], [1.0, 0.25]], "unit", "2 numbers a row, 0 to 1 as"),
        ([[0.0, 0.5], [7.0, 0.25]], "standard", "2 numbers a row, as"),
        ([[0.0, 0.5], [7.0, 0.25]], "none", "2 numbers a row, as"),
    ],
)
def test_the_range_of_inputs(tmp_path: Path, mlp: Callable[..., Answer], x: list[list[float]], scale: str, words: str) -> None:
    np.savez(tmp_path / "set.npz", x_train=np.tile(x, (10, 1)), y_train=np.tile([0, 1], 10))
    dataset = {"path": "set.npz", "scale": scale, "validation": 4, "test": 4}
    folder, _ = train({"dataset": dataset, "epochs": 1, "hidden_sizes": []}, tmp_path / "results")
    done = mlp("export", folder, "--format", "npz", "--out", "out.npz")
    assert done.out == f"wrote out.npz\ninput: {words} the run's data has them; centre, scale and shift scale them\n", done.err


def test_refused(tmp_path: Path, mlp: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    write_sets(tmp_path)
    folder, _ = train(TABLE, tmp_path / "results")
    before = (folder / "model.npz").read_bytes()
    done = mlp("export", folder, "--format", "npz", "--out", folder / "model.npz")
    assert done.code == 2
    assert "would be lost" in done.err
    assert (folder / "model.npz").read_bytes() == before
    done = mlp("export", folder, "--format", "npz", "--out", folder / "run.json" / "folder.npz")
    assert done.code == 1
    assert "run.json" in done.err and "internal" not in done.err
    hog, _ = train(IMAGES | {"features": {"name": "hog", "cell": 2, "block": 1}}, tmp_path / "results")
    for form in ("npz", "onnx"):
        done = mlp("export", hog, "--format", form, "--out", f"hog.{form}")
        assert done.code == 2
        assert "hog cannot be expressed" in done.err or "pip install" in done.err
        assert not (tmp_path / f"hog.{form}").exists()
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = mlp("export", folder, "--format", "onnx")
    assert done.code == 2
    assert "pip install 'mlp-cli[onnx]'" in done.err
    (folder / "model.npz").unlink()
    done = mlp("export", folder, "--format", "npz")
    assert done.code == 1
    assert "model.npz" in done.err
