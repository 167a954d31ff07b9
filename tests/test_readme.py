"""What the README shows works: its configs are valid, its commands and files exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from mlp_cli.cli.main import cli
from mlp_cli.config import config_from_mapping, load_config
from mlp_cli.nn.losses import losses
from mlp_cli.runs import run_id
from mlp_cli.sweep.sweepfile import Asked, plan_sweep

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
TRAINED = [line for _, block in BLOCKS for line in block.splitlines() if line.startswith("mlp train configs/")]
COMMANDS = [line.split()[2:] for line in TRAINED]
SHOWN = [line.removeprefix("$ ") for kind, block in BLOCKS for line in block.splitlines() if re.match(r"(\$ )?mlp ", line)]
TOLD = [" ".join(text.split()) for text in re.findall(r"`(mlp\s[^`]+)`", README.replace("\\|", "|"))]


@pytest.mark.parametrize("block", [block for kind, block in BLOCKS if kind == "yaml"])
def test_configs(block: str) -> None:
    config_from_mapping(yaml.safe_load(re.sub(r"\b(\d)e-", r"\1.0e-", block)))


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


def folders_named(root: Path) -> Iterator[str]:
    """The folder of each run and sweep of the README where the configs in `root` are meant, in its order."""
    for words in map(shlex.split, SHOWN):
        rest = [word for word in words[2:] if "=" in word and not word.startswith("-")]
        if words[1] == "train" and words[2].startswith("configs/"):
            config = load_config(root / words[2], rest)
            yield run_id(config.name, config.hash())
        elif words[1] == "sweep":
            rates, seeds = (words[words.index(option) + 1] for option in ("--lr", "--seeds"))
            asked = Asked(seeds=int(seeds))
            yield plan_sweep(root / words[2], [f"learning_rate={rates}", *rest], Path("results"), asked).folder.name


def test_folders_are_those_of_the_commands() -> None:
    named = set(re.findall(r"results/(mnist_adam_relu-[0-9a-f]{8})", README))
    assert named <= set(folders_named(ROOT)) and len(named) >= 2


@pytest.mark.parametrize("line", sorted({*SHOWN, *TOLD}))
def test_commands_and_options_exist(line: str) -> None:
    words = re.findall(r"[\w-]+", re.sub(r"=\S*", "", line))
    command: click.Command = cli
    for word in words[1:]:
        if not isinstance(command, click.Group) or word == "COMMAND":
            break
        assert word in command.commands, word
        command = command.commands[word]
    known = {option for each in command.params for option in each.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known
