"""Over random configs, drawn from the JSON Schema itself: schema, loader, hash and written YAML agree with one another."""

import json
import random
from typing import Any

import jsonschema
import pytest
import yaml
from choices import choice_of, shortest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.config import Config, config_from_mapping
from mlp_cli.config.resolved import NOT_HASHED, SCHEMA_FILE
from mlp_cli.errors import ConfigError
from mlp_cli.nn.losses import losses

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

BOUNDED = {"minimum": "min_value", "maximum": "max_value", "exclusiveMinimum": "min_value", "exclusiveMaximum": "max_value"}


def drawn_from(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a part of the JSON Schema admits."""
    if "$ref" in schema:
        return drawn_from(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if union := schema.get("anyOf", schema.get("oneOf")):
        return st.one_of(*map(drawn_from, union))
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    kind = schema["type"]
    if kind == "array":
        return st.lists(drawn_from(schema["items"]), max_size=3)
    if kind == "object":
        if "properties" not in schema:
            return st.dictionaries(st.sampled_from(["cat", "dog", "7"]), drawn_from(schema["additionalProperties"]), min_size=1)
        parts = {key: drawn_from(part) for key, part in schema["properties"].items()}
        required = {key: parts.pop(key) for key in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=parts)
    bounds = {BOUNDED[key]: limit for key, limit in schema.items() if key in BOUNDED}
    if kind == "integer":
        return st.integers(**({"min_value": 0, "max_value": 10**6} | bounds))
    if kind == "number":
        return st.floats(
            **bounds,
            exclude_min="exclusiveMinimum" in schema,
            exclude_max="exclusiveMaximum" in schema,
            allow_nan=False,
            allow_infinity=False,
        )
    return (
        st.booleans()
        if kind == "boolean"
        else st.from_regex(schema.get("pattern", ""), fullmatch=True)
        if kind == "string"
        else st.none()
    )


KEYS = {key: drawn_from(part) for key, part in SCHEMA["properties"].items() if key not in ("dataset", "engine", "dtype")}
KEYS["dtype"] = st.sampled_from(["float32", "float64"])
DATASETS = st.sampled_from(
    ["mnist", {"name": "fashion_mnist"}, {"name": "mnist", "validation": 0.25, "limit": 100}, {"path": "./a//b é"}]
)


def fitting(mapping: dict[str, Any]) -> dict[str, Any]:
    """The same with the lists for each layer brought to the length of hidden_sizes, and the monitor to the loss."""
    layers = len(mapping.get("hidden_sizes", [300]))
    for key in ("activation", "dropout"):
        if isinstance(mapping.get(key), list):
            mapping[key] = (mapping[key] * layers)[:layers] if mapping[key] else []
            if len(mapping[key]) != layers:
                del mapping[key]
    if isinstance(mapping.get("early_stopping"), dict):
        mapping["early_stopping"].pop("monitor", None)
        mapping["early_stopping"].pop("target", None)
    if mapping.get("batch_norm") not in (None, False):
        mapping.pop("layer_norm", None)
    if mapping.get("features") not in (None, "pca"):
        mapping.pop("augment", None)
    loss = mapping.get("loss", "cross_entropy")
    if losses[loss if isinstance(loss, str) else loss["name"]].task == "regression":
        mapping.pop("label_smoothing", None)
        mapping.pop("class_weight", None)
        mapping.pop("metrics", None)
    if losses[loss if isinstance(loss, str) else loss["name"]].task == "multi_label":
        mapping.pop("metrics", None)  # top_k is for one class a row
    return mapping


configs = st.fixed_dictionaries({"dataset": DATASETS}, optional=KEYS).map(fitting)


def same_run(one: Config, other: Config) -> bool:
    """Whether two configs differ in nothing that decides a run's bytes. Without hidden layers there is nothing to normalise."""
    kept = [{key: value for key, value in each.to_dict().items() if key not in NOT_HASHED} for each in (one, other)]
    first, second = (each | {"batch_norm": None} if each["hidden_sizes"] == [] else each for each in kept)
    return first == second


@given(configs)
def test_what_the_schema_admits_loads(mapping: dict[str, Any]) -> None:
    VALIDATOR.validate(mapping)
    config = config_from_mapping(mapping)
    VALIDATOR.validate(config.to_dict())


@given(configs)
def test_written_yaml_is_the_same_for_every_reader(mapping: dict[str, Any]) -> None:
    config = config_from_mapping(mapping)
    assert yaml.safe_load(config.to_yaml()) == config.to_dict()


@given(configs, configs, st.sampled_from(sorted(KEYS)))
def test_hashes_are_equal_for_equal_runs_alone(mapping: dict[str, Any], donor: dict[str, Any], key: str) -> None:
    changed = fitting(mapping | ({key: donor[key]} if key in donor else {}))
    one, other = config_from_mapping(mapping), config_from_mapping(changed)
    assert (one.hash() == other.hash()) == same_run(one, other)


@given(configs, st.randoms(use_true_random=False))
def test_neither_order_nor_defaults_nor_spelling_of_numbers_matter(mapping: dict[str, Any], shuffler: random.Random) -> None:
    config = config_from_mapping(mapping)
    whole = list(config.to_dict().items())
    shuffler.shuffle(whole)
    some = dict(whole) if shuffler.random() < 0.5 else dict(whole[: len(whole) // 2]) | mapping
    assert config_from_mapping(_as_floats(some)).hash() == config.hash()


def _as_floats(value: Any) -> Any:
    """Whole numbers as floats, all through: 10 as 10.0. Counts of rows stay, since 1.0 could be all of them."""
    if isinstance(value, dict):
        return {key: item if key == "dataset" else _as_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(configs)
def test_components_can_be_built(mapping: dict[str, Any]) -> None:
    config = config_from_mapping(mapping)
    for key in Config.model_fields:
        choice, value = choice_of(key), getattr(config, key)
        for part in value if isinstance(value, tuple) else (value,):
            if choice and part is not None:
                assert part.build() is not None


def as_list(default: Any) -> Any:
    """A default as a config writes it."""
    return list(default) if isinstance(default, tuple) else default


@pytest.mark.parametrize("key", [key for key in Config.model_fields if choice_of(key)])
def test_every_component_is_a_config(key: str) -> None:
    """By name, and with all its options as they are by default: one and the same run."""
    choice = choice_of(key)
    assert choice
    hashes = set()
    for name in choice.registry:
        value = shortest(choice, name)
        needed = {} if value == name else value
        short = config_from_mapping({"dataset": "mnist", key: value})
        written = short.to_dict()[key]
        options = {option.name: as_list(option.default) for option in choice.registry.options(name)} | needed
        assert (written[0] if isinstance(written, list) else written) == {"name": name} | options
        assert config_from_mapping({"dataset": "mnist", key: {"name": name} | options}).hash() == short.hash()
        hashes.add(short.hash())
    assert len(hashes) == len(list(choice.registry))


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from([*Config.model_fields, "beta_1", "lr"]), anything, max_size=6))
def test_any_mapping_is_a_config_or_a_config_error(mapping: dict[str, Any]) -> None:
    try:
        config_from_mapping({"dataset": "mnist"} | mapping)
    except ConfigError as error:
        assert all(char.isprintable() or char == "\n" for char in str(error))


@given(st.lists(st.text(alphabet="abeopstchzml_1.=:,[]{}&*!#'\" \t\n\0", max_size=25) | st.text(max_size=20), max_size=3))
def test_any_override_is_taken_or_a_config_error(overrides: list[str]) -> None:
    try:
        config_from_mapping({"dataset": "mnist"}, overrides)
    except ConfigError as error:
        assert "override" in str(error)


@given(st.sampled_from(list(Config.model_fields)), st.sampled_from(["", ".name", ".x", ".beta_1", ".patience"]), anything)
def test_any_value_of_an_override_is_taken_or_a_config_error(key: str, option: str, value: Any) -> None:
    try:
        config_from_mapping({"dataset": "mnist"}, [f"{key}{option}={value!r}"])
    except ConfigError as error:
        assert "override" in str(error)
