"""Reading folders of any kind: whatever is in them, each is a run or has a reason why not."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from fake_runs import write_run

from mlp_cli import runs
from mlp_cli.errors import RunError, UsageError
from mlp_cli.report.collect import collect, read_run
from mlp_cli.runs import find_run, read_curves, scan
from mlp_cli.sweep.trials import trial_of


def test_a_run_has_its_record_and_its_curves(tmp_path: Path) -> None:
    home = write_run(tmp_path, {"learning_rate": 0.01}, seed=3, score=0.9, epochs=4)
    (run,), broken = collect([tmp_path])
    assert not broken and run.folder == home and run.status == "completed" and run.seed == 3
    assert run.epochs["epoch"] == [1, 2, 3, 4] and run.epochs["val_accuracy"][-1] == 0.9
    assert run.metrics["val_accuracy"] == 0.9 and run.config["learning_rate"] == 0.01 and run.config["optimizer"] == "adam"


def test_any_mix_of_paths_gives_each_run_once(tmp_path: Path) -> None:
    single = write_run(tmp_path / "results", seed=1)
    member = write_run(tmp_path / "results" / "sweep-01234567" / "runs", seed=2)
    write_run(tmp_path / "results" / "report", seed=3)
    write_run(tmp_path / "results" / "sweep-01234567" / "report" / "old", seed=4)
    (tmp_path / "link").symlink_to(member)
    found, broken = collect([member, tmp_path / "results", single, tmp_path / "link"])
    assert [run.folder for run in found] == [member, single] and not broken


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        collect([tmp_path / "nowhere"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        collect([tmp_path / "file"])


def test_the_process_of_a_running_run(tmp_path: Path) -> None:
    gone, there = write_run(tmp_path, seed=1, status="running"), write_run(tmp_path, seed=2, status="running")
    with runs.Claim(there):
        statuses = {run.folder: run.status for run in collect([tmp_path])[0]}
    assert statuses == {gone: "interrupted", there: "running"}


def break_json(home: Path, text: str | bytes) -> None:
    (home / "run.json").write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    "content",
    ["", "{", '{"status": "comp', b"\x00\xff\xfe" * 500, "[]", "null", "3", "[" * 100_000, '{"a":' * 50_000, "NaN", "{}"],
)
def test_a_damaged_record_is_listed_and_the_rest_reported(tmp_path: Path, content: str | bytes) -> None:
    good, bad = write_run(tmp_path, seed=1), write_run(tmp_path, seed=2)
    break_json(bad, content)
    found, (broken,) = collect([tmp_path])
    assert [run.folder for run in found] == [good] and broken.path == bad and "damaged" in broken.reason


HUGE = 10**400


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "later version"),
        ({"format": 2.0}, "format is 2.0; it should be a whole number"),
        ({"format": "1"}, "format is '1'"),
        ({"format": True}, "format is True"),
        ({"status": "sleeping"}, "sleeping"),
        ({"name": 3}, "name is 3; it should be a valid string"),
        ({"error": ["x"]}, "error is a list"),
        ({"seconds": "1"}, "seconds is '1'; it should be a valid number"),
        ({"epochs": float("nan")}, "epochs is nan"),
        ({"parameters": HUGE}, "parameters"),
        ({"best_epoch": True}, "best_epoch is True"),
        ({"seconds": None}, "seconds is missing"),
        ({"environment": {"threads": HUGE}}, "threads is 1"),
        ({"config": None}, "config is missing; it should be a valid dictionary"),
        ({"config": []}, "config is a list"),
        ({"config": {"seed": 1.5}}, "seed is 1.5"),
        ({"config": {"seed": -1}}, "seed is -1"),
        ({"config": {"seed": 0, "learning_rate": "x"}}, "learning_rate"),
        ({"environment": 3}, "environment is 3"),
        ({"metrics": [1]}, "metrics is a list"),
        ({"metrics": {"val_accuracy": "0.9"}}, "metrics.val_accuracy is '0.9'"),
        ({"metrics": {"val_accuracy": float("inf")}}, "metrics.val_accuracy is inf"),
        ({"metrics": {"val_loss": 1e308}}, "val_loss is 1e+308, too large"),
        ({"config": {"seed": 0, "epochs": HUGE}}, "epochs is 1000"),
        ({"metrics": {"val_loss": HUGE}}, "metrics.val_loss"),
        ({"metrics": {f"m{k}": 1 for k in range(1000)}}, "metrics"),
        ({"metrics": {}}, "metrics is missing, and the run is completed"),
        ({"divergence": {"epoch": 1}}, "divergence.step is missing"),
        ({"data": 3}, "data is 3"),
        ({"data": {"name": "mnist"}}, "data.sha256 is missing"),
        ({"data": {"name": "m", "sha256": "0", "validation": "x"}}, "data.validation"),
        ({"data": {"name": "m", "sha256": "0", "validation": 0.5}}, "data.validation"),
    ],
)
def test_a_wrong_type_anywhere_is_a_reason(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    bad, good = write_run(tmp_path, seed=1), write_run(tmp_path, seed=2)
    record = json.loads((bad / "run.json").read_text()) | change
    (bad / "run.json").write_text(json.dumps(record))
    found, (broken,) = collect([tmp_path])
    assert [run.folder for run in found] == [good] and broken.path == bad and reason in broken.reason


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names can be read, and nothing else."""
    bad, good = write_run(tmp_path, seed=1), write_run(tmp_path, seed=2)
    look = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if str(path).startswith(f"{bad}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return look(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    found, (broken,) = collect([tmp_path])
    assert [run.folder for run in found] == [good] and broken.path == bad and "permission denied" in broken.reason
    assert find_run("@last", tmp_path) == good
    assert trial_of(bad, ()).status == "unreadable"


def test_a_deeply_nested_config_is_a_reason(tmp_path: Path) -> None:
    bad = write_run(tmp_path)
    nested: Any = 1
    for _ in range(200):
        nested = {"a": nested}
    record = json.loads((bad / "run.json").read_text())
    record["config"]["optimizer"] = nested
    (bad / "run.json").write_text(json.dumps(record))
    assert "nested too deeply" in collect([tmp_path])[1][0].reason


def test_folders_without_a_record(tmp_path: Path) -> None:
    good = write_run(tmp_path, seed=1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "lost-0123abcd").mkdir()
    (tmp_path / "lost-0123abcd" / "notes").write_text("")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "metrics.csv").write_text("epoch\n")
    (tmp_path / "strange-00000000").mkdir()
    (tmp_path / "strange-00000000" / "run.json").mkdir()
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("")
    found, broken = collect([tmp_path])
    assert [run.folder for run in found] == [good]
    reasons = {each.path.name: each.reason for each in broken}
    assert reasons.keys() == {"empty", "lost-0123abcd", "half", "strange-00000000"}
    assert reasons["empty"] == "empty" and reasons["half"] == "no run.json"


