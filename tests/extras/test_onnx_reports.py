"""The pipeline of reports R3 and R4 with a network from outside: 512 features of an ONNX file, with and without altered copies."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from small_sets import Answer, arrays_in

from mlp_cli.data.extraction import restored
from mlp_cli.data.onnx_backbone import Onnx
from mlp_cli.data.pictures import Pictures

Mlp = Callable[..., Answer]
ROOT = Path(__file__).parents[2]
GENERATOR = np.random.default_rng(0)
WEIGHT, BIAS = (GENERATOR.normal(0, 1, shape).astype(np.float32) for shape in ((512, 3, 1, 1), (512,)))


def backbone(path: Path) -> None:
    """Ends as ResNet-18 does: 512 maps, ReLU, the average over all places, as (n, 512, 1, 1)."""
    helper, tensor = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Conv", ["x", "weight", "bias"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["out"]),
    ]
    arrays = [onnx.numpy_helper.from_array(WEIGHT, "weight"), onnx.numpy_helper.from_array(BIAS, "bias")]
    given = helper.make_tensor_value_info("x", tensor.FLOAT, ["n", 3, 16, 16])
    made = helper.make_tensor_value_info("out", tensor.FLOAT, None)
    graph = helper.make_graph(nodes, "backbone", [given], [made], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 3, 8, 8) whose colour tells their class, of three."""
    y = GENERATOR.integers(0, 3, count)
    x = GENERATOR.integers(0, 128, (count, 3, 8, 8))
    x[np.arange(count), y] += 100
    return x.astype(np.uint8), y


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (x, y), (x_test, y_test) = pictures(200), pictures(60)
    np.savez("pictures.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    backbone(tmp_path / "b.onnx")
    return tmp_path


def test_report_r4_with_a_network_from_outside(mlp: Mlp, project: Path) -> None:
    words = (
        "dataset={path: pictures.npz, validation: 50}",
        "features={name: onnx, path: b.onnx, resize: 16}",
        *("epochs=20", "batch_size=25", "learning_rate=0.1", "--seeds", "1"),
    )
    answer = mlp("sweep", ROOT / "configs" / "reports" / "r4.yaml", *words)
    assert answer.code == 0, answer.err
    records = [json.loads(path.read_text()) for path in project.glob("results/r4-*/runs/*/run.json")]
    copies = [(record["config"]["augment"] or {"copies": 0})["copies"] for record in records]
    assert sorted(copies) == [0, 1]
    for record in records:
        assert record["status"] == "completed" and record["metrics"]["test_accuracy"] > 0.9
    for folder in project.glob("results/r4-*/runs/*"):
        arrays = arrays_in(folder / "model.npz")
        assert arrays["W1"].shape == (512, 64) and arrays["W2"].shape == (64, 3)
    by_hand(project / "pictures.npz", arrays)


def by_hand(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """The features of the test pictures, as the model has them, are those that NumPy gives."""
    x = np.load(path)["x_test"]
    found = np.empty((len(x), 512), np.float32)
    restored(Onnx("b.onnx", resize=16), Pictures(3, 8, 8), arrays).apply(x.reshape(len(x), -1), found)
    # Bilinear enlarging keeps no single pixel, and a backbone of 1 × 1 sees each pixel of the large picture alone.
    from PIL import Image

    planes = x.astype(np.float32).reshape(-1, 8, 8)
    large = np.stack([np.asarray(Image.fromarray(plane).resize((16, 16), Image.Resampling.BILINEAR)) for plane in planes])
    pixels = large.reshape(len(x), 3, -1) / 255
    maps = np.maximum(WEIGHT[:, :, 0, 0] @ pixels + BIAS[:, None], 0)
    np.testing.assert_allclose(found, maps.mean(axis=2) * arrays["scale"] + arrays["shift"], rtol=1e-2, atol=2e-3)
