"""From a config to the parts of a run, wired together: the one place that reads config objects and makes components. And what
such a run will take, from a few steps of a scratch copy."""

from __future__ import annotations

import hashlib
import itertools
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mlp_cli import environment
from mlp_cli.config import Config
from mlp_cli.config.dataset import GENERATED
from mlp_cli.data.augmentations import Augmentation, with_copies
from mlp_cli.data.batches import Batches
from mlp_cli.data.cache import cache_folder
from mlp_cli.data.dataset import Dataset, Part, Task
from mlp_cli.data.extraction import Follow, extract_all
from mlp_cli.data.feature_file import File
from mlp_cli.data.features import Transform
from mlp_cli.data.load import load
from mlp_cli.data.onnx_backbone import Onnx
from mlp_cli.data.own import Own, Read
from mlp_cli.data.pca import Pca
from mlp_cli.data.pictures import pictures_of
from mlp_cli.data.targets import UNSCALED, check_targets, fit_targets
from mlp_cli.data.transforms import fit
from mlp_cli.errors import DataError, UsageError
from mlp_cli.nn.fused import fuse
from mlp_cli.nn.kernels import NUMPY, find, pays
from mlp_cli.nn.losses import Huber, losses
from mlp_cli.nn.network import LayerSize, Network, build_network
from mlp_cli.nn.scalar import scalar_parts
from mlp_cli.nn.soft import SoftLabels, SoftTargets
from mlp_cli.nn.updater import Updater
from mlp_cli.rng import Purpose, stream
from mlp_cli.text import counted, listed, one_line
from mlp_cli.training.diagnostics import ROWS as LOOKED_AT
from mlp_cli.training.diagnostics import Diagnostics
from mlp_cli.training.evaluate import ROWS, SCORE_NAMES, Scores
from mlp_cli.training.progress import feature_bar
from mlp_cli.training.state import Best, TrainingState
from mlp_cli.training.trainer import Trainer

_MOST_CLASSES = 40  # that have scores of their own in run.json


def load_data(config: Config) -> Dataset:
    """The config's data set, split; its `notices` are for the user. Errors: DataError, UsageError."""
    wanted = config.dataset
    rows, apart = (None, wanted.validation) if isinstance(wanted.validation, str) else (wanted.validation, None)
    own = {each.name: getattr(wanted, each.name, None) for each in fields(Own)} | {"validation_path": apart}
    own["read"] = None if wanted.read is None else Read(**dict(wanted.read))
    dataset = load(
        name=wanted.name,
        path=wanted.path,
        validation=rows,
        split=wanted.split,
        split_seed=wanted.split_seed,
        test=wanted.test,
        scale=wanted.scale,
        limit=wanted.limit,
        subset=wanted.subset,
        options={key: value for key in GENERATED if (value := getattr(wanted, key)) is not None},
        classes=wanted.classes,
        own=Own(**{name: value for name, value in own.items() if value is not None}),
        task=None if (task := losses[config.loss.name].task) == "classification" else task,
    )
    if wanted.sha256 not in (None, dataset.sha256):
        told = f"its SHA-256 is {dataset.sha256}, and dataset.sha256 says {wanted.sha256}"
        raise DataError(f"{wanted.path}: not the data of this config: {told}", "put that data back, or leave out dataset.sha256")
    if config.features is not None and isinstance(given := config.features.build(), File | Onnx):
        both = hashlib.sha256(f"{dataset.sha256} {given.content_hash()}".encode()).hexdigest()
        made_by = given.read(dataset)[1] if isinstance(given, File) else None
        told = f"features from {given.path}" + (f", made by {one_line(made_by, 200)}" if made_by else "")
        dataset = replace(dataset, sha256=both, notices=(*dataset.notices, told))
    augmentation = augmentation_of(config, dataset)
    if config.augment is None or augmentation is None or not config.augment.copies:
        return dataset
    return with_copies(dataset, augmentation, config.augment.copies, config.augment.seed)


def augmentation_of(config: Config, dataset: Dataset) -> Augmentation | None:
    """What alters the pictures of a set, or None. Errors: UsageError where it has no pictures."""
    if config.augment is None:
        return None
    steps = [step.build() for step in config.augment.steps]
    return Augmentation(steps, pictures_of(dataset, "augment"), config.augment.choose == "one")


