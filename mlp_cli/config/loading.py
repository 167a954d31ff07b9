"""From a file, a mapping and overrides to a config, or to one error with every problem."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlp_cli.config import overrides as overriding
from mlp_cli.config.block import NOWHERE, Problem, config_error, listed, one_line
from mlp_cli.config.problems import translate
from mlp_cli.config.reading import MOST_BYTES, Node, Reading, decode, read
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.config.values import safe_name
from mlp_cli.errors import ConfigError, cause_of
from mlp_cli.files import read_bytes
from mlp_cli.registry import nearest

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Document:
    """A config as it was written, before it is checked; overrides may be applied to it again and again.

    source: what messages call it. root: a mapping. problems: of the text, such as duplicate keys.
    name: the run's name unless the config has one.
    """

    source: str
    root: Node
    name: str
    problems: list[Problem] = field(default_factory=list)


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Reads, overrides and checks a config file.

    overrides: texts KEY=VALUE (see `overrides`). Errors: ConfigError, whose text lists every problem.
    """
    return resolve(read_document(path), overrides)


def config_from_mapping(mapping: Mapping[str, Any], overrides: Sequence[str] = (), source: str = "config") -> Config:
    """Checks a config given as plain values, such as `Config.to_dict()` makes; a missing name becomes "run".

    source: what messages call it. Errors: ConfigError, whose text lists every problem.
    """
    return resolve(Document(source, node_of(mapping), "run"), overrides)


def read_document(path: str | os.PathLike[str]) -> Document:
    """Reads a config file, without checking its keys. Errors: ConfigError where it cannot be read or is no mapping."""
    source = os.fspath(path)
    text = decode(_content(Path(source)))
    reading = text if isinstance(text, Reading) else read(text)
    root = reading.root
    if root is None:
        raise config_error(source, reading.problems)
    if not isinstance(root.value, dict):
        raise config_error(source, [*reading.problems, _not_a_mapping(root)])
    return Document(source, root, Path(source).stem, reading.problems)


def resolve(document: Document, overrides: Sequence[str] = ()) -> Config:
    """The config of a document with overrides applied. Errors: ConfigError, whose text lists every problem."""
    root, problems = overriding.apply(document.root, overrides)
    problems = [*document.problems, *problems]
    values = root.plain()
    try:
        config = Config.model_validate({"name": document.name} | values)
    except ValidationError as error:
        details: Any = error.errors(include_url=False, include_input=False)
        if "name" not in values:
            problems += [_bad_stem(document.name) for detail in details if detail["loc"] == ("name",)]
            details = [detail for detail in details if detail["loc"] != ("name",)]
        raise config_error(document.source, problems + translate(details, root)) from None
    if problems:
        raise config_error(document.source, problems)
    return config


def node_of(value: Any) -> Node:
    """A node made from plain values, as of a JSON document; a value of any other type is left for the checks to refuse."""
    if isinstance(value, Mapping):
        return Node({str(key): node_of(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return Node([node_of(item) for item in value])
    return Node(value, text=show(value))


def _not_a_mapping(root: Node) -> Problem:
    if root.value is None:
        return Problem(NOWHERE, "", "the file is empty; a config needs at least one line: dataset: mnist")
    like = "a config is made of lines like dataset: mnist"
    if isinstance(root.value, list):
        return Problem(root.place, one_line(root.source(), 40), f"is a list; {like}")
    hint = "; put a space after the colon" if ":" in root.source() else ""
    return Problem(root.place, one_line(root.source(), 40), f"is a single value; {like}{hint}")


def _bad_stem(stem: str) -> Problem:
    return Problem(
        NOWHERE, "name", f'the file\'s own name, "{one_line(stem, 40)}", cannot name a run; write name: {safe_name(stem)}'
    )


def _content(path: Path) -> bytes:
    """The file's bytes. Errors: ConfigError with the nearest file there is."""
    shown = one_line(str(path), 200)
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:  # a name too long, a folder that may not be entered
        raise ConfigError(f"cannot read {shown}: {cause_of(error)}") from error
    if is_folder:
        found = _configs_in(path)
        hint = f"name one of its files: {listed(found, 10)}" if found else "it holds no .yaml file"
        raise ConfigError(f"{shown} is a folder, not a config file", hint)
    if not is_there:
        raise ConfigError(f"no such config file: {shown}", _hint_for_missing(path))
    return read_bytes(path, MOST_BYTES, ConfigError, pipe=True)


def _configs_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.suffix in SUFFIXES)
    except OSError:
        return []


def _hint_for_missing(path: Path) -> str | None:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {one_line(str(folder), 200)}"
    found = _configs_in(folder)
    stems = {Path(name).stem: name for name in found}
    match = stems.get(nearest(path.stem, stems) or "")
    if match:
        return f"did you mean {one_line(str(folder / match), 200)}?"
    return f"its folder has {one_line(listed(found, 10), 200)}" if found else "its folder has no .yaml file"
