import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.nn.activations import activations
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.layers import ActivationLayer, Dense
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import Network, build_network

STORED = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_values.json").read_text())["networks"]
SEED, EPOCH = 7, 2  # of the stored dropout masks


def make(
    sizes: tuple[int, ...] = (6, 5, 4, 3),
    activation: str = "relu",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    batch_norm: dict[str, float] | None = None,
    dtype: type = np.float32,
) -> Network:
    hidden = sizes[1:-1]
    network = build_network(
        sizes[0],
        hidden,
        sizes[-1],
        [activations.build(activation) for _ in hidden],
        dropout=[dropout] * len(hidden),
        input_dropout=input_dropout,
        batch_norm=batch_norm,
        dtype=dtype,
    )
    network.initialize(initializers.build("he_normal"), 0)
    return network


def batch(network: Network, rows: int, seed: int = 0) -> tuple[Array, Array]:
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((rows, network.inputs)).astype(network.dtype)
    return x, generator.integers(0, network.outputs, rows)


def test_stored_networks_cover_the_activations() -> None:
    assert {case["options"]["activation"] for case in STORED.values()} == set(activations)


@pytest.mark.parametrize("case", list(STORED.values()), ids=list(STORED))
def test_outputs_losses_and_gradients_are_those_of_pytorch(case: dict) -> None:
    options, x, targets = case["options"], np.array(case["x"]), np.array(case["targets"])
    hidden = options["hidden_sizes"]
    network = build_network(
        4,
        hidden,
        losses[options["loss"]].outputs or 3,
        [activations.build(options["activation"]) for _ in hidden],
        dropout=options["dropout"] or [0.0] * len(hidden),
        input_dropout=options["input_dropout"],
        batch_norm={} if options["batch_norm"] else None,
        dtype=np.float64,
    )
    network.initialize(initializers.build("zeros"), 0)
    assert set(network.parameters) - {"slope1"} == set(case["parameters"]), "prelu's slopes are as they begin"
    for name, value in case["parameters"].items():
        network.parameters[name][...] = value
    network.start_epoch(SEED, EPOCH)
    loss = losses.build(options["loss"], reduction=options["reduction"])
    outputs = network.forward(x, training=True)
    np.testing.assert_allclose(outputs, case["outputs"], rtol=1e-12, atol=1e-14)
    assert loss.forward(outputs, targets) == pytest.approx(sum(case["losses"]), rel=1e-12)
    network.backward(loss.backward())
    for name, expected in case["gradients"].items():
        np.testing.assert_allclose(network.gradients[name], expected, rtol=1e-11, atol=1e-14, err_msg=name)
    for number, mean in case.get("running_mean", {}).items():
        np.testing.assert_allclose(network.state[f"running_mean{number}"], mean, rtol=1e-12)
        # PyTorch's running variance takes the unbiased variance of the batch: 0.99 + 0.01 · var · n / (n − 1).
        batch_variance = (np.array(case["running_variance_unbiased"][number]) - 0.99) / 0.01 * (len(x) - 1) / len(x)
        np.testing.assert_allclose(network.state[f"running_var{number}"], 0.99 + 0.01 * batch_variance, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_vector_with_the_decaying_weights_first(dtype: type) -> None:
    network = make(batch_norm={}, dtype=dtype)
    assert list(network.parameters) == ["W1", "b1", "gamma1", "beta1", "W2", "b2", "gamma2", "beta2", "W3", "b3"]
    assert list(network.gradients) == list(network.parameters)
    assert list(network.state) == ["running_mean1", "running_var1", "running_mean2", "running_var2"]
    assert network.decayed == 6 * 5 + 5 * 4 + 4 * 3
    assert network.theta.shape == network.grad.shape == (network.decayed + 3 * (5 + 4) + 3,)
    for flat, named in ((network.theta, network.parameters), (network.grad, network.gradients)):
        assert flat.dtype == dtype and flat.flags.c_contiguous and flat.ctypes.data % 64 == 0
        flat[...] = np.arange(flat.size)
        ordered = [name for name in named if name.startswith("W")] + [name for name in named if not name.startswith("W")]
        np.testing.assert_array_equal(np.concatenate([named[name].ravel() for name in ordered]), flat)
    assert network.parameters["W2"].shape == (5, 4) and network.parameters["b2"].shape == (4,)


def test_names_of_layers() -> None:
    network = make(dropout=0.5, input_dropout=0.1, batch_norm={})
    assert [layer.name for layer in network.layers] == [
        *("dropout_0", "dense_1", "batch_norm_1", "relu_1", "dropout_1"),
        *("dense_2", "batch_norm_2", "relu_2", "dropout_2", "dense_3"),
    ]
    assert network.layer_of("W1") == network.layer_of("b1") == "dense_1"
    assert network.layer_of("gamma2") == "batch_norm_2"
    assert [layer.name for layer in make((6, 3)).layers] == ["dense_1"]


@pytest.mark.parametrize("sizes", [(6, 3), (6, 5, 3), (6, 5, 4, 3)])
def test_only_the_first_dense_layer_leaves_out_the_gradient_of_its_input(sizes: tuple[int, ...]) -> None:
    dense = [layer for layer in make(sizes, input_dropout=0.5).layers if isinstance(layer, Dense)]
    assert [layer.input_gradient for layer in dense] == [False, *(True for _ in sizes[2:])]


def test_initial_values() -> None:
    network = make(batch_norm={})
    for name, value in {**network.parameters, **network.state}.items():
        constant = 1.0 if name.startswith(("gamma", "running_var")) else 0.0
        assert len(np.unique(value)) == value.size if name.startswith("W") else (value == constant).all()
    before = network.theta.tobytes()
    network.state["running_mean1"][...] = 5
    network.theta[...] = 5
    network.initialize(initializers.build("he_normal"), 0)
    assert network.theta.tobytes() == before and not network.state["running_mean1"].any()
    network.initialize(initializers.build("he_normal"), 1)
    assert network.theta.tobytes() != before


def test_a_layers_weights_do_not_depend_on_the_rest_of_the_network() -> None:
    plain = make((6, 5, 4, 3))
    other = make((6, 5, 4, 3), dropout=0.5, batch_norm={}, activation="tanh")
    shorter = make((6, 5, 2))
    square = make((5, 5, 5)).parameters
    assert square["W1"].tobytes() != square["W2"].tobytes()
    for name in ("W1", "W2", "W3"):
        assert plain.parameters[name].tobytes() == other.parameters[name].tobytes()
    assert plain.parameters["W1"].tobytes() == shorter.parameters["W1"].tobytes()
    np.testing.assert_array_equal(make(dtype=np.float64).parameters["W1"].astype(np.float32), plain.parameters["W1"])


def gradients(network: Network, x: Array, targets: Array) -> tuple[bytes, bytes]:
    loss = losses.build("cross_entropy")
    network.start_epoch(0, 1)
    outputs = network.forward(x, training=True)
    kept = outputs.tobytes()
    loss.forward(outputs, targets)
    network.backward(loss.backward())
    return kept, network.grad.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("sizes", [(6, 3), (6, 5, 3), (200, 90, 3), (6, 1, 1)])
def test_the_same_bytes_whatever_batches_came_before(sizes: tuple[int, ...], noisy: bool, dtype: type) -> None:
    def build() -> Network:
        if noisy:
            return make(sizes, dropout=0.4, input_dropout=0.2, batch_norm={}, dtype=dtype)
        return make(sizes, dtype=dtype)

    used = build()
    for rows in (128, 96, 1, 500, 128):
        x, targets = batch(used, rows, rows)
        assert gradients(used, x, targets) == gradients(build(), x, targets)
        used.forward(batch(used, 300)[0])


@pytest.mark.parametrize("name", list(activations))
@pytest.mark.parametrize("norm", [None, {}])
def test_float32_is_close_to_float64(name: str, norm: dict[str, float] | None) -> None:
    single = make((20, 15, 10, 4), name, batch_norm=norm)
    double = make((20, 15, 10, 4), name, batch_norm=norm, dtype=np.float64)
    double.theta[...] = single.theta
    x, targets = batch(single, 32)
    gradients(single, x, targets)
    gradients(double, x.astype(np.float64), targets)
    scale = np.abs(double.grad).max()
    assert np.abs(single.grad - double.grad).max() < 3e-6 * scale


def test_evaluation_is_without_noise_and_row_by_row() -> None:
    network = make(dropout=0.5, input_dropout=0.3, batch_norm={}, dtype=np.float64)
    x, targets = batch(network, 8)
    gradients(network, x, targets)
    state = {name: value.copy() for name, value in network.state.items()}
    together = network.forward(x).copy()
    assert network.forward(x).tobytes() == together.tobytes()
    for row in range(8):
        np.testing.assert_allclose(network.forward(x[row : row + 1])[0], together[row], rtol=1e-12, atol=1e-14)
    for name, value in state.items():
        assert network.state[name].tobytes() == value.tobytes()


def test_gradients_are_assigned_and_the_input_is_left_alone() -> None:
    network = make(input_dropout=0.5)
    x, targets = batch(network, 8)
    kept = x.copy()
    first = gradients(network, x, targets)
    network.grad.fill(np.nan)
    assert gradients(network, x, targets) == first
    assert x.tobytes() == kept.tobytes()


@pytest.mark.parametrize("name", list(activations))
@pytest.mark.parametrize("loss_name", list(losses))
def test_a_step_allocates_no_arrays(name: str, loss_name: str) -> None:
    loss = losses.build(loss_name)
    network = make((64, 100, 90, loss.outputs or 80), name, batch_norm={})
    x, targets = batch(network, 256)
    if loss.task == "regression":
        targets = np.random.default_rng(0).standard_normal((256, 80)).astype(np.float32)
    elif loss.task == "multi_label":
        targets = np.random.default_rng(0).integers(0, 2, (256, 80)).astype(np.uint8)

    def step() -> None:
        loss.forward(network.forward(x, training=True), targets)
        network.backward(loss.backward())

    step()
    step()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        step()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 8192 * 4 + 4096, "more than the buffer with which NumPy itself reads a broadcast or cast operand"


def test_a_network_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="float32 or float64"):
        make(dtype=np.float16)
    with pytest.raises(ValueError, match="5 outputs, not 3"):
        Network([Dense(5)], 4, 3, np.float32)
    with pytest.raises(ValueError, match="shorter"):
        build_network(4, [5, 5], 3, [activations.build("relu")], dropout=[0.0, 0.0])