def check_data(folder: Path, before: str | None, dataset: Dataset, hint: str | None = None) -> None:
    """Errors: DataError, with the hint, where the data is not that of the run in `folder`. before: the run's, None if not known."""
    if before is not None and dataset.sha256 != before:
        raise DataError(
            f"{folder}: the data has changed since this run: its SHA-256 was {before}, now it is {dataset.sha256}",
            hint or "put the old data back, or train afresh with --force",
        )


def check_task(config: Config, given: Task, name: str) -> None:
    """Errors: UsageError where the loss is for another task than that of the set of this name. given: the set's task."""
    task = losses[config.loss.name].task
    if task != given:
        hint = f"set loss: {next(each for each in losses if losses[each].task == given)}"
        if task == "multi_label":
            hint += ", or give labels as y (N, K) of 0 and 1, in a table as target: [a, b, c]"
        wanted = "several labels a row" if task == "multi_label" else task
        found = "has several labels a row" if given == "multi_label" else f"is a {given} set"
        raise UsageError(f"loss: {config.loss.name} is for {wanted}, and {name} {found}", hint)


def check(config: Config, dataset: Dataset) -> None:
    """Refuses what the schema cannot see: a loss for another task, targets that cannot be scaled as it says, a network too large
    for this machine. Errors: UsageError, DataError."""
    check_task(config, dataset.task, dataset.name)
    if dataset.task == "regression":
        check_targets(config.dataset.target_scale, dataset)
    if losses[config.loss.name].outputs == 1 and len(dataset.classes) != 2:
        classes = counted(len(dataset.classes), "class", "classes")
        raise UsageError(
            f"loss: {config.loss.name} is for two classes, and {dataset.name} has {classes}", "set loss: cross_entropy"
        )
    if config.batch_norm is not None or config.layer_norm is not None:
        check_rows(config, len(dataset.train))
    for each in config.metrics:
        if len(dataset.classes) > _MOST_CLASSES and each.name in ("precision", "recall"):
            raise UsageError(f"metrics: {each.name} of {len(dataset.classes)} classes is too much for a table", "write macro_f1")
        if (k := getattr(each, "k", 0)) >= len(dataset.classes):
            raise UsageError(f"metrics: {each.name} with k: {k} is 1 for {len(dataset.classes)} classes", "set k to less")
    if isinstance(config.class_weight, dict) and (unknown := sorted(config.class_weight.keys() - set(dataset.classes))):
        known = listed([one_line(name, 40) for name in dataset.classes])
        raise UsageError(f"class_weight: {dataset.name} has no class {one_line(unknown[0], 40)}", f"its classes are {known}")
    components = None if config.features is None else getattr(config.features, "components", None)
    inputs = dataset.train.x.shape[1]
    if config.features is not None and not isinstance(extractor := config.features.build(), Pca):
        pictures = pictures_of(dataset, f"features: {config.features.name}")
        extractor.check(pictures)
        if isinstance(extractor, File):
            extractor.read(dataset)  # it tells the width
        inputs = extractor.width(pictures)
    sizes = (min(components or inputs, inputs), *config.hidden_sizes, dataset.outputs)
    parameters = sum(inputs * outputs + outputs for inputs, outputs in itertools.pairwise(sizes))
    slots = config.optimizer.build().slots
    needed = parameters * np.dtype(config.dtype).itemsize * (3 + len(slots))
    available = environment.available_memory()
    if available is not None and needed > available:
        raise UsageError(
            f"a network of {parameters:,} parameters needs {needed / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB are free",
            "make hidden_sizes smaller",
        )


def shown_scores(config: Config) -> tuple[str, str]:
    """What progress shows of a run: `accuracy` or `r2`, and what its losses are called, see `error_text`."""
    loss = losses[config.loss.name]
    return SCORE_NAMES[loss.task], "loss" if config.dataset.target_scale == "log" else loss.error


def check_rows(config: Config, rows: int) -> None:
    """Refuses batches whose own statistics say nothing. Errors: UsageError."""
    size = rows if config.batch_size == "full" else min(int(config.batch_size), rows)
    if config.batch_norm is not None and config.hidden_sizes and 1 in (size, rows % size):
        which = "a batch" if size == 1 else f"the last batch of the {rows:,} training rows"
        raise UsageError(
            f"batch_norm: {which} would be a single row, whose mean is itself and whose variance is 0",
            f"set batch_size: {size + 1 if size > 1 else 32}, or layer_norm: true in place of batch_norm",
        )
    if config.layer_norm is not None and 1 in config.hidden_sizes:
        raise UsageError(
            "layer_norm: a hidden layer of 1 unit would always be 0 once it is normalised", "make hidden_sizes larger"
        )


