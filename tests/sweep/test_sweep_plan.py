"""From words and files to members: what varies, in which order, under which names, and every problem at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from needs import need

from mlp_cli.errors import MlpError, UsageError
from mlp_cli.sweep.plan import Asked, SweepPlan, plan_sweep
from mlp_cli.sweep.space import Expansion

BASE = "name: base\ndataset: mnist\nhidden_sizes: [8]\nlearning_rate: 0.01\n"
Planner = Callable[..., SweepPlan]


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planner:
    """Plans a sweep over a file's text."""
    monkeypatch.chdir(tmp_path)

    def make(*words: str, text: str = BASE, asked: Asked | None = None, name: str = "base.yaml") -> SweepPlan:
        Path(name).write_text(text)
        return plan_sweep(name, words, Path("results"), asked or Asked())

    return make


def expand(planned: SweepPlan) -> Expansion:
    return planned.space.expand(planned.start().ask())


def labels(planned: SweepPlan) -> list[str]:
    return [candidate.label for candidate in expand(planned).candidates]


def problems(plan: Planner, *words: str, **more: Any) -> list[str]:
    """The lines of the error, spaces collapsed."""
    with pytest.raises(MlpError) as caught:
        expand(plan(*words, **more))
    assert caught.value.exit_code == 2
    return [" ".join(line.split()) for line in str(caught.value).splitlines()]


def test_the_members_of_a_grid(plan: Planner) -> None:
    planned = plan("optimizer=sgd,adam", "learning_rate=1e-3,1e-2", asked=Asked(seeds=2))
    candidates = expand(planned).candidates
    assert [candidate.label for candidate in candidates] == [
        f"optimizer-{optimizer}_learning_rate-{rate}" for optimizer in ("sgd", "adam") for rate in ("0.001", "0.01")
    ], "the last key varies fastest"
    first = candidates[0].members
    assert [member.seed for member in first] == [0, 1]
    assert [member.label for member in first] == [
        "optimizer-sgd_learning_rate-0.001_seed-0",
        "optimizer-sgd_learning_rate-0.001_seed-1",
    ]
    for member in first:
        assert member.config.name == member.label and member.config.seed == member.seed
        assert member.config.learning_rate == 1e-3 and member.config.hidden_sizes == (8,)
        assert member.hash == member.config.hash() and member.id == f"{member.label}-{member.hash[:8]}"


def test_one_value_is_an_override(plan: Planner) -> None:
    planned = plan("epochs=3", "learning_rate=1e-3,1e-2")
    assert planned.space.swept == ("learning_rate",)
    assert {candidate.members[0].config.epochs for candidate in expand(planned).candidates} == {3}


def test_lists_are_values(plan: Planner) -> None:
    assert labels(plan("hidden_sizes=[64],[300,100],[]")) == ["hidden_sizes-64", "hidden_sizes-300x100", "hidden_sizes-none"]


def test_seeds_begin_at_the_configs(plan: Planner) -> None:
    assert plan(text=BASE + "seed: 5\n", asked=Asked(seeds=3)).space.seeds == (5, 6, 7)
    assert plan("seed=9", text=BASE + "seed: 5\n", asked=Asked(seeds=2)).space.seeds == (9, 10)
    assert plan("seed=1,4").space.seeds == (1, 4)
    assert plan("seed=lin(0,2,3)").space.seeds == (0, 1, 2)
    assert plan().space.seeds == (0,)
    assert [member.label for member in expand(plan(asked=Asked(seeds=2))).candidates[0].members] == ["seed-0", "seed-1"]


