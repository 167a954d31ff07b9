"""Time, memory, exit code and output of a command are its own, whatever the size of the process that starts it."""

import sys
from pathlib import Path

import numpy as np

from mlp_cli.bench.whole import finish


def test_memory_is_the_commands_and_not_its_starters(tmp_path: Path) -> None:
    held = np.ones(40_000_000)  # 305 MiB here
    seconds, small, code, text = finish([sys.executable, "-c", "print('done')"], str(tmp_path), {})
    assert (code, text) == (0, "done\n") and seconds > 0 and small < 100 < held.nbytes / 2**20
    _, large, code, _ = finish(
        [sys.executable, "-c", "held = bytearray(b'1') * (200 << 20); raise SystemExit(3)"], str(tmp_path), {}
    )
    assert code == 3 and 200 < large < 300


def test_variables_and_folder(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import os; print(os.getcwd(), os.environ['COLOUR'])"]
    assert finish(words, str(tmp_path), {"COLOUR": "blue"})[3] == f"{tmp_path} blue\n"
