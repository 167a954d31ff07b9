import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlp_cli.nn.activations import activations
from mlp_cli.nn.buffers import Array
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.layers import ActivationLayer, BatchNorm, Dense, Dropout, GaussianNoise, LayerNorm
from mlp_cli.nn.network import Layer

KERAS = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_values.json").read_text())["keras_batch_norm"]

MAKERS: dict[str, Callable[[], Layer]] = {
    "dense": lambda: Dense(5),
    "dense_transposed": lambda: Dense(5, transposed=True),
    "dense_to_one": lambda: Dense(1),
    "dense_large": lambda: Dense(3000),
    "dropout": lambda: Dropout(0.3),
    "batch_norm": BatchNorm,
    **{name: lambda name=name: ActivationLayer(activations.build(name)) for name in activations},
}
INPUTS = 4


def ready(layer: Layer, dtype: type = np.float64, inputs: int = INPUTS) -> tuple[Layer, dict[str, Array], dict[str, Array]]:
    """The layer, attached and initialised, with its parameters and their gradients."""
    layer.attach(1, inputs, dtype)
    theta = {parameter.name: np.full(parameter.shape, np.nan, dtype) for parameter in layer.parameters}
    gradients = {name: np.full_like(value, np.nan) for name, value in theta.items()}
    layer.bind(theta, gradients)
    layer.initialize(initializers.build("he_normal"), 3)
    return layer, theta, gradients


def pass_through(layer: Layer, x: Array, weight: Array) -> tuple[Array, Array]:
    """Outputs, and the gradient of x for the objective sum(weight · outputs)."""
    layer.resize(len(x))
    layer.start_epoch(5, 1)
    out = layer.forward(x.copy(), True).copy()
    below = layer.backward(weight[: len(x), : out.shape[1]].copy())
    assert below is not None
    return out, below.copy()


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("rows", [1, 6])
def test_gradients_against_central_differences(name: str, rows: int) -> None:
    layer, theta, gradients = ready(MAKERS[name]())
    generator = np.random.default_rng(8)
    for value in theta.values():
        value += 0.2 * generator.standard_normal(value.shape)
    x = generator.uniform(0.1, 2, (rows, INPUTS)) * generator.choice([-1, 1], (rows, INPUTS))
    weight = generator.standard_normal((rows, 3000))

    def objective() -> float:
        out, _ = pass_through(layer, x, weight)
        return float((weight[:rows, : out.shape[1]] * out).sum())

    _, below = pass_through(layer, x, weight)
    analytic = {"x": below, **{key: value.copy() for key, value in gradients.items()}}
    for key, array in {"x": x, **theta}.items():
        for index in generator.permutation(array.size)[:20]:
            kept = array.flat[index]
            values = []
            for offset in (1e-5, -1e-5):
                array.flat[index] = kept + offset
                values.append(objective())
            array.flat[index] = kept
            assert analytic[key].flat[index] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6, abs=1e-7), key


