"""What a sweep consists of: axes and how KEY=SPEC writes them, the members that they make of a base config, and their names."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

from mlp_cli import runs
from mlp_cli.config import Config, Document, config_from_mapping
from mlp_cli.config.overrides import check_document, with_value
from mlp_cli.config.problems import config_error
from mlp_cli.config.resolved import canonical, flat, show
from mlp_cli.config.yaml_lines import NOWHERE, Place, Problem, read, scalar
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.registry import nearest
from mlp_cli.text import one_line

FORMAT = 1
"""Raised when a sweep's identity is defined anew, so that an old folder is not taken for a new sweep's."""
MOST_MEMBERS = 20_000
LONGEST_LABEL = 100
"""A run's name has at most this many characters."""

_SEED_ROOM = len("_seed-4294967295")
_DIGEST = 8
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

MOST_POINTS = 10_000
FORMS = {
    "log": "log(first, last, count), such as log(1e-4, 1e-1, 7)",
    "lin": "lin(first, last, count), such as lin(0, 0.5, 6)",
    "loguniform": "loguniform(low, high), such as loguniform(1e-4, 1e-1)",
    "uniform": "uniform(low, high), such as uniform(0, 0.5)",
    "int": "int(low, high) or int(low, high, step), such as int(1, 4)",
    "logint": "logint(low, high), such as logint(16, 256)",
    "choice": "choice(a, b, c), such as choice(relu, tanh)",
}
"""How each function is written."""

CALL = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)\((.*)\)", re.DOTALL)
CUT = re.compile(rf"({'|'.join(FORMS)})\([^)]*")
"""A function that YAML has cut at its first comma."""
_OPENING, _CLOSING = "([{", ")]}"

Assignment = dict[str, Any]
"""One value for each swept key."""


