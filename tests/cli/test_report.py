"""`mlp report`, `mlp ls`, `mlp diff`: options, files, exit codes; runs that were really trained, and 1,000 that were not."""

import csv
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_runs import write_grid, write_run
from small_sets import Answer

from mlp_cli.runs import Claim

Mlp = Callable[..., Answer]
UNDRAWN = pytest.mark.usefixtures("undrawn")

LIBRARIES = 150
"""Megabytes that a report's libraries take; with pandas, which it does not need, it would be over 170."""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """results/ with a grid of four configurations by three seeds."""
    folder = tmp_path / "results"
    assert len(list(write_grid(folder, (0.001, 0.1), ("adam", "sgd"), 3, epochs=3))) == 12
    return folder


def test_a_report_writes_its_files(mlp: Mlp, results: Path, request: pytest.FixtureRequest) -> None:
    answer = mlp("report")
    assert answer.code == 0 and "learning_rate" in answer.out and "results/report/index.html" in answer.out
    written = {str(path.relative_to(results / "report")) for path in (results / "report").rglob("*") if path.is_file()}
    assert {"index.html", "summary.csv", "runs.csv"} <= written and any(name.startswith("plots/") for name in written)
    assert len((results / "report" / "runs.csv").read_text().splitlines()) == 13
    before = {name: (results / "report" / name).read_bytes() for name in ("summary.csv", "runs.csv")}
    request.getfixturevalue("undrawn")  # the bytes of figures and page are compared in their own tests
    assert mlp("report").out == answer.out
    assert all((results / "report" / name).read_bytes() == content for name, content in before.items())


@UNDRAWN
def test_where_a_report_goes(mlp: Mlp, results: Path, tmp_path: Path) -> None:
    first, second, *_ = sorted(results.iterdir())
    assert mlp("report", first).code == 0 and (first / "report" / "index.html").exists()
    assert mlp("report", first, second).code == 0 and (results / "report" / "index.html").exists()
    assert mlp("report", "results", "--out", "else/where").code == 0 and (tmp_path / "else/where/summary.csv").exists()
    assert mlp("report", "results", "--results", "other", "--out", "elsewhere").code == 0 and not (tmp_path / "other").exists()


@UNDRAWN
def test_formats(mlp: Mlp, results: Path) -> None:
    assert mlp("report", "--format", "csv").out == (results / "report" / "summary.csv").read_text()
    table = mlp("report", "--format", "md").out
    assert "| optimizer | learning\\_rate |" in table or "| optimizer | learning_rate |" in table
    for words in (("--format", "json"), ("--json",)):
        found = json.loads(mlp("report", *words).out)
        assert len(found["groups"][0]["configurations"]) == 4 and found["page"].endswith("index.html")
    assert mlp("report", "--quiet").out == ""


@UNDRAWN
def test_choosing_sorting_and_a_baseline(mlp: Mlp, results: Path) -> None:
    def rows(*words: object) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(mlp("report", "--format", "csv", *words).out)))

    assert len(rows("--where", "optimizer=adam")) == 2 and len(rows("--top", "1")) == 1
    assert len((results / "report" / "summary.csv").read_text().splitlines()) == 5, "the files have all of them"
    assert len(rows("--where", "difference<0")) == 3 and "parameters" not in rows("--only-changed")[0]
    assert [row["learning_rate"] for row in rows("--sort", "-learning_rate")] == ["0.1", "0.1", "0.001", "0.001"]
    based = rows("--baseline", "@best:val_accuracy", "--sort", "-val_accuracy")
    assert [row["verdict"] for row in based].count("baseline") == 1


