"""Sweep files: reading, the command line over them, every problem with its line, and the resolved file."""

from pathlib import Path

import pytest
from test_sweep_plan import BASE, Planner, expand, labels, plan, problems

from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.sweep.sweepfile import Asked, plan_sweep

__all__ = ["plan"]

SWEEP = """\
base: configs/base.yaml
parameters:
  optimizer: [sgd, {name: adam, beta_1: 0.8}]
  learning_rate: log(1e-3, 1e-1, 3)
  hidden_sizes: [[8], [8, 8], [16]]
zip: [learning_rate, hidden_sizes]
seeds: 2
metric: val_loss
"""


@pytest.fixture
def base_file(tmp_path: Path) -> Path:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "base.yaml").write_text(BASE)
    return tmp_path / "configs" / "base.yaml"


def test_a_sweep_file(plan: Planner, base_file: Path) -> None:
    planned = plan(text=SWEEP, name="rates.yaml")
    assert planned.folder.name.startswith("rates-") and planned.metric == "val_loss"
    assert planned.space.seeds == (0, 1)
    assert labels(planned) == [
        f"hidden_sizes-{sizes}_optimizer-{optimizer}_learning_rate-{rate}"
        for optimizer in ("sgd", "adam-beta_1-0.8")
        for rate, sizes in (("0.001", "8"), ("0.01", "8x8"), ("0.1", "16"))
    ]


