"""The hash names a run: what changes the bytes changes it, nothing else does; the resolved config is the same run."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.config import Config, config_from_mapping, load_config

BASE: dict[str, Any] = {"dataset": "mnist", "name": "base"}

DEFAULTS: dict[str, Any] = {
    "seed": 0,
    "dataset": {"name": "mnist", "validation": 5000, "split": "stratified", "split_seed": 0, "scale": "unit", "limit": None},
    "hidden_sizes": [300],
    "activation": "relu",
    "initializer": "he_normal",
    "optimizer": {"name": "adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
    "learning_rate": 1e-3,
    "schedule": "constant",
    "epochs": 10,
    "batch_size": 128,
    "loss": {"name": "cross_entropy", "reduction": "mean"},
    "dropout": 0.0,
    "dtype": "float32",
    "engine": "numpy",
    "evaluate": "last",
}
"""The example of the contract, and what it says of further keys; written by hand, not read from the schema."""

CHANGES: dict[str, Any] = {
    "seed": 1,
    "dataset": "fashion_mnist",
    "hidden_sizes": [300, 300],
    "activation": "tanh",
    "initializer": "xavier_uniform",
    "optimizer": {"name": "adam", "beta_1": 0.8},
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "epochs": 11,
    "batch_size": "full",
    "loss": {"name": "cross_entropy", "reduction": "sum"},
    "dropout": 0.1,
    "input_dropout": 0.1,
    "batch_norm": True,
    "weight_decay": 0.1,
    "l1": 0.1,
    "early_stopping": True,
    "dtype": "float64",
    "evaluate": "best",
}


def config(**changes: Any) -> Config:
    return config_from_mapping(BASE | changes)


@pytest.mark.parametrize("key", DEFAULTS)
def test_a_value_equal_to_its_default_changes_nothing(key: str) -> None:
    assert config(**{key: DEFAULTS[key]}).hash() == config().hash()
    assert config(**{key: DEFAULTS[key]}) == config()


@pytest.mark.parametrize("key", CHANGES)
def test_every_other_value_changes_the_hash(key: str) -> None:
    assert config(**{key: CHANGES[key]}).hash() != config().hash()


def test_changes_all_differ() -> None:
    assert len({config(**{key: value}).hash() for key, value in CHANGES.items()}) == len(CHANGES)


@pytest.mark.parametrize(("key", "value"), [("name", "other"), ("checkpoint_every", 5)])
def test_keys_that_leave_the_bytes_alone(key: str, value: Any) -> None:
    assert config(**{key: value}).hash() == config().hash()


def test_canonical_form_has_only_what_differs() -> None:
    assert config().canonical() == {"format": 1, "dataset": {"name": "mnist"}}
    canonical = config(hidden_sizes=[4, 5], activation="tanh", optimizer="sgd", learning_rate=1).canonical()
    assert canonical == {
        "format": 1,
        "dataset": {"name": "mnist"},
        "hidden_sizes": [4, 5],
        "activation": [{"name": "tanh"}, {"name": "tanh"}],
        "optimizer": {"name": "sgd"},
        "learning_rate": 1.0,
    }


def test_the_hash_is_pinned() -> None:
    """SHA-256 of {"dataset":{"name":"mnist"},"format":1}, computed with sha256sum: old runs must be found again."""
    assert config().hash() == "098d25dff0a7f2ab2b5b8d15246a35efcdd717a363379ff1bcdee5f5d98ecc69"


def test_spellings_of_one_config_have_one_hash() -> None:
    one = config(activation=["relu", "relu"], hidden_sizes=[8, 8], learning_rate=1, dropout=[0, 0])
    other = config(activation="relu", hidden_sizes=[8, 8], learning_rate=1.0, dropout=0)
    assert one.hash() == other.hash()


def test_adamw_has_its_own_default_decay() -> None:
    assert config(optimizer="adamw").weight_decay == 0.004 and config(optimizer="adam").weight_decay == 0.0
    assert config(optimizer="adamw", weight_decay=0.004).hash() == config(optimizer="adamw").hash()
    assert config(optimizer="adamw", weight_decay=0).hash() != config(optimizer="adamw").hash()


values = st.fixed_dictionaries(
    {
        "dataset": st.sampled_from(
            ["mnist", {"name": "fashion_mnist", "validation": 0.1, "scale": "standard"}, {"path": "a b/c: d"}]
        )
    },
    optional={
        "seed": st.integers(0, 2**32 - 1),
        "hidden_sizes": st.lists(st.integers(1, 1000), max_size=4),
        "activation": st.sampled_from(["sigmoid", {"name": "leaky_relu", "negative_slope": 0.2}]),
        "optimizer": st.sampled_from(
            ["sgd", "rmsprop", {"name": "momentum", "momentum": 0.99}, {"name": "adam", "epsilon": 1e-9}]
        ),
        "learning_rate": st.floats(1e-12, 1e6),
        "schedule": st.sampled_from(["step", {"name": "cosine", "warmup_epochs": 0.5}]),
        "epochs": st.integers(0, 10**6),
        "batch_size": st.one_of(st.just("full"), st.integers(1, 10**6)),
        "dropout": st.floats(0, 0.99),
        "early_stopping": st.sampled_from([True, None, {"patience": 2, "min_delta": 1e-3}]),
        "batch_norm": st.sampled_from([True, False, {"momentum": 0.9}]),
    },
)


@given(values)
def test_the_resolved_config_is_the_same_run(tmp_path_factory: pytest.TempPathFactory, mapping: dict[str, Any]) -> None:
    first = config_from_mapping(mapping | {"name": "x"})
    path = tmp_path_factory.mktemp("resolved") / "x.yaml"
    path.write_text(first.to_yaml(), encoding="utf-8")
    again = load_config(path)
    assert again == first and again.hash() == first.hash()
    assert config_from_mapping(json.loads(json.dumps(first.to_dict()))) == first


@pytest.mark.parametrize(
    ("override", "changes"),
    [
        ("learning_rate=1e-2", {"learning_rate": 0.01}),
        ("optimizer.beta_1=0.8", {"optimizer": {"name": "adam", "beta_1": 0.8}}),
        ("optimizer=sgd", {"optimizer": "sgd"}),
        ("dataset.validation=0.1", {"dataset": {"name": "mnist", "validation": 0.1}}),
        ("hidden_sizes=[300,100]", {"hidden_sizes": [300, 100]}),
        ("activation=[tanh]", {"activation": "tanh"}),
        ("batch_size=full", {"batch_size": "full"}),
        ("early_stopping.patience=3", {"early_stopping": {"patience": 3}}),
    ],
)
def test_overrides(tmp_path: Path, override: str, changes: dict[str, Any]) -> None:
    path = tmp_path / "base.yaml"
    path.write_text("dataset: mnist\nlearning_rate: 5\noptimizer: adam\n")
    expected = config_from_mapping({"name": "base", "dataset": "mnist", "learning_rate": 5, "optimizer": "adam"} | changes)
    assert load_config(path, [override]) == expected
    assert load_config(path, ["seed=4", override, "seed=0"]) == expected, "the last one wins"


def test_numbers_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("dataset: mnist\nlearning_rate: 1e-3\nepochs: 1e1\nbatch_size: 64.0\nl1: 1E-5\n")
    read = load_config(path)
    assert (read.learning_rate, read.epochs, read.batch_size, read.l1) == (0.001, 10, 64, 1e-5)
    assert isinstance(read.epochs, int) and isinstance(read.batch_size, int)
