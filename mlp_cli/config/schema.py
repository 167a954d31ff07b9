"""The config's keys: their types, defaults and texts, and the checks between them.

Keys stand in the order in which a config is written. A check that needs other keys reads those before it (`info.data`), and is left
out where they are wrong themselves, so that every problem is found in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationInfo, field_validator
from typing_extensions import Doc

from mlp_cli.config import resolved
from mlp_cli.config.components import Choice, Component, Options, PerLayer, Switch, follows, options_model, plain, wrong
from mlp_cli.config.dataset import FOLLOWING, Dataset, Reading, Whole, usual
from mlp_cli.data import catalogue
from mlp_cli.data.augmentations import PRESETS, augmentations
from mlp_cli.data.features import features as known_features
from mlp_cli.nn import scalar
from mlp_cli.nn.activations import activations
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.layers import BatchNorm, LayerNorm
from mlp_cli.nn.losses import losses
from mlp_cli.nn.metrics import metrics as known_metrics
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules
from mlp_cli.registry import Count, Fraction, NonNegative, Positive, Range, Seed
from mlp_cli.text import either

FOLLOWS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "weight_decay": lambda config: float(optimizers[config["optimizer"]["name"]].default_weight_decay),
    "evaluate": lambda config: "last" if config["early_stopping"] is None else "best",
    **{f"dataset.{key}": partial(usual, key) for key in FOLLOWING},
    **{f"dataset.read.{key}": partial(lambda default, config: default, default) for key, default in plain(Reading()).items()},
}
"""Defaults that follow from other keys, by dotted key: functions of a config as plain values, with components as mappings."""

RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Named = BeforeValidator(
    lambda value: {"name": value} if isinstance(value, str) else value,
    json_schema_input_type=Literal[catalogue.names()] | Dataset,
)
Features = Annotated[Component, Choice(known_features)] | None
Sizes = Annotated[tuple[Annotated[int, Range(ge=1, le=1_000_000)], ...], Strict(False)]
Activations = Annotated[tuple[Annotated[Component, Choice(activations)], ...], PerLayer()]
Shares = Annotated[tuple[Fraction, ...], PerLayer()]
Normalization = Annotated[Options | None, Switch(options_model(BatchNorm))]
RowNormalization = Annotated[Options | None, Switch(options_model(LayerNorm))]
_off = BeforeValidator(lambda value: 0.0 if value is None else value)
Amount = Annotated[NonNegative, _off]
"""A number, 0 or null for off."""
PartOf1 = Annotated[Fraction, _off]
"""A number below 1, 0 or null for off."""
Metrics = Annotated[
    tuple[Annotated[Component, Choice(known_metrics)], ...],
    Strict(False),
    BeforeValidator(lambda value: [value] if isinstance(value, str | dict) else value),
]
Tools = Annotated[
    tuple[Literal["tensorboard", "mlflow"], ...],
    Strict(False),
    BeforeValidator(
        lambda value: list(map(str.strip, value.split(","))) if isinstance(value, str) else () if value is None else value
    ),
    AfterValidator(lambda value: tuple(dict.fromkeys(value))),
]
ClassWeights = Literal["balanced"] | dict[str, Positive] | None


_written: Any = Field
"""The default of a key as a config writes it; it is checked like any other value."""


Score = Annotated[
    float,
    BeforeValidator(lambda value: f"{value[:-1]}e-2" if isinstance(value, str) and re.fullmatch(r"[0-9.]+%", value) else value),
    Strict(False),
]
"""A number; an accuracy may have a percent sign."""

_NOT_SCALAR: tuple[str, ...] = (
    *("dropout", "input_dropout", "batch_norm", "layer_norm", "gaussian_noise", "max_norm", "clip_norm", "clip_value"),
    *("label_smoothing", "class_weight", "mixup", "ema", "diagnostics"),
)
_SCALAR = {"activation": list(scalar.ACTIVATIONS), "optimizer": list(scalar.OPTIMIZERS), "loss": list(scalar.LOSSES)}
"""What the scalar engine does not have, and all that it has of the components."""


class EarlyStopping(Options):
    """When to stop before the last epoch."""

    monitor: Annotated[Literal["val_loss", "val_accuracy", "val_r2"], Doc("What has to get better.")] = "val_loss"
    patience: Annotated[Count, Doc("Stops after this many epochs without a better one.")] = 5
    min_delta: Annotated[NonNegative, Doc("A change counts as better from this size on.")] = 0.0
    start_epoch: Annotated[Whole, Doc("Epochs from the beginning that are not counted for the patience.")] = 0
    target: Annotated[Score | None, Doc("A value that is good enough: training stops when it is reached.")] = None


Steps = Annotated[tuple[Annotated[Component, Choice(augmentations)], ...], Strict(False)]


class Augment(Options):
    """How pictures are altered: anew each time a network sees them, or as copies beside the originals."""

    steps: Annotated[Steps, Doc("What is done, in this order.")]
    copies: Annotated[Whole, Doc("Altered copies of each picture that join the originals; 0: altered on the fly.")] = 0
    choose: Annotated[Literal["all", "one"], Doc("Whether a picture gets all steps, or one of them at random.")] = "all"
    seed: Annotated[Seed, Doc("Fixes the copies; on the fly the run's seed does.")] = 0


def _steps(value: Any) -> Any:
    """A preset's name, or a mapping with one, becomes its mapping; a list the mapping of its steps."""
    if isinstance(value, list):
        return {"steps": value}
    preset = value.get("name") if isinstance(value, dict) else value
    if preset is None or isinstance(value, Augment):
        return value
    if preset not in PRESETS:
        raise wrong(f"must be {either(list(PRESETS))}, a list of steps, or a mapping of {either(list(Augment.model_fields))}")
    own = value if isinstance(value, dict) else {}
    return PRESETS[preset] | {key: option for key, option in own.items() if key != "name"}


