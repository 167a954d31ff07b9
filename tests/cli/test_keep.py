"""`mlp rm`: what is asked for goes, after a question, and nothing else ever does."""

import csv
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import write_run
from small_sets import Answer

from mlp_cli import runs

Mlp = Callable[..., Answer]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def trials(sweep: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((sweep / "trials.csv").read_text().splitlines()))


@pytest.fixture
def results(mlp: Mlp, tmp_path: Path) -> Path:
    """Three runs, one of which failed; the current folder is the one above."""
    for seed, status in enumerate(["completed", "failed", "completed"]):
        write_run(tmp_path / "results", seed=seed, status=status, score=0.9 + seed / 100, name=f"run{seed}")
    return tmp_path / "results"


def test_runs_by_name_and_by_condition(mlp: Mlp, results: Path) -> None:
    first, _, last = sorted(names(results))
    assert mlp("rm", "--where", "status=failed", "--yes").code == 0 and names(results) == {first, last}
    answer = mlp("rm", "run2", "--yes")
    assert answer == Answer(0, f"results/{last}\n1 run, 0.1 MB\n", "") and names(results) == {first}
    (results / "notes").mkdir()
    assert mlp("rm", "--where", "val_accuracy>=95%", "--yes") == Answer(0, "no run is chosen\n", "")
    assert mlp("rm", "run0", "--where", "seed=1", "--yes").out == "no run is chosen\n"
    assert mlp("rm", "--where", "seed=0", "--yes", "--quiet") == Answer(0, "", "") and names(results) == {"notes"}


def test_a_dry_run_and_no_terminal_remove_nothing(mlp: Mlp, results: Path) -> None:
    before = names(results)
    answer = mlp("rm", "run0", "run2", "run0", "--dry-run")
    assert answer.code == 0 and answer.out.splitlines()[-1] == "2 runs, 0.1 MB"
    answer = mlp("rm", "run0")
    assert answer.code == 2 and "this is no terminal" in answer.err and "--yes" in answer.err
    found = json.loads(mlp("rm", "run0", "--dry-run", "--json").out)
    assert len(found["runs"]) == 1 and found["bytes"] > 500 and not found["removed"]
    assert mlp("rm", "run0", "--json").code == 2
    assert mlp("rm").code == 2 and "nothing says which" in mlp("rm").err
    assert mlp("rm", "--where", "stats=failed").code == 2
    assert names(results) == before


@pytest.mark.parametrize(("answer", "left"), [("n", 3), ("", 3), ("y", 2)])
def test_a_person_is_asked(results: Path, answer: str, left: int) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlp_cli", "rm", "run1"],
        stdin=follower,
        stderr=follower,
        stdout=subprocess.PIPE,
        cwd=results.parent,
    )
    os.close(follower)
    seen = b""
    while b"[y/N]" not in seen:
        seen += os.read(leader, 1000)
    assert b"Remove 1 run, 0.1 MB?" in seen
    os.write(leader, answer.encode() + b"\n")
    process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 0 and len(names(results)) == left


def test_a_run_in_use_stays_and_so_does_all_else(mlp: Mlp, results: Path) -> None:
    before, folder = names(results), next(results.glob("run2-*"))
    with runs.Claim(folder):
        answer = mlp("rm", "run0", "run2", "--yes")
        assert answer.code == 1 and "in use by another process" in answer.err and folder.name in answer.err
    assert names(results) == before
    assert mlp("rm", "run2", "--yes").code == 0


