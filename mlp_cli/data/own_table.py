"""A table of the user's own: read at once, turned into a matrix only when the split has said which rows train."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.dataset import Array, RawSet, Task
from mlp_cli.data.own import Own, is_table, resolved, set_name, text_of
from mlp_cli.data.read_table import read_table
from mlp_cli.data.table import Column, Table, listed
from mlp_cli.data.table_encoding import Feature, TableEncoding, Target, fit_encoding, read_target
from mlp_cli.errors import DataError


@dataclass(frozen=True)
class OwnTable:
    """The tables of a set, each with its targets, and the set as far as it is known before the split.

    whole: its x are the columns' values and category numbers, which tell equal rows; `encode` gives the real ones. The rows of a
    validation table, if there is one, come last in the training arrays, and `official_validation` counts them.
    """

    whole: RawSet
    train: Table
    validation: Table | None
    test: Table | None
    own: Own

    def encode(self, rows: NDArray[np.intp]) -> tuple[RawSet, TableEncoding]:
        """The set with its inputs as matrices, by an encoding fitted on the given training rows. Errors: DataError."""
        encoding = fit_encoding(self.train, rows[rows < len(self.train)], "mean" if self.own.missing == "mean" else "error")
        tables = [table for table in (self.train, self.validation, self.test) if table is not None]
        matrices = {id(table): encoding.apply(table) for table in tables}
        train_x = matrices[id(self.train)]
        if self.validation is not None:
            train_x = np.concatenate((train_x, matrices[id(self.validation)]))
        whole = replace(
            self.whole,
            shape=train_x.shape[1:],
            train_x=train_x,
            test_x=None if self.test is None else matrices[id(self.test)],
            notices=(*self.whole.notices, *(text for table in tables for text in encoding.notices(table))),
        )
        return whole, encoding


def read_own_table(path: str | Path, own: Own, task: Task | None, classes: Sequence[str] | None) -> OwnTable:
    """Reads the tables of a set. task: regression where the config's loss asks for it. classes: those to keep, in this order; None: all.

    Errors: DataError with the file, the column and the line.
    """
    main = resolved(path)
    if main.is_dir():
        raise DataError(f"{main}: a folder, and a table is expected by its name")
    table = read_table(main, own.target, own.drop, categorical=own.categorical)
    if own.target is None:
        raise DataError(
            f"{main}: which column is to be predicted?", f"add target: COLUMN; {listed([c.name for c in table.columns])}"
        )
    target = read_target(table, task)
    kept = None if classes is None else kept_classes(target.classes, classes, set_name(main))
    kinds = TableEncoding(tuple(Feature(column.name, column.texts, None) for column in table.columns))
    found: dict[str, tuple[Table, Target]] = {"train": (table, target)}
    for part, given in (("validation", own.validation_path), ("test", own.test_path)):
        if given is not None:
            other = resolved(given)
            if not is_table(other):
                raise DataError(f"{other}: not a table, and {main.name} is one", "give both parts in the same format")
            more = read_table(other, own.target, like=kinds)
            regression = target.task == "regression"
            found[part] = (more, read_target(more, target.task if regression else None, None if regression else target.classes))
    names = target.classes
    if kept is not None:
        found = {part: _kept(more, its, kept) for part, (more, its) in found.items()}
        names = tuple(target.classes[number] for number in kept)
    tables = {part: more for part, (more, _) in found.items()}
    y = {part: its.y for part, (_, its) in found.items()}
    count = len(tables["train"]) + len(y.get("validation", ()))
    x = np.zeros((count, len(table.columns)))
    for at, column in enumerate(tables["train"].columns):
        x[: len(tables["train"]), at] = column.values
    sums = [tables[part].sha256() for part in ("train", "validation", "test") if part in tables]
    whole = RawSet(
        name=set_name(main),
        task=target.task,
        shape=(len(table.columns),),
        classes=names,
        train_x=x,
        train_y=np.concatenate([y[part] for part in ("train", "validation") if part in y]),
        test_x=np.empty((0, len(table.columns))) if "test" in y else None,
        test_y=y.get("test"),
        official_validation=len(y["validation"]) if "validation" in y else None,
        sha256=sums[0] if len(sums) == 1 else hashlib.sha256(" ".join(sums).encode()).hexdigest(),
        source=f"file {text_of(main)}",
    )
    return OwnTable(whole, tables["train"], tables.get("validation"), tables.get("test"), own)


def kept_classes(known: Sequence[str], wanted: Sequence[str], name: str) -> list[int]:
    """The numbers of the wanted classes. Errors: DataError for one that the set lacks, and for a set without classes."""
    if not known:
        raise DataError(f"classes: {name} has none, its target is a quantity", "remove classes")
    missing = [text for text in wanted if text not in known]
    if missing:
        shown = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
        raise DataError(f"classes: {name} has no class {missing[0]}", f"its classes: {shown}")
    return [list(known).index(text) for text in wanted]


def renumbered(y: Array, kept: Sequence[int], count: int) -> tuple[NDArray[np.intp], Array]:
    """The rows whose class number is in `kept`, of `count` classes, and their new numbers: places in `kept`."""
    place = np.full(count, -1, dtype=np.int64)
    place[list(kept)] = np.arange(len(kept))
    new = place[y]
    rows = np.flatnonzero(new >= 0)
    return rows, new[rows]


def _kept(table: Table, target: Target, kept: Sequence[int]) -> tuple[Table, Target]:
    rows, y = renumbered(target.y, kept, len(target.classes))
    columns = tuple(Column(column.name, column.values[rows], column.texts) for column in table.columns)
    return replace(table, columns=columns, places=table.places[rows]), replace(target, y=y)