def class_weights(config: Config, dataset: Dataset) -> NDArray:
    """(K,) weights of the classes, of labels those of the rows that have one.

    balanced, of the training part: rows / (classes · rows of the class); of a label the rows without it / the rows with it.
    """
    if isinstance(config.class_weight, dict):
        return np.array([config.class_weight.get(name, 1.0) for name in dataset.classes])
    counts = dataset.class_counts()["training"]
    if dataset.task == "multi_label":
        return np.maximum(len(dataset.train) - counts, 1) / np.maximum(counts, 1)
    return counts.sum() / (len(counts) * np.maximum(counts, 1))


def transform_of(config: Config, dataset: Dataset, follow: Follow) -> Transform:
    """What becomes of an input before the network, fitted on the training part. Errors: see `extract_all`, `fit` and `Pca.fit`."""
    features = None if config.features is None else config.features.build()
    if config.features is None or features is None or isinstance(features, Pca):
        scaling = fit(dataset.scale, dataset.train, config.dtype, dataset.shape, dataset.divides)
        return scaling if features is None else features.fit(dataset.train, scaling, config.dtype)
    if isinstance(features, File):
        return features.stored(dataset, pictures_of(dataset, "features: file"))
    known = {key: value for key, value in config.to_dict().items() if key in ("dataset", "augment", "features")}
    return extract_all(features, config.features.name, dataset, {**known, "sha256": dataset.sha256}, follow)


