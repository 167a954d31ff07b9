"""Proof 4: no damage to a checkpoint goes unseen, and a torn metrics.csv is mended."""

import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest
from chaos_runs import digest
from stopped_run import DONE, EPOCHS, Stopped, finish

from mlp_cli import runs
from mlp_cli.errors import RunError
from mlp_cli.training import checkpoint
from mlp_cli.training.callbacks import Callback
from mlp_cli.training.state import Row


def damaged(content: bytes) -> list[bytes]:
    """200 copies with one byte changed, spread over the whole file, and 50 that end too early."""
    generator = random.Random(0)
    flipped = []
    for number in range(200):
        place = number * len(content) // 200 + generator.randrange(len(content) // 200)
        changed = bytearray(content)
        changed[place] ^= 1 << generator.randrange(8)
        flipped.append(bytes(changed))
    return flipped + [
        content[:length] for length in (0, 1, 63, 64, 65, *generator.sample(range(66, len(content)), 44), len(content) - 1)
    ]


def test_every_damage_to_a_checkpoint_is_seen(stopped: Stopped, tmp_path: Path) -> None:
    planned = stopped.copied(tmp_path)
    path = planned.folder / checkpoint.CURRENT
    sound = path.read_bytes()
    assert checkpoint.read(path).epoch == DONE
    cases = damaged(sound)
    assert len(cases) == 250 and sound not in cases
    for number, content in enumerate(cases):
        path.write_bytes(content)
        found, notices = checkpoint.recover(planned.folder, planned.id, planned.hash)
        assert found is not None and found.epoch == DONE - 1, number
        assert notices == [
            f"{path} is damaged: its SHA-256 does not match its content",
            f"going on from {checkpoint.PREVIOUS}, epoch 3",
        ]
        assert not path.exists()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], f"going on after epoch {DONE} of {EPOCHS}"),
        ([checkpoint.CURRENT], f"going on after epoch {DONE - 1} of {EPOCHS}"),
        ([checkpoint.CURRENT, checkpoint.PREVIOUS], "no sound checkpoint is left: starting over"),
    ],
)
def test_a_run_with_damaged_checkpoints_ends_well(stopped: Stopped, tmp_path: Path, names: list[str], said: str) -> None:
    planned = stopped.copied(tmp_path)
    for name in names:
        content = bytearray((planned.folder / name).read_bytes())
        content[len(content) // 2] ^= 4
        (planned.folder / name).write_bytes(content)
    heard: list[str] = []
    assert digest(finish(planned, heard.append).folder) == stopped.calm
    assert [f"{planned.folder / name} is damaged: its SHA-256 does not match its content" for name in names] == heard[
        : len(names)
    ]
    assert said in heard
    assert all(text in (planned.folder / runs.LOG).read_text() for text in heard)


@pytest.mark.parametrize("names", [[checkpoint.CURRENT], [checkpoint.CURRENT, checkpoint.PREVIOUS]])
def test_checkpoints_that_cannot_be_read(
    stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    """The one before is used; where that cannot be read either, both are kept until the cause is gone."""
    planned, heard, real = stopped.copied(tmp_path), list[str](), os.open

    def broken(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name in names:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", broken)
        if len(names) == 2:
            with pytest.raises(RunError, match="input/output error"):
                finish(planned)
        else:
            finish(planned, heard.append)
    if len(names) == 2:
        assert all((planned.folder / name).exists() for name in names)
        finish(planned, heard.append)
    assert f"going on after epoch {DONE if len(names) == 2 else DONE - 1} of {EPOCHS}" in heard
    assert digest(planned.folder) == stopped.calm


def test_checkpoints_that_are_gone_are_said(stopped: Stopped, tmp_path: Path) -> None:
    planned, heard = stopped.copied(tmp_path), list[str]()
    for name in (checkpoint.CURRENT, checkpoint.PREVIOUS):
        (planned.folder / name).unlink()
    assert digest(finish(planned, heard.append).folder) == stopped.calm
    assert heard == ["epochs were trained here before, but there is no checkpoint to go on from: starting over"]


class Watch(Callback):
    """Looks at metrics.csv while the run goes on: it begins with the rows that the checkpoint knows, and no line is torn."""

    def __init__(self, path: Path, known: bytes) -> None:
        self.path, self.known, self.seen = path, known, 0

    def on_epoch(self, row: Row) -> None:
        self.seen += 1
        content = self.path.read_bytes()
        assert content.startswith(self.known) and content.endswith(b"\n")
        assert content.count(b"\n") == 1 + row.epoch


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_torn_metrics_are_mended(stopped: Stopped, tmp_path: Path, step: int) -> None:
    """Cut at each byte of the last three rows, of which the checkpoint knows all but the last."""
    whole = (stopped.kept.folder / "metrics.csv").read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 1 + DONE + 1
    for length in range(len(whole) - sum(map(len, lines[-3:])), len(whole), step):
        planned = stopped.copied(tmp_path / str(length))
        (planned.folder / "metrics.csv").write_bytes(whole[:length])
        (planned.folder / "timings.csv").write_bytes(whole[:length][-20:])
        watch = Watch(planned.folder / "metrics.csv", b"".join(lines[: DONE + 1]))
        finish(planned, callbacks=[watch])
        assert watch.seen == EPOCHS - DONE and digest(planned.folder) == stopped.calm, length
        epochs = [line.split(",")[0] for line in (planned.folder / "metrics.csv").read_text().splitlines()]
        assert epochs == ["epoch", *map(str, range(1, EPOCHS + 1))]
