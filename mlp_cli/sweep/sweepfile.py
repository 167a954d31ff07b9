"""The sweep file: a base config and what varies. Reading it, every problem at once, and writing the resolved `sweep.yaml`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError

from mlp_cli.config import Document, read_document
from mlp_cli.config.block import NOWHERE, Problem, either, listed, one_line
from mlp_cli.config.reading import Node, Refused
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.config.values import check_number, run_name, wrong
from mlp_cli.errors import ConfigError
from mlp_cli.registry import MOST, Range, nearest
from mlp_cli.sweep.axes import Choices, Domain, Setting
from mlp_cli.sweep.parts import Part, part_of
from mlp_cli.sweep.specs import FORMS, has_function, parse

KEYS = ("name", "base", "parameters", "zip", "seeds", "sampler", "trials", "pruner", "metric", "mode")
OWN = ("base", "parameters", "zip", "seeds", "sampler", "trials", "pruner", "metric", "mode")
"""Keys that no config has: by these a sweep file is known."""

MODES = ("max", "min")
METRICS = ("val_loss", "val_accuracy", "val_r2", "train_loss", "train_accuracy", "train_r2")
MOST_SEEDS = 10_000
SEEDS = Range(ge=0, le=2**32 - 1)


@dataclass
class Source:
    """What a sweep is made from, as far as a file says it: a plain config is all base.

    name: None where neither file says it. parameters: the swept keys. zips: keys that move together. seeds: how many, from the
    base's seed on, or which; the place of each in the file is kept for messages. problems: of the sweep file alone.
    """

    path: str
    base: Document | None
    name: str | None = None
    parameters: list[Setting] = field(default_factory=list)
    zips: list[tuple[str, ...]] = field(default_factory=list)
    seeds: int | tuple[int, ...] | None = None
    sampler: Part | None = None
    trials: int | None = None
    pruner: Part | None = None
    metric: str | None = None
    mode: str | None = None
    zip_node: Node | None = None
    metric_node: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    base_error: ConfigError | None = None


def read_source(path: str | os.PathLike[str]) -> Source:
    """Reads a config or a sweep file. Errors: ConfigError where it cannot be read, or is a mapping of neither kind."""
    document = read_document(path)
    return _Reader(document).read() if _is_sweep(document) else Source(document.source, document)


def is_sweep_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a sweep file, and no config; False for one that cannot be read, or only once, such as a pipe."""
    try:
        return os.path.isfile(path) and _is_sweep(read_document(path))
    except ConfigError:
        return False


def _is_sweep(document: Document) -> bool:
    entries = document.root.value
    return isinstance(entries, dict) and bool(set(OWN) & set(entries))


