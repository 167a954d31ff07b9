"""784-512-10 on MNIST by JAX, an epoch as one compiled scan: three epochs, then the test accuracy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

with np.load("mnist.npz") as file:
    x_train, x_test = (jnp.asarray(file[name].astype(np.float32) / 255) for name in ("x_train", "x_test"))
    y_train, y_test = (jnp.asarray(file[name]) for name in ("y_train", "y_test"))
keys = jax.random.split(jax.random.key(0), 5)
sizes = ((784, 512), (512, 10))
parameters = [
    (jax.random.normal(key, size) * np.sqrt(2 / size[0]), jnp.zeros(size[1])) for key, size in zip(keys, sizes, strict=False)
]
nothing = jax.tree.map(jnp.zeros_like, parameters)


def predict(parameters, x):
    """Logits (n, 10) of the rows x (n, 784)."""
    (w1, b1), (w2, b2) = parameters
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def loss(parameters, x, y):
    """Mean cross-entropy."""
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(predict(parameters, x)), y[:, None], axis=1))


def step(x, y, carry, rows):
    """One step of Adam."""
    parameters, mean, square, count = carry
    grads, count = jax.grad(loss)(parameters, x[rows], y[rows]), count + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
    square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, grads)
    rate = 1e-3 * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    parameters = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + 1e-7), parameters, mean, square)
    return (parameters, mean, square, count), None


@partial(jax.jit, donate_argnums=0)
def epoch(carry, x, y, order):
    """All batches of an order (steps, 128)."""
    return jax.lax.scan(partial(step, x, y), carry, order)[0]


carry = parameters, nothing, jax.tree.map(jnp.copy, nothing), jnp.zeros(())
for key in keys[2:]:
    order = jax.random.permutation(key, len(x_train))[: len(x_train) // 128 * 128].reshape(-1, 128)
    carry = epoch(carry, x_train, y_train, order)
print(f"test accuracy {100 * jnp.mean(predict(carry[0], x_test).argmax(1) == y_test):.2f}")
