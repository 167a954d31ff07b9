"""The sweep file: a base config and what varies. Reading it, every problem at once, and writing the resolved `sweep.yaml`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlp_cli.config import Document, read_document
from mlp_cli.config.problems import check
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config, RunName
from mlp_cli.config.yaml_lines import NOWHERE, Place, Problem
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.registry import Count, Range, Seed, nearest
from mlp_cli.sweep.axes import Choices, Domain, Setting
from mlp_cli.sweep.parts import Part, part_of
from mlp_cli.sweep.specs import FORMS, has_function, parse
from mlp_cli.text import listed, one_line

KEYS = ("name", "base", "parameters", "zip", "seeds", "sampler", "trials", "pruner", "metric", "mode")
OWN = ("base", "parameters", "zip", "seeds", "sampler", "trials", "pruner", "metric", "mode")
"""Keys that no config has: by these a sweep file is known."""

Mode = Literal["max", "min"]
Metric = Literal["val_loss", "val_accuracy", "val_r2", "train_loss", "train_accuracy", "train_r2"]
MOST_SEEDS = 10_000


@dataclass
class Source:
    """What a sweep is made from, as far as a file says it: a plain config is all base.

    name: None where neither file says it. parameters: the swept keys. zips: keys that move together. seeds: how many, from the
    base's seed on, or which; the place of each in the file is kept for messages. problems: of the sweep file alone.
    """

    path: str
    base: Document | None
    document: Document
    name: str | None = None
    parameters: list[Setting] = field(default_factory=list)
    zips: list[tuple[str, ...]] = field(default_factory=list)
    seeds: int | tuple[int, ...] | None = None
    sampler: Part | None = None
    trials: int | None = None
    pruner: Part | None = None
    metric: str | None = None
    mode: str | None = None
    metric_place: Place = NOWHERE
    problems: list[Problem] = field(default_factory=list)
    base_error: ConfigError | None = None


def read_source(path: str | os.PathLike[str]) -> Source:
    """Reads a config or a sweep file. Errors: ConfigError where it cannot be read, or is a mapping of neither kind."""
    document = read_document(path)
    return _Reader(document).read() if _is_sweep(document) else Source(document.source, document, document)


def is_sweep_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a sweep file, and no config; False for one that cannot be read, or only once, such as a pipe."""
    try:
        return os.path.isfile(path) and _is_sweep(read_document(path))
    except ConfigError:
        return False


def _is_sweep(document: Document) -> bool:
    return bool(set(OWN) & set(document.values))


