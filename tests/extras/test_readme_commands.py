"""Every command and script that the README shows is run, in its order, in a folder where `configs/mnist_adam_relu.yaml` is a small
network on small digits."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw
from small_sets import Answer
from test_readme import BLOCKS, ROOT, SHOWN, TOLD, folders_named

SCRIPTS = [block for kind, block in BLOCKS if kind == "python"]
SWEEP_FILE = next(block for _, block in BLOCKS if block.startswith("base:"))
TABLE = next(block for kind, block in BLOCKS if kind == "yaml" and "path: houses.csv" in block)
ELSEWHERE = {
    "--scheduler": "needs a cluster; tests/extras",
    "mlp bench": "takes minutes; tests/bench",
    "mlp COMMAND --help": "each command's help is in tests/cli",
    "mlp rerun all.zip/NAME dataset.path": "the pack of this test has no path; tests/test_packs",
    "mlp data fetch": "needs a network; tests/data",
    "mlp ls --where": "no whole command",
    "configs/reports/": "takes minutes on real data; tests/reproduction",
}
NAMES = ["mlp train", "mlp sweep", "mlp show", "mlp note"]  # commands that are only spoken of: they take more
CONFIG = "name: mnist_adam_relu\ndataset: digits\nhidden_sizes: [8]\nlearning_rate: 1e-2\nepochs: 2\nbatch_size: 64\n"
MEANT = {
    "CONFIG": "configs/mnist_adam_relu.yaml",
    "RUN": "@best:val_accuracy",
    "KIND": "optimizers",
    "NAME": "moons",
    "FILE": "new.csv",
}
FEWER = re.compile("--seeds [0-9]")
SYNTAX = re.compile(r"[\[|>]|\.\.\.")


def is_elsewhere(line: str) -> bool:
    return line in NAMES or any(part in line for part in ELSEWHERE)


@pytest.fixture
def folder(tmp_path: Path, mlp: Callable[..., Answer]) -> Path:
    """What a reader has: configs, a table, pictures. The working folder."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mnist_adam_relu.yaml").write_text(CONFIG)
    generator = np.random.default_rng(0)
    np.savetxt(tmp_path / "new.csv", generator.integers(0, 17, (3, 64)), "%d", ",")
    rooms = generator.integers(1, 9, 200).astype(float)
    rooms[::50] = np.nan
    towns = generator.choice(["Ulm", "Bonn"], 200)
    columns = {"id": range(200), "rooms": rooms, "town": towns, "price": 50.5 * np.nan_to_num(rooms) + 3}
    pd.DataFrame(columns).to_csv(tmp_path / "houses.csv", index=False)
    (tmp_path / "houses.yaml").write_text(TABLE)
    picture = Image.new("L", (80, 80), 255)
    ImageDraw.Draw(picture).line([(40, 10), (40, 70)], width=8)
    (tmp_path / "digits").mkdir()
    for name in ("digit.png", "digits.png", "digits/a.png"):
        picture.save(tmp_path / name)
    (tmp_path / "sweep.yaml").write_text(SWEEP_FILE.replace("seeds: 5", "seeds: 1"))
    return tmp_path


def test_all_commands_run(mlp: Callable[..., Answer], folder: Path) -> None:
    there = dict(zip(folders_named(ROOT), folders_named(folder), strict=True))
    commands = [line for line in [*SHOWN, *TOLD] if not is_elsewhere(line) and not SYNTAX.search(re.sub(r"=\S*", "", line))]
    assert len(set(commands)) > 40
    failed = []
    for line in dict.fromkeys(commands):
        told = line.replace("sweep FILE", "sweep sweep.yaml").replace("show FILE", "show houses.csv")
        for real, small in there.items():
            told = told.replace(real, small)
        if "SWEEP" in told or "all.zip" in told:
            sweep = min(each.parent for each in Path("results").glob("*/sweep.yaml"))
            told = told.replace("SWEEP", str(sweep)).replace("/NAME", f"/{min((sweep / 'runs').iterdir()).name}")
            if not Path("all.zip").exists():
                assert mlp("pack", sweep, "--out", "all.zip").code == 0
        answer = mlp(*(MEANT.get(word, word) for word in shlex.split(FEWER.sub("--seeds 2", told))[1:]))
        if answer.code:
            failed.append((line, answer))
    assert not failed


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_scripts_run(script: str, folder: Path, mlp: Callable[..., Answer]) -> None:
    exec(compile(script, "README.md", "exec"), {})
