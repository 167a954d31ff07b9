"""Single values: what a person means is taken, what is wrong is said with its fix."""

from typing import Any

import pytest

from mlp_cli.config import config_from_mapping
from mlp_cli.config.yaml_lines import read, scalar
from mlp_cli.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("1.e2", 100.0),
        (".5", 0.5),
        ("+7", 7),
        ("-0", 0),
        ("10.0", 10.0),
        ("true", True),
        ("False", False),
        ("NULL", None),
        ("~", None),
        ("", None),
        ("-.inf", float("-inf")),
        ("tRUE", "tRUE"),
        ("no", "no"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("nan", "nan"),
        ("1e", "1e"),
        ("٣", "٣"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    assert scalar(text) == value and type(scalar(text)) is type(value)
    assert read(f"'{text}'").values == text, "in quotes everything is text"


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ('"0.1"', "remove the quotes"),
        ("0,001", "greater than 0; write 0.001"),
        ("1_000.5", "greater than 0"),
        ("010", "greater than 0"),
        ("5%", "greater than 0"),
        ("nan", "greater than 0"),
        ("-Infinity", "greater than 0"),
        ("true", "greater than 0"),
        ("[1e-3, 1e-2]", "greater than 0"),
        ("{a: 1}", "greater than 0"),
    ],
)
def test_numbers_written_in_other_ways(written: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"dataset": "mnist"}, [f"learning_rate={written}"])
    assert str(caught.value).endswith(hint) and "must be a number, greater than 0" in str(caught.value)


@pytest.mark.parametrize("written", ["1e999", "-1e999", ".nan", ".inf", "9" * 400])
@pytest.mark.parametrize("key", ["learning_rate", "epochs", "seed", "dropout", "batch_size"])
def test_numbers_must_be_finite(key: str, written: str) -> None:
    with pytest.raises(ConfigError, match="must be a"):
        config_from_mapping({"dataset": "mnist"}, [f"{key}={written}"])


@pytest.mark.parametrize(("word", "hint"), [("yes", ""), ("ON", ""), ("1", ""), ("off", ""), ("'true'", "; remove the quotes")])
def test_only_true_and_false_switch(word: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"must be true, false or a mapping of momentum or epsilon{hint}$"):
        config_from_mapping({"dataset": "mnist"}, [f"batch_norm={word}"])


@pytest.mark.parametrize("value", [-0.0, 0, 0.0, False])
def test_zero_is_zero(value: Any) -> None:
    if value is False:
        with pytest.raises(ConfigError, match="must be a number"):
            config_from_mapping({"dataset": "mnist", "l1": value})
    else:
        assert str(config_from_mapping({"dataset": "mnist", "l1": value}).l1) == "0.0"


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "0", "x" * 100, "1e-3"])
def test_good_names(name: str) -> None:
    assert config_from_mapping({"dataset": "mnist", "name": name}).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "-x", "_x", "a/b", "a b", "é", "a\n", "x" * 101, "a\0", "CON:", None, 3, True]
)
def test_bad_names(name: Any) -> None:
    with pytest.raises(ConfigError, match="name: "):
        config_from_mapping({"dataset": "mnist", "name": name})
