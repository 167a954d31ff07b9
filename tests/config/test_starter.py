"""The JSON Schema and the starter follow from the signatures and are never stale; shipped configs are valid in every way."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mlp_cli.config import load_config, resolve
from mlp_cli.config.resolved import SCHEMA_FILE
from mlp_cli.config.schema import Config
from mlp_cli.config.starter import schema_text, starter
from mlp_cli.config.yaml_lines import read
from mlp_cli.errors import UsageError
from mlp_cli.sweep.halving import pruners
from mlp_cli.sweep.samplers import samplers

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(
    path
    for path in (ROOT / "configs").rglob("*.yaml")
    if path.name != "claims.yaml" and "base:" not in path.read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads(schema_text())  # type: ignore[no-any-return]


def test_schema_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: make schema"


def test_schema_is_a_schema_of_each_key(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Config.model_fields)


def mappings(node: Any) -> Iterator[dict[str, Any]]:
    """The keys of all mappings in a part of the schema."""
    if isinstance(node, dict):
        yield from [node["properties"]] if "properties" in node else ()
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from mappings(part)


def test_editors_show_a_sentence_for_each_option(schema: dict[str, Any]) -> None:
    texts = {key: entry["description"] for keys in mappings(schema) for key, entry in keys.items()}
    texts |= {
        option.name: option.text for registry in (samplers, pruners) for name in registry for option in registry.options(name)
    }
    assert len(texts) > 60
    for key, text in texts.items():
        assert re.match("[A-Z0-9].* .*[.]$", text.splitlines()[0]), f"{key}: {text!r} is no sentence"


def test_editors_know_names_options_and_defaults(schema: dict[str, Any]) -> None:
    names, mapping = schema["properties"]["optimizer"]["anyOf"]
    assert "adam" in names["enum"] and schema["properties"]["optimizer"]["default"] == "adam"
    adam = schema["$defs"][mapping["discriminator"]["mapping"]["adam"].rpartition("/")[2]]
    assert adam["properties"]["beta_1"]["default"] == 0.9 and adam["properties"]["beta_1"]["exclusiveMaximum"] == 1
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())
    assert schema["required"] == ["dataset"] and schema["additionalProperties"] is False


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs(path: Path, schema: dict[str, Any]) -> None:
    text = path.read_text(encoding="utf-8")
    load_config(path)
    numbers = yaml.SafeLoader(text.replace("1e-", "1.0e-").replace("2e-", "2.0e-").replace("5e-", "5.0e-"))
    jsonschema.Draft202012Validator(schema).validate(numbers.get_single_data())
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert any("Command:" in line for line in head) and any("Expected:" in line for line in head), (
        "each config says what to expect"
    )
    assert f"mlp train {path.relative_to(ROOT)}" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1},
        {"optimizer": "adm"},
        {"hiden_sizes": [3]},
        {"optimizer": {"name": "sgd", "beta_1": 0.9}},
        {"learning_rate": "fast"},
    ],
)
def test_schema_refuses_what_the_config_refuses(wrong: dict, schema: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"dataset": "mnist"} | wrong)


def test_starter_shows_every_key_and_is_valid(tmp_path: Path) -> None:
    text = starter("first")
    assert text.startswith("# yaml-language-server: $schema=mlp.schema.json\n")
    assert re.search("\n  # beta_1: 0.9 +# [A-Z].*[.]\n", text), "options are there, with a sentence each"
    assert all(re.search("# [A-Z0-9].*[.]$", line) for line in text.split("\n\n")[1].splitlines())
    for key in Config.model_fields:
        assert re.search(rf"\n(# )?{key}:", text), key
    (tmp_path / "first.yaml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "first.yaml").name == "first"


def test_each_comment_of_the_starter_can_be_taken_alone() -> None:
    lines = starter("first").split("\n\n")[1].splitlines()
    places = [number for number, line in enumerate(lines) if re.match(" *# ", line)]
    assert len(places) > 20
    for place in places:
        text = "\n".join([*lines[:place], lines[place].replace("# ", "", 1), *lines[place + 1 :]])
        key = lines[place].strip("# ").partition(":")[0]
        written = resolve(read(text, "first.yaml"), []).model_dump()
        assert key in str(written), lines[place]


def test_the_starters_table_takes_the_place_of_its_set() -> None:
    _, known, own = starter("first").rstrip().split("\n\n")
    rest = re.sub(r"\n(dataset|loss):.*?\n(?=\w)", "\n", known, flags=re.DOTALL)
    table = "\n".join(line.removeprefix("# ") for line in own.splitlines()[1:])
    config = resolve(read(f"{rest}\n{table}", "first.yaml"), [])
    assert (config.dataset.path, config.dataset.target, config.loss.name) == ("my_table.csv", "price", "mse")


def test_starter_needs_a_good_name() -> None:
    with pytest.raises(UsageError, match=r"name: ../x    must be letters, digits, . _ or -, .*; write x"):
        starter("../x")
