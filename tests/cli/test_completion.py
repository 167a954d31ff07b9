"""Completion: the words for each place of a command line, and the real shells, where they are installed, asked as a person would."""

import copy
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import write_run
from small_sets import Answer

from mlp_cli.cli import main

Mlp = Callable[..., Answer]


def installed(*shells: str) -> list[str]:
    """Those of the shells that this machine has."""
    return [shell for shell in shells if shutil.which(shell)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with configs, a run and a sweep; and a folder `bin` with `mlp`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "deep").mkdir(parents=True)
    for name in ("configs/first.yaml", "configs/second.yml", "configs/notes.txt", "my own.yaml", "all.zip"):
        (tmp_path / name).touch()
    write_run(tmp_path / "results", name="alpha")
    write_run(tmp_path / "results" / "sweep-01234567" / "runs", name="member")
    (tmp_path / "results" / "sweep-01234567" / "sweep.yaml").touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mlp").write_text(f'#!/bin/sh\nexec {sys.executable} -m mlp_cli "$@"\n')
    (tmp_path / "bin" / "mlp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str) -> list[str]:
    """What the last word of a line may become, in zsh or fish."""
    *before, last = line.split(" ")
    monkeypatch.setattr(main, "cli", copy.deepcopy(main.cli))
    for name, value in {"_MLP_COMPLETE": "fish", "_MLP_WORDS": "\n".join(before), "_MLP_WORD": last}.items():
        monkeypatch.setenv(name, value)
    assert main.run([]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mlp rer", ["rerun"]),
        ("mlp data cl", ["clear"]),
        ("mlp train conf", ["configs/"]),
        ("mlp train configs/", ["configs/deep/", "configs/first.yaml", "configs/second.yml"]),
        ("mlp train --results re", ["results/"]),
        ("mlp train a.yaml optim", ["optimizer="]),
        ("mlp train a.yaml optimizer=adam", ["optimizer=adam", "optimizer=adamw", "optimizer=adamax"]),
        ("mlp train a.yaml optimizer.bet", ["optimizer.beta_1=", "optimizer.beta_2="]),
        ("mlp train a.yaml activation=hard", ["activation=hard_sigmoid"]),
        ("mlp train a.yaml early_stopping.monitor=val_l", ["early_stopping.monitor=val_loss"]),
        ("mlp train a.yaml log_to=ten", ["log_to=tensorboard"]),
        ("mlp train a.yaml log_to=tensorboard,ml", ["log_to=tensorboard,mlflow"]),
        ("mlp train a.yaml amsgrad=tr", []),
        ("mlp train a.yaml dataset=mni", ["dataset=mnist"]),
        ("mlp sweep a.yaml optimizer=sgd,nes", ["optimizer=sgd,nesterov"]),
        ("mlp validate configs/fir", ["configs/first.yaml"]),
        ("mlp validate batch_s", ["batch_size="]),
        ("mlp diff al", ["alpha-", "all.zip"]),
        ("mlp diff @last memb", ["member-"]),
        ("mlp diff @best:val_a", ["@best:val_accuracy"]),
        ("mlp pack sw", ["sweep-01234567"]),
        ("mlp rm sw", []),
        ("mlp report --baseline memb", ["member-"]),
        ("mlp report --format m", ["md"]),
        ("mlp data show configs/fi", ["configs/first.yaml"]),
        ("mlp data show fash", ["fashion_mnist"]),
        ("mlp init --lesson van", ["vanishing"]),
        ("mlp data show fash", ["fashion_mnist"]),
        ("mlp show opt", ["optimizers"]),
        ("mlp rerun --results nowhere alp", []),
        ("mlp nonsense x", []),
    ],
)
def test_words(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, expected: list[str]
) -> None:
    found = words(monkeypatch, capsys, line)
    assert [re.sub(r"-[0-9a-f]{8}$", "-", word) if "sweep" not in word else word for word in found] == expected


