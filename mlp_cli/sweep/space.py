"""The members of a sweep: from a base config, fixed values, axes and seeds to configs that have all been checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mlp_cli import runs
from mlp_cli.config import Config, Document
from mlp_cli.config.overrides import check_document, override
from mlp_cli.config.problems import config_error
from mlp_cli.config.yaml_lines import Place, Problem
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.sweep.axes import Assignment, Choices, Dimension, Setting
from mlp_cli.sweep.labels import configuration_label, member_label, ordered

MOST_MEMBERS = 20_000


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
class Candidate:
    """Members that differ in their seed alone, which is what a sweep compares. label: theirs, without the seed."""

    label: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Expansion:
    """Candidates, one for each assignment, and what to tell the user. An assignment that describes the same configuration as
    an earlier one has the very same candidate."""

    candidates: tuple[Candidate, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Space:
    """All that the members of a sweep are made of.

    source: what messages call the sweep. base: what all members share. settings: in the order in which they apply.
    dimensions: the swept ones among them. seeds: of each configuration. problems: of the sweep as it was written, found before
    any member was made. base_problems: of the base.
    """

    source: str
    base: Document
    settings: tuple[Setting, ...]
    dimensions: tuple[Dimension, ...]
    seeds: tuple[int, ...]
    problems: tuple[Problem, ...] = ()
    base_problems: tuple[Problem, ...] = ()

    @property
    def swept(self) -> tuple[str, ...]:
        """The swept keys, the seed not among them, in the order of the schema."""
        return ordered([key for dimension in self.dimensions for key in dimension.keys])

    @cached_property
    def fixed(self) -> Document:
        """The base with the fixed values applied. Problems in them are left for `expand` to report."""
        return override(self.base, [f"{setting.key}={setting.domain}" for setting in self.settings if setting.fixed])

    def expand(self, assignments: Sequence[Assignment]) -> Expansion:
        """Checks and names the members of all assignments. Errors: ConfigError with every problem of every member."""
        return self._name(assignments, self.check_all(assignments))

    def check_all(self, assignments: Sequence[Assignment]) -> list[Config]:
        """The config of each assignment, with the first seed. Errors: ConfigError with every problem of each of them."""
        faults = _Faults(self)
        configs = []
        for assignment in assignments:
            found = check_document(self.base, self.overrides(assignment))
            if isinstance(found, Config):
                configs.append(found)
            else:
                faults.add(found, assignment)
        faults.complain(len(assignments))
        return configs

    def overrides(self, assignment: Assignment) -> list[str]:
        """What makes a member with the first seed of the base: an override for each setting, in order, and the seed."""
        texts = [f"{setting.key}={setting.domain if setting.fixed else assignment[setting.key]}" for setting in self.settings]
        return [*texts, f"seed={self.seeds[0]}"]

    def _name(self, assignments: Sequence[Assignment], configs: Sequence[Config]) -> Expansion:
        candidates: list[Candidate] = []
        known: dict[str, tuple[Candidate, Assignment]] = {}
        repeated: list[tuple[Assignment, Assignment]] = []
        for assignment, config in zip(assignments, configs, strict=True):
            digest = config.hash()
            if digest in known:
                repeated.append((assignment, known[digest][1]))
            else:
                known[digest] = (self._candidate(config, digest), assignment)
            candidates.append(known[digest][0])
        return Expansion(tuple(candidates), _repeats(repeated, len(assignments)))

    def _candidate(self, config: Config, first_hash: str) -> Candidate:
        label = configuration_label(config, self.swept)
        members = []
        for seed in self.seeds:
            named = config.model_copy(update={"seed": seed, "name": member_label(label, seed)})
            digest = first_hash if seed == config.seed else named.hash()
            members.append(Member(named, digest, runs.run_id(named.name, digest), seed))
        return Candidate(label, tuple(members))


class _Faults:
    """The problems of all members, each told once, at the place where its cause was written."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.swept: dict[tuple[str, str], dict[str, list[Assignment]]] = {}
        self.others: dict[Problem, None] = {}

    def add(self, problems: Sequence[Problem], assignment: Assignment) -> None:
        """Takes the problems of one member."""
        for problem in problems:
            place = problem.place
            if place.override is None or place.number >= len(self.space.settings):
                self.others.setdefault(problem)
                continue
            setting = self.space.settings[place.number]
            value = str(setting.domain) if setting.fixed else assignment[setting.key]
            by_value = self.swept.setdefault((setting.key, problem.message), {})
            by_value.setdefault(value, []).append(assignment)

    def complain(self, members: int) -> None:
        """Errors: ConfigError, where there are any problems. members: of each seed."""
        settings = {setting.key: (number, setting) for number, setting in enumerate(self.space.settings)}
        own = list(self.space.problems)
        for (key, message), by_value in self.swept.items():
            number, setting = settings[key]
            typed = Place(override=setting.place.override, number=number) if setting.place.override is not None else None
            whole = setting.fixed or (len(setting.domain.ends) > 1 and set(by_value) >= set(setting.domain.ends))
            for value, assignments in list(by_value.items())[: 1 if whole else None]:
                shown = setting.shown if whole else setting.shown_with(value)
                place = typed or (setting.place if whole else setting.place_of(value))
                own.append(Problem(place, shown, message + ("" if whole else self._only_with(setting, assignments, members))))
        base = [*self.others, *(problem for problem in self.space.base_problems if problem not in self.others)]
        same = self.space.source == self.space.base.source
        blocks = [(self.space.base.source, base + own)] if same else [(self.space.base.source, base), (self.space.source, own)]
        texts = [str(config_error(source, problems)) for source, problems in blocks if problems]
        if texts:
            raise ConfigError("\n".join(texts))

    def _only_with(self, setting: Setting, assignments: list[Assignment], members: int) -> str:
        """The values of the other axes with which a value does not go, where it goes with some."""
        if not isinstance(setting.domain, Choices) or len(assignments) >= members / len(setting.domain.values):
            return ""
        others = [axis for axis in self.space.settings if not axis.fixed and axis.key != setting.key]
        return f" (with {', '.join(axis.shown_with(assignments[0][axis.key]) for axis in others)})"


def unique(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each once: two assignments may describe the same configuration."""
    return list({candidate.members[0].hash: candidate for candidate in candidates}.values())


def too_many(count: int) -> UsageError:
    """The error for a sweep with more members than any machine would finish."""
    return UsageError(
        f"the sweep has {count:,} members; at most {MOST_MEMBERS:,} are accepted",
        "take fewer values or seeds, or draw some of them: --sampler random --trials 100",
    )


def size(dimensions: Sequence[Dimension], seeds: int) -> int:
    """How many members a grid has. dimensions: all finite."""
    return math.prod(len(dimension.values) for dimension in dimensions) * seeds


def _repeats(repeated: Sequence[tuple[Assignment, Assignment]], count: int) -> tuple[str, ...]:
    if not repeated:
        return ()
    one, other = (" ".join(f"{key}={value}" for key, value in assignment.items()) for assignment in repeated[0])
    example = f"{one} is the same as {other}" if one != other else f"{one} comes twice"
    return (f"{len(repeated):,} of {count:,} configurations describe the same runs as another one and count once: {example}",)
