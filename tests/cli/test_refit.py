"""`mlp train --refit RUN`: the same run on training and validation rows together, and its test rows left as they are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import Answer, arrays_in, write_table

from mlp_cli.build import load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data.dataset import RawSet
from mlp_cli.data.splits import cut

Mlp = Callable[..., Answer]


def refitted(root: Path) -> tuple[dict[str, Any], Path]:
    (folder,) = (root / "results").glob("*_refit-*")
    return json.loads((folder / "run.json").read_text()), folder


def test_a_refit_trains_on_both_parts_for_the_best_epochs(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    more = ("epochs=12", "learning_rate=0.05", "early_stopping={patience: 3}", "schedule={name: cosine, warmup_epochs: 2}")
    record = json.loads(mlp("train", small_config, "--no-plots", "--json", *more).out)
    best = record["best_epoch"]
    assert 0 < best < 12
    answer = mlp("train", "--refit", "@best:val_accuracy", "--no-plots")
    assert answer.code == 0, answer.err
    found, folder = refitted(tmp_path)
    assert found["refit_of"] == record["id"] and "refit_of" not in record and found["name"] == "small_refit"
    assert found["data"]["train"] == 600 and found["data"]["validation"] == 0 and found["data"]["test"] == 120
    assert (found["config"]["epochs"], found["epochs"], found["config"]["early_stopping"]) == (best, best, None)
    assert found["config"]["evaluate"] == "last" and found["config"]["dataset"]["validation"] == 0
    assert found["config"]["schedule"] == {"name": "cosine", "final": 0.0, "warmup_epochs": 2 * best / 12}
    assert found["config"]["seed"] == record["config"]["seed"] and found["metrics"]["val_loss"] is None
    assert list(arrays_in(folder / "predictions.npz")) == [
        f"test_{name}" for name in ("rows", "labels", "predicted", "log_probabilities")
    ]
    again = mlp("train", "--refit", "small", "--no-plots")
    assert again.code == 0 and "is completed already" in again.out, "the run itself goes before its refit"


def test_a_refit_is_the_run_of_its_config(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "epochs=1")
    mlp("train", "--refit", "@last", "--no-plots", "--quiet", "batch_size=20", "--name", "again")
    (folder,) = (tmp_path / "results").glob("again-*")
    mlp("train", small_config, "--no-plots", "epochs=1", "dataset.validation=0", "batch_size=20", "--name", "plain")
    (plain,) = (tmp_path / "results").glob("plain-*")
    assert (folder / "metrics.csv").read_bytes() == (plain / "metrics.csv").read_bytes()


def test_what_cannot_be_refitted(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("train").code == 2 and "CONFIG" in mlp("train").err
    mlp("train", small_config, "--no-plots", "dataset.validation=0")
    answer = mlp("train", "--refit", "@last")
    assert answer.code == 2 and "no validation part" in answer.err
    mlp("train", small_config, "--no-plots", "epochs=0", "--name", "zero")
    answer = mlp("train", "--refit", "zero")
    assert answer.code == 2 and "best before its first epoch" in answer.err
    shutil.rmtree(next((tmp_path / "results").glob("zero-*")))
    assert mlp("train", small_config, "--refit", "@last").code == 2
    assert mlp("train", "--refit", "@best:test_accuracy").code == 2 and mlp("train", "--refit", "nothing").code == 2
    (folder,) = (tmp_path / "results").iterdir()
    record = folder / "run.json"
    record.write_text(record.read_text().replace('"completed"', '"interrupted"'))
    answer = mlp("train", "--refit", "@last")
    assert answer.code == 1 and "is not completed" in answer.err


def test_data_that_has_changed(mlp: Mlp, tmp_path: Path) -> None:
    write_table(tmp_path / "kinds.csv")
    (tmp_path / "run.yaml").write_text("dataset: {path: kinds.csv, target: kind, missing: mean}\nhidden_sizes: [4]\nepochs: 1\n")
    mlp("train", "run.yaml", "--no-plots")
    with open(tmp_path / "kinds.csv", "a") as file:
        file.write("1.0,red,2.0,big\n")
    answer = mlp("train", "--refit", "@last")
    assert answer.code == 3 and "the data has changed since this run" in answer.err
    assert len(list((tmp_path / "results").iterdir())) == 1


def test_test_rows_never_become_training_rows(mlp: Mlp, tmp_path: Path) -> None:
    """Groups are placed by what each part wants: without a validation part, others would test. That is refused; single rows stay."""
    write_table(tmp_path / "kinds.csv")
    lines = (tmp_path / "kinds.csv").read_text().splitlines()
    rows = [f"{line},g{place % 9 if place < 630 else 9 + place // 7}" for place, line in enumerate(lines[1:])]
    (tmp_path / "groups.csv").write_text("\n".join([f"{lines[0]},group", *rows]) + "\n")
    dataset = "{path: groups.csv, target: kind, missing: mean, validation: 60, test: 180, "
    (tmp_path / "run.yaml").write_text(f"dataset: {dataset}split: group, groups: group}}\nhidden_sizes: [4]\nepochs: 1\n")
    mlp("train", "run.yaml", "--no-plots")
    answer = mlp("train", "--refit", "@last")
    assert answer.code == 2 and "its test rows would be others" in answer.err and "test_path" in answer.err
    (tmp_path / "rows.yaml").write_text(f"dataset: {dataset}drop: [group]}}\nhidden_sizes: [4]\nepochs: 1\n")
    record = json.loads(mlp("train", "rows.yaml", "--no-plots", "--json").out)
    assert mlp("train", "--refit", "@last", "--no-plots").code == 0
    found, folder = refitted(tmp_path)
    assert found["data"]["train"] == record["data"]["train"] + 60
    own = arrays_in(tmp_path / "results" / record["id"] / "predictions.npz")
    assert np.array_equal(arrays_in(folder / "predictions.npz")["test_rows"], own["test_rows"])


def test_a_validation_part_of_its_own_file(mlp: Mlp, tmp_path: Path) -> None:
    write_table(tmp_path / "kinds.csv")
    write_table(tmp_path / "more.csv")
    text = "dataset: {path: kinds.csv, target: kind, missing: mean, validation: more.csv}\nhidden_sizes: [4]\nepochs: 1\n"
    (tmp_path / "run.yaml").write_text(text)
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    answer = mlp("train", "--refit", "@last")
    assert answer.code == 2 and "are a file of their own, more.csv" in answer.err and "validation=0" in answer.err


@pytest.mark.parametrize(("split", "total"), [("official", 300), ("ece421", 18_000), ("ece421_handout", 18_000), ("vu", 60_000)])
def test_splits_with_a_size_of_their_own_give_their_validation_rows_to_training(split: str, total: int) -> None:
    x = np.zeros((total, 1), np.float32)
    whole = RawSet(train_x=x, train_y=np.arange(total) % 2, shape=(1,), classes=("a", "b"), official_validation=50, name="set")
    before, after = cut(split, whole, None, 0), cut(split, whole, 0, 0)
    assert len(before.validation) and not len(after.validation)
    assert np.array_equal(after.train, np.sort(np.concatenate([before.train, before.validation])))
    assert np.array_equal(after.test, before.test)


def test_the_official_part_of_a_set(mlp: Mlp, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    parts = {"train": 200, "val": 60, "test": 50}
    arrays = {f"x_{part}": generator.normal(size=(count, 3)) for part, count in parts.items()}
    np.savez(tmp_path / "set.npz", **arrays, **{f"y_{part}": np.arange(count) % 2 for part, count in parts.items()})
    (tmp_path / "run.yaml").write_text("dataset: {path: set.npz, split: official}\nhidden_sizes: [4]\nepochs: 2\n")
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    assert mlp("train", "--refit", "@last", "--no-plots").code == 0
    found, _ = refitted(tmp_path)
    assert [found["data"][part] for part in ("train", "validation", "test")] == [260, 0, 50]
    assert load_data(config_from_mapping(found["config"])).validation is None
