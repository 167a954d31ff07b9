"""`mlp evaluate`: its scores are run.json's, or worked from the raw data by NumPy alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_sets import Answer, arrays_in, make_idx_set, write_labels, write_quantity

from mlp_cli.evaluation import class_table, confused_pairs

Mlp = Callable[..., Answer]


def folder_of(root: Path) -> Path:
    (found,) = (root / "results").iterdir()
    return found


def scores_in(answer: Answer) -> dict:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_the_scores_of_validation_and_test_are_those_of_run_json(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "metrics=[macro_f1,brier_score,{name: top_k, k: 2}]")
    metrics = json.loads((folder_of(tmp_path) / "run.json").read_text())["metrics"]
    for split, short in (("validation", "val"), ("test", "test")):
        answer = mlp("evaluate", "@last", "--split", split, "--json")
        found = scores_in(answer)
        assert not answer.err, "nothing differs from run.json"
        assert found["rows"] == {"validation": 100, "test": 120}[split] and found["source"] == "model.npz"
        for name in ("loss", "accuracy"):
            assert found["scores"][name] == metrics[f"{short}_{name}"]
        for name in ("macro_f1", "brier_score", "top_2_accuracy"):
            assert found["scores"][name] == pytest.approx(metrics[f"{short}_{name}"], rel=1e-9)
        assert "top_5_accuracy" not in found["scores"], "there are four classes"


def test_the_training_part_is_scored_from_the_raw_bytes(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    """Recomputed from model.npz and the raw bytes, with nothing of this program."""
    mlp("train", small_config, "--no-plots", "dataset.validation=0", "dropout=0.3")
    found = scores_in(mlp("evaluate", "small", "--split", "train", "--json"))
    raw = (tmp_path / "shapes" / "train-images-idx3-ubyte").read_bytes()[16:]
    labels = np.frombuffer((tmp_path / "shapes" / "train-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    model = arrays_in(folder_of(tmp_path) / "model.npz")
    x = np.frombuffer(raw, np.uint8).reshape(-1, 36) * model["scale"] + model["shift"]
    logits = np.maximum(x @ model["W1"] + model["b1"], 0) @ model["W2"] + model["b2"]
    guess = logits.argmax(axis=1)
    log_p = logits - logits.max(axis=1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    assert found["rows"] == 600 and found["scores"]["accuracy"] == np.mean(guess == labels)
    assert found["scores"]["loss"] == pytest.approx(-log_p[np.arange(600), labels].mean(), rel=1e-5)
    for k, each in enumerate(found["classes"]):
        hits = np.sum((guess == k) & (labels == k))
        assert each["n"] == np.sum(labels == k) and each["recall"] == pytest.approx(hits / each["n"])
        assert each["precision"] == pytest.approx(hits / np.sum(guess == k))
        assert found["confusion"][k] == [int(np.sum((labels == k) & (guess == other))) for other in range(4)]
    assert found["largest_class"] == np.bincount(labels).max() / 600


def test_what_a_person_sees(mlp: Mlp, small_config: Path) -> None:
    mlp("train", small_config, "--no-plots")
    answer = mlp("evaluate", "@last", "--split", "validation")
    lines = answer.out.splitlines()
    assert lines[0].endswith(": 100 validation rows, by model.npz") and "chosen on these rows" in lines[1]
    assert any(line.startswith("Accuracy") and "always naming the largest class: " in line for line in lines)
    assert any(line.split() == ["class", "precision", "recall", "F1", "rows"] for line in lines)
    assert any(line.split() == ["true", "\\", "predicted", "0", "1", "2", "3"] for line in lines)
    assert "chosen on" not in mlp("evaluate", "@last").out


@pytest.mark.parametrize("loss", ["mse", "{name: huber, delta: 2}", "mae"])
def test_a_quantity(mlp: Mlp, tmp_path: Path, loss: str) -> None:
    write_quantity(tmp_path / "prices.npz")
    (tmp_path / "run.yaml").write_text(
        f"dataset: {{path: prices.npz, validation: 60}}\nloss: {loss}\nhidden_sizes: [6]\nepochs: 3\n"
    )
    mlp("train", "run.yaml", "--no-plots")
    folder = folder_of(tmp_path)
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    found = scores_in(mlp("evaluate", "@last", "--json"))
    for name in ("loss", "r2", "rmse", "mae"):
        assert found["scores"][name] == pytest.approx(metrics[f"test_{name}"], rel=1e-12), name
    kept = arrays_in(folder / "predictions.npz")
    residuals = np.sort(kept["test_labels"] - kept["test_predicted"])
    assert found["residuals"]["0.5"] == pytest.approx((residuals[99] + residuals[100]) / 2, rel=1e-4)
    text = mlp("evaluate", "@last").out
    assert "Residuals, true − predicted" in text and "50 % are below" in text and "confusion" not in text
    (tmp_path / "prices.npz").unlink()
    again = mlp("evaluate", "@last", "--json")
    assert "the data cannot be used now" in again.err
    assert {name: pytest.approx(value, rel=1e-5) for name, value in scores_in(again)["scores"].items()} == found["scores"]


def test_labels(mlp: Mlp, tmp_path: Path) -> None:
    write_labels(tmp_path / "weather.csv")
    dataset = "{path: weather.csv, target: [warm, wet], validation: 50, test: 60}"
    (tmp_path / "run.yaml").write_text(
        f"dataset: {dataset}\nloss: multi_label\nhidden_sizes: [8]\nepochs: 60\nlearning_rate: 0.03\n"
    )
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    record = json.loads((folder_of(tmp_path) / "run.json").read_text())
    answer = mlp("evaluate", "@last", "--json")
    found, kept = scores_in(answer), arrays_in(folder_of(tmp_path) / "predictions.npz")
    for name in ("loss", "accuracy", "macro_f1"):
        assert found["scores"][name] == pytest.approx(record["metrics"][f"test_{name}"], rel=1e-9)
    assert found["largest_class"] == pytest.approx(record["data"]["largest_class"]["test"]) and "confusion" not in found
    assert "top_5_accuracy" not in found["scores"]
    for k, each in enumerate(found["classes"]):
        there = kept["test_labels"][:, k] == 1
        assert each["name"] == ("warm", "wet")[k] and each["n"] == there.sum()
        assert each["recall"] == pytest.approx((kept["test_predicted"][there, k] == 1).mean())
    text = mlp("evaluate", "@last").out
    assert "giving each label its more frequent value" in text and "true \\" not in text
    (tmp_path / "new.csv").write_text("a,b,c,warm\n3,3,9,1\n-3,-3,-3,0\n")
    answer = mlp("predict", "@last", "new.csv", "--json")
    rows = json.loads(answer.out)["rows"]
    assert [row["prediction"] for row in rows] == ["warm; wet", ""] and "warm: predicted here" in answer.err
    assert rows[0]["p_warm"] > 0.5 and rows[0]["p_wet"] > 0.5 > rows[1]["p_wet"]
    (tmp_path / "weather.csv").unlink()
    again = scores_in(mlp("evaluate", "@last", "--json"))
    assert again["scores"] == {name: pytest.approx(value, rel=5e-3) for name, value in found["scores"].items()}
    assert mlp("report", "results", "--quiet").code == 0


def test_data_that_is_gone_or_has_changed(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots")
    whole = scores_in(mlp("evaluate", "@last", "--json"))
    shutil.move(tmp_path / "shapes", tmp_path / "elsewhere")
    answer = mlp("evaluate", "@last", "--json")
    found = scores_in(answer)
    assert (
        found["source"] == "predictions.npz" and "the data cannot be used now, so predictions.npz is what is scored" in answer.err
    )
    for name in ("confusion", "classes", "largest_class", "rows"):
        assert found[name] == whole[name]
    for name, value in found["scores"].items():
        assert value == pytest.approx(whole["scores"][name], rel=5e-3), name
    assert found["scores"]["accuracy"] == whole["scores"]["accuracy"] and found["scores"]["loss"] == whole["scores"]["loss"]
    assert mlp("evaluate", "@last", "--split", "train").code == 3
    (folder_of(tmp_path) / "predictions.npz").unlink()
    answer = mlp("evaluate", "@last")
    assert answer.code == 1 and "has no predictions.npz" in answer.err
    make_idx_set(tmp_path / "shapes", train=590)
    answer = mlp("evaluate", "@last")
    assert answer.code == 3 and "the data has changed since this run" in answer.err and "put the old data back" in answer.err


def test_runs_that_cannot_be_scored(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots", "dataset.validation=0")
    answer = mlp("evaluate", "@last", "--split", "validation")
    assert answer.code == 2 and "has no validation part" in answer.err and "write --split train or test" in answer.err
    answer = mlp("evaluate", "@best:test_accuracy")
    assert answer.code == 2 and "@best:val_accuracy" in answer.err
    assert mlp("evaluate", "nowhere").code == 2 and mlp("evaluate", "@last", "--split", "all").code == 2
    record = folder_of(tmp_path) / "run.json"
    record.write_text(record.read_text().replace('"completed"', '"interrupted"'))
    answer = mlp("evaluate", "@last")
    assert answer.code == 1 and "is not completed" in answer.err


def test_an_accuracy_that_this_machine_does_not_give_is_told(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    mlp("train", small_config, "--no-plots")
    path = folder_of(tmp_path) / "run.json"
    record = json.loads(path.read_text())
    record["metrics"]["test_accuracy"] = 0.125
    path.write_text(json.dumps(record))
    assert "run.json says test_accuracy 0.125, and this machine gives" in mlp("evaluate", "@last").err


@pytest.mark.parametrize(
    ("classes", "said"), [(30, "most confused (30 classes"), (45, "the 40 of 45 classes with the lowest F1")]
)
def test_many_classes(mlp: Mlp, tmp_path: Path, classes: int, said: str) -> None:
    make_idx_set(tmp_path / "shapes", train=2000, test=400, classes=classes)
    (tmp_path / "run.yaml").write_text("dataset: {path: shapes, validation: 200}\nhidden_sizes: [8]\nepochs: 1\n")
    mlp("train", "run.yaml", "--no-plots")
    answer = mlp("evaluate", "@last")
    assert answer.code == 0 and said in answer.out and "most confused" in answer.out and "true \\" not in answer.out
    assert len(scores_in(mlp("evaluate", "@last", "--json"))["classes"]) == classes


def test_the_table_of_classes_worked_by_hand() -> None:
    """Of a: 3 of 4 right, and 3 of the 5 said to be a. Nobody says b; c has no row."""
    cells = np.array([[3, 0, 1], [2, 0, 0], [0, 0, 0]])
    a, b, c = class_table(np.diag(cells), cells.sum(axis=0), cells.sum(axis=1), ["a", "b", "c"])
    assert a == {"name": "a", "precision": 0.6, "recall": 0.75, "f1": pytest.approx(2 / 3), "n": 4}
    assert b == {"name": "b", "precision": None, "recall": 0.0, "f1": 0.0, "n": 2}
    assert c == {"name": "c", "precision": 0.0, "recall": None, "f1": 0.0, "n": 0}
    assert confused_pairs(cells, 5) == [(1, 0), (0, 2)] and confused_pairs(cells, 1) == [(1, 0)]
    assert confused_pairs(np.diag([2, 1]), 5) == []


def test_a_run_without_test_rows_says_how_to_have_some(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "1,u\n2,v\n" * 10)
    (tmp_path / "t.yaml").write_text("dataset: {path: t.csv, target: y}\nepochs: 1\n")
    assert mlp("train", "t.yaml", "--no-plots").code == 0
    answer = mlp("evaluate", "@last")
    assert answer.code == 2 and "; a run with dataset.test: 0.2 makes a test part" in answer.err


def test_data_that_is_refused_now_is_not_said_to_be_gone(mlp: Mlp, tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(90, 3)), np.arange(90)
    np.savez(tmp_path / "set.npz", x=x, y=y % 3)
    (tmp_path / "run.yaml").write_text("dataset: {path: set.npz, test: 20}\nhidden_sizes: [4]\nepochs: 1\n")
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    np.savez(tmp_path / "set.npz", x=x, y=y * 10)
    for answer in (mlp("train", "run.yaml", "--no-plots"), mlp("evaluate", "@last")):
        assert answer.code == 0 and "the data cannot be used now" in answer.err and "most of them once" in answer.err
        assert "not here" not in answer.err
