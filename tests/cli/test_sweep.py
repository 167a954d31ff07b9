"""`mlp sweep` as a user meets it, from the first run to what is said at the end."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from needs import need
from small_sets import Answer
from sweep_jobs import poison, wait_for

from mlp_cli import build, experiment, runs
from mlp_cli.sweep.pool import Processes, TaskResult
from mlp_cli.training.stop import EndedBySignal

Mlp = Callable[..., Answer]
SERIAL = ("--executor", "serial")


@pytest.fixture
def sweep(mlp: Mlp, small_config: Path, monkeypatch: pytest.MonkeyPatch) -> Mlp:
    """`mlp sweep` of the small config, in this process unless told otherwise."""

    def call(*words: object, executor: tuple[str, ...] = SERIAL) -> Answer:
        command = ["sweep", str(small_config.name), *map(str, words), *executor]
        monkeypatch.setattr(sys, "argv", ["mlp", *command])
        return mlp(*command)

    return call


def folder_of(root: Path) -> Path:
    (found,) = [entry for entry in (root / "results").iterdir() if entry.is_dir()]
    return found


def table(root: Path) -> dict[str, dict[str, str]]:
    rows = csv.DictReader((folder_of(root) / "trials.csv").read_text().splitlines())
    return {row["label"]: row for row in rows}


def finished_at(root: Path) -> dict[str, int]:
    """When each run's record was written last."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (folder_of(root) / "runs").glob("*/run.json")}


