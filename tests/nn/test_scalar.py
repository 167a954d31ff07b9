"""The plain-Python network by itself: no NumPy inside, gradients, a network worked by hand, and numbers at the edge of floats."""

import ast
import doctest
import inspect
import itertools
import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp_cli.nn import scalar
from mlp_cli.nn.activations import Scratch, activations
from mlp_cli.nn.losses import losses
from mlp_cli.nn.optimizers import optimizers

EXTREME = [0.0, -0.0, 5e-324, 1e-160, 1e4, 1e160, 1.7e308, math.inf]
EXTREMES = [*EXTREME, *(-value for value in EXTREME), math.nan]
OPTIONS: dict[str, dict[str, Any]] = {
    name: {option.name: option.default for option in activations.options(name)} for name in activations
}


def test_lists_and_arrays_meet_in_the_engine_alone() -> None:
    """A student may copy all that stands before the engine's classes: the names it uses are its own, Python's and `math`."""
    tree = ast.parse(Path(scalar.__file__).read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }
    definitions = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    plain = list(itertools.takewhile(lambda node: not getattr(node, "name", "").lower().startswith("scalar"), definitions))
    assert {"Layer", "backward", "momentum"} <= {getattr(node, "name", "") for node in plain}
    used = {node.id for part in plain for node in ast.walk(part) if isinstance(node, ast.Name)}
    assert used & imported <= {"math", "Any", "Callable"}


def test_the_example_at_its_top_is_true() -> None:
    assert doctest.testmod(scalar) == (0, 6)


def test_activations_and_losses_are_some_of_the_arrays() -> None:
    assert set(scalar.ACTIVATIONS) < set(activations)
    assert set(scalar.LOSSES) < set(losses)


@pytest.mark.parametrize("name", scalar.OPTIMIZERS)
def test_rules_take_the_slots_and_options_of_the_arrays_rules(name: str) -> None:
    wanted = [*optimizers.build(name).slots, *(option.name for option in optimizers.options(name))]
    assert list(inspect.signature(scalar.OPTIMIZERS[name]).parameters)[3:] == wanted


