"""Ready arrays: whole or not there, mapped without any work, safe with several processes and with folders that cannot be written."""

import gzip
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny as support
from small_sets import make_idx_set
from tiny import Tiny

from mlp_cli import files
from mlp_cli.data import cache, sources
from mlp_cli.data.load import load, load_whole
from mlp_cli.data.sources import fetch
from mlp_cli.errors import RunError

tiny, walls = support.tiny, support.walls


@pytest.fixture
def data(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the set `tiny`."""
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "data"))
    return tiny.write(tmp_path / "data/tiny")


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Once it is armed, decompressing, hashing and looking for sources are errors."""

    def forbidden(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("work that a second start must not do")

    with pytest.MonkeyPatch.context() as patch:
        arm = patch.setattr

        def armed() -> None:
            for module, name in (
                (zlib, "decompressobj"),
                (zlib, "decompress"),
                (lzma, "LZMADecompressor"),
                (gzip, "GzipFile"),
                (hashlib, "sha256"),
                (sources, "obtain"),
            ):
                arm(module, name, forbidden)

        patch.armed = armed  # type: ignore[attr-defined]
        yield patch


def test_a_second_start_does_no_work(data: Path, no_work: Any) -> None:
    first = load("tiny")
    no_work.armed()
    second = load("tiny")
    for part in ("train", "validation", "test"):
        one, two = getattr(first, part), getattr(second, part)
        assert one.x.tobytes() == two.x.tobytes() and one.y.tobytes() == two.y.tobytes()
        assert one.index.tolist() == two.index.tolist()
    assert second.sha256 == first.sha256
    assert isinstance(second.train.x, np.ndarray) and not isinstance(second.train.x, np.memmap)
    assert isinstance(second.train.x.base, np.memmap) and not second.train.x.flags.writeable


def test_a_second_start_of_a_path_does_no_work(tmp_path: Path, no_work: Any) -> None:
    folder = support.make_tiny("own", 3).write(tmp_path / "own")
    first = load(path=folder)
    no_work.armed()
    assert load(path=str(folder)).sha256 == first.sha256


def test_the_data_folder_is_only_read(data: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in data.parent.rglob("*") if path.is_file()}
    load("tiny")
    fetch("tiny", data)
    after = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in data.parent.rglob("*") if path.is_file()}
    assert after == before


def test_what_is_stored(data: Path, tiny: Tiny) -> None:
    whole = load_whole("tiny")
    folder = cache.ready_folder("tiny")
    assert sorted(path.name for path in folder.iterdir()) == [
        "meta.json", "test_x.npy", "test_y.npy", "train_x.npy", "train_y.npy",
    ]  # fmt: skip
    stored = np.load(folder / "train_x.npy", allow_pickle=False)
    assert stored.dtype == np.uint8 and stored.tolist() == tiny.arrays["train_x"].reshape(support.TRAIN, -1).tolist()
    assert np.load(folder / "test_y.npy").dtype == np.int64
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["sha256"] == whole.sha256 and meta["origin"] == [file.sha256 for file in tiny.entry.files]


def test_the_hash_is_over_names_dtypes_shapes_and_bytes(data: Path, tiny: Tiny) -> None:
    digest = hashlib.sha256()
    for name in ("test_x", "test_y", "train_x", "train_y"):
        array = tiny.arrays[name]
        array = array.reshape(len(array), -1) if name.endswith("x") else array.astype("<i8")
        digest.update(f"{name} {'|u1' if name.endswith('x') else '<i8'} {array.shape}\n".encode() + array.tobytes())
    assert load_whole("tiny").sha256 == digest.hexdigest()


def damage(folder: Path, kind: str) -> None:
    target = folder / "train_x.npy"
    if kind == "gone":
        target.unlink()
    elif kind == "truncated":
        target.write_bytes(target.read_bytes()[:-1])
    elif kind == "changed":
        content = bytearray(target.read_bytes())
        content[-1] ^= 1
        target.write_bytes(content)
        os.utime(target, ns=(1, 1))
    elif kind == "no meta":
        (folder / "meta.json").unlink()
    elif kind == "bad meta":
        (folder / "meta.json").write_text("{")
    elif kind == "other meta":
        (folder / "meta.json").write_text("[1, 2]")
    elif kind == "later format":
        meta = json.loads((folder / "meta.json").read_text())
        (folder / "meta.json").write_text(json.dumps(meta | {"format": cache.FORMAT + 1}))
    elif kind == "a file":
        shutil.rmtree(folder)
        folder.write_bytes(b"")


@pytest.mark.parametrize("kind", ["gone", "truncated", "changed", "no meta", "bad meta", "other meta", "later format", "a file"])
def test_a_damaged_cache_is_built_again(data: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_whole("tiny")
    expected = first.train_x.tobytes()
    damage(cache.ready_folder("tiny"), kind)
    built = []
    obtain = sources.obtain
    monkeypatch.setattr(sources, "obtain", lambda *a, **k: built.append(1) or obtain(*a, **k))
    again = load_whole("tiny")
    assert again.train_x.tobytes() == expected and again.sha256 == first.sha256
    assert built == [1]
    load_whole("tiny")
    assert built == [1], "and is whole from then on"
    assert not list(cache.cache_folder().rglob("*.tmp"))


def test_a_copied_cache_is_hashed_once_and_kept(data: Path, monkeypatch: pytest.MonkeyPatch, no_work: Any) -> None:
    first = load_whole("tiny")
    for path in cache.ready_folder("tiny").glob("*.npy"):
        os.utime(path, ns=(10**18, 10**18))
    shutil.rmtree(data)
    assert load_whole("tiny").sha256 == first.sha256, "no source is needed"
    no_work.armed()
    assert load_whole("tiny").sha256 == first.sha256, "the new times are noted"


def test_a_changed_entry_or_file_is_not_served_from_the_cache(tmp_path: Path) -> None:
    folder = make_idx_set(tmp_path / "own")
    first = load(path=folder)
    labels = folder / "train-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[-1] ^= 1
    labels.write_bytes(content)
    os.utime(labels, ns=(5, 5))
    second = load(path=folder)
    assert second.sha256 != first.sha256
    assert len(list((cache.cache_folder() / "ready").glob("path-own-*"))) == 1, "the old state is replaced"
    assert first.train.x.sum() == second.train.x.sum(), "and stays readable for those who have it open"


def test_a_cache_that_cannot_be_written(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    dataset = load("tiny")
    assert len(dataset.train) == support.TRAIN - 6
    (notice,) = dataset.notices
    assert notice.startswith(f"cannot write {tmp_path}/file/mlp-cli/ready/tiny: ")
    assert notice.endswith("; tiny stays in memory and is read from its source again at the next start")
    with pytest.raises(RunError, match="cannot write") as caught:
        fetch("tiny")
    assert "XDG_CACHE_HOME" in str(caught.value.hint)


def test_a_full_disk_leaves_nothing_behind(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = files.write_atomic

    def full(path: Path, fill: Any) -> None:
        if path.name == "test_x.npy":
            raise RunError(f"cannot write {path}: the disk is full")
        write(path, fill)

    monkeypatch.setattr(files, "write_atomic", full)
    dataset = load("tiny")
    assert "the disk is full; tiny stays in memory" in dataset.notices[0]
    left = [path for path in cache.cache_folder().rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left == []


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.cache_folder() == Path("/somewhere/mlp-cli")
    monkeypatch.setenv("HOME", "/home/me")
    for given in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        monkeypatch.setattr(sys, "platform", "linux")
        assert cache.cache_folder() == Path("/home/me/.cache/mlp-cli")
        monkeypatch.setattr(sys, "platform", "darwin")
        assert cache.cache_folder() == Path("/home/me/Library/Caches/mlp-cli")


BUILDERS = """
import sys
from mlp_cli.data import cache, load
folder, rounds, locked = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "locked"
if not locked:
    def unable(descriptor, how):
        raise OSError("no locks here")
    cache.fcntl.flock = unable
    open_ready = cache.open_ready
    tries = iter(range(10**6))
    # Every other look finds nothing, so that all processes build and replace all the time.
    cache.open_ready = lambda key, origin: open_ready(key, origin) if next(tries) % 3 == 2 else None
for _ in range(rounds):
    whole = load.load_whole(path=folder)
    print(whole.sha256, int(whole.train_x.sum()), len(whole.notices))
"""


@pytest.mark.parametrize(
    ("mode", "rounds", "builders"),
    [("locked", 3, 2), ("unlocked", 10, 3), pytest.param("unlocked", 25, 6, marks=pytest.mark.slow)],
)
def test_builders_at_once_do_not_hurt_each_other(tmp_path: Path, mode: str, rounds: int, builders: int) -> None:
    folder = make_idx_set(tmp_path / "own")
    command = [sys.executable, "-c", BUILDERS, str(folder), str(rounds), mode]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(builders)]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * builders, answers
    lines = [line for out, _ in answers for line in out.splitlines()]
    whole = load_whole(path=folder)
    assert len(lines) == builders * rounds
    assert set(lines) == {f"{whole.sha256} {int(whole.train_x.sum())} 0"}
    ready = cache.ready_folder("x").parent
    assert len([path for path in ready.iterdir() if path.suffix != ".lock"]) == 1


def test_a_lock_that_is_held_is_waited_for_only_so_long(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LOCK_PATIENCE", 0.1)
    with cache.building("tiny"):
        assert load_whole("tiny").name == "tiny"


def test_leftovers_of_killed_processes_go_away(data: Path) -> None:
    old, new = cache.cache_folder() / ".work-old", cache.cache_folder() / ".work-new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    with cache.workspace() as room:
        assert room.parent == cache.cache_folder()
        assert not old.exists() and new.exists()
    assert not room.exists()