def test_every_key_and_component_that_a_config_has(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlp_cli.config import Config
    from mlp_cli.nn.optimizers import optimizers
    from mlp_cli.nn.schedules import schedules

    found = words(monkeypatch, capsys, "mlp train a.yaml ")
    assert found == [f"{key}=" for key in Config.model_fields]
    for key, registry in {"optimizer": optimizers, "schedule": schedules}.items():
        assert words(monkeypatch, capsys, f"mlp train a.yaml {key}=") == [f"{key}={name}" for name in registry]
        for name in registry:
            for option in registry.options(name):
                assert words(monkeypatch, capsys, f"mlp train a.yaml {key}.{option.name}") != []


def test_nothing_heavy_is_loaded(place: Path) -> None:
    code = (
        "import sys; from mlp_cli.cli.main import run; code = run(); "
        "heavy = {'numpy', 'pandas', 'matplotlib', 'pydantic', 'yaml', 'scipy', 'tqdm'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    for line, word in (("mlp\ntrain\na.yaml", "optimizer=a"), ("mlp\ndiff", ""), ("mlp\ndata\nshow", "m")):
        env = {**os.environ, "_MLP_COMPLETE": "zsh", "_MLP_WORDS": line, "_MLP_WORD": word}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and done.stdout, done.stderr


ASKED = """
eval "$(mlp completion bash)"
for line; do COMP_LINE="$line"; COMP_POINT=${#line}; _mlp mlp; printf '%s\\n' "${COMPREPLY[@]}" ==; done
complete -p mlp
"""
"""What bash makes of each of its arguments, with a line `==` after each."""


def test_bash(place: Path) -> None:
    expected = {
        "mlp train configs/f": ["configs/first.yaml"],
        "mlp train a.yaml optimizer=nad": ["nadam"],  # bash replaces what follows the equals sign
        "mlp diff @best:val_a": ["val_accuracy"],
        "mlp train my": ["my\\ own.yaml"],
        f"{place}/bin/mlp dif": ["diff"],
        "mlp train 'my": ["my\\ own.yaml"],
        "mlp train a.yaml seed=1 ": ["name=", "seed="],
    }
    done = subprocess.run(["bash", "--norc", "-c", ASKED, "bash", *expected], capture_output=True, text=True, check=True)
    *found, last = done.stdout.split("==\n")
    assert last == "complete -F _mlp mlp\n"
    assert {line: words.splitlines()[:2] for line, words in zip(expected, found, strict=True)} == expected


@pytest.mark.parametrize("fish", installed("fish"))
def test_fish(place: Path, fish: str) -> None:
    expected = {
        "mlp train configs/": ["configs/deep/", "configs/first.yaml", "configs/second.yml"],
        "mlp train a.yaml optimizer=nad": ["optimizer=nadam"],
        "mlp diff @best:val_a": ["@best:val_accuracy"],
        "mlp dif": ["diff"],
    }
    command = "mlp completion fish | source; " + "".join(f"complete -C '{line}'; echo ==; " for line in expected)
    done = subprocess.run([fish, "--no-config", "-c", command], capture_output=True, text=True, check=True)
    *found, _ = done.stdout.split("==\n")
    assert {line: words.splitlines() for line, words in zip(expected, found, strict=True)} == expected


TYPED = {
    "mlp rer": "rerun X",
    "mlp train configs/f": "train configs/first.yaml X",
    "mlp train configs/d": "train configs/deep/X",
    "mlp train a.yaml optimizer=nad": "train a.yaml optimizer=nadam X",
    "mlp train a.yaml batch_s": "train a.yaml batch_size=X",
    "mlp sweep a.yaml optimizer=sgd,nad": "sweep a.yaml optimizer=sgd,nadam X",
    "mlp diff @best:val_a": "diff @best:val_accuracy X",
    "mlp diff memb": "diff member- X",
    "mlp train my": "train my own.yaml X",
}
"""What is typed before a tab and an X, and the arguments that the command then gets."""
SHELLS = {
    "bash": (["bash", "--norc", "-i"], "bind 'set enable-bracketed-paste off'"),
    "zsh": (["zsh", "-f", "-i"], "unset zle_bracketed_paste; autoload -U compinit; compinit -u"),
}
SHOWN = """mlp() { if [ -n "$_MLP_COMPLETE" ]; then command mlp "$@"; else printf 'got[%s]\\n' "$*"; fi }"""


@pytest.mark.parametrize("shell", installed(*SHELLS))
def test_a_person_who_presses_tab(place: Path, shell: str) -> None:
    command, setting = SHELLS[shell]
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True, env={**os.environ, "TERM": "xterm"}
    )
    os.close(follower)

    def until(pattern: str) -> str:
        seen, deadline = "", time.monotonic() + 60
        while not (found := re.search(pattern, seen)):
            assert time.monotonic() < deadline and select.select([leader], [], [], 60)[0], repr(seen)
            seen += os.read(leader, 4096).decode("utf-8", "replace")
        return found[1]

    try:
        os.write(leader, f"{setting}; {SHOWN}; eval \"$(command mlp completion {shell})\"; echo rea''dy\n".encode())
        until("(ready)\r?\n")
        got = {}
        for typed in TYPED:
            os.write(leader, typed.encode() + b"\tX\n")
            got[typed] = re.sub(r"(member-)\w+", r"\1", until(r"got\[(.*?)\]\r?\n"))
        assert got == TYPED
    finally:
        process.kill()
        process.wait()
        os.close(leader)
