"""Features of a network from an ONNX file: a small one, made here, whose outputs can be worked out by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image
from small_sets import Answer, arrays_in, make_idx_set

from mlp_cli.config import load_config
from mlp_cli.data.dataset import Part
from mlp_cli.data.extraction import restored
from mlp_cli.data.onnx_backbone import Onnx
from mlp_cli.data.pictures import Pictures

Mlp = Callable[..., Answer]
GREY = Pictures(1, 8, 8)
GREY_SHAPE = ["n", 1, 8, 8]


def backbone(path: Path, shape: list[Any] | None = None, domain: str = "", external: bool = False, outputs: int = 1) -> Path:
    """A network that gives the mean of each channel's quarters, times 3: averages over 4 × 4 pixels, then a multiplication."""
    helper, tensor = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("AveragePool", ["x"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4])
        if len(shape or GREY_SHAPE) == 4
        else helper.make_node("Identity", ["x"], ["pooled"]),
        helper.make_node("Mul", ["pooled", "three"], ["out"], domain=domain),
    ]
    three = helper.make_tensor("three", tensor.FLOAT, [1], [3.0])
    if external:
        three.ClearField("float_data")
        three.data_location = tensor.EXTERNAL
        three.external_data.add(key="location", value="weights.bin")
    given = helper.make_tensor_value_info("x", tensor.FLOAT, shape or GREY_SHAPE)
    names = ["out", "pooled"][:outputs]
    given_out = [helper.make_tensor_value_info(name, tensor.FLOAT, None) for name in names]
    graph = helper.make_graph(nodes, "backbone", [given], given_out, [three])
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def by_hand(planes: np.ndarray) -> np.ndarray:
    """What the network makes of planes (n, C, H, W)."""
    n, channels, height, width = planes.shape
    return 3 * planes.reshape(n, channels, height // 4, 4, width // 4, 4).mean(axis=(3, 5)).reshape(n, -1)


ROWS = np.random.default_rng(0).integers(0, 256, (70, 64), dtype=np.uint8)


def test_the_named_output_is_flattened(tmp_path: Path) -> None:
    path = str(backbone(tmp_path / "b.onnx", outputs=2))
    planes = ROWS.reshape(-1, 1, 8, 8) / 255
    for name, factor in (("out", 1.0), ("pooled", 1 / 3)):
        component = Onnx(path, output=name)
        component.check(GREY)
        assert component.width(GREY) == 4
        found = component.compute(ROWS, GREY, component.learn(Part(ROWS, ROWS[:, 0], np.arange(70)), GREY))
        np.testing.assert_allclose(found, by_hand(planes) * factor, rtol=1e-5)


def test_range_and_normalisation(tmp_path: Path) -> None:
    path = str(backbone(tmp_path / "b.onnx"))
    found = Onnx(path, white=255.0, mean=(100.0,), deviation=(50.0,)).compute(ROWS, GREY, {})
    np.testing.assert_allclose(found, by_hand((ROWS.reshape(-1, 1, 8, 8) - 100.0) / 50), rtol=1e-4, atol=1e-5)


def test_grey_pictures_get_three_channels_and_another_size(tmp_path: Path) -> None:
    path = str(backbone(tmp_path / "b.onnx", ["n", 3, 16, 16]))
    component = Onnx(path, resize=16, resample="bicubic", mean=(0.0, 0.1, 0.2))
    large = np.stack(
        [np.asarray(Image.fromarray(each.astype(np.float32)).resize((16, 16), 3)) for each in ROWS.reshape(-1, 8, 8)]
    )
    planes = np.repeat(large[:, None] / 255, 3, axis=1) - np.array([0, 0.1, 0.2]).reshape(3, 1, 1)
    np.testing.assert_allclose(component.compute(ROWS, GREY, {}), by_hand(planes), rtol=1e-4, atol=1e-5)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_idx_set(tmp_path / "shapes", side=8)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "small.yaml"
    features = "features: {name: onnx, path: b.onnx}"
    path.write_text(f"dataset: {{path: shapes, validation: 100}}\n{features}\nhidden_sizes: [8]\nepochs: 2\n")
    return path


def test_a_run_keeps_the_network_in_its_model(mlp: Mlp, config: Path, tmp_path: Path) -> None:
    backbone(tmp_path / "b.onnx")
    assert mlp("train", config, "--no-plots").code == 0
    (folder,) = (tmp_path / "results").iterdir()
    record, arrays = json.loads((folder / "run.json").read_text()), arrays_in(folder / "model.npz")
    assert arrays["W1"].shape == (4, 8) and "features from b.onnx" in record["data"]["notices"]
    component = load_config(config).features.build()
    (tmp_path / "b.onnx").unlink()
    out = np.empty((70, 4), np.float32)
    restored(component, GREY, arrays).apply(ROWS, out)
    planes = by_hand(ROWS.reshape(-1, 1, 8, 8) / 255)
    np.testing.assert_allclose(out, planes * arrays["scale"] + arrays["shift"], rtol=1e-3, atol=1e-3)
    assert mlp("train", config, "--no-plots").code == 0, "without the file a completed run is told of"
    backbone(tmp_path / "b.onnx", outputs=2)
    changed = mlp("train", config, "features.output=out", "--no-plots")
    assert changed.code == 0, changed.err


@pytest.mark.parametrize(
    ("made", "override", "code", "message"),
    [
        (None, "", 3, "cannot read b.onnx: no such file"),
        (b"GIF89a no network", "", 3, "b.onnx is no ONNX file"),
        (b"", "", 3, "b.onnx is no ONNX file"),
        ({}, "features.output=logits", 3, "has no output logits; its outputs: out"),
        ({"outputs": 2}, "", 3, "has several outputs; its outputs: out, pooled"),
        ({"shape": [1, 1, 8, 8]}, "", 3, "has a fixed batch of 1\n  export it with a dynamic first axis"),
        ({"shape": ["n", 1, 28, 28]}, "", 3, "wants pictures of 1 × 28 × 28, and is given 1 × 8 × 8"),
        ({"shape": ["n", 4, 8, 8]}, "", 3, "wants pictures of 4 × 8 × 8, and is given 1 × 8 × 8"),
        ({"shape": ["n", 64]}, "", 3, "must take one tensor(float) of n × channels × height × width"),
        ({"domain": "com.example"}, "", 3, "has the custom operator com.example.Mul"),
        ({"external": True}, "", 3, "has its weights in other files"),
        ({}, "features.mean=[1, 2]", 2, "mean must have 1 or 1 numbers"),
        ({}, "features.deviation=[0]", 2, "other than 0 for deviation"),
    ],
)
def test_a_file_that_cannot_be_used(
    mlp: Mlp, config: Path, tmp_path: Path, made: bytes | dict[str, Any] | None, override: str, code: int, message: str
) -> None:
    if isinstance(made, dict):
        backbone(tmp_path / "b.onnx", **made)
    elif made is not None:
        (tmp_path / "b.onnx").write_bytes(made)
    answer = mlp("train", config, *filter(None, [override]))
    assert answer.code == code and message in answer.err, answer.err
    assert not (tmp_path / "results").exists()