def test_a_chain_of_other_layers() -> None:
    """The network's own rules, without `build_network`: two dense layers in a row, an activation at the end."""
    network = Network(
        [Dense(3), Dense(2, transposed=True), ActivationLayer(activations.build("tanh"))],
        4,
        2,
        np.float64,
    )
    network.initialize(initializers.build("xavier_uniform"), 0)
    x = np.random.default_rng(0).standard_normal((5, 4))
    p = network.parameters
    np.testing.assert_allclose(network.forward(x), np.tanh(x @ p["W1"] @ p["W2"]), rtol=1e-13)


def test_dead_relus_are_those_that_no_row_wakes() -> None:
    """Two inputs, four units: +x1, −x1, +x2 and one that a bias of −100 keeps at 0. Rows (1, 1) and (2, 1) wake +x1 and +x2 alone;
    with (−1, 1) as a third row only the last unit is dead."""
    network = make((2, 4, 2))
    network.parameters["W1"][...] = [[1, -1, 0, 0], [0, 0, 1, 0]]
    network.parameters["b1"][...] = [0, 0, 0, -100]
    network.forward(np.array([[1, 1], [2, 1]], np.float32))
    assert network.dead_relus() == 0.5
    network.forward(np.array([[1, 1], [2, 1], [-1, 1]], np.float32))
    assert network.dead_relus() == 0.25
    assert make((2, 4, 2), "tanh").dead_relus() is None and make((2, 2)).dead_relus() is None


def test_norms_are_limited_unit_by_unit() -> None:
    network = make((2, 2, 1))
    network.parameters["W1"][...] = [[3.0, 0.1], [4.0, 0.2]]
    network.parameters["W2"][...] = [[0.6], [0.8]]
    network.limit_norms(1.0)
    np.testing.assert_allclose(network.parameters["W1"], [[0.6, 0.1], [0.8, 0.2]], rtol=1e-6)
    np.testing.assert_allclose(network.parameters["W2"], [[0.6], [0.8]], rtol=1e-6)
