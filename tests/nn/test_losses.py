import json
import math
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.nn.buffers import Array
from mlp_cli.nn.losses import losses

STORED = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_values.json").read_text())
CASES = {name: case for name, case in STORED["networks"].items() if name.startswith("depth_")}


def batch(name: str, rows: int, classes: int, dtype: type = np.float64) -> tuple[Array, Array]:
    generator = np.random.default_rng(rows)
    classes = losses[name].outputs or classes
    outputs = generator.standard_normal((rows, classes)).astype(dtype)
    if losses[name].task == "multi_label":
        return outputs, generator.integers(0, 2, (rows, classes)).astype(np.uint8)
    if losses[name].task == "classification":
        return outputs, generator.integers(0, max(2, classes) if losses[name].outputs else classes, rows)
    return outputs, generator.standard_normal((rows, classes)).astype(dtype)


def test_stored_values_cover_the_registry() -> None:
    assert {case["options"]["loss"] for case in CASES.values()} == set(losses)


@pytest.mark.parametrize("case", list(CASES.values()), ids=list(CASES))
def test_losses_are_those_of_pytorch(case: dict) -> None:
    loss = losses.build(case["options"]["loss"], reduction=case["options"]["reduction"])
    total = loss.forward(np.array(case["outputs"]), np.array(case["targets"]))
    assert isinstance(total, float)
    assert total == pytest.approx(sum(case["losses"]), rel=1e-13)
    np.testing.assert_allclose(loss.per_sample, case["losses"], rtol=1e-12)


@pytest.mark.parametrize("name", list(losses))
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (6, 3), (5, 1)])
def test_backward_is_the_derivative_of_forward(name: str, reduction: str, shape: tuple[int, int]) -> None:
    loss, step = losses.build(name, reduction=reduction), 1e-5
    outputs, targets = batch(name, *shape)
    loss.forward(outputs, targets)
    gradient = loss.backward().copy()
    assert gradient.shape == outputs.shape
    for index in np.ndindex(outputs.shape):
        moved = []
        for offset in (step, -step):
            there = outputs.copy()
            there[index] += offset
            moved.append(loss.forward(there, targets) / (shape[0] if reduction == "mean" else 1))
        assert gradient[index] == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", list(losses))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_order_and_earlier_batches_do_not_matter(name: str, dtype: type) -> None:
    used = losses.build(name)
    for rows in (7, 3, 7, 1, 40, 7):
        outputs, targets = batch(name, rows, 4, dtype)
        fresh = losses.build(name)
        assert used.forward(np.asfortranarray(outputs), targets) == fresh.forward(outputs, targets)
        assert used.per_sample.shape == (rows,) and used.per_sample.tobytes() == fresh.per_sample.tobytes()
        gradient = used.backward()
        assert gradient.dtype == dtype and gradient.tobytes() == fresh.backward().tobytes()


@pytest.mark.parametrize("name", list(losses))
def test_one_loss_serves_other_widths_and_dtypes(name: str) -> None:
    loss = losses.build(name)
    for classes, dtype in ((3, np.float32), (3, np.float64), (5, np.float64)):
        outputs, targets = batch(name, 4, classes, dtype)
        loss.forward(outputs, targets)
        assert loss.backward().shape == outputs.shape and loss.per_sample.dtype == dtype


@pytest.mark.parametrize("name", list(losses))
def test_the_outputs_are_left_alone(name: str) -> None:
    outputs, targets = batch(name, 6, 3)
    before = outputs.copy()
    loss = losses.build(name)
    loss.forward(outputs, targets)
    loss.backward()
    assert outputs.tobytes() == before.tobytes()


@pytest.mark.parametrize("name", list(losses))
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_outputs_of_ten_thousand_neither_overflow_nor_warn(name: str, reduction: str, dtype: type) -> None:
    _, targets = batch(name, 4, 3)
    outputs = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [1e4, 1e4, 1e4], [0, 0, -1e4]], dtype)[:, : losses[name].outputs]
    loss = losses.build(name, reduction=reduction)
    with np.errstate(all="raise", under="ignore"):
        total = loss.forward(outputs, targets)
        gradient = loss.backward()
    assert math.isfinite(total) and np.isfinite(gradient).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", list(losses))
def test_an_output_that_is_not_finite_gives_such_a_loss(name: str, bad: float) -> None:
    outputs, targets = batch(name, 4, 3)
    outputs[2, -1] = bad
    with np.errstate(all="ignore"):
        assert not math.isfinite(losses.build(name).forward(outputs, targets))


def test_cross_entropy_at_the_extremes_is_that_of_pytorch() -> None:
    stored = STORED["extreme_cross_entropy"]
    loss = losses.build("cross_entropy", reduction="sum")
    loss.forward(np.array(stored["logits"], np.float32), np.array(stored["targets"]))
    np.testing.assert_allclose(loss.per_sample, stored["losses"], rtol=1e-6)
    np.testing.assert_allclose(loss.backward(), stored["gradient"], rtol=1e-6, atol=1e-7)


def test_labels_are_scored_as_in_keras() -> None:
    """Which computes in float32."""
    stored = STORED["labels"]
    loss = losses.build("multi_label")
    loss.forward(np.array(stored["logits"]), np.array(stored["targets"], np.uint8))
    np.testing.assert_allclose(loss.per_sample, stored["keras_losses"], rtol=1e-6)


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes() -> None:
    loss = losses.build("cross_entropy")
    assert loss.forward(np.full((5, 8), 3.0), np.arange(5)) == pytest.approx(5 * math.log(8), rel=1e-14)
    gradient = loss.backward()
    np.testing.assert_allclose(gradient, (1 / 8 - np.eye(5, 8)) / 5, rtol=1e-14)


def test_mse_takes_flat_targets_for_one_output() -> None:
    loss = losses.build("mse")
    assert loss.forward(np.array([[1.0], [2.0], [5.0]]), np.array([0.0, 2.0, 2.0])) == 10.0
    assert loss.per_sample.tolist() == [1.0, 0.0, 9.0]
    np.testing.assert_allclose(loss.backward(), [[2 / 3], [0.0], [2.0]], rtol=1e-15)
    with pytest.raises(ValueError, match="reshape"):
        loss.forward(np.zeros((3, 2)), np.zeros(3))
