"""The plain-Python network by itself: no NumPy inside, gradients, a network worked by hand, and numbers at the edge of floats."""

import ast
import doctest
import inspect
import itertools
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp_cli.nn import scalar, scalar_optimizers
from mlp_cli.nn.activations import Scratch, activations
from mlp_cli.nn.losses import losses
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.scalar_optimizers import OPTIMIZERS, penalize
from mlp_cli.registry import Registry

MODULES = (scalar, scalar_optimizers)
TABLES = [(activations, scalar.ACTIVATIONS), (losses, scalar.LOSSES), (optimizers, OPTIMIZERS)]
TWINS = [(registry, table, name) for registry, table in TABLES for name in registry]
EXTREME = [0.0, -0.0, 5e-324, 1e-160, 1e4, 1e160, 1.7e308, math.inf]
EXTREMES = [*EXTREME, *(-value for value in EXTREME), math.nan]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_it_imports_the_standard_library_alone(module: Any) -> None:
    own = {part.__name__ for part in MODULES}
    for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        assert all(name in own or name.split(".")[0] in sys.stdlib_module_names for name in names), names


def test_the_example_at_its_top_is_true() -> None:
    assert doctest.testmod(scalar) == (0, 3)


@pytest.mark.parametrize(("registry", "table", "name"), TWINS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_component_has_a_twin_with_the_same_options(registry: Registry[Any], table: dict[str, Any], name: str) -> None:
    parameters = inspect.signature(table[name]).parameters.values()
    assert [(p.name, p.default) for p in parameters] == [(option.name, option.default) for option in registry.options(name)]
    if registry is optimizers:
        assert table[name]().decoupled_weight_decay == registry[name]().decoupled_weight_decay


def test_there_is_no_twin_of_nothing() -> None:
    for registry, table in TABLES:
        assert set(table) <= set(registry)


@pytest.mark.parametrize("name", scalar.ACTIVATIONS)
def test_activations_are_those_of_the_arrays(name: str) -> None:
    values = [*EXTREMES, *np.linspace(-30, 30, 61).tolist()]
    z = np.array([values])
    out, factor = np.empty_like(z), np.ones_like(z)
    scratch = Scratch(np.empty_like(z), np.empty(z.shape, np.bool_))
    function = activations.build(name)
    with np.errstate(all="ignore"):
        function.forward(z, out, scratch)
        function.backward(z, out, factor, scratch)
    twin = scalar.ACTIVATIONS[name]()
    outputs = [twin.function(value) for value in values]
    np.testing.assert_allclose(outputs, out[0], rtol=1e-14, atol=1e-15)
    number = ~np.isnan(z[0])
    slopes = [twin.derivative(value, output) for value, output in zip(values, outputs, strict=True)]
    np.testing.assert_allclose(np.array(slopes)[number], factor[0][number], rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", scalar.ACTIVATIONS)
def test_derivatives_are_the_slopes_of_the_functions(name: str) -> None:
    function, derivative = scalar.ACTIVATIONS[name]()
    for z in (-3.0, -0.7, 0.2, 1.9):
        slope = (function(z + 1e-5) - function(z - 1e-5)) / 2e-5
        assert derivative(z, function(z)) == pytest.approx(slope, abs=1e-9)


def two_three_two(w: list[list[float]], b: list[float], v: list[list[float]], c: list[float]) -> scalar.Network:
    sigmoid, identity = scalar.ACTIVATIONS["sigmoid"](), scalar.ACTIVATIONS["identity"]()
    return scalar.Network([scalar.Layer(w, b, sigmoid), scalar.Layer(v, c, identity)])


def test_the_network_of_the_assignment() -> None:
    """The 2-3-2 network that the course has its students work out first: x = (1, −1), class 0.

    z = (1·1 + (−1)(−1)) = 2 in all three units; h = σ(2) = 1/(1 + e⁻²) = 0.880797; both logits are h(1 − 1 − 1) = −h, so that
    p = (1/2, 1/2) and the loss is log 2. d = p − y = (−1/2, 1/2). dV = h·d = (∓0.440399), dc = d.
    dh_i = V_i0·(−1/2) + V_i1·(1/2) = 0, since the columns of V are equal: dW = 0 and db = 0.
    """
    network = two_three_two([[1.0] * 3, [-1.0] * 3], [0.0] * 3, [[1.0, 1.0], [-1.0, -1.0], [-1.0, -1.0]], [0.0, 0.0])
    loss = scalar.CrossEntropy()
    outputs, trace = network.forward([1.0, -1.0])
    network.backward(trace, loss.gradient(outputs, 0))
    hidden, top = network.layers
    assert trace[0][1:] == ([2.0] * 3, pytest.approx([0.880797] * 3, abs=1e-6))
    assert outputs == pytest.approx([-0.880797] * 2, abs=1e-6)
    assert loss.loss(outputs, 0) == pytest.approx(math.log(2), abs=1e-15)
    assert top.bias_gradients == [-0.5, 0.5]
    assert [d for row in top.weight_gradients for d in row] == pytest.approx([-0.440399, 0.440399] * 3, abs=1e-6)
    assert (hidden.bias_gradients, hidden.weight_gradients) == ([0.0] * 3, [[0.0] * 3] * 2)


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
    loss = scalar.CrossEntropy()
    outputs, trace = network.forward([1.0, 2.0])
    network.backward(trace, loss.gradient(outputs, 0))
    hidden, top = network.layers
    assert loss.loss(outputs, 0) == pytest.approx(math.log(4.0), abs=1e-15)
    assert top.bias_gradients == pytest.approx([-3 / 4, 3 / 4], abs=1e-15)
    assert [d for row in top.weight_gradients for d in row] == pytest.approx([-3 / 8, 3 / 8] * 3, abs=1e-15)
    assert hidden.bias_gradients == pytest.approx([-3 / 16, 3 / 16, -3 / 8], abs=1e-15)
    assert hidden.weight_gradients[0] == pytest.approx([-3 / 16, 3 / 16, -3 / 8], abs=1e-15)
    assert hidden.weight_gradients[1] == pytest.approx([-3 / 8, 3 / 8, -3 / 4], abs=1e-15)
    OPTIMIZERS["sgd"]().update(top.biases, top.bias_gradients, [], learning_rate=0.5, step=1)
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
            scalar.ACTIVATIONS[activation if number < 2 else "identity"](),
        )
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes))
    ]
    network, loss = scalar.Network(layers), scalar.LOSSES[name]()
    target: Any = 1 if name == "cross_entropy" else [0.3, -2.0]
    instances = [[0.5, -1.5], [2.0, 0.25]]

    def objective() -> float:
        return sum(loss.loss(network.forward(x)[0], target) for x in instances)

    for x in instances:
        outputs, trace = network.forward(x)
        network.backward(trace, loss.gradient(outputs, target))
    for layer in layers:
        pairs = [(layer.biases, layer.bias_gradients), *zip(layer.weights, layer.weight_gradients, strict=True)]
        for values, gradients in pairs:
            for i, value in enumerate(values):
                values[i] = value + 1e-5
                above = objective()
                values[i] = value - 1e-5
                below = objective()
                values[i] = value
                assert gradients[i] == pytest.approx((above - below) / 2e-5, abs=1e-8)


