"""Tables, CSV and JSON of a report; names that would like to be more than names."""

import csv
import html
import io
import json
import re
from pathlib import Path

import pytest
from fake_runs import write_run

from mlp_cli.errors import UsageError
from mlp_cli.files import strict_json
from mlp_cli.report.build import make_report
from mlp_cli.report.model import Report, Summary
from mlp_cli.report.page import page
from mlp_cli.report.scales import ordered
from mlp_cli.report.tables import (
    Cell,
    arrange,
    as_json,
    cell,
    columns,
    csv_cell,
    keep_top,
    markdown,
    runs_csv,
    shown_metrics,
    summary_csv,
    table_text,
    text_columns,
)
from mlp_cli.report.wording import interval


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Three rates by three seeds, one seed diverged."""
    for rate, scores in ((0.001, (0.90, 0.91, 0.92)), (0.01, (0.94, 0.95, 0.96)), (0.1, (0.97, 0.98))):
        for seed, score in enumerate(scores):
            write_run(tmp_path, {"learning_rate": rate}, seed=seed, score=score)
    write_run(tmp_path, {"learning_rate": 0.1}, seed=2, status="diverged", error="diverged: x")
    return make_report([tmp_path])


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_summary_csv_has_the_columns_of_the_contract(report: Report) -> None:
    rows = rows_of(summary_csv(report))
    assert [row["learning_rate"] for row in rows] == ["0.01", "0.001", "0.1"]
    assert [row["verdict"] for row in rows] == ["best", "worse", "too few seeds"] or rows[1]["verdict"] == "indistinguishable"
    best = rows[0]
    assert best["n"] == "3" and float(best["val_accuracy_mean"]) == pytest.approx(0.95) and best["p"] == ""
    sd, low = float(best["val_accuracy_sd"]), float(best["val_accuracy_low"])
    assert sd == pytest.approx(0.01) and low == pytest.approx(0.95 - 4.302653 * 0.01 / 3**0.5, abs=1e-6)
    assert (rows[2]["n"], rows[2]["failed"]) == ("2", "1") and float(rows[1]["p"]) > 0
    for metric in ("train_loss", "val_loss", "test_accuracy"):
        assert all(f"{metric}_{part}" in best for part in ("mean", "sd", "low", "high"))


def test_runs_csv_has_every_run(report: Report) -> None:
    rows = rows_of(runs_csv(report))
    assert len(rows) == 9 and {row["status"] for row in rows} == {"completed", "diverged"}
    assert {row["seed"] for row in rows} == {"0", "1", "2"} and all(Path(row["folder"]).is_dir() for row in rows)
    assert len({row["configuration"] for row in rows}) == 3 and rows[0]["epochs_trained"] == "3"


def test_the_terminal_table(report: Report) -> None:
    text = table_text(report)
    assert "learning_rate" in text and "95.0 ± 1.0" in text and "2/3" in text and "best" in text
    assert "diverged" in text and "try learning_rate=0.01" in text and "test is only reported" in text


def test_a_narrow_terminal_leaves_out_what_matters_least(report: Report) -> None:
    whole = table_text(report)
    assert table_text(report, room=300) == whole
    for room in (160, 115):
        text = table_text(report, room=room)
        table = text.splitlines()[3:7]
        assert max(map(len, table)) <= room and "verdict" in table[0] and "validation accuracy %" in table[0]
        assert "no room for " in text and "parameters" not in table[0] and ("best epoch" in table[0]) == (room == 160)


def test_single_seeds_are_shown_for_what_they_are(tmp_path: Path) -> None:
    """No column of empty intervals, and no promise of any."""
    for rate, score in ((0.001, 0.9), (0.01, 0.8)):
        write_run(tmp_path, {"learning_rate": rate}, score=score, epochs=1)
    report = make_report([tmp_path])
    names = [name for name, _ in text_columns(report.groups[0])]
    assert names[:4] == ["learning_rate", "n", "validation accuracy %", "test accuracy %"]
    for text in (table_text(report), markdown(report)):
        assert "interval" not in text.lower() and "how far the seed moves a score is not known here" in text
    write_run(tmp_path, {"learning_rate": 0.01}, seed=1, score=0.82, epochs=1)
    report = make_report([tmp_path])
    assert ("95 % interval", ["", "68.3 to 93.7"]) in text_columns(report.groups[0]), "81 ± 12.706 · 1.4142 / √2"
    assert "Intervals are over seeds on this split" in table_text(report)


def test_one_cell_for_every_table(report: Report) -> None:
    """The value is what summary.csv has, the text what the terminal prints."""
    (group,) = report.groups
    best = group.configurations[0]
    names = ("learning_rate", "n", "val_accuracy", "best_epoch", "parameters", "seconds", "verdict")
    cells = [cell(group, best, name) for name in names]
    assert [each.text for each in cells] == ["0.01", "3", "95.0 ± 1.0", "3", "238,510", "3.5", "best"]
    assert [each.value for each in cells] == [0.01, 3, pytest.approx(0.95), 3.0, 238_510, 3.5, "best"]
    assert [bool(each.small) for each in cells] == [name == "val_accuracy" for name in names]
    assert cell(group, best, "p") == cell(group, best, "difference") == Cell(None, "–", "")
    row = re.split(" {2,}", table_text(report).splitlines()[4])
    assert all(each.text in row for each in cells)


def test_no_two_columns_of_runs_csv_have_one_name(tmp_path: Path) -> None:
    scores = {"val_accuracy": 0.9, "id": 1.0, "group": 2.0, "epochs_trained": 3.0}
    home = write_run(tmp_path, metrics=scores)
    text = runs_csv(make_report([tmp_path]))
    header, cells = csv.reader(text.splitlines())
    row = dict(zip(header, cells, strict=True))
    assert len(row) == len(header) and row["id"] == home.name and row["metrics.id"] == "1.0" and row["metrics.group"] == "2.0"


def test_only_changed_leaves_out_equal_columns(report: Report) -> None:
    header = [name for name, _ in text_columns(report.groups[0], only_changed=True)]
    assert "parameters" not in header and "learning_rate" in header and "verdict" in header
    assert "parameters" in [name for name, _ in text_columns(report.groups[0])]
    (first, *_) = csv.reader(summary_csv(report, only_changed=True).splitlines())
    assert "parameters" not in first and "group" not in first and {"learning_rate", "val_accuracy_mean", "verdict"} <= set(first)
    (group,) = as_json(report, only_changed=True)["groups"]
    assert all("parameters" not in each and "differs" in each for each in group["configurations"])


@pytest.mark.parametrize(
    ("sort", "rates"),
    [
        ("learning_rate", [0.001, 0.01, 0.1]),
        ("-learning_rate", [0.1, 0.01, 0.001]),
        ("val_accuracy", [0.1, 0.01, 0.001]),
        ("-val_accuracy_mean", [0.001, 0.01, 0.1]),
        ("val_loss", [0.1, 0.01, 0.001]),
        ("seconds", [0.1, 0.01, 0.001]),
        ("p", [0.001, 0.01, 0.1]),
        ("difference", [0.001, 0.1, 0.01]),
        ("best", [0.01, 0.001, 0.1]),
        ("-best", [0.1, 0.001, 0.01]),
        ("verdict", None),
        ("id", None),
        ("group", None),
    ],
)
def test_sorting(report: Report, sort: str, rates: list[float] | None) -> None:
    arrange(report, sort)
    found = [each.config["learning_rate"] for each in report.groups[0].configurations]
    assert rates is None or found == rates


def test_a_table_of_a_quantity_has_r2_and_an_error_in_its_own_unit(tmp_path: Path) -> None:
    """The root of a squared loss, and any other loss itself; all errors are in summary.csv."""
    names = [f"{part}_{score}" for part in ("train", "val", "test") for score in ("loss", "r2", "rmse", "mae")]
    write_run(tmp_path, {"loss": "mse"}, metrics=dict.fromkeys(names, 0.5))
    report = make_report([tmp_path])
    assert shown_metrics(report.groups[0]) == ["val_loss", "val_r2", "val_rmse", "test_r2", "test_rmse"]
    assert "validation RMSE" in table_text(report) and 'data-key="test_rmse"' in page(report)
    assert {"val_rmse_mean", "test_mae_mean"} <= set(summary_csv(report).splitlines()[0].split(","))
    write_run(tmp_path / "absolute", {"loss": "mae"}, metrics=dict.fromkeys(names, 0.5))
    absolute = make_report([tmp_path / "absolute"]).groups[0]
    assert shown_metrics(absolute) == ["val_loss", "val_r2", "test_loss", "test_r2"]


def test_lists_are_sorted_by_their_numbers(tmp_path: Path) -> None:
    sizes = [[8], [8, 8], [16], [64], [128], [1000]]
    for number, each in enumerate((sizes[4], sizes[0], sizes[2], sizes[5], sizes[1], sizes[3])):
        write_run(tmp_path, {"hidden_sizes": each}, score=0.9 - 0.01 * number)
    report = make_report([tmp_path])
    for sort, expected in (("hidden_sizes", sizes), ("-hidden_sizes", sizes[::-1])):
        arrange(report, sort)
        assert [each.config["hidden_sizes"] for each in report.groups[0].configurations] == expected
    assert ordered(sizes[::-1]) == sizes and ordered([[2], "x", 3, [1, 5]]) == [3, [1, 5], [2], "x"]


def test_intervals_end_at_what_is_possible() -> None:
    """An accuracy of 0 to 100 %, a loss not below 0, R² not above 1, differences of accuracies to 100 points either way."""
    wide = Summary(0.7, 0.5, -1.677, 3.088, 3)
    assert interval("val_accuracy", wide) == "0.0 to 100.0 (cut)" and interval("val_loss", wide) == "0.00 to 3.09 (cut)"
    assert interval("val_r2", wide) == "−1.68 to 1.00 (cut)" and interval("val_rmse", wide) == "0.00 to 3.09 (cut)"
    for name in ("val_macro_f1", "test_precision_cat", "train_recall_r2", "val_calibration_error"):
        assert interval(name, wide) == "0.00 to 1.00 (cut)"
    assert (
        interval("val_brier_score", wide) == "0.00 to 2.00 (cut)" and interval("val_top_5_accuracy", wide) == "0.0 to 100.0 (cut)"
    )
    assert interval("val_accuracy", wide, difference=True) == "−100.0 to 100.0 (cut)"
    assert interval("val_loss", wide, difference=True) == "−1.68 to 3.09"
    assert interval("val_accuracy", Summary(0.7, 0.01, 0.675, 0.725, 3)) == "67.5 to 72.5"


def test_sorting_by_nothing_known(report: Report) -> None:
    with pytest.raises(UsageError, match=r"unknown column 'val_acuracy'; did you mean val_accuracy\?"):
        arrange(report, "val_acuracy")


def test_the_top_keeps_the_verdicts(report: Report) -> None:
    keep_top(report, 1)
    (only,) = report.groups[0].configurations
    assert only.verdict == "best" and not report.groups[0].failures
    assert "1 of 3 configurations are shown" in table_text(report)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"where": "learning_rate<0.005"}, "Only runs where learning_rate<0.005: 2 of 4 runs are left out."),
        ({"where": "learning_rate<0.005 or seed=0"}, "Only runs where learning_rate<0.005 or seed=0: 1 of 4 runs is left out."),
        ({"where": "val_accuracy>0.92"}, "Only configurations where val_accuracy>0.92: 1 of 2 configurations is left out."),
        ({"margin": "0.5%"}, "A difference of at most 0.5% does not matter here."),
        ({"baseline": "slow-"}, "In its group all are compared with the baseline learning_rate=0.001."),
        ({}, ""),
    ],
)
def test_what_was_asked_stands_above_all_else(tmp_path: Path, asked: dict[str, str], said: str) -> None:
    for name, rate, score in (("slow", 0.001, 0.95), ("fast", 0.01, 0.9)):
        for seed in range(2):
            write_run(tmp_path, {"learning_rate": rate}, seed=seed, score=score, name=name)
    report = make_report([tmp_path], **asked)
    assert report.scope == as_json(report)["scope"] == said
    first = table_text(report).split("\n")[0]
    assert (first == said) if said else first == report.groups[0].title
    assert html.escape(said) in page(report).partition("<h2")[0]


def test_json_is_strict(report: Report) -> None:
    found = json.loads(strict_json(as_json(report)))
    (group,) = found["groups"]
    assert group["best"] == group["configurations"][0]["id"] and group["configurations"][0]["metrics"]["val_accuracy"]["n"] == 3
    assert len(group["failures"]) == 1 and found["broken"] == []


def test_equal_input_gives_equal_bytes(report: Report) -> None:
    again = make_report(report.paths)
    for form in (summary_csv, runs_csv, table_text, markdown):
        assert form(report) == form(again)


HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    " =1",
    "\r=1",
    "＝1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a|b\\|c [x](javascript:1) `c`",
    "\u202egnp.exe",
    "\x1b[31mred\x1b]0;title\x07",
    "x\ny,z",
    "_a_ ~b~ **c** # d",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_inert(tmp_path: Path, value: str) -> None:
    for seed, name in enumerate(("safe", value)):
        home = write_run(tmp_path, seed=seed, name=f"run{seed}")
        record = json.loads((home / "run.json").read_text())
        record["name"] = record["error"] = record["config"]["initializer"]["name"] = record["data"]["name"] = name
        record["config"][name] = name
        record["status"] = "failed" if seed else "completed"
        (home / "run.json").write_text(json.dumps(record))
    report = make_report([tmp_path])
    for text in (summary_csv(report), runs_csv(report)):
        parsed = list(csv.reader(io.StringIO(text)))
        assert len({len(row) for row in parsed}) == 1
        for field in (field for row in parsed for field in row):
            assert not field.startswith(("=", "+", "@", "\t", "\r", "＝")) and field.isprintable()
            assert not field.startswith("-") or float(field) < 0
    shown = table_text(report)
    assert all(line.isprintable() for line in shown.splitlines())
    marked = markdown(report)
    assert not re.search(r"(?<!\\)[*_~#`]", marked.replace("## ", ""))
    assert "<script" not in marked and "<img" not in marked and "](" not in marked.replace("\\](", "")
    for line in marked.splitlines():
        assert not line.startswith("| ") or line.replace("\\|", "").count("|") == marked.splitlines()[4].replace("\\|", "").count(
            "|"
        )


def test_cells() -> None:
    assert [csv_cell(value) for value in (None, float("nan"), 0.1, -2, -0.5, True, [300, 100], "-x", "a b")] == [
        "",
        "",
        "0.1",
        "-2",
        "-0.5",
        "true",
        "[300, 100]",
        "'-x",
        "a b",
    ]


def test_the_largest_class_stands_beside_accuracies(tmp_path: Path) -> None:
    data = {"name": "rare", "sha256": "a" * 64, "train": 80, "validation": 20, "test": 10}
    shares = {"train": 0.9, "validation": 0.95, "test": 0.8}
    for seed in range(2):
        write_run(tmp_path, seed=seed, score=0.94, data=data | {"largest_class": shares})
    report = make_report([tmp_path])
    assert "The largest class is 95.0 % of the validation rows and 80.0 % of the test rows." in table_text(report)
    units = {column.key: column.unit for column in columns(report.groups[0], ("val_accuracy", "val_loss"))}
    assert units["val_accuracy"].endswith("; largest class 95.0") and "largest" not in units["val_loss"]
    assert "The largest class is 95.0 %" in page(report, [[]])
