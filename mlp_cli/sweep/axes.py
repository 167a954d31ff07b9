"""The axes of a sweep: what each swept key may be, and which keys move together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from mlp_cli.config.yaml_lines import NOWHERE, Place

Assignment = dict[str, str]
"""One value for each swept key, as YAML text."""


@dataclass(frozen=True)
class Choices:
    """A list of values, each as YAML text."""

    values: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """The values that must be valid for all others to be taken as valid."""
        return self.values

    def at(self, share: float) -> str:
        """The value at a share 0 ≤ u < 1 of the way; equal shares for all."""
        return self.values[int(share * len(self.values))]

    def __str__(self) -> str:
        return ",".join(self.values)


@dataclass(frozen=True)
class Floats:
    """A number between two ends, uniform, or uniform in its logarithm."""

    low: float
    high: float
    log: bool

    @property
    def ends(self) -> tuple[str, ...]:
        """Both ends."""
        return rounded(self.low), rounded(self.high)

    def at(self, share: float) -> str:
        """The value at a share 0 ≤ u < 1 of the way."""
        if self.log:
            return rounded(self.low * (self.high / self.low) ** share)
        return rounded(self.low + share * (self.high - self.low))

    def __str__(self) -> str:
        return f"{'loguniform' if self.log else 'uniform'}({self.low!r}, {self.high!r})"


@dataclass(frozen=True)
class Integers:
    """A whole number between two ends, both included."""

    low: int
    high: int

    @property
    def ends(self) -> tuple[str, ...]:
        """Both ends."""
        return str(self.low), str(self.high)

    def at(self, share: float) -> str:
        """The value at a share 0 ≤ u < 1 of the way."""
        return str(self.low + int(share * (self.high - self.low + 1)))

    def __str__(self) -> str:
        return f"int({self.low}, {self.high})"


Domain = Choices | Floats | Integers


def rounded(value: float) -> str:
    """A point of an axis as YAML text: 12 significant digits, so that every machine makes the same text of it."""
    return f"{value:.12g}"


@dataclass(frozen=True)
class Setting:
    """A key with one value (`fixed`), or a swept key with its axis, as the command line or the sweep file gives it.

    shown: as it was written, for messages. place: its line in the sweep file; an override where it stands on the command line.
    places: of each value, where these stand in a list of the file.
    """

    key: str
    domain: Domain
    fixed: bool
    shown: str
    place: Place = NOWHERE
    places: tuple[Place, ...] = ()

    def place_of(self, value: str) -> Place:
        """Where one value of it stands, which may be lines below its key."""
        return self.places[self.domain.ends.index(value)] if self.places else self.place

    def shown_with(self, value: str) -> str:
        """One value of it, for messages, in the style of its source."""
        return f"{self.key}={value}" if self.place.override is not None else f"{self.key}: {value}"


@dataclass(frozen=True)
class Dimension:
    """What varies on its own: one swept key, or several that move together (`zip`), all with as many values."""

    settings: tuple[Setting, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The swept keys."""
        return tuple(setting.key for setting in self.settings)

    @property
    def domain(self) -> Domain:
        """What the dimension ranges over; for keys that move together, a number that picks the value of each."""
        if len(self.settings) == 1:
            return self.settings[0].domain
        return Choices(tuple(str(index) for index in range(len(self.values))))

    @property
    def values(self) -> tuple[Assignment, ...]:
        """All values of a finite dimension; the ends of another."""
        columns = [setting.domain.ends for setting in self.settings]
        return tuple(dict(zip(self.keys, row, strict=True)) for row in zip(*columns, strict=True))

    @property
    def finite(self) -> bool:
        """Whether `values` is all there is."""
        return isinstance(self.domain, Choices)

    def assignment(self, value: str) -> Assignment:
        """The values of the keys for one value of `domain`."""
        return {self.keys[0]: value} if len(self.settings) == 1 else self.values[int(value)]


def merged(parts: Sequence[Assignment]) -> Assignment:
    """One assignment from one for each dimension."""
    return {key: value for part in parts for key, value in part.items()}


def corners(dimensions: Sequence[Dimension], most: int = 1000) -> list[Assignment]:
    """The values of all dimensions combined, of a distribution its ends; where these are too many, each value with the first
    ones of the others."""
    values = [[dimension.assignment(value) for value in dimension.domain.ends] for dimension in dimensions]
    combined = list(itertools.islice(itertools.product(*values), most + 1))
    if len(combined) <= most:
        return [merged(parts) for parts in combined]
    first = merged([column[0] for column in values])
    return [first | value for column in values for value in column]
