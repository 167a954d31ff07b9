"""What `mlp data` is made of: describing, fetching, drawing examples."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny as support
from small_sets import make_idx_set
from tiny import Tiny

from mlp_cli.cli.main import run
from mlp_cli.data import cache, catalogue
from mlp_cli.data.load import load
from mlp_cli.data.sources import fetch, state
from mlp_cli.errors import DataError, UsageError

tiny, walls = support.tiny, support.walls


def test_every_set_is_described() -> None:
    for name in catalogue.names():
        about = catalogue.entry(name)
        assert about.name == name
        assert state(about) == "not here" or about.form in ("generated", "installed")
        assert about.train > about.test and (about.test or about.held_out) and about.validation > 0
        assert about.title and about.licence and about.source and about.classes and about.shape
    with pytest.raises(UsageError, match="unknown dataset"):
        catalogue.entry("nothing")


def test_the_state_follows_the_files(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(catalogue.entry("tiny")) == "not here"
    share = tiny.write(tmp_path / "share/datasets/tiny")
    assert state(catalogue.entry("tiny")) == f"found in {share}"
    monkeypatch.setenv("MLP_DATA_DIR", str(tmp_path / "data"))
    assert state(catalogue.entry("tiny")) == f"found in {share}"
    tiny.write(tmp_path / "data")
    assert state(catalogue.entry("tiny")) == f"found in {tmp_path / 'data'}"
    assert state(catalogue.entry("other")) == "not here", "the names alone do not count"
    fetch("tiny")
    assert state(catalogue.entry("tiny")) == "ready"


def test_fetch(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot get tiny; tried"):
        fetch("tiny")
    folder = tiny.write(tmp_path / "downloads")
    entry, first, already = fetch("tiny", folder)
    assert (entry.name, first.source, already) == ("tiny", f"folder {folder}", False)
    assert (cache.ready_folder("tiny") / "train_x.npy").is_file()
    _, again, already = fetch("tiny")
    assert already and again.sha256 == first.sha256 and again.source == first.source
    shutil.rmtree(folder)
    with pytest.raises(DataError, match="no such folder"):
        fetch("tiny", folder)
    assert fetch("tiny")[2], "a failed fetch leaves what was there"


def test_rows_of_each_class(tiny: Tiny, tmp_path: Path) -> None:
    fetch("tiny", tiny.write(tmp_path / "downloads"))
    counts = load("tiny", validation=0).class_counts()
    assert {part: found.tolist() for part, found in counts.items()} == {"training": [8, 8, 8], "test": [3, 3, 2]}
    dataset = load("tiny", validation=0, task="regression")
    assert replace(dataset, task="regression").class_counts() == {}


def test_the_first_rows_of_each_class_are_drawn(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("tiny", tiny.write(tmp_path / "downloads"))
    drawn: list[Any] = []
    monkeypatch.setattr("mlp_cli.plots.data.sheet", lambda *arguments, **options: drawn.append(arguments))
    monkeypatch.setattr("mlp_cli.plots.style.save", lambda figure, path: None)
    monkeypatch.setattr("mlp_cli.cli.data._EXAMPLES", 2)
    assert run(["data", "show", "tiny", "--out", str(tmp_path / "tiny.png")]) == 0
    ((images, labels, classes, shape, *_),) = drawn
    assert (labels.tolist(), classes, shape) == ([0, 0, 1, 1, 2, 2], ("a", "b", "c"), (3, 2)) and images.dtype == np.uint8
    expected = [tiny.arrays["train_x"][tiny.arrays["train_y"] == label][:2].reshape(2, 6).tolist() for label in range(3)]
    assert images.reshape(3, 2, 6).tolist() == expected


def test_rows_of_ones_own_data(tmp_path: Path) -> None:
    folder = make_idx_set(tmp_path / "own", train=30)
    for path in folder.glob("t10k-*"):
        path.unlink()
    counts = load(path=folder, validation=0).class_counts()
    assert list(counts) == ["training"] and counts["training"].sum() == 30 and len(counts["training"]) == 4