_preset: Any = Literal[tuple(PRESETS)]
Augments = Annotated[
    Augment | None,
    BeforeValidator(_steps, json_schema_input_type=_preset | Steps | Augment | None),
    AfterValidator(lambda augment: augment if augment is not None and augment.steps else None),
]


class Config(Options):
    """A whole config, every default filled in, as `load_config` returns it.

    activation and dropout have one value for each of hidden_sizes. features, batch_norm and early_stopping are None where off.
    """

    name: Annotated[RunName, Doc("The run's name; the config file's own name if left out.")]
    seed: Annotated[Seed, Doc("Fixes the initial weights, the order of the samples and the noise.")] = 0
    dataset: Annotated[Dataset, Named, Doc("What to train on; options and your own files go in a mapping.")]
    augment: Annotated[Augments, Doc("How pictures are altered for training: a preset, a list of steps, or a mapping.")] = None
    features: Annotated[Features, Doc("What the scaled inputs are turned into, fitted on the training part.")] = None
    hidden_sizes: Annotated[Sizes, Doc("Units of each hidden layer; [] is softmax regression.")] = (300,)
    activation: Annotated[Activations, Doc("What follows the hidden layers: one, or one for each.")] = _written("relu")
    initializer: Annotated[Component, Choice(initializers), Doc("How the weights begin.")] = _written("he_normal")
    optimizer: Annotated[Component, Choice(optimizers), Doc("How gradients change the weights.")] = _written("adam")
    learning_rate: Annotated[Positive, Doc("The peak learning rate.")] = 1e-3
    schedule: Annotated[Component, Choice(schedules), Doc("What multiplies learning_rate over time.")] = _written("constant")
    epochs: Annotated[Whole, Doc("Passes over the training part; 0 writes the initial weights and their scores.")] = 10
    batch_size: Annotated[Count | Literal["full"], Doc("Samples a step, or full for all of them.")] = 128
    loss: Annotated[Component, Choice(losses), Doc("What training makes small.")] = _written("cross_entropy")
    dropout: Annotated[Shares, Doc("Share of the hidden units dropped: one, or one for each layer.")] = _written(0.0)
    input_dropout: Annotated[Fraction, Doc("Share of the inputs dropped in training.")] = 0.0
    batch_norm: Annotated[Normalization, Doc("Normalises hidden layers over the batch: true, or a mapping of options.")] = None
    layer_norm: Annotated[RowNormalization, Doc("Normalises each row of hidden layers: true, or a mapping of options.")] = None
    gaussian_noise: Annotated[Amount, Doc("Standard deviation of noise on the scaled inputs in training; 0 is off.")] = 0.0
    weight_decay: Annotated[NonNegative, Doc("Decay of the weights, never of biases; by default the optimizer's own.")] = follows(
        FOLLOWS["weight_decay"]
    )
    l1: Annotated[NonNegative, Doc("Adds l1 · sign(weight) to the gradient of each weight.")] = 0.0
    max_norm: Annotated[Amount, Doc("Largest norm of the weights that lead into a unit; 0 is off.")] = 0.0
    clip_norm: Annotated[Amount, Doc("Largest norm of a step's whole gradient; 0 is off.")] = 0.0
    clip_value: Annotated[Amount, Doc("Largest size of each entry of a step's gradient; 0 is off.")] = 0.0
    label_smoothing: Annotated[
        PartOf1, Doc("Share of the target that all classes, or yes and no of a label, get alike; 0 is off.")
    ] = 0.0
    class_weight: Annotated[
        ClassWeights, Doc("Weights of classes, or of the rows with a label: balanced, or numbers by name.")
    ] = None
    mixup: Annotated[Amount, Doc("Alpha of the Beta distribution by which pairs of rows are mixed; 0 is off.")] = 0.0
    ema: Annotated[PartOf1, Doc("Share of the averaged weights that stays at each step, such as 0.999; 0 is off.")] = 0.0
    early_stopping: Annotated[
        EarlyStopping | None, Switch(EarlyStopping), Doc("Stops when validation gets no better: true, or a mapping.")
    ] = None
    metrics: Annotated[Metrics, Doc("Scores besides the accuracy, of the evaluated epoch.")] = ()
    diagnostics: Annotated[bool, Doc("Looks into each layer as an epoch ends: diagnostics.csv and a figure.")] = False
    dtype: Annotated[Literal["float32", "float64"], Doc("The type of all numbers in the network.")] = "float32"
    engine: Annotated[Literal["numpy", "scalar"], Doc("What computes; scalar is plain Python, to compare with.")] = "numpy"
    checkpoint_every: Annotated[Count, Doc("Epochs from one checkpoint to the next.")] = 1
    log_to: Annotated[
        Tools, Doc("Who gets the run once it has ended: tensorboard (a file in its folder), mlflow (mlflow.db beside it).")
    ] = ()
    evaluate: Annotated[
        Literal["last", "best"], Doc("The epoch whose weights are kept; by default best with early stopping, else last.")
    ] = follows(FOLLOWS["evaluate"])

    @field_validator("features")
    @classmethod
    def _of_pictures_as_they_are(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses features of pictures as they are where those are altered."""
        augment = info.data.get("augment")
        if value is None or value.name == "pca" or augment is None:
            return value
        if value.name == "file":
            raise wrong("has the features of pictures as they are, and augment alters them; remove augment")
        if not augment.copies:
            raise wrong(f"{value.name} is computed once, and augment alters pictures in each epoch; set augment.copies: 1")
        return value

    @field_validator("loss", "layer_norm", "label_smoothing", "class_weight", "metrics", "early_stopping", "engine", "evaluate")
    @classmethod
    def _goes_with_the_rest(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses what does not go with the keys before it."""
        before = info.data
        blind = "dataset" in before and before["dataset"].validation == 0
        given = before["dataset"].model_fields_set if info.field_name == "loss" and "dataset" in before else ()
        if "target_scale" in given and losses[value.name].task != "regression":
            mismatch = f"{value.name} takes classes, and dataset.target_scale is for a quantity"
            raise wrong(f"{mismatch}; remove it, or write loss: mse")
        if given and isinstance(before["dataset"].target, tuple) and losses[value.name].task != "multi_label":
            told = f"{value.name} takes one target, and dataset.target names {len(before['dataset'].target)}"
            raise wrong(f"{told}; write multi_label for labels of 0 and 1, or one target for each run")
        if info.field_name == "layer_norm" and value is not None and before.get("batch_norm") is not None:
            raise wrong("does not go with batch_norm, which normalises the same numbers; remove one")
        task = losses[before["loss"].name].task if "loss" in before else "classification"
        if info.field_name in ("label_smoothing", "class_weight", "metrics") and value and task == "regression":
            raise wrong(f"is for classes, and loss: {before['loss'].name} is for a quantity; remove {info.field_name}")
        for each in value if info.field_name == "metrics" and task == "multi_label" else ():
            if not known_metrics[each.name].labels:
                raise wrong(f"{each.name} is for one class a row, and loss: multi_label is for several labels; remove it")
        if isinstance(value, EarlyStopping) and "loss" in before:
            score = "val_r2" if task == "regression" else "val_accuracy"
            if value.target is not None and value.monitor == "val_accuracy" and not 0 < value.target <= 1:
                raise wrong(f"target: {value.target:g} is no accuracy; write {value.target / 100:g} or {value.target:g}%")
            if value.monitor not in ("val_loss", score):
                mismatch = f"monitor: {value.monitor} does not go with loss: {before['loss'].name}"
                raise wrong(f"{mismatch}; write val_loss or {score}")
        if isinstance(value, EarlyStopping) and blind:
            raise wrong("watches the validation part, and dataset.validation is 0; set aside some rows, or remove early_stopping")
        if value == "best" and blind:
            raise wrong("best is chosen on the validation part, and dataset.validation is 0; set aside some rows, or write last")
        if value == "scalar" and before.get("dtype") == "float32":
            raise wrong("scalar computes in float64; write dtype: float64 as well")
        for key in _NOT_SCALAR if value == "scalar" else ():
            given = before.get(key)
            if any(given) if isinstance(given, tuple) else given:
                raise wrong(f"scalar has no {key}; remove {key}, or write numpy")
        for key, known in _SCALAR.items() if value == "scalar" else ():
            chosen = before.get(key, ())
            names = [each.name for each in (chosen if isinstance(chosen, tuple) else (chosen,))]
            if any(name not in known for name in names):
                raise wrong(f"scalar has {either(known, 'and')}; write {key}: {known[0]}, or numpy")
        return value

    def to_dict(self) -> dict[str, Any]:
        """The config as plain values of JSON, every default filled in."""
        values = plain(self)
        kept = {key: value for key, value in values["dataset"].items() if value is not None or key in Dataset.always_written}
        if losses[self.loss.name].task != "regression":
            del kept["target_scale"]
        return values | {"dataset": kept}

    def hash(self) -> str:
        """SHA-256 of the canonical config, 64 hex digits. Equal for configs that describe the same run."""
        return resolved.config_hash(self.to_dict())

    def to_yaml(self) -> str:
        """The config as YAML, every default filled in; reading it gives an equal config."""
        return "".join(f"{key}: {resolved.show(resolved.as_written(value))}\n" for key, value in self.to_dict().items())
