"""The JSON Schema and the starter follow from the signatures and are never stale; shipped configs are valid in every way."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from mlp_cli.config import load_config
from mlp_cli.config.schema import Config, json_schema
from mlp_cli.config.starter import SCHEMA_FILE, schema_text, starter
from mlp_cli.errors import UsageError

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if "base:" not in path.read_text(encoding="utf-8"))


def test_schema_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run: make schema"


def test_schema_is_a_schema_with_a_description_for_each_key() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Config.model_fields)
    for key, entry in schema["properties"].items():
        assert len(entry["description"]) > 8, key


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    load_config(path)
    numbers = yaml.SafeLoader(text.replace("1e-", "1.0e-").replace("2e-", "2.0e-").replace("5e-", "5.0e-"))
    jsonschema.validate(numbers.get_single_data(), json_schema())
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
def test_schema_refuses_what_the_config_refuses(wrong: dict) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"dataset": "mnist"} | wrong, json_schema())


def test_starter_shows_every_key_and_is_valid(tmp_path: Path) -> None:
    text = starter("first")
    for key in Config.model_fields:
        assert f"\n{key}: " in text or f"\n# {key}: " in text, key
    (tmp_path / "first.yaml").write_text(text, encoding="utf-8")
    assert load_config(tmp_path / "first.yaml").name == "first"


def test_starter_needs_a_good_name() -> None:
    with pytest.raises(UsageError, match=r"name: ../x    must be letters, digits, . _ or -, .*; write x"):
        starter("../x")
