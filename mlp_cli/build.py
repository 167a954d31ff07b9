"""From a config to the parts of a run, wired together: the one place that reads config objects and makes components."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from mlp_cli import environment
from mlp_cli.config import Config
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Dataset, Part
from mlp_cli.data.features import Projection, features
from mlp_cli.data.load import load
from mlp_cli.data.own import Own
from mlp_cli.data.synthetic import synthetic
from mlp_cli.data.transforms import Affine, fit
from mlp_cli.errors import UsageError
from mlp_cli.nn.activations import activations
from mlp_cli.nn.gradcheck import Check, check_gradients
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.losses import losses
from mlp_cli.nn.network import build_network
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.scalar import scalar_parts
from mlp_cli.nn.schedules import schedules
from mlp_cli.nn.updater import Updater
from mlp_cli.training.evaluate import ROWS, SCORE_NAMES
from mlp_cli.training.state import Best, TrainingState
from mlp_cli.training.trainer import Trainer

Say = Callable[[str], None]

GRADCHECK_ROWS = 16


def load_data(config: Config, say: Say) -> Dataset:
    """The config's data set, split. say: called with each notice (a broken copy that was passed over, say)."""
    wanted = config.dataset
    options = synthetic.options(wanted.name) if wanted.name is not None and wanted.name in synthetic else ()
    rows, apart = (None, wanted.validation) if isinstance(wanted.validation, str) else (wanted.validation, None)
    dataset = load(
        name=wanted.name,
        path=wanted.path,
        validation=rows,
        split=wanted.split,
        split_seed=wanted.split_seed,
        test=wanted.test,
        limit=wanted.limit,
        subset=wanted.subset,
        options={option.name: getattr(wanted, option.name) for option in options},
        classes=wanted.classes,
        own=Own(
            labels=wanted.labels,
            test_path=wanted.test_path,
            validation_path=apart,
            target=wanted.target,
            drop=wanted.drop or (),
            categorical=wanted.categorical or (),
            missing=wanted.missing or "error",
        ),
        task="regression" if losses[config.loss.name].task == "regression" else None,
    )
    for text in dataset.notices:
        say(text)
    return dataset


def check(config: Config, dataset: Dataset) -> None:
    """Refuses what the schema cannot see: a loss for another task, a network too large for this machine. Errors: UsageError."""
    task = losses[config.loss.name].task
    if task != dataset.task:
        fitting = [name for name in losses if losses[name].task == dataset.task]
        raise UsageError(
            f"loss: {config.loss.name} is for {task}, and {dataset.name} is a {dataset.task} set", f"set loss: {fitting[0]}"
        )
    score = SCORE_NAMES[dataset.task]
    if config.early_stopping is not None and config.early_stopping.monitor not in ("val_loss", f"val_{score}"):
        raise UsageError(
            f"early_stopping.monitor: {config.early_stopping.monitor}, but {dataset.name} is a {dataset.task} set",
            f"set early_stopping.monitor to val_loss or val_{score}",
        )
    components = None if config.features is None else config.features.options().get("components")
    inputs = dataset.train.x.shape[1]
    sizes = (min(components or inputs, inputs), *config.hidden_sizes, dataset.outputs)
    parameters = sum(inputs * outputs + outputs for inputs, outputs in itertools.pairwise(sizes))
    slots = optimizers.build(config.optimizer.name, **config.optimizer.options()).slots
    needed = parameters * np.dtype(config.dtype).itemsize * (3 + len(slots))
    available = environment.available_memory()
    if available is not None and needed > available:
        raise UsageError(
            f"a network of {parameters:,} parameters needs {needed / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB are free",
            "make hidden_sizes smaller",
        )


def build(config: Config, dataset: Dataset) -> Trainer:
    """All parts of a run, wired together, with initial weights. Errors: UsageError where they cannot go together."""
    check(config, dataset)
    dtype = np.dtype(config.dtype)
    transform = transform_of(config, dataset)
    inputs, outputs = transform.width or dataset.train.x.shape[1], dataset.outputs
    optimizer = optimizers.build(config.optimizer.name, **config.optimizer.options())
    network = build_network(
        inputs,
        config.hidden_sizes,
        outputs,
        [activations.build(part.name, **part.options()) for part in config.activation],
        dropout=list(config.dropout),
        input_dropout=config.input_dropout,
        batch_norm=config.batch_norm.options() if config.batch_norm else None,
        dtype=dtype,
    )
    network.initialize(initializers.build(config.initializer.name, **config.initializer.options()), config.seed)
    loss = losses.build(config.loss.name, **config.loss.options())
    updater = Updater(optimizer, network.theta, network.grad, network.decayed, config.weight_decay, config.l1)
    if config.engine == "scalar":
        network, loss, updater = scalar_parts(network, loss, optimizer, config.weight_decay, config.l1)
    batch_size = None if config.batch_size == "full" else int(config.batch_size)
    return Trainer(
        network,
        loss,
        updater,
        schedules.build(config.schedule.name, **config.schedule.options()),
        Batches(dataset.train, transform, batch_size, dtype),
        Batches(dataset.validation, transform, ROWS, dtype) if dataset.validation else None,
        task=dataset.task,
        seed=config.seed,
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        state=TrainingState(_best(config)),
        keep_best=config.evaluate == "best",
    )


def transform_of(config: Config, dataset: Dataset) -> Affine | Projection:
    """The scaling and the features of a config, fitted on the training part."""
    scaling = fit(config.dataset.scale, dataset.train, config.dtype, dataset.shape)
    if config.features is None:
        return scaling
    made = features.build(config.features.name, **config.features.options())
    projection: Projection = made.fit(dataset.train, scaling, config.dtype)
    return projection


def check_gradients_of(config: Config) -> list[Check]:
    """Analytic against numerical gradients of the config's network, in float64 on 16 rows of its data."""
    config = config.model_copy(update={"dtype": "float64"})
    trainer = build(config, load_data(config, lambda text: None))
    part = trainer.train.part
    batches = Batches(
        Part(part.x, part.y, part.index[:GRADCHECK_ROWS]), trainer.train.transform, GRADCHECK_ROWS, np.dtype(np.float64)
    )
    x, y = next(iter(batches))
    return check_gradients(trainer.network, trainer.loss, x, y, seed=config.seed)


def _best(config: Config) -> Best:
    stopping = config.early_stopping
    if stopping is None:
        return Best()
    monitor = "val_loss" if stopping.monitor == "val_loss" else "val_score"
    return Best(monitor, stopping.min_delta, stopping.patience)
