"""From a dataset's name or path to the parts that a run works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli.data import catalogue, sources
from mlp_cli.data.dataset import Dataset, Part, RawSet, Task
from mlp_cli.data.encoding import TableEncoding, encode, read_own_table, ready_to_split
from mlp_cli.data.own import Own, is_table, load_own
from mlp_cli.data.splits import PRESET_VALIDATION, Amount, Index, Rows, cut, draw, rows_of
from mlp_cli.data.synthetic import synthetic
from mlp_cli.data.transforms import choose_scale
from mlp_cli.errors import DataError, UsageError
from mlp_cli.rng import Purpose, stream
from mlp_cli.text import counted, listed

HELD_OUT_BY = ("stratified", "last", "group", "time")
"""The splits that can set a test part aside as well."""


def load(
    name: str | None = None,
    path: str | Path | None = None,
    *,
    validation: Amount | None = None,
    split: str = "stratified",
    split_seed: int = 0,
    test: Amount | None = None,
    scale: str | None = None,
    limit: Amount | None = None,
    subset: str | None = None,
    options: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    own: Own | None = None,
    task: Task | None = None,
    progress: bool = False,
) -> Dataset:
    """The set of that name in the catalogue, or the user's own at `path`, cut into parts.

    validation: training rows to set aside, a count or a share; 0 for none, None for the set's own default (see `usual_options`).
    split: how (a name in `splits`). split_seed: fixes the random ones. test: rows to set aside for testing, for a set without a test
    part; None for the set's own number. scale: a name in `SCALES`; None for what suits the set. limit: train on so many (or such a
    share) of the training rows that are left, each class in its share; None for all. subset, options: of a known set.
    classes: keep the rows of these alone, in this order; None for all. own: further options of a set given by path.
    task: regression or multi_label where the loss asks for it: whole numbers are then quantities, columns labels.
    progress: whether downloads draw a bar on stderr.
    Arrays are shared by the parts and may be read-only memory maps.
    Errors: DataError (missing, corrupt), UsageError (unknown name, numbers that do not fit, a part that stays empty).
    """
    own = own or Own()
    whole = load_whole(name, path, progress, subset=subset, options=options, own=own, task=task)
    whole = whole if classes is None else _keep(whole, classes)
    table = whole.tables.get("train")
    whole = whole if table is None else ready_to_split(whole)
    rows = _split(whole, name, validation, split, split_seed, test, own)
    notices = [*rows.notices]
    if path is not None and whole.official_validation and split == "stratified" and own.validation_path is None:
        told = f"has a validation part of {whole.official_validation:,} rows of its own; split: official uses it"
        notices.append(f"{whole.name} {told}")
    train = rows.train
    if limit is not None:
        count = rows_of("limit", limit, len(train))
        if not count:
            raise UsageError("limit: 0 leaves no row to train on", "leave it out to train on all rows")
        train = draw(whole.train_y, train, count, stream(split_seed, Purpose.LIMIT), whole.task == "classification")
    encoding = None if whole.columns is None else TableEncoding.of_numbers(whole.columns.tolist())
    if table is not None:
        whole, encoding = encode(whole, train)
    scale = scale or usual_options(name, str(path), split)["scale"]
    scale, divides, scaling = choose_scale(scale, whole, name is not None)
    dataset = Dataset(
        name=whole.name,
        task=whole.task,
        shape=whole.shape,
        classes=whole.classes,
        train=Part(whole.train_x, whole.train_y, train, whole.train_rows),
        validation=Part(whole.train_x, whole.train_y, rows.validation, whole.train_rows) if len(rows.validation) else None,
        test=_test(whole, rows.test),
        sha256=whole.sha256,
        source=whole.source,
        scale=scale,
        divides=divides,
        columns=() if table is None else tuple(map(table.column, table.features)),
        encoding=encoding,
        target=own.target if isinstance(own.target, str) else None,
        drawn=whole.task == "multi_label"
        and split == "stratified"
        and own.validation_path is None
        and len(train) < len(whole.train_y),
    )
    return replace(dataset, notices=(*whole.notices, *notices, *scaling, *_lone_classes(dataset), *_odd_labels(dataset)))


def _split(
    whole: RawSet, name: str | None, validation: Amount | None, split: str, split_seed: int, test: Amount | None, own: Own
) -> Rows:
    if test is None and name is not None and whole.test_x is None and split in HELD_OUT_BY:
        test = catalogue.entry(name).held_out
    if test and whole.test_x is not None:
        raise UsageError(f"test: {test}, but {whole.name} has a test part of its own", "leave test out")
    if own.validation_path is not None:
        if test:
            raise UsageError(f"test: {test} does not go with a validation part of its own path", "give a test_path")
        return cut("official", whole, None, split_seed)
    if validation is None and split != "official" and split not in PRESET_VALIDATION:
        validation = catalogue.PATH_VALIDATION if name is None else catalogue.entry(name).validation
    return cut(split, whole, validation, split_seed, test)


def _test(whole: RawSet, rows: Index) -> Part | None:
    if len(rows):
        return Part(whole.train_x, whole.train_y, rows, whole.train_rows)
    if whole.test_x is None or whole.test_y is None:
        return None
    if not len(whole.test_y):
        raise UsageError(f"the test part of {whole.name} has no row of the classes {listed(whole.classes, 5)}", "keep others")
    return Part(whole.test_x, whole.test_y, np.arange(len(whole.test_y)), whole.test_rows)


def _keep(whole: RawSet, classes: Sequence[str]) -> RawSet:
    """The set with the rows of these classes alone, copied. Errors: DataError for one that it lacks, and for a quantity."""
    if whole.task != "classification":
        has = "has none, its target is a quantity" if whole.task == "regression" else "has labels, several a row"
        raise DataError(f"classes: {whole.name} {has}", "remove classes")
    for lacking in (text for text in classes if text not in whole.classes):
        raise DataError(f"classes: {whole.name} has no class {lacking}", f"its classes: {listed(whole.classes, 20)}")
    number = np.full(len(whole.classes), -1, dtype=np.int64)
    number[[whole.classes.index(text) for text in classes]] = np.arange(len(classes))
    left = len(whole.train_y) - (whole.official_validation or 0)
    train = np.flatnonzero(number[whole.train_y] >= 0)
    rows = {"train": train[train < left], "validation": train[train >= left] - left}
    if whole.official_validation:
        whole = replace(whole, official_validation=len(rows["validation"]))
    if whole.test_x is not None and whole.test_y is not None:
        rows["test"] = test = np.flatnonzero(number[whole.test_y] >= 0)
        numbers = test if whole.test_rows is None else whole.test_rows[test]
        whole = replace(whole, test_x=whole.test_x[test], test_y=number[whole.test_y[test]], test_rows=numbers)
    tables = {part: table.kept(rows[part]) for part, table in whole.tables.items()}
    train_x, train_y = whole.train_x[train], number[whole.train_y[train]]
    numbers = train if whole.train_rows is None else whole.train_rows[train]
    return replace(whole, classes=tuple(classes), train_x=train_x, train_y=train_y, train_rows=numbers, tables=tables)


def _lone_classes(dataset: Dataset) -> list[str]:
    """Notices of classes that have rows in one part only, where there are several parts."""
    counts = dataset.class_counts()
    parts = sum((found > 0).astype(int) for found in counts.values())
    lone = {part: np.flatnonzero((parts == 1) & (found > 0)) for part, found in counts.items() if len(counts) > 1}
    words = ("class", "classes") if dataset.task == "classification" else ("label", "labels")
    return [
        f"{counted(len(labels), *words)} with rows in the {part} part alone: {listed(names, 5)}"
        for part, labels in lone.items()
        if (names := [dataset.classes[label] for label in labels])
    ]


def _odd_labels(dataset: Dataset) -> list[str]:
    """Notices of labels that all training rows have, or none, and of rows that have exactly one label each."""
    if dataset.task != "multi_label":
        return []
    counts, rows = dataset.class_counts()["training"], len(dataset.train)
    found = []
    for words, wanted in (("no training row has", 0), ("every training row has", rows)):
        if names := [name for name, count in zip(dataset.classes, counts, strict=True) if count == wanted]:
            found.append(f"{words} {listed(names, 5)}: there is nothing to learn of {'it' if len(names) == 1 else 'them'}")
    if (dataset.train.y[dataset.train.index].sum(axis=1) == 1).all():
        found.append("each training row has exactly one label; if that is the rule, loss: cross_entropy takes them for classes")
    return found


@lru_cache(maxsize=100)
def usual_options(name: str | None, path: str | None, split: str) -> Mapping[str, Any]:
    """The options that only some sets take, as far as this one does, and validation, test and scale: each as it is if nobody says.

    Exactly one of `name` and `path`. validation, scale None: only the set's files can tell.
    """
    if name is not None:
        entry = catalogue.entry(name)
        official = entry.official_validation if split == "official" else None
        return {
            "validation": PRESET_VALIDATION.get(split, entry.validation if official is None else official),
            "test": entry.held_out if split in HELD_OUT_BY else None,
            "scale": entry.scale,
            **({"subset": catalogue.default_subset(name)} if catalogue.subset_names(name) else {}),
            **{option.name: option.default for option in (synthetic.options(name) if name in synthetic else ())},
        }
    table = path is not None and is_table(path)
    return {
        "validation": PRESET_VALIDATION.get(split, None if split == "official" else catalogue.PATH_VALIDATION),
        "test": None,
        "scale": None,
        "sha256": None,
        "test_path": None,
        **({"labels": None} if path is not None and ".npy" in path else {}),
        **(dict.fromkeys(("target", "groups", "order", "read")) if table else {}),
        **({"drop": [], "categorical": [], "missing": "error"} if table else {}),
    }


def load_whole(
    name: str | None = None,
    path: str | Path | None = None,
    progress: bool = False,
    *,
    subset: str | None = None,
    options: Mapping[str, Any] | None = None,
    own: Own | None = None,
    task: Task | None = None,
) -> RawSet:
    """The whole set, memory-mapped from the cache; what is not there yet is made first. Exactly one of `name` and `path`.

    Tables are read anew. Errors: as `load`.
    """
    if (name is None) == (path is None):
        raise UsageError("dataset: give either a name or a path", f"known names: {', '.join(catalogue.names())}")
    if name is None:
        read = read_own_table if is_table(str(path)) else load_own
        return read(str(path), own or Own(), task)
    if catalogue.entry(name, subset).form == "generated":
        return synthetic[name](**(options or {}))
    entry = sources.entry_of(name, subset)
    whole = sources.ready(entry, progress=progress)
    if entry.subset is None or subset is not None or not catalogue.entry(name).auto:
        return whole
    told = f"{name}: this is its subset {entry.subset}, {len(whole.train_y):,} rows; dataset.subset names another"
    return replace(whole, notices=(*whole.notices, told))