@pytest.mark.parametrize("name", scalar.ACTIVATIONS)
def test_activations_are_those_of_the_arrays(name: str) -> None:
    values = [*EXTREMES, *np.linspace(-30, 30, 61).tolist()]
    z = np.array([values])
    out, factor = np.empty_like(z), np.ones_like(z)
    scratch = Scratch(np.empty_like(z), np.empty(z.shape, np.bool_), np.empty_like(z))
    function = activations.build(name)
    with np.errstate(all="ignore"):
        function.forward(z, out, scratch)
        function.backward(z, out, factor, scratch)
    outputs, slopes = zip(*(scalar.ACTIVATIONS[name](value, **OPTIONS[name]) for value in values), strict=True)
    np.testing.assert_allclose(outputs, out[0], rtol=1e-14, atol=1e-15)
    number = ~np.isnan(z[0])
    np.testing.assert_allclose(np.array(slopes)[number], factor[0][number], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", scalar.ACTIVATIONS)
def test_derivatives_are_the_slopes_of_the_functions(name: str) -> None:
    def function(z: float) -> tuple[float, float]:
        return scalar.ACTIVATIONS[name](z, **OPTIONS[name])

    for z in (-3.0, -0.7, 0.2, 1.9):
        slope = (function(z + 1e-5)[0] - function(z - 1e-5)[0]) / 2e-5
        assert function(z)[1] == pytest.approx(slope, abs=1e-9)


def two_three_two(w: list[list[float]], b: list[float], v: list[list[float]], c: list[float]) -> list[scalar.Layer]:
    return [scalar.Layer(w, b, scalar.ACTIVATIONS["sigmoid"]), scalar.Layer(v, c, scalar.ACTIVATIONS["identity"])]


def test_the_network_of_the_assignment() -> None:
    """The 2-3-2 network that the course has its students work out first: x = (1, −1), class 0.

    z = (1·1 + (−1)(−1)) = 2 in all three units; h = σ(2) = 1/(1 + e⁻²) = 0.880797; both logits are h(1 − 1 − 1) = −h, so that
    p = (1/2, 1/2) and the loss is log 2. d = p − y = (−1/2, 1/2). dV = h·d = (∓0.440399), dc = d.
    dh_i = V_i0·(−1/2) + V_i1·(1/2) = 0, since the columns of V are equal: dW = 0 and db = 0.
    """
    network = two_three_two([[1.0] * 3, [-1.0] * 3], [0.0] * 3, [[1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]], [0.0, 0.0])
    outputs, trace = scalar.forward(network, [1.0, -1.0])
    loss, d_outputs = scalar.cross_entropy(outputs, 0)
    scalar.backward(network, trace, d_outputs)
    hidden, top = network
    assert trace[1][0] == pytest.approx([0.880797] * 3, abs=1e-6)
    assert outputs == pytest.approx([-0.880797] * 2, abs=1e-6)
    assert loss == pytest.approx(math.log(2), abs=1e-15)
    assert top.d_biases == [-0.5, 0.5]
    assert [d for row in top.d_weights for d in row] == pytest.approx([-0.440399, 0.440399] * 3, abs=1e-6)
    assert (hidden.d_biases, hidden.d_weights) == ([0.0] * 3, [[0.0] * 3] * 2)


def test_a_network_by_hand_that_no_symmetry_hides() -> None:
    """x = (1, 2), class 0, with weights that give round numbers everywhere.

    W = ((2, −2, 4), (−1, 1, −2)): z = (2 − 2, −2 + 2, 4 − 4) = 0, h = σ(0) = 1/2, σ' = 1/4 in each unit.
    V = ((1, 0), (0, 1), (1, −1)), c = (0, 1 + log 3): o = ((1 + 0 + 1)/2, (0 + 1 − 1)/2) + c = (1, 1 + log 3), so p = (1, 3)/(1 + 3)
    and the loss is log 4. d = (−3/4, 3/4); each row of dV is d/2 = (−3/8, 3/8); dc = d.
    dh = V d = (−3/4, 3/4, −3/2); dz = dh/4 = (−3/16, 3/16, −3/8) = db; dW = (dz, 2 dz).
    One step of gradient descent at rate 1/2 moves c to (3/8, 1 + log 3 − 3/8).
    """
    c = [0.0, 1.0 + math.log(3.0)]
    network = two_three_two([[2.0, -2.0, 4.0], [-1.0, 1.0, -2.0]], [0.0] * 3, [[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]], c)
    outputs, trace = scalar.forward(network, [1.0, 2.0])
    loss, d_outputs = scalar.cross_entropy(outputs, 0)
    scalar.backward(network, trace, d_outputs)
    hidden, top = network
    assert loss == pytest.approx(math.log(4.0), abs=1e-15)
    assert top.d_biases == pytest.approx([-3 / 4, 3 / 4], abs=1e-15)
    assert [d for row in top.d_weights for d in row] == pytest.approx([-3 / 8, 3 / 8] * 3, abs=1e-15)
    assert hidden.d_biases == pytest.approx([-3 / 16, 3 / 16, -3 / 8], abs=1e-15)
    assert hidden.d_weights[0] == pytest.approx([-3 / 16, 3 / 16, -3 / 8], abs=1e-15)
    assert hidden.d_weights[1] == pytest.approx([-3 / 8, 3 / 8, -3 / 4], abs=1e-15)
    scalar.sgd(top.biases, top.d_biases, learning_rate=0.5)
    assert top.biases == pytest.approx([3 / 8, 1.0 + math.log(3.0) - 3 / 8], abs=1e-15)


@pytest.mark.parametrize("name", scalar.LOSSES)
@pytest.mark.parametrize("activation", scalar.ACTIVATIONS)
def test_gradients_are_central_differences(activation: str, name: str) -> None:
    sizes = [2, 4, 3, 2]
    numbers = itertools.count(1)
    layers = [
        scalar.Layer(
            [[math.sin(next(numbers)) for _ in range(outputs)] for _ in range(inputs)],
            [math.cos(next(numbers)) for _ in range(outputs)],
            partial(scalar.ACTIVATIONS[activation], **OPTIONS[activation]) if number < 2 else scalar.ACTIVATIONS["identity"],
        )
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes))
    ]
    loss = scalar.LOSSES[name]
    target: Any = 1 if name == "cross_entropy" else [0.3, -2.0]
    instances = [[0.5, -1.5], [2.0, 0.25]]

    def objective() -> float:
        return sum(loss(scalar.forward(layers, x)[0], target)[0] for x in instances)

    for x in instances:
        outputs, trace = scalar.forward(layers, x)
        scalar.backward(layers, trace, loss(outputs, target)[1])
    for layer in layers:
        pairs = [(layer.biases, layer.d_biases), *zip(layer.weights, layer.d_weights, strict=True)]
        for values, gradients in pairs:
            for i, value in enumerate(values):
                values[i] = value + 1e-5
                above = objective()
                values[i] = value - 1e-5
                below = objective()
                values[i] = value
                assert gradients[i] == pytest.approx((above - below) / 2e-5, abs=1e-8)


def test_momentum_by_hand() -> None:
    """γ = 1/2, lr = 1/4, gradient 2: v = 1/2, then 1/4 + 1/2 = 3/4; θ = 1 − 1/2 = 1/2, then 1/2 − 3/4 = −1/4."""
    theta, velocity = [1.0], [0.0]
    for expected in (0.5, -0.25):
        scalar.momentum(theta, [2.0], 0.25, velocity, momentum=0.5)
        assert theta == [expected]
    assert velocity == [0.75]


def test_no_loss_raises_whatever_the_outputs() -> None:
    for pair in itertools.product(EXTREMES, repeat=2):
        outputs = list(pair)
        (entropy, entropy_gradient), (error, error_gradient) = scalar.cross_entropy(outputs, 1), scalar.mse(outputs, [1.0, 2.0])
        if any(math.isnan(value) for value in outputs):
            assert math.isnan(entropy) and math.isnan(error), outputs
        if all(abs(value) <= 1e160 for value in outputs):
            assert all(math.isfinite(value) for value in [entropy, *entropy_gradient, *error_gradient]), outputs


def test_cross_entropy_of_large_logits() -> None:
    assert scalar.cross_entropy([1000.0, 0.0], 1)[0] == 1000.0
    assert scalar.cross_entropy([-1000.0, 0.0], 1)[0] == 0.0
