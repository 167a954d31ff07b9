"""Files appear whole or not at all, and every failure names its path."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlp_cli import files
from mlp_cli.errors import DataError, RunError


def test_replaces_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "one")
    files.write_text(target, "twoö")
    assert target.read_text(encoding="utf-8") == "twoö"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_old_content_stands_when_filling_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    files.write_text(target, "old")

    def fill(handle: object) -> None:
        handle.write(b"half")  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"cannot write .*a\.txt: the disk is full") as caught:
        files.write_atomic(target, fill)
    assert caught.value.hint
    assert target.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_order_of_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced before the rename, the folder after it."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def spy_fsync(descriptor: int) -> None:
        calls.append("fsync folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "fsync file")
        fsync(descriptor)

    def spy_replace(source: Path, target: Path) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    files.write_text(tmp_path / "a", "x")
    if os.path.isdir("/proc/self/fd"):
        assert calls == ["fsync file", "rename", "fsync folder"]
    else:
        assert calls[1] == "rename" and len(calls) == 3


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "input/output"),
    ],
)
def test_causes_in_words(tmp_path: Path, number: int, reason: str) -> None:
    with pytest.raises(RunError, match=reason), files.writing(tmp_path):
        raise OSError(number, "x")


def test_missing_folder_and_file_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the folder is gone"):
        files.write_text(tmp_path / "gone" / "a", "x")
    (tmp_path / "plain").write_text("")
    with pytest.raises(RunError, match="a part of the path is a file"):
        files.make_folder(tmp_path / "plain" / "sub")


def test_json_is_strict(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a.json", files.strict_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": "ü"}}))

    def refuse(word: str) -> None:
        raise AssertionError(word)

    loaded = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert loaded == {"a": None, "b": [None, 1.5], "c": {"d": "ü"}}


def test_reading_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert files.read_bytes(tmp_path / "a", 5, DataError) == b"12345"
    with pytest.raises(DataError, match="larger than the limit of 4 bytes"):
        files.read_bytes(tmp_path / "a", 4, DataError)
    with pytest.raises(DataError, match="no such file"):
        files.read_bytes(tmp_path / "b", 4, DataError)


def test_reading_asks_for_no_more_than_there_is(tmp_path: Path) -> None:
    """A limit of a terabyte is no reason to allocate one."""
    (tmp_path / "a").write_bytes(b"12345")
    assert files.read_bytes(tmp_path / "a", 1 << 40, DataError) == b"12345"


def test_reading_from_a_pipe(tmp_path: Path) -> None:
    """Only who means it waits for a pipe."""
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    assert files.read_bytes(Path(f"/dev/fd/{reading}"), 100, DataError, pipe=True) == b"12345"
    os.close(reading)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is not a file"):
        files.read_bytes(tmp_path / "pipe", 100, DataError)


def test_an_empty_file_takes_no_room(tmp_path: Path) -> None:
    """Also under a limit of memory that is lower than the limit of its size."""
    (tmp_path / "empty").touch()
    code = (
        "import pathlib, resource, sys; from mlp_cli import errors, files; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30)); "
        "print(files.read_bytes(pathlib.Path(sys.argv[1]), 4 << 30, errors.DataError))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "empty")], capture_output=True, text=True, check=False)
    assert done.stdout == "b''\n", done.stderr


def test_folders_below_a_root(tmp_path: Path) -> None:
    """The root may be a link, and nothing below it; a root that is gone is not made anew."""
    disk, results = tmp_path / "disk", tmp_path / "results"
    disk.mkdir()
    results.symlink_to(disk)
    files.make_folder(results / "sweep" / "runs" / "a", results)
    assert (disk / "sweep" / "runs" / "a").is_dir()
    (tmp_path / "outside").mkdir()
    (disk / "sweep" / "report").symlink_to(tmp_path / "outside")
    with pytest.raises(RunError, match=r"cannot write .*results/sweep/report: it is a symbolic link"):
        files.make_folder(results / "sweep" / "report" / "best" / "plots", results)
    assert not any((tmp_path / "outside").iterdir())
    with pytest.raises(RunError, match="the folder is gone"):
        files.make_folder(tmp_path / "gone" / "plots", tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    """As of results on a disk that is not there."""
    (tmp_path / "results").symlink_to(tmp_path / "not mounted")
    with pytest.raises(RunError, match="results is a symbolic link that leads nowhere"):
        files.make_folder(tmp_path / "results" / "run")


def test_appending(tmp_path: Path) -> None:
    """Only to a file that is there, and through no link."""
    (tmp_path / "a").write_bytes(b"1")
    files.append(tmp_path / "a", b"23")
    assert (tmp_path / "a").read_bytes() == b"123"
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("link", "it is a symbolic link"), ("gone", "the folder is gone"), ("pipe", "cannot write")):
        with pytest.raises(RunError, match=reason):
            files.append(tmp_path / name, b"4")
    assert (tmp_path / "a").read_bytes() == b"123"


def test_new_folders_are_lasting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new name is synced in the folder that it is in; a folder that was there is not touched."""
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", synced.append)
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert sorted(synced) == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    files.make_folder(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3


def test_bytes_of_a_path_that_are_no_text(tmp_path: Path) -> None:
    command = os.fsdecode(b"mlp train caf\xe9.yaml")
    files.write_text(tmp_path / "a.json", files.strict_json({"command": command}))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["command"] == command


def test_the_first_cause_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the temporary file cannot be taken away either."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "x")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(RunError, match="the disk is full"):
        files.write_atomic(tmp_path / "a", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "x")))
