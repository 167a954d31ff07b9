"""Pydantic models made from constructor signatures: one for each registered component, and unions of them.

A component is written as a name or as a mapping of its name and options; both become the member's model.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationInfo, WrapValidator, create_model
from pydantic_core import CoreSchema, core_schema

from mlp_cli.config.block import either, listed, one_line
from mlp_cli.config.resolved import show
from mlp_cli.config.values import Checked, check_flag, empty_or, option_mark, wrong
from mlp_cli.registry import REQUIRED, Option, Registry, did_you_mean


class Options(BaseModel):
    """A mapping of options in a config."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    def options(self) -> dict[str, Any]:
        """What the constructor takes: every option, by name."""
        return {key: getattr(self, key) for key in type(self).model_fields if key != "name"}


def plain(value: Any) -> Any:
    """Models as dictionaries and tuples as lists, all through, every default filled in. Keys of a model that do not apply are
    left out: those that are None, where the model names others that are `always_written`."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if not isinstance(value, Options):
        return value
    always = getattr(value, "always_written", None)
    items = [(key, getattr(value, key)) for key in type(value).model_fields]
    return {key: plain(item) for key, item in items if item is not None or always is None or key in always}


def key(description: str, default: Any = ...) -> Any:
    """A key of a model, with its one-line description; required where it has no default."""
    return Field(default, description=description)


class FromOthers:
    """The default of a key whose default follows from another key."""


def filled(default: Callable[..., Any], *keys: str) -> WrapValidator:
    """Fills a key that is left out with what `default` makes of other keys, which stand before it."""

    def fill(value: Any, check: Callable[[Any], Any], info: ValidationInfo) -> Any:
        if value is not FromOthers:
            return check(value)
        return default(*(info.data[key] for key in keys)) if all(key in info.data for key in keys) else None

    return WrapValidator(fill)


class Component(Options):
    """A registered component: its name and its options, defaults filled in."""

    # The union that holds a component's model builds its validator; built for the model as well, it would cost twice the time.
    model_config = ConfigDict(defer_build=True)

    name: str


def options_model(constructor: Callable[..., Any], title: str) -> type[Options]:
    """The model of a constructor that a config sets by options alone."""
    parameters = inspect.signature(constructor).parameters.values()
    hints = get_type_hints(constructor.__init__ if inspect.isclass(constructor) else constructor, include_extras=True)
    options = [Option(parameter.name, hints[parameter.name], parameter.default) for parameter in parameters]
    fields: dict[str, Any] = {option.name: _field(option, described(constructor)) for option in options}
    summary = (inspect.getdoc(constructor) or "").partition("\n")[0]
    return create_model(title, __base__=Options, __doc__=summary, **fields)


def component_model(registry: Registry[Any], name: str) -> type[Component]:
    """The model of one member of a registry."""
    summary = registry.summary(name)
    texts = {key: text for member in (*registry, name) for key, text in described(registry[member]).items()}
    fields: dict[str, Any] = {option.name: _field(option, texts) for option in registry.options(name)}
    fields["name"] = (Literal[name], key(summary))
    return create_model(f"{registry.kind} {name}", __base__=Component, __doc__=summary, **fields)


def _field(option: Option, texts: dict[str, str]) -> tuple[Any, Any]:
    default = ... if option.default is REQUIRED else option.default
    return Annotated[Any, option_mark(option.annotation)], key(texts.get(option.name, option.name), default)


_DESCRIBED = re.compile(r"(?:^|\.\s+)((?:[a-z]\w*, )*[a-z]\w*): (.+?)(?=\.\s+(?!\d)|\.?\Z|\n\n)", re.MULTILINE | re.DOTALL)


@cache
def described(constructor: Callable[..., Any]) -> dict[str, str]:
    """What a constructor's docstring says of its options, in sentences of the form "option, other: text."."""
    found = _DESCRIBED.findall(inspect.getdoc(constructor) or "")
    return {name: " ".join(text.split()) for names, text in found for name in names.split(", ")}


