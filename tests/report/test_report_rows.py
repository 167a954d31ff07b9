"""What a report says of single rows, from predictions.npz alone: worked by hand, and by the metric of the same name."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import SHA256, write_run
from scipy.stats import binomtest
from small_sets import Answer

from mlp_cli.predictions import Predictions, write_predictions
from mlp_cli.report import rows as rows_module
from mlp_cli.report.build import make_report, write_report
from mlp_cli.report.diff import compare_runs
from mlp_cli.report.rows import BINS, BestRows, bootstrap

Mlp = Callable[..., Answer]
UNDRAWN = pytest.mark.usefixtures("undrawn")

CLASSES = ["cat", "=dog", "<b>cow</b>"]
LABELS = np.array([0, 0, 1, 1, 2, 2])
SAID = [[0, 1, 1, 2, 2, 0], [0, 1, 1, 0, 2, 1], [0, 1, 0, 2, 1, 2]]
"""Three seeds on six rows: rows 1 and 3 are wrong with all of them."""


def classes_of(said: Sequence[int], sure: float = 0.8, part: np.ndarray = LABELS) -> Predictions:
    """Predictions with one probability for what is said, the others alike."""
    guess = np.array(said)
    probabilities = np.full((len(guess), 3), (1 - sure) / 2)
    probabilities[np.arange(len(guess)), guess] = sure
    return Predictions(np.arange(10, 10 + len(guess)), part, guess, np.log(probabilities))


def write_seed(folder: Path, seed: int, parts: dict[str, Predictions] | None, **changes: Any) -> Path:
    data = {"name": "pets", "sha256": SHA256, "train": 50, "validation": 6, "test": 6, "classes": CLASSES} | changes.pop(
        "data", {}
    )
    home = write_run(folder, changes.pop("config", None), seed=seed, data=data, name=f"pets_seed-{seed}", **changes)
    if parts is not None:
        write_predictions(home, parts)
    return home


def rows_of(folder: Path) -> BestRows:
    (group,) = make_report([folder]).groups
    assert group.rows is not None
    return group.rows


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for seed, said in enumerate(SAID):
        write_seed(tmp_path / "results", seed, {"validation": classes_of([0] * 6), "test": classes_of(said, 0.79 - 0.1 * seed)})
    return tmp_path / "results"


def test_three_seeds_worked_by_hand(three: Path) -> None:
    found = rows_of(three)
    assert (found.part, found.rows, len(found.runs), found.note) == ("test", 6, 3, "")
    # Row 2: 0.79 and 0.69 for =dog, 0.2 from the third. Row 4 alike. Row 5: each seed says another class, the first is surest.
    assert found.ensemble["accuracy"] == pytest.approx(3 / 6)
    single = found.single["accuracy"]
    assert single is not None and single.mean == pytest.approx((3 + 3 + 2) / 18)
    first, second = found.wrong
    assert first._asdict() == {
        "row": 11,
        "true": "cat",
        "predicted": "=dog",
        "agree": 3,
        "probability": pytest.approx(0.69, abs=1e-3),
    }
    assert (second.row, second.true, second.predicted, second.agree) == (13, "=dog", "<b>cow</b>", 2)
    assert second.probability == pytest.approx((0.79 + 0.155 + 0.59) / 3, abs=1e-3)
    assert [pair[:2] for pair in found.pairs[:3]] == [("cat", "=dog"), ("=dog", "cat"), ("=dog", "<b>cow</b>")]
    assert [pair[2] for pair in found.pairs[:3]] == pytest.approx([1, 2 / 3, 2 / 3])
    # 0.79 is in the bin up to 12/15, 0.69 in that up to 11/15 and 0.59 in that up to 9/15: six predictions each.
    assert [(each.n, round(each.high * BINS)) for each in found.bins] == [(6, 9), (6, 11), (6, 12)]
    assert [each.accuracy for each in found.bins] == pytest.approx([2 / 6, 3 / 6, 3 / 6])
    assert [each.confidence for each in found.bins] == pytest.approx([0.59, 0.69, 0.79], abs=1e-3)


def test_the_files_and_the_page(three: Path) -> None:
    page = write_report(make_report([three]), three / "report").read_text()
    lines = list(csv.DictReader((three / "report" / "errors.csv").read_text().splitlines()))
    assert [line["row"] for line in lines] == ["11", "13"] and lines[0]["predicted"] == "'=dog" and lines[1]["seeds"] == "3"
    assert {line["part"] for line in lines} == {"test"}
    assert "2 rows are wrong for every seed; errors.csv lists them." in page and "accuracy 50.0 %" in page
    assert "Row by row" in page and "Accuracy against confidence" in page and "<b>cow" not in page
    assert "chosen on these rows" not in page
    assert (three / "report" / "plots" / "reliability.png").exists()


def test_validation_rows_are_named_as_those_that_chose(tmp_path: Path) -> None:
    for seed, said in enumerate(SAID):
        write_seed(tmp_path, seed, {"validation": classes_of(said)}, data={"test": 0})
    found = rows_of(tmp_path)
    assert found.part == "validation" and "chosen on these rows" in found.note
    page = write_report(make_report([tmp_path]), tmp_path / "report").read_text()
    assert page.count("The configuration is chosen on these rows.") >= 2, "beside the words and under the figure"


@UNDRAWN
def test_seeds_without_predictions_are_left_out_and_said(three: Path) -> None:
    write_seed(three, 3, None)
    broken = write_seed(three, 4, {"test": classes_of(SAID[0])})
    (broken / "predictions.npz").write_bytes(b"PK")
    found = rows_of(three)
    assert len(found.runs) == 3 and found.note.startswith("2 seeds left out: ") and "pets_seed-3" in found.note
    assert "2 seeds left out: " in write_report(make_report([three]), three / "report").read_text()


@UNDRAWN
def test_nothing_is_said_without_predictions_or_on_other_rows(tmp_path: Path) -> None:
    write_seed(tmp_path / "none", 0, None)
    (group,) = make_report([tmp_path / "none"]).groups
    assert group.rows is None
    page = write_report(make_report([tmp_path / "none"]), tmp_path / "report").read_text()
    assert "Row by row" not in page and len((tmp_path / "report" / "errors.csv").read_text().splitlines()) == 1
    write_seed(tmp_path / "other", 0, {"test": classes_of(SAID[0])})
    write_seed(tmp_path / "other", 1, {"test": classes_of(SAID[1], part=LABELS[::-1].copy())})
    (group,) = make_report([tmp_path / "other"]).groups
    assert group.rows is None
    write_seed(tmp_path / "fewer", 0, {"test": classes_of(SAID[0])}, data={"classes": ["cat", "dog"]})
    (group,) = make_report([tmp_path / "fewer"]).groups
    assert group.rows is None, "a class that the record does not know"


@UNDRAWN
def test_one_seed_is_no_ensemble(tmp_path: Path) -> None:
    write_seed(tmp_path, 0, {"test": classes_of(SAID[0])})
    page = write_report(make_report([tmp_path]), tmp_path / "report").read_text()
    assert "as one ensemble" not in page and "3 rows are wrong; errors.csv" in page


@UNDRAWN
def test_a_quantity(tmp_path: Path) -> None:
    """Errors of 1 and −1 cancel in the mean: 0 on the first row, and −2 on the second."""
    true, scores = np.array([10.0, 20.0]), {"val_loss": 1.0, "val_r2": 0.5, "test_loss": 1.0, "test_r2": 0.5}
    for seed, said in enumerate(([9.0, 22.0], [11.0, 22.0])):
        found = Predictions(np.arange(2), true, np.array(said), None)
        write_seed(tmp_path, seed, {"test": found}, config={"loss": "mse"}, metrics=scores, data={"classes": []})
    found = rows_of(tmp_path)
    assert found.ensemble == {"rmse": pytest.approx(2**0.5), "mae": 1.0} and not found.wrong and not found.bins
    single = found.single["rmse"]
    assert single is not None and single.mean == pytest.approx((5 / 2) ** 0.5)
    page = write_report(make_report([tmp_path]), tmp_path / "report").read_text()
    assert "RMSE 1.41" in page and "errors.csv lists" not in page


def test_only_the_predictions_of_the_best_are_read(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        write_seed(three, 10 + seed, {"test": classes_of(SAID[0])}, config={"optimizer": "sgd"}, score=0.5)
        write_seed(three, 20 + seed, {"test": classes_of(SAID[0])}, config={"optimizer": "momentum"}, score=0.4)
    read = list[Path]()
    real = rows_module.read_predictions
    monkeypatch.setattr(rows_module, "read_predictions", lambda folder: (read.append(folder), real(folder))[1])
    found = rows_of(three)
    assert len(read) == 6 and {run.folder for run in found.runs} < set(read), "and those of the next one, nobody else's"


def test_a_bootstrap_over_rows_alone_has_the_width_of_the_formula() -> None:
    """Nets that are all alike differ by rows alone: the interval is ± 1.96 standard errors of the mean of paired differences."""
    generator = np.random.default_rng(2)
    one, two = generator.random(2000) < 0.8, generator.random(2000) < 0.7
    difference, low, high = bootstrap(np.array([one] * 3), np.array([two] * 3))
    paired = one.astype(float) - two
    error = paired.std() / 2000**0.5
    assert difference == pytest.approx(paired.mean()) and (low + high) / 2 == pytest.approx(difference, abs=0.2 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_a_bootstrap_over_seeds_alone_has_the_ends_that_counting_gives() -> None:
    """Of nets that get all rows right or none, one of three is right. Three draws: all wrong with (2/3)³ = 30 %, all right with 4 %."""
    one = np.repeat([[True], [False], [False]], 50, axis=1)
    difference, low, high = bootstrap(one, np.zeros((3, 50), np.bool_))
    assert (difference, low, high) == (pytest.approx(1 / 3), 0.0, pytest.approx(1.0))


@UNDRAWN
def test_the_best_against_the_next_one(three: Path) -> None:
    assert rows_of(three).rival is None, "there is no other"
    for seed in range(3):
        write_seed(three, 10 + seed, {"test": classes_of([1, 1, 0, 0, 0, 0])}, config={"optimizer": "sgd"}, score=0.5)
    found = rows_of(three).rival
    assert found is not None and found.label == "optimizer=sgd" and found.low <= found.difference <= found.high
    assert found.difference == pytest.approx((3 + 3 + 2) / 18)
    page = write_report(make_report([three]), three / "report").read_text()
    assert "minus that of <bdi>optimizer=sgd</bdi>" in page and "bootstrap over seeds and rows together" in page
    write_predictions(next(three.glob("pets_seed-11*")), {"test": classes_of([0] * 6, part=LABELS[::-1].copy())})
    assert rows_of(three).rival is None, "other rows"


@UNDRAWN
def test_the_document(three: Path, mlp: Mlp) -> None:
    (group,) = json.loads(mlp("report", three, "--json").out)["groups"]
    assert group["rows"]["ensemble"]["accuracy"] == pytest.approx(0.5) and group["rows"]["wrong_by_every_seed"] == 2
    assert [each["n"] for each in group["rows"]["reliability"]] == [6, 6, 6] and len(group["rows"]["runs"]) == 3


def test_mcnemar_by_hand(tmp_path: Path, mlp: Mlp) -> None:
    """Of six discordant rows the first net alone gets one right: p = 2 · (1 + 6) / 2⁶."""
    labels = np.zeros(9, np.int64)
    one = write_seed(tmp_path / "a", 0, {"test": classes_of([0, 1, 1, 1, 1, 1, 0, 2, 0], part=labels)})
    other = write_seed(tmp_path / "b", 1, {"test": classes_of([1, 0, 0, 0, 0, 0, 0, 1, 0], part=labels)})
    assert compare_runs(one, other).mcnemar == {"rows": 9, "only_first": 1, "only_second": 5, "p": pytest.approx(14 / 64)}
    text = mlp("diff", one, other).out
    assert "of 9 common test rows 1 only a gets right, 5 only b: McNemar's exact p = 0.22, for these two trained nets" in text
    assert json.loads(mlp("diff", other, one, "--json").out)["mcnemar"]["only_first"] == 5
    assert json.loads(mlp("diff", one, one, "--json").out)["mcnemar"]["p"] == 1.0
    assert binomtest(1, 6).pvalue == pytest.approx(14 / 64)


def test_mcnemar_is_on_common_rows_of_equal_data_alone(tmp_path: Path) -> None:
    whole = classes_of(SAID[0])
    part = Predictions(whole.rows[2:] + 2, LABELS[2:], whole.predicted[2:], np.log(np.full((4, 3), 1 / 3)))
    one = write_seed(tmp_path / "a", 0, {"test": whole})
    shifted = write_seed(tmp_path / "b", 1, {"test": part})
    assert compare_runs(one, shifted).mcnemar is None, "rows of the same number have other labels"
    kept = Predictions(whole.rows[2:], LABELS[2:], 2 - whole.predicted[2:], np.log(np.full((4, 3), 1 / 3)))
    write_predictions(shifted, {"test": kept})
    found = compare_runs(one, shifted).mcnemar
    assert found is not None and found["rows"] == 4
    for place, data in enumerate(({"sha256": "0" * 64}, {"classes": ["cat", "dog", "cow"]})):
        other = write_seed(tmp_path / f"c{place}", 1, {"test": whole}, data=data)
        assert compare_runs(one, other).mcnemar is None
    lacking = write_seed(tmp_path / "d", 1, None)
    difference = compare_runs(one, lacking)
    assert difference.mcnemar is None and "has no predictions.npz" in difference.mcnemar_note
