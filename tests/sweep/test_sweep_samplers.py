"""Samplers: grids are whole, draws are a function of the seed, TPE is asked in rounds of four and can be replayed."""

import itertools
import math
from collections.abc import Callable

import pytest
from needs import need

from mlp_cli.errors import UsageError
from mlp_cli.sweep.samplers import ROUND, Grid, Random, Sampler, Score, Tpe, samplers
from mlp_cli.sweep.space import Assignment, Axis, Range


def axis(key: str, *values: object) -> Axis:
    return Axis((key,), tuple((value,) for value in values))


RATE = axis("learning_rate", Range(1e-4, 1e-1, log=True))
LAYERS = axis("epochs", Range(1, 4, step=1))
OPTIMIZER = axis("optimizer", "sgd", "adam")
PAIR = Axis(("l1", "batch_size"), ((0, 8), (1, 16), (2, 32)))
SIZES = axis("hidden_sizes", [], [Range(8, 9, step=1), 4])


def drive(sampler: Sampler, axes: list[Axis], trials: int | None, score: Callable[[Assignment], Score]) -> list:
    """All rounds that a sampler asks for."""
    sampler.begin(axes, trials, "max")
    rounds = []
    while asked := sampler.ask():
        rounds.append(asked)
        sampler.tell([score(assignment) for assignment in asked])
    return rounds


def good(assignment: Assignment) -> Score:
    """Best at a learning rate of 1e-2."""
    return Score(-abs(math.log10(float(assignment["learning_rate"])) + 2))


def test_a_grid_is_every_combination_in_order() -> None:
    (asked,) = drive(Grid(), [OPTIMIZER, PAIR], None, lambda _: Score(0.0))
    assert asked == [
        {"optimizer": optimizer, "l1": l1, "batch_size": size}
        for optimizer, (l1, size) in itertools.product(("sgd", "adam"), ((0, 8), (1, 16), (2, 32)))
    ]
    assert drive(Grid(), [], None, lambda _: Score(0.0)) == [[{}]], "without axes, the base itself"


def test_a_grid_never_samples() -> None:
    with pytest.raises(UsageError, match=r"learning_rate: a grid needs values, and loguniform\(0.0001, 0.1\)"):
        Grid().begin([RATE], None, "max")
    with pytest.raises(UsageError, match="and trials asks for 5"):
        Grid().begin([OPTIMIZER], 5, "max")


def test_random_draws_depend_on_seed_and_number_alone() -> None:
    axes = [RATE, LAYERS, OPTIMIZER, PAIR]
    (ten,) = drive(Random(3), axes, 10, lambda _: Score(0.0))
    (again,) = drive(Random(3), axes[::-1], 10, lambda _: Score(1.0))
    (more,) = drive(Random(3), axes, 15, lambda _: Score(0.0))
    (other,) = drive(Random(4), axes, 10, lambda _: Score(0.0))
    assert ten == again == more[:10] and len(more) == 15 and other != ten
    pairs = {0: 8, 1: 16, 2: 32}
    assert all(pairs[assignment["l1"]] == assignment["batch_size"] for assignment in ten), "zipped keys move together"


def test_random_draws_fill_the_space() -> None:
    (asked,) = drive(Random(0), [RATE, LAYERS, OPTIMIZER], 400, lambda _: Score(0.0))
    decades = [math.floor(math.log10(float(assignment["learning_rate"]))) for assignment in asked]
    assert all(100 < decades.count(decade) < 170 for decade in (-4, -3, -2)), "a third in each decade"
    assert all(70 < [a["epochs"] for a in asked].count(number) < 130 for number in (1, 2, 3, 4))
    assert 160 < [a["optimizer"] for a in asked].count("sgd") < 240


