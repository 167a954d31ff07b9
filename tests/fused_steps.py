"""A few training steps with fused passes or without, for the tests of the loops and of numba."""

import numpy as np

from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Part
from mlp_cli.data.transforms import fit
from mlp_cli.nn.activations import activations
from mlp_cli.nn.fused import Loops, fuse
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import build_network
from mlp_cli.training.evaluate import Scores

CASES = [
    (dtype, scale, reduction)
    for dtype in ("float32", "float64")
    for scale in ("unit", "standard")
    for reduction in ("mean", "sum")
]


def trained(loops: Loops | None, dtype: str, scale: str, reduction: str) -> list[object]:
    """What steps over batches of 16, 16 and 5 bytes rows leave: counts of right rows, losses, and bytes of inputs, weights and outputs."""
    generator = np.random.default_rng(3)
    part = Part(generator.integers(0, 256, (37, 130), np.uint8), generator.integers(0, 4, 37), np.arange(37))
    batches = Batches(part, fit(scale, part, dtype), 16, dtype, gather=None if loops is None else loops.gather)
    loss = losses.build("cross_entropy", reduction=reduction)
    functions = [activations.build(name) for name in ("relu", "tanh", "relu")]
    network = build_network(130, [20, 12, 70], 4, functions, dropout=[0.0] * 3, dtype=np.dtype(dtype))
    network.initialize(initializers.build("he_normal"), 1)
    if loops is not None:
        loss = fuse(loops, network, loss)
    scores, found = Scores("classification"), []
    for epoch in range(3):
        batches.shuffle(np.random.default_rng(epoch))
        for x, y in batches:
            outputs = network.forward(x, training=True)
            total = loss.forward(outputs, y)
            scores.add(total, outputs, y, loss.correct)
            network.backward(loss.backward())
            network.theta -= 0.05 * network.grad
            found += [scores.correct, total, loss.per_sample.tobytes(), x.tobytes(), outputs.tobytes(), network.theta.tobytes()]
    return found
