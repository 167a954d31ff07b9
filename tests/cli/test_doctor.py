"""`mlp doctor`, which tells what there is and tries the locks, and `mlp data clear`."""

import fcntl
import importlib.metadata
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_sets import Answer

from mlp_cli.data import cache

Mlp = Callable[..., Answer]


def test_what_there_is(mlp: Mlp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "file").write_bytes(bytes(3_000_000))
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "sets"))
    answer = mlp("doctor", "--json")
    found = json.loads(answer.out)
    assert answer.code == 0 and answer.err == ""
    assert (
        found["python"]["version"] == ".".join(map(str, sys.version_info[:3])) and found["python"]["executable"] == sys.executable
    )
    assert found["numpy"]["version"] == np.__version__ and found["numpy"]["blas"]
    assert 1 <= found["processors"]["available"] <= found["processors"]["machine"] == os.cpu_count()
    if sys.platform == "linux":
        assert 0 < found["memory"]["available"] <= found["memory"]["machine"]
        total = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:"))
        assert found["memory"]["machine"] == int(total) * 1024
    assert found["data"] == {"folder": str(tmp_path / "sets"), "there": True, "bytes": 3_000_000}
    assert found["cache"] == {"folder": str(own_cache / "mlp-cli"), "sets": [], "bytes": 0}
    results = found["results"]
    assert results["folder"] == "results" and results["checked"] == str(tmp_path) and results["locks"] is True
    assert abs(results["free"] - shutil.disk_usage(tmp_path).free) < 1 << 30
    text = mlp("doctor")
    assert text.code == 0
    for part in (np.__version__, sys.executable, "3.0 MB", "0 ready sets", "locks work"):
        assert part in text.out
    assert not list(tmp_path.glob(".locks*")) and not (tmp_path / "results").exists()


def test_extras_that_are_missing_are_said_with_the_way_to_get_them(mlp: Mlp, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["click>=8", 'optuna>=3.5; extra == "search"', "nowhere-to-be-found>=1; extra == 'other'", 'mypy>=1; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needed)
    extras = json.loads(mlp("doctor", "--json").out)["extras"]
    assert extras == {"search": {"optuna": importlib.metadata.version("optuna")}, "other": {"nowhere-to-be-found": None}}
    assert "other: nowhere-to-be-found is missing (pip install 'mlp-cli[other]')" in mlp("doctor").out


def test_locks_that_keep_nobody_out(mlp: Mlp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    answer = mlp("doctor")
    assert answer.code == 1 and "keep nobody out" in answer.out
    found = json.loads(mlp("doctor", "--json").out)["results"]
    assert found["locks"] is False and "keep nobody out" in found["problem"]


def test_a_file_system_without_locks(mlp: Mlp, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    answer = mlp("doctor")
    assert answer.code == 1 and "the file system cannot lock files" in answer.out


def test_data_clear(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("data", "clear", "--yes") == Answer(0, "nothing is ready\n", "")
    assert mlp("train", small_config, "epochs=0", "--no-plots").code == 0
    assert list(cache.ready_sets()) == ["shapes"]
    raw = cache.cache_folder() / "mnist"
    raw.mkdir()
    for known in ("mnist", "emnist-letters"):
        meta = json.dumps({"name": known.partition("-")[0]}).encode()
        cache.ready_folder(known).mkdir()
        (cache.ready_folder(known) / "meta.json").write_bytes(meta)
        (cache.ready_folder(known) / "train_x.npy").write_bytes(bytes(2_000_000 - len(meta)))
    answer = mlp("data", "clear", "shapes")
    assert answer.code == 2 and "this is no terminal" in answer.err and "shapes" in cache.ready_sets()
    assert mlp("data", "clear", "shapes", "--yes").code == 0 and list(cache.ready_sets()) == ["emnist", "mnist"]
    assert (tmp_path / "shapes").is_dir() and mlp("train", small_config, "seed=1", "epochs=0", "--no-plots").code == 0
    answer = mlp("data", "clear", "mnist", "--yes")
    assert answer.out.splitlines() == ["      2.0 MB  mnist", "1 ready set, 2.0 MB"] and raw.is_dir()
    assert mlp("data", "clear", "mnist", "--yes").out == "nothing is ready\n"
    assert mlp("data", "clear", "mnits", "--yes").code == 2 and "did you mean mnist?" in mlp("data", "clear", "mnits").err
    found = json.loads(mlp("data", "clear", "emnist", "--json", "--yes").out)
    assert found == {"sets": {"emnist": 2_000_000}, "removed": True} and list(cache.ready_sets()) == ["shapes"]
    assert mlp("data", "clear", "--yes", "--quiet") == Answer(0, "", "") and not cache.ready_sets()
