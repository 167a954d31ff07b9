"""`mlp check`: a sound config passes, and each proof fails on a net that is broken for it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_sets import Answer

from mlp_cli import check
from mlp_cli.build import build, load_data
from mlp_cli.check import Proof, proofs
from mlp_cli.config import Config, config_from_mapping
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Dataset, Part
from mlp_cli.nn.activations import Tanh
from mlp_cli.nn.losses import CrossEntropy
from mlp_cli.training.trainer import Trainer

Mlp = Callable[..., Answer]
NAMES = ["gradients", "first loss", "one batch", "shuffled labels", "rows apart"]
BASE = {
    "dataset": {"name": "moons", "rows": 500, "test_rows": 100, "validation": 0.2},
    "hidden_sizes": [16],
    "activation": "tanh",
}


def config_of(**keys: object) -> Config:
    return config_from_mapping(BASE | keys)


def outcome(config: Config, dataset: Dataset | None = None) -> dict[str, Proof]:
    found = {proof.name: proof for proof in proofs(config, dataset or load_data(config))}
    assert list(found) == NAMES
    return found


def failed(found: dict[str, Proof]) -> list[str]:
    return [name for name, proof in found.items() if proof.passed is False]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"hidden_sizes": [16, 16], "activation": "relu", "batch_norm": True, "dropout": 0.5, "optimizer": "adamw"},
        {"hidden_sizes": []},
        {"optimizer": "sgd", "learning_rate": 1e-4, "label_smoothing": 0.2, "mixup": 0.3, "class_weight": "balanced", "l1": 0.1},
        {"loss": "binary_cross_entropy", "layer_norm": True, "weight_decay": 0.5, "max_norm": 0.1, "gaussian_noise": 1},
    ],
    ids=str,
)
def test_a_sound_config_passes_all(keys: dict[str, object]) -> None:
    assert {name: proof.passed for name, proof in outcome(config_of(**keys)).items()} == dict.fromkeys(NAMES, True)


def test_chance_is_that_of_the_loss() -> None:
    # ln 2 of two classes, and the variance of targets that have mean 0 and deviation 1, of which He's weights add some.
    found = outcome(config_of())
    assert "0.6931 by chance; 0.33 to 3 times chance is right" in found["first loss"].detail
    for name, limit in (("gradients", "1e-06 is the limit"), ("one batch", "0.035, 5% of chance, is enough")):
        assert found[name].detail.endswith(limit), "each says what it was held against"
    assert found["shuffled labels"].detail.endswith("%, 3 standard errors above, is the limit")
    assert "0.6931 by chance" in outcome(config_of(loss="binary_cross_entropy"))["first loss"].detail


def test_a_quantity_passes_all(tmp_path: Path) -> None:
    x = np.random.default_rng(1).standard_normal((300, 3))
    lines = [f"{a},{b},{c},{1000 * a - 500 * b * b + 100}" for a, b, c in x]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,c,y", *lines]))
    for loss in ("mse", "mae"):
        config = config_of(dataset={"path": str(path), "target": "y"}, loss=loss, hidden_sizes=[32])
        found = outcome(config)
        assert not failed(found) and found["shuffled labels"].passed and "R²" in found["shuffled labels"].detail
    y = load_data(config_of(dataset={"path": str(path), "target": "y"}, loss="mse")).train
    variance = np.var(y.y[y.index])
    told = outcome(config_of(dataset={"path": str(path), "target": "y"}, loss="mse"))["first loss"].detail
    assert told.endswith("; 0.33 to 9 times chance is right; mean squared error of y, in its unit squared")
    chance = float(told.partition(" by chance")[0].split()[-1])
    assert chance == pytest.approx(variance, rel=1e-3)


def test_what_cannot_be_proved_is_skipped_with_its_reason() -> None:
    found = outcome(config_of(dataset={"name": "moons", "rows": 500, "test_rows": 0, "validation": 0}, hidden_sizes=[16, 2]))
    told = {name: proof.detail for name, proof in found.items() if proof.passed is None}
    assert told == {
        "one batch": "a layer of 2 units is too narrow to learn every batch",
        "shuffled labels": "there is no validation part",
        "rows apart": "there is one part only",
    }
    small = outcome(config_of(dataset={"name": "moons", "rows": 60, "validation": 8}))
    assert small["shuffled labels"].passed is None and "cannot tell" in small["shuffled labels"].detail
    few = outcome(config_of(dataset={"name": "moons", "rows": 42, "validation": 20, "test_rows": 5}))
    assert few["shuffled labels"].detail == "fewer than 32 training rows" and not failed(few)


def test_plain_python() -> None:
    found = outcome(config_of(engine="scalar", dtype="float64", optimizer="sgd", hidden_sizes=[5]))
    assert found["gradients"].passed and found["first loss"].passed and found["rows apart"].passed
    assert found["one batch"].passed is None and "engine=numpy" in found["one batch"].detail
    large = outcome(config_of(engine="scalar", dtype="float64", optimizer="sgd", hidden_sizes=[1000]))
    assert large["gradients"].passed is None and "too slow for 5,002 parameters" in large["gradients"].detail


def test_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Tanh.backward

    def wrong(self: Tanh, *arrays: np.ndarray) -> None:
        right(self, *arrays)
        arrays[2][...] *= 1.001

    monkeypatch.setattr(Tanh, "backward", wrong)
    found = outcome(config_of())
    assert (
        failed(found) == ["gradients"] and "W1 (dense_1)" in found["gradients"].detail and "W2" not in found["gradients"].detail
    )


def test_weights_that_begin_too_large() -> None:
    wide = {"name": "random_normal", "standard_deviation": 10}
    found = outcome(config_of(initializer=wide, hidden_sizes=[64, 64], activation="relu"))
    assert "first loss" in failed(found) and "begin too large" in found["first loss"].detail


def test_a_gradient_of_the_wrong_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    right = CrossEntropy.backward
    monkeypatch.setattr(CrossEntropy, "backward", lambda self: -right(self))
    found = outcome(config_of())
    assert failed(found) == ["gradients", "one batch"] and "stays above 5% of chance" in found["one batch"].detail


def test_units_that_never_differ_cannot_learn_a_batch() -> None:
    assert failed(outcome(config_of(initializer="zeros"))) == ["one batch"]


def test_a_validation_part_that_is_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of two parts are mixed up: what is trained on are the validation rows and their true labels."""

    def mixed(config: Config, dataset: Dataset) -> Trainer:
        trainer = build(config, dataset)
        assert dataset.validation is not None
        trainer.train = Batches(dataset.validation, trainer.train.transform, trainer.train.batch_size, trainer.network.dtype)
        return trainer

    monkeypatch.setattr(check, "build", mixed)
    found = outcome(config_of(learning_rate=0.03))
    assert failed(found) == ["shuffled labels"]


