"""Successive halving, worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.errors import UsageError
from mlp_cli.sweep.halving import Bracket, Halving, pruners


def test_rungs_by_hand() -> None:
    assert Halving(3, 1).rungs(27) == (1, 3, 9, 27)
    assert Halving(3, 1).rungs(20) == (2, 6, 20)
    assert Halving(3, 3).rungs(20) == (6, 20)
    assert Halving(2, 1).rungs(10) == (1, 2, 5, 10)


@pytest.mark.parametrize(("halving", "epochs"), [(Halving(3, 1), 2), (Halving(3, 5), 12), (Halving(), 0)])
def test_no_rung_is_an_error(halving: Halving, epochs: int) -> None:
    with pytest.raises(UsageError, match=f"into {epochs} epochs") as caught:
        halving.rungs(epochs)
    assert "lower min_epochs or factor" in str(caught.value)


def test_a_bracket_by_hand() -> None:
    """Nine configurations, factor 3: nine train 1 epoch, three of them 3, one 9."""
    bracket = Bracket((1, 3, 9), 9, Halving(3, 1), "max")
    assert bracket.until == 1 and bracket.alive == list(range(9))
    bracket.judge({0: 0.1, 1: 0.9, 2: 0.5, 3: 0.5, 4: 0.2, 5: None, 6: 0.5, 7: 0.0, 8: 0.3})
    assert bracket.alive == [1, 2, 3], "of three equals the two that were proposed first"
    assert bracket.until == 3
    bracket.judge({1: 0.6, 2: 0.6, 3: 0.7})
    assert bracket.alive == [3] and bracket.until is None, "the last rung is the last epoch"


def test_the_smallest_loss_wins() -> None:
    bracket = Bracket((1, 2), 4, Halving(2, 1), "min")
    bracket.judge({0: 3.0, 1: 1.0, 2: 2.0, 3: float("nan")})
    assert bracket.alive == [1, 2]


def test_all_failed() -> None:
    bracket = Bracket((1, 2), 3, Halving(2, 1), "min")
    bracket.judge(dict.fromkeys(range(3)))
    assert bracket.alive == []


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=40), st.integers(2, 5), st.sampled_from(["max", "min"]))
def test_the_promoted_are_no_worse_than_the_stopped(scores: list[float | None], factor: int, mode: str) -> None:
    bracket = Bracket((1, 9), len(scores), Halving(factor, 1), mode)
    bracket.judge(dict(enumerate(scores)))
    sound = [score for score in scores if score is not None]
    assert len(bracket.alive) == min(max(1, len(scores) // factor), len(sound))
    kept = [score for number in bracket.alive if (score := scores[number]) is not None]
    lost = [score for number, score in enumerate(scores) if number not in bracket.alive and score is not None]
    if kept and lost:
        assert min(kept) >= max(lost) if mode == "max" else max(kept) <= min(lost)


@pytest.mark.parametrize("name", list(pruners))
def test_every_pruner_can_be_named_in_a_file(name: str) -> None:
    from mlp_cli.sweep.sweepfile import part_of

    assert part_of("pruner", {"name": name}).name == name
