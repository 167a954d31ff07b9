"""The sets that are known by name. Adding a set is adding its entry.

No NumPy here, so that listing the names costs nothing.
"""

from __future__ import annotations

from mlp_cli.data.entry import Entry, File, KerasFile, Package, idx_files
from mlp_cli.data.known_images import CIFAR10, EMNIST, FASHION_MNIST, KMNIST, MNIST, NOTMNIST
from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean

__all__ = [
    "ENTRIES",
    "PATH_VALIDATION",
    "Entry",
    "File",
    "KerasFile",
    "Package",
    "default_subset",
    "entry",
    "idx_files",
    "names",
    "owner_of",
    "subset_names",
]

PATH_VALIDATION = 0.1
"""The share of training rows that a set given by path sets aside for validation, if its config does not say."""

_DIGITS = Entry(
    name="digits",
    title="Digits of 8 x 8 pixels that come with scikit-learn, values from 0 to 16",
    classes=tuple("0123456789"),
    shape=(8, 8),
    train=1_500,
    test=297,
    validation=150,
    official_validation=None,
    files=(),
    folders=(),
    system=(),
    mirrors=(),
    packages=(),
    keras=None,
    licence="CC BY 4.0, Alpaydin and Kaynak",
    source="Alpaydin and Kaynak 1998, Optical recognition of handwritten digits (UCI repository); installed with scikit-learn",
    form="installed",
    scale="minmax",
)


def _generated(name: str, title: str, classes: int, train: int = 6_000, test: int = 1_000) -> Entry:
    """A set that `synthetic` makes; the numbers are those of its default options, which a test compares."""
    return Entry(
        name=name,
        title=title,
        classes=tuple(str(label) for label in range(classes)),
        shape=(2,),
        train=train,
        test=test,
        validation=0.1,
        official_validation=None,
        files=(),
        folders=(),
        system=(),
        mirrors=(),
        packages=(),
        keras=None,
        licence="none needed: generated",
        source="generated from its options",
        form="generated",
        scale="none",
    )


ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        MNIST,
        FASHION_MNIST,
        KMNIST,
        EMNIST,
        NOTMNIST,
        CIFAR10,
        _DIGITS,
        _generated("ellipse", "Points inside and outside an ellipse, of the course Deep Learning at VU", 2, 60_000, 10_000),
        _generated("blobs", "Round clouds of points", 3),
        _generated("moons", "Two half circles that reach into each other", 2),
        _generated("spirals", "Arms that wind about the origin", 3),
        _generated("xor", "Points of a square, by the signs of their coordinates", 2),
        _generated("rings", "Circles about the origin", 2),
    )
}


def names() -> tuple[str, ...]:
    """The names that `dataset:` takes, in the order of the catalogue."""
    return tuple(ENTRIES)


def entry(name: str, subset: str | None = None) -> Entry:
    """The entry of that name, or that of one of its subsets; UsageError with the nearest one where there is none."""
    if name not in ENTRIES:
        raise UsageError(
            f"unknown dataset {name!r}{did_you_mean(name, ENTRIES)}", f"known: {', '.join(ENTRIES)}; or a folder by path"
        )
    found = ENTRIES[name]
    if subset is None:
        return found
    known = subset_names(name)
    if subset not in known:
        raise UsageError(f"{name} has no subset {subset!r}{did_you_mean(subset, known)}", f"known: {', '.join(known) or 'none'}")
    return next(one for one in found.subsets if one.subset == subset)


def subset_names(name: str) -> tuple[str, ...]:
    """The subsets of a set, its default first; none for most."""
    return tuple(str(one.subset) for one in ENTRIES[name].subsets)


def default_subset(name: str) -> str | None:
    """The subset that stands for the set where a config names none; None where the files at hand decide, and for most sets."""
    found = ENTRIES[name]
    return subset_names(name)[0] if found.subsets and not found.auto else None


def owner_of(sha256: str) -> str | None:
    """The set to which a file with that content belongs, if any."""
    for found in ENTRIES.values():
        if any(file.sha256 == sha256 for one in (found, *found.subsets) for file in one.files):
            return found.name
    return None