@pytest.fixture(autouse=True)
def quick(undrawn: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report at a sweep's end has its page and tables; drawing its figures each time would take these tests twice as long, as
    would timing many steps where a few do."""
    monkeypatch.setattr(build, "step_seconds", partial(build.step_seconds, budget=0.0))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Labels of members that raise an error when they are trained."""
    labels: set[str] = set()
    real = experiment.run

    def run(planned: experiment.Plan, **options: Any) -> experiment.Outcome:
        if planned.config.name in labels:
            raise ValueError("no luck")
        return real(planned, **options)

    monkeypatch.setattr(experiment, "run", run)
    return labels


def test_a_sweep_from_end_to_end(sweep: Mlp, mlp: Mlp, tmp_path: Path) -> None:
    """With worker processes, as everybody has it; a member has the bytes of the same run alone."""
    answer = sweep("--lr", "1e-3,1e-2", "optimizer=sgd,adam", "--seeds", "2", executor=())
    assert answer.code == 0, answer.err
    folder = folder_of(tmp_path)
    assert folder.name.startswith("small-") and len(folder.name) == len("small-") + 8
    assert {entry.name for entry in folder.iterdir()} == {"sweep.yaml", "trials.csv", "runs", "log.txt", "report"}
    labels = {
        f"optimizer-{name}_learning_rate-{rate}_seed-{seed}"
        for name in ("sgd", "adam")
        for rate in ("0.001", "0.01")
        for seed in (0, 1)
    }
    rows = table(tmp_path)
    assert set(rows) == labels
    for row in rows.values():
        assert (row["status"], row["attempts"], row["current"]) == ("completed", "1", "true")
        record = json.loads((folder / "runs" / row["id"] / "run.json").read_text())
        assert record["name"] == row["label"] and record["id"] == row["id"] and record["status"] == "completed"
        assert float(row["val_accuracy"]) == record["metrics"]["val_accuracy"]
        assert record["command"].startswith("mlp sweep small.yaml --lr 1e-3,1e-2")
        assert not (folder / "runs" / row["id"] / "plots").exists()
    lines = answer.out.splitlines()
    assert lines[0] == f"sweep results/{folder.name}" and lines[1].startswith("training with ")
    assert sum(line.startswith("[") for line in lines) == 8
    report = mlp("report", folder).out.splitlines()
    assert report[1].startswith("Best by mean validation accuracy: optimizer=adam learning_rate=0.01, ")
    assert "\n".join(report[:8]) in answer.out, "the report's sentence and table"
    assert "runs        8 completed" in lines and f"folder      results/{folder.name}" in lines
    assert f"report      results/{folder.name}/report/index.html" in lines
    mlp("train", "small.yaml", "learning_rate=1e-2", "optimizer=adam", "--no-plots", "--results", "alone")
    (alone,) = (tmp_path / "alone").iterdir()
    (member,) = (folder / "runs").glob("optimizer-adam_learning_rate-0.01_seed-0-*")
    assert member.name[-8:] == alone.name[-8:], "the same hash"
    assert (member / "metrics.csv").read_bytes() == (alone / "metrics.csv").read_bytes()


def test_a_sweep_ends_with_its_report(sweep: Mlp, tmp_path: Path) -> None:
    document = json.loads(sweep("--lr", "1e-3,1e-2", "--seeds", "3", "--json").out)
    page = tmp_path / document["report"]
    assert page == folder_of(tmp_path) / "report" / "index.html" and "learning_rate" in page.read_text()
    rows = list(csv.DictReader((page.parent / "summary.csv").read_text().splitlines()))
    assert [row["n"] for row in rows] == ["3", "3"] and rows[0]["verdict"] == "best"
    assert float(rows[0]["val_accuracy_mean"]) == pytest.approx(document["best"]["mean"])


def test_a_report_that_cannot_be_written_is_an_error_after_the_result(sweep: Mlp, tmp_path: Path) -> None:
    sweep("--lr", "1e-3,1e-2")
    shutil.rmtree(folder_of(tmp_path) / "report")
    (folder_of(tmp_path) / "report").write_text("in the way")
    answer = sweep("--lr", "1e-3,1e-2")
    assert answer.code == 1 and "runs        2 completed" in answer.out and "cannot" in answer.err and "report" in answer.err


@pytest.mark.parametrize(("error", "code"), [(ZeroDivisionError("a bug"), 0), (EndedBySignal(signal.SIGINT), 130)])
def test_a_report_that_breaks_off_costs_nothing_that_is_said(
    sweep: Mlp, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr("mlp_cli.report.build.write_report", broken)
    answer = sweep("--lr", "1e-3,1e-2")
    assert (
        answer.code == code
        and "Best by mean validation accuracy: learning_rate=0.01" in answer.out
        and "mlp report results/small-" in answer.out
    )
    assert ("interrupted" if code else "the report could not be made (ZeroDivisionError: a bug)") in answer.err
    document = json.loads(sweep("--lr", "1e-3,1e-2", "--json").out)
    assert document["counts"] == {"completed": 2} and document["report"] is None


def test_a_report_is_drawn_anew_only_where_its_runs_have_changed(sweep: Mlp, tmp_path: Path) -> None:
    sweep("--lr", "1e-3,1e-2")
    page = folder_of(tmp_path) / "report" / "index.html"
    drawn = page.stat().st_mtime_ns
    again = sweep("--lr", "1e-3,1e-2")
    assert page.stat().st_mtime_ns == drawn and "Best by mean validation accuracy: learning_rate=0.01" in again.out
    sweep("--lr", "1e-3,3e-3")
    assert page.stat().st_mtime_ns > drawn and "0.003" in page.read_text()


def test_paths_that_cannot_be_are_plain_errors(sweep: Mlp) -> None:
    """As `mlp train` has them, and no bug of ours."""
    answer = sweep("--lr", "1e-3,1e-2", "--results", "x" * 300)
    assert answer.code == 1 and "internal error" not in answer.err and "file name too long" in answer.err.lower(), answer.err
    assert sweep("--lr", "1e-3,1e-2", "--results", "x" * 300, "--dry-run").code == 0


def test_a_path_that_a_comma_split_says_so_where_the_data_is_missing(sweep: Mlp) -> None:
    answer = sweep("dataset.path=shapes, nowhere/x")
    assert answer.code == 3 and "a comma splits it into several values" in answer.err
    assert """quote it: dataset.path="'shapes, nowhere/x'\"""" in answer.err


def test_the_same_command_trains_only_what_is_missing(sweep: Mlp, tmp_path: Path) -> None:
    sweep("learning_rate=1e-3,1e-2", "--seeds", "2")
    before = finished_at(tmp_path)
    again = sweep("learning_rate=1e-3,1e-2", "--seeds", "2")
    assert again.code == 0 and "4 done before" in again.out and "nothing was left to train" in again.out
    assert finished_at(tmp_path) == before
    shutil.rmtree(next((folder_of(tmp_path) / "runs").iterdir()))
    assert "1 run trained" in sweep("learning_rate=1e-3,1e-2", "--seeds", "2").out
    assert len(finished_at(tmp_path)) == 4


def test_a_widened_grid_keeps_the_old_members(sweep: Mlp, tmp_path: Path) -> None:
    sweep("learning_rate=1e-3,1e-2")
    before = finished_at(tmp_path)
    wider = sweep("learning_rate=1e-2,2e-2", "--seeds", "2")
    assert wider.code == 0 and "3 runs trained" in wider.out
    after = finished_at(tmp_path)
    assert before.items() <= after.items() and len(after) == 5
    current = {label: row["current"] for label, row in table(tmp_path).items()}
    assert current.pop("learning_rate-0.001_seed-0") == "false" and set(current.values()) == {"true"}
    assert "0.001" not in wider.out, "who is not in the sweep any more is not compared"


def test_a_member_keeps_the_folder_that_an_older_version_gave_it(sweep: Mlp, tmp_path: Path) -> None:
    sweep("learning_rate=1e-3,1e-2")
    (old,) = (folder_of(tmp_path) / "runs").glob("learning_rate-0.01_*")
    old.rename(old.with_name("lr-0.01-" + old.name[-8:]))
    assert "nothing was left to train" in sweep("learning_rate=1e-3,1e-2").out


def test_a_sweep_file(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text(
        "base: small.yaml\nparameters:\n  learning_rate: [1e-3, 1e-2]\nseeds: 2\nmetric: val_loss\n"
    )
    answer = mlp("sweep", "rates.yaml", *SERIAL)
    assert answer.code == 0 and "validation loss" in answer.out and "4 runs trained" in answer.out
    resolved = folder_of(tmp_path) / "sweep.yaml"
    assert "nothing was left to train" in mlp("sweep", resolved, *SERIAL).out, "the resolved file is the same sweep"


def test_json_is_one_document(sweep: Mlp, tmp_path: Path) -> None:
    answer = sweep("learning_rate=1e-3,1e-2", "--json")
    document = json.loads(answer.out)
    assert document["counts"] == {"completed": 2} and document["trained"] == 2 and document["failed"] == []
    assert document["best"]["values"] == {"learning_rate": 0.01} and document["best"]["n"] == 1
    assert document["folder"] == f"results/{folder_of(tmp_path).name}" and document["retry"] is None
    assert [entry["label"] for entry in document["groups"][0]["configurations"]] == ["learning_rate=0.01", "learning_rate=0.001"]
    assert "[2/2]" in answer.err


def test_quiet_prints_nothing(sweep: Mlp) -> None:
    assert sweep("learning_rate=1e-3,1e-2", "--quiet") == Answer(0, "", "")


def test_swept_epochs_are_trained_from_the_first(sweep: Mlp, tmp_path: Path) -> None:
    """A member keeps no checkpoint, so that a longer one has nothing to go on from; that is said."""
    answer = sweep("epochs=1,2")
    assert answer.code == 0 and "note: epochs: each member trains from its first epoch" in answer.err
    assert not list((folder_of(tmp_path) / "runs").glob("*/checkpoint*"))
    logs = [path.read_text() for path in (folder_of(tmp_path) / "runs").glob("*/log.txt")]
    assert len(logs) == 2 and not any("going on" in text for text in logs)


def test_a_dry_run_trains_and_writes_nothing(sweep: Mlp, tmp_path: Path) -> None:
    words = ("hidden_sizes=[8],[16],[8,8]", "learning_rate=1e-3,1e-2", "--seeds", "2", "--dry-run")
    answer = sweep(*words)
    assert answer.code == 0 and not (tmp_path / "results").exists()
    lines = answer.out.splitlines()
    assert lines[0] == "hidden_sizes-8_learning_rate-0.001_seed-0" and lines[11].endswith("seed-1")
    assert any(line.startswith("runs        12, of which 12 are left to train") for line in lines)
    assert any(line.startswith("plan        ") and "worker" in line for line in lines)
    assert any(line.startswith("time        about ") for line in lines) and any(line.startswith("disk ") for line in lines)
    sweep("hidden_sizes=[8],[16]", "learning_rate=1e-3,1e-2")
    document = json.loads(sweep(*words, "--json").out)
    assert document["missing"] == 8 and len(document["runs"]) == 12 and document["seconds"] > 0


def test_the_plan_of_workers_and_threads(sweep: Mlp) -> None:
    words = ("learning_rate=1e-3,1e-2", "epochs=1", "--dry-run", "--json")
    document = json.loads(sweep(*words, "--workers", "900", executor=()).out)
    assert (document["workers"], document["threads"]) == (900, 1)
    assert "slower" in document["notices"][0], "an override may ask for too many, and is told so"
    assert json.loads(sweep(*words, "--threads", "auto", executor=()).out)["threads"] >= 1


def test_a_diverged_run_does_not_stop_the_others(sweep: Mlp, tmp_path: Path) -> None:
    words = ("optimizer=sgd", "learning_rate=1e-3,1e30", "--seeds", "2")
    answer = sweep(*words)
    assert answer.code == 1
    statuses = {label: row["status"] for label, row in table(tmp_path).items()}
    assert statuses == {
        "learning_rate-0.001_seed-0": "completed",
        "learning_rate-0.001_seed-1": "completed",
        "learning_rate-1e30_seed-0": "diverged",
        "learning_rate-1e30_seed-1": "diverged",
    }
    assert "what went wrong:" in answer.out and "runs        2 completed, 2 diverged" in answer.out
    assert "Best by mean validation accuracy: learning_rate=0.001" in answer.out
    before = finished_at(tmp_path)
    again = sweep(*words, "--retry-failed")
    assert again.code == 1 and finished_at(tmp_path) == before, "a diverged run is done"


def test_a_failed_run_has_its_own_status_and_can_be_retried(sweep: Mlp, tmp_path: Path, failing: set[str]) -> None:
    failing.add("learning_rate-0.01_seed-1")
    words = ("learning_rate=1e-3,1e-2", "--seeds", "2")
    answer = sweep(*words)
    assert answer.code == 1
    lines = answer.out.splitlines()
    assert "  learning_rate-0.01_seed-1  failed     ValueError: no luck" in lines
    assert (
        lines[-1]
        == "to retry what failed: mlp sweep --retry-failed small.yaml learning_rate=1e-3,1e-2 --seeds 2 --executor serial"
    )
    assert "Best by mean validation accuracy: learning_rate=0.001" in answer.out, (
        "a configuration with a failed seed is never the best"
    )
    assert table(tmp_path)["learning_rate-0.01_seed-1"]["status"] == "failed"
    failing.clear()
    assert sweep(*words).code == 1 and table(tmp_path)["learning_rate-0.01_seed-1"]["status"] == "failed", "it counts as done"
    retried = sweep(*words, "--retry-failed")
    assert retried.code == 0 and "1 run trained" in retried.out and "to retry" not in retried.out
    row = table(tmp_path)["learning_rate-0.01_seed-1"]
    assert (row["status"], row["attempts"]) == ("completed", "2")


def test_a_damaged_record_is_a_failure_that_a_retry_mends(sweep: Mlp, tmp_path: Path) -> None:
    sweep("learning_rate=1e-3,1e-2")
    next((folder_of(tmp_path) / "runs").glob("*/run.json")).write_text("{")
    answer = sweep("learning_rate=1e-3,1e-2")
    assert answer.code == 1 and "unreadable" in answer.out and "--retry-failed" in answer.out
    for path in (folder_of(tmp_path) / "runs").glob("*/run.json"):
        path.write_text("{")
    answer = sweep("learning_rate=1e-3,1e-2")
    assert "there is no report: no run can be read" in answer.err and "mlp report" not in answer.out, (
        "it would find nothing either"
    )
    assert sweep("learning_rate=1e-3,1e-2", "--retry-failed").code == 0


def test_many_failures_in_a_row_stop_the_sweep(sweep: Mlp, tmp_path: Path, failing: set[str]) -> None:
    failing |= {f"seed-{seed}" for seed in range(1, 9)}
    answer = sweep("--seeds", "9", "--max-failures", "3")
    assert answer.code == 1 and "stopped after too many failures in a row; 5 runs unfinished" in answer.out
    assert [row["status"] for row in table(tmp_path).values()] == ["completed", "failed", "failed", "failed"]


def test_a_folder_that_cannot_be_written_fails_that_run_alone(sweep: Mlp, tmp_path: Path) -> None:
    sweep("learning_rate=1e-3,1e-2")
    (old,) = (folder_of(tmp_path) / "runs").glob("learning_rate-0.01_*")
    shutil.rmtree(old)
    old.write_text("in the way")
    answer = sweep("learning_rate=1e-3,1e-2")
    assert answer.code == 1 and "cannot write" in answer.out
    assert table(tmp_path)["learning_rate-0.01_seed-0"]["status"] == "failed"
    old.unlink()
    assert sweep("learning_rate=1e-3,1e-2").code == 0, "what is mended from outside needs no option"


def test_missing_data_is_noticed_before_anything_is_trained(sweep: Mlp, tmp_path: Path) -> None:
    answer = sweep("dataset.path=shapes,nowhere")
    assert answer.code == 3 and "nowhere" in answer.err
    assert not (tmp_path / "results").exists()


def test_changed_data_is_noticed(sweep: Mlp, tmp_path: Path) -> None:
    sweep("learning_rate=1e-3,1e-2")
    images = tmp_path / "shapes" / "train-images-idx3-ubyte"
    content = bytearray(images.read_bytes())
    content[100] ^= 1
    images.write_bytes(bytes(content))
    answer = sweep("learning_rate=1e-3,1e-2,1e-1")
    assert answer.code == 3 and "the data has changed since this run" in answer.err
    assert "put the old data back" in answer.err and "--force" not in answer.err, "a sweep has no --force"


def test_a_sweep_that_does_not_fit_its_data_says_why(sweep: Mlp) -> None:
    answer = sweep("hidden_sizes=[1000000,1000000]", "--seeds", "2")
    assert answer.code == 2 and answer.err.startswith("error: a network of 1,0"), "without a label, as there is none"


def test_other_commands_know_a_sweep_file(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text("base: small.yaml\nparameters:\n  learning_rate: [1e-3, 1e-2]\n")
    assert mlp("validate", "rates.yaml", "small.yaml") == Answer(0, "rates.yaml: ok\nsmall.yaml: ok\n", "")
    for command in ("train", "check", "lr-find"):
        answer = mlp(command, "rates.yaml")
        assert answer.code == 2 and "rates.yaml is a sweep file" in answer.err and "mlp sweep rates.yaml" in answer.err
    (tmp_path / "rates.yaml").write_text("base: small.yaml\nparameters:\n  learning_rate: [1e-3, -1]\n")
    answer = mlp("validate", "rates.yaml")
    assert answer.code == 2 and "line 3" in answer.err and "must be greater than 0" in answer.err


def test_problems_are_found_before_anything_is_trained(sweep: Mlp, tmp_path: Path) -> None:
    answer = sweep("learning_rate=1e-3,-1", "epochs=x")
    assert answer.code == 2 and answer.err.startswith("small.yaml: 2 problems\n")
    answer = sweep("dataset.limit=10,100000")
    assert answer.code == 2 and not (tmp_path / "results").exists()
    assert sweep("learning_rate=loguniform(1e-3,1e-1)").code == 2


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scheduler", "tcp://x:1"), "--scheduler goes with --executor dask"),
        (("--executor", "serial", "--workers", "2"), "trains one run at a time, and --workers asks for 2"),
        (("--executor", "dask"), "needs the package distributed"),
    ],
)
def test_executors_are_checked_first(
    mlp: Mlp, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str, more: tuple[str, ...]
) -> None:
    """Before the file is read, even."""
    monkeypatch.setitem(sys.modules, "distributed.comm.addressing", None)
    answer = mlp("sweep", "nowhere.yaml", *words, *more)
    assert answer.code == 2 and said in answer.err


@pytest.mark.parametrize("words", [("--budget", "10"), ("--timeout", "1h30m"), ("--budget", "0.5h")])
def test_durations(sweep: Mlp, words: tuple[str, ...]) -> None:
    assert sweep(*words).code == 0


@pytest.mark.parametrize("text", ["ten", "", "10x", "5m3", "0s", "-1m", "1e3"])
def test_wrong_durations(sweep: Mlp, text: str) -> None:
    answer = sweep("--budget", text)
    assert answer.code == 2 and "write 90s, 10m or 1h30m" in answer.err


def test_two_drivers_never_share_a_folder(sweep: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_LOCK_WAIT", 0.0)
    sweep("learning_rate=1e-3,1e-2")
    with runs.Claim(folder_of(tmp_path)):
        answer = sweep("learning_rate=1e-3,1e-2,1e-1")
    assert answer.code == 1 and "is in use by another process" in answer.err
    assert len(finished_at(tmp_path)) == 2


def test_random_draws(sweep: Mlp, tmp_path: Path) -> None:
    words = ("learning_rate=loguniform(1e-4,1e-1)", "--sampler", "random", "--seeds", "2")
    assert sweep(*words, "--trials", "3").code == 0
    before = finished_at(tmp_path)
    assert len(before) == 6
    assert "4 runs trained" in sweep(*words, "--trials", "5").out
    assert before.items() <= finished_at(tmp_path).items()


def test_tpe_goes_on_where_it_stopped(sweep: Mlp, tmp_path: Path) -> None:
    need("optuna")
    words = ("learning_rate=loguniform(1e-4,1e-1)", "epochs=1", "--sampler", "tpe")
    assert sweep(*words, "--trials", "6").code == 0
    before = finished_at(tmp_path)
    assert len(before) == 6
    assert "nothing was left to train" in sweep(*words, "--trials", "6").out
    assert "2 runs trained" in sweep(*words, "--trials", "8").out
    assert before.items() <= finished_at(tmp_path).items()


def test_halving(sweep: Mlp, tmp_path: Path) -> None:
    """Six configurations, two seeds, 9 epochs: all train 1 epoch, two of them 3, one of them 9."""
    words = ("epochs=9", "learning_rate=1e-5,1e-4,1e-3,3e-3,1e-2,3e-2", "--seeds", "2", "--pruner", "halving")
    answer = sweep(*words)
    assert answer.code == 0, answer.err
    epochs: dict[int, int] = {}
    for path in (folder_of(tmp_path) / "runs").glob("*/run.json"):
        record = json.loads(path.read_text())
        assert record["status"] == ("completed" if record["epochs"] == 9 else "pruned")
        epochs[record["epochs"]] = epochs.get(record["epochs"], 0) + 1
    assert epochs == {1: 8, 3: 2, 9: 2}
    assert "runs        2 completed, 10 pruned" in answer.out
    before = finished_at(tmp_path)
    assert "nothing was left to train" in sweep(*words).out and finished_at(tmp_path) == before


def test_a_promoted_run_has_the_bytes_of_an_undisturbed_one(sweep: Mlp, mlp: Mlp, tmp_path: Path) -> None:
    sweep("epochs=9", "learning_rate=1e-5,1e-4,1e-3,1e-2", "schedule=cosine", "--pruner", "halving")
    (member,) = [path for path in (folder_of(tmp_path) / "runs").iterdir() if not (path / "checkpoint.npz").exists()]
    rate = member.name.split("-")[1].split("_")[0]
    mlp("train", "small.yaml", "epochs=9", f"learning_rate={rate}", "schedule=cosine", "--no-plots", "--results", "alone")
    (alone,) = (tmp_path / "alone").iterdir()
    assert alone.name[-8:] == member.name[-8:]
    assert (member / "metrics.csv").read_bytes() == (alone / "metrics.csv").read_bytes()


LONG = ("epochs=100000", "learning_rate=1e-4,1e-3,1e-2", "--workers", "2")


def begun(root: Path) -> int:
    """How many runs have trained an epoch."""
    return sum(len(path.read_text().splitlines()) > 1 for path in root.glob("results/*/runs/*/metrics.csv"))


def check_the_end(root: Path, code: int, expected: int, out: str) -> None:
    """What a sweep says that a signal stopped, and how it leaves its runs."""
    assert code == expected, out
    lines = out.splitlines()
    assert "interrupted; 3 runs unfinished" in lines and "Traceback" not in out
    assert lines[-1].startswith("to go on: mlp sweep small.yaml epochs=100000")
    assert any(line.startswith("report      none yet; any time: mlp report results/small-") for line in lines)
    assert {row["status"] for row in table(root).values()} == {"interrupted"}


@pytest.mark.parametrize(
    ("number", "code", "send"),
    [
        pytest.param(signal.SIGINT, 130, os.killpg, id="SIGINT to all"),
        pytest.param(signal.SIGTERM, 143, os.kill, id="SIGTERM to the driver", marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_the_workers_and_says_how_to_go_on(
    small_config: Path, tmp_path: Path, number: int, code: int, send: Callable[[int, int], None]
) -> None:
    """Ctrl-C reaches the whole group of processes, SIGTERM the driver alone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mlp_cli", "sweep", "small.yaml", *LONG],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(experiment.__file__).parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: begun(tmp_path) == 2 or process.poll() is not None)
    send(process.pid, number)
    out, _ = process.communicate(timeout=600)
    check_the_end(tmp_path, process.returncode, code, out)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_sigterm_stops_the_workers_of_a_sweep_in_this_process(
    sweep: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Processes.results

    def results(self: Processes, timeout: float) -> list[TaskResult]:
        if begun(tmp_path) == 2 and not sent:
            sent.append(os.kill(os.getpid(), signal.SIGTERM))
        return real(self, min(timeout, 0.05))

    sent: list[None] = []
    monkeypatch.setattr(Processes, "results", results)
    answer = sweep(*LONG, executor=())
    check_the_end(tmp_path, answer.code, 143, answer.out)


def test_a_budget_ends_the_runs_under_way(sweep: Mlp, tmp_path: Path) -> None:
    answer = sweep(*LONG[:-1], "1", "--budget", "1s", executor=())
    assert answer.code == 0, answer.out
    assert "the budget is used up; 3 runs unfinished" in answer.out and "to go on: mlp sweep" in answer.out
    assert {row["status"] for row in table(tmp_path).values()} <= {"interrupted"}


def test_a_budget_and_a_time_limit_end_a_run_in_this_process(sweep: Mlp, tmp_path: Path) -> None:
    answer = sweep("epochs=100000", "--seeds", "2", "--budget", "0.5s")
    assert answer.code == 0 and "the budget is used up; 2 runs unfinished" in answer.out, answer.out
    assert {row["status"] for row in table(tmp_path).values()} <= {"interrupted"}
    answer = sweep("epochs=100000", "--timeout", "0.2s")
    assert answer.code == 1 and "failed     timeout" in answer.out
    assert [row["status"] for row in table(tmp_path).values()] == ["failed"]
    assert answer.out.splitlines()[-1].startswith(
        "to go on with more time: mlp sweep --retry-failed small.yaml epochs=100000 --timeout 0.4s"
    )
    (folder,) = (folder_of(tmp_path) / "runs").iterdir()
    assert runs.read_record(folder).error == "timeout" and (folder / "checkpoint.npz").exists()
    assert "nothing was left to train" in sweep("epochs=100000", "--timeout", "9h").out, "it counts as done"
    assert sweep("epochs=100000", "--timeout", "0.4s", "--retry-failed").code == 1
    assert "going on after epoch" in (folder / "log.txt").read_text(), "what was trained is not trained again"


def test_ctrl_c_is_heeded_before_anything_is_trained(sweep: Mlp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def slow(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)
        raise AssertionError("the signal was not heeded")

    monkeypatch.setattr("mlp_cli.sweep.forecast.load_data", slow)
    answer = sweep("learning_rate=1e-3,1e-2")
    assert answer.code == 130 and "interrupted" in answer.err and not (tmp_path / "results").exists()


def test_the_same_command_goes_on_after_a_budget(sweep: Mlp, tmp_path: Path) -> None:
    answer = sweep("learning_rate=1e-3,1e-2", "--budget", "0.001s")
    assert answer.code == 0 and "mlp report" not in answer.out, "there is nothing to report"
    assert "2 runs unfinished" in answer.out and not list((folder_of(tmp_path) / "runs").glob("*"))
    assert "runs        2 completed" in sweep("learning_rate=1e-3,1e-2").out


def test_a_worker_that_dies_costs_its_run_an_attempt(sweep: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, seed_0="once")
    answer = sweep("--seeds", "2", "--workers", "1", executor=())
    assert answer.code == 0 and "seed-0: the worker was killed by SIGSEGV" in answer.err and "trying again" in answer.err
    assert {label: row["attempts"] for label, row in table(tmp_path).items()} == {"seed-0": "2", "seed-1": "1"}


def test_a_run_that_only_its_worker_was_told_to_stop_is_no_success(
    sweep: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, seed_0="told")
    answer = sweep("--workers", "1", "--max-attempts", "1", executor=())
    assert answer.code == 1 and "stopped from outside: interrupted" in answer.out, answer
    assert [row["status"] for row in table(tmp_path).values()] == ["failed"]


def test_the_page_is_drawn_anew_only_where_it_would_be_another(
    sweep: Mlp, mlp: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report with other options, written into the same folder since, makes it another."""
    drawn: list[int] = []
    monkeypatch.setattr(
        "mlp_cli.report.figures.draw", lambda report, with_files=False: [[] for _ in report.groups if not drawn.append(1)]
    )
    sweep("--lr", "1e-3,1e-2")
    page = folder_of(tmp_path) / "report" / "index.html"
    whole = page.read_bytes()
    assert sweep("--lr", "1e-3,1e-2").code == 0 and len(drawn) == 1
    assert mlp("report", folder_of(tmp_path), "--where", "learning_rate=0.001").code == 0
    assert page.read_bytes() != whole
    assert sweep("--lr", "1e-3,1e-2").code == 0 and page.read_bytes() == whole and len(drawn) == 3
    page.unlink()
    assert sweep("--lr", "1e-3,1e-2").code == 0 and page.read_bytes() == whole