def build(config: Config, dataset: Dataset, follow: Follow = feature_bar) -> Trainer:
    """All parts of a run, wired together, with initial weights. follow: hears of features that are computed.

    Errors: UsageError where they cannot go together; those of `follow`.
    """
    check(config, dataset)
    dtype = np.dtype(config.dtype)
    transform = transform_of(config, dataset, follow)
    on_the_fly = config.augment is not None and not config.augment.copies
    optimizer = config.optimizer.build()
    inputs, outputs = transform.width or dataset.train.x.shape[1], losses[config.loss.name].outputs or dataset.outputs
    network = network_of(config, inputs, outputs)
    network.initialize(config.initializer.build(), config.seed)
    loss = config.loss.build()
    penalties = {"weight_decay": config.weight_decay, "l1": config.l1}
    clips = {"clip_norm": config.clip_norm, "clip_value": config.clip_value}
    batch_size = None if config.batch_size == "full" else int(config.batch_size)
    train, validation, targets = dataset.train, dataset.validation, UNSCALED
    steps = config.epochs * -(-len(train) // (batch_size or len(train)))
    kernel = NUMPY
    if pays(steps, network.theta.size) and config.engine != "scalar":
        kernel = find(optimizer, dtype, cache_folder() / "kernels")
    if kernel.loops is not None:
        loss = fuse(kernel.loops, network, loss)
    gather = None if kernel.loops is None else kernel.loops.gather
    updater = Updater(optimizer, network.theta, network.grad, network.decayed, **penalties, **clips, kernel=kernel)
    weights, soft = None if config.class_weight is None else class_weights(config, dataset), None
    if config.label_smoothing or weights is not None or (config.mixup and dataset.task != "regression"):
        kind = SoftLabels if dataset.task == "multi_label" else SoftTargets
        soft = kind(loss, len(dataset.classes), config.label_smoothing, weights)
    if config.engine == "scalar":
        network, loss, updater = scalar_parts(network, loss, optimizer, config.weight_decay, config.l1)
    best = Best()
    if (stopping := config.early_stopping) is not None:
        monitor = "val_loss" if stopping.monitor == "val_loss" else "val_score"
        best = Best(monitor, stopping.min_delta, stopping.patience, stopping.start_epoch, stopping.target)
    if dataset.task == "regression":
        targets = fit_targets(config.dataset.target_scale, dataset, losses[config.loss.name].degree)
        if isinstance(loss, Huber):
            loss.delta /= targets.scale  # it is given in the unit of the targets
        train, validation = targets.scaled(train), targets.scaled(validation) if validation else None
    diagnostics = None
    if config.diagnostics:
        # Training never shuffles for an epoch 0.
        rows = stream(config.seed, Purpose.SHUFFLE).permutation(train.index)[:LOOKED_AT]
        batches = Batches(Part(train.x, train.y, rows), transform, None, dtype)
        diagnostics = Diagnostics(network_of(config, inputs, outputs, noise=False), soft or loss, *next(iter(batches)))
    return Trainer(
        network,
        loss,
        updater,
        config.schedule.build(),
        Batches(train, transform, batch_size, dtype, augmentation_of(config, dataset) if on_the_fly else None, gather),
        Batches(validation, transform, ROWS, dtype, gather=gather) if validation else None,
        task=dataset.task,
        targets=targets,
        seed=config.seed,
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        state=TrainingState(best),
        keep_best=config.evaluate == "best",
        soft=soft,
        mixup=config.mixup,
        max_norm=config.max_norm,
        ema=config.ema,
        diagnostics=diagnostics,
    )


def network_of(config: Config, inputs: int, outputs: int, *, noise: bool = True) -> Network:
    """The config's network from `inputs` values a row, scaled and with features, to `outputs`; its weights are not set yet.

    noise: with its layers of dropout and noise.
    """
    return build_network(
        inputs,
        config.hidden_sizes,
        outputs,
        [part.build() for part in config.activation],
        dropout=[rate * noise for rate in config.dropout],
        input_dropout=config.input_dropout * noise,
        batch_norm=dict(config.batch_norm) if config.batch_norm else None,
        layer_norm=dict(config.layer_norm) if config.layer_norm else None,
        gaussian_noise=config.gaussian_noise * noise,
        dtype=np.dtype(config.dtype),
    )


@dataclass(frozen=True)
class Estimate:
    """parameters: how many; memory: bytes of the network, the optimizer and the data; seconds: training and validation; layers:
    the sizes of those that were measured."""

    parameters: int
    memory: int
    seconds: float
    layers: Sequence[LayerSize] = ()


def estimate(config: Config, dataset: Dataset, threads: int) -> Estimate:
    """Measures some steps. The validation part is taken to cost a third of as many training rows."""
    with threadpool_limits(threads, "blas"):
        trainer = build(config, dataset)
        step = step_seconds(trainer)
    network, itemsize = trainer.network, trainer.network.theta.itemsize
    copies = 2 + len(trainer.updater.slots) + (1 if trainer.keep_best else 0)
    rows = max(trainer.train.batch_size, 500)
    widths = dataset.train.x.shape[1] * 2 + 4 * sum(config.hidden_sizes) + 4 * dataset.outputs
    memory = network.theta.nbytes * copies + rows * widths * itemsize + dataset.train.x.nbytes
    validated = len(dataset.validation) / 3 / trainer.train.batch_size if dataset.validation else 0.0
    seconds = step * (len(trainer.train) + validated) * config.epochs
    return Estimate(int(network.theta.size), memory, seconds, network.sizes())


def choose_threads(config: Config, dataset: Dataset) -> int:
    """The number of BLAS threads whose steps are fastest; more threads must gain a tenth to be chosen."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    best, best_seconds = 1, float("inf")
    for threads in (2**power for power in range(cores.bit_length())):
        with threadpool_limits(threads, "blas"):
            seconds = step_seconds(build(config, dataset))
        if seconds < 0.9 * best_seconds:
            best, best_seconds = threads, seconds
    return best


def step_seconds(trainer: Trainer, budget: float = 0.4) -> float:
    """The median time of a training step and of its batch, from as many as fit in `budget` seconds (at least three)."""
    times: list[float] = []
    scores = Scores(trainer.task, trainer.targets)
    trainer.network.start_epoch(0, 1)
    with np.errstate(all="ignore"):
        while True:
            trainer.train.shuffle(stream(0, Purpose.SHUFFLE, 1))
            trainer.train.alter(stream(0, Purpose.AUGMENT, 1))
            started = time.perf_counter()
            for x, y in trainer.train:
                trainer.step(x, y, scores)
                times.append(time.perf_counter() - started)
                if len(times) >= 3 and sum(times) > budget:
                    return statistics.median(times)
                started = time.perf_counter()
