"""A later version, with more options and more keys, still finds the runs of this one: what is new and at its default leaves the hash."""

import subprocess
import sys
from typing import Annotated, Any, Literal

import pytest

from mlp_cli.config import Config, config_from_mapping
from mlp_cli.config.components import component_model, described, key
from mlp_cli.config.resolving import canonical, config_hash
from mlp_cli.config.values import number, option_mark
from mlp_cli.registry import Fraction, Positive, Registry


def optimizer_of(constructor: Any) -> Registry[Any]:
    class Gd:
        """Goes down.

        step, stride: how far. momentum: γ (eq. 3), from 0 on. Never negative.
        """

        __init__ = constructor

    registry: Registry[Any] = Registry("optimizer")
    registry.register(Gd)
    return registry


def this_version(self: Any, step: Positive = 0.1) -> None: ...


def later_version(self: Any, step: Positive = 0.1, momentum: Fraction = 0.0, rule: Literal["a", "b"] = "a") -> None: ...


@pytest.mark.parametrize("given", [{}, {"step": 0.1}, {"step": 0.2}])
def test_a_new_option_at_its_default_keeps_the_hash(given: dict[str, Any]) -> None:
    before, after = (component_model(optimizer_of(version), "gd") for version in (this_version, later_version))
    written = {"name": "gd"} | given
    assert config_hash(before.model_validate(written)) == config_hash(after.model_validate(written))
    explicit = after.model_validate(written | {"momentum": 0, "rule": "a"})
    assert config_hash(explicit) == config_hash(before.model_validate(written))
    assert config_hash(after.model_validate(written | {"rule": "b"})) != config_hash(explicit)


def test_a_new_key_at_its_default_keeps_the_hash() -> None:
    class Later(Config):
        max_norm: Annotated[float, number(float)] = key("a key of a later version", 3.0)

    written = {"name": "x", "dataset": "mnist", "epochs": 3}
    assert Later.model_validate(written).hash() == config_from_mapping(written).hash()
    assert Later.model_validate(written | {"max_norm": 3}).hash() == config_from_mapping(written).hash()
    assert canonical(Later.model_validate(written | {"max_norm": 4}))["max_norm"] == 4.0


def test_descriptions_come_from_the_docstring() -> None:
    registry = optimizer_of(later_version)
    assert described(registry["gd"]) == {"step": "how far", "stride": "how far", "momentum": "γ (eq. 3), from 0 on"}
    fields = component_model(registry, "gd").model_fields
    assert fields["momentum"].description == "γ (eq. 3), from 0 on"
    assert fields["name"].description == "Goes down."


@pytest.mark.parametrize("annotation", [str, list[int], dict[str, float], int | str, complex])
def test_an_option_that_no_config_can_express_is_the_authors_error(annotation: Any) -> None:
    with pytest.raises(TypeError, match="a config cannot express"):
        option_mark(annotation)


def test_a_config_cannot_be_changed() -> None:
    config = config_from_mapping({"dataset": "mnist"})
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        config.optimizer.name = "sgd"


def test_importing_the_config_loads_nothing_heavy() -> None:
    code = "import sys, mlp_cli.config; print(*({'pandas', 'matplotlib', 'scipy', 'pooch', 'tqdm', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