def rounded(value: float) -> Any:
    """A point of an axis with 12 significant digits, so that every machine makes the same number of it; whole ones are integers."""
    return scalar(f"{value:.12g}")


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included, of which a sampler draws one; evenly, or evenly in the logarithm.

    step: from one whole number to the next; None for numbers of any kind. Logarithmic whole numbers have the step 1.
    """

    low: float
    high: float
    log: bool = False
    step: int | None = None

    @property
    def ends(self) -> tuple[Any, Any]:
        """The values that must be valid for all others to be taken as valid."""
        return rounded(self.low), rounded(self.high)

    @property
    def size(self) -> int | None:
        """How many values it has; None where they cannot be counted."""
        return None if self.step is None else int(self.high - self.low) // self.step + 1

    def at(self, share: float) -> Any:
        """The value at a share 0 ≤ u < 1 of the way."""
        if self.step is None:
            return rounded(self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low))
        if self.log:  # each whole number k has the share log((k + 1) / k)
            return min(int(self.high), int(self.low * ((self.high + 1) / self.low) ** share))
        return int(self.low) + self.step * int(share * (self.size or 1))

    def __str__(self) -> str:
        name = ("logint" if self.log else "int") if self.step else "loguniform" if self.log else "uniform"
        step = f", {self.step}" if (self.step or 1) > 1 else ""
        return f"{name}({self.low!r}, {self.high!r}{step})"


def fill(value: Any, take: Callable[[Range], Any]) -> Any:
    """A value with `take(range)` in place of each range in it, first to last."""
    if isinstance(value, list | tuple):
        return [fill(item, take) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, take) for key, item in value.items()}
    return take(value) if isinstance(value, Range) else value


def ranges_in(value: Any) -> list[Range]:
    """All ranges in a value."""
    found: list[Range] = []
    fill(value, found.append)
    return found


def _numbered(value: Any, numbers: Sequence[Any]) -> Any:
    """A value with a number in place of each range in it."""
    left = iter(numbers)
    return fill(value, lambda _: next(left))


class WrongSpecError(Exception):
    """A specification that cannot be read; its text is the message."""


def split(text: str) -> list[str]:
    """The parts between commas, but for commas inside brackets of any kind or quotes; spaces round them are dropped."""
    parts, start, depth, quote, fresh, skip = [], 0, 0, "", True, False
    for position, char in enumerate(text):
        if skip:
            skip = False
        elif quote:
            if char == "\\" and quote == '"':
                skip = True
            elif char == quote:
                quote = ""  # a doubled quote closes and opens again, which comes to the same
                fresh = text[position + 1 : position + 2] == char
        elif char in "'\"" and fresh:
            quote = char
        else:
            depth = max(depth + (char in _OPENING) - (char in _CLOSING), 0)
            if char == "," and depth == 0:
                parts.append(text[start:position].strip())
                start = position + 1
            fresh = char in ",:" or char in _OPENING or (fresh and char.isspace())
    return [*parts, text[start:].strip()]


def parse(text: str) -> list[Any]:
    """The values behind KEY=, several where commas part them or a function gives points; a distribution is, or holds, a `Range`.

    Errors: WrongSpecError.
    """
    parts = split(text)
    if len(parts) > 1 and "" in parts:
        raise WrongSpecError("a value is missing next to a comma")
    return [value for part in parts for value in values_of(part)]


def values_of(text: str) -> list[Any]:
    """The values of one part between commas; several of a function that gives points. Errors: WrongSpecError."""
    call = CALL.fullmatch(text)
    if call and call[1] in FORMS:
        return _called(call[1], split(call[2]) if call[2].strip() else [])
    if text.startswith("[") and text.endswith("]") and re.search(rf"\b({'|'.join(FORMS)})\(", text):
        return _list_of(split(text[1:-1]))
    if call:
        begins = next((name for name in ("lin", "log", "int") if call[1].lower().startswith(name)), None)
        if near := nearest(call[1], FORMS) or begins or {"range": "int"}.get(call[1].lower()):
            raise WrongSpecError(f"unknown function {one_line(call[1], 20)}; did you mean {FORMS[near]}?")
    reading = read(text)
    if reading.problems:
        raise WrongSpecError(reading.problems[0].message)
    return [reading.values]


def _list_of(items: Sequence[str]) -> list[list[Any]]:
    """Lists with a value of each item; an item may be a distribution, or a choice."""
    if any(item.startswith(("log(", "lin(")) for item in items):
        raise WrongSpecError(f"a function stands without brackets; write {','.join(items)}")
    return [list(values) for values in itertools.product(*map(values_of, items))]


def _called(name: str, arguments: Sequence[str]) -> list[Any]:
    """What a function stands for."""
    if len(arguments) not in {"log": (3,), "lin": (3,), "int": (2, 3), "choice": range(1, 1000)}.get(name, (2,)):
        raise WrongSpecError(f"write {FORMS[name]}")
    if name == "choice":
        if "" in arguments:
            raise WrongSpecError(f"write {FORMS[name]}")
        return [value for argument in arguments for value in values_of(argument)]
    low, high, *rest = (_number(argument, name) for argument in arguments)
    if name.startswith("log") and min(low, high) <= 0:
        raise WrongSpecError(f"both ends of {name} must be greater than 0")
    if name in ("log", "lin"):
        return _points(name, low, high, rest[0])
    if not low < high:
        raise WrongSpecError(f"the first end of {name} must be less than the second")
    if not name.endswith("int"):
        return [Range(float(low), float(high), name == "loguniform")]
    step = rest[0] if rest else 1
    if not (isinstance(low, int) and isinstance(high, int) and isinstance(step, int) and step > 0):
        raise WrongSpecError(f"both ends of {name} must be whole numbers" + (", and its step at least 1" if rest else ""))
    return [Range(low, high - (high - low) % step, name == "logint", step)]


def _number(text: str, name: str) -> Any:
    value = scalar(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongSpecError(f"{one_line(text, 20) or 'nothing'} is no number; write {FORMS[name]}")
    if abs(value) > 1e300 or not math.isfinite(value):
        raise WrongSpecError(f"{one_line(text, 20)} is too large")
    return value


def _points(name: str, first: float, last: float, count: Any) -> list[Any]:
    """Evenly spaced points, in value or in logarithm, both ends among them."""
    if not isinstance(count, int) or not 2 <= count <= MOST_POINTS:
        raise WrongSpecError(f"the count of {name} must be a whole number from 2 to {MOST_POINTS:,}")
    if first == last:
        raise WrongSpecError(f"both ends of {name} are the same")
    shares = [index / (count - 1) for index in range(1, count - 1)]
    if name == "log":
        between = [math.exp(math.log(first) + share * (math.log(last) - math.log(first))) for share in shares]
    else:
        size = max(abs(first), abs(last))
        exact = [first + share * (last - first) for share in shares]
        between = [0.0 if abs(point) < 1e-12 * size else point for point in exact]  # not 3e-17 in place of zero
    return list(map(rounded, [first, *between, last]))


@dataclass(frozen=True)
class Axis:
    """What varies on its own: one swept key, or several that move together (`zip`).

    values: the rows that it takes, each with one value a key. A value may be a `Range`, or have some inside: a sampler then draws
    a row, and a number from each range in it.
    """

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    @property
    def finite(self) -> bool:
        """Whether `values` is all there is."""
        return not ranges_in(self.values)

    @property
    def size(self) -> int | None:
        """How many different rows can be drawn; None where they cannot be counted, or are too many to be exhausted."""
        drawn = set[str]()
        for row in self.values:
            ranges = ranges_in(row)
            if math.prod(each.size or MOST_MEMBERS + 1 for each in ranges) > MOST_MEMBERS:
                return None
            for numbers in itertools.product(*(range(int(each.low), int(each.high) + 1, each.step or 1) for each in ranges)):
                drawn.add(repr(_numbered(row, numbers)))
        return len(drawn)

    def assignment(self, row: Sequence[Any], take: Callable[[Range], Any]) -> Assignment:
        """The keys with the values of a row, `take(range)` in place of each range."""
        return dict(zip(self.keys, fill(row, take), strict=True))

    def draw(self, share: Callable[[], float]) -> Assignment:
        """A row at random. share: gives a number 0 ≤ u < 1 for each choice."""
        row = self.values[int(share() * len(self.values))] if len(self.values) > 1 else self.values[0]
        return self.assignment(row, lambda each: each.at(share()))

    def corners(self) -> list[Assignment]:
        """All rows; of a row with ranges, one with their low ends and one with their high ends."""
        ends = ([*zip(*(each.ends for each in ranges_in(row)), strict=True)] or [()] for row in self.values)
        rows = [_numbered(row, numbers) for row, both in zip(self.values, ends, strict=True) for numbers in both]
        return [dict(zip(self.keys, row, strict=True)) for row in rows]


def merged(parts: Sequence[Assignment]) -> Assignment:
    """One assignment from one for each axis."""
    return {key: value for part in parts for key, value in part.items()}


def corners(axes: Sequence[Axis], most: int = 1000) -> list[Assignment]:
    """The corners of all axes combined; where these are too many, each with the first ones of the others."""
    columns = [axis.corners() for axis in axes]
    combined = list(itertools.islice(itertools.product(*columns), most + 1))
    if len(combined) <= most:
        return [merged(parts) for parts in combined]
    first = merged([column[0] for column in columns])
    return [first | part for column in columns for part in column]


@dataclass(frozen=True)
class Member:
    """One run of a sweep: its config (named after its label), the config's hash, its id and its seed."""

    config: Config
    hash: str
    id: str
    seed: int

    @property
    def label(self) -> str:
        """Such as `learning_rate-0.001_seed-0`."""
        return self.config.name


