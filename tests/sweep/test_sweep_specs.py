"""KEY=SPEC: splitting, points, distributions, and what is said of wrong ones."""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp_cli.config.resolved import show
from mlp_cli.config.yaml_lines import read
from mlp_cli.sweep.space import FORMS, Range, WrongSpecError, parse, split

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No deadline: the machine that runs the tests may be busy."""


def message(text: str) -> str:
    with pytest.raises(WrongSpecError) as caught:
        parse(text)
    return str(caught.value)


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
    with suppress(WrongSpecError):
        assert parse(text)


def test_values() -> None:
    assert parse("1e-3") == [0.001]
    assert parse("[300,100]") == [[300, 100]]
    assert parse("") == [None]
    assert parse("my(file).csv") == ["my(file).csv"]
    assert parse("1e-4,1e-3") == [1e-4, 1e-3]
    assert parse("[64],[300,100]") == [[64], [300, 100]]
    assert parse("choice(relu,tanh)") == ["relu", "tanh"]
    assert parse("choice([64])") == [[64]]


def test_points_by_hand() -> None:
    assert parse("log(1e-4,1e-1,4)") == [0.0001, 0.001, 0.01, 0.1]
    assert parse("log(1e-1, 1e-3, 3)") == [0.1, 0.01, 0.001]
    assert parse("lin(0,0.5,6)") == [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert parse("lin(-0.3,0.3,3)") == [-0.3, 0, 0.3]
    whole = parse("1,lin(16,64,4)")
    assert whole == [1, 16, 32, 48, 64] and all(isinstance(value, int) for value in whole)


def test_points_have_twelve_digits() -> None:
    """The square root of ten, to twelve significant digits."""
    assert parse("log(1,10,3)") == [1, 3.16227766017, 10]
    assert parse("lin(0,1,4)") == [0, 0.333333333333, 0.666666666667, 1]


def test_distributions() -> None:
    assert parse("loguniform(1e-4,1e-1)") == [Range(1e-4, 0.1, log=True)]
    assert parse("uniform(0, 0.5)") == [Range(0.0, 0.5)]
    assert parse("int(1,4)") == [Range(1, 4, step=1)]
    assert parse("int(16,250,16)") == [Range(16, 240, step=16)], "the last step that is not beyond the end"
    assert parse("logint(16,256)") == [Range(16, 256, log=True, step=1)]
    assert parse("0,uniform(0.1,0.5)") == [0, Range(0.1, 0.5)]
    assert parse("[int(8,64),int(8,64)]") == [[Range(8, 64, step=1)] * 2]
    assert parse("[choice(1,2),3]") == [[1, 3], [2, 3]]


def test_draws_by_hand() -> None:
    """The share u of the way: halfway in the logarithm from 1 to 100 is 10."""
    assert Range(1, 100, log=True).at(0.5) == 10
    assert Range(1, 3).at(0.25) == 1.5
    assert [Range(1, 4, step=1).at(share) for share in (0, 0.24, 0.25, 0.999)] == [1, 1, 2, 4]
    assert [Range(16, 64, step=16).at(share) for share in (0, 0.25, 0.999)] == [16, 32, 64]
    assert [Range(1, 7, log=True, step=1).at(share) for share in (0, 0.34, 0.67, 0.999)] == [1, 2, 4, 7], (
        "a third to each doubling"
    )


@calm
@given(st.floats(0, 1, exclude_max=True), st.floats(1e-9, 1), st.floats(1.01, 1e6))
def test_draws_stay_inside(share: float, low: float, ratio: float) -> None:
    for log in (False, True):
        value = float(Range(low, low * ratio, log).at(share))
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
        ("[log(1,2,3)]", "a function stands without brackets; write log(1,2,3)"),
        ("int(1,9,0)", "both ends of int must be whole numbers, and its step at least 1"),
        ("range(1,5)", f"unknown function range; did you mean {FORMS['int']}?"),
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
        ("logspace(1,2,3)", f"unknown function logspace; did you mean {FORMS['log']}?"),
        ("log_uniform(1,2)", f"unknown function log_uniform; did you mean {FORMS['loguniform']}?"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    assert message(text) == said
