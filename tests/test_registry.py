"""The registry reads a component's schema from its signature."""

from typing import Annotated

import pytest

from mlp_cli.errors import UsageError
from mlp_cli.registry import REQUIRED, Range, Registry, did_you_mean, nearest, snake_case


def make_registry() -> Registry:
    things: Registry = Registry("thing")

    @things.register
    class LeakyThing:
        """Leaks a little.

        More words.
        """

        def __init__(self, size: int, slope: Annotated[float, Range(gt=0)] = 0.5) -> None:
            self.size, self.slope = size, slope

    @things.register
    def plain() -> int:
        """Plain."""
        return 7

    return things


def test_names_are_snake_case_in_order() -> None:
    assert list(make_registry()) == ["leaky_thing", "plain"]
    assert [snake_case(name) for name in ("Relu", "LeakyRelu", "Adamw", "RandomNormal")] == [
        "relu",
        "leaky_relu",
        "adamw",
        "random_normal",
    ]


def test_options_come_from_the_signature() -> None:
    size, slope = make_registry().options("leaky_thing")
    assert (size.name, size.annotation, size.default) == ("size", int, REQUIRED)
    assert (slope.name, slope.default) == ("slope", 0.5)
    assert slope.annotation.__metadata__ == (Range(gt=0),)
    assert make_registry().options("plain") == ()


def test_build_and_summary() -> None:
    things = make_registry()
    built = things.build("leaky_thing", size=3)
    assert (built.size, built.slope) == (3, 0.5)
    assert things.build("plain") == 7
    assert things.summary("leaky_thing") == "Leaks a little."


def test_unknown_name_says_the_nearest_and_all() -> None:
    with pytest.raises(UsageError) as caught:
        make_registry()["leaky-thing"]
    assert caught.value.message == "unknown thing 'leaky-thing'; did you mean leaky_thing?"
    assert caught.value.hint == "known: leaky_thing, plain"


def test_registering_twice_is_refused() -> None:
    things = make_registry()

    def plain() -> None: ...

    with pytest.raises(ValueError, match="plain is registered twice"):
        things.register(plain)


def test_nearest_needs_likeness() -> None:
    assert nearest("hiden_sizes", ["epochs", "hidden_sizes"]) == "hidden_sizes"
    assert nearest("Batch-Size", ["batch_size"]) == "batch_size"
    assert nearest("zebra", ["epochs", "hidden_sizes"]) is None
    assert did_you_mean("zebra", ["epochs"]) == ""
