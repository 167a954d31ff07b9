"""Where a run diverged, as plain values: a line y = w·x + b whose numbers can be worked out by hand."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Part
from mlp_cli.data.transforms import fit
from mlp_cli.errors import Diverged
from mlp_cli.nn.activations import activations
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import build_network
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import MEMORY, schedules
from mlp_cli.nn.updater import Updater
from mlp_cli.training import checkpoint
from mlp_cli.training.state import Best, TrainingState
from mlp_cli.training.trainer import Trainer

KEYS = ["epoch", "step", "layer", "gradient_norm", "learning_rate", "dead_relus"]


def trainer(
    rate: float, weights: dict[str, Any], *, validation: bool = False, schedule: str = "constant", epochs: int = 3
) -> Trainer:
    """Two batches of one row an epoch, x = 1 and y = 0, in float64; a hidden layer of ReLU where W2 is given."""
    hidden = [len(weights["b1"])] if "W2" in weights else []
    network = build_network(
        1, hidden, 1, [activations.build("relu")] * len(hidden), dropout=[0.0] * len(hidden), dtype=np.float64
    )
    for name, values in weights.items():
        network.parameters[name][...] = values
    part = Part(np.ones((2, 1)), np.zeros(2), np.arange(2))
    batches = Batches(part, fit("none", part, np.float64), 1, np.float64)
    return Trainer(
        network,
        losses.build("mse"),
        Updater(optimizers.build("sgd"), network.theta, network.grad, network.decayed),
        schedules.build(schedule),
        batches,
        batches if validation else None,
        task="regression",
        seed=0,
        learning_rate=rate,
        epochs=epochs,
        state=TrainingState(Best()),
    )


def divergence(made: Trainer) -> dict[str, Any]:
    with pytest.raises(Diverged) as caught:
        made.fit()
    assert caught.value.divergence is not None and list(caught.value.divergence) == KEYS
    return caught.value.divergence


def test_a_loss_that_overflows_in_a_step() -> None:
    """w = 3, b = 0: d = 2·3 = 6 by w and by b; after a step of 1e200 the output is about −1.2e201, and its square is infinite."""
    made = trainer(1e200, {"W1": [[3.0]], "b1": [0.0]})
    assert divergence(made) == {
        "epoch": 1, "step": 2, "layer": 1, "gradient_norm": 6.0, "learning_rate": 1e200, "dead_relus": None
    }  # fmt: skip


def test_after_the_last_step_of_an_epoch() -> None:
    """Rate 1e77: outputs 1, −4e77 and 1.6e155; the squares of the first two are finite, the validation's is not. d = 2·(−4e77)."""
    found = divergence(trainer(1e77, {"W1": [[1.0]], "b1": [0.0]}, validation=True))
    assert (found["epoch"], found["step"], found["layer"]) == (1, 2, 1)
    assert found["gradient_norm"] == pytest.approx(8e77)


def test_the_layer_and_the_dead_units() -> None:
    """Two of four units are dead, the others give 1 and 2: o = −1 + 3e-3, and d by W2 is 2·o·(1, 2, 0, 0), above all others since
    W2 is small. The step of 1e160 goes up, so that the units that live live on, and o² is infinite."""
    weights = {"W1": [[1.0, 2.0, -1.0, -2.0]], "b1": [0.0] * 4, "W2": [[1e-3]] * 4, "b2": [-1.0]}
    found = divergence(trainer(1e160, weights))
    assert (found["layer"], found["dead_relus"]) == (2, 0.5)
    assert found["gradient_norm"] == pytest.approx(2 * (1 - 3e-3) * math.sqrt(1 + 4))


def test_a_gradient_that_is_not_finite_has_no_norm() -> None:
    """The first loss is infinite, so that the gradient is what was there before; here it is made infinite."""
    made = trainer(1.0, {"W1": [[1e308]], "b1": [0.0]})
    made.network.grad[...] = np.inf
    found = divergence(made)
    assert found["gradient_norm"] is None and found["step"] == 1


def test_a_run_that_goes_on_diverges_as_an_undisturbed_one(tmp_path: Path) -> None:
    """After two of three epochs w is set out of all bounds: the next loss is infinite, and no step of the epoch gave a rate yet."""

    def diverge(made: Trainer) -> dict[str, Any]:
        made.network.parameters["W1"][...] = 1e300
        return divergence(made)

    identity = {"run": "r", "config_hash": "h", "data_sha256": "d", "environment": {}}
    weights = {"W1": [[1.0]], "b1": [0.0]}
    whole, again = (trainer(0.25, weights, schedule="cosine") for _ in range(2))
    whole.fit(until=2)
    checkpoint.save(tmp_path, whole, identity)
    checkpoint.restore(again, checkpoint.read(tmp_path / checkpoint.CURRENT))
    found = diverge(again)
    assert found == diverge(whole) | {"gradient_norm": found["gradient_norm"]}
    assert (found["epoch"], found["step"]) == (3, 5) and 0 < found["learning_rate"] < 0.25


def test_averaged_weights_are_evaluated_and_training_goes_on_from_its_own() -> None:
    """SGD on (w + b)²/2·2 from w = 1, b = 0 at rate 0.25: each step halves the output o = w + b. The mean follows with share 0.5."""
    made = trainer(0.25, {"W1": [[1.0]], "b1": [0.0]}, validation=True, epochs=1)
    made.ema, made.averaged = 0.5, made.network.theta.copy()
    made.fit()
    outputs, mean = [1.0], 1.0
    for _ in range(2):  # d o = −rate · (2·o + 2·o), for w and b alike
        outputs.append(outputs[-1] - 0.25 * 4 * outputs[-1] / 2 * 2)
        mean = 0.5 * mean + 0.5 * outputs[-1]
    assert float(made.network.theta.sum()) == pytest.approx(outputs[-1])
    assert made.state.history[0].val_loss == pytest.approx(mean**2), "the averaged weights are validated"
    made.restore_best()
    assert float(made.network.theta.sum()) == pytest.approx(mean)


def test_a_plateau_reduces_the_rate() -> None:
    made = trainer(1e-9, {"W1": [[1.0]], "b1": [0.0]}, validation=True, epochs=6)
    made.schedule = schedules.build("reduce_on_plateau", patience=2, factor=0.5)
    made.plateau = np.array(MEMORY)
    made.fit()
    rates = [row.learning_rate for row in made.state.history]
    assert rates == pytest.approx([1e-9, 1e-9, 1e-9, 5e-10, 5e-10, 2.5e-10])


def test_mixup_trains_on_mixed_rows_and_their_targets() -> None:
    made = trainer(0.0, {"W1": [[1.0]], "b1": [0.0]})
    made.mixup, made.task = 0.3, "classification"
    made._mixer = np.random.default_rng(5)
    x, y = np.array([[0.0], [10.0], [20.0]]), np.array([0, 1, 2])
    mixed, targets, (partners, share) = made._mixed(x, y)
    assert 0.5 <= share <= 1 and targets is y and sorted(partners.tolist()) == [0, 1, 2]
    np.testing.assert_allclose(mixed[:, 0], 10.0 * (share * y + (1 - share) * partners))
    made.task = "regression"
    _, blended, nothing = made._mixed(x, y.astype(float))
    assert nothing == () and blended.sum() == pytest.approx(3.0) and set(blended) != {0.0, 1.0, 2.0}
