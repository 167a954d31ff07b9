"""The algebra of configs: the hash names a run, what changes the bytes changes it and nothing else does; what differs is what was
set apart; values have one notation; the resolved config is the same run."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from choices import choice_of, shortest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp_cli.config import Config, config_from_mapping, load_config
from mlp_cli.config.resolved import UNSEEDED, canonical, config_hash, differing, flat, show
from mlp_cli.config.yaml_lines import read
from mlp_cli.data import catalogue
from mlp_cli.data.dataset import RawSet
from mlp_cli.data.splits import cut, splits

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
    assert canonical(config().to_dict()) == {"format": 3, "dataset": "mnist"}
    found = canonical(config(hidden_sizes=[4, 5], activation="tanh", optimizer="sgd", learning_rate=1).to_dict())
    assert found == {
        "format": 3,
        "dataset": "mnist",
        "hidden_sizes": [4, 5],
        "activation": "tanh",
        "optimizer": "sgd",
        "learning_rate": 1,
    }


def test_the_hash_is_pinned() -> None:
    """SHA-256 of {"dataset":"mnist","format":3}, computed with sha256sum: old runs must be found again."""
    assert config().hash() == "2b34e6a3d829b00450b9679cc66ea193cc871c6a10cbd50961039a7e10de174e"


def test_spellings_of_one_config_have_one_hash() -> None:
    one = config(activation=["relu", "relu"], hidden_sizes=[8, 8], learning_rate=1, dropout=[0, 0])
    other = config(activation="relu", hidden_sizes=[8, 8], learning_rate=1.0, dropout=0)
    assert one.hash() == other.hash()
    leaky = [{"name": "leaky_relu", "negative_slope": 0.01}, "relu"]
    assert config(hidden_sizes=[8, 8], activation=leaky) != config(hidden_sizes=[8, 8], activation="relu")
    assert (
        config(hidden_sizes=[8, 8], activation=leaky).hash()
        == config(hidden_sizes=[8, 8], activation=["leaky_relu", "relu"]).hash()
    )


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mapping=values)
def test_the_resolved_config_is_the_same_run(tmp_path: Path, mapping: dict[str, Any]) -> None:
    first = config_from_mapping(mapping | {"name": "x"})
    path = tmp_path / "x.yaml"
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


def written() -> Iterator[dict[str, Any]]:
    """Configs that have every component, every kind of data and every part that can be on, each by its name alone."""
    for key in Config.model_fields:
        choice = choice_of(key)
        yield from ({key: shortest(choice, name)} for name in choice.registry) if choice else ()
    yield from ({"optimizer": name, "weight_decay": 0.5} for name in ("sgd", "adamw"))
    yield from ({"dataset": name} for name in catalogue.names())
    yield from ({"dataset": {"name": "mnist", "split": split}} for split in splits if split not in ("group", "time"))
    yield from ({"dataset": {"path": path}} for path in ("a folder", "x.npy"))
    yield {"dataset": {"path": "table.csv", "target": "y"}}
    yield from ({key: True} for key in ("batch_norm", "early_stopping"))
    yield {"hidden_sizes": [3, 4], "activation": ["leaky_relu", "relu"], "dropout": [0.5, 0]}
    yield {"hidden_sizes": [], "batch_norm": True}
    yield {"augment": {"steps": ["flip", {"name": "shift", "pixels": 3}]}}


@pytest.mark.parametrize("some", list(written()), ids=str)
def test_every_default_may_be_written_or_left_out(some: dict[str, Any]) -> None:
    """The contract: leaving out any key, or any option of any component, is the same run as writing its default there. So a run
    of a version that had a key less is found again by one in which that key is at its default."""
    given = {"name": "x", "dataset": "mnist"} | some
    whole = config_from_mapping(given).to_dict()
    same = canonical(whole)
    assert canonical(given) == same, "written or resolved"
    assert canonical(config_from_mapping(whole).to_dict()) == same, "read again"
    for key in whole.keys() - given.keys():
        assert canonical({other: value for other, value in whole.items() if other != key}) == same, key
    for key, value in whole.items():
        own = given.get(key) if isinstance(given.get(key), dict) else {}
        for option in value.keys() - own.keys() - {"name"} if isinstance(value, dict) else ():
            less = {other: item for other, item in value.items() if other != option}
            assert canonical(whole | {key: less}) == same, f"{key}.{option}"


def test_flat_configs() -> None:
    found = flat(
        {
            "name": "x",
            "seed": 1,
            "dataset": {"path": "my/data", "limit": None},
            "hidden_sizes": [30, 30],
            "activation": [{"name": "relu"}, {"name": "relu"}],
            "optimizer": {"name": "adam", "beta_1": 0.8},
            "batch_norm": {"momentum": 0.9},
            "dropout": [0.0, 0.5],
        }
    )
    assert (
        found.items()
        >= {
            "seed": 1,
            "dataset": "my/data",
            "dataset.path": "my/data",
            "dataset.limit": None,
            "activation": "relu",
            "optimizer": "adam",
            "optimizer.beta_1": 0.8,
            "optimizer.beta_2": 0.999,
            "batch_norm": True,
            "batch_norm.momentum": 0.9,
            "batch_norm.epsilon": 0.001,
            "early_stopping": None,
            "epochs": 10,
        }.items()
    )
    assert found["hidden_sizes"] == [30, 30] and found["dropout"] == [0, 0.5]
    assert not any(key.startswith("early_stopping.") for key in found), "what is off has no options"


def test_layers_of_several_kinds() -> None:
    leaky = {"name": "leaky_relu", "negative_slope": 0.2}
    two = flat({"hidden_sizes": [3, 4], "activation": ["relu", leaky]})
    assert two["activation"] == ["relu", leaky] and "activation.negative_slope" not in two
    one = flat({"hidden_sizes": [3, 4], "activation": [leaky, leaky]})
    assert (one["activation"], one["activation.negative_slope"]) == ("leaky_relu", 0.2)


@pytest.mark.parametrize("off", [None, False])
@pytest.mark.parametrize("key", ["batch_norm", "early_stopping"])
def test_off_is_one_value(key: str, off: bool | None) -> None:
    assert config(**{key: off}).to_dict()[key] is None
    assert flat({"dataset": "mnist", key: off})[key] is None


@pytest.mark.parametrize(
    ("fixed", "one", "other"),
    [
        ({"hidden_sizes": []}, {"batch_norm": True}, {"batch_norm": None}),
        ({"hidden_sizes": []}, {"batch_norm": {"momentum": 0.5}}, {"batch_norm": None}),
        ({"hidden_sizes": []}, {"dropout": 0.5}, {"dropout": 0}),
        ({"hidden_sizes": []}, {"activation": "tanh"}, {"activation": []}),
        *(
            ({}, {"dataset": {"name": "mnist", "split": split, "split_seed": 1}}, {"dataset": {"name": "mnist", "split": split}})
            for split in UNSEEDED
            if split != "time"
        ),
    ],
)
def test_what_cannot_matter_is_no_other_run(fixed: dict[str, Any], one: dict[str, Any], other: dict[str, Any]) -> None:
    both = [config(**fixed, **each) for each in (one, other)]
    assert both[0].hash() == both[1].hash()
    assert flat(both[0].to_dict()) == flat(both[1].to_dict()) and differing([each.to_dict() for each in both]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"hidden_sizes": [3], "batch_norm": True}, {"hidden_sizes": [3]}),
        ({"dataset": {"name": "mnist", "split_seed": 1}}, {"dataset": "mnist"}),
        ({"dataset": {"name": "mnist", "validation": 0}}, {"dataset": "mnist"}),
        *(
            ({"dataset": dataset | {"split_seed": 1}}, {"dataset": dataset})
            for dataset in (
                {"name": "mnist", "split": "last", "limit": 100},
                {"name": "mnist", "validation": 0},
            )
        ),
        ({"dataset": {"path": "mnist"}}, {"dataset": {"name": "mnist"}}),
    ],
)
def test_what_matters_is_another_run(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A part of the training rows is drawn by the split's seed as well."""
    assert config(**one).hash() != config(**other).hash()


