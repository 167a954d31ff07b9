"""The run store: one process at a time, nothing outside the folder, and a status that is true."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from mlp_cli import runs
from mlp_cli.errors import RunError

HOLDER = "import sys, pathlib; from mlp_cli import runs; claim = runs.Claim(pathlib.Path(sys.argv[1])); print('held', flush=True); input()"


RECORD = dict.fromkeys(("id", "name", "error", "started", "finished", "command", "best_epoch", "parameters")) | {
    "status": "completed",
    "config_hash": "h",
    "config": {"seed": 0},
    "metrics": {"val_loss": None},
    "epochs": 1,
    "seconds": 0.5,
}


def parsed(**changes: Any) -> runs.Record:
    """RECORD as it is read."""
    return runs.Record.model_validate(RECORD | changes)


def write(folder: Path, record: dict[str, Any]) -> None:
    """A run's folder with this run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results" / "run-00000000"


def held(folder: Path) -> subprocess.Popen[str]:
    """Another process that has the claim."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_an_id_is_the_name_and_eight_digits() -> None:
    assert runs.run_id("mnist", "0123456789abcdef") == "mnist-01234567"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def lock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", lock)
    with pytest.raises(RunError, match=r"log\.txt: the file system cannot lock files"):
        runs.Claim(folder)


def test_a_claim_makes_the_folder_and_holds_it(folder: Path) -> None:
    assert not runs.in_use(folder)
    with runs.Claim(folder):
        assert [entry.name for entry in folder.iterdir()] == ["log.txt"]
        assert runs.in_use(folder)
        with pytest.raises(RunError, match="is in use by another process") as caught, runs.Claim(folder):
            pass
        assert caught.value.hint
    assert not runs.in_use(folder)
    with runs.Claim(folder):
        pass


def test_a_claim_goes_with_its_process(folder: Path) -> None:
    write(folder, RECORD | {"status": "running"})
    process = held(folder)
    assert runs.in_use(folder) and runs.read_status(folder)[1] == "running"
    with pytest.raises(RunError, match="in use"):
        runs.Claim(folder)
    process.kill()
    process.communicate()
    assert not runs.in_use(folder) and runs.read_status(folder)[1] == "interrupted"
    with runs.Claim(folder):
        pass


@pytest.mark.parametrize("stated", ["completed", "interrupted", "failed", "diverged", "pruned"])
def test_what_is_not_running_is_what_it_says(folder: Path, stated: str) -> None:
    assert runs.read_status(folder) == (None, "")
    write(folder, RECORD | {"status": stated})
    assert runs.read_status(folder) == (parsed(status=stated), stated)


def test_a_run_that_ends_while_it_is_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record says `running`, and a moment later its lock is free: it is no interrupted run for that."""
    write(folder, RECORD | {"status": "running", "metrics": {}})
    monkeypatch.setattr(runs, "in_use", lambda folder: write(folder, RECORD))
    assert runs.read_status(folder) == (parsed(), "completed")


def test_a_listing_that_looks_at_the_lock_disturbs_nobody(folder: Path) -> None:
    """Another thread looks all the time; every claim succeeds all the same."""
    folder.mkdir(parents=True)
    (folder / "log.txt").touch()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            runs.in_use(folder)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(200):
            with runs.Claim(folder):
                pass
    finally:
        over.set()
        watcher.join()


def test_log_lines_have_the_time(folder: Path) -> None:
    with runs.Claim(folder) as claim:
        claim.log("one\ntwo")
        claim.log("three \udcff")
    lines = (folder / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line[21:] for line in lines] == ["one", "two", "three \\udcff"]
    assert all(time.strptime(line[:20], "%Y-%m-%dT%H:%M:%SZ") for line in lines)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_is_lost_is_not_written(folder: Path, replaced: bool) -> None:
    with runs.Claim(folder) as claim:
        (folder / "log.txt").unlink()
        if replaced:
            (folder / "log.txt").write_text("another's")
        for write in (lambda: claim.log("mine"), lambda: claim.write_record(parsed())):
            with pytest.raises(RunError, match="the folder is gone"):
                write()
    assert not (folder / "run.json").exists()
    assert not replaced or (folder / "log.txt").read_text() == "another's"