class Choice:
    """The mark of a key whose value is a component: `Annotated[Component, Choice(registry)]`; optional: or null."""

    def __init__(self, registry: Registry[Any], optional: bool = False) -> None:
        self.registry = registry
        self.optional = optional
        self.models = {name: component_model(registry, name) for name in registry}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        models: Any = tuple(self.models.values())
        union: Any = Annotated[Union[models], Field(discriminator="name")]  # noqa: UP007 - made of a tuple
        if self.optional:
            union = union | None
        return core_schema.no_info_before_validator_function(self.expand, handler.generate_schema(union))

    def expand(self, value: Any) -> Any:
        """A name becomes a mapping. Errors: what is neither, or has no name."""
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Component) or (value is None and self.optional):
            return value
        if not isinstance(value, dict):
            accepted = f"the name of {'an' if self.kind[0] in 'aeio' else 'a'} {self.kind}"
            raise wrong(f"{empty_or(value, accepted)} (known: {self.known})")
        if not isinstance(value.get("name"), str):
            rest = {key: item for key, item in value.items() if key != "name"}
            fitting = [name for name, model in self.models.items() if rest.keys() <= model.model_fields.keys()]
            written = one_line(show({"name": (fitting or list(self.models))[0]} | rest))
            raise wrong(f"has no name; write {written}, for one (known: {self.known})")
        return value

    @property
    def kind(self) -> str:
        """What a member is called in messages."""
        return self.registry.kind

    @property
    def known(self) -> str:
        """The members' names, for messages."""
        return listed(list(self.models))

    def unknown(self, name: str) -> str:
        """The message for a name that no member has."""
        return f"unknown {self.kind}{did_you_mean(name, self.models) if len(name) < 60 else ''} (known: {self.known})"


class Switch:
    """The mark of a key that is off or a mapping of options: `Annotated[Options | None, Switch(model)]`; true means all defaults.

    Off is null, and false is understood.
    """

    def __init__(self, model: type[Options]) -> None:
        self.model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.expand, handler.generate_schema(self.model | None))

    def expand(self, value: Any) -> Any:
        """true becomes an empty mapping, off becomes None. Errors: what is neither of them nor a mapping."""
        if value is None or value is False:
            return None
        if isinstance(value, dict | Options):
            return value
        check_flag(value, f"true, false or a mapping of {either(list(self.model.model_fields))}")
        return {}


class ListOf:
    """The mark of a list, each item checked by itself: `Annotated[tuple[int, ...], ListOf(mark, what)]`.

    what: the list in words, for messages. hint: the fix for a value that is no list, or "".
    """

    def __init__(self, item: Checked, what: str, hint: Callable[[Any], str]) -> None:
        self.item = item
        self.what = what
        self.hint = hint

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        items = handler.generate_schema(tuple[Annotated[Any, self.item], ...])
        return core_schema.no_info_before_validator_function(self.check, items)

    def check(self, value: Any) -> Any:
        """Refuses what is no list."""
        if isinstance(value, list | tuple):
            return value
        raise wrong(empty_or(value, self.what) + self.hint(value))


class PerLayer:
    """The mark of a key that is one value for all hidden layers, or a list with one for each; it becomes a tuple of them.

    item: the type of one value; `choice` is its mark where that is a component.
    """

    def __init__(self, item: Any) -> None:
        self.item = item
        self.choice = next((mark for mark in get_args(item)[1:] if isinstance(mark, Choice)), None)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        items: Any = tuple[self.item, ...]  # type: ignore[name-defined]
        return core_schema.with_info_wrap_validator_function(self.fill, handler.generate_schema(items))

    def fill(self, value: Any, check: Callable[[Any], tuple[Any, ...]], info: ValidationInfo) -> tuple[Any, ...]:
        """The checked values, one a layer. Errors: a list of another length than hidden_sizes."""
        single = not isinstance(value, list | tuple)
        items = check([value] if single else value)
        if "hidden_sizes" not in info.data:  # unsound itself
            return items
        layers = len(info.data["hidden_sizes"])
        if single:
            return items * layers
        if len(items) != layers:
            counts = f"has {_count(len(items), 'value')}, and hidden_sizes has {_count(layers, 'layer')}"
            raise wrong(f"{counts}; give one value for all layers, or a list with one for each")
        return items


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