@dataclass(frozen=True)
class Configuration:
    """Members that differ in their seed alone, which is what a sweep compares. label: theirs, without the seed."""

    label: str
    members: tuple[Member, ...]

    @property
    def key(self) -> str:
        """What tells it from others: the hash of its first member."""
        return self.members[0].hash


@dataclass(frozen=True)
class Expansion:
    """Configurations, one for each assignment, and what to tell the user. An assignment that describes the same configuration as
    an earlier one has the very same one."""

    configurations: tuple[Configuration, ...]
    notices: tuple[str, ...]


class Written(NamedTuple):
    """How a swept key was written: the text for messages, its place (an override where that is the command line), and the place
    of each value where these stand in a list of a file."""

    shown: str
    place: Place = NOWHERE
    places: tuple[Place, ...] = ()

    def with_value(self, key: str, value: Any) -> str:
        """One value of it, for messages, in the style of its source."""
        return f"{key}={show(value)}" if self.place.override is not None else f"{key}: {show(value)}"


@dataclass(frozen=True)
class Space:
    """All that the members of a sweep are made of.

    source: what messages call the sweep. base: what all members share, fixed values applied. written: how each swept key was
    written. seeds: of each configuration. problems: of the sweep as it was written, found before any member was made.
    """

    source: str
    base: Document
    axes: tuple[Axis, ...]
    written: Mapping[str, Written]
    seeds: tuple[int, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def swept(self) -> tuple[str, ...]:
        """The swept keys, the seed not among them, in the order of the schema."""
        return ordered([key for axis in self.axes for key in axis.keys])

    def expand(self, assignments: Sequence[Assignment]) -> Expansion:
        """Checks and names the members of all assignments. Errors: ConfigError with every problem of every member."""
        known: dict[str, tuple[Configuration, Assignment]] = {}
        found: list[Configuration] = []
        repeated: list[tuple[Assignment, Assignment]] = []
        for assignment, config in zip(assignments, self.check_all(assignments), strict=True):
            digest = config.hash()
            if digest in known:
                repeated.append((assignment, known[digest][1]))
            else:
                known[digest] = (self._configuration(config, digest), assignment)
            found.append(known[digest][0])
        return Expansion(tuple(found), _repeats(repeated, len(assignments)))

    def check_all(self, assignments: Sequence[Assignment]) -> list[Config]:
        """The config of each assignment, with the first seed. Errors: ConfigError with every problem of each of them."""
        configs, faulty = list[Config](), list[tuple[Assignment, list[Problem]]]()
        for assignment in assignments:
            try:
                configs.append(self.config(assignment))
            except (ValidationError, UsageError):  # once more, with the places
                found = check_document(self.base, [*map("=".join, _texts(assignment).items()), f"seed={self.seeds[0]}"])
                faulty.append((assignment, found if isinstance(found, list) else []))
        if faulty or self.problems:
            raise ConfigError("\n".join(self._complaints(faulty, len(assignments))))
        return configs

    def config(self, assignment: Assignment) -> Config:
        """The config of a member with the first seed. Errors: ValidationError, UsageError for one that is none."""
        if self.base.problems:
            raise UsageError("the base has problems")
        values = self.base.values
        for key, value in {**assignment, "seed": self.seeds[0]}.items():
            values = with_value(values, tuple(key.split(".")), value)
        return Config.model_validate({"name": self.base.name, **values})

    def _configuration(self, config: Config, first_hash: str) -> Configuration:
        label, members = configuration_label(config, self.swept), []
        for seed in self.seeds:
            named = config.model_copy(update={"seed": seed, "name": member_label(label, seed)})
            digest = first_hash if seed == config.seed else named.hash()
            members.append(Member(named, digest, runs.run_id(named.name, digest), seed))
        return Configuration(label, tuple(members))

    def _complaints(self, faulty: Sequence[tuple[Assignment, Sequence[Problem]]], members: int) -> Iterator[str]:
        """The problems of all members, each told once, at the place where its cause was written. members: of each seed."""
        base: dict[Problem, None] = {}
        own = dict.fromkeys(self.problems)
        blamed: dict[tuple[str, str], dict[str, list[Assignment]]] = {}
        for assignment, problems in faulty:
            swept = {f"{key}={text}": key for key, text in _texts(assignment).items()}
            for problem in problems:
                key = swept.get(problem.place.override or "")
                if key is not None:
                    blamed.setdefault((key, problem.message), {}).setdefault(show(assignment[key]), []).append(assignment)
                else:
                    (base if problem.place.override is None else own).setdefault(problem)
        for (key, message), of_value in blamed.items():
            own |= dict.fromkeys(self._blame(key, message, of_value, members))
        own |= dict.fromkeys(self.split_values()) if faulty else {}
        same = self.source == self.base.source
        blocks = [(self.source, [*base, *own])] if same else [(self.base.source, [*base]), (self.source, [*own])]
        return (str(config_error(source, problems)) for source, problems in blocks if problems)

    def _blame(self, key: str, message: str, of_value: Mapping[str, list[Assignment]], members: int) -> Iterator[Problem]:
        """The problems of some values of a key that have the same message: one where none of its values will do."""
        written, axis = self.written[key], next(axis for axis in self.axes if key in axis.keys)
        column = [row[axis.keys.index(key)] for row in axis.values]
        texts = list(map(show, column)) if axis.finite else []
        ranges = [each for each in ranges_in(column) if each.step is None]
        if ranges and "whole number" in message:
            message += f"; write {Range(math.ceil(ranges[0].low), math.floor(ranges[0].high), ranges[0].log, 1)}"
        if len(set(texts)) != 1 and set(texts) <= of_value.keys():
            yield Problem(written.place, written.shown, message)
            return
        for text, assignments in of_value.items():
            first, number = assignments[0], texts.index(text)
            others = [self.written[other].with_value(other, first[other]) for other in first if other not in axis.keys]
            some = others and len(assignments) < members / len(texts)
            place = written.places[number] if written.places else written.place
            yield Problem(place, written.with_value(key, first[key]), message + (f" (with {', '.join(others)})" if some else ""))

    def split_values(self) -> Iterator[Problem]:
        """For each key whose text the command line split at a comma that may well be part of one value."""
        for key, (shown, place, _) in self.written.items():
            if place.override is not None and (hint := split_hint(key, shown)):
                yield Problem(place, shown, hint)


def split_hint(key: str, word: str) -> str | None:
    """How to keep KEY=TEXT in one piece, where a comma splits the text of a path or a name with spaces; else None."""
    text = word.partition("=")[2]
    free = key in ("dataset.path", "dataset.target", "dataset.validation", "dataset.test") or "dataset.read." in key
    if "," not in text or "'" in text or not (free or re.search(r"\w \w", text)):
        return None
    return f"a comma splits it into several values; to keep one value whole, quote it: {key}=\"'{text}'\""


def _texts(assignment: Assignment) -> dict[str, str]:
    return {key: show(value) for key, value in assignment.items()}


def unique(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Each once: two assignments may describe the same configuration."""
    return list({each.key: each for each in configurations}.values())


def _repeats(repeated: Sequence[tuple[Assignment, Assignment]], count: int) -> tuple[str, ...]:
    if not repeated:
        return ()
    one, other = (" ".join(map("=".join, _texts(assignment).items())) for assignment in repeated[0])
    example = f"{one} is the same as {other}" if one != other else f"{one} comes twice"
    return (f"{len(repeated):,} of {count:,} configurations describe the same runs as another one and count once: {example}",)


def sweep_hash(base: Document, swept: Sequence[str], sampler: Any, pruner: Any, metric: Any) -> str:
    """SHA-256 (64 hex digits) over the base without the swept keys and the seed, the swept keys' names, the sampler with its
    options, the pruner with its options, and the metric; None for no pruner and for the task's own metric.

    Never over values, seeds, trials or workers: so a widened sweep finds its old members. base: fixed values applied. What is left
    of it need not be a whole config, since the data set may be swept: it is then taken as it was written. Members have hashes of
    their own, so that two bases taken for one here would share a folder and no run.
    """
    bare = without(base.values, [*swept, "seed"])
    with suppress(ConfigError):
        bare = config_from_mapping(bare).to_dict()
    identity = {"format": FORMAT, "base": canonical(bare), "swept": sorted(swept)}
    identity |= {"sampler": sampler, "pruner": pruner, "metric": metric}
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def without(config: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """A copy of a config as it is written without some dotted keys."""
    for key in keys:
        first, dot, rest = key.partition(".")
        below = config.get(first)
        if dot and isinstance(below, dict):
            config = config | {first: without(below, [rest])}
        elif not dot:
            config = {other: value for other, value in config.items() if other != first}
    return config


def ordered(keys: Sequence[str]) -> tuple[str, ...]:
    """Keys in the order of the schema, whatever order they were given in, so that a label never depends on it."""
    places = {key: place for place, key in enumerate(Config.model_fields)}
    return tuple(sorted(keys, key=lambda key: (places.get(key.partition(".")[0], len(places)), key)))


def swept_values(config: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """What a plain config has under some dotted keys, in their order, as short as a config can say it: a component as its name, or
    as a mapping of its name and the options that are set. A key that the config does not have is left out; an option that is
    among the keys stands there and nowhere else."""
    found, chosen = flat(config), canonical(config)
    values: dict[str, Any] = {}
    for key in keys:
        held = key.removesuffix(".name")
        options = {name.removeprefix(f"{held}."): value for name, value in chosen.items() if name.startswith(f"{held}.")}
        options = {name: value for name, value in options.items() if f"{held}.{name}" not in keys}
        if held in found and held == key and options:
            named = found[key] is not True and "path" not in options
            values[key] = ({"name": found[key]} if named else {}) | options
        elif held in found:
            values[key] = found[held]
    return values


def configuration_label(config: Config, keys: Sequence[str]) -> str:
    """The label of all members that differ in the seed alone, such as `optimizer-adam_learning_rate-0.001`; "" without keys.

    keys: the swept keys. At most 84 characters, so that the seed still fits. What is lost for want of room, which is whole keys
    from the end on, or for characters that no file name should have, comes back as a digest.
    """
    values = swept_values(config.to_dict(), ordered(keys))
    parts = [f"{key}-{_text(value)}" for key, value in values.items()]
    safe = [_UNSAFE.sub("_", part) for part in parts]
    room = LONGEST_LABEL - _SEED_ROOM
    if safe == parts and len("_".join(safe)) <= room:
        return "_".join(safe)
    exact = ";".join(f"{key}={show(value)}" for key, value in values.items())
    digest = hashlib.sha256(exact.encode()).hexdigest()[:_DIGEST]
    lengths = itertools.accumulate(len(part) + 1 for part in safe)
    fitting = sum(length + _DIGEST <= room for length in lengths)
    first = _UNSAFE.sub("_", next(iter(values)))[: room - _DIGEST - 1]  # where its value alone has no room
    return "_".join(safe[:fitting] or [first]) + f"-{digest}"


def member_label(configuration: str, seed: int) -> str:
    """The label of one member, such as `learning_rate-0.001_seed-0`."""
    return f"{configuration}_seed-{seed}" if configuration else f"seed-{seed}"


def _text(value: Any) -> str:
    """A value in a label, where no brackets may be: `0.001`, `300x100`, `relu-tanh`, `adam-beta_1-0.8`; `none` for an empty list."""
    if isinstance(value, list):
        numbers = all(isinstance(item, int | float) for item in value)
        return ("x" if numbers else "-").join(map(_text, value)) or "none"
    if isinstance(value, dict):
        parts = [_text(item) if key == "name" else f"{key}-{_text(item)}" for key, item in value.items()]
        return "-".join(parts)
    return value if isinstance(value, str) else show(value).replace(".0e", "e").replace("e+", "e")