@UNDRAWN
def test_a_baseline_is_looked_for_among_the_runs_of_the_report(mlp: Mlp, tmp_path: Path) -> None:
    for seed in range(3):
        write_run(tmp_path / "here", {"learning_rate": 0.1}, seed=seed, score=0.9, name="one")
        write_run(tmp_path / "here", {"learning_rate": 0.2}, seed=seed, score=0.8, name="only")
        write_run(tmp_path / "results", {"learning_rate": 0.3}, seed=seed, score=0.99, name="elsewhere")

    def baseline(*words: str) -> str:
        rows = csv.DictReader(io.StringIO(mlp("report", "here", "--format", "csv", *words).out))
        return "".join(row.get("learning_rate", row["label"]) for row in rows if row["verdict"] == "baseline")

    assert baseline("--baseline", "@best:val_accuracy") == "0.1"
    assert baseline("--baseline", "@best:val_accuracy", "--where", "learning_rate=0.2") == "only"
    assert baseline("--baseline", "only") == "0.2", "a prefix of several runs of one configuration"
    answer = mlp("report", "here", "--baseline", "on")
    assert answer.code == 2 and "'on' means 6 runs: here/one-" in answer.err
    answer = mlp("report", "here", "--baseline", "elsewhere")
    assert answer.code == 2 and "unknown run 'elsewhere'" in answer.err and "6 runs of this report" in answer.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "nowhere does not exist"),
        (("--where", "optimiser=adam"), "did you mean optimizer?"),
        (("--where", "optimizer=nobody"), "nothing to report"),
        (("--sort", "val_acuracy"), "did you mean val_accuracy?"),
        (("--baseline", "nobody"), "unknown run 'nobody'"),
        (("--top", "0"), "--top"),
        (("--format", "xml"), "--format"),
    ],
)
def test_usage_errors(mlp: Mlp, results: Path, words: tuple[str, ...], message: str) -> None:
    answer = mlp("report", *words)
    assert answer.code == 2 and message in answer.err and not answer.out and not (results / "report").exists()


def test_nothing_to_report(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "results" / "empty-01234567").mkdir(parents=True)
    answer = mlp("report")
    assert answer.code == 2 and "nothing to report" in answer.err and "empty-01234567: empty" in answer.err


@UNDRAWN
def test_broken_folders_are_listed_and_all_others_reported(mlp: Mlp, results: Path) -> None:
    first = min(results.iterdir())
    (first / "run.json").write_bytes(b"\x00\xff")
    answer = mlp("report")
    assert answer.code == 0 and "not read: 1 folder or file" in answer.out and first.name in answer.out
    assert len((results / "report" / "runs.csv").read_text().splitlines()) == 12