def test_reduction() -> None:
    outputs, targets = [[1.0], [3.0], [5.0], [0.0]], [[0.0]] * 4
    assert scalar.output_gradients(scalar.Mse("sum"), outputs, targets) == [[2.0], [6.0], [10.0], [0.0]]
    assert scalar.output_gradients(scalar.Mse("mean"), outputs, targets) == [[0.5], [1.5], [2.5], [0.0]]


def test_coupled_penalties_by_hand() -> None:
    """λ = 0.1, l1 = 0.5; three weights and a bias: 1 + 0.5 + 0.1·2, 1 − 0.5 − 0.1·4, 1 + 0 + 0, and 1 as it was."""
    theta, gradient = [2.0, -4.0, 0.0, 3.0], [1.0] * 4
    penalize(theta, gradient, 3, weight_decay=0.1, l1=0.5, learning_rate=0.5, decoupled=False)
    assert theta == [2.0, -4.0, 0.0, 3.0]
    assert gradient == pytest.approx([1.7, 0.1, 1.0, 1.0])


def test_decoupled_penalties_by_hand() -> None:
    """λ = 0.2, l1 = 0.5, lr = 0.5: weights lose a tenth of themselves; the gradient gets 0.5, −0.5 and 0 from l1."""
    theta, gradient = [2.0, -4.0, 0.0, 3.0], [1.0] * 4
    penalize(theta, gradient, 3, weight_decay=0.2, l1=0.5, learning_rate=0.5, decoupled=True)
    assert theta == pytest.approx([1.8, -3.6, 0.0, 3.0])
    assert gradient == pytest.approx([1.5, 0.5, 1.0, 1.0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_finds_the_bottom_of_a_parabola(name: str) -> None:
    rule = OPTIMIZERS[name]()
    theta = [3.0, -2.0]
    slots = [[0.0, 0.0] for _ in rule.slots]
    for step in range(1, 2001):
        gradient = [2.0 * (theta[0] - 1.0), 20.0 * (theta[1] - 0.5)]
        rule.update(theta, gradient, slots, 0.02 * (1 - step / 2001), step)
    assert theta == pytest.approx([1.0, 0.5], abs=1e-2)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_no_rule_raises_whatever_the_gradient(name: str) -> None:
    for options in [{}, {"centered": True}] if name == "rmsprop" else [{}]:
        rule = OPTIMIZERS[name](**options)
        theta = [1.0] * len(EXTREMES)
        slots = [[0.0] * len(EXTREMES) for _ in rule.slots]
        for step in (1, 2, 3, 10**9):
            penalize(theta, list(EXTREMES), len(theta), 1e300, 1e300, 1e300, rule.decoupled_weight_decay)
            rule.update(theta, EXTREMES, slots, 1e300, step)


def test_centred_rmsprop_takes_no_root_of_a_negative_number() -> None:
    rule = OPTIMIZERS["rmsprop"](centered=True, epsilon=1e-300)
    theta, slots = [0.0], [[0.0] for _ in range(3)]
    for step in range(1, 2000):
        rule.update(theta, [123.4], slots, 0.1, step)
    assert not math.isnan(theta[0])


def test_no_loss_raises_whatever_the_outputs() -> None:
    entropy, mse = scalar.CrossEntropy(), scalar.Mse()
    for pair in itertools.product(EXTREMES, repeat=2):
        outputs = list(pair)
        values = [entropy.loss(outputs, 1), mse.loss(outputs, [1.0, 2.0])]
        gradients = [*entropy.gradient(outputs, 1), *mse.gradient(outputs, [1.0, 2.0])]
        if any(math.isnan(value) for value in outputs):
            assert all(math.isnan(value) for value in values), outputs
        if all(abs(value) <= 1e160 for value in outputs):
            assert all(math.isfinite(value) for value in [values[0], *gradients]), outputs


def test_cross_entropy_of_large_logits() -> None:
    assert scalar.CrossEntropy().loss([1000.0, 0.0], 1) == 1000.0
    assert scalar.CrossEntropy().loss([-1000.0, 0.0], 1) == 0.0
