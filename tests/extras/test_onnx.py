"""The ONNX graph, run by onnxruntime: it gives what the model predicts, for the whole test set."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from exported import CASES, IMAGES, close, train, write_sets
from small_sets import Answer

from mlp_cli.export import ACTIVATIONS
from mlp_cli.model import read_model
from mlp_cli.nn.activations import activations


def run_graph(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs by name; rows have the type that the graph asks for."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert given.name == "input"
    dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64}[given.type]
    found = session.run(None, {"input": x.astype(dtype)})
    return dict(zip((output.name for output in session.get_outputs()), found, strict=True))


def test_every_activation_has_a_form() -> None:
    assert set(ACTIVATIONS) == set(activations)


@pytest.mark.parametrize("case", CASES)
def test_the_graph_predicts_as_the_model(case: str, tmp_path: Path, mlp: Callable[..., Answer]) -> None:
    write_sets(tmp_path)
    folder, x = train(CASES[case], tmp_path / "results")
    done = mlp("export", folder, "--format", "onnx")
    assert done.code == 0, done.err
    path = tmp_path / f"{folder.name}.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    model = read_model(folder)
    expected, found = model.predict(x), run_graph(path, x)
    if not model.classes:
        assert list(found) == ["prediction"]
        close(found["prediction"][:, 0], expected)
        return
    close(found["probabilities"], expected)
    if model.task == "multi_label":
        assert list(found) == ["probabilities"]
        return
    assert list(found) == ["probabilities", "class"]
    clear = np.abs(np.diff(np.sort(expected, axis=1)[:, -2:])[:, 0]) > 1e-4
    assert (found["class"] == expected.argmax(axis=1))[clear].all()
    for rows in (1, 7):  # any number of rows
        close(run_graph(path, x[:rows])["probabilities"], expected[:rows])


def test_metadata(tmp_path: Path, mlp: Callable[..., Answer]) -> None:
    write_sets(tmp_path)
    folder, _ = train(CASES["table"], tmp_path / "results")
    mlp("export", folder, "--format", "onnx", "--out", "table.onnx")
    told = {each.key: json.loads(each.value) for each in onnx.load(tmp_path / "table.onnx").metadata_props}
    assert told == {
        "classes": ["big", "small"],
        "columns": ["size", "colour=blue", "colour=green", "colour=red", "weight"],
        "shape": [5],
    }


def test_the_range_of_bytes(tmp_path: Path, mlp: Callable[..., Answer]) -> None:
    write_sets(tmp_path)
    folder, _ = train(IMAGES, tmp_path / "results")
    done = mlp("export", folder, "--format", "onnx", "--out", "out.onnx")
    assert done.out.endswith(" (6 × 6), 0 to 255 as the run's data has them; the graph scales them itself\n"), done.out
    told = {each.key: json.loads(each.value) for each in onnx.load(tmp_path / "out.onnx").metadata_props}
    assert told["range"] == [0, 255]


def test_what_onnx_cannot_express(tmp_path: Path, mlp: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    write_sets(tmp_path)
    folder, _ = train(IMAGES, tmp_path / "results")
    monkeypatch.delitem(ACTIVATIONS, "relu")
    done = mlp("export", folder, "--format", "onnx")
    assert done.code == 2
    assert "relu cannot be expressed in ONNX" in done.err
    assert not list(tmp_path.glob("*.onnx"))
