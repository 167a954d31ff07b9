"""Proof 5: whatever is in a config or a checkpoint, it is taken or refused with an error of ours, soon and in little memory."""

import json
import sys
from pathlib import Path

import pytest
from chaos_runs import Site
from small_sets import make_idx_set

FUZZ = Path(__file__).with_name("fuzz.py")


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["config", "checkpoint"])
def test_hostile_files(site: Site, tmp_path: Path, kind: str, count: int) -> None:
    make_idx_set(tmp_path / "shapes", train=160)
    end = site.run([sys.executable, str(FUZZ), kind, str(count), str(tmp_path)], timeout=1200)
    assert end.code == 0, end.err
    found = json.loads(end.out)
    print(kind, found)
    assert found["wrong"] == []
    assert found["cases"] == count and 0.005 * count < found["taken"] < 0.7 * count
    assert found["longest"] < 1 and found["memory_mb"] < 200
