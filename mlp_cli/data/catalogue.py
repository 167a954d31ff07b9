"""The sets that are known by name, from catalogue.yaml. Adding a set is adding its entry there.

No NumPy here, so that listing the names costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, ClassVar, Literal

from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean

PATH_VALIDATION = 0.1
"""The share of training rows that a set given by path sets aside for validation, if its config does not say."""


@dataclass(frozen=True)
class File:
    """One file of a distribution."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    role: str
    names: tuple[str, ...]
    packed_bytes: int
    sha256: str | None = None
    packed_sha256: str | None = None
    packing: str = ".gz"

    @property
    def packed_name(self) -> str:
        """The name under which mirrors serve it."""
        return self.names[0] + self.packing


@dataclass(frozen=True)
class Package:
    """A package of a distribution that carries the files."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    client: Literal["npm", "apt"]
    name: str
    version: str | None = None
    folder: str | None = None

    def __str__(self) -> str:
        return " ".join(filter(None, (self.client, "package", self.name, self.version)))


@dataclass(frozen=True)
class Frame:
    """How the pictures of a set lie in their frame: what they show is light, on a dark ground.

    box: the share of the frame that what is shown takes along its longer side. middle: what is in the middle of the frame, the centre
    of `mass` or the middle of the `box`. white: the value of what is lightest.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    box: float
    middle: Literal["mass", "box"]
    white: float = 255


@dataclass(frozen=True)
class Entry:
    """A set by name, or one of the subsets that go by one name; `catalogue.yaml` says what the fields mean.

    subset: this one's name among the subsets. subsets: of a set that comes in several, whose other fields are those of the first.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    name: str
    title: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: int
    test: int
    validation: int | float
    licence: str
    source: str
    form: Literal["idx", "cifar10", "emnist", "npz", "pictures", "generated", "installed"] = "idx"
    scale: str = "unit"
    official_validation: int | None = None
    held_out: int | None = None
    files: tuple[File, ...] = ()
    npz: str | None = None
    folders: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    packages: tuple[Package, ...] = ()
    subset: str | None = None
    subsets: tuple[Entry, ...] = ()
    auto: bool = False
    frame: Frame | None = None

    @property
    def key(self) -> str:
        """The name under which the cache keeps it."""
        return self.name if self.subset is None else f"{self.name}-{self.subset}"


def _read() -> dict[str, Entry]:
    import yaml
    from pydantic import TypeAdapter

    adapter = TypeAdapter(Entry)

    def make(fields: dict[str, Any]) -> Entry:
        return adapter.validate_python({**fields, "classes": tuple(fields["classes"])})

    # Ten times as fast as the loader in Python.
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    entries = {}
    for name, fields in loader(files("mlp_cli.data").joinpath("catalogue.yaml").read_bytes()).get_single_data().items():
        subsets, auto = fields.pop("subsets", {}), fields.pop("auto", False)
        common = {"name": name, **fields}
        made = tuple(
            make({**common, "title": f"{fields['title']}, subset {subset}", **own, "subset": subset})
            for subset, own in subsets.items()
        )
        default = replace(made[0], title=fields["title"], subset=None) if made else make(common)
        entries[name] = replace(default, subsets=made, auto=auto)
    return entries


ENTRIES: dict[str, Entry] = _read()


def names() -> tuple[str, ...]:
    """The names that `dataset:` takes, in the order of the catalogue."""
    return tuple(ENTRIES)


def entry(name: str, subset: str | None = None) -> Entry:
    """The entry of that name, or that of one of its subsets; UsageError with the nearest one where there is none."""
    if name not in ENTRIES:
        hint = f"known: {', '.join(ENTRIES)}; or a folder by path"
        raise UsageError(f"unknown dataset {name!r}{did_you_mean(name, ENTRIES)}", hint)
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
    every = (one for found in ENTRIES.values() for one in (found, *found.subsets))
    return next((one.name for one in every if any(file.sha256 == sha256 for file in one.files)), None)
