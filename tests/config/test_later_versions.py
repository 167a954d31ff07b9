"""What a config is made from: descriptions out of docstrings, types of options, and models that nobody can change."""

import subprocess
import sys
from typing import Any, Literal

import pytest

from mlp_cli.config import config_from_mapping
from mlp_cli.config.components import component_model, described
from mlp_cli.config.values import option_mark
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


def later_version(self: Any, step: Positive = 0.1, momentum: Fraction = 0.0, rule: Literal["a", "b"] = "a") -> None: ...


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
