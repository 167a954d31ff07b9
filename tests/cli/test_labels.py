"""Rows with several labels each, from files to the report."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_sets import Answer, arrays_in

from mlp_cli.predictions import read_predictions

Mlp = Callable[..., Answer]
LABELS = ("sea", "sun", "hill")
OVERRIDES = ("epochs=20", "batch_size=32", "learning_rate=0.02", "hidden_sizes=[16]")


@pytest.fixture
def tags(tmp_path: Path) -> Path:
    """A config of 400 training and 100 test rows with three labels, each on one side of a plane of its own."""
    generator = np.random.default_rng(16)
    x = generator.standard_normal((500, 4))
    y = (x @ generator.standard_normal((4, 3)) > [0.0, 1.0, -1.5]).astype(int)
    parts = {"x": x[:400], "y": y[:400], "x_test": x[400:], "y_test": y[400:]}
    np.savez(tmp_path / "tags.npz", **parts, classes=np.array(LABELS))
    np.savez(tmp_path / "nameless.npz", **parts)
    for name, rows in (("train", slice(400)), ("test", slice(400, 500))):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["a", "b", "c", "d", *LABELS])
            writer.writerows([*map(repr, map(float, row)), *flags] for row, flags in zip(x[rows], y[rows], strict=True))
    np.savez(tmp_path / "single.npz", x=x, y=y[:, 0])
    np.savez(tmp_path / "column.npz", x=x, y=y[:, :1])
    np.savez(tmp_path / "twos.npz", x=x, y=2 * y)
    np.savez(tmp_path / "gaps.npz", x=x, y=np.where(y == 1, np.nan, 0.0))
    config = tmp_path / "tags.yaml"
    config.write_text("dataset: {path: tags.npz, validation: 100, split: last}\nloss: multi_label\n")
    return config


def folder_of(pattern: str) -> Path:
    (folder,) = Path("results").glob(pattern)
    return folder


def test_labels_are_learnt_scored_and_told(mlp: Mlp, tags: Path) -> None:
    answer = mlp("train", tags, *OVERRIDES)
    assert answer.code == 0, answer.err
    folder = folder_of("tags-*")
    record, model, data = (
        json.loads((folder / "run.json").read_text()),
        arrays_in(folder / "model.npz"),
        arrays_in(Path("tags.npz")),
    )
    metrics = record["metrics"]
    assert metrics["test_accuracy"] > 0.95 and metrics["test_macro_f1"] > 0.9

    h = np.maximum(((data["x_test"] - model["centre"]) * model["scale"]) @ model["W1"] + model["b1"], 0)
    p = 1 / (1 + np.exp(-(h @ model["W2"] + model["b2"])))
    named, there = p > 0.5, data["y_test"] == 1
    assert metrics["test_accuracy"] == pytest.approx((named == there).mean())
    f1 = 2 * (named & there).sum(axis=0) / (named.sum(axis=0) + there.sum(axis=0))
    assert metrics["test_macro_f1"] == pytest.approx(f1.mean())
    assert metrics["test_loss"] == pytest.approx(-np.where(there, np.log(p), np.log(1 - p)).mean(), rel=1e-5)
    assert tuple(model["classes"]) == LABELS and json.loads(str(model["config"]))["loss"]["name"] == "multi_label"

    rates = data["y"][:300].mean(axis=0)
    assert record["data"]["classes"] == list(LABELS)
    assert list(record["data"]["positive_rates"].values()) == pytest.approx(rates.tolist())
    assert record["data"]["largest_class"]["train"] == pytest.approx(np.maximum(rates, 1 - rates).mean())
    shares = ", ".join(f"{name} {100 * rate:.1f} %" for name, rate in zip(LABELS, rates, strict=True))
    assert f"3 labels; training rows that have them: {shares};" in answer.out
    assert f"macro F1 {metrics['test_macro_f1']:.5g}" in answer.out and f"macro F1 {metrics['val_macro_f1']:.5g}" in answer.out
    assert sorted(path.name for path in (folder / "plots").iterdir()) == ["accuracy.png", "labels.png", "loss.png"]
    assert "is completed already" in mlp("train", tags, *OVERRIDES).out


def test_a_table_with_several_targets_gives_the_same_run(mlp: Mlp, tags: Path) -> None:
    mlp("train", tags, *OVERRIDES, "--no-plots", "dataset.validation=0")
    given = f"dataset={{path: train.csv, test_path: test.csv, target: [{', '.join(LABELS)}], validation: 0}}"
    answer = mlp("train", tags, *OVERRIDES, "--no-plots", "--name", "table", given)
    assert answer.code == 0, answer.err
    one, other = folder_of("tags-*"), folder_of("table-*")
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    found = [json.loads((folder / "run.json").read_text()) for folder in (one, other)]
    assert found[0]["metrics"] == found[1]["metrics"] and found[0]["data"]["positive_rates"] == found[1]["data"]["positive_rates"]
    again = mlp("train", other / "config.yaml", "--no-plots")
    assert again.code == 0 and "is completed already" in again.out, "its config.yaml means the same run"


def test_what_is_drawn_at_random_is_said(mlp: Mlp, tags: Path) -> None:
    drawn = mlp("train", tags, "epochs=1", "--no-plots", "dataset={path: nameless.npz, validation: 100}")
    assert "3 labels (rows drawn at random, not by label); training rows that have them: label_0 " in drawn.out
    whole = mlp("train", tags, "epochs=1", "--no-plots", "dataset={path: nameless.npz, validation: 0}")
    assert "at random" not in whole.out and "3 labels; training" in whole.out


WRONG = (
    (("dataset.path=single.npz",), 2, "loss: multi_label is for several labels a row, and single is a classification set"),
    (("dataset.path=column.npz",), 2, "loss: multi_label is for several labels a row, and column is a classification set"),
    (("dataset={path: train.csv, target: sea}",), 2, "or give labels as y (N, K) of 0 and 1, in a table as target: [a, b, c]"),
    (("dataset=moons",), 2, "loss: multi_label is for several labels a row, and moons is a classification set"),
    (("loss=cross_entropy",), 2, "loss: cross_entropy is for classification, and tags has several labels a row"),
    (("loss=mse",), 2, "loss: mse is for regression, and tags has several labels a row"),
    (("dataset.path=twos.npz",), 3, "the train part's labels: hold 2 in row"),
    (("dataset.path=gaps.npz",), 3, "values that are not finite"),
    (("dataset={path: train.csv, target: [sea, a]}",), 3, "several targets are labels, each a column of 0 and 1"),
    (("dataset={path: train.csv, target: [sea, sand]}",), 3, "target: no column sand"),
    (("dataset.classes=[sea, sun]",), 3, "classes: tags has labels, several a row"),
    (("class_weight={sky: 2}",), 2, "class_weight: tags has no class sky"),
    (("engine=scalar", "dtype=float64", "optimizer=sgd"), 2, "scalar has"),
)


@pytest.mark.parametrize(
    ("overrides", "code", "words"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_what_makes_no_sense_is_refused(mlp: Mlp, tags: Path, overrides: tuple[str, ...], code: int, words: str) -> None:
    answer = mlp("train", tags, "--no-plots", *overrides)
    assert answer.code == code and words in answer.err, answer.err


@pytest.mark.parametrize(
    "override", ["label_smoothing=0.1", "class_weight=balanced", "class_weight={hill: 3}", "mixup=0.2", "ema=0.9"]
)
def test_what_regularises_lets_labels_be_learnt(mlp: Mlp, tags: Path, override: str) -> None:
    answer = mlp("train", tags, *OVERRIDES, "--no-plots", "--json", override)
    assert json.loads(answer.out)["metrics"]["test_accuracy"] > 0.93


def test_weights_of_labels_move_what_is_given(mlp: Mlp, tags: Path) -> None:
    """Rows that have the rarest label, ten times as heavy, are found more often."""
    found = [
        json.loads(mlp("train", tags, "epochs=2", "--no-plots", "--json", "metrics=recall", *more).out)["metrics"][
            "val_recall_sun"
        ]
        for more in ((), ("class_weight={sun: 10}",))
    ]
    assert found[1] > found[0]


def test_parts_of_their_own(mlp: Mlp, tags: Path) -> None:
    data = arrays_in(Path("tags.npz"))
    np.savez("train.npz", x=data["x"], y=data["y"], classes=data["classes"])
    np.savez("test.npz", x=data["x_test"], y=data["y_test"])
    np.savez("other.npz", x=data["x_test"], y=data["y_test"], classes=data["classes"][::-1])
    answer = mlp("train", tags, "epochs=1", "--no-plots", "dataset={path: train.npz, test_path: test.npz, validation: test.npz}")
    assert answer.code == 0 and "400 training, 100 validation, 100 test rows; 3 labels; training" in answer.out
    wrong = mlp("train", tags, "--no-plots", "dataset={path: train.npz, test_path: other.npz}")
    assert wrong.code == 3 and "the test part has the labels hill, sun, sea" in wrong.err


def test_odd_labels_are_told(mlp: Mlp, tags: Path) -> None:
    data = arrays_in(Path("tags.npz"))
    y = data["y"].copy()
    y[:, 0], y[:, 1] = 1, 0
    np.savez("odd.npz", x=data["x"], y=y)
    answer = mlp("train", tags, "epochs=1", "--no-plots", "dataset={path: odd.npz, validation: 0}")
    assert "every training row has label_0: there is nothing to learn of it" in answer.err
    assert "no training row has label_1: there is nothing to learn of it" in answer.err
    np.savez("single.npz", x=data["x"], y=np.eye(3)[np.arange(400) % 3])
    answer = mlp("train", tags, "epochs=1", "--no-plots", "dataset={path: single.npz, validation: 0}")
    assert answer.code == 0 and "each training row has exactly one label" in answer.err


def test_labels_are_shown(mlp: Mlp, tags: Path) -> None:
    data = arrays_in(Path("tags.npz"))
    answer = mlp("data", "show", "tags.npz")
    assert answer.code == 0 and "tags, multi_label, shape 4" in answer.out and Path("tags.png").stat().st_size
    for name, column in zip(LABELS, range(3), strict=True):
        assert f"{name:5}{data['y'][:, column].sum():>12,}{data['y_test'][:, column].sum():>12,}" in answer.out
    answer = mlp("data", "show", "train.csv", "--target", "sea", "--target", "sun")
    assert answer.code == 0 and "2 labels;" in answer.out
    np.savez("pictures.npz", x=np.zeros((6, 8, 8), np.uint8), y=np.array([[1, 1], [0, 1], [0, 0]] * 2))
    assert mlp("data", "show", "pictures.npz").code == 0 and Path("pictures.png").stat().st_size


def test_labels_are_swept_and_reported(mlp: Mlp, tags: Path, request: pytest.FixtureRequest) -> None:
    answer = mlp(
        "sweep", tags, "hidden_sizes=[4],[16]", "epochs=2", "dataset.split=stratified", "--seeds", 2, "--executor", "serial"
    )
    assert answer.code == 0, answer.err
    page = (folder_of("tags-*") / "report" / "index.html").read_text()
    assert "multi_label" in page and "Giving each label its more frequent value is right for" in page
    request.getfixturevalue("undrawn")  # the sweep has drawn the same figures
    report = mlp("report", "results")
    assert "100 validation rows (at random, split_seed 0)" in report.out and "validation macro F1" in report.out.replace(
        "f1", "F1"
    )


def test_labels_are_predicted_evaluated_and_kept(mlp: Mlp, tags: Path) -> None:
    """The probability of each label by itself; what is kept of the test rows gives the very scores of run.json."""
    given = f"dataset={{path: train.csv, test_path: test.csv, target: [{', '.join(LABELS)}], validation: 100}}"
    assert mlp("train", tags, *OVERRIDES, "--no-plots", given).code == 0
    folder = folder_of("tags-*")
    metrics, kept = json.loads((folder / "run.json").read_text())["metrics"], read_predictions(folder)["test"]
    answer = mlp("predict", folder, "test.csv", "--out", "out.csv")
    assert answer.code == 0 and "predicted here, and not looked at" in answer.err
    rows, given_rows = (list(csv.DictReader(Path(name).read_text().splitlines())) for name in ("out.csv", "test.csv"))
    p = np.array([[float(row[f"p_{name}"]) for name in LABELS] for row in rows])
    assert [row["prediction"] for row in rows] == ["; ".join(np.array(LABELS)[flags]) for flags in p > 0.5]
    with np.load(folder / "model.npz") as model:
        x = np.array([[float(row[name]) for name in "abcd"] for row in given_rows])
        h = np.maximum(((x - model["centre"]) * model["scale"]) @ model["W1"] + model["b1"], 0)
        np.testing.assert_allclose(p, 1 / (1 + np.exp(-(h @ model["W2"] + model["b2"]))), rtol=1e-4)

    assert kept.predicted.tolist() == (p > 0.5).tolist() and (kept.predicted == kept.labels).mean() == pytest.approx(
        metrics["test_accuracy"]
    )
    np.testing.assert_allclose(kept.probabilities(), p, rtol=5e-3, atol=1e-6)
    assert ((kept.logits() > 0) == kept.predicted).all() and np.isfinite(kept.logits()).all()

    document = json.loads(mlp("evaluate", folder, "--json").out)
    assert document["scores"]["accuracy"] == pytest.approx(metrics["test_accuracy"])
    assert document["scores"]["macro_f1"] == pytest.approx(metrics["test_macro_f1"])
    there = np.array([[row[name] == "1" for name in LABELS] for row in given_rows])
    right = (there & (p > 0.5)).sum(axis=0)
    assert [each["recall"] for each in document["classes"]] == pytest.approx((right / there.sum(axis=0)).tolist())
    assert [each["n"] for each in document["classes"]] == there.sum(axis=0).tolist() and "confusion" not in document
    assert "giving each label its more frequent value: " in mlp("evaluate", folder).out
    Path("test.csv").rename("gone.csv")
    gone = json.loads(mlp("evaluate", folder, "--json").out)
    assert gone["source"] == "predictions.npz" and gone["scores"]["macro_f1"] == pytest.approx(metrics["test_macro_f1"])


@pytest.mark.usefixtures("undrawn")
def test_seeds_predict_labels_together(mlp: Mlp, tags: Path) -> None:
    answer = mlp("sweep", tags, "hidden_sizes=[4],[16]", "epochs=4", "--seeds", 3, "--executor", "serial")
    assert answer.code == 0, answer.err
    data = arrays_in(Path("tags.npz"))
    np.savez("x.npz", x=data["x_test"])
    found = json.loads(mlp("predict", folder_of("tags-*"), "x.npz", "--json").out)
    assert (
        len(found["runs"]) == 3
        and len(found["rows"]) == 100
        and set(found["rows"][0]) == {"prediction", *(f"p_{name}" for name in LABELS)}
    )
    refit = mlp("train", "--refit", found["runs"][0], "--no-plots")
    assert refit.code == 0, refit.err
