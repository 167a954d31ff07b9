"""What a config is made from: options and texts out of signatures, and models that nobody can change."""

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest
from typing_extensions import Doc

from mlp_cli.config import config_from_mapping
from mlp_cli.config.components import Choice, Component
from mlp_cli.config.dataset import FOLLOWING, Dataset
from mlp_cli.config.problems import check
from mlp_cli.data import catalogue
from mlp_cli.data.load import usual_options
from mlp_cli.data.synthetic import synthetic
from mlp_cli.errors import UsageError
from mlp_cli.registry import Fraction, Positive, Registry

Warmup = Annotated[float, Doc("Of the alias.")]

optimizers: Registry[Any] = Registry("optimizer")


@optimizers.register
class Gd:
    """Goes down. And on."""

    def __init__(
        self,
        step: Annotated[Positive, Doc("How far each step goes.")],
        momentum: Fraction = 0.0,
        rule: Annotated[Literal["a", "b"] | None, Doc("What it follows.")] = None,
        warmup: Annotated[Warmup | None, Doc("Of the option.")] = None,
        rounds: Warmup | None = None,
        loud: bool = False,
    ) -> None: ...


CHOICE = Annotated[Component, Choice(optimizers)]


def test_texts_come_from_the_signature() -> None:
    texts = {option.name: option.text for option in optimizers.options("gd")}
    assert texts == {
        "step": "How far each step goes.",
        "momentum": "",
        "rule": "What it follows.",
        "warmup": "Of the option.",
        "rounds": "Of the alias.",
        "loud": "",
    }
    schema = Choice(optimizers).models["gd"].model_json_schema()
    shown = {key: node["description"] for key, node in schema["properties"].items()}
    assert shown == texts | {"name": "Goes down. And on.", "momentum": "momentum", "loud": "loud"}
    assert schema["required"] == ["name", "step"] and schema["additionalProperties"] is False


def test_options_are_checked_by_the_signature() -> None:
    component = check(CHOICE, "optimizer", {"name": "gd", "step": 1, "rule": "b"})
    options = {"step": 1.0, "momentum": 0.0, "rule": "b", "warmup": None, "rounds": None, "loud": False}
    assert component.model_dump() == {"name": "gd"} | options
    assert isinstance(component.step, float)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("gd", "has no step, which is required"),
        ("dg", "unknown optimizer (known: gd)"),
        (3, "must be the name of an optimizer (known: gd)"),
        ({"step": 1}, "has no name; write {name: gd, step: 1}, for one (known: gd)"),
        (
            {"name": "gd", "step": 0, "momentum": True, "rule": "c", "loud": "yes", "stp": 1},
            "step: must be greater than 0; momentum: must be a number, at least 0 and less than 1; "
            "rule: must be a or b; loud: must be true or false; stp: unknown key; did you mean step?",
        ),
    ],
)
def test_all_that_is_wrong_is_said_at_once(value: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(CHOICE, "optimizer", value)
    assert caught.value.message == said


def test_a_config_cannot_be_changed() -> None:
    config = config_from_mapping({"dataset": "mnist"})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        config.optimizer.name = "sgd"


def test_importing_the_config_loads_nothing_heavy() -> None:
    code = "import sys, mlp_cli.config.overrides; print(*({'pandas', 'matplotlib', 'scipy', 'pooch', 'tqdm', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", list(synthetic))
def test_options_of_a_generated_set_are_options_of_the_dataset(name: str) -> None:
    """With the very type that the set's function asks for, so that the config checks what the function takes."""
    for option in synthetic.options(name):
        assert Dataset.model_fields[option.name].annotation == option.annotation | None, option.name
        found = config_from_mapping({"dataset": name}).dataset
        assert getattr(found, option.name) == option.default, option.name


def test_an_option_that_few_sets_take_goes_with_one_of_them() -> None:
    sets = [(name, None) for name in catalogue.names()] + [(None, path) for path in ("a.csv", "a.npy", "a")]
    takers = {key: [each for each in sets if key in usual_options(*each, "stratified")] for key in FOLLOWING}
    assert {key for key, found in takers.items() if len(found) == len(sets)} == {"validation", "test", "scale"}
    assert all(takers.values())
    assert {key for key, words in FOLLOWING.items() if words is None} == {key for key, found in takers.items() if found[0][0]}


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("mnist", {"scale": "unit", "validation": 5000, "test": None, "subset": None, "rows": None, "missing": None}),
        ("digits", {"scale": "minmax", "validation": 150}),
        ("moons", {"scale": "none", "validation": 0.1, "rows": 6000, "noise": 0.1, "turns": None}),
        ("notmnist", {"test": 2000}),
        ({"name": "notmnist", "split": "ece421"}, {"test": None, "validation": 6000}),
        ({"name": "mnist", "split": "vu"}, {"validation": 5000}),
        ("emnist", {"subset": "balanced"}),
        (
            {"path": "a.csv", "target": "y"},
            {"scale": None, "validation": 0.1, "drop": (), "missing": "error", "labels": None, "read": None},
        ),
        ({"path": "a.npz"}, {"scale": None, "validation": 0.1, "drop": None}),
        ({"path": "a.npz", "split": "official"}, {"validation": None}),
        ({"name": "mnist", "scale": None, "validation": None}, {"scale": "unit", "validation": 5000}),
        ({"name": "mnist", "scale": 256}, {"scale": "256"}),
    ],
)
def test_what_a_set_is_by_itself(dataset: Any, expected: dict[str, Any]) -> None:
    found = config_from_mapping({"dataset": dataset}).dataset
    assert {key: getattr(found, key) for key in expected} == expected


def test_how_a_table_is_read_counts_as_far_as_it_is_said() -> None:
    """The hash is that of a config that says nothing, where all of it is at its default, so that later options change none."""

    def hashed(read: dict[str, Any] | None) -> str:
        return config_from_mapping({"dataset": {"path": "a.csv", "target": "y", "read": read}}).hash()

    plain, said = hashed(None), hashed({"sep": ";"})
    assert hashed({}) == plain == hashed({"decimal": ".", "na_values": []}) and said != plain
    assert hashed({"sep": ";", "header": "infer", "encoding": None}) == said
    assert hashed({"header": None}) == hashed({"header": "none"}) != plain
    found = config_from_mapping(
        {"dataset": {"path": "a.csv", "target": "y", "read": {"na_values": [-99, "x", 1.5]}}}
    ).dataset.read
    assert found is not None and found.na_values == ("-99", "x", "1.5")
