"""From a file or a mapping, changed by KEY=VALUE, to a config or to one error with every problem.

KEY=VALUE is the one dotted way to change a config, for the command line, sweeps and runs that go on. A value is YAML. It replaces
all that stood under its key, a component with its options included; a dotted key sets one option and keeps the rest, so
`optimizer.beta_1=0.8` turns `optimizer: adam` into a mapping. The last override of a key wins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from mlp_cli.config.problems import config_error, known_keys, translate
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import Config
from mlp_cli.config.yaml_lines import NOWHERE, Document, Place, Problem, read
from mlp_cli.data import catalogue
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.files import read_bytes
from mlp_cli.registry import nearest
from mlp_cli.text import one_line

MOST_BYTES = 256 * 1024


def load_config(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Config:
    """Reads, overrides and checks a config file. Errors: ConfigError, whose text lists every problem."""
    return resolve(read_document(path), overrides)


def config_from_mapping(mapping: Mapping[str, Any], overrides: Sequence[str] = (), source: str = "config") -> Config:
    """Checks a config given as plain values, such as `Config.to_dict()` makes; a missing name becomes "run".

    source: what messages call it. Errors: ConfigError, whose text lists every problem.
    """
    return resolve(Document(source, mapping), overrides)


def plain_values(value: Any) -> Any:
    """Values of Python's as YAML has them: NumPy's numbers and arrays as numbers and lists, tuples as lists, paths as texts."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain_values(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def resolve(document: Document, overrides: Sequence[str] = ()) -> Config:
    """The config of a document with overrides applied. Errors: ConfigError, whose text lists every problem."""
    found = check_document(document, overrides)
    if isinstance(found, Config):
        return found
    raise config_error(document.source, found)


def check_document(document: Document, overrides: Sequence[str] = ()) -> Config | list[Problem]:
    """The config of a document with overrides applied, or its problems."""
    changed = override(document, overrides)
    try:
        config = Config.model_validate({"name": document.name, **changed.values})
    except ValidationError as error:
        # What the text makes unreadable is no second problem.
        lines = {problem.place.line for problem in changed.problems} - {None}
        found = [each for each in translate(error, changed, Config.model_fields) if each.place.line not in lines]
        return [*changed.problems, *found]
    return list(changed.problems) or config


def override(document: Document, overrides: Sequence[str]) -> Document:
    """A copy with overrides applied in order; what is wrong with one is among its problems."""
    values, places, problems = document.values, dict(document.places), list(document.problems)
    for number, text in enumerate(overrides):
        place = Place(override=text, number=number)
        key, equals, written = text.partition("=")
        path, given = tuple(part.strip() for part in key.split(".")), read(written)
        found = [problem.message for problem in given.problems]
        if not equals or not all(path):
            found = ["must be KEY=VALUE, such as epochs=3"]
        elif not found:
            try:
                values = with_value(values, path, given.values)
                kept = {way: other for way, other in places.items() if way[: len(path)] != path}
                places = {path[: depth + 1]: place for depth in range(len(path))} | kept
            except UsageError as error:
                found = [error.message]
        problems += [Problem(place, text, message) for message in found]
    return replace(document, values=values, places=places, problems=tuple(problems))


def with_value(values: Mapping[str, Any], path: tuple[str, ...], value: Any, depth: int = 0) -> dict[str, Any]:
    """A copy of a mapping in which the rest of `path` has another value. Errors: UsageError where that has no options."""
    key = path[depth]
    if depth < len(path) - 1:
        default = Config.model_fields[key].default if depth == 0 and key in Config.model_fields else None
        below = values.get(key, default)
        if isinstance(below, str) and depth == 0:
            below = {"name": below}
        elif below is None or below is PydanticUndefined or isinstance(below, bool):
            below = {}
        if not isinstance(below, dict):
            name = one_line(".".join(path[: depth + 1]), 40)
            raise UsageError(f"{name} is {one_line(show(below), 40)} here, which takes no options; write {name}=VALUE")
        value = with_value(below, path, value, depth + 1)
    return {**values, key: value}


def read_document(path: str | os.PathLike[str]) -> Document:
    """Reads a config file, without checking its keys. Errors: ConfigError where it cannot be read or is no mapping."""
    source = os.fspath(path)
    if Path(source).suffix not in (".yaml", ".yml") and _is_table(source):
        shown = one_line(source, 200)
        raise ConfigError(
            f"{shown} is a table, and no config", f"name it in a config: dataset: {{path: {shown}, target: COLUMN}}"
        )
    try:
        content = read_bytes(Path(source), MOST_BYTES, ConfigError, pipe=True)
        document = read(content.decode("utf-8-sig"), source, Path(source).stem, lambda: known_keys(Config.model_fields))
    except ConfigError as error:
        raise ConfigError(one_line(error.message, 1000), _others(Path(source))) from None
    except UnicodeDecodeError as error:
        line, byte = content[: error.start].count(b"\n") + 1, error.object[error.start]
        message = f"not UTF-8: byte 0x{byte:02x} at position {error.start}; save the file as UTF-8"
        raise config_error(source, [Problem(Place(line), "", message)]) from None
    if isinstance(document.values, dict):
        return document
    like = "a config is made of lines like dataset: mnist"
    message = f"the file is empty; {like}" if document.values is None else f"is no mapping; {like}, with a space after the colon"
    shown = "" if document.values is None else document.text(())
    raise config_error(source, document.problems or [Problem(document.places.get((), NOWHERE), one_line(shown, 40), message)])


def _is_table(source: str) -> bool:
    from mlp_cli.data.own import is_table  # it loads all readers of data

    return is_table(source)


def _others(path: Path) -> str | None:
    """Where a file is missing: the first whose name begins so, else the one with the nearest name; of a known set, where it goes."""
    if str(path) in catalogue.names() and not path.exists():
        return f"a known data set is named in a config: dataset: {path}"
    with suppress(OSError):  # a name too long, a folder that may not be read
        names = {} if path.is_file() else {each.stem: each for each in path.parent.glob("*.y*ml")}
        near = next((name for name in sorted(names) if name.startswith(path.stem)), None) or nearest(path.stem, sorted(names))
        return None if near is None else one_line(f"did you mean {names[near]}?", 200)
    return None