@UNDRAWN
def test_what_links_and_permissions_make_unreadable_is_listed(mlp: Mlp, results: Path) -> None:
    (results / "loop").symlink_to("loop")
    (results / "nowhere").symlink_to("gone")
    first, *_ = (folder for folder in sorted(results.iterdir()) if not folder.is_symlink())
    for command in ("report", "ls"):
        answer = mlp(command)
        assert answer.code == 0 and "results/loop: cannot be read: too many levels" in answer.out and "nowhere" not in answer.out
        answer = mlp(command, "results/loop", first, *(("--baseline", first) if command == "report" else ()))
        assert answer.code == 0 and "results/loop: cannot be read" in answer.out, "named as a PATH it stops nothing either"


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may read everything, and setpriv is missing"
)
def test_a_path_that_may_not_be_read_is_listed(results: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(0)
    plain = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    command = (*plain, sys.executable, "-m", "mlp_cli", "ls", "closed", "results")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    (tmp_path / "closed").chmod(0o700)
    assert done.returncode == 0 and "closed: cannot be read: permission denied" in done.stdout, done.stderr


def test_a_report_overwrites_nothing_of_others(mlp: Mlp, results: Path) -> None:
    """Its own files apart: `plots` is also where a run has its figures."""
    first = min(results.iterdir())
    (first / "plots").mkdir()
    (first / "plots" / "loss.png").write_bytes(b"mine")
    (results / "sweep.yaml").write_text("")
    for folder, name in ((first, "run.json"), (results, "sweep.yaml")):
        before = sorted(folder.rglob("*"))
        answer = mlp("report", "--out", folder)
        assert answer.code == 2 and f"{folder} has a {name}" in answer.err and f"--out {folder}/report" in answer.err
        assert sorted(folder.rglob("*")) == before
    assert (first / "plots" / "loss.png").read_bytes() == b"mine"
    for words in (("--out", ""), ("",), ("--results", "")):
        answer = mlp("report", *words)
        assert answer.code == 2 and "the path is empty" in answer.err and not Path("index.html").exists()


def test_a_report_that_cannot_be_written(mlp: Mlp, results: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = mlp("report", "--out", "file/report")
    assert answer.code == 1 and "cannot write" in answer.err and "--out DIR" in answer.err


def test_ls_has_one_line_a_run(mlp: Mlp, results: Path) -> None:
    write_run(results, seed=9, status="diverged", name="wild").rename(results / "wild\x1b[31m")
    (results / "empty").mkdir()
    answer = mlp("ls")
    lines = answer.out.splitlines()
    assert lines[0].split() == ["status", "score", "data", "epochs", "time", "folder"]
    assert "wild" in lines[-2], "the newest run is last"
    assert answer.code == 0 and len(lines) == 15 and sum(line.startswith("completed ") for line in lines) == 12
    assert "val_accuracy" in answer.out and "\x1b" not in answer.out
    assert any(line.startswith("diverged") for line in lines) and any(
        line.startswith("broken") and "empty" in line for line in lines
    )
    huge = write_run(results, seed=10, metrics={"val_accuracy": 1e99}, seconds=0.0123, name="huge")
    (line,) = (line for line in mlp("ls").out.splitlines() if huge.name in line)
    assert "val_accuracy 10¹⁰¹ %" in line and " 0.012 s " in line
    shutil.rmtree(huge)
    found = json.loads(mlp("ls", "--json").out)
    assert len(found["runs"]) == 13 and len(found["broken"]) == 1
    assert len(mlp("ls", min(results.iterdir())).out.splitlines()) == 1


def test_ls_without_runs(mlp: Mlp, tmp_path: Path) -> None:
    answer = mlp("ls")
    assert answer.code == 0 and not answer.out and "no runs in results" in answer.err
    assert mlp("ls", "nowhere").code == 2


def test_diff_shows_only_what_differs(mlp: Mlp, tmp_path: Path) -> None:
    one = write_run(tmp_path / "results", {"learning_rate": 0.01}, score=0.9, name="one", epochs=4)
    two = write_run(tmp_path / "results", {"learning_rate": 0.1}, score=0.9, name="two", epochs=5, environment={"threads": 2})
    lines = (two / "metrics.csv").read_text().splitlines()
    (two / "metrics.csv").write_text("\n".join([*lines[:3], lines[3].replace(",0.001", ",0.002"), *lines[4:], ""]))
    answer = mlp("diff", "one", two)
    assert answer.code == 0 and "learning_rate  0.01  0.1" in answer.out and "threads" in answer.out
    assert "optimizer" not in answer.out and "val_accuracy" not in answer.out
    assert "the curves part in epoch 3: learning_rate" in answer.out
    found = json.loads(mlp("diff", "one", two, "--json").out)
    assert found["config"] == {"learning_rate": [0.01, 0.1]} and found["curves"]["first_epoch"] == 3 and not found["same"]
    same = mlp("diff", one, one)
    assert same.code == 0 and "nothing differs" in same.out
    assert mlp("diff", "one", "nobody").code == 2
    (two / "run.json").write_text('{"format": 2, "status": "completed", "config_hash": ""}')
    later = mlp("diff", "one", two)
    assert later.code == 1 and "of a later version of mlp" in later.err and "--force" not in later.err
    (two / "run.json").write_text("{")
    broken = mlp("diff", "one", two)
    assert broken.code == 1 and f"{two / 'run.json'} is damaged" in broken.err


def test_diff_has_the_digits_that_tell_scores_apart(mlp: Mlp, tmp_path: Path) -> None:
    scores = {"val_accuracy": 0.15333333333333332, "val_loss": 2.0}
    write_run(tmp_path / "results", name="one", metrics={**scores, "test_loss": 2.305495342421612})
    write_run(tmp_path / "results", name="two", metrics={"val_accuracy": 0.25, "val_loss": 2.0, "test_loss": 2.305495342421613})
    assert mlp("diff", "one", "two").out.partition("metrics\n")[2].splitlines()[:2] == [
        "  val_accuracy  15.33 %            25.00 %",
        "  test_loss     2.305495342421612  2.305495342421613",
    ]


def test_diff_of_runs_that_are_not_whole(mlp: Mlp, tmp_path: Path) -> None:
    whole = write_run(tmp_path / "one", name="whole")
    for name in ("dead", "bare"):
        shutil.copytree(whole, tmp_path / name)
    change_record(tmp_path / "dead", status="running", epochs=0)
    answer = mlp("diff", whole, "dead")
    assert "status" in answer.out and "interrupted" in answer.out and "\n  epochs" not in answer.out
    (tmp_path / "bare" / "metrics.csv").unlink()
    answer = mlp("diff", whole, "bare")
    assert "metrics.csv  there  missing" in answer.out and "nothing differs" not in answer.out


@UNDRAWN
def test_epochs_of_runs_that_are_not_completed(mlp: Mlp, tmp_path: Path) -> None:
    """run.json learns of them when the run ends, if it ever does."""
    change_record(write_run(tmp_path / "results", status="running", epochs=3), epochs=0)
    assert mlp("ls").out.splitlines()[1].split()[:3] == ["interrupted", "mnist", "3"]
    assert json.loads(mlp("ls", "--json").out)["runs"][0]["epochs"] == 3
    mlp("report")
    (row,) = csv.DictReader((tmp_path / "results" / "report" / "runs.csv").read_text().splitlines())
    assert row["epochs_trained"] == "3" and row["status"] == "interrupted"


def change_record(folder: Path, **changes: object) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@UNDRAWN
def test_names_that_are_no_text(mlp: Mlp, results: Path) -> None:
    strange = write_run(results, seed=5, name="strange").rename(results / "strange\udcff\u202e-01234567")
    assert "strange\\udcff\\u202e" in mlp("ls").out
    assert f"results/{strange.name}" in [run["folder"] for run in json.loads(mlp("ls", "--json").out)["runs"]]
    assert mlp("report").code == 0 and mlp("diff", strange, "@best:val_loss").code == 0


@UNDRAWN
def test_runs_that_were_trained(mlp: Mlp, small_config: Path) -> None:
    for rate in ("1e-3", "1e30"):
        for seed in range(3):
            mlp("train", small_config, f"learning_rate={rate}", f"seed={seed}", "--no-plots", "--quiet")
    found = json.loads(mlp("report", "--json").out)
    (group,) = found["groups"]
    assert group["keys"] == ["learning_rate"] and [each["n"] for each in group["configurations"]] == [3, 0]
    assert {failure["override"] for failure in group["failures"]} == {"learning_rate=0.001"}
    assert mlp("ls").out.count("diverged") == 3
    parted = mlp("diff", "@last", "@best:val_accuracy")
    assert parted.code == 0 and "learning_rate" in parted.out


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_runs(mlp: Mlp, tmp_path: Path, count: int) -> None:
    """Not timed: that nothing is read twice and the whole stays small enough is seen by peak memory."""
    rates = np.logspace(-4, -1, count // 20).round(6).tolist()
    assert len(list(write_grid(tmp_path / "results", rates, ("adam", "sgd", "momentum", "rmsprop"), 5))) == count
    assert len(mlp("ls").out.splitlines()) == count + 1
    code = (  # the peak of this process alone: getrusage would count what it was forked from
        "import pathlib, sys; from mlp_cli.cli.main import run; code = run(['report', '--quiet']); "
        "print(pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < (LIBRARIES << 10) + 130 * count, "kB: the libraries, and what a run may take"


def test_ls_imports_nothing_heavy(tmp_path: Path) -> None:
    write_run(tmp_path / "results")
    code = (
        "import sys; from mlp_cli.cli.main import run; code = run(['ls']); "
        "heavy = {'numpy', 'pandas', 'matplotlib', 'yaml', 'scipy'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@UNDRAWN
def test_a_claim_sets_the_exit_code(mlp: Mlp, tmp_path: Path) -> None:
    for seed, score in enumerate((0.95, 0.96, 0.97)):
        write_run(tmp_path / "results", seed=seed, score=score)
    assert mlp("report", "--assert", "val_accuracy>=0.96").code == 0
    answer = mlp("report", "--assert", "lower(val_accuracy) >= 94%")  # t(0.975, 2) = 4.303: 0.96 - 0.0248
    assert answer.code == 1 and "does not hold" in answer.err and "val_accuracy_low is 0.935" in answer.err
    assert mlp("report", "--assert", "upper(val_accuracy)>0.98 and n=3").code == 0
    document = mlp("report", "--assert", "val_accuracy>0.99", "--json")
    assert document.code == 1 and "val_accuracy is 0.96" in json.loads(document.out)["assert"][0]
    wrong = mlp("report", "--assert", "val_accuracy>98")
    assert wrong.code == 2 and "write val_accuracy>0.98 or val_accuracy>98%" in wrong.err and "--assert" in wrong.err


@UNDRAWN
def test_a_margin_is_in_the_document(mlp: Mlp, results: Path) -> None:
    (group,) = json.loads(mlp("report", "--margin", "50%", "--json").out)["groups"]
    assert group["margin"] == 0.5 and {each["verdict"] for each in group["configurations"][1:]} <= {"equivalent", "worse"}
    assert all(len(each["interval"]) == 2 and each["seeds_needed"] >= 3 for each in group["configurations"][1:])
    assert mlp("report", "--margin", "50").code == 2


@UNDRAWN
def test_results_that_cannot_be_written_are_reported_all_the_same(
    mlp: Mlp, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root may write everywhere, so the refusal is played."""
    real = os.mkdir

    def refuse(path: Any, *rest: Any, **named: Any) -> None:
        if str(path).startswith("results"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        real(path, *rest, **named)

    monkeypatch.setattr(os, "mkdir", refuse)
    answer = mlp("report")
    assert answer.code == 0 and "learning_rate" in answer.out and "report  not written" in answer.out
    assert "nothing is written" in answer.err and "--out FOLDER" in answer.err
    assert mlp("report", "--out", "results/mine").code == 1, "where somebody asked for it"
    assert mlp("report", "--out", "elsewhere").code == 0


@UNDRAWN
def test_watching_ends_with_the_last_run(mlp: Mlp, tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / "results", seed=seed)
    home = write_run(tmp_path / "results", seed=2, status="running")
    page, pages = tmp_path / "results" / "report" / "index.html", list[str]()

    def end_the_run() -> None:
        with Claim(home) as claim:
            claimed.set()
            while not page.exists():
                time.sleep(0.01)
            pages.append(page.read_text())
            record = json.loads((home / "run.json").read_text())
            done = json.loads((next(tmp_path.glob("results/*/run.json"))).read_text()) | {"config": record["config"]}
            (home / "run.json").write_text(json.dumps(done | {"id": record["id"], "config_hash": record["config_hash"]}))
            claim.log("done")

    claimed = threading.Event()
    thread = threading.Thread(target=end_the_run)
    thread.start()
    claimed.wait(10)
    answer = mlp("report", "--watch", "1")
    thread.join()
    assert answer.code == 0 and "watching; the page is results/report/index.html" in answer.err
    assert '<meta http-equiv="refresh" content="1">' in pages[0] and "1 running" in pages[0]
    assert 'http-equiv="refresh"' not in page.read_text() and "3 runs: 3 completed" in page.read_text()


@UNDRAWN
def test_a_condition_that_nothing_meets_names_what_there_is(mlp: Mlp, results: Path) -> None:
    answer = mlp("report", "--where", "learning_rate=0.5 and optimizer=adam")
    assert answer.code == 2 and "learning_rate is 0.001, 0.1" in answer.err and "optimizer is adam, sgd" in answer.err
    answer = mlp("report", "--where", "val_accuracy>0.999")
    assert answer.code == 2 and "val_accuracy is 0." in answer.err
