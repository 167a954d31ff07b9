"""`--out` of every command: a new file in a new folder, and nothing else is ever replaced than a plain file that is not read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_sets import Answer

Mlp = Callable[..., Answer]


@pytest.fixture
def words(mlp: Mlp, tmp_path: Path) -> dict[str, list[str]]:
    """The commands that write one file, without --out. There is a run on a table."""
    rows = "".join(f"{number},{number % 7},{'ab'[number % 2]}\n" for number in range(60))
    (tmp_path / "table.csv").write_text("one,two,kind\n" + rows)
    (tmp_path / "run.yaml").write_text("dataset: {path: table.csv, target: kind}\nhidden_sizes: [4]\nepochs: 1\n")
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    return {
        "predict": ["predict", "@last", "table.csv"],
        "export": ["export", "@last", "--format", "npz"],
        "pack": ["pack", "@last"],
        "show": ["data", "show", "table.csv", "--target", "kind"],
        "init": ["init", "other"],
    }


@pytest.mark.parametrize("command", ["predict", "export", "pack", "show", "init"])
def test_where_it_may_go(mlp: Mlp, tmp_path: Path, words: dict[str, list[str]], command: str) -> None:
    end = ".png" if command == "show" else ".out"
    answer = mlp(*words[command], "--out", f"new/folder/file{end}")
    assert answer.code == 0, answer.err
    assert (tmp_path / "new" / "folder" / f"file{end}").stat().st_size
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("run.yaml")
    for wrong in ("pipe", "link", ".", ""):
        answer = mlp(*words[command], "--out", wrong)
        assert answer.code == 2 and not answer.out, wrong
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("command", ["predict", "show"])
def test_what_is_read_is_not_lost(mlp: Mlp, tmp_path: Path, words: dict[str, list[str]], command: str) -> None:
    before = (tmp_path / "table.csv").read_bytes()
    answer = mlp(*words[command], "--out", "./table.csv")
    assert answer.code == 2 and "would be lost" in answer.err
    assert (tmp_path / "table.csv").read_bytes() == before


def test_a_sweep_is_packed_by_the_beginning_of_its_name(mlp: Mlp, tmp_path: Path, words: dict[str, list[str]]) -> None:
    """As mlp predict takes it; a name that begins a run's as well means the run."""
    assert mlp("sweep", "run.yaml", "name=many", "--seeds", "2", "--quiet", "--executor", "serial").code == 0
    assert ": 2 runs" in mlp("pack", "man", "--out", "two.zip").out
    assert mlp("train", "run.yaml", "--no-plots", "--name", "manual").code == 0
    assert ": 1 run," in mlp("pack", "manu", "--out", "one.zip").out


@pytest.mark.parametrize("command", [["evaluate"], ["predict", "table.csv"], ["train", "--refit"], ["export", "--format", "npz"]])
def test_a_diverged_run_is_not_said_to_end_well(mlp: Mlp, words: dict[str, list[str]], command: list[str]) -> None:
    assert mlp("train", "run.yaml", "--no-plots", "optimizer=sgd", "learning_rate=1e30", "--name", "far").code == 1
    answer = mlp(
        command[0], *(["far"] if "--refit" not in command else []), *command[1:], *(["far"] if "--refit" in command else [])
    )
    assert answer.code == 1 and "its status is diverged" in answer.err and "smaller learning_rate" in answer.err
