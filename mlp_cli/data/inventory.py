"""What `mlp data` shows and does: describe the known sets, fetch one into the cache, draw examples from one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data import cache, catalogue, sources
from mlp_cli.data.dataset import Array, Task
from mlp_cli.data.folders import seems_here
from mlp_cli.data.load import cached, entry_origin, load_whole


@dataclass(frozen=True)
class Description:
    """A set of the catalogue in words and numbers. state: `ready`, `found in FOLDER` or `not here`."""

    name: str
    title: str
    task: Task
    train: int
    test: int
    validation: int
    shape: tuple[int, ...]
    classes: tuple[str, ...]
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
    """What a contact sheet shows. Counts are per class, (K,) int64.

    examples: for each class an array (n, D) of the set's dtype with its first rows in the training part, n at most as asked for.
    """

    name: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    train_counts: NDArray[np.int64]
    test_counts: NDArray[np.int64] | None
    examples: tuple[Array, ...]
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
        shape=entry.shape,
        classes=entry.classes,
        licence=entry.licence,
        source=entry.source,
        state=_state(entry),
    )


def _state(entry: catalogue.Entry) -> str:
    if cache.open_ready(entry.name, entry_origin(entry)) is not None:
        return "ready"
    roots = [folder.path for folder in sources.data_folders()]
    roots += [share / name for share in sources.SYSTEM_FOLDERS for name in entry.system]
    for root in roots:
        place = seems_here(entry, root)
        if place is not None:
            return f"found in {place}"
    return "not here"


def fetch(name: str, from_dir: str | Path | None = None, progress: bool = False) -> Fetched:
    """Makes the set ready in the cache, from the first source that has it, or from `from_dir` alone, which is not changed.

    progress: whether downloads draw a bar on stderr.
    Errors: UsageError (unknown name), DataError (no source has it), RunError (the cache cannot be written).
    """
    entry = catalogue.entry(name)
    origin = entry_origin(entry)
    folder = None if from_dir is None else Path(os.path.expanduser(from_dir))
    already = folder is None and cache.open_ready(entry.name, origin) is not None
    whole, problem = cached(entry.name, origin, lambda: sources.obtain(entry, folder, progress), renew=folder is not None)
    if problem is not None:
        raise problem
    return Fetched(entry.name, whole.source, cache.ready_folder(entry.name), whole.sha256, already, whole.notices)


def contact_sheet(name: str | None = None, path: str | Path | None = None, examples: int = 10) -> Sheet:
    """Class counts and the first `examples` rows of each class. Errors: as `load`."""
    whole = load_whole(name, path)
    classes = len(whole.classes)
    rows = [np.flatnonzero(whole.train_y == label)[:examples] for label in range(classes)]
    return Sheet(
        name=whole.name,
        shape=whole.shape,
        classes=whole.classes,
        train_counts=np.bincount(whole.train_y, minlength=classes),
        test_counts=None if whole.test_y is None else np.bincount(whole.test_y, minlength=classes),
        examples=tuple(whole.train_x[index] for index in rows),
        notices=whole.notices,
    )