@pytest.mark.parametrize("split", list(splits))
def test_splits_that_draw_by_their_seed(split: str) -> None:
    """The list of those that do not is kept by hand: here it is held against what they do."""
    rows = {"vu": 60_000, "ece421": 18_720, "ece421_handout": 18_720}.get(split, 500)
    validation = 50 if rows == 500 else None
    x, y = np.zeros((rows, 1), np.float32), np.arange(rows) % 2
    whole = RawSet(train_x=x, train_y=y, shape=(1,), classes=("0", "1"), official_validation=50)
    whole = replace(whole, groups=np.arange(rows) // 2, order=np.arange(rows) // 2)
    first, second = (cut(split, whole, validation, seed) for seed in (0, 1))
    same = np.array_equal(first.train, second.train) and np.array_equal(first.validation, second.validation)
    assert same == (split in UNSEEDED)


def test_only_what_was_set_apart_differs() -> None:
    def keys(*changes: dict[str, Any]) -> list[str]:
        return differing([config(**change).to_dict() for change in changes])

    assert keys({"optimizer": "sgd"}, {"optimizer": "adam"}, {"optimizer": "adamw"}) == ["optimizer"]
    assert keys({"optimizer": "adam"}, {"optimizer": "adamw"}, {"optimizer": "adamw", "weight_decay": 0}) == [
        "optimizer",
        "weight_decay",
    ]
    assert keys({"optimizer": "adam", "weight_decay": 0.004}, {"optimizer": "adamw"}) == ["optimizer"], "equal everywhere"
    assert keys({"early_stopping": None}, {"early_stopping": True}) == ["early_stopping"]
    assert keys({"early_stopping": None}, {"early_stopping": True}, {"early_stopping": {"patience": 2}}) == [
        "early_stopping",
        "early_stopping.patience",
    ]
    assert keys({"early_stopping": True}, {"early_stopping": True, "evaluate": "last"}) == ["evaluate"]
    assert keys({"optimizer": "adam"}, {"optimizer": {"name": "rmsprop", "epsilon": 0.1}}) == ["optimizer"]
    assert keys({"hidden_sizes": [], "batch_norm": True}, {"hidden_sizes": [3], "activation": "tanh"}) == ["hidden_sizes"]
    assert keys({"dataset": "mnist"}, {"dataset": "cifar10"}) == ["dataset"], "its rows and scale follow"
    assert keys({"name": "a", "checkpoint_every": 3, "seed": 0}, {"name": "b", "seed": 1}) == ["seed"]


def test_configs_of_other_versions() -> None:
    known = config(optimizer="adam").to_dict()
    later = known | {"mixup": 0.2, "optimizer": known["optimizer"] | {"amsgrad": True}}
    strange = known | {
        "optimizer": {"name": "sophia", "beta_1": 0.9},
        "activation": ["sinus"],
        "dataset": {"name": "svhn", "rows": 3},
    }
    assert differing([known, later]) == ["optimizer.amsgrad", "mixup"]
    assert canonical(later) == canonical(known) | {"mixup": 0.2, "optimizer.amsgrad": True}
    assert canonical(strange).items() >= {"optimizer": "sophia", "optimizer.beta_1": 0.9, "activation": "sinus"}.items()
    assert {"optimizer", "activation", "dataset"} <= set(differing([known, strange]))
    earlier = {"seed": 0, "dataset": "mnist", "optimizer": {"name": "adam"}, "batch_norm": False}
    assert config_hash(earlier) == config().hash() and differing([earlier, known]) == []
    assert canonical({"dataset": "mnist", "seed": False}) == {"format": 3, "dataset": "mnist", "seed": False}, "no number"
    assert flat({"seed": 1})["seed"] == 1 and "dataset" not in flat({"seed": 1})
    for nonsense in (
        {"optimizer": 3},
        {"dataset": []},
        {"dataset": {"name": [1], "scale": 2}},
        {"activation": [[]]},
        {"batch_norm": 7},
    ):
        assert differing([known, known | nonsense]) == list(nonsense) or "dataset" in nonsense
        assert len(config_hash(known | nonsense)) == 64


def test_what_is_no_config() -> None:
    nested: Any = 1
    for _ in range(300):
        nested = {"a": nested}
    with pytest.raises(ValueError, match=r"optimizer.*nested too deeply"):
        flat({"optimizer": nested})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (2.0, "2.0"),
        (0.1, "0.1"),
        (1e-7, "1.0e-07"),
        (1.5e30, "1.5e+30"),
        (float("-inf"), "-.inf"),
        ("relu", "relu"),
        ("null", '"null"'),
        ("No", '"No"'),
        ("1", '"1"'),
        (".5", '".5"'),
        ("../a/b.csv", "../a/b.csv"),
        ("a b", '"a b"'),
        ('a"\\\n\u202e', '"a\\"\\\\\\U0000000a\\U0000202e"'),
        ([300, 100], "[300, 100]"),
        (["relu", {"name": "leaky_relu", "negative_slope": 0.2}], "[relu, {name: leaky_relu, negative_slope: 0.2}]"),
        ({"name": "momentum", "nesterov": True}, "{name: momentum, nesterov: true}"),
    ],
)
def test_the_one_notation(value: Any, text: str) -> None:
    assert show(value) == text
    assert yaml.safe_load(text) == value and read(text).values == value


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8), st.lists))
def test_values_read_back_exactly(value: Any) -> None:
    again = read(show(value)).values
    assert again == value and repr(again) == repr(value)
