"""Sets by name: the entry that a name and a subset stand for, and the whole set, from the cache where it was made ready before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlp_cli.data import cache, catalogue, sources
from mlp_cli.data.dataset import RawSet
from mlp_cli.data.digits import read_digits
from mlp_cli.data.entry import Entry
from mlp_cli.data.folders import seems_here
from mlp_cli.data.synthetic import synthetic
from mlp_cli.errors import RunError


def entry_of(name: str, subset: str | None = None) -> Entry:
    """The entry itself, or that of a subset: the one named, the default one, or the first of which files are at hand.

    Where none are, the first that can be downloaded. Errors: UsageError for an unknown name or subset.
    """
    entry = catalogue.entry(name, subset or (catalogue.default_subset(name) if name in catalogue.ENTRIES else None))
    if entry.subset is not None or not entry.subsets:
        return entry
    here = (one for one in entry.subsets if state(one) != "not here")
    return next(here, None) or next((one for one in entry.subsets if one.mirrors), entry.subsets[0])


def origin(entry: Entry) -> list[str]:
    """What the ready arrays of an entry are made from: its files' contents."""
    return [file.sha256 or str(file.packed_sha256) for file in entry.files]


def state(entry: Entry) -> str:
    """`ready`, `found in FOLDER`, `not here`, or how it is made; nothing but the smallest file is read.

    Of several subsets the first that is here counts.
    """
    if entry.form == "generated":
        return "generated on the spot"
    if entry.form == "installed":
        return "installed" if is_installed() else "not here: pip install scikit-learn"
    if not entry.subsets:
        return _state(entry)
    found = ((one, _state(one)) for one in entry.subsets)
    return next((f"{text} (subset {one.subset}, {one.train:,} rows)" for one, text in found if text != "not here"), "not here")


def is_installed() -> bool:
    """Whether scikit-learn is, with which the digits come."""
    from importlib.util import find_spec

    return find_spec("sklearn") is not None


def _state(entry: Entry) -> str:
    if cache.open_ready(entry.key, origin(entry)) is not None:
        return "ready"
    roots = [folder.path for folder in sources.data_folders()]
    roots += [share / name for share in sources.SYSTEM_FOLDERS for name in entry.system]
    for root in roots:
        place = seems_here(entry, root)
        if place is not None:
            return f"found in {place}"
    return "not here"


def load_known(
    name: str, subset: str | None = None, options: Mapping[str, Any] | None = None, progress: bool = False
) -> tuple[RawSet, RunError | None]:
    """The whole set, memory-mapped from the cache where it has files, and why the cache could not be written, if so.

    options: of a set that is generated. Errors: UsageError, DataError.
    """
    entry = entry_of(name, subset)
    if entry.form == "generated":
        return synthetic.build(name, **(options or {})), None
    if entry.form == "installed":
        return read_digits(), None
    whole, problem = cache.cached(entry.key, origin(entry), lambda: sources.obtain(entry, progress=progress))
    if entry.subset is not None and subset is None and catalogue.entry(name).auto:
        told = f"{name}: this is its subset {entry.subset}, {len(whole.train_y):,} rows; dataset.subset names another"
        whole = replace(whole, notices=(*whole.notices, told))
    return whole, problem


def fetch_known(entry: Entry, folder: str | Path | None, progress: bool) -> tuple[RawSet, bool]:
    """Makes a set ready in the cache, from `folder` alone where one is given; and whether it was ready already.

    Errors: DataError (no source has it), RunError (the cache cannot be written).
    """
    where = None if folder is None else Path(os.path.expanduser(folder))
    already = where is None and cache.open_ready(entry.key, origin(entry)) is not None
    whole, problem = cache.cached(
        entry.key, origin(entry), lambda: sources.obtain(entry, where, progress), renew=where is not None
    )
    if problem is not None:
        raise problem
    return whole, already
