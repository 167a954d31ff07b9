"""Fused passes: the bytes of NumPy's. Here the interpreter runs the loops; tests/extras has them compiled by numba."""

import numpy as np
import pytest
from fused_steps import CASES, trained

from mlp_cli.nn import fused
from mlp_cli.nn.activations import Relu
from mlp_cli.nn.losses import CrossEntropy
from mlp_cli.nn.metrics import count_correct

LOOPS = fused.Loops(*fused.LOOPS)


@pytest.mark.parametrize(("dtype", "scale", "reduction"), CASES)
@pytest.mark.filterwarnings("error")
def test_steps_have_the_bytes_of_numpys(dtype: str, scale: str, reduction: str) -> None:
    assert trained(LOOPS, dtype, scale, reduction) == trained(None, dtype, scale, reduction)


def test_zeros_nan_and_infinity_go_through_relu_as_in_numpy() -> None:
    values = np.array([[-0.0, 0.0, np.nan, np.inf, -np.inf, -1e-45, 1e-45, 2.0]], np.float32)
    mine, gradients = values.copy(), np.array([[3, -3, 1, -1, 5, -5, 7, np.inf]], np.float32)
    LOOPS.rectify(mine, np.full(8, -0.0, np.float32))
    assert mine.tobytes() == np.array([[0, 0, np.nan, np.inf, 0, 0, 1e-45, 2]], np.float32).tobytes()
    LOOPS.rectify_gradient(mine, gradients)
    assert gradients.tobytes() == np.array([[0, -0.0, 0, -1, 0, -0.0, 7, np.inf]], np.float32).tobytes()


def test_of_equal_outputs_the_first_counts() -> None:
    outputs = np.array([[1, 1, 0], [0, 1, 1], [2, 2, 2], [0, 0, 5]], np.float32)
    targets = np.array([0, 2, 0, 2])  # right, wrong since 1 comes first, right, right
    loss = fused.FusedCrossEntropy(LOOPS)
    loss.forward(outputs, targets)
    assert loss.correct == 3 == count_correct(outputs, targets)


def test_only_a_relu_right_after_a_dense_layer_takes_its_bias() -> None:
    from mlp_cli.nn.activations import activations
    from mlp_cli.nn.layers import ActivationLayer, Dense
    from mlp_cli.nn.network import build_network

    functions = [activations.build(name) for name in ("relu", "leaky_relu")]
    plain = build_network(3, [4, 4], 2, functions, dropout=[0.0, 0.0])
    fused.fuse(LOOPS, plain, CrossEntropy())
    assert [layer.adds_bias for layer in plain.layers if isinstance(layer, Dense)] == [False, True, True]
    assert next(type(layer.function) for layer in plain.layers if isinstance(layer, ActivationLayer)) is fused.BiasRelu
    normed = build_network(3, [4], 2, [Relu()], dropout=[0.0], layer_norm={})
    fused.fuse(LOOPS, normed, CrossEntropy())
    assert all(layer.adds_bias for layer in normed.layers if isinstance(layer, Dense))


@pytest.mark.parametrize("wrong", fused.Loops._fields)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loop_that_gives_other_bytes_is_found(wrong: str, dtype: str) -> None:
    from mlp_cli.nn.kernels import _values

    def off(*arrays: np.ndarray) -> int:
        correct = getattr(LOOPS, wrong)(*arrays)
        changed = {"gather": 3, "rectify": 0, "rectify_gradient": 1, "shift": 2, "subtract_targets": 0}[wrong]
        arrays[changed].flat[7] = np.nextafter(arrays[changed].flat[7], 9)
        return correct

    with np.errstate(all="ignore"):
        assert fused.is_same(LOOPS, _values(np.dtype(dtype)))
        assert not fused.is_same(LOOPS._replace(**{wrong: off}), _values(np.dtype(dtype)))
