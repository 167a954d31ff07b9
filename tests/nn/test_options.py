"""Every option of every component says in a full sentence what it does: `mlp show`, the JSON Schema and editors display it."""

import inspect
import re
from typing import Any, get_args, get_type_hints

import pytest
from typing_extensions import Doc

from mlp_cli.nn.activations import activations
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.layers import BatchNorm
from mlp_cli.nn.losses import losses
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules

COMPONENTS = [registry[name] for registry in (activations, initializers, losses, optimizers, schedules) for name in registry]
OPTIONS = [
    (component, parameter)
    for component in (*COMPONENTS, BatchNorm)
    for parameter in inspect.signature(component).parameters  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("component", "option"), OPTIONS, ids=lambda value: getattr(value, "__name__", value))
def test_an_option_is_described_in_a_sentence(component: Any, option: str) -> None:
    annotation = get_type_hints(component.__init__, include_extras=True)[option]
    (text,) = [mark.documentation for mark in get_args(annotation) if isinstance(mark, Doc)]
    assert re.fullmatch(r"[A-Z][^\n]*[^.]\.", text) and len(text.split()) > 4, text