def test_the_base_is_found_next_to_its_own_file(plan: Planner, base_file: Path, tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    text = SWEEP.replace("configs/base.yaml", "../configs/base.yaml")
    assert len(labels(plan(text=text, name="sweeps/rates.yaml"))) == 6


def test_a_plain_config_is_no_sweep_file(plan: Planner) -> None:
    assert labels(plan()) == [""]


def test_an_inline_base_and_seeds_as_a_list(plan: Planner) -> None:
    text = "base:\n  dataset: mnist\n  seed: 3\nparameters:\n  epochs: [1]\nseeds: [4, 2, 4]\n"
    planned = plan(text=text)
    assert planned.space.seeds == (4, 2) and planned.space.swept == ("epochs",), "one value in the file is an axis of one"
    assert plan(text=text, asked=Asked(seeds=2)).space.seeds == (3, 4), "--seeds wins"


def test_the_command_line_wins(plan: Planner, base_file: Path) -> None:
    text = SWEEP.replace("zip: [learning_rate, hidden_sizes]\n", "")
    assert labels(plan("optimizer=adam", "learning_rate=1,2", "hidden_sizes=[3],[4]", text=text)) == [
        f"hidden_sizes-{size}_learning_rate-{rate}" for rate in (1, 2) for size in (3, 4)
    ]
    assert plan(text=text + "pruner: halving\n", asked=Asked(pruner="none")).rungs == ()
    assert plan(text=text + "sampler: {name: random, seed: 3}\ntrials: 4\n").sampler.options() == {"seed": 3}
    assert plan(text=text + "sampler: random\ntrials: 4\n", asked=Asked(trials=7)).trials == 7


def test_the_same_sampler_or_pruner_by_name_keeps_the_file_s_options(plan: Planner, base_file: Path) -> None:
    text = SWEEP + "sampler: {name: random, seed: 3}\ntrials: 4\npruner: {name: halving, factor: 2}\n"
    same = plan(text=text, asked=Asked(sampler="random", pruner="halving"))
    assert (
        same.folder == plan(text=text).folder and same.sampler.options() == {"seed": 3} and same.pruner.options()["factor"] == 2
    )
    grid = plan(text=text, asked=Asked(sampler="grid", pruner="none"))
    assert (grid.sampler.name, grid.trials, grid.pruner) == ("grid", None, None) and len(labels(grid)) == 6
    with pytest.raises(UsageError, match="a grid takes every combination, and trials asks for 4"):
        labels(plan(text=SWEEP + "trials: 4\n"))


def test_zip_and_samplers(plan: Planner, base_file: Path) -> None:
    found = labels(plan(text=SWEEP + "sampler: random\ntrials: 30\n"))
    pairs = {(label.split("_optimizer")[0], label.rsplit("-", 1)[1]) for label in found}
    assert pairs == {("hidden_sizes-8", "0.001"), ("hidden_sizes-8x8", "0.01"), ("hidden_sizes-16", "0.1")}


def test_every_problem_of_a_sweep_file(plan: Planner) -> None:
    text = """\
bas: 3
base: [1]
parameters:
  learning_rate: {log: [1, 2]}
  epochs: []
  l1: log(0, 1, 3)
  dtype:
seeds: 0
sampler: rndom
pruner: {name: halving, factr: 2, min_epochs: 0}
metric: test_accuracy
mode: biggest
zip: 5
epochs: 3
trials: x
"""
    assert problems(plan, text=text, name="s.yaml") == [
        "s.yaml: 14 problems",
        "line 1 bas: 3 unknown key; did you mean base?",
        "line 2 base: [1] must be the path of a config, or a mapping of its keys",
        "line 4 learning_rate: {log: [1, 2]} must be a list of values, or a distribution such as loguniform(1e-4, 1e-1); "
        "for a nested key write learning_rate.log: [...]",
        "line 5 epochs: [] must be a list of values, or a distribution such as loguniform(1e-4, 1e-1)",
        "line 6 l1: log(0, 1, 3) both ends of log must be greater than 0",
        "line 7 dtype: must be a list of values, or a distribution such as loguniform(1e-4, 1e-1)",
        "line 8 seeds: 0 must be at least 1 and at most 10000, or a list",
        "line 9 sampler: rndom unknown sampler; did you mean random? (known: grid, random, tpe)",
        "line 10 pruner: {name: halving, factr: 2, min_epochs: 0} min_epochs: must be at least 1; "
        "factr: unknown key; did you mean factor?",
        "line 11 metric: test_accuracy the test set never chooses; write val_accuracy or val_loss",
        "line 12 mode: biggest must be max or min",
        "line 13 zip: 5 must be a list of keys that move together, such as [learning_rate, batch_size], or several such lists",
        "line 14 epochs: 3 unknown key; belongs under base, or under parameters if it varies",
        "line 15 trials: x must be a whole number, at least 1",
    ]


def test_members_problems_have_the_line_of_the_sweep_file(plan: Planner, base_file: Path) -> None:
    base_file.write_text(BASE + "dropot: 1\n")
    text = "base: configs/base.yaml\nparameters:\n  learning_rate: [1e-3, -1]\n  lr: [1, 2]\nseeds: 3\n"
    assert problems(plan, "epochs=-1", text=text, name="s.yaml") == [
        "configs/base.yaml: 1 problem",
        "line 5 dropot: 1 unknown key; did you mean dropout?",
        "s.yaml: 3 problems",
        "line 3 learning_rate: -1 must be greater than 0",
        "line 4 lr: [1, 2] unknown key; did you mean learning_rate?",
        "override epochs=-1 must be at least 0",
    ]


def test_a_value_in_a_list_over_several_lines_has_its_own_line(plan: Planner) -> None:
    text = "base: {dataset: mnist}\nparameters:\n  epochs:\n    - 1\n    - -2\n  l1: [0,\n    0.5, -1]\n"
    assert problems(plan, text=text, name="s.yaml")[1:] == [
        "line 5 epochs: -2 must be at least 0",
        "line 7 l1: -1 must be at least 0",
    ]


def test_a_missing_base_withholds_no_other_problem(plan: Planner) -> None:
    found = problems(plan, "=3", text="base: nowhere.yaml\nparameters: {epochs: [1, 2]}\nzip: [epochs, l1]\n", name="s.yaml")
    assert found[0] == "s.yaml: 2 problems" and found[1].startswith("line 3 zip: [epochs, l1] l1 does not vary")
    assert "cannot read nowhere.yaml: no such file or directory" in found


def test_an_inline_base_has_lines_of_its_own(plan: Planner) -> None:
    text = "base:\n  dataset: mnst\nparameters:\n  epochs: [1, x]\n"
    found = problems(plan, text=text, name="s.yaml")
    assert found[0] == "s.yaml: 2 problems" and found[1].startswith("line 2 dataset: mnst unknown dataset; did you mean mnist?")
    assert found[2].startswith("line 4 epochs: x must be a whole number")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("parameters: {epochs: [1]}\n", "base is required; write base: and the path of a config, or a mapping of its keys"),
        ("base: nowhere.yaml\n", "cannot read nowhere.yaml: no such file or directory"),
        ("base: other.yaml\n", "line 1 base: other.yaml is a sweep file; a base must be a plain config"),
        ("base: {dataset: mnist}\nparameters: 3\n", "parameters: 3 must be a mapping"),
        ("base: {dataset: mnist}\nseeds: []\n", "must be a list of 1 or more"),
        ("base: {dataset: mnist}\nseeds: 2000000000\n", "must be at least 1 and at most 10000, or a list"),
        ("base: {dataset: mnist}\nparameters: {seed: [1]}\nseeds: 2\n", "seeds says which seeds already"),
        ("base: {dataset: mnist}\nzip: [epochs, l1]\n", "zip: [epochs, l1] epochs does not vary"),
        (
            "base: {dataset: mnist}\nparameters: {epochs: [1, 2], l1: [0, 1, 2]}\nzip: [epochs, l1]\n",
            "epochs has 2 and l1 has 3 values; keys that move together need the same number",
        ),
        (
            "base: {dataset: mnist}\nparameters: {epochs: [1, 2], l1: 'uniform(0,1)'}\nzip: [epochs, l1]\n",
            "l1 is a distribution; keys that move together need lists of values",
        ),
        (
            "base: {dataset: mnist}\nparameters: {epochs: [1, 2], l1: [0, 1]}\nzip: [[epochs, l1], [l1, epochs]]\n",
            "is named twice",
        ),
        ("base: {dataset: mnist}\nmetric: val_acuracy\n", "did you mean val_accuracy?"),
        ("base: {dataset: mnist}\npruner: 0\n", "must be the name of a pruner (known: none, halving)"),
        ("base: {dataset: mnist}\npruner: halvin\n", "did you mean halving? (known: none, halving)"),
        (
            "base: {dataset: mnist}\nparameters: {seed: [1, 2], epochs: [1, 2]}\nzip: [seed, epochs]\n",
            "seed moves with no other key, since each configuration has all seeds; take it out",
        ),
        (
            "base: {dataset: mnist}\nparameters:\n  learning_rate: {min: 1e-4, max: 1e-1}\n",
            "write learning_rate: loguniform(0.0001, 0.1), or uniform(0.0001, 0.1)",
        ),
    ],
)
def test_single_problems(plan: Planner, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "other.yaml").write_text("base: {dataset: mnist}\n")
    assert said in "\n".join(problems(plan, text=text, name="s.yaml"))


