from collections.abc import Callable

import numpy as np
import pytest

from mlp_cli.errors import UsageError
from mlp_cli.nn import activations as activation_module
from mlp_cli.nn import layers as layer_module
from mlp_cli.nn import losses as loss_module
from mlp_cli.nn.activations import activations
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.gradcheck import TOLERANCE, Check, check_gradients
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import Network, build_network


def make(
    hidden: list[int],
    activation: str = "tanh",
    noisy: bool = False,
    norm: bool = False,
    dtype: type = np.float64,
    outputs: int = 4,
) -> Network:
    network = build_network(
        6,
        hidden,
        outputs,
        [activations.build(activation) for _ in hidden],
        dropout=[0.3 if noisy else 0.0] * len(hidden),
        input_dropout=0.2 if noisy else 0.0,
        batch_norm={} if norm else None,
        dtype=dtype,
    )
    network.initialize(initializers.build("he_normal"), 1)
    return network


def check(network: Network, loss_name: str = "cross_entropy", reduction: str = "mean", rows: int = 9) -> list[Check]:
    generator = np.random.default_rng(rows)
    x = generator.standard_normal((rows, 6)).astype(network.dtype)
    loss = losses.build(loss_name, reduction=reduction)
    targets = generator.standard_normal((rows, 4))
    if loss.task == "classification":
        targets = generator.integers(0, 2 if loss.outputs else 4, rows)
    elif loss.task == "multi_label":
        targets = generator.integers(0, 2, (rows, 4))
    return check_gradients(network, loss, x, targets)


def assert_sound(checks: list[Check], network: Network) -> None:
    assert [one.parameter for one in checks] == list(network.parameters)
    for one in checks:
        assert one.passed and one.layer == network.layer_of(one.parameter), one
        assert one.checked >= min(10, network.parameters[one.parameter].size), one


@pytest.mark.parametrize("hidden", [[], [7], [7, 5], [8, 7, 6]], ids=str)
@pytest.mark.parametrize("loss_name", list(losses))
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_every_depth_and_loss(hidden: list[int], loss_name: str, reduction: str) -> None:
    network = make(hidden, outputs=losses[loss_name].outputs or 4)
    assert_sound(check(network, loss_name, reduction), network)


@pytest.mark.parametrize("activation", list(activations))
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "batch_norm"])
@pytest.mark.parametrize("noisy", [False, True], ids=["calm", "dropout"])
def test_every_activation_with_batch_norm_and_dropout(activation: str, noisy: bool, norm: bool) -> None:
    network = make([7, 5], activation, noisy, norm)
    assert_sound(check(network), network)


def test_a_batch_of_one() -> None:
    network = make([5], "relu", noisy=True)
    assert_sound(check(network, rows=1), network)


def wrong_relu(self: object, z: Array, a: Array, grad: Array, scratch: object) -> None:
    grad *= a > 0.5


def wrong_loss(self: object) -> Array:
    return loss_backward(self) * 1.0001


loss_backward: Callable = loss_module.CrossEntropy.backward
norm_backward: Callable = layer_module.BatchNorm.backward
dense_backward: Callable = layer_module.Dense.backward


def wrong_norm(self: layer_module.BatchNorm, grad: Array) -> Array:
    kept = grad * self._factor
    norm_backward(self, grad)
    return kept


def wrong_bias(self: layer_module.Dense, grad: Array) -> Array | None:
    below = dense_backward(self, grad)
    self._b_grad[0] *= 0.999
    return below


def wrong_dropout(self: layer_module.Dropout, grad: Array) -> Array:
    return grad


@pytest.mark.parametrize(
    ("owner", "broken"),
    [
        (activation_module.Relu, wrong_relu),
        (loss_module.CrossEntropy, wrong_loss),
        (layer_module.BatchNorm, wrong_norm),
        (layer_module.Dense, wrong_bias),
        (layer_module.Dropout, wrong_dropout),
    ],
)
def test_a_broken_backward_pass_is_found(owner: type, broken: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make([7, 5], "relu", noisy=True, norm=True)
    assert all(one.passed for one in check(network))
    monkeypatch.setattr(owner, "backward", broken)
    network = make([7, 5], "relu", noisy=True, norm=True)
    failed = [one for one in check(network) if not one.passed]
    assert failed and max(one.max_relative_error for one in failed) > 10 * TOLERANCE
    if broken is wrong_bias:
        assert {one.parameter for one in failed} == {"b3"}  # before batch norm a bias has no gradient
    assert all(one.checked for one in failed)


def test_a_gradient_that_is_not_finite_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activation_module.Tanh, "backward", lambda self, z, a, grad, scratch: grad.fill(np.nan))
    network = make([5])
    assert {one.parameter for one in check(network) if not one.passed} >= {"W1", "b1"}


def test_kinks_are_stepped_over() -> None:
    """Inputs of zero put every unit of the first layer exactly on ReLU's kink, where the derivative by b1 does not exist."""
    network, x, targets = make([5, 4], "relu"), np.zeros((4, 6)), np.array([0, 1, 1, 3])
    loss = losses.build("cross_entropy")
    checks = {one.parameter: one for one in check_gradients(network, loss, x, targets, jitter=0.0)}
    assert checks["b1"].checked == 0 and not checks["b1"].passed
    assert checks["b3"].passed and checks["b3"].checked == 4
    assert all(one.passed and one.checked for one in check_gradients(network, loss, x, targets))


class Total:
    """The sum of all outputs, so that nothing but the kink bends the objective."""

    task = "regression"
    reduction = "sum"
    per_sample = np.empty(0)

    def forward(self, outputs: Array, targets: Array) -> float:
        self.shape = outputs.shape
        return float(outputs.sum())

    def backward(self) -> Array:
        return np.ones(self.shape)


@pytest.mark.parametrize("distance", [0.0, 1e-7, 1e-5 / 3, 8e-6, 3e-5, 1e-4 / 3, 9e-5, 1.0])
def test_a_kink_at_any_distance_is_noticed(distance: float) -> None:
    """A unit that stands `distance` from the kink: its derivative is right, or left out where the kink is within both steps."""
    network, x = make([1], "relu"), np.zeros((1, 6))
    network.parameters["b1"][...] = distance
    network.parameters["W2"][...] = 1.0
    checks = {one.parameter: one for one in check_gradients(network, Total(), x, np.zeros(1), jitter=0.0)}
    assert checks["b1"].passed if distance > 1e-5 else checks["b1"].checked == 0
    assert checks["b2"].passed


def test_zero_weights_are_moved_for_the_check() -> None:
    network = make([5], "tanh")
    network.initialize(initializers.build("zeros"), 0)
    assert_sound(check(network), network)
    assert not network.theta.any()


def test_network_and_statistics_are_as_before() -> None:
    network = make([7, 5], "relu", noisy=True, norm=True)
    network.state["running_mean1"][...] = 0.25
    before = [network.theta.tobytes(), *(value.tobytes() for value in network.state.values())]
    first = check(network)
    assert [network.theta.tobytes(), *(value.tobytes() for value in network.state.values())] == before
    assert check(network) == first


def test_float32_is_refused() -> None:
    with pytest.raises(UsageError, match="float64") as caught:
        check(make([5], dtype=np.float32))
    assert caught.value.hint == "set dtype=float64"


def test_the_number_of_samples_is_the_callers() -> None:
    network = make([7])
    loss, x = losses.build("mse"), np.ones((3, 6))
    checks = check_gradients(network, loss, x, np.zeros((3, 4)), samples_per_parameter=3, seed=4)
    assert [one.checked for one in checks] == [3, 3, 3, 3]
