"""A sweep's identity: what keeps the folder and what changes it."""

import pytest
from test_sweep_plan import BASE, Planner, plan

from mlp_cli.sweep.sweepfile import Asked

__all__ = ["plan"]

FILE = "base: {dataset: mnist, name: base}\nparameters: {epochs: [1, 2]}\n"


@pytest.mark.parametrize(
    "change",
    [
        {"words": ["learning_rate=1e-4,1e-3,1e-2"]},
        {"words": ["learning_rate=7,8"]},
        {"words": ["learning_rate=log(1e-4,1,9)"]},
        {"asked": Asked(seeds=5)},
        {"words": ["learning_rate=1e-3,1e-2", "seed=4,7"]},
        {"words": ["learning_rate=1e-3,1e-2", "seed=4"]},
        {"text": BASE.replace("learning_rate: 0.01", "learning_rate: 0.5")},
        {"text": BASE + "epochs: 10\n"},
        {"text": BASE + "optimizer: {name: adam, beta_1: 0.9}\n"},
        {"text": BASE + "checkpoint_every: 2\n"},
        {"text": BASE.replace("[8]", "[8]  # small")},
    ],
)
def test_what_keeps_it(plan: Planner, change: dict) -> None:
    """Values, seeds, the base's own value of a swept key, what a config's hash leaves out, and other ways to write the same."""
    words = change.pop("words", ["learning_rate=1e-3,1e-2"])
    assert plan(*words, **change).hash == plan("learning_rate=1e-3,1e-2").hash


@pytest.mark.parametrize(
    "change",
    [
        {"words": ["learning_rate=1e-3"]},
        {"words": ["learning_rate=1e-3,1e-2", "epochs=1,2"]},
        {"words": ["learning_rate=1e-3,1e-2", "epochs=3"]},
        {"text": BASE + "batch_size: 64\n"},
        {"asked": Asked(sampler="random", trials=5)},
        {"asked": Asked(pruner="halving")},
    ],
)
def test_what_changes_it(plan: Planner, change: dict) -> None:
    words = change.pop("words", ["learning_rate=1e-3,1e-2"])
    assert plan(*words, **change).hash != plan("learning_rate=1e-3,1e-2").hash


def test_a_base_by_another_spelling_is_the_same(plan: Planner) -> None:
    one, other = (plan("epochs=1,2", text=f"dataset: {{path: {path}, classes: {classes}}}\n", name="x.yaml") for path, classes in (
        ("./a//b", "[1, 7]"), ("a/b", '["1", "7"]'),
    ))  # fmt: skip
    assert one.hash == other.hash != plan("epochs=1,2", text="dataset: {path: a/c}\n", name="x.yaml").hash


def test_the_order_of_keys_does_not_matter(plan: Planner) -> None:
    assert plan("epochs=1,2", "l1=0,1").hash == plan("l1=0,1", "epochs=1,2").hash


def test_samplers_seeds_pruners_options_and_metrics_count(plan: Planner) -> None:
    texts = [
        FILE,
        FILE + "sampler: {name: random, seed: 1}\ntrials: 3\n",
        FILE + "sampler: {name: random, seed: 2}\ntrials: 3\n",
        FILE + "metric: val_loss\n",
        FILE + "metric: val_loss\nmode: max\n",
        FILE.replace("epochs: [1, 2]", "l1: [0, 1]") + "pruner: halving\n",
        FILE.replace("epochs: [1, 2]", "l1: [0, 1]") + "pruner: {name: halving, factor: 2}\n",
    ]
    assert len({plan(text=text).hash for text in texts}) == len(texts)
    same = [FILE, FILE + "metric: val_accuracy\n", FILE + "sampler: grid\n", FILE + "pruner: none\nmode: max\n"]
    assert len({plan(text=text).hash for text in same}) == 1
    assert plan(text=texts[1]).hash == plan(text=texts[1], asked=Asked(trials=50)).hash


def test_a_file_and_the_command_line_meet(plan: Planner) -> None:
    """The same sweep, written as a file and on the command line, has one folder."""
    file = plan(text="base: {dataset: mnist}\nparameters: {epochs: [1, 2]}\n", name="one.yaml")
    line = plan("epochs=1,2", text="dataset: mnist\n", name="one.yaml")
    assert file.folder == line.folder


@pytest.mark.parametrize(
    ("text", "words", "wider"),
    [
        (
            "hidden_sizes: [8, 8]\nactivation: [relu, tanh]\ndataset: mnist\n",
            "hidden_sizes=[8,8],[9,9]",
            "hidden_sizes=[7,7],[8,8],[9,9]",
        ),
        ("epochs: 3\n", "dataset=mnist,fashion_mnist", "dataset=fashion_mnist,emnist_letters,mnist"),
        ("dataset: mnist\noptimizer: {beta_1: 0.8}\n", "optimizer.name=adam,adamw", "optimizer.name=adamw,adam,adam"),
        ("dataset: {validation: 5}\n", "dataset.path=a,b", "dataset.path=c,d,e"),
    ],
)
def test_bases_that_are_whole_only_with_the_swept_keys(plan: Planner, text: str, words: str, wider: str) -> None:
    key = words.partition("=")[0]
    one = plan(words, text=text)
    assert one.space.swept == (key,)
    assert one.hash == plan(wider, text=text).hash
    assert one.hash != plan(words, "batch_size=7", text=text).hash
    assert one.hash == plan(text=one.to_yaml()).hash, "its own sweep.yaml describes the same sweep"


@pytest.mark.parametrize(
    ("with_it", "without_it", "words"),
    [
        ("dataset: cifar10\nepochs: 3\n", "epochs: 3\n", "dataset=mnist,fashion_mnist"),
        ("dataset: {path: x, validation: 5}\n", "dataset: {validation: 5}\n", "dataset.path=a,b"),
        (
            "dataset: mnist\noptimizer: {name: adam, beta_1: 0.8}\n",
            "dataset: mnist\noptimizer: {beta_1: 0.8}\n",
            "optimizer.name=adam,adamw",
        ),
        (
            "dataset: mnist\nhidden_sizes: [8, 8]\nactivation: [relu, tanh]\n",
            "dataset: mnist\nactivation: [relu, {name: tanh}]\n",
            "hidden_sizes=[8,8],[9,9]",
        ),
        ("dataset: mnist\n", "dataset: {name: mnist}\n", "dataset.limit=100,200"),
        (
            "dataset: mnist\nearly_stopping: {patience: 9}\n",
            "dataset: mnist\nearly_stopping: true\n",
            "early_stopping.patience=2,3",
        ),
    ],
)
def test_the_base_s_own_value_of_a_swept_key_is_nothing(plan: Planner, with_it: str, without_it: str, words: str) -> None:
    one = plan(words, text=with_it)
    assert one.hash == plan(words, text=without_it).hash == plan(text=one.to_yaml()).hash


def test_it_is_pinned(plan: Planner) -> None:
    """A change of this number means that nobody's old sweeps are found again: raise identity.FORMAT if it must be.

    Computed by sha256sum of {"base":{"dataset":"mnist","format":3,"hidden_sizes":[8]},"format":1,"metric":null,"pruner":null,
    "sampler":{"name":"grid"},"swept":["learning_rate"]}.
    """
    assert plan("learning_rate=1e-3,1e-2").hash[:16] == "077a99eb7aedfa72"
