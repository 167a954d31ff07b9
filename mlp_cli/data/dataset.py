"""What the rest of the program sees of data: a set before it is split, and the same set cut into parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlp_cli.text import counted, listed, one_line

if TYPE_CHECKING:
    from mlp_cli.data.encoding import TableEncoding
    from mlp_cli.data.tables import Table

Array = NDArray[Any]
Task = Literal["classification", "multi_label", "regression"]


@dataclass(frozen=True, kw_only=True)
class RawSet:
    """A set before it is split: what a reader found, and, once it has a name, all that is known of it.

    train_x, test_x: (N, D), C order, uint8 for images, else float32 or float64; perhaps read-only memory maps. test_x may be None.
    train_y, test_y: (N,) int64 class numbers 0 … K − 1, (N, K) uint8 labels of 0 and 1, or float64 targets (regression). A reader
    gives labels as the file has them.
    shape: of one row before it was flattened, so that its product is D: (height, width) for an image, (D,) for a table.
    classes: K names, in the order of the class numbers or the labels; empty for regression, and where a reader found no names.
    columns: (D,) texts, what the inputs are called in a set of arrays that names them; else None.
    groups, order: (N,) of the training rows, where a config asks for a split by them: int64 numbers of groups, whose rows stay in one
    part; int64 or float64 sort keys of time.
    official_validation: how many of the last training rows the distribution itself sets aside for validation, or None.
    train_rows, test_rows: (N,) ascending, the rows' numbers in what was read, from 0, where some are left out; else None.
    tables: those of the user's own that the set was read from, by part, as `encode` takes them.
    notices: what a user should be told about how the set was found and read.
    sha256: over the arrays (see `arrays_sha256`). source: where it came from, in words.
    """

    train_x: Array
    train_y: Array
    test_x: Array | None = None
    test_y: Array | None = None
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    official_validation: int | None = None
    columns: Array | None = None
    groups: Array | None = None
    order: Array | None = None
    train_rows: Array | None = None
    test_rows: Array | None = None
    tables: dict[str, Table] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    name: str = ""
    task: Task = "classification"
    sha256: str = ""
    source: str = ""

    def arrays(self) -> dict[str, Array]:
        """The arrays that are there, by name."""
        named = {"train_x": self.train_x, "train_y": self.train_y, "test_x": self.test_x, "test_y": self.test_y}
        return {name: array for name, array in (named | {"columns": self.columns}).items() if array is not None}


@dataclass(frozen=True)
class Part:
    """Some rows of a set: those that train, validate or test.

    x: (N, D) uint8, float32 or float64, all rows of the array that the part draws from; shared between parts, never written to.
    y: (N,) int64 class numbers, (N, K) uint8 labels, or float64 targets.
    index: (n,) intp, ascending: the rows of x and y that belong to the part.
    numbers: the numbers of all rows in what was read, where some of that was left out.
    """

    x: Array
    y: Array
    index: NDArray[np.intp]
    numbers: Array | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def rows(self) -> Array:
        """(n,) ascending: the numbers of its rows in what was read, from 0."""
        return self.index if self.numbers is None else self.numbers[self.index]


@dataclass(frozen=True)
class Column:
    """What is in a column of a table. categories: its texts, None for numbers from `least` to `most`; missing: rows without a value."""

    name: str
    categories: tuple[str, ...] | None
    least: float | None
    most: float | None
    missing: int


@dataclass(frozen=True)
class Dataset:
    """A set cut into parts, as a run uses it. The fields are as in `RawSet`; sha256 covers the whole set, whatever the split.

    scale: the scaling that fits, a name in `transforms.SCALES`. divides: whether `unit` and `256` divide the values.
    columns: those of a table's training file that are inputs. encoding: how they became the D inputs, fitted on the training rows;
    of arrays whose inputs have names it has these alone; None for other sets.
    target: the name of the column that is predicted; None for sets that are no tables, and for several.
    drawn: whether rows of several labels were drawn from all alike, since there are no classes to draw each in its share.
    """

    name: str
    task: Task
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    train: Part
    validation: Part | None
    test: Part | None
    sha256: str
    source: str
    scale: str
    divides: bool
    notices: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    encoding: TableEncoding | None = None
    target: str | None = None
    drawn: bool = False

    @property
    def outputs(self) -> int:
        """What a network needs to predict: K values for K classes or labels, or one for each quantity (regression)."""
        if self.task != "regression":
            return len(self.classes)
        return 1 if self.train.y.ndim == 1 else self.train.y.shape[1]

    def feature_names(self) -> tuple[str, ...]:
        """What each of the D inputs is: a table's column, or column=category; `feature 1`, … for two inputs of other sets, else none."""
        if self.encoding is not None:
            return self.encoding.names()
        return ("feature 1", "feature 2") if self.shape == (2,) else ()

    def parts(self) -> dict[str, Part]:
        """The parts that are there, by what they are called."""
        named = {"training": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def class_counts(self) -> dict[str, NDArray[np.int64]]:
        """Rows per class, or rows that have the label, (K,) int64, by part; none for regression."""
        parts = {} if self.task == "regression" else self.parts()
        if self.task == "multi_label":
            return {name: part.y[part.index].sum(axis=0, dtype=np.int64) for name, part in parts.items()}
        return {name: np.bincount(part.y[part.index], minlength=len(self.classes)) for name, part in parts.items()}

    def largest_class(self) -> dict[str, float]:
        """The accuracy of always naming a part's largest class, of giving each label its more frequent value; none for regression."""
        shares = {}
        for name, counts in self.class_counts().items():
            rows = len(self.parts()[name])
            most = np.maximum(counts, rows - counts).mean() if self.task == "multi_label" else counts.max()
            shares[name] = float(most / rows)
        return shares

    def _told(self) -> str:
        """What is predicted, in words."""
        if self.task == "regression":
            return f"a quantity, {one_line(self.target or 'the target')}"
        names = [one_line(name, 20) for name in self.classes]
        if self.task == "classification":
            return f"{len(self.classes)} classes: {listed(names, 5)}"
        rates = self.class_counts()["training"] / len(self.train)
        shares = [f"{name} {100 * rate:.1f} %" for name, rate in zip(names, rates.tolist(), strict=True)]
        drawn = " (rows drawn at random, not by label)" if self.drawn else ""
        return f"{len(names)} labels{drawn}; training rows that have them: {listed(shares, 5)}"

    def summary(self) -> str:
        """What a run is given, in one line: `48 training, 10 test rows; 2 classes: cat, dog; 784 inputs, scaled to 0–1`."""
        rows = ", ".join(f"{len(part):,} {name}" for name, part in self.parts().items())
        scaled = _SCALED[self.scale] if self.divides or self.scale not in ("unit", "256") else "within 0–1 as they are"
        rows += " rows" if self.test is not None else " rows, no test part (dataset.test: 0.2 makes one)"
        return f"{rows}; {self._told()}; {counted(self.train.x.shape[1], 'input')}, {scaled}"


_SCALED = {
    "unit": "scaled to 0–1",
    "256": "divided by 256",
    "standard": "scaled to mean 0 and deviation 1",
    "standard_channel": "channels scaled to mean 0 and deviation 1",
    "minmax": "least to 0 and greatest to 1",
    "none": "not scaled",
}


def arrays_sha256(arrays: dict[str, Array]) -> str:
    """SHA-256 over each array's name, dtype, shape and bytes (C order), in the order of the names; 64 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