def test_seeds_that_cannot_be(plan: Planner) -> None:
    with pytest.raises(UsageError, match="--seeds 2 and seed=1,4 both say which seeds"):
        plan("seed=1,4", asked=Asked(seeds=2))
    with pytest.raises(UsageError, match=r"beyond 2\*\*32 - 1"):
        plan("seed=4294967295", asked=Asked(seeds=2))
    assert problems(plan, "seed=1,-2,x") == [
        "base.yaml: 2 problems",
        "override seed=-2 must be at least 0 and at most 4294967295",
        "override seed=x must be a whole number, at least 0 and at most 4294967295",
    ]
    assert "seeds are listed, not drawn" in problems(plan, "seed=int(1,3)")[1]
    assert problems(plan, text=BASE + "seed: -1\n")[1].startswith("line 5 seed: -1 must be")


def test_the_last_word_of_a_key_wins(plan: Planner) -> None:
    assert labels(plan("epochs=1,2", "epochs=3,4")) == ["epochs-3", "epochs-4"]
    assert plan("epochs=1,2", "epochs=3").space.swept == ()


def test_options_of_a_swept_component(plan: Planner) -> None:
    assert labels(plan("optimizer=adam,adamw", "optimizer.beta_1=0.8")) == [
        "optimizer-adam-beta_1-0.8",
        "optimizer-adamw-beta_1-0.8",
    ]
    assert labels(plan("optimizer=adam,adamw", "optimizer.beta_1=0.8,0.7")) == [
        f"optimizer-{name}_optimizer.beta_1-{beta}" for name in ("adam", "adamw") for beta in ("0.8", "0.7")
    ]
    assert problems(plan, "optimizer=sgd,adam", "optimizer.beta_1=0.8") == [
        "base.yaml: 1 problem",
        "override optimizer={name: sgd, beta_1: 0.8} beta_1: unknown key; sgd does not take it; "
        "adam, adamw, adamax, nadam, radam or lion does",
    ]
    assert "optimizer comes later and replaces all of it" in problems(plan, "optimizer.beta_1=0.8,0.7", "optimizer=adam,adamw")[1]


def test_the_same_run_twice_is_one_member_and_said(plan: Planner) -> None:
    found = expand(plan("learning_rate=1e-3,0.001,0.002", "activation=relu,[relu]"))
    assert len(found.candidates) == 6 and len({id(candidate) for candidate in found.candidates}) == 2
    assert found.notices == (
        "4 of 6 configurations describe the same runs as another one and count once: "
        "learning_rate=1e-3 activation=[relu] is the same as learning_rate=1e-3 activation=relu",
    )


def test_a_function_in_brackets(plan: Planner) -> None:
    assert problems(plan, "learning_rate=[log(1e-4,1e-1,4)]")[1] == (
        "override learning_rate=[log(1e-4,1e-1,4)] a function stands without brackets; write log(1e-4,1e-1,4)"
    )


def test_what_a_depth_of_zero_makes_of_activations(plan: Planner) -> None:
    found = expand(plan("hidden_sizes=[],[8]", "activation=relu,tanh"))
    assert len({candidate.label for candidate in found.candidates}) == 3


def test_every_problem_of_every_member_once(plan: Planner) -> None:
    found = problems(
        plan, "lr=1,2", "epochs=1,-1,-2", "optimizer=adm", "foo", "batch_size=1,,2", "l1=log(0,1,3)", text=BASE + "dropout: 2\n"
    )
    assert found == [
        "base.yaml: 8 problems",
        "line 5 dropout: 2 must be at least 0 and less than 1",
        "override lr=1,2 unknown key; did you mean learning_rate?",
        "override epochs=-1 must be at least 0",
        "override epochs=-2 must be at least 0",
        "override optimizer=adm unknown optimizer; did you mean adam? "
        "(known: sgd, momentum, nesterov, rmsprop, adam, adamw, adagrad, adadelta, adamax, nadam, radam, lion)",
        "override foo must be KEY=VALUE, such as epochs=3",
        "override batch_size=1,,2 a value is missing next to a comma",
        "override l1=log(0,1,3) both ends of log must be greater than 0",
    ]