class _Reader:
    """One pass over a sweep file's keys, which gathers the problems."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.entries: dict[str, Any] = document.values
        self.found = Source(document.source, None, document, problems=list(document.problems))

    def read(self) -> Source:
        found = self.found
        self._refuse_unknown()
        self._base()
        self._parameters()
        self._zip()
        found.name = self._checked("name", RunName) or self._name_of_base() or document_name(self.document)
        found.seeds = self._seeds()
        found.sampler = self._part("sampler")
        found.pruner = self._part("pruner")
        found.trials = self._checked("trials", Count)
        found.metric, found.metric_place = self._metric(), self.document.place(("metric",))
        found.mode = self._checked("mode", Mode)
        return found

    def _problem(self, key: str, message: str) -> None:
        there = key in self.entries
        self.found.problems.append(self.document.problem((key,), message) if there else Problem(NOWHERE, key, message))

    def _refuse_unknown(self) -> None:
        for key in self.entries:
            if key in KEYS:
                continue
            if key in Config.model_fields:
                self._problem(key, "unknown key; belongs under base, or under parameters if it varies")
            else:
                near = nearest(key, KEYS)
                self._problem(key, f"unknown key; did you mean {near}?" if near else f"unknown key; known: {listed(KEYS)}")

    def _checked(self, key: str, kind: Any) -> Any:
        """The value of a key as a type of pydantic's takes it; None where it is left out, or wrong and noted."""
        return self._noted(key, lambda value: check(kind, key, value))

    def _noted(self, key: str, make: Callable[[Any], Any]) -> Any:
        """What `make` makes of the value of a key; None where the key is left out, or wrong and noted."""
        if key not in self.entries:
            return None
        try:
            return make(self.entries[key])
        except UsageError as error:
            self._problem(key, error.message)
            return None

    def _part(self, kind: str) -> Part | None:
        part: Part | None = self._noted(kind, lambda value: part_of(kind, value))
        return part

    def _seeds(self) -> int | tuple[int, ...] | None:
        one_each = Annotated[list[Seed], Field(min_length=1)]
        is_list = isinstance(self.entries.get("seeds"), list)
        seeds = self._checked("seeds", one_each if is_list else Annotated[int, Range(ge=1, le=MOST_SEEDS)] | one_each)
        return tuple(dict.fromkeys(seeds)) if isinstance(seeds, list) else seeds

    def _metric(self) -> str | None:
        if str(self.entries.get("metric")).startswith("test_"):
            self._problem("metric", "the test set never chooses; write val_accuracy or val_loss")
            return None
        metric: str | None = self._checked("metric", Metric)
        return metric

    def _base(self) -> None:
        base, document = self.entries.get("base"), self.document
        if base is None:
            self._problem("base", "is required; write base: and the path of a config, or a mapping of its keys")
        elif isinstance(base, dict):
            places = {way[1:]: place for way, place in document.places.items() if way[:1] == ("base",)}
            self.found.base = Document(document.source, base, document.name, places)
        elif isinstance(base, str) and base:
            path = Path(document.source).parent / base
            try:
                written = read_document(path)
            except ConfigError as error:
                self.found.base_error = error
                return
            if _is_sweep(written):
                self._problem("base", "is a sweep file; a base must be a plain config")
            else:
                self.found.base = written
        else:
            self._problem("base", "must be the path of a config, or a mapping of its keys")

    def _name_of_base(self) -> str | None:
        """A name that the file itself gives, inside an inline base."""
        base = self.entries.get("base")
        name = base.get("name") if isinstance(base, dict) else None
        return name if isinstance(name, str) else None

    def _parameters(self) -> None:
        parameters = self.entries.get("parameters", {})
        if not isinstance(parameters, dict):
            self._problem("parameters", "must be a mapping: a line such as learning_rate: [1e-3, 1e-2] for each key that varies")
            return
        for key, values in parameters.items():
            path: tuple[str, ...] = ("parameters", key)
            shown, place = f"{key}: {self.document.text(path)}", self.document.place(path)
            domain = self._domain(key, values, shown, place)
            if domain is not None:
                items = range(len(values)) if isinstance(values, list) else ()
                places = tuple(self.document.place((*path, number)) for number in items)
                self.found.parameters.append(Setting(key, domain, False, shown, place, places))

    def _domain(self, key: str, value: Any, shown: str, place: Place) -> Domain | None:
        """A parameter's axis; None where it is wrong and noted. A text is read as on the command line, a list as it stands."""
        message = f"must be a list of values, or a distribution such as {FORMS['loguniform'].rpartition('such as ')[2]}"
        if has_function(value):
            message = f"a function stands without brackets; write {key}: {shown.partition('[')[2].removesuffix(']')}"
        elif isinstance(value, list) and value:
            return Choices(tuple(map(show, value)))
        elif isinstance(value, str) and value:
            parsed = parse(value, shown, place)
            if isinstance(parsed, list):
                self.found.problems += parsed
                return None
            return Choices((show(value),)) if parsed is None else parsed
        elif isinstance(value, bool | int | float):
            return Choices((show(value),))
        elif isinstance(value, dict) and value:
            message += f"; for a nested key write {one_line(f'{key}.{next(iter(value))}', 40)}: [...]"
        self.found.problems.append(Problem(place, shown, message))
        return None

    def _zip(self) -> None:
        if "zip" not in self.entries:
            return
        value = self.entries["zip"]
        groups = [value] if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
        sound = (
            isinstance(groups, list)
            and groups
            and all(isinstance(group, list) and len(group) > 1 and all(isinstance(key, str) for key in group) for group in groups)
        )
        if not sound:
            self._problem(
                "zip", "must be a list of keys that move together, such as [learning_rate, batch_size], or several such lists"
            )
            return
        self.found.zips = [tuple(group) for group in groups]


def document_name(document: Document) -> str:
    """What a file calls its runs: its key name, or its stem."""
    name = document.values.get("name")
    return name if isinstance(name, str) else document.name
