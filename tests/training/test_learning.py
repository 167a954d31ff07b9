"""Every optimizer and every activation learns the moons, and every regulariser lets the network learn them too."""

import functools

import pytest

from mlp_cli.build import build, load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data.dataset import Dataset
from mlp_cli.nn.activations import activations
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules

RATES = {"sgd": 0.1, "adagrad": 0.1, "adadelta": 5.0, "lion": 0.001}
"""Learning rates other than 0.01, which suits all other optimizers here."""
BASE = {"dataset": "moons", "hidden_sizes": [32], "epochs": 15, "batch_size": 64, "learning_rate": 0.01}
REGULARISED = (
    "max_norm=3",
    "clip_norm=0.5",
    "clip_value=0.05",
    "gaussian_noise=0.1",
    "layer_norm=true",
    "batch_norm=true",
    "label_smoothing=0.1",
    "class_weight=balanced",
    "mixup=0.2",
    "ema=0.9",
    "loss=binary_cross_entropy",
)


@functools.cache
def moons() -> Dataset:
    return load_data(config_from_mapping(BASE))


def accuracy(*overrides: str) -> float:
    """On the validation part, at the last epoch."""
    made = build(config_from_mapping(BASE, overrides), moons())
    made.fit()
    return float(made.state.history[-1].val_score or 0.0)


@pytest.mark.parametrize("name", list(optimizers))
def test_every_optimizer_learns(name: str) -> None:
    assert accuracy(f"optimizer={name}", f"learning_rate={RATES.get(name, 0.01)}") >= 0.95


@pytest.mark.parametrize("name", list(activations))
def test_every_activation_learns(name: str) -> None:
    """But the identity, with which the network is linear: some 90 %."""
    found = accuracy(f"activation={name}")
    assert found >= 0.95 if name != "identity" else 0.8 < found < 0.95


@pytest.mark.parametrize("name", list(schedules))
def test_every_schedule_learns(name: str) -> None:
    assert accuracy(f"schedule={name}") >= 0.95


@pytest.mark.parametrize("name", [name for name in initializers if name not in ("zeros", "constant")])
def test_every_initializer_learns(name: str) -> None:
    assert accuracy(f"initializer={name}") >= 0.95


@pytest.mark.parametrize("override", REGULARISED)
def test_every_regulariser_lets_it_learn(override: str) -> None:
    assert accuracy(override) >= 0.93