def test_a_value_that_goes_with_some_only(plan: Planner) -> None:
    found = problems(plan, "hidden_sizes=[8],[8,8]", "activation=relu,[relu,tanh]")
    assert len(found) == 2
    assert found[1].startswith("override activation=[relu,tanh] has 2 values, and hidden_sizes has 1 layer")
    assert found[1].endswith("(with hidden_sizes=[8])")


def test_names(plan: Planner) -> None:
    assert plan().folder.name.startswith("base-") and plan("name=mine").folder.name.startswith("mine-")
    assert plan(text="dataset: mnist\n", name="stem.yml").folder.name.startswith("stem-")
    assert "its members are named after what varies" in problems(plan, "name=a,b")[1]
    assert "must be letters, digits" in problems(plan, "name=a/b")[1]
    assert "my_file" in problems(plan, text="dataset: mnist\n", name="my file.yaml")[1]


def test_a_folder_is_given_away_by_its_hash(plan: Planner) -> None:
    planned = plan("epochs=1,2")
    assert planned.folder == Path("results") / f"base-{planned.hash[:8]}" and planned.runs == planned.folder / "runs"
    assert len(planned.hash) == 64


def test_too_many_members(plan: Planner) -> None:
    for asked in (Asked(seeds=1000), Asked(seeds=1000, sampler="random", trials=1000)):
        with pytest.raises(UsageError, match=r"members; at most 20,000 are accepted"):
            plan("learning_rate=log(1e-5,1,1000)", asked=asked)


def test_distributions_need_a_sampler(plan: Planner) -> None:
    assert "a grid needs values, and this is a distribution" in problems(plan, "learning_rate=loguniform(1e-4,1e-1)")[0]
    planned = plan("learning_rate=loguniform(1e-4,1e-1)", "epochs=int(1,3)", asked=Asked(sampler="random", trials=5, seeds=2))
    found = expand(planned).candidates
    assert len(found) == 5 and all(len(candidate.members) == 2 for candidate in found)
    assert all(1e-4 <= candidate.members[0].config.learning_rate <= 1e-1 for candidate in found)
    assert (
        "must be greater than 0" in problems(plan, "learning_rate=uniform(-1,-0.5)", asked=Asked(sampler="random", trials=5))[1]
    )


def test_what_chooses(plan: Planner) -> None:
    assert (plan().metric, plan().mode) == ("val_accuracy", "max")
    text = "base: {dataset: mnist}\nmetric: val_loss\n"
    assert (plan(text=text).metric, plan(text=text).mode) == ("val_loss", "min")
    text = "base: {dataset: mnist}\nmetric: train_accuracy\nmode: min\n"
    assert (plan(text=text).metric, plan(text=text).mode) == ("train_accuracy", "min")
    assert problems(plan, text="base: {dataset: mnist}\nmetric: val_r2\n")[1] == (
        "line 2 metric: val_r2 does not go with loss cross_entropy; "
        "write one of val_loss, val_accuracy, train_loss, train_accuracy"
    )


def test_halving(plan: Planner) -> None:
    halving = Asked(pruner="halving")
    assert plan("epochs=9", "learning_rate=1,2", asked=halving).rungs == (1, 3, 9)
    assert plan("learning_rate=1,2").rungs == ()
    with pytest.raises(UsageError, match="epochs varies"):
        plan("epochs=9,27", asked=halving)
    with pytest.raises(UsageError, match="halving has no rung"):
        plan("epochs=1", asked=halving)
    with pytest.raises(UsageError, match=r"halving is led by val_accuracy, and dataset.validation is 0"):
        plan("learning_rate=1,2", "dataset.validation=0", asked=halving)


def test_tpe_checks_its_corners(plan: Planner) -> None:
    need("optuna")
    asked = Asked(sampler="tpe", trials=5)
    assert "must be at least 0" in problems(plan, "epochs=int(-3,3)", asked=asked)[1]
    found = expand(plan("epochs=int(1,3)", "learning_rate=loguniform(1e-4,1e-2)", asked=asked))
    assert len(found.candidates) == 4, "the first round"