def test_nothing_is_removed_through_a_link(mlp: Mlp, results: Path, tmp_path: Path) -> None:
    outside = write_run(tmp_path / "elsewhere", seed=7, name="outside")
    (results / "linked").symlink_to(outside)
    (results / "folder").symlink_to(outside.parent)
    for reference in ("results/linked", f"results/folder/{outside.name}", tmp_path / "results" / "linked"):
        answer = mlp("rm", reference, "--yes")
        assert answer.code == 1 and "symbolic link" in answer.err
    answer = mlp("rm", "--where", "seed>0", "--yes")
    assert answer.code == 1 and "symbolic link" in answer.err and f"leave it out: id!={outside.name}" in answer.err
    assert len(names(results)) == 5 and (outside / "run.json").exists() and (results / "linked").is_symlink()
    (outside / "out").symlink_to(results)
    assert mlp("rm", outside, "--yes").code == 0 and not outside.exists() and len(names(results)) == 5


def test_results_that_are_a_link_themselves(mlp: Mlp, results: Path, tmp_path: Path) -> None:
    results.rename(tmp_path / "disk")
    results.symlink_to(tmp_path / "disk")
    assert mlp("rm", "run1", "--yes").code == 0 and len(names(tmp_path / "disk")) == 2


def test_what_is_no_run_stays(mlp: Mlp, results: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    for reference in ("plain", "results", "."):
        assert mlp("rm", reference, "--yes").code == 2
    assert (tmp_path / "plain").is_dir() and len(names(results)) == 3


@pytest.mark.usefixtures("undrawn")
def test_the_trials_of_a_sweep_are_written_anew(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    words = ["sweep", small_config, "--lr", "1e-3,3e-3", "--seeds", "2", "epochs=1", "--executor", "serial"]
    assert mlp(*words).code == 0
    (sweep,) = (tmp_path / "results").iterdir()
    before = trials(sweep)
    answer = mlp("rm", "--where", "learning_rate=0.001 and seed=1", "--yes")
    assert answer.code == 0
    after = trials(sweep)
    assert after == [row for row in before if (row["learning_rate"], row["seed"]) != ("0.001", "1")] and len(after) == 3
    with runs.Claim(sweep):
        answer = mlp("rm", "--where", "seed=0", "--yes")
        assert answer.code == 1 and "in use" in answer.err
    assert len(names(sweep / "runs")) == 3
    answer = mlp(*words)
    assert answer.code == 0 and trials(sweep)[0].keys() == before[0].keys()
    assert len(names(sweep / "runs")) == 4, "the same command trains what is missing"


def test_ls_lists_the_runs_that_meet_a_condition(mlp: Mlp, results: Path) -> None:
    listed = mlp("ls", "--where", "status=completed and val_accuracy>0.91").out
    assert listed.count("\n") == 2 and "run2-" in listed
    assert mlp("ls", "--where", "seed=9") == Answer(0, "", "note: no run meets seed=9\n")
    assert mlp("ls", "--where", "sed=9").code == 2


def test_ls_ends_with_the_run_that_last_means(mlp: Mlp, results: Path) -> None:
    """A run that was started before another and finished after it is the last one."""
    late = write_run(results, seed=7, name="late", started="2024-05-01T09:00:00Z", finished="2024-05-01T12:00:00Z")
    listed = mlp("ls")
    assert listed.out.splitlines()[-1].endswith(f"results/{late.name}")
    assert listed.err == f"note: @last is results/{late.name}\n" and runs.find_run("@last", results) == late
    assert mlp("ls", next(results.glob("run0-*"))).err == "", "@last is of all results"


def test_a_note_and_tags_are_written_shown_and_taken_back(mlp: Mlp, results: Path) -> None:
    (folder,) = results.glob("run0-*")
    answer = mlp("note", "run0", "the one of figure 2", "--tag", "paper", "--tag", "keep")
    assert answer == Answer(0, f"results/{folder.name}  #paper #keep the one of figure 2\n", "")
    assert mlp("note", "run0").out == answer.out
    assert mlp("note", "run0", "--tag", "paper", "--untag", "keep", "--quiet") == Answer(0, "", "")
    found = json.loads(mlp("note", "run0", "--json").out)
    assert found == {"folder": f"results/{folder.name}", "text": "the one of figure 2", "tags": ["paper"]}
    line = next(line for line in mlp("ls").out.splitlines() if "run0-" in line)
    assert line.endswith(f"{folder.name}  #paper  the one of figure 2")
    (row,) = json.loads(mlp("ls", folder, "--json").out)["runs"]
    assert row["note"] == "the one of figure 2" and row["tags"] == ["paper"]
    assert mlp("note", "run0", "").out == f"results/{folder.name}  #paper\n"


def test_a_note_is_no_part_of_the_run(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("train", small_config, "--budget", "0.001s", "--no-plots").code == 0
    (folder,) = (tmp_path / "results").iterdir()
    assert mlp("note", "@last", "mine").code == 0
    assert mlp("train", small_config, "--no-plots").code == 0, "it goes on"
    assert json.loads((folder / "run.json").read_text())["status"] == "completed" and runs.read_note(folder).text == "mine"
    assert mlp("train", small_config, "--no-plots", "--force").code == 0
    assert [path.name for path in (tmp_path / "results").iterdir()] == [folder.name] and runs.read_note(folder).text == "mine"
    assert mlp("rm", "@last", "--yes").code == 0 and not folder.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tag", "two words"], "'two words' is no tag"),
        (["--tag", ""], "'' is no tag"),
        (["x" * 2001], "the note has 2,001 characters"),
    ],
)
def test_what_no_note_is(mlp: Mlp, results: Path, words: list[str], message: str) -> None:
    answer = mlp("note", "run0", *words)
    assert answer.code == 2 and message in answer.err and not list(results.glob("*/note.json"))


def test_a_note_is_not_written_through_a_link(mlp: Mlp, results: Path, tmp_path: Path) -> None:
    outside = write_run(tmp_path / "elsewhere", seed=7, name="outside")
    (results / "linked").symlink_to(outside)
    assert mlp("note", "results/linked", "x").code == 1 and not (outside / "note.json").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"text": 3}', b"\xff", b'{"tags": "x"}'])