@pytest.mark.parametrize("text", ["base: [", "a\nbase", "- base", "base: {dataset: mnist}\nbase: 3\n", "base: &a 3\n"])
def test_broken_files_are_config_errors(plan: Planner, text: str) -> None:
    with pytest.raises(ConfigError):
        plan(text=text)


def test_functions_among_the_items_of_a_list(plan: Planner) -> None:
    """In brackets YAML cuts them at their commas; they mean the same there."""
    flow = "base: {dataset: mnist}\nparameters: {epochs: [1, int(2, 3)], hidden_sizes: [[int(8, 9), 16], []]}\n"
    block = "base: {dataset: mnist}\nparameters:\n  epochs:\n  - 1\n  - int(2, 3)\n  hidden_sizes:\n  - - int(8, 9)\n    - 16\n  - []\n"
    one, other = (plan(text=text + "sampler: random\ntrials: 9\n") for text in (flow, block))
    assert one.space.axes == other.space.axes and set(labels(one)) == {
        f"hidden_sizes-{sizes}_epochs-{epochs}" for sizes in ("8x16", "9x16", "none") for epochs in (1, 2, 3)
    }
    assert labels(plan(text="base: {dataset: mnist}\nparameters: {learning_rate: [log(1e-2, 1, 3)]}\n")) == [
        f"learning_rate-{rate}" for rate in (0.01, 0.1, 1)
    ]


def test_the_resolved_file_plans_the_same_sweep(plan: Planner, base_file: Path) -> None:
    texts = [
        SWEEP,
        SWEEP + "sampler: {name: random, seed: 4}\ntrials: 5\npruner: {name: halving, factor: 2}\n",
        "base: {dataset: mnist}\nparameters: {learning_rate: 'loguniform(1e-5, 0.1)', epochs: 'int(1, 3)'}\nsampler: random\ntrials: 3\n",
        "base: {dataset: mnist}\nparameters: {hidden_sizes: [[int(8, 64, 8), 3], []], batch_size: 'logint(16, 64)'}\n"
        "sampler: random\ntrials: 3\n",
        BASE,
    ]
    for text in texts:
        first = plan("optimizer.beta_2=0.9" if "beta_1" not in text else "epochs=12", text=text)
        Path("again.yaml").write_text(first.to_yaml())
        second = plan_sweep("again.yaml", [], Path("results"), Asked())
        assert second.folder == first.folder and second.hash == first.hash and second.to_yaml() == first.to_yaml()
        members = [[m.id for c in expand(planned).configurations for m in c.members] for planned in (first, second)]
        assert members[0] == members[1]


def test_the_resolved_file_shows_defaults(plan: Planner) -> None:
    text = plan("optimizer=sgd,adam").to_yaml()
    assert "  batch_size: 128\n" in text and "  optimizer: [sgd, adam]\n" in text and "seeds: [0]\n" in text
    assert "metric: val_accuracy\nmode: max\n" in text
    assert "weight_decay" not in text, "its default follows from the optimizer, which varies"
