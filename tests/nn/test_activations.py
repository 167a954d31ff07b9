import json
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.nn.activations import Activation, Scratch, activations
from mlp_cli.nn.buffers import Array

STORED = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_values.json").read_text())["activations"]


def scratch_like(z: Array) -> Scratch:
    return Scratch(np.full_like(z, np.nan), np.ones(z.shape, bool), np.full_like(z, np.nan))


def forward(function: Activation, z: Array) -> Array:
    for _ in function.parameters:  # prelu's slope
        function.bind(np.empty(z.shape[1:], z.dtype), np.empty(z.shape[1:], z.dtype))
        function.initialize()
    out = np.full_like(z, np.nan)
    function.forward(z.copy(), out, scratch_like(z))
    return out


def backward(function: Activation, z: Array, grad: Array) -> Array:
    result = grad.copy()
    function.backward(z.copy(), forward(function, z), result, scratch_like(z))
    return result


def test_stored_values_cover_the_registry() -> None:
    assert set(STORED["functions"]) == set(activations)


@pytest.mark.parametrize("name", list(activations))
def test_outputs_and_derivatives_are_those_of_pytorch(name: str) -> None:
    function, z = activations.build(name), np.array([STORED["z"]])
    expected = STORED["functions"][name]
    np.testing.assert_allclose(forward(function, z)[0], expected["output"], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(backward(function, z, np.ones_like(z))[0], expected["derivative"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", list(STORED["variants"]))
def test_options_are_those_of_pytorch(name: str) -> None:
    expected, z = STORED["variants"][name], np.array([STORED["z"]])
    function = activations.build(name, **expected["options"])
    np.testing.assert_allclose(forward(function, z)[0], expected["output"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(backward(function, z, np.ones_like(z))[0], expected["derivative"], rtol=1e-11, atol=1e-14)


def test_prelu_learns_its_slopes() -> None:
    """Numbers by hand: only negative inputs count, each weighed with the gradient that comes back."""
    function, slope, slope_grad = activations.build("prelu"), np.array([0.5, 0.25]), np.empty(2)
    function.bind(slope, slope_grad)
    z, grad = np.array([[-2.0, 3.0], [4.0, -1.0], [-1.0, -2.0]]), np.array([[1.0, 1.0], [1.0, 2.0], [3.0, 4.0]])
    out = np.empty_like(z)
    function.forward(z, out, scratch_like(z))
    assert out.tolist() == [[-1.0, 3.0], [4.0, -0.25], [-0.5, -0.5]]
    function.backward(z, out, grad, scratch_like(z))
    assert slope_grad.tolist() == [-5.0, -10.0] and grad.tolist() == [[0.5, 1.0], [1.0, 0.5], [1.5, 1.0]]


@pytest.mark.parametrize("name", list(activations))
def test_backward_is_the_derivative_of_forward(name: str) -> None:
    function, step = activations.build(name), 1e-5
    z = np.random.default_rng(3).uniform(-4, 4, (5, 7))
    z[np.abs(z) < 2 * step] = 1.0
    grad = np.random.default_rng(4).standard_normal(z.shape)
    slope = (forward(function, z + step) - forward(function, z - step)) / (2 * step)
    np.testing.assert_allclose(backward(function, z, grad), grad * slope, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", list(activations))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_values_neither_overflow_nor_warn(name: str, dtype: type) -> None:
    function = activations.build(name)
    z = np.array([[-1e4, -100, -88, -20, 0, 20, 88, 100, 1e4]], dtype)
    with np.errstate(all="raise", under="ignore"):
        outputs, gradients = forward(function, z), backward(function, z, np.ones_like(z))
    assert outputs.dtype == dtype and gradients.dtype == dtype
    assert np.isfinite(outputs).all() and np.isfinite(gradients).all()
    assert (np.diff(outputs[0]) >= 0).all() or name in DIPS


DIPS = ("gelu", "silu", "mish")
"""Activations that fall below 0 and rise again."""


@pytest.mark.parametrize("name", [name for name in activations if not activations[name].uses_input])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (128, 33)])
def test_in_place_gives_the_same_bytes(name: str, shape: tuple[int, int]) -> None:
    function = activations.build(name)
    z = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    both = z.copy()
    function.forward(both, both, scratch_like(z))
    assert both.tobytes() == forward(function, z).tobytes()
    gradient = np.ones_like(z)
    function.backward(both, both, gradient, scratch_like(z))
    assert gradient.tobytes() == backward(function, z, np.ones_like(z)).tobytes()


@pytest.mark.parametrize("name", list(activations))
def test_nan_stays_visible(name: str) -> None:
    assert np.isnan(forward(activations.build(name), np.array([[np.nan, -np.nan]]))).all()


def test_leaky_relu_takes_its_slope() -> None:
    function = activations.build("leaky_relu", negative_slope=0.25)
    z = np.array([[-4.0, 0.0, 2.0]])
    assert forward(function, z).tolist() == [[-1.0, 0.0, 2.0]]
    assert backward(function, z, np.full_like(z, 8.0)).tolist() == [[2.0, 2.0, 8.0]]
