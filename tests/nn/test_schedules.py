"""Schedules against stored values of PyTorch and Keras, against values worked by hand, and for any settings whatever."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.nn.schedules import MEMORY, multiplier, schedules

VALUES = json.loads((Path(__file__).parent.parent / "fixtures" / "keras_values.json").read_text(encoding="utf-8"))
STORED = VALUES["schedules"]
RISING = ("one_cycle", "cyclic")
UNEVEN = (*RISING, "warm_restarts")
"""Schedules that begin below the peak, and those that ever rise; the first have no warm-up of their own."""
EVERY = pytest.mark.parametrize("name", list(schedules))


def values(name: str, steps_per_epoch: int, epochs: int, **options: Any) -> list[float]:
    schedule = schedules.build(name, **options)
    return [multiplier(schedule, step, steps_per_epoch, epochs) for step in range(steps_per_epoch * epochs)]


@pytest.mark.parametrize(
    "case", [case for case in STORED if case["by"] == "epoch"], ids=lambda c: f"{c['schedule']}{c['options']}"
)
@pytest.mark.parametrize("steps_per_epoch", [1, 3, 469])
def test_pytorch_at_the_start_of_each_epoch(case: dict[str, Any], steps_per_epoch: int) -> None:
    found = values(case["schedule"], steps_per_epoch, case["epochs"], **case["options"])[::steps_per_epoch]
    assert found == pytest.approx(case["values"], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    "case", [case for case in STORED if case["by"] == "step"], ids=lambda c: f"{c['schedule']}{c['options']}"
)
def test_keras_at_every_step(case: dict[str, Any]) -> None:
    found = values(case["schedule"], 5, case["epochs"], **case["options"])[case["first"] :]
    assert found == pytest.approx(case["values"], rel=1e-12, abs=1e-15)


def test_constant_is_exactly_one() -> None:
    assert values("constant", 4, 3) == [1.0] * 12


def test_warmup_by_hand() -> None:
    """Two epochs of two steps: a quarter more at each step, then the peak."""
    assert values("constant", 2, 4, warmup_epochs=2) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_fractional_warmup_by_hand() -> None:
    """0.07 · 100 is 7.000000000000001 in floating point: seven steps, not eight."""
    assert values("constant", 100, 1, warmup_epochs=0.07)[5:8] == [6 / 7, 1.0, 1.0]
    assert values("constant", 4, 1, warmup_epochs=0.5) == [0.5, 1.0, 1.0, 1.0]
    assert values("constant", 4, 1, warmup_epochs=0.01) == [1.0] * 4


def test_step_by_hand() -> None:
    """A quarter every second epoch, counted from the end of one epoch of warm-up."""
    found = values("step", 2, 6, every=2, factor=0.25, warmup_epochs=1)
    assert found == [0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.25, 0.25, 0.25, 0.0625, 0.0625]


@pytest.mark.parametrize("steps_per_epoch", [1, 7, 391, 469, 937])
def test_step_drops_exactly_where_the_epoch_begins(steps_per_epoch: int) -> None:
    schedule = schedules.build("step", every=3, factor=0.5)
    for drop in range(1, 40):
        first = 3 * drop * steps_per_epoch
        assert multiplier(schedule, first, steps_per_epoch, 200) == 0.5**drop
        assert multiplier(schedule, first - 1, steps_per_epoch, 200) == 0.5 ** (drop - 1)


def test_exponential_by_hand() -> None:
    """Half an epoch costs the root of the factor."""
    assert values("exponential", 2, 2, factor=0.25) == [1.0, 0.5, 0.25, 0.125]


def test_cosine_by_hand() -> None:
    """One epoch of warm-up, then 4 steps at 0°, 45°, 90°, 135°, from 1 towards 0.2."""
    found = values("cosine", 2, 3, final=0.2, warmup_epochs=1)
    root = math.sqrt(0.5)
    assert found == pytest.approx([0.5, 1.0, 1.0, 0.6 + 0.4 * root, 0.6, 0.6 - 0.4 * root], rel=1e-14)


@pytest.mark.parametrize("name", [name for name in schedules if name not in RISING])
def test_starts_at_exactly_one(name: str) -> None:
    for final in (0.05, 0.1, 0.3, 0.7):
        options = {option.name: final for option in schedules.options(name) if option.name == "final"}
        assert multiplier(schedules.build(name, **options), 0, 469, 12) == 1.0


def test_one_cycle_is_that_of_pytorch() -> None:
    """10 of 31 steps rise; PyTorch reaches the end at the last step, and the peak one step before the share that it is told."""
    schedule = schedules.build("one_cycle", rise=9 / 30)
    found = [multiplier(schedule, step, 1, 30) for step in range(31)]
    assert found == pytest.approx(VALUES["one_cycle"], rel=1e-12)


def test_reduce_on_plateau_is_that_of_keras() -> None:
    stored = VALUES["plateau"]
    schedule, memory, rates = schedules.build("reduce_on_plateau", **stored["options"]), np.array(MEMORY), []
    for loss in stored["losses"]:
        rates.append(memory[0])
        schedule.observe(loss, memory)
    assert rates == pytest.approx(stored["rates"], rel=1e-6) and min(rates) == 0.2  # Keras's rate is float32


def test_inverse_square_root_by_hand() -> None:
    found = values("inverse_square_root", 1, 9, timescale=1.0)
    assert [found[0], found[3], found[8]] == pytest.approx([1.0, 0.5, 1 / 3])


def test_warm_restarts_begin_anew_exactly_at_one() -> None:
    found = values("warm_restarts", 4, 9, first=1, factor=2)
    assert [found[4 * epoch] for epoch in (0, 1, 3, 7)] == [1.0] * 4 and found[3] < 0.2


@pytest.mark.parametrize("name", [name for name in schedules if name not in RISING])
def test_no_epochs(name: str) -> None:
    assert multiplier(schedules.build(name), 0, 5, 0) == 1.0
    assert multiplier(schedules.build(name, warmup_epochs=2), 0, 5, 0) == 0.1


@pytest.mark.parametrize("name", [name for name in schedules if name not in RISING])
@pytest.mark.parametrize("warmup_epochs", [3, 3.5, 1e9])
def test_warmup_of_the_whole_run_or_longer(name: str, warmup_epochs: float) -> None:
    found = values(name, 10, 3, warmup_epochs=warmup_epochs)
    assert found == sorted(found) and found[0] > 0
    assert found[-1] == pytest.approx(min(1.0, 3 / warmup_epochs))


@EVERY
def test_after_the_end_the_last_value_stands(name: str) -> None:
    schedule = schedules.build(name, **({} if name in RISING else {"warmup_epochs": 1}))
    assert multiplier(schedule, 50, 5, 10) == multiplier(schedule, 5000, 5, 10)


@EVERY
@given(
    warmup=st.floats(0, 50),
    steps_per_epoch=st.integers(1, 3000),
    epochs=st.integers(0, 60),
    place=st.floats(0, 1),
)
def test_never_above_one_nor_below_zero(name: str, warmup: float, steps_per_epoch: int, epochs: int, place: float) -> None:
    step, options = int(place * steps_per_epoch * epochs), {} if name in RISING else {"warmup_epochs": warmup}
    found = multiplier(schedules.build(name, **options), step, steps_per_epoch, epochs)
    following = multiplier(schedules.build(name, **options), step + 1, steps_per_epoch, epochs)
    assert isinstance(found, float) and 0 <= found <= 1
    if name in UNEVEN and step >= round(warmup * steps_per_epoch) * (name not in RISING):
        return
    if step < round(warmup * steps_per_epoch) - 1:
        assert found > 0 and following > found
    elif step >= round(warmup * steps_per_epoch):
        assert following <= found


@pytest.mark.parametrize("name", schedules)
def test_a_schedule_says_whether_it_depends_on_the_length(name: str) -> None:
    schedule = schedules[name]()
    short, long = ([multiplier(schedule, step, 7, epochs) for step in range(5 * 7)] for epochs in (5, 12))
    assert (short != long) == schedules[name].uses_length
