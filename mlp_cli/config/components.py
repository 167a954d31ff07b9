"""Pydantic models made from constructor signatures, and the short forms in which a config writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from inspect import isclass
from typing import Annotated, Any, ClassVar, Literal, Union, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationInfo, WrapValidator, create_model
from pydantic.annotated_handlers import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.type_adapter import TypeAdapter
from pydantic.types import GetPydanticSchema
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema
from typing_extensions import Doc

from mlp_cli.config.resolved import show
from mlp_cli.registry import REQUIRED, Registry, options_of, summary_of, text_of
from mlp_cli.text import counted, either, listed, one_line


class Options(BaseModel):
    """A mapping of options in a config. An option's text is the `Doc` of its annotation.

    A model's validator is built when it first checks something: a command meets few of them.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, defer_build=True
    )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler.resolve_ref_schema(handler(schema))
        for key, field in cls.model_fields.items():
            found["properties"][key].pop("title", None)
            found["properties"][key]["description"] = text_of(field.rebuild_annotation()) or key
        return found


class Component(Options):
    """A registered component: its name and its options, defaults filled in. constructor: what takes the options."""

    constructor: ClassVar[Callable[..., Any]]
    name: str

    def options(self) -> dict[str, Any]:
        """What the constructor takes: every option, by name."""
        return {key: value for key, value in self if key != "name"}

    def build(self) -> Any:
        """A new component, made from the options."""
        return type(self).constructor(**self.options())


@cache
def options_model(constructor: Callable[..., Any], base: type[Options] = Options, name: str = "") -> Any:
    """The model of a constructor's options; of a component, with its name."""
    options: Any = {
        each.name: (each.annotation, ... if each.default is REQUIRED else each.default) for each in options_of(constructor)
    }
    summary = summary_of(constructor)
    named: Any = {"name": (Annotated[Literal[name], Doc(summary)], ...)} if name else {}
    model = create_model(name or constructor.__name__, __base__=base, __doc__=summary, **options, **named)
    if issubclass(model, Component):
        model.constructor = constructor
    return model


def wrong(message: str) -> PydanticCustomError:
    """The error of a check of our own; `message` is what is shown."""
    return PydanticCustomError("config", "{message}", {"message": message})


class Choice:
    """The mark of a component, written as a name or a mapping: `Annotated[Component, Choice(registry)]`."""

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    @property
    def models(self) -> dict[str, Any]:
        """All components' models by name."""
        return {name: options_model(constructor, Component, name) for name, constructor in self.registry.items()}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        members: Any = Annotated[Union[tuple(self.models.values())], Field(discriminator="name")]  # noqa: UP007
        ready = [name for name in self.registry if all(each.default is not REQUIRED for each in self.registry.options(name))]
        return handler(TypeAdapter(Literal[tuple(ready)] | members if ready else members).core_schema)

    def check(self, value: Any) -> Any:
        """A value of the config as a component, whose model is made here: a config names a few of many.

        Errors: pydantic's, of an unknown name or of wrong options.
        """
        written = self.expand(value)
        name = written["name"] if isinstance(written, dict) else written.name
        if not isinstance(name, str) or name not in self.registry:
            known = ", ".join(map(repr, self.registry))
            raise PydanticKnownError("union_tag_invalid", {"discriminator": "'name'", "tag": str(name), "expected_tags": known})
        return options_model(self.registry[name], Component, name).model_validate(written)

    def expand(self, value: Any) -> Any:
        """A name becomes a mapping. Errors: what is neither, or has no name."""
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Component) or (isinstance(value, dict) and "name" in value):
            return value
        kind, known = self.registry.kind, f"(known: {listed(list(self.registry))})"
        if not isinstance(value, dict):
            raise wrong(f"must be the name of {'an' if kind[0] in 'aeio' else 'a'} {kind} {known}")
        fitting = [name for name, model in self.models.items() if value.keys() <= model.model_fields.keys()]
        written = show({"name": (fitting or list(self.registry))[0]} | value)
        raise wrong(f"has no name; write {one_line(written)}, for one {known}")


class Switch:
    """The mark of what is off (None) or a mapping of options: `Annotated[Options | None, Switch(model)]`; true: all defaults."""

    def __init__(self, model: type[Options]) -> None:
        self.models = {"": model}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        model: Any = self.models[""]
        return handler.generate_schema(Annotated[model | None, BeforeValidator(self.expand, bool | None | model)])

    def expand(self, value: Any) -> Any:
        """true becomes an empty mapping, false None. Errors: what is neither, nor null or a mapping."""
        if not isinstance(value, bool | dict | Options | None):
            raise wrong(f"must be true, false or a mapping of {either(list(self.models[''].model_fields))}")
        return ({} if value else None) if isinstance(value, bool) else value


class PerLayer:
    """The mark of one value for all hidden layers, or a list with one for each: `Annotated[tuple[X, ...], PerLayer()]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(Annotated[source, Strict(False), WrapValidator(self.fill)])

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}

    def fill(self, value: Any, check: Callable[[Any], tuple[Any, ...]], info: ValidationInfo) -> tuple[Any, ...]:
        """The checked values, one a layer. Errors: a list of another length than hidden_sizes."""
        single = not isinstance(value, list | tuple)
        items = check([value] if single else value)
        layers = len(info.data.get("hidden_sizes", items))  # left out where it is wrong itself
        if not single and len(items) != layers:
            counts = f"has {counted(len(items), 'value')}, and hidden_sizes has {counted(layers, 'layer')}"
            raise wrong(f"{counts}; give one value for all layers, or a list with one for each")
        return items * layers if single else items


def one_of(*names: str | int) -> GetPydanticSchema:
    """The mark of a text from a list that is known only to the running program; elsewhere `Literal` does."""
    return GetPydanticSchema(lambda source, handler: core_schema.literal_schema(list(names)))


def follows(default: Callable[[Mapping[str, Any]], Any]) -> Any:
    """The field of a key that is left out: `default` makes its value from the keys before it, which it gets as plain values."""
    return Field(default_factory=lambda before: default(plain(before)))


def plain(value: Any) -> Any:
    """Models as mappings and tuples as lists, all through."""
    if isinstance(value, dict | Options):
        return {key: plain(item) for key, item in (value.items() if isinstance(value, dict) else value)}
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def models_in(annotation: Any) -> Mapping[str, type[Options]]:
    """The models of the mappings that a key accepts, by its annotation: by component, or under "" where there is no choice."""
    is_model = isclass(annotation) and issubclass(annotation, Options)
    own = {"": annotation} if is_model else getattr(annotation, "models", {})
    return next(filter(None, (own, *map(models_in, reversed(get_args(annotation))))), {})
