"""mlp bench --growth: a figure of each, and memory that grows as the rows do."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_sets import Answer

from mlp_cli.bench import growth


def test_growth_leaves_three_figures_and_tells_what_they_show(
    mlp: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(growth, "HIDDEN", [4, 8])
    monkeypatch.setattr(growth, "BATCHES", [64, 2048])
    monkeypatch.setattr(growth, "ROWS", [2_000, 82_000])
    answer = mlp("bench", "--growth", "--rounds", "1", "--out", tmp_path / "figures", "--json")
    *steps, memory, _ = json.loads(answer.out)
    assert [entry["case"].partition(", adam")[0] for entry in steps] == [
        "784-4-10, batch 128",
        "784-8-10, batch 128",
        "784-128-10, batch 64",
        "784-128-10, batch 2048",
    ]
    less, more = memory["mebibytes"].values()
    rows = 80_000 * 784 / 2**20
    assert 0.8 * rows < more - less < 2 * rows
    written = {path.name for path in (tmp_path / "figures").iterdir()}
    assert written == {f"growth_{name}.{kind}" for name in ("hidden", "batch", "rows") for kind in ("png", "svg")}
