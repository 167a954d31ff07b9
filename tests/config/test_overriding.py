"""Overrides KEY=VALUE: what each leaves of the file, and the message of each that cannot be."""

from pathlib import Path
from typing import Any

import pytest

from mlp_cli.config import config_from_mapping, load_config, read_document, resolve
from mlp_cli.errors import ConfigError

FILE = """dataset: mnist
optimizer: {name: adam, beta_1: 0.8}
hidden_sizes: [30, 20]
activation: [relu, tanh]
early_stopping: on
epochs: many
"""
REPAIRED = ("early_stopping=true", "epochs=3")
"""The file's two wrong values are replaced, so nobody hears of them."""

WRITTEN = {
    "name": "a",
    "dataset": "mnist",
    "optimizer": {"name": "adam", "beta_1": 0.8},
    "hidden_sizes": [30, 20],
    "activation": ["relu", "tanh"],
    "early_stopping": True,
    "epochs": 3,
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(FILE)
    return Path("a.yaml")


@pytest.mark.parametrize(
    ("overrides", "changes"),
    [
        ([], {}),
        (["optimizer=adamw"], {"optimizer": "adamw"}),
        (["optimizer.beta_2=0.5"], {"optimizer": {"name": "adam", "beta_1": 0.8, "beta_2": 0.5}}),
        (["optimizer=adamw", "optimizer.beta_2=0.5"], {"optimizer": {"name": "adamw", "beta_2": 0.5}}),
        (["optimizer.beta_2=0.5", "optimizer=adamw"], {"optimizer": "adamw"}),
        (["optimizer={name: rmsprop, rho: 0.8}"], {"optimizer": {"name": "rmsprop", "rho": 0.8}}),
        (["optimizer.beta_1=1e-1", "optimizer.beta_1=0.2"], {"optimizer": {"name": "adam", "beta_1": 0.2}}),
        (["initializer.x=1", "initializer=zeros"], {"initializer": "zeros"}),
        (["schedule.warmup_epochs=2"], {"schedule": {"name": "constant", "warmup_epochs": 2}}),
        (["dataset.validation=0.1"], {"dataset": {"name": "mnist", "validation": 0.1}}),
        (["dataset.name=fashion_mnist"], {"dataset": "fashion_mnist"}),
        (["dataset={path: x.npz}"], {"dataset": {"path": "x.npz"}}),
        (["early_stopping.patience=2"], {"early_stopping": {"patience": 2}}),
        (["early_stopping=null"], {"early_stopping": None}),
        (["batch_norm.momentum=0.5"], {"batch_norm": {"momentum": 0.5}}),
        (["activation=sigmoid"], {"activation": "sigmoid"}),
        (["activation=[relu,relu]"], {"activation": "relu"}),
        (["hidden_sizes=[]", "activation=relu"], {"hidden_sizes": [], "activation": "relu"}),
        ([" seed = 4 "], {"seed": 4}),
        (["name='1e-3'"], {"name": "1e-3"}),
        (["seed=4 # a comment"], {"seed": 4}),
    ],
)
def test_what_an_override_leaves(path: Path, overrides: list[str], changes: dict[str, Any]) -> None:
    assert load_config(path, [*REPAIRED, *overrides]) == config_from_mapping(WRITTEN | changes)


@pytest.mark.parametrize(
    ("overrides", "rows"),
    [
        (["seed"], ["override   seed    must be KEY=VALUE, such as epochs=3"]),
        (["sed:5"], ["override   sed:5    must be KEY=VALUE, such as epochs=3"]),
        (["--quick"], ["override   --quick    must be KEY=VALUE, such as epochs=3"]),
        (["optimizer.bta"], ["override   optimizer.bta    must be KEY=VALUE, such as epochs=3"]),
        (["=3"], ["override   =3    must be KEY=VALUE, such as epochs=3"]),
        (["a..b=1"], ["override   a..b=1    must be KEY=VALUE, such as epochs=3"]),
        (["hiden_sizes=[3]"], ["override   hiden_sizes=[3]    unknown key; did you mean hidden_sizes?"]),
        (["beta_2=0.9"], ["override   beta_2=0.9    unknown key; belongs under optimizer; write optimizer.beta_2=0.9"]),
        (
            ["optimizer.learning_rate=3"],
            ["override   optimizer.learning_rate=3    unknown key; belongs at the top level"],
        ),
        (
            ["optimizer={name: adam, beta_1: 3, beta2: 1}"],
            [
                "override   optimizer={name: adam, beta_1: 3, beta2: 1}    beta_1: must be at least 0 and less than 1",
                "override   optimizer={name: adam, beta_1: 3, beta2: 1}    beta2: unknown key; did you mean beta_2?",
            ],
        ),
        (["hidden_sizes=[3,0]"], ["override   hidden_sizes=[3,0]    item 2: must be at least 1 and at most 1000000"]),
        (["seed=-1", "seed=-2"], ["override   seed=-2    must be at least 0 and at most 4294967295"]),
        (["learning_rate="], ["override   learning_rate=    has no value; must be a number, greater than 0"]),
        (
            ["learning_rate.x=3"],
            ["override   learning_rate.x=3    learning_rate is 0.001 here, which takes no options; write learning_rate=VALUE"],
        ),
        (
            ["optimizer.beta_1.x=3"],
            [
                "override   optimizer.beta_1.x=3    optimizer.beta_1 is 0.8 here, which takes no options; write optimizer.beta_1=VALUE"
            ],
        ),
        (
            ["activation.negative_slope=3"],
            [
                "override   activation.negative_slope=3    activation is [relu, tanh] here, which takes no options; write activation=VALUE"
            ],
        ),
        (["name=@x"], ["override   name=@x    a text cannot begin with any of *&!|>%@`; put the text in quotes"]),
        (["seed=*a"], ["override   seed=*a    an alias (*a) is not accepted; write the value out"]),
        (["name=\x1b[31m"], ["override   name=\\x1b[31m    the character U+001B is not accepted; remove it"]),
        (
            ["hidden_sizes=[3]"],
            [
                "line 4   activation: [relu, tanh]    has 2 values, and hidden_sizes has 1 layer; "
                "give one value for all layers, or a list with one for each"
            ],
        ),
        (
            ["optimizer.name=sgd", "seed=1.5", "x"],
            [
                "line 2     optimizer.beta_1: 0.8    unknown key; sgd does not take it; adam, adamw, adamax, nadam, radam or lion does",
                "override   seed=1.5                 must be a whole number, at least 0 and at most 4294967295",
                "override   x                        must be KEY=VALUE, such as epochs=3",
            ],
        ),
    ],
)
def test_what_is_wrong_with_an_override(path: Path, overrides: list[str], rows: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(path, [*REPAIRED, *overrides])
    count = f"{len(rows)} problem{'s' if len(rows) > 1 else ''}"
    assert str(caught.value).splitlines() == [f"a.yaml: {count}", *(f"  {row}" for row in rows)]


def test_a_document_is_read_once_and_overridden_often(path: Path) -> None:
    document = read_document(path)
    configs = [resolve(document, [*REPAIRED, f"seed={seed}"]) for seed in range(3)]
    assert [config.seed for config in configs] == [0, 1, 2]
    assert configs[0] == resolve(document, REPAIRED)
    with pytest.raises(ConfigError, match="2 problems"):
        resolve(document)


def test_mappings_without_lines_are_overridden_alike() -> None:
    assert config_from_mapping(WRITTEN, ["seed=3"]) == config_from_mapping(WRITTEN | {"seed": 3})
    with pytest.raises(ConfigError) as caught:
        config_from_mapping(WRITTEN | {"seed": "3", "x": [1, {"a": None}]}, ["epochs=-1"], source="sweep.yaml")
    head, first, second, third = str(caught.value).splitlines()
    assert head == "sweep.yaml: 3 problems"
    assert (
        first == '             seed: "3"            must be a whole number, at least 0 and at most 4294967295; remove the quotes'
    )
    assert second.startswith("             x: [1, {a: null}]    unknown key; known: name, seed")
    assert third == "  override   epochs=-1            must be at least 0"
