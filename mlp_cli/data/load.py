"""From a dataset's name or path to the parts that a run works on."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mlp_cli.data import cache, catalogue, local, sources
from mlp_cli.data.catalogue import Entry
from mlp_cli.data.dataset import Dataset, Part, Whole
from mlp_cli.data.splits import Amount, draw, rows_of, splits
from mlp_cli.errors import DataError, RunError, UsageError
from mlp_cli.rng import Purpose, stream


def load(
    name: str | None = None,
    path: str | Path | None = None,
    *,
    validation: Amount | None = None,
    split: str = "stratified",
    split_seed: int = 0,
    limit: Amount | None = None,
    progress: bool = False,
) -> Dataset:
    """The set of that name in the catalogue, or the user's own at `path`, cut into parts.

    validation: training rows to set aside, a count or a share; 0 for none, None for the set's own default (see `default_validation`).
    split: how (a name in `splits`). split_seed: fixes the random ones. limit: train on so many (or such a share) of the training rows
    that are left, each class in its share; None for all. progress: whether downloads draw a bar on stderr.
    Arrays are shared by the parts and may be read-only memory maps.
    Errors: DataError (missing, corrupt), UsageError (unknown name, numbers that do not fit).
    """
    whole = load_whole(name, path, progress)
    if validation is None and split != "official":
        validation = default_validation(name)
    rows = splits[split](whole, validation, split_seed)
    train = rows.train
    if limit is not None:
        count = rows_of("limit", limit, len(train))
        if not count:
            raise UsageError("limit: 0 leaves no row to train on", "leave it out to train on all rows")
        train = draw(whole.train_y, train, count, stream(split_seed, Purpose.LIMIT), whole.task == "classification")
    return Dataset(
        name=whole.name,
        task=whole.task,
        shape=whole.shape,
        classes=whole.classes,
        train=Part(whole.train_x, whole.train_y, train),
        validation=Part(whole.train_x, whole.train_y, rows.validation) if len(rows.validation) else None,
        test=None
        if whole.test_x is None or whole.test_y is None
        else Part(whole.test_x, whole.test_y, np.arange(len(whole.test_y))),
        sha256=whole.sha256,
        source=whole.source,
        notices=whole.notices,
    )


def default_validation(name: str | None) -> Amount:
    """How many training rows are set aside if the config does not say: the entry's count, or a tenth for a set given by path."""
    return catalogue.PATH_VALIDATION if name is None else catalogue.entry(name).validation


def load_whole(name: str | None = None, path: str | Path | None = None, progress: bool = False) -> Whole:
    """The whole set, memory-mapped from the cache; what is not there yet is made first. Exactly one of `name` and `path`.

    Where the cache cannot be written the arrays are in memory and a notice says so. Errors: as `load`.
    """
    if (name is None) == (path is None):
        raise UsageError("dataset: give either a name or a path", f"known names: {', '.join(catalogue.names())}")
    if name is not None:
        entry = catalogue.entry(name)
        whole, problem = cached(entry.name, entry_origin(entry), lambda: sources.obtain(entry, progress=progress))
    else:
        whole, problem = _load_path(Path(str(path)))
    if problem is None:
        return whole
    notice = f"{problem.message}; {whole.name} stays in memory and is read from its source again at the next start"
    return _with_notices(whole, (*whole.notices, notice))


def _load_path(path: Path) -> tuple[Whole, RunError | None]:
    try:
        path = Path(os.path.expanduser(path)).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{str(path)!r}: not a usable path ({error})") from error
    found = local.files_of(path)
    origin = local.origin(path, found)

    def make() -> Whole:
        whole = local.read(path, found)
        if local.origin(path, found) != origin:
            raise DataError(
                f"{path}: its files changed while they were read", "run the same command again once they are complete"
            )
        return whole

    return cached(local.cache_key(path), origin, make)


def entry_origin(entry: Entry) -> list[str]:
    """What the ready arrays of an entry are made from: its files' contents."""
    return [file.sha256 for file in entry.files]


def cached(key: str, origin: list[str], make: Callable[[], Whole], renew: bool = False) -> tuple[Whole, RunError | None]:
    """The set under `key` from the cache, else from `make`, which is then cached; and why it could not be, if so.

    renew: make it even if the cache has it.
    """
    whole = None if renew else cache.open_ready(key, origin)
    if whole is not None:
        return whole, None
    with cache.building(key):
        # Another process may have built it while this one waited.
        whole = None if renew else cache.open_ready(key, origin)
        if whole is not None:
            return whole, None
        made = make()
        try:
            cache.store(key, origin, made)
        except RunError as problem:
            return made, problem
    whole = cache.open_ready(key, origin)
    return (made if whole is None else _with_notices(whole, made.notices)), None


def _with_notices(whole: Whole, notices: tuple[str, ...]) -> Whole:
    return replace(whole, notices=notices)
