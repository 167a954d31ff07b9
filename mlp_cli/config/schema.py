"""The config's keys: their types, defaults, one-line descriptions and the checks between them.

Fields stand in the order in which a config is written. A check that needs other keys reads those before it (`info.data`), and
is left out where they are unsound themselves, so that every problem is found in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from mlp_cli.config import resolved
from mlp_cli.config.components import (
    Choice,
    Component,
    FromOthers,
    ListOf,
    Options,
    PerLayer,
    Switch,
    filled,
    key,
    options_model,
    plain,
)
from mlp_cli.config.dataset import Dataset, followed
from mlp_cli.config.values import Checked, check_number, number, one_of, run_name, wrong
from mlp_cli.data.features import features as known_features
from mlp_cli.nn.activations import activations
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.layers import BatchNorm
from mlp_cli.nn.losses import losses
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules
from mlp_cli.registry import MOST, Range


class EarlyStopping(Options):
    """When to stop before the last epoch."""

    monitor: Annotated[str, one_of("val_loss", "val_accuracy", "val_r2")] = key("what has to get better", "val_loss")
    patience: Annotated[int, number(int, Range(ge=1, le=MOST))] = key("stop after this many epochs without a better one", 5)
    min_delta: Annotated[float, number(float, Range(ge=0))] = key("a change counts as better from this size on", 0.0)


def _list_hint(value: Any) -> str:
    """The fix for hidden_sizes written without brackets."""
    numbers = re.findall(r"[0-9]+", str(value)) if re.fullmatch(r"[0-9]+([\s,]+[0-9]+)*", str(value)) else []
    return f"; write [{', '.join(numbers)}]" if numbers else ""


def _check_batch_size(value: Any) -> int | str:
    return "full" if value == "full" else int(check_number(value, int, Range(ge=1, le=MOST), ", or full"))


def _check_stopping(value: EarlyStopping | None, info: ValidationInfo) -> EarlyStopping | None:
    score = (
        {"classification": "val_accuracy", "regression": "val_r2"}[losses[info.data["loss"].name].task]
        if "loss" in info.data
        else ""
    )
    if value is not None and score and value.monitor not in ("val_loss", score):
        raise wrong(f"monitor: {value.monitor} does not go with loss: {info.data['loss'].name}; write val_loss or {score}")
    if value is not None and _has_no_validation(info):
        raise wrong("watches the validation part, and dataset.validation is 0; set aside some rows, or remove early_stopping")
    return value


def _check_evaluate(value: str, info: ValidationInfo) -> str:
    if value == "best" and _has_no_validation(info):
        raise wrong("best is chosen on the validation part, and dataset.validation is 0; set aside some rows, or write last")
    return value


def _check_engine(value: str, info: ValidationInfo) -> str:
    if value == "scalar":
        if info.data.get("dtype") == "float32":
            raise wrong("scalar computes in float64; write dtype: float64 as well")
        for name in ("dropout", "input_dropout", "batch_norm"):
            given = info.data.get(name)
            if any(given) if isinstance(given, tuple) else given:
                raise wrong(f"scalar has no {name}; remove {name}, or write numpy")
    return value


def _has_no_validation(info: ValidationInfo) -> bool:
    return "dataset" in info.data and info.data["dataset"].validation == 0


_BATCH_SIZE = Checked(_check_batch_size, {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST}, {"const": "full"}]})
_SIZES = ListOf(number(int, Range(ge=1, le=1_000_000)), "a list of whole numbers, [] for no hidden layer", _list_hint)
_RATE = Annotated[float, number(float, Range(ge=0, lt=1))]


class Config(Options):
    """A whole config, every default filled in, as `load_config` returns it.

    activation and dropout have one value for each of hidden_sizes. batch_norm and early_stopping are None where they are off.
    """

    name: Annotated[str, run_name()] = key("the run's name; the config file's own name if left out")
    seed: Annotated[int, number(int, Range(ge=0, le=2**32 - 1))] = key("fixes initial weights, order of the samples and noise", 0)
    dataset: Dataset = key("what to train on; options and your own files go in a mapping")
    features: Annotated[Component | None, Choice(known_features, optional=True)] = key(
        "what the scaled inputs are turned into, fitted on the training part; null for nothing", None
    )
    hidden_sizes: Annotated[tuple[int, ...], _SIZES] = key("units of each hidden layer; [] is softmax regression", (300,))
    activation: Annotated[tuple[Component, ...], PerLayer(Annotated[Component, Choice(activations)])] = key(
        "what follows the hidden layers; one for all, or a list with one for each", "relu"
    )
    initializer: Annotated[Component, Choice(initializers)] = key("how the weights begin", "he_normal")
    optimizer: Annotated[Component, Choice(optimizers)] = key("how gradients change the weights", "adam")
    learning_rate: Annotated[float, number(float, Range(gt=0))] = key("the peak learning rate", 1e-3)
    schedule: Annotated[Component, Choice(schedules)] = key("what multiplies learning_rate over time", "constant")
    epochs: Annotated[int, number(int, Range(ge=0, le=MOST))] = key(
        "passes over the training part; 0 writes the initial weights and their scores", 10
    )
    batch_size: Annotated[int | str, _BATCH_SIZE] = key("samples a step, or full for all of them", 128)
    loss: Annotated[Component, Choice(losses)] = key("what training makes small", "cross_entropy")
    dropout: Annotated[tuple[float, ...], PerLayer(_RATE)] = key(
        "share of the hidden units dropped in training; one for all layers, or a list with one for each", 0.0
    )
    input_dropout: _RATE = key("share of the inputs dropped in training", 0.0)
    batch_norm: Annotated[Options | None, Switch(options_model(BatchNorm, "batch_norm"))] = key(
        "normalise each hidden layer over the batch: true, false or a mapping of options", None
    )
    weight_decay: Annotated[
        float,
        number(float, Range(ge=0)),
        filled(lambda optimizer: float(optimizers[optimizer.name].default_weight_decay), "optimizer"),
    ] = key("decay of the weights, never of biases; the optimizer's own default if left out", FromOthers)
    l1: Annotated[float, number(float, Range(ge=0))] = key("adds l1 · sign(weight) to the gradient of each weight", 0.0)
    early_stopping: Annotated[EarlyStopping | None, Switch(EarlyStopping), AfterValidator(_check_stopping)] = key(
        "stop when the validation part gets no better: true, null or a mapping of options", None
    )
    dtype: Annotated[str, one_of("float32", "float64")] = key("the type of all numbers in the network", "float32")
    engine: Annotated[str, one_of("numpy", "scalar"), AfterValidator(_check_engine)] = key(
        "numpy, or scalar: plain Python numbers and lists, to read and to compare with", "numpy"
    )
    checkpoint_every: Annotated[int, number(int, Range(ge=1, le=MOST))] = key("epochs from one checkpoint to the next", 1)
    evaluate: Annotated[
        str,
        one_of("last", "best"),
        filled(lambda stopping: "last" if stopping is None else "best", "early_stopping"),
        AfterValidator(_check_evaluate),
    ] = key("the epoch whose weights are kept; best with early stopping, else last, if left out", FromOthers)

    def to_dict(self) -> dict[str, Any]:
        """The config as plain values of JSON, every default filled in."""
        values: dict[str, Any] = plain(self)
        return values

    def canonical(self) -> dict[str, Any]:
        """What the hash is taken of: the keys that decide the run's bytes, without those at their defaults."""
        return resolved.canonical(self.to_dict())

    def hash(self) -> str:
        """SHA-256 of the canonical config, 64 hex digits. Equal for configs that describe the same run."""
        return resolved.config_hash(self.to_dict())

    def to_yaml(self) -> str:
        """The config as YAML, every default filled in; reading it gives an equal config."""
        return "".join(f"{key}: {resolved.show(resolved.as_written(value))}\n" for key, value in self.to_dict().items())


FOLLOWS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "weight_decay": lambda config: float(optimizers[config["optimizer"]["name"]].default_weight_decay),
    "evaluate": lambda config: "last" if config["early_stopping"] in (None, False) else "best",
} | {
    f"dataset.{option}": partial(lambda option, config: followed(option, config["dataset"]), option)
    for option, field in Dataset.model_fields.items()
    if field.default is FromOthers
}
"""Defaults that follow from other keys, by dotted key: functions of a config as plain values, with components as mappings."""