class _Reader:
    """One pass over a sweep file's keys, which gathers the problems."""

    def __init__(self, document: Document) -> None:
        self.document = document
        assert isinstance(document.root.value, dict)
        self.entries = document.root.value
        self.found = Source(document.source, None, problems=list(document.problems))

    def read(self) -> Source:
        found = self.found
        self._refuse_unknown()
        self._base()
        self._parameters()
        self._zip()
        found.name = self._checked("name", run_name().check) or self._name_of_base() or document_name(self.document)
        found.seeds = self._checked("seeds", _check_seeds)
        found.sampler = self._checked("sampler", lambda value: part_of("sampler", value))
        found.pruner = self._checked("pruner", lambda value: part_of("pruner", value))
        found.trials = self._checked("trials", lambda value: check_number(value, int, Range(ge=1, le=MOST)))
        found.metric, found.metric_node = self._checked("metric", check_metric), self.entries.get("metric")
        found.mode = self._checked("mode", lambda value: _one_of(value, MODES))
        return found

    def _problem(self, key: str, message: str, node: Node | None = None) -> None:
        node = self.entries.get(key) if node is None else node
        if node is None:
            self.found.problems.append(Problem(NOWHERE, key, message))
        else:
            self.found.problems.append(Problem(node.place, f"{key}: {node.source()}".rstrip(), message))

    def _refuse_unknown(self) -> None:
        for key, node in self.entries.items():
            if key in KEYS or isinstance(node.value, Refused):
                continue
            if key in Config.model_fields:
                self._problem(key, "unknown key; belongs under base, or under parameters if it varies")
            else:
                near = nearest(key, KEYS)
                self._problem(key, f"unknown key; did you mean {near}?" if near else f"unknown key; known: {listed(KEYS)}")

    def _checked(self, key: str, check: Callable[[Any], Any]) -> Any:
        """The value of a key as `check` makes it; None where it is left out, or wrong and noted."""
        node = self.entries.get(key)
        if node is None or isinstance(node.value, Refused):
            return None
        try:
            return check(node.plain())
        except PydanticCustomError as error:
            self._problem(key, error.message())
            return None

    def _base(self) -> None:
        node = self.entries.get("base")
        if node is None:
            self._problem("base", "is required; write base: and the path of a config, or a mapping of its keys")
        elif isinstance(node.value, dict):
            self.found.base = Document(self.document.source, node, self.document.name)
        elif isinstance(node.value, str) and node.value:
            path = Path(self.document.source).parent / node.value
            try:
                base = read_document(path)
            except ConfigError as error:
                self.found.base_error = error
                return
            if _is_sweep(base):
                self._problem("base", "is a sweep file; a base must be a plain config")
            else:
                self.found.base = base
        elif not isinstance(node.value, Refused):
            self._problem("base", "must be the path of a config, or a mapping of its keys")

    def _name_of_base(self) -> str | None:
        """A name that the file itself gives, inside an inline base."""
        base = self.entries.get("base")
        node = base.value.get("name") if base is not None and isinstance(base.value, dict) else None
        return node.value if node is not None and isinstance(node.value, str) else None

    def _parameters(self) -> None:
        node = self.entries.get("parameters")
        if node is None or isinstance(node.value, Refused):
            return
        if not isinstance(node.value, dict):
            self._problem("parameters", "must be a mapping: a line such as learning_rate: [1e-3, 1e-2] for each key that varies")
            return
        for key, values in node.value.items():
            if isinstance(values.value, Refused):
                continue
            shown = f"{key}: {values.source()}"
            domain = self._domain(key, values, shown)
            if domain is not None:
                places = tuple(item.place for item in values.value) if isinstance(values.value, list) else ()
                self.found.parameters.append(Setting(key, domain, False, shown, values.place, places))

    def _domain(self, key: str, node: Node, shown: str) -> Domain | None:
        """A parameter's axis; None where it is wrong and noted. A text is read as on the command line, a list as it stands."""
        message = f"must be a list of values, or a distribution such as {FORMS['loguniform'].rpartition('such as ')[2]}"
        if isinstance(node.value, list) and has_function(node):
            message = f"a function stands without brackets; write {key}: {node.source()[1:-1]}"
        elif isinstance(node.value, list) and node.value:
            return Choices(tuple(show(item.plain()) for item in node.value))
        elif isinstance(node.value, str) and node.value:
            parsed = parse(node.value, shown, node.place)
            if isinstance(parsed, list):
                self.found.problems += parsed
                return None
            return Choices((show(node.value),)) if parsed is None else parsed
        elif isinstance(node.value, bool | int | float):
            return Choices((show(node.value),))
        elif isinstance(node.value, dict) and node.value:
            message += f"; for a nested key write {one_line(f'{key}.{next(iter(node.value))}', 40)}: [...]"
        self.found.problems.append(Problem(node.place, shown, message))
        return None

    def _zip(self) -> None:
        node = self.entries.get("zip")
        if node is None or isinstance(node.value, Refused):
            return
        value = node.plain()
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
        self.found.zip_node = node


def document_name(document: Document) -> str:
    """What a file calls its runs: its key name, or its stem."""
    entries = document.root.value
    node = entries.get("name") if isinstance(entries, dict) else None
    return node.value if node is not None and isinstance(node.value, str) else document.name


def _check_seeds(value: Any) -> int | tuple[int, ...]:
    if isinstance(value, list):
        if not value:
            raise wrong("has no seeds")
        return tuple(dict.fromkeys(int(check_number(item, int, SEEDS)) for item in value))
    return int(check_number(value, int, Range(ge=1, le=MOST_SEEDS), ", or a list of seeds"))


def check_metric(value: Any) -> str:
    """The name of a metric that may choose a winner; raises the config's error for another."""
    if isinstance(value, str) and value.startswith("test_"):
        raise wrong("the test set never chooses; write val_accuracy or val_loss")
    return _one_of(value, METRICS)


def _one_of(value: Any, accepted: Sequence[str]) -> str:
    if value in accepted:
        return str(value)
    near = nearest(value, accepted) if isinstance(value, str) and len(value) < 60 and len(accepted) > 3 else None
    raise PydanticCustomError(
        "config", "{message}", {"message": f"must be {either(accepted)}" + (f"; did you mean {near}?" if near else "")}
    )