@pytest.mark.parametrize("name", list(MAKERS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_layer_forgets_its_earlier_batches(name: str, dtype: type) -> None:
    generator = np.random.default_rng(9)
    weight = generator.standard_normal((9, 3000)).astype(dtype)
    used, _, used_gradients = ready(MAKERS[name](), dtype)
    for rows in (6, 4, 6, 1, 9, 4):
        x = generator.standard_normal((rows, INPUTS)).astype(dtype)
        fresh, _, fresh_gradients = ready(MAKERS[name](), dtype)
        for mine, other in zip(pass_through(used, x, weight), pass_through(fresh, x, weight), strict=True):
            assert mine.dtype == dtype and mine.shape == other.shape and mine.tobytes() == other.tobytes()
        for key, gradient in used_gradients.items():
            assert gradient.tobytes() == fresh_gradients[key].tobytes(), key


@pytest.mark.parametrize("name", list(MAKERS))
def test_large_values_neither_overflow_nor_warn(name: str) -> None:
    layer, _, gradients = ready(MAKERS[name](), np.float32)
    x = np.array([[1e4, -1e4, 1e4, 0], [-1e4, -1e4, 1e4, 0]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        out, below = pass_through(layer, x, np.ones((2, 3000), np.float32))
    assert np.isfinite(out).all() and np.isfinite(below).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_dense_by_hand() -> None:
    layer, theta, gradients = ready(Dense(2), inputs=3)
    assert not theta["b1"].any() and theta["W1"].any()
    theta["W1"][...] = [[1, 2], [3, 4], [5, 6]]
    theta["b1"][...] = [10, 20]
    layer.resize(2)
    assert layer.forward(np.array([[1.0, 0, 0], [0, 1, 1]]), True).tolist() == [[11, 22], [18, 30]]
    below = layer.backward(np.array([[1.0, 0], [2, 1]]))
    assert below is not None and below.tolist() == [[1, 3, 5], [4, 10, 16]]
    assert gradients["W1"].tolist() == [[1, 0], [2, 1], [2, 1]] and gradients["b1"].tolist() == [3, 1]


def test_the_transposed_layout_changes_the_memory_and_nothing_else() -> None:
    x, weight = np.random.default_rng(1).standard_normal((2, 7, 5))
    plain, transposed = ready(Dense(5), inputs=5), ready(Dense(5, transposed=True), inputs=5)
    for mine, other in zip(pass_through(plain[0], x, weight), pass_through(transposed[0], x, weight), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-13)
    for name, gradient in plain[2].items():
        np.testing.assert_allclose(transposed[2][name], gradient, rtol=1e-13, atol=1e-15)
    assert transposed[0].forward(x, False).T.flags.c_contiguous


def test_the_first_dense_layer_computes_no_gradient_of_its_input() -> None:
    layer, _, gradients = ready(Dense(2, input_gradient=False))
    layer.resize(3)
    layer.forward(np.ones((3, INPUTS)), True)
    assert layer.backward(np.ones((3, 2))) is None
    assert (gradients["W1"] == 3).all()


@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.1, 0.5, 0.9])
def test_dropout_keeps_the_right_share_and_scales_by_its_inverse(rate: float) -> None:
    layer = Dropout(rate)
    ready(layer, np.float32, 1000)
    assert layer.keep_probability == pytest.approx(1 - rate, abs=1 / 131072)
    layer.resize(500)
    layer.start_epoch(0, 1)
    out = layer.forward(np.ones((500, 1000), np.float32), True)
    kept = out != 0
    assert np.unique(out[kept]).tolist() == [np.float32(1 / layer.keep_probability)]
    deviation = np.sqrt(layer.keep_probability * (1 - layer.keep_probability) / kept.size)
    assert abs(kept.mean() - layer.keep_probability) <= 4 * deviation
    columns = kept.mean(axis=0)
    assert columns.std() == pytest.approx(deviation * np.sqrt(1000), rel=0.15, abs=1e-9)


def masks(seed: int, epoch: int, number: int, steps: int = 2) -> list[bytes]:
    layer = Dropout(0.5)
    layer.attach(number, 33, np.float32)
    layer.resize(7)
    layer.start_epoch(seed, epoch)
    return [layer.forward(np.ones((7, 33), np.float32), True).tobytes() for _ in range(steps)]


def test_masks_are_a_function_of_seed_epoch_layer_and_step() -> None:
    assert masks(0, 1, 1) == masks(0, 1, 1)
    found = [*masks(0, 1, 1), *masks(1, 1, 1), *masks(0, 2, 1), *masks(0, 1, 2)]
    assert len(set(found)) == len(found)


def test_dropout_does_nothing_in_evaluation_and_draws_nothing() -> None:
    layer, _, _ = ready(Dropout(0.5))
    x = np.ones((6, INPUTS))
    layer.resize(6)
    layer.start_epoch(0, 1)
    first = layer.forward(x, True).copy()
    layer.start_epoch(0, 1)
    assert layer.forward(x, False) is x
    assert layer.forward(x, True).tobytes() == first.tobytes()


def test_batch_norm_is_that_of_keras() -> None:
    layer, _, _ = ready(BatchNorm(), inputs=3)
    for batch, expected in zip(KERAS["batches"], KERAS["training"], strict=True):
        layer.resize(len(batch))
        np.testing.assert_allclose(layer.forward(np.array(batch), True), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.state["running_mean1"], KERAS["running_mean"], rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(layer.state["running_var1"], KERAS["running_variance"], rtol=1e-6)
    layer.resize(len(KERAS["batches"][0]))
    np.testing.assert_allclose(layer.forward(np.array(KERAS["batches"][0]), False), KERAS["evaluation"], rtol=1e-5, atol=1e-6)


def test_batch_norm_options_and_evaluation_without_change() -> None:
    layer, theta, _ = ready(BatchNorm(momentum=0.5, epsilon=3.0), inputs=1)
    assert theta["gamma1"].tolist() == [1.0] and theta["beta1"].tolist() == [0.0]
    layer.resize(2)
    assert layer.forward(np.array([[1.0], [3.0]]), True).tolist() == [[-0.5], [0.5]]  # variance 1, plus 3
    assert layer.state["running_mean1"].tolist() == [1.0] and layer.state["running_var1"].tolist() == [1.0]
    assert layer.forward(np.array([[1.0], [3.0]]), False).tolist() == [[0.0], [1.0]]
    assert layer.state["running_mean1"].tolist() == [1.0] and layer.state["running_var1"].tolist() == [1.0]


def test_layer_norm_is_that_of_pytorch() -> None:
    stored = json.loads((Path(__file__).parents[1] / "fixtures" / "torch_values.json").read_text())["layer_norm"]
    layer = LayerNorm(epsilon=stored["epsilon"])
    layer.attach(1, 4, np.float64)
    theta = {f"{name}1": np.array(stored[name]) for name in ("gamma", "beta")}
    gradients = {name: np.empty(4) for name in theta}
    layer.bind(theta, gradients)
    layer.resize(3)
    np.testing.assert_allclose(layer.forward(np.array(stored["x"]), training=True), stored["output"], rtol=1e-12)
    np.testing.assert_allclose(layer.backward(np.array(stored["grad"])), stored["x_grad"], rtol=1e-10, atol=1e-13)
    for name in ("gamma", "beta"):
        np.testing.assert_allclose(gradients[f"{name}1"], stored[f"{name}_grad"], rtol=1e-12)


def test_gaussian_noise_is_for_training_alone_and_of_its_epoch() -> None:
    layer, x = GaussianNoise(0.5), np.full((200, 50), 3.0, np.float32)
    layer.attach(0, 50, np.float32)
    layer.resize(200)
    assert layer.forward(x, training=False) is x
    passes = []
    for epoch in (1, 1, 2):
        layer.start_epoch(7, epoch)
        passes.append(layer.forward(x, training=True).copy())
    assert passes[0].tobytes() == passes[1].tobytes() != passes[2].tobytes() and passes[0].dtype == np.float32
    noise = passes[0] - 3
    assert abs(noise.mean()) < 0.02 and noise.std() == pytest.approx(0.5, rel=0.03)
    grad = np.ones_like(x)
    assert layer.backward(grad) is grad and (grad == 1).all()