def test_clearing_leaves_the_locked_log(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("p")
    with runs.Claim(folder) as claim:
        claim.log("old")
        for name in ("run.json", "checkpoint.npz", "metrics.csv", ".hidden", "plots/loss.png", "deep/er/file"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("x")
        (folder / "link").symlink_to(outside)
        (folder / "file").symlink_to(outside / "precious")
        claim.clear()
        assert [entry.name for entry in folder.iterdir()] == ["log.txt"] and runs.in_use(folder)
        claim.log("new")
    assert (folder / "log.txt").read_text().endswith("new\n") and "old" not in (folder / "log.txt").read_text()
    assert (outside / "precious").read_text() == "p"


def test_clearing_begins_with_the_record_and_the_checkpoints(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a kill in between leaves no run that is finished, and none that goes back to the older one."""
    gone: list[str] = []
    unlink = os.unlink
    monkeypatch.setattr(os, "unlink", lambda path, **options: (gone.append(Path(path).name), unlink(path, **options)))
    with runs.Claim(folder) as claim:
        for name in (
            "run.json",
            "metrics.csv",
            "checkpoint.npz",
            "checkpoint.previous.npz",
            "model.npz",
            "predictions.npz",
            "config.yaml",
        ):
            (folder / name).write_text("x")
        claim.clear()
    assert gone[:3] == ["run.json", "checkpoint.previous.npz", "checkpoint.npz"] and len(gone) == 7


def test_tidying_takes_temporary_files_alone(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".a.npz.0123abcd.tmp").write_text("x")
    with runs.Claim(folder) as claim:
        for name in ("plots", "runs/other-0"):
            (folder / name).mkdir(parents=True)
        temporary = [".run.json.0123abcd.tmp", "plots/.loss.png.89abcdef.tmp"]
        others = [".config.tmp", "a.tmp", ".x.0123ABCD.tmp", "notes.0123abcd.tmp", "runs/other-0/.run.json.0123abcd.tmp"]
        for name in temporary + others:
            (folder / name).write_text("x")
        (folder / "link").symlink_to(outside)
        (folder / ".folder.0123abcd.tmp").mkdir()
        claim.tidy()
        assert (folder / ".folder.0123abcd.tmp").is_dir()
        assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {*others, "log.txt"}
    assert os.listdir(outside)


def test_a_record_goes_in_and_out(folder: Path) -> None:
    assert runs.read_record(folder) is None
    record = parsed(note="mine", data={"name": "mnist", "sha256": "0", "train": 5, "rows": "kept"})
    record.metrics["val_loss"] = float("nan")
    with runs.Claim(folder) as claim:
        claim.write_record(record)
    written = json.loads((folder / "run.json").read_text())
    data = {"name": "mnist", "sha256": "0", "train": 5, "rows": "kept"}
    assert written == RECORD | {"note": "mine", "data": data}, "also what a later version writes"
    assert list(written)[:4] == ["id", "name", "status", "error"]
    assert runs.read_record(folder) == runs.Record.model_validate(written)


def test_a_large_score_is_no_damage(folder: Path) -> None:
    """A run that did not diverge may end with any number that a float holds, and is a completed one."""
    write(folder, RECORD | {"metrics": {"val_loss": 1e300}})
    assert runs.read_status(folder)[1] == "completed"


@pytest.mark.parametrize(
    "content", ["", '{"status": "co', "[]", "null", "{}", '{"status": 1, "config_hash": "h"}', "[" * 99_999, "\udcff"]
)
def test_a_damaged_record_is_said(folder: Path, content: str) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"run\.json is damaged") as caught:
        runs.read_record(folder)
    assert caught.value.hint == "start the run afresh with --force"


def test_a_log_that_is_a_pipe_or_a_folder(folder: Path) -> None:
    """Nobody waits for a pipe's other end."""
    folder.mkdir(parents=True)
    os.mkfifo(folder / "log.txt")
    assert not runs.in_use(folder)
    with pytest.raises(RunError, match=r"cannot write .*log\.txt"):
        runs.Claim(folder)
    (folder / "log.txt").unlink()
    (folder / "log.txt").mkdir()
    with pytest.raises(RunError, match="a folder stands where a file should go"):
        runs.Claim(folder)
