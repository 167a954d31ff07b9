"""What the README shows works: its configs are valid, its commands and files exist."""

import re
from pathlib import Path

import pytest
import yaml

from mlp_cli.config import config_from_mapping, load_config
from mlp_cli.nn.losses import losses

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
TRAINED = [line for _, block in BLOCKS for line in block.splitlines() if line.startswith("mlp train ") and "--refit" not in line]
COMMANDS = [line.split()[2:] for line in TRAINED]


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "yaml"])
def test_configs(block: str) -> None:
    config_from_mapping(yaml.safe_load(block.replace("1e-3", "1.0e-3")))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands(words: list[str]) -> None:
    load_config(ROOT / words[0], [word for word in words[1:] if not word.startswith("-")])


def test_every_loss_is_told_of() -> None:
    rows = [line.split("|")[1] for line in README.splitlines() if line.startswith("| `")]
    assert set(losses) <= {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_files_that_are_named_exist() -> None:
    for path in set(re.findall(r"`((?:configs|mlp_cli|tests)/[\w/.]+)`", README)):
        assert (ROOT / path).exists(), path


def test_make_targets_that_are_named_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in set(re.findall(r"`make ([a-z-]+)", README)) | set(re.findall(r"^make ([a-z-]+)$", README, re.MULTILINE)):
        assert target in targets, target
