"""The same training steps in other libraries, as their documentation shows them. Each is timed only where it is installed.

All begin with the same weights and see the same batches, ready in float32, so that the losses have to agree.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from mlp_cli.bench.timing import RATES, Case, Contender, material

FACTOR = np.float32(1 / 255)


def pytorch(case: Case, compiled: bool = False) -> Contender:
    """Eager PyTorch with fused optimizers, or its `torch.compile`; no DataLoader, no loss read back."""
    import torch

    torch.set_num_threads(case.threads)
    x_bytes, y_numbers, weights = material(case)
    x, y = torch.from_numpy(x_bytes.astype(np.float32) * FACTOR), torch.from_numpy(y_numbers)
    layers: list[Any] = []
    for inputs, outputs in itertools.pairwise(case.sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    with torch.no_grad():
        for layer, (weight, bias) in zip(model[::2], weights, strict=True):
            layer.weight.copy_(torch.from_numpy(weight.T.copy()))
            layer.bias.copy_(torch.from_numpy(bias))
    criterion, rate = torch.nn.CrossEntropyLoss(), RATES[case.optimizer]
    optimizer: torch.optim.Optimizer = {
        "sgd": lambda: torch.optim.SGD(model.parameters(), lr=rate, fused=True),
        "momentum": lambda: torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, fused=True),
        "adam": lambda: torch.optim.Adam(model.parameters(), lr=rate, fused=True),
    }[case.optimizer]()

    def losses(inputs: Any, labels: Any) -> Any:
        return criterion(model(inputs), labels)

    forward = torch.compile(losses) if compiled else losses

    def steps() -> None:
        torch.set_num_threads(case.threads)
        for start in range(0, len(x), case.batch_size):
            optimizer.zero_grad(set_to_none=True)
            forward(x[start : start + case.batch_size], y[start : start + case.batch_size]).backward()
            optimizer.step()

    return Contender("torch.compile" if compiled else "PyTorch", steps, lambda: float(losses(x, y).detach()))


def jax_scan(case: Case) -> Contender:
    """JAX: a whole round is one compiled `lax.scan` over the batches, with donated buffers. XLA takes the threads that it gets."""
    import jax
    import jax.numpy as jnp

    x_bytes, y_numbers, weights = material(case)
    x = jnp.asarray(x_bytes.astype(np.float32) * FACTOR).reshape(case.steps, case.batch_size, -1)
    y = jnp.asarray(y_numbers).reshape(case.steps, case.batch_size)
    parameters: Any = [(jnp.asarray(weight), jnp.asarray(bias)) for weight, bias in weights]
    rate, gamma, beta_1, beta_2, epsilon = RATES[case.optimizer], 0.9, 0.9, 0.999, 1e-7
    nothing = jax.tree.map(jnp.zeros_like, parameters)
    state: Any = {"sgd": (), "momentum": (nothing,), "adam": (nothing, nothing, jnp.zeros(()))}[case.optimizer]

    def losses(parameters: Any, inputs: Any, labels: Any) -> Any:
        for weight, bias in parameters[:-1]:
            inputs = jax.nn.relu(inputs @ weight + bias)
        weight, bias = parameters[-1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(inputs @ weight + bias), labels[..., None], axis=-1))

    def update(parameters: Any, state: Any, grads: Any) -> Any:
        if case.optimizer == "sgd":
            return jax.tree.map(lambda p, g: p - rate * g, parameters, grads), state
        if case.optimizer == "momentum":
            velocity = jax.tree.map(lambda v, g: gamma * v + rate * g, state[0], grads)
            return jax.tree.map(jnp.subtract, parameters, velocity), (velocity,)
        step = state[2] + 1
        mean = jax.tree.map(lambda m, g: beta_1 * m + (1 - beta_1) * g, state[0], grads)
        square = jax.tree.map(lambda v, g: beta_2 * v + (1 - beta_2) * g * g, state[1], grads)
        alpha = rate * jnp.sqrt(1 - beta_2**step) / (1 - beta_1**step)
        moved = jax.tree.map(lambda p, m, v: p - alpha * m / (jnp.sqrt(v) + epsilon), parameters, mean, square)
        return moved, (mean, square, step)

    def one(carry: Any, batch: Any) -> Any:
        parameters, state = carry
        return update(parameters, state, jax.grad(losses)(parameters, *batch)), None

    epoch = jax.jit(lambda carry, x, y: jax.lax.scan(one, carry, (x, y))[0], donate_argnums=0)
    carry = jax.tree.map(jnp.copy, (parameters, state))

    def steps() -> None:
        nonlocal carry
        carry = jax.block_until_ready(epoch(carry, x, y))

    return Contender("JAX", steps, lambda: float(losses(carry[0], x, y)))


def scikit_learn(case: Case) -> Contender:
    """scikit-learn's MLPClassifier in float32, by `partial_fit`, which goes once through all rows in batches."""
    from sklearn.neural_network import MLPClassifier

    x_bytes, y, weights = material(case)
    x = x_bytes.astype(np.float32) * FACTOR
    model = MLPClassifier(
        case.sizes[1:-1],
        solver="adam" if case.optimizer == "adam" else "sgd",
        learning_rate_init=RATES[case.optimizer],
        momentum=0.9 if case.optimizer == "momentum" else 0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        shuffle=False,
        batch_size=case.batch_size,
    )
    classes = np.arange(case.sizes[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.partial_fit(x[: len(classes)], y[: len(classes)], classes=classes)  # makes the weights, which are then ours
    del model._optimizer
    # Two classes are one output there: the difference of our two.
    two = len(classes) == 2
    for place, (weight, bias) in enumerate(weights):
        last = two and place == len(weights) - 1
        model.coefs_[place][...] = weight[:, 1:] - weight[:, :1] if last else weight
        model.intercepts_[place][...] = bias[1:] - bias[:1] if last else bias

    def steps() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.partial_fit(x, y)

    def loss() -> float:
        return float(-np.mean(np.log(model.predict_proba(x)[np.arange(len(y)), y])))

    return Contender("scikit-learn", steps, None if two else loss)


PEERS: dict[str, tuple[str, Callable[[Case], Contender]]] = {
    "PyTorch": ("torch", pytorch),
    "torch.compile": ("torch", lambda case: pytorch(case, compiled=True)),
    "JAX": ("jax", jax_scan),
    "scikit-learn": ("sklearn", scikit_learn),
}


def installed() -> dict[str, Callable[[Case], Contender]]:
    """The peers that can be imported here."""
    return {name: make for name, (module, make) in PEERS.items() if find_spec(module) is not None}