def test_what_is_finite_is_drawn_without_repeating() -> None:
    sampler = Random(0)
    (asked,) = drive(sampler, [OPTIMIZER, LAYERS, SIZES], 100, lambda _: Score(0.0))
    every = [
        {"optimizer": optimizer, "epochs": epochs, "hidden_sizes": sizes}
        for optimizer in ("sgd", "adam")
        for epochs in (1, 2, 3, 4)
        for sizes in ([], [8, 4], [9, 4])
    ]
    assert sorted(map(str, map(sorted, (a.items() for a in asked)))) == sorted(map(str, map(sorted, (a.items() for a in every))))
    assert sampler.notice == "there are 24 configurations, fewer than the 100 trials; each is tried once"
    (some,) = drive(sampler, [OPTIMIZER, LAYERS, SIZES], 10, lambda _: Score(0.0))
    assert some == asked[:10] and sampler.notice is None
    twice = axis("epochs", Range(1, 2, step=1), 2, 2)
    (asked,) = drive(sampler, [twice], 3, lambda _: Score(0.0))
    assert sorted(a["epochs"] for a in asked) == [1, 2], "equal values are one"


@pytest.mark.parametrize("name", [name for name in samplers if name != "grid"])
def test_samplers_say_what_they_need(name: str) -> None:
    if name == "tpe":
        need("optuna")
    with pytest.raises(UsageError, match=f"--sampler {name} has nothing to choose from"):
        samplers.build(name, seed=0).begin([], 5, "max")
    with pytest.raises(UsageError, match="how many configurations") as caught:
        samplers.build(name, seed=0).begin([RATE], None, "max")
    assert "--trials 20" in str(caught.value)


@pytest.mark.parametrize("name", list(samplers))
def test_every_sampler_has_a_summary_and_options_that_a_config_can_express(name: str) -> None:
    from mlp_cli.sweep.sweepfile import part_of

    assert samplers.summary(name)
    assert part_of("sampler", name).name == name


def test_tpe_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match="needs the package optuna") as caught:
        Tpe().begin([RATE], 4, "max")
    assert "pip install 'mlp-cli[search]'" in str(caught.value) and caught.value.exit_code == 2


class TestTpe:
    """With optuna."""

    pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

    @pytest.fixture(autouse=True)
    def _needs_optuna(self) -> None:
        need("optuna")

    def test_rounds_of_four_and_replay(self) -> None:
        axes = [RATE, LAYERS, OPTIMIZER, PAIR]
        rounds = drive(Tpe(1), axes, 18, good)
        assert [len(asked) for asked in rounds] == [ROUND, ROUND, ROUND, ROUND, 2]
        again = drive(Tpe(1), axes[::-1], 18, good)
        assert again == rounds, "the same command proposes the same"
        more = drive(Tpe(1), axes, 20, good)
        assert more[:4] == rounds[:4] and more[4][:2] == rounds[4], "more trials replay the old ones"
        assert drive(Tpe(2), axes, 18, good) != rounds

    def test_ranges_inside_lists(self) -> None:
        (asked, *_) = drive(Tpe(1), [SIZES, LAYERS], 12, lambda _: Score(0.0))
        assert all(a["hidden_sizes"] in ([], [8, 4], [9, 4]) and 1 <= a["epochs"] <= 4 for a in asked)

    def test_it_learns(self) -> None:
        asked = list(itertools.chain(*drive(Tpe(0), [RATE], 40, good)))
        late = [abs(math.log10(float(assignment["learning_rate"])) + 2) for assignment in asked[20:]]
        assert sorted(late)[len(late) // 2] < 0.4, "half of the later draws are close to the best value; of blind ones a quarter"

    def test_failed_and_pruned_ones_are_told_as_such(self) -> None:
        scores = itertools.cycle([Score(0.5), Score(None), Score(0.2, epoch=3)])
        sampler = Tpe(0)
        drive(sampler, [RATE], 12, lambda _: next(scores))
        assert [trial.state.name for trial in sampler._study.trials] == ["COMPLETE", "FAIL", "PRUNED"] * 4
        assert sampler._study.trials[2].intermediate_values == {3: 0.2}

    def test_what_must_be_valid_is_named_first(self) -> None:
        corners = Tpe().begin([RATE, OPTIMIZER], 4, "min")
        assert corners == [
            {"learning_rate": rate, "optimizer": optimizer}
            for rate, optimizer in itertools.product((0.0001, 0.1), ("sgd", "adam"))
        ]