def test_links_that_lead_back_nowhere_or_to_themselves(tmp_path: Path) -> None:
    good = write_run(tmp_path / "results", seed=1)
    (tmp_path / "results" / "loop").symlink_to(tmp_path / "results")
    (tmp_path / "results" / "own-01234567").symlink_to("own-01234567")
    (tmp_path / "results" / "gone-01234567").symlink_to("nowhere")
    found, broken = collect([tmp_path / "results"])
    assert [run.folder for run in found] == [good]
    reasons = {each.path.name: each.reason for each in broken}
    assert reasons.keys() == {"loop", "own-01234567", "gone-01234567"}
    assert "leads back" in reasons["loop"] and "cannot be read" in reasons["own-01234567"]
    assert len(list(scan([tmp_path / "results" / "own-01234567"]))) == 1


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    piped, curved = write_run(tmp_path, seed=1), write_run(tmp_path, seed=2)
    (piped / "run.json").unlink()
    os.mkfifo(piped / "run.json")
    (curved / "metrics.csv").unlink()
    os.mkfifo(curved / "metrics.csv")
    found, broken = collect([tmp_path])
    assert [run.folder for run in found] == [curved] and [each.path for each in broken] == [piped]


@pytest.mark.parametrize(
    "text",
    [
        "what\n1\n",
        "epoch,val_loss\n1\n",
        "epoch,val_loss\n1,2,3\n",
        "epoch,val_loss\n1,x\n",
        "epoch,val_loss\n1.5,2\n",
        "epoch,val_loss,val_loss\n1,2,3\n",
        "\x00\xff\n",
    ],
)
def test_damaged_curves_are_listed_and_the_run_still_reported(tmp_path: Path, text: str) -> None:
    home = write_run(tmp_path)
    (home / "metrics.csv").write_text(text)
    (run,), (broken,) = collect([tmp_path])
    assert run.epochs == {} and run.metrics and broken.path == home / "metrics.csv" and "damaged" in broken.reason


def test_curves_of_a_run_under_way(tmp_path: Path) -> None:
    home = write_run(tmp_path, epochs=2)
    with open(home / "metrics.csv", "a") as handle:
        handle.write("3,0.5,0.")
    assert read_curves(home)["epoch"] == [1, 2]
    (home / "metrics.csv").write_text("epoch,val_loss,val_accuracy\n1,,\n2,inf,0.5\n")
    assert read_curves(home) == {"epoch": [1, 2], "val_loss": [None, None], "val_accuracy": [None, 0.5]}
    (home / "metrics.csv").write_text("epoch,val_loss\n")
    assert read_curves(home) == {"epoch": [], "val_loss": []}
    (home / "metrics.csv").unlink()
    assert read_curves(home) == {}


def test_a_single_run_without_a_record(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run\.json is missing"):
        read_run(tmp_path)
