"""The conditions of --where: what they mean, and how mistakes are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.errors import UsageError
from mlp_cli.report.where import parse

ROW = {
    "learning_rate": 0.001,
    "optimizer": "adam",
    "hidden_sizes": [300, 100],
    "early_stopping": None,
    "batch_norm": True,
    "epochs": 10,
    "name": "my run (2)",
    "val_accuracy": 0.9,
}


@pytest.mark.parametrize(
    "text",
    [
        "learning_rate<0.01",
        "learning_rate<=1e-3 and learning_rate>=.001",
        "learning_rate = 1e-3",
        "optimizer=adam",
        "optimizer==adam and epochs!=11",
        "optimizer!=sgd",
        "not optimizer=sgd",
        "not not epochs=10",
        "optimizer=sgd or epochs>9",
        "optimizer=adam or optimizer=sgd and epochs=99",
        "(optimizer=adam or optimizer=sgd) and epochs=10.0",
        "not (optimizer=sgd or epochs=99)",
        "hidden_sizes=[300,100]",
        "hidden_sizes = [300, 100]",
        "early_stopping=none and early_stopping=null",
        "batch_norm=true",
        "name='my run (2)'",
        'name="my run (2)" AND NOT epochs<3',
        "'epochs'>9",
        "not early_stopping<3",
        "val_accuracy=0.9 and val_accuracy=90%",
        "val_accuracy>89.5% and val_accuracy<=1 and not val_accuracy<0.9",
    ],
)
def test_conditions_that_hold(text: str) -> None:
    assert parse(text, ROW).test(ROW)


def test_a_number_that_is_no_float() -> None:
    huge = {"epochs": 10**400}
    assert parse("epochs>1e300 and epochs!=1", huge).test(huge) and not parse("epochs<3", huge).test(huge)


@pytest.mark.parametrize(
    "text",
    [
        "learning_rate<0.001",
        "optimizer='Adam'",
        "(optimizer=adam or optimizer=sgd) and epochs=99",
        "optimizer>3",
        "early_stopping<3",
        "early_stopping>=3",
        "batch_norm=1",
        "hidden_sizes=[300]",
        "epochs=ten",
    ],
)
def test_conditions_that_do_not_hold(text: str) -> None:
    assert not parse(text, ROW).test(ROW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 1: there is no condition"),
        ("   ", "there is no condition"),
        ("optimiser=adam", "character 1: unknown column 'optimiser'; did you mean optimizer?"),
        ("epochs>3 and lerning_rate<1", "character 14: unknown column 'lerning_rate'; did you mean learning_rate?"),
        ("epochs", "character 7: a comparison is missing after epochs"),
        ("epochs=", "character 8: a value is missing after epochs="),
        ("epochs<adam", "character 8: < compares numbers, and 'adam' is none"),
        ("epochs=1 optimizer=adam", "character 10: 'optimizer' is too much here"),
        ("(epochs=1", "character 1: this parenthesis is never closed"),
        ("epochs=1)", "character 9: ')' is too much here"),
        ("epochs=1 and", "character 13: a column is missing here"),
        ("name='open", 'character 6: "\'" is not understood'),
        ("epochs=1 and and", "unknown column 'and'"),
        ("(" * 200 + "epochs=1", "nested too deeply"),
        ("not " * 200 + "epochs=1", "nested too deeply"),
        ("epochs=1 or " * 1000, "longer than"),
        ("__import__('os')", "unknown column"),
        ("val_accuracy<90", "character 14: an accuracy is at most 1; write val_accuracy<0.9 or val_accuracy<90%"),
        ("val_accuracy=97.5", "write val_accuracy=0.975 or val_accuracy=97.5%"),
        ("epochs<90%", "character 8: < compares numbers, and '90%' is none"),
    ],
)
def test_mistakes_have_a_position_and_the_nearest_name(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, ROW)
    assert message in str(caught.value)


def test_an_unknown_column_is_told_by_its_initials_and_the_scores_are_listed() -> None:
    keys = [*ROW, *(f"key_{number}" for number in range(150)), "val_accuracy_low", "val_loss"]
    with pytest.raises(UsageError) as caught:
        parse("lr<0.01", keys)
    assert "unknown column 'lr'; did you mean learning_rate?" in caught.value.message
    assert "val_accuracy, " in caught.value.message and caught.value.message.endswith("key_149, val_loss)")


def test_the_hint_points_at_the_place() -> None:
    with pytest.raises(UsageError) as caught:
        parse("epochs>3 and x=1", ROW)
    lines = str(caught.value.hint).splitlines()
    assert lines[0] == "epochs>3 and x=1" and lines[1].index("^") == 13


@given(st.text("epochsadinor<>=!()'\"[],0123. -", max_size=60))
def test_any_text_is_a_condition_or_a_usage_error(text: str) -> None:
    try:
        condition = parse(text, ROW)
    except UsageError:
        return
    assert condition.test(ROW) in (True, False)
    empty: dict[str, Any] = {}
    assert condition.test(empty) in (True, False)
