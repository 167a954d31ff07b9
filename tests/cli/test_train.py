"""`mlp train` as a user meets it: what it writes, what it prints, and what happens when something is wrong."""

import csv
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import Answer, arrays_in, make_idx_set

from mlp_cli import build, runs
from mlp_cli.data.features import features
from mlp_cli.data.synthetic import synthetic
from mlp_cli.errors import Diverged, Interrupted
from mlp_cli.nn.activations import activations
from mlp_cli.nn.initializers import initializers
from mlp_cli.nn.losses import losses
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.schedules import schedules
from mlp_cli.training.trainer import Trainer

Mlp = Callable[..., Answer]


def folder_of(root: Path, pattern: str = "*") -> Path:
    """The one run folder below results/."""
    (found,) = [entry for entry in (root / "results").glob(pattern) if entry.is_dir()]
    return found


def record_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def same_result(one: Path, other: Path) -> bool:
    """Whether two runs have the same bytes in metrics.csv and the same weights."""
    weights = [arrays_in(folder / "model.npz") for folder in (one, other)]
    return (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes() and all(
        weights[0][name].tobytes() == weights[1][name].tobytes() for name in weights[0] if name != "config"
    )


def test_the_run_folder_is_complete(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    answer = mlp("train", small_config)
    assert answer.code == 0, answer.err
    folder = folder_of(tmp_path)
    assert folder.name.startswith("small-") and len(folder.name) == len("small-") + 8
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    plots = {f"plots/{name}.png" for name in ("loss", "accuracy", "confusion", "weights", "errors")}
    archives = {"model.npz", "predictions.npz", "checkpoint.npz"}
    assert files == {"config.yaml", "run.json", "metrics.csv", "timings.csv", "log.txt"} | archives | plots

    rows = rows_of(folder)
    assert list(rows[0]) == ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    timings = list(csv.DictReader((folder / "timings.csv").read_text().splitlines()))
    assert list(timings[0]) == ["epoch", "seconds", "samples_per_second"] and len(timings) == 3

    record = record_of(folder)
    assert list(record) == [
        "id", "name", "status", "error", "divergence", "config_hash", "config", "started", "finished", "seconds", "epochs", "best_epoch",
        "parameters", "metrics", "data", "environment", "command", "continued_from",
    ]  # fmt: skip
    assert (record["status"], record["id"], record["epochs"], record["error"]) == ("completed", folder.name, 3, None)
    assert record["config_hash"][:8] == folder.name[-8:] and len(record["config_hash"]) == 64
    assert record["parameters"] == 36 * 16 + 16 + 16 * 4 + 4
    assert record["data"].items() >= {"name": "shapes", "train": 500, "validation": 100, "test": 120}.items()
    assert set(record["environment"]) == {"version", "python", "numpy", "blas", "threads", "kernels", "cpu", "platform", "git"}
    parts = ("train", "val", "test")
    assert set(record["metrics"]) == {f"{part}_{kind}" for part in parts for kind in ("loss", "accuracy")}
    assert record["metrics"]["val_loss"] == float(rows[-1]["val_loss"])
    assert record["metrics"]["test_accuracy"] > 0.5

    with np.load(folder / "model.npz", allow_pickle=False) as model:
        assert model["W1"].shape == (36, 16) and model["b1"].shape == (16,)
        assert model["W2"].shape == (16, 4) and model["b2"].shape == (4,)
        assert model["classes"].tolist() == ["0", "1", "2", "3"]


def test_the_model_file_alone_gives_the_test_score(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    """Recomputed from model.npz and the raw bytes, with nothing of this program."""
    mlp("train", small_config, "--no-plots")
    folder = folder_of(tmp_path)
    raw = (tmp_path / "shapes" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    labels = np.frombuffer((tmp_path / "shapes" / "t10k-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    with np.load(folder / "model.npz") as model:
        x = np.frombuffer(raw, np.uint8).reshape(-1, 36) * model["scale"] + model["shift"]
        logits = np.maximum(x @ model["W1"] + model["b1"], 0) @ model["W2"] + model["b2"]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    metrics = record_of(folder)["metrics"]
    assert metrics["test_accuracy"] == np.mean(logits.argmax(axis=1) == labels)
    assert metrics["test_loss"] == pytest.approx(-log_p[np.arange(120), labels].mean(), rel=1e-5)
    assert metrics["train_loss"] > 0


def test_what_a_person_sees_in_a_pipe(mlp: Mlp, small_config: Path) -> None:
    lines = mlp("train", small_config, "--no-plots").out.splitlines()
    assert lines[0].startswith("run results/small-")
    assert lines[1] == "data  500 training, 100 validation, 120 test rows; 4 classes: 0, 1, 2, 3; 36 inputs, scaled to 0–1"
    assert [line.split("  ")[0] for line in lines[2:5]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert lines[5].startswith("test accuracy") and "loss" in lines[5]
    assert [line.split("  ")[0] for line in lines[6:]] == [
        "validation accuracy",
        "training accuracy",
        "best epoch",
        "time",
        "folder",
    ]


def test_a_run_records_what_it_was_given(mlp: Mlp, tmp_path: Path) -> None:
    """Seconds since 1970 as float32: all that tells the classes apart is in the digits that a plain conversion drops."""
    generator = np.random.default_rng(4)
    lines = [f"{1_700_000_000 + generator.normal(30 * (row % 2), 5):.6f},98.6,k{row % 2}" for row in range(200)]
    (tmp_path / "times.csv").write_text("\n".join(["time,temperature,kind", *lines]) + "\n")
    (tmp_path / "times.yaml").write_text(
        "dataset: {path: times.csv, target: kind}\nhidden_sizes: [4]\nepochs: 30\nbatch_size: 20\nlearning_rate: 0.05\n"
    )
    answer = mlp("train", "times.yaml", "--no-plots", "--json")
    record = json.loads(answer.out)
    assert record["metrics"]["train_accuracy"] > 0.97 and record["metrics"]["val_accuracy"] > 0.9
    data = record["data"]
    assert data["classes"] == ["k0", "k1"] and (data["inputs"], data["scale"], data["notices"]) == (2, "standard", [])
    assert data["largest_class"] == {"train": 0.5, "validation": 0.5}
    (folder,) = (tmp_path / "results").glob("times-*")
    line = "data  180 training, 20 validation rows, no test part (dataset.test: 0.2 makes one); 2 classes: k0, k1; 2 inputs, "
    line += "scaled to mean 0 and deviation 1"
    assert (folder / "log.txt").read_text().splitlines()[0].endswith(f" {line}")


def test_a_validation_part_without_rows_stops_a_run_before_it_begins(mlp: Mlp, tmp_path: Path) -> None:
    x, y = np.arange(30.0)[:, None], np.arange(30) % 3
    np.savez(tmp_path / "set.npz", x_train=x, y_train=y, x_validation=x[::3], y_validation=y[::3])
    (tmp_path / "c.yaml").write_text("dataset: {path: set.npz, split: official, classes: [1, 2]}\nearly_stopping: true\n")
    answer = mlp("train", "c.yaml", "--no-plots")
    assert answer.code == 2 and "the validation part of set has no row of the classes that are kept" in answer.err
    assert not (tmp_path / "results").exists()


def test_json_is_the_record_and_nothing_else(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    answer = mlp("train", small_config, "--json", "--no-plots")
    assert json.loads(answer.out) == record_of(folder_of(tmp_path))
    assert "epoch 3/3" in answer.err


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(Interrupted("stopped", "go on", 143), "interrupted", 143), (ValueError("made up"), "failed", 1)],
)
def test_json_of_a_run_that_is_cut_short(
    mlp: Mlp, small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, status: str, code: int
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("mlp_cli.training.trainer.Trainer.step", broken)
    answer = mlp("train", small_config, "--json", "--no-plots")
    assert (answer.code, json.loads(answer.out)) == (code, record_of(folder_of(tmp_path)))
    assert json.loads(answer.out)["status"] == status and answer.err.startswith("error: ")
    monkeypatch.undo()
    with runs.Claim(folder_of(tmp_path)):
        assert mlp("train", small_config, "--json").out == "", "the run of another process is none of ours"


def test_quiet_prints_nothing(mlp: Mlp, small_config: Path) -> None:
    assert mlp("train", small_config, "--quiet", "--no-plots") == Answer(0, "", "")


def test_same_config_same_bytes(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    options = ("dropout=0.2", "batch_norm=true", "optimizer=momentum", "schedule=cosine", "--no-plots")
    mlp("train", small_config, *options)
    first = tmp_path / "first"
    shutil.copytree(folder_of(tmp_path), first)
    mlp("train", small_config, *options, "--force")
    assert same_result(first, folder_of(tmp_path))
    assert (first / "model.npz").read_bytes() == (folder_of(tmp_path) / "model.npz").read_bytes()


def test_another_seed_changes_weights_and_not_the_split(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "epochs=0")
    mlp("train", small_config, "--no-plots", "epochs=0", "seed=1")
    one, two = (tmp_path / "results").glob("small-*")
    assert not same_result(one, two)
    assert record_of(one)["data"] == record_of(two)["data"]


def test_a_completed_run_is_reported_not_trained(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots")
    folder = folder_of(tmp_path)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    answer = mlp("train", small_config, "--no-plots")
    assert answer.code == 0 and "completed already; --force trains it again" in answer.out
    assert "epoch 1/3" not in answer.out
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_score_that_is_no_number_is_reported_again(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    """As R² is where all targets are equal; in run.json it is null."""
    mlp("train", small_config, "--no-plots")
    path = folder_of(tmp_path) / "run.json"
    record = json.loads(path.read_text())
    record["metrics"]["test_accuracy"] = None
    path.write_text(json.dumps(record))
    answer = mlp("train", small_config, "--no-plots")
    assert answer.code == 0 and re.search(r"test accuracy +nan %", answer.out)


@pytest.mark.parametrize(
    "change",
    [{"data": "x"}, {"metrics": None}, {"metrics": {"train_loss": "0"}}, {"seconds": None}, {"epochs": 10**400}, {"status": "x"}],
)
def test_a_record_of_other_types_is_damaged(mlp: Mlp, small_config: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    mlp("train", small_config, "--no-plots")
    path = folder_of(tmp_path) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    answer = mlp("train", small_config, "--no-plots")
    assert answer.code == 1 and "run.json is damaged" in answer.err and "--force" in answer.err
    assert mlp("train", small_config, "--no-plots", "--force").code == 0


@pytest.mark.parametrize("key", ["id", "name", "error", "config", "started", "best_epoch", "parameters", "data", "environment"])
def test_a_record_without_a_key(mlp: Mlp, small_config: Path, tmp_path: Path, key: str) -> None:
    """Where no one can do without it, that is said."""
    mlp("train", small_config, "--no-plots")
    path = folder_of(tmp_path) / "run.json"
    record = json.loads(path.read_text())
    del record[key]
    for status, note in (("completed", ""), ("interrupted", "note: going on after epoch 3 of 3\n")):
        path.write_text(json.dumps(record | {"status": status}))
        answer = mlp("train", small_config, "--no-plots")
        assert (answer.code, answer.err) == (0, note) or (key == "config" and "config is missing" in answer.err)


def test_missing_figures_are_drawn_later(mlp: Mlp, small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlp("train", small_config)
    folder = folder_of(tmp_path)
    drawn = {path: path.read_bytes() for path in (folder / "plots").iterdir()}
    for path in drawn:
        path.unlink()
    mlp("train", small_config)
    assert {path: path.read_bytes() for path in (folder / "plots").iterdir()} == drawn
    asked: list[Path] = []
    monkeypatch.setattr("mlp_cli.experiment.draw", lambda config, record, folder, *_: asked.append(folder))
    mlp("train", small_config)
    assert asked == [], "nothing is missing"
    for number, name in enumerate(("accuracy", "weights"), 1):
        path = folder / "plots" / f"{name}.png"
        path.unlink()
        mlp("train", small_config)
        assert len(asked) == number, f"{name} alone is missing"
        path.write_bytes(drawn[path])


def test_the_resolved_config_is_the_same_run(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "activation=tanh", "optimizer.beta_1=0.8")
    folder = folder_of(tmp_path)
    shutil.copy(folder / "config.yaml", tmp_path / "again.yaml")
    answer = mlp("train", tmp_path / "again.yaml", "--no-plots")
    assert "completed already" in answer.out and folder_of(tmp_path) == folder


def test_epochs_zero_writes_the_initial_weights_and_scores(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("train", small_config, "epochs=0", "initializer=zeros").code == 0
    folder = folder_of(tmp_path)
    (row,) = rows_of(folder)
    assert row["epoch"] == "0"
    assert float(row["train_loss"]) == pytest.approx(np.log(4), rel=1e-6)
    assert record_of(folder)["epochs"] == 0 and record_of(folder)["best_epoch"] == 0
    assert (folder / "plots/loss.png").exists()


@pytest.mark.parametrize(
    "override",
    [
        "batch_size=1",
        "batch_size=full",
        "batch_size=33",
        "hidden_sizes=[]",
        "hidden_sizes=[8,7,6]",
        "dtype=float64",
        "dropout=0.5",
        "batch_norm=true",
        "weight_decay=0.01",
        "loss={name: cross_entropy, reduction: sum}",
        "dataset.validation=0",
        "dataset.scale=standard",
        "dataset.split=last",
        "dataset.limit=200",
    ],
)
def test_every_kind_of_run_ends_well(mlp: Mlp, small_config: Path, tmp_path: Path, override: str) -> None:
    answer = mlp("train", small_config, "epochs=2", "--no-plots", override)
    assert answer.code == 0, answer.err
    assert record_of(folder_of(tmp_path))["status"] == "completed"


def test_without_validation_the_cells_are_empty(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "dataset.validation=0", "--no-plots")
    folder = folder_of(tmp_path)
    assert all(row["val_loss"] == row["val_accuracy"] == "" for row in rows_of(folder))
    assert record_of(folder)["metrics"]["val_loss"] is None and record_of(folder)["best_epoch"] is None


def test_a_set_without_test_part(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "shapes").glob("t10k-*"):
        path.unlink()
    assert mlp("train", small_config, "dataset.validation=0").code == 0
    assert record_of(folder_of(tmp_path))["metrics"]["test_accuracy"] is None
    assert {path.name for path in (folder_of(tmp_path) / "plots").iterdir()} == {"accuracy.png", "loss.png", "weights.png"}


def test_early_stopping_keeps_the_best_epoch(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "epochs=60", "learning_rate=0.05", "early_stopping={patience: 2}")
    folder = folder_of(tmp_path)
    record, rows = record_of(folder), rows_of(folder)
    losses = [float(row["val_loss"]) for row in rows]
    assert record["epochs"] == len(rows) < 60
    assert record["best_epoch"] == 1 + int(np.argmin(losses)) == len(rows) - 2
    assert record["metrics"]["val_loss"] == min(losses)


def test_a_batch_larger_than_the_set_is_said(mlp: Mlp, small_config: Path) -> None:
    answer = mlp("train", small_config, "batch_size=100000", "--no-plots")
    assert answer.code == 0
    assert "batch_size 100,000 is larger than the training part: its 500 rows are one batch" in answer.err


def test_a_diverged_run_says_where_and_stays_diverged(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    words = ("train", small_config, "optimizer=sgd", "learning_rate=1e30", "--no-plots")
    answer = mlp(*words)
    assert answer.code == 1
    assert "diverged: the training loss became" in answer.err and "epoch 1, step" in answer.err
    assert "layer dense_" in answer.err and "learning rate 1e+30" in answer.err
    assert "try a smaller learning rate: learning_rate=0.1\n" in answer.err
    record = record_of(folder_of(tmp_path))
    assert record["status"] == "diverged" and record["error"].startswith("diverged:")
    where = record["divergence"]
    assert list(where) == ["epoch", "step", "layer", "gradient_norm", "learning_rate", "dead_relus"]
    assert (
        f"epoch {where['epoch']}, step {where['step']} ({where['step']} in all); layer dense_{where['layer']} " in record["error"]
    )
    assert where["learning_rate"] == 1e30 and 0 <= where["dead_relus"] <= 1
    assert json.loads(mlp(*words, "--json", "--force").out) == record_of(folder_of(tmp_path))
    again = mlp(*words)
    assert again.code == 1 and "diverged before; --force trains it again" in again.out
    assert json.loads(mlp(*words, "--json").out)["status"] == "diverged"


def test_where_a_run_diverged_is_in_its_record(
    mlp: Mlp, small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"epoch": 1, "step": 7, "layer": 2, "gradient_norm": None, "learning_rate": 0.1, "dead_relus": 0.25}

    def diverge(*_: object) -> None:
        raise Diverged("diverged: here", None, where)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", diverge)
        assert mlp("train", small_config, "--no-plots").code == 1
    assert record_of(folder_of(tmp_path))["divergence"] == where
    assert mlp("train", small_config, "--no-plots", "--force").code == 0
    assert record_of(folder_of(tmp_path))["divergence"] is None


@pytest.mark.parametrize("validation", [100, 0])
def test_a_run_that_diverges_with_the_last_step_of_an_epoch(mlp: Mlp, small_config: Path, validation: int) -> None:
    """Its loss was finite at every step, and the weights that came of them are not."""
    dataset = f"dataset={{path: shapes, validation: {validation}}}"
    answer = mlp("train", small_config, dataset, "batch_size=full", "optimizer=sgd", "learning_rate=1e300", "--no-plots")
    assert answer.code == 1 and "in epoch 1, after its last step (1 in all)" in answer.err


@pytest.fixture
def three_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are timed as often as must be, and not for near half a second."""
    monkeypatch.setattr(build, "step_seconds", partial(build.step_seconds, budget=0.0))


def test_dry_run_writes_nothing(mlp: Mlp, small_config: Path, tmp_path: Path, three_steps: None) -> None:
    answer = mlp("train", small_config, "--dry-run")
    assert answer.code == 0 and not (tmp_path / "results").exists()
    assert "parameters  660" in answer.out and "hidden_sizes: [16]" in answer.out and "time " in answer.out
    assert json.loads(mlp("train", small_config, "--dry-run", "--json").out)["parameters"] == 660


def test_steps_with_mixup_are_timed(mlp: Mlp, small_config: Path, three_steps: None) -> None:
    """Pairs of rows are mixed in the steps that a dry run and `--threads auto` time before the first epoch."""
    assert "time " in mlp("train", small_config, "mixup=0.3", "--dry-run").out
    assert mlp("train", small_config, "mixup=0.3", "epochs=1", "--no-plots", "--threads", "auto").code == 0


def test_a_dry_run_shows_the_layers(mlp: Mlp, small_config: Path, tmp_path: Path, three_steps: None) -> None:
    """36 inputs, two layers of 16 and 8 units, 4 classes: a dense layer has D·H weights, each a multiply-add a row, and H biases."""
    words = ("train", small_config, "hidden_sizes=[16,8]", "input_dropout=0.1", "batch_norm=true", "activation=[relu,prelu]")
    layers = json.loads(mlp(*words, "--dry-run", "--json").out)
    dense = [("dense_1", [16], 36 * 16 + 16, 36 * 16), ("dense_2", [8], 16 * 8 + 8, 16 * 8), ("dense_3", [4], 8 * 4 + 4, 8 * 4)]
    others = [("dropout_0", [36], 0, 0), ("batch_norm_1", [16], 32, 0), ("relu_1", [16], 0, 0)]
    others += [("batch_norm_2", [8], 16, 0), ("prelu_2", [8], 8, 0)]
    order = [others[0], dense[0], *others[1:3], dense[1], *others[3:], dense[2]]
    assert [tuple(layer.values()) for layer in layers["layers"]] == order
    assert list(layers["layers"][0]) == ["name", "output_shape", "parameters", "multiply_adds"]
    assert layers["parameters"] == sum(row[2] for row in order) and layers["multiply_adds"] == 736
    lines = mlp(*words, "--dry-run").out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("layer "))
    table = [line.split() for line in lines[start + 1 : start + 10]]
    assert table == [*([row[0], str(row[1][0]), str(row[2]), str(row[3])] for row in order), ["total", "820", "736"]]


def test_name_and_lr_are_short_for_overrides(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "--lr", "0.5", "--name", "mine", "optimizer=sgd")
    record = record_of(folder_of(tmp_path, "mine-*"))
    assert record["config"]["learning_rate"] == 0.5 and record["name"] == "mine"


@pytest.mark.parametrize("name", ["2024", "1.5", "true", "null"])
def test_a_name_is_a_text_whatever_it_looks_like(mlp: Mlp, small_config: Path, tmp_path: Path, name: str) -> None:
    assert mlp("train", small_config, "--no-plots", "--name", name).code == 0
    folder = folder_of(tmp_path)
    assert record_of(folder)["name"] == name and folder.name[:-9] == name
    assert "completed already" in mlp("train", folder / "config.yaml", "--no-plots").out
    refused = mlp("train", small_config, "--name", "#x")
    assert refused.code == 2 and 'name="#x"    must be letters' in refused.err and "write x" in refused.err


def test_threads_are_stored(mlp: Mlp, small_config: Path, tmp_path: Path, three_steps: None) -> None:
    assert mlp("train", small_config, "--no-plots", "--threads", "2").code == 0
    assert record_of(folder_of(tmp_path))["environment"]["threads"] == 2
    assert mlp("train", small_config, "--threads", "0").code == 2
    assert "auto" in mlp("train", small_config, "--no-plots", "--force", "--threads", "auto").err


# What can go wrong.


def huge() -> Iterator[tuple[str, str]]:
    """Each key and each option of a component that takes a number: the override of it that has an enormous one."""
    for key in ("learning_rate", "weight_decay", "l1", "epochs", "batch_size", "early_stopping.min_delta"):
        yield key, f"{key}=1e308"
    for key, registry in {
        "activation": activations,
        "features": features,
        "initializer": initializers,
        "loss": losses,
        "optimizer": optimizers,
        "schedule": schedules,
        "dataset": synthetic,
    }.items():
        for name in registry:
            for option in registry.options(name):
                if option.name != "reduction":
                    yield f"{name}.{option.name}", f"{key}={{name: {name}, {option.name}: 1e308}}"


@pytest.mark.parametrize("override", [pytest.param(override, id=name) for name, override in huge()])
def test_a_number_beyond_all_sense_is_no_internal_error(mlp: Mlp, small_config: Path, override: str) -> None:
    answer = mlp("train", small_config, "--no-plots", "epochs=2", override)
    assert "internal error" not in answer.err and "Warning" not in answer.err, answer.err
    assert answer.code in (0, 2) or (answer.code == 1 and answer.err.startswith("error: diverged")), answer
    if answer.code == 2:
        assert override.partition("=")[0] in answer.err or "features" in answer.err, answer.err


def test_more_components_than_columns(mlp: Mlp, small_config: Path) -> None:
    answer = mlp("train", small_config, "features={name: pca, components: 2000000000}")
    assert answer.code == 2 and "varies in 36 directions only" in answer.err and "features.components" in answer.err


def test_without_memory_the_run_can_go_on(mlp: Mlp, small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlp_cli.training.trainer import Trainer

    def full(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 74.5 GiB")

    monkeypatch.setattr(Trainer, "step", full)
    for words in (
        ("train", small_config, "--no-plots"),
        ("train", small_config, "--dry-run"),
        ("sweep", small_config, "--dry-run"),
    ):
        answer = mlp(*words)
        assert answer.code == 1 and answer.err.startswith("error: not enough memory: Unable to allocate 74.5 GiB\n  "), answer
    record = record_of(folder_of(tmp_path))
    assert record["status"] == "interrupted" and record["error"].startswith("not enough memory")


def test_what_a_name_has_in_it_does_not_reach_the_terminal(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    (tmp_path / "wild\x1b[2J").write_text("")
    answer = mlp("train", small_config, "--results", "wild\x1b[2J")
    assert answer.code == 1 and "wild\\x1b[2J/small-" in answer.err and "\x1b" not in answer.err


def test_no_config(mlp: Mlp) -> None:
    answer = mlp("train", "nowhere.yaml")
    assert answer.code == 2 and "nowhere.yaml" in answer.err


def test_a_results_folder_that_is_a_file(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    answer = mlp("train", small_config, "--results", "taken")
    assert answer.code == 1
    assert answer.err.startswith("error: cannot write taken/small-") and "a part of the path is a file" in answer.err


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    mlp: Mlp, small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlp("train", small_config, "--no-plots", "--results", "calm")
    sync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    answer = mlp("train", small_config, "--no-plots")
    assert answer.code == 1 and "the disk is full" in answer.err and "Traceback" not in answer.err
    monkeypatch.setattr(os, "fsync", sync)
    assert mlp("train", small_config, "--no-plots").code == 0
    (calm,) = (tmp_path / "calm").iterdir()
    assert same_result(calm, folder_of(tmp_path))


def test_a_run_in_use_is_left_alone(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "epochs=1")
    with runs.Claim(folder_of(tmp_path)):
        answer = mlp("train", small_config, "--no-plots", "epochs=1")
    assert answer.code == 1 and "is in use by another process" in answer.err


def test_data_that_changed_is_an_error_with_both_hashes(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots")
    old = record_of(folder_of(tmp_path))["data"]["sha256"]
    make_idx_set(tmp_path / "shapes", train=620)
    answer = mlp("train", small_config, "--no-plots")
    assert answer.code == 3 and old in answer.err and "--force" in answer.err


def test_data_that_is_not_there(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "shapes")
    answer = mlp("train", small_config)
    assert answer.code == 3 and "shapes" in answer.err and "Traceback" not in answer.err


def test_a_folder_of_another_config(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots")
    folder = folder_of(tmp_path)
    record = record_of(folder) | {"config_hash": folder.name[-8:] + "0" * 56}
    (folder / "run.json").write_text(json.dumps(record))
    answer = mlp("train", small_config)
    assert answer.code == 1 and "belongs to another config" in answer.err and "--name" in answer.err


def test_a_damaged_record(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots")
    (folder_of(tmp_path) / "run.json").write_text('{"id": "sm')
    answer = mlp("train", small_config)
    assert answer.code == 1 and "run.json is damaged" in answer.err and "--force" in answer.err
    assert mlp("train", small_config, "--no-plots", "--force").code == 0


def test_a_run_folder_that_is_a_link(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots")
    folder, elsewhere = folder_of(tmp_path), tmp_path / "elsewhere"
    shutil.rmtree(folder)
    elsewhere.mkdir()
    folder.symlink_to(elsewhere)
    answer = mlp("train", small_config)
    assert answer.code == 1 and "symbolic link" in answer.err and not list(elsewhere.iterdir())


def test_a_bug_shows_no_traceback_without_debug(
    mlp: Mlp, small_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlp_cli.training.trainer import Trainer

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("made up")

    monkeypatch.setattr(Trainer, "step", broken)
    answer = mlp("train", small_config, "--no-plots")
    assert answer.code == 1 and "internal error: ZeroDivisionError: made up" in answer.err and "Traceback" not in answer.err
    assert record_of(folder_of(tmp_path))["status"] == "failed"
    assert "Traceback" in (folder_of(tmp_path) / "log.txt").read_text()
    assert "Traceback" in mlp("train", small_config, "--no-plots", "--debug").err
    monkeypatch.undo()
