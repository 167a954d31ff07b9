"""What `mlp data` shows and does: describe the known sets, fetch one into the cache, draw examples from one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data import cache, catalogue
from mlp_cli.data.dataset import Array, Task
from mlp_cli.data.known import entry_of, fetch_known, state
from mlp_cli.data.load import load
from mlp_cli.data.own import Own
from mlp_cli.errors import UsageError

_POINTS = 4_000


@dataclass(frozen=True)
class Description:
    """A set of the catalogue in words and numbers.

    validation: rows, or a share of them. held_out: rows set aside for testing where there is no test part, or None.
    subsets: their names, the default first. state: `ready`, `found in FOLDER`, `not here`, or how it is made.
    """

    name: str
    title: str
    task: Task
    train: int
    test: int
    validation: int | float
    held_out: int | None
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    subsets: tuple[str, ...]
    scale: str
    licence: str
    source: str
    state: str


@dataclass(frozen=True)
class Fetched:
    """What `fetch` did. source: where the set came from, as a phrase. folder: where the ready arrays lie. already: nothing was to do."""

    name: str
    source: str
    folder: Path
    sha256: str
    already: bool
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Sheet:
    """What a contact sheet shows. Counts are per class, (K,) int64; None for regression, and `test_counts` without a test part.

    examples: for each class an array (n, D) of the set's dtype with its first rows in the training part, n at most as asked for.
    points: x (n, 2) and y (n,) of training rows, for a set of two features; targets: y (N,) float64 of a regression set; else None.
    """

    name: str
    task: Task
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    train_counts: NDArray[np.int64] | None
    test_counts: NDArray[np.int64] | None
    examples: tuple[Array, ...]
    points: tuple[Array, Array] | None
    targets: Array | None
    notices: tuple[str, ...]


def describe(name: str) -> Description:
    """The set of that name; looks for it on this machine without reading more than its smallest file. Errors: UsageError."""
    entry = catalogue.entry(name)
    return Description(
        name=entry.name,
        title=entry.title,
        task="classification",
        train=entry.train,
        test=entry.test,
        validation=entry.validation,
        held_out=entry.held_out,
        shape=entry.shape,
        classes=entry.classes,
        subsets=catalogue.subset_names(name),
        scale=entry.scale,
        licence=entry.licence,
        source=entry.source,
        state=state(entry),
    )


def fetch(name: str, from_dir: str | Path | None = None, progress: bool = False, subset: str | None = None) -> Fetched:
    """Makes the set ready in the cache, from the first source that has it, or from `from_dir` alone, which is not changed.

    progress: whether downloads draw a bar on stderr. subset: which one, of a set that comes in several.
    Errors: UsageError (unknown name), DataError (no source has it), RunError (the cache cannot be written).
    """
    if not catalogue.entry(name).files:
        raise UsageError(f"{name} is {state(catalogue.entry(name))}: there is nothing to fetch")
    entry = entry_of(name, subset)
    whole, already = fetch_known(entry, from_dir, progress)
    return Fetched(entry.name, whole.source, cache.ready_folder(entry.key), whole.sha256, already, whole.notices)


def contact_sheet(
    name: str | None = None,
    path: str | Path | None = None,
    examples: int = 10,
    *,
    subset: str | None = None,
    own: Own | None = None,
) -> Sheet:
    """Class counts and the first `examples` rows of each class. own: the options of a set given by path. Errors: as `load`."""
    dataset = load(name, path, validation=0, test=0, subset=subset, own=own)
    y = np.asarray(dataset.train.y)
    classes = len(dataset.classes)
    rows = [np.flatnonzero(y == label)[:examples] for label in range(classes)]
    drawn = np.linspace(0, len(y) - 1, min(len(y), _POINTS)).astype(np.intp)
    regression = dataset.task == "regression"
    return Sheet(
        name=dataset.name,
        task=dataset.task,
        shape=dataset.shape,
        classes=dataset.classes,
        train_counts=None if regression else np.bincount(y, minlength=classes),
        test_counts=None if regression or dataset.test is None else np.bincount(dataset.test.y, minlength=classes),
        examples=tuple(dataset.train.x[index] for index in rows),
        points=(dataset.train.x[drawn], y[drawn]) if dataset.shape == (2,) else None,
        targets=y if regression else None,
        notices=dataset.notices,
    )