def test_a_damaged_note_costs_the_note_alone(mlp: Mlp, results: Path, content: bytes) -> None:
    (folder,) = results.glob("run0-*")
    (folder / "note.json").write_bytes(content)
    listed = mlp("ls")
    assert listed.code == 0 and listed.out.count("completed") == 2
    assert ("note.json: is damaged" in listed.out) == bool(content)
    assert mlp("note", "run0").code == int(bool(content))


@pytest.mark.usefixtures("undrawn")
def test_reports_show_notes_and_choose_by_tags(mlp: Mlp, results: Path) -> None:
    assert "note " not in mlp("report").out
    hostile = "<b>=1+1</b>"
    assert mlp("note", "run0", hostile, "--tag", "paper").code == 0
    assert mlp("note", "run2", "--tag", "later").code == 0
    table = mlp("report")
    assert "#paper <b>=1+1</b>; #later" in table.out
    rows = {row["name"]: row for row in csv.DictReader((results / "report" / "runs.csv").read_text().splitlines())}
    assert (rows["run0"]["tags"], rows["run0"]["note"]) == ("paper", hostile) and rows["run1"]["tags"] == ""
    page = (results / "report" / "index.html").read_text()
    assert hostile not in page and "#paper &lt;b&gt;=1+1&lt;/b&gt;" in page
    assert mlp("note", "run2", "long " * 200).code == mlp("report").code == 0
    page = (results / "report" / "index.html").read_text()
    assert page.count("long " * 150) == 1, "whole beside its run alone"
    assert json.loads(mlp("report", "--where", "tag=paper", "--json").out)["groups"][0]["configurations"][0]["n"] == 1
    assert mlp("ls", "--where", "tag=later or tag=paper").out.count("\n") == 3
    assert mlp("ls", "--where", "tag!=paper").out.count("\n") == 3
    missing = mlp("report", "--where", "tag=keep")
    assert missing.code == 2 and "tag is [], [later], [paper]" in missing.err
