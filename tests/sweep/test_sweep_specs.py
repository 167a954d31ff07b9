"""KEY=SPEC: splitting, points, distributions, and what is said of wrong ones."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp_cli.config.resolved import show
from mlp_cli.config.yaml_lines import NOWHERE, read
from mlp_cli.sweep.axes import Choices, Floats, Integers
from mlp_cli.sweep.specs import FORMS, parse, split

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No deadline: the machine that runs the tests may be busy."""


def domain(text: str) -> object:
    return parse(text, f"k={text}", NOWHERE)


def message(text: str) -> str:
    found = domain(text)
    assert isinstance(found, list), f"{text} was accepted: {found}"
    (problem,) = found
    assert problem.shown == f"k={text}"
    return problem.message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1e-3", ["1e-3"]),
        ("1e-4,1e-3, 1e-2", ["1e-4", "1e-3", "1e-2"]),
        ("[64],[300,100]", ["[64]", "[300,100]"]),
        ("adam,{name: sgd, x: [1,2]}", ["adam", "{name: sgd, x: [1,2]}"]),
        ("log(1e-4,1e-1,7),5", ["log(1e-4,1e-1,7)", "5"]),
        ('\'a,b\',"c,\\",d"', ["'a,b'", '"c,\\",d"']),
        ("'it''s, so',b", ["'it''s, so'", "b"]),
        ("it's,b", ["it's", "b"]),
        ("{a: 'x,y'},{a: \"z]\"},b", ["{a: 'x,y'}", '{a: "z]"}', "b"]),
        ("[300,100", ["[300,100"]),
        ("a],b", ["a]", "b"]),
        ("", [""]),
    ],
)
def test_commas_split_at_the_top_level_only(text: str, parts: list[str]) -> None:
    assert split(text) == parts


values = st.recursive(
    st.one_of(st.integers(-99, 99), st.floats(allow_nan=False), st.booleans(), st.none(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=5,
)


@calm
@given(st.lists(values, min_size=2, max_size=4))
def test_any_values_written_as_yaml_come_back(items: list) -> None:
    """Whatever a value is, its YAML survives the split."""
    parts = split(",".join(map(show, items)))
    assert [read(part).values for part in parts] == items


@calm
@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(split(text), list)
    found = parse(text, "k", NOWHERE)
    assert found is None or isinstance(found, Choices | Floats | Integers | list)


def test_one_value_is_no_axis() -> None:
    assert domain("1e-3") is None
    assert domain("[300,100]") is None
    assert domain("") is None
    assert domain("my(file).csv") is None


def test_several_values() -> None:
    assert domain("1e-4,1e-3") == Choices(("1e-4", "1e-3"))
    assert domain("[64],[300,100]") == Choices(("[64]", "[300,100]"))
    assert domain("choice(relu,tanh)") == Choices(("relu", "tanh"))
    assert domain("choice([64])") == Choices(("[64]",))


def test_points_by_hand() -> None:
    assert domain("log(1e-4,1e-1,4)") == Choices(("0.0001", "0.001", "0.01", "0.1"))
    assert domain("log(1e-1, 1e-3, 3)") == Choices(("0.1", "0.01", "0.001"))
    assert domain("lin(0,0.5,6)") == Choices(("0", "0.1", "0.2", "0.3", "0.4", "0.5"))
    assert domain("lin(16,64,4)") == Choices(("16", "32", "48", "64"))
    assert domain("lin(-0.3,0.3,3)") == Choices(("-0.3", "0", "0.3"))
    assert domain("1,lin(2,4,3)") == Choices(("1", "2", "3", "4"))


def test_points_have_twelve_digits() -> None:
    """The square root of ten, to twelve significant digits."""
    assert domain("log(1,10,3)") == Choices(("1", "3.16227766017", "10"))
    assert domain("lin(0,1,4)") == Choices(("0", "0.333333333333", "0.666666666667", "1"))


def test_distributions() -> None:
    assert domain("loguniform(1e-4,1e-1)") == Floats(1e-4, 0.1, True)
    assert domain("uniform(0, 0.5)") == Floats(0.0, 0.5, False)
    assert domain("int(1,4)") == Integers(1, 4)


def test_draws_by_hand() -> None:
    """The share u of the way: halfway in the logarithm from 1 to 100 is 10."""
    assert Floats(1, 100, True).at(0.5) == "10"
    assert Floats(1, 3, False).at(0.25) == "1.5"
    assert [Integers(1, 4).at(share) for share in (0, 0.24, 0.25, 0.999)] == ["1", "1", "2", "4"]
    assert [Choices(("a", "b", "c")).at(share) for share in (0, 0.34, 0.999)] == ["a", "b", "c"]


@calm
@given(st.floats(0, 1, exclude_max=True), st.floats(1e-9, 1), st.floats(1.01, 1e6))
def test_draws_stay_inside(share: float, low: float, ratio: float) -> None:
    for log in (False, True):
        value = float(Floats(low, low * ratio, log).at(share))
        assert low * (1 - 1e-11) <= value <= low * ratio * (1 + 1e-11)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,,2", "a value is missing next to a comma"),
        ("1,", "a value is missing next to a comma"),
        ("[1,2", "a bracket is not closed, or a comma is missing or out of place; write [a, b] or {a: 1, b: 2}"),
        ("1,[2", "a bracket is not closed, or a comma is missing or out of place; write [a, b] or {a: 1, b: 2}"),
        ("log(1,2)", f"write {FORMS['log']}"),
        ("log()", f"write {FORMS['log']}"),
        ("lin(1,2,3,4)", f"write {FORMS['lin']}"),
        ("loguniform(1,2,3)", f"write {FORMS['loguniform']}"),
        ("choice()", f"write {FORMS['choice']}"),
        ("choice(a,,b)", f"write {FORMS['choice']}"),
        ("choice(log(1,2,3))", "choice takes values, no other functions"),
        ("log(a,2,3)", f"a is no number; write {FORMS['log']}"),
        ("log(true,2,3)", f"true is no number; write {FORMS['log']}"),
        ("log(0,1,3)", "both ends of log must be greater than 0"),
        ("loguniform(-1,1)", "both ends of loguniform must be greater than 0"),
        ("log(1,2,2.5)", "the count of log must be a whole number from 2 to 10,000"),
        ("lin(1,2,1)", "the count of lin must be a whole number from 2 to 10,000"),
        ("lin(1,2,100000000)", "the count of lin must be a whole number from 2 to 10,000"),
        ("lin(1,1,3)", "both ends of lin are the same"),
        ("uniform(2,1)", "the first end of uniform must be less than the second"),
        ("int(1,1)", "the first end of int must be less than the second"),
        ("int(1,2.5)", "both ends of int must be whole numbers"),
        ("lin(0,.inf,3)", ".inf is too large"),
        ("uniform(0,.nan)", ".nan is too large"),
        ("uniform(0,1),3", "uniform(0,1) is a distribution and must stand alone"),
        ("logspace(1,2,3)", f"unknown function logspace; did you mean {FORMS['log']}?"),
        ("log_uniform(1,2)", f"unknown function log_uniform; did you mean {FORMS['loguniform']}?"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    assert message(text) == said