def test_rows_in_two_parts() -> None:
    config = config_of()
    dataset = load_data(config)
    assert dataset.validation is not None
    both = np.union1d(dataset.train.index, dataset.validation.index[:3])
    found = outcome(config, replace(dataset, train=replace(dataset.train, index=both)))
    assert (
        failed(found) == ["rows apart"]
        and found["rows apart"].detail == "3 of the 100 validation rows are in the training part too"
    )
    # Equal rows under other numbers: the same points twice, of which each part gets one.
    test = dataset.test
    assert test is not None
    twins = Part(
        np.concatenate([test.x, dataset.train.x[:2]]), np.concatenate([test.y, dataset.train.y[:2]]), np.arange(len(test) + 2)
    )
    found = outcome(config, replace(dataset, test=twins))
    assert failed(found) == ["rows apart"] and "test rows are in the" in found["rows apart"].detail


def test_equal_rows_of_a_table_with_few_values_are_no_sign(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 3, (200, 2))
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,y", *(f"{a},{b},{'uv'[(a + b) % 2]}" for a, b in values)]))
    found = outcome(config_of(dataset={"path": str(path), "target": "y"}))
    assert found["rows apart"].passed is None and "training rows differ" in found["rows apart"].detail


def test_the_command(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    answer = mlp("check", small_config)
    lines = answer.out.splitlines()
    assert answer.code == 0 and [line[:2] for line in lines] == ["✓ "] * 5 and [line[2:19].strip() for line in lines] == NAMES
    document = json.loads(mlp("check", small_config, "initializer=zeros", "--json").out)
    assert document["passed"] is False and [proof["name"] for proof in document["proofs"]] == NAMES
    assert mlp("check", small_config, "initializer=zeros").code == 1
    assert mlp("check", small_config, "--quiet") == Answer(0, "", "")
    assert mlp("check", small_config, "loss=nope").code == 2 and not (tmp_path / "results").exists()
