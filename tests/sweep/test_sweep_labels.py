"""Labels: readable, safe, bounded, and the same whatever the order in which keys are given."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.config import Config, config_from_mapping
from mlp_cli.sweep.space import configuration_label, member_label, ordered, swept_values

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def config(**keys: Any) -> Config:
    return config_from_mapping({"dataset": "mnist"} | keys)


def label(*keys: str, **values: Any) -> str:
    return configuration_label(config(**values), keys)


def test_the_example_of_the_contract() -> None:
    assert member_label(label("learning_rate", learning_rate=1e-3), 0) == "learning_rate-0.001_seed-0"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("learning_rate", 1e-7, "learning_rate-1e-07"),
        ("learning_rate", 2.0, "learning_rate-2"),
        ("learning_rate", 1e30, "learning_rate-1e30"),
        ("hidden_sizes", [300, 100], "hidden_sizes-300x100"),
        ("hidden_sizes", [300, 300], "hidden_sizes-300x300"),
        ("hidden_sizes", [], "hidden_sizes-none"),
        ("batch_size", "full", "batch_size-full"),
        ("activation", "tanh", "activation-tanh"),
        ("activation", {"name": "leaky_relu", "negative_slope": 0.2}, "activation-leaky_relu-negative_slope-0.2"),
        ("optimizer", {"name": "adam", "beta_1": 0.9}, "optimizer-adam"),
        ("optimizer", {"name": "adam", "beta_1": 0.8}, "optimizer-adam-beta_1-0.8"),
        ("batch_norm", True, "batch_norm-true"),
        ("batch_norm", False, "batch_norm-null"),
        ("batch_norm", {"momentum": 0.5}, "batch_norm-momentum-0.5"),
        ("early_stopping", None, "early_stopping-null"),
        ("dropout", 0.0, "dropout-0"),
        ("dtype", "float64", "dtype-float64"),
    ],
)
def test_readable_values(key: str, value: Any, text: str) -> None:
    assert label(key, **{key: value}) == text


def test_values_of_layers() -> None:
    assert label("activation", hidden_sizes=[8, 8], activation="tanh") == "activation-tanh"
    assert label("activation", hidden_sizes=[8, 8], activation=["tanh", "tanh"]) == "activation-tanh"
    assert label("activation", hidden_sizes=[8, 8], activation=["relu", "tanh"]) == "activation-relu-tanh"
    assert label("dropout", hidden_sizes=[8, 8], dropout=[0.1, 0.2]) == "dropout-0.1x0.2"
    assert label("activation", hidden_sizes=[]) == "", "without hidden layers there is none"
    assert label("batch_norm.momentum", "hidden_sizes") == "hidden_sizes-300", "what is off has no options"


def test_nested_keys() -> None:
    adam = {"name": "adam", "beta_1": 0.8, "epsilon": 1e-3}
    assert label("optimizer.beta_1", optimizer=adam) == "optimizer.beta_1-0.8"
    both = label("optimizer", "optimizer.beta_1", optimizer=adam)
    assert both == "optimizer-adam-epsilon-0.001_optimizer.beta_1-0.8", "an option stands once"
    assert label("activation.negative_slope", activation={"name": "leaky_relu", "negative_slope": 0.3}) == (
        "activation.negative_slope-0.3"
    )
    assert label("dataset.limit", dataset={"name": "mnist", "limit": 100}) == "dataset.limit-100"
    assert label("dataset", dataset={"name": "mnist", "limit": 100}) == "dataset-mnist-limit-100"


def test_keys_stand_in_the_schemas_order() -> None:
    assert ordered(["epochs", "optimizer.epsilon", "activation", "optimizer.beta_1"]) == (
        "activation",
        "optimizer.beta_1",
        "optimizer.epsilon",
        "epochs",
    )
    assert label("epochs", "activation") == label("activation", "epochs") == "activation-relu_epochs-10"


def test_without_swept_keys_the_seed_is_the_label() -> None:
    assert member_label(label(), 7) == "seed-7"


def test_characters_that_are_lost_come_back_as_a_digest() -> None:
    one, other = (label("dataset", dataset={"path": path}) for path in ("my data/a", "my_data/a"))
    assert one.startswith("dataset-path-my_data_a-") and one != other


def test_a_long_label_is_cut_and_stays_unique() -> None:
    sizes = [[100 + number] * 30 for number in range(3)]
    labels = [member_label(label("hidden_sizes", hidden_sizes=value), 2**32 - 1) for value in sizes]
    alike = [member_label(label("hidden_sizes", hidden_sizes=[*sizes[0][:-1], last]), 0) for last in (1, 2)]
    assert len({*labels, *alike}) == 5
    assert all(len(text) <= 100 and NAME.fullmatch(text) for text in (*labels, *alike))
    assert labels[0].endswith("_seed-4294967295"), "the seed is never cut"


def test_a_label_is_cut_between_keys() -> None:
    """Never inside a value: batch_size-25-… would be read as 25."""
    keys = ("hidden_sizes", "activation", "optimizer", "learning_rate", "batch_size")
    for size in (251, 252):
        found = label(*keys, hidden_sizes=[300, 100], activation="leaky_relu", learning_rate=0.00123, batch_size=size)
        assert re.fullmatch("hidden_sizes-300x100_activation-leaky_relu_optimizer-adam_[0-9a-f]{8}".replace("_[", "-["), found)
    assert re.fullmatch("hidden_sizes-[0-9a-f]{8}", label("hidden_sizes", hidden_sizes=[100] * 30))


configs = st.fixed_dictionaries(
    {
        "hidden_sizes": st.lists(st.integers(1, 99_999), max_size=12),
        "learning_rate": st.floats(1e-12, 1e6),
        "optimizer": st.sampled_from(["sgd", "adam"])
        | st.builds(lambda value: {"name": "adam", "epsilon": value}, st.floats(1e-9, 1)),
        "dataset": st.just("mnist")
        | st.builds(lambda text: {"path": text}, st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text)),
    }
)


@given(configs, configs, st.integers(0, 2**32 - 1))
def test_labels_are_names_and_differ_where_values_do(one: dict, other: dict, seed: int) -> None:
    keys = list(one)
    made = [config_from_mapping(values) for values in (one, other)]
    texts = [member_label(configuration_label(found, keys), seed) for found in made]
    assert all(NAME.fullmatch(text) for text in texts)
    assert (texts[0] == texts[1]) == (made[0].hash() == made[1].hash())


def test_swept_values() -> None:
    def values(*keys: str, **config_keys: Any) -> dict[str, Any]:
        return swept_values(config(**config_keys).to_dict(), keys)

    adam = {"name": "adam", "beta_1": 0.8}
    assert values("optimizer", optimizer=adam) == {"optimizer": adam}
    assert values("optimizer", "optimizer.beta_1", optimizer=adam) == {"optimizer": "adam", "optimizer.beta_1": 0.8}
    assert values("optimizer.name") == {"optimizer.name": "adam"}
    assert values("activation", hidden_sizes=[3, 4], activation="tanh") == {"activation": "tanh"}
    assert values("batch_norm", "early_stopping.patience") == {"batch_norm": None}
    assert values("early_stopping", early_stopping={"patience": 2}) == {"early_stopping": {"patience": 2}}
    assert values("early_stopping", early_stopping={"patience": 5}) == {"early_stopping": True}
    assert values("dataset", dataset={"path": "a", "limit": 9}) == {"dataset": {"path": "a", "limit": 9}}
    assert values("dataset.path", dataset={"path": "a", "limit": 9}) == {"dataset.path": "a"}
