"""A checkpoint is one file with everything that a run needs to go on. A kill at any moment leaves a sound one.

The file is an .npz archive of plain arrays and a small JSON head. Its last bytes are the SHA-256 of everything before them, so
any damage shows. It holds no state of a random generator (see `mlp_cli.rng`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files
from mlp_cli.data import npz
from mlp_cli.errors import RunError, cause_of
from mlp_cli.training.state import Best, Row
from mlp_cli.training.trainer import Trainer

FORMAT = 2
CURRENT, PREVIOUS = "checkpoint.npz", "checkpoint.previous.npz"
LIMIT = 4 << 30
"""The largest file that is read, in bytes."""
_DIGEST = 64
_FIXED = ("monitor", "min_delta", "patience", "start_epoch", "target")
"""What a config says of the best epoch."""
_HEAD = {"run": str, "config_hash": str, "data_sha256": str, "environment": dict, "epoch": int, "step": int, "best": dict}


class Damaged(RunError):
    """A checkpoint file that is not what `save` wrote for this run; the message says in which way."""


class Unreadable(RunError):
    """A checkpoint file that the system does not hand out now; once the cause is gone it may be sound."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory: where it was read, its head (plain values) and its arrays by name."""

    path: Path
    head: dict[str, Any]
    arrays: dict[str, NDArray]

    @property
    def epoch(self) -> int:
        """The last whole epoch in it."""
        return int(self.head["epoch"])


def save(folder: Path, trainer: Trainer, identity: Mapping[str, Any]) -> None:
    """Writes `checkpoint.npz`; the one before stays as `checkpoint.previous.npz`.

    identity: plain values that say whose checkpoint this is: run, config_hash, data_sha256 and environment (a mapping).
    Errors: RunError where the folder cannot be written; the old checkpoint then still stands.
    """
    state = trainer.state
    head = {"format": FORMAT, **identity, "epoch": state.epoch, "step": state.step, "best": asdict(state.best)}
    arrays = {"head": np.frombuffer(json.dumps(head, sort_keys=True).encode(), np.uint8), **_arrays(trainer)}
    content = memoryview(npz.pack(arrays, comment=b"0" * _DIGEST))[:-_DIGEST]
    digest = hashlib.sha256(content).hexdigest().encode()
    target = folder / CURRENT

    def keep_previous() -> None:
        if os.path.lexists(target):
            os.replace(target, folder / PREVIOUS)

    files.write_atomic(target, lambda handle: handle.writelines((content, digest)), before_rename=keep_previous)


def read(path: Path) -> Checkpoint:
    """Reads and checks one file.

    Errors: Damaged; Unreadable; RunError where another version of the program wrote it.
    """
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise Unreadable(f"cannot read {path}: {cause_of(error)}") from error
        regular = False
    if not regular:
        raise Damaged(f"{path} is damaged: it is not a file")
    content = files.read_bytes(path, LIMIT, Unreadable)
    if hashlib.sha256(memoryview(content)[:-_DIGEST]).hexdigest().encode() != content[-_DIGEST:]:
        raise Damaged(f"{path} is damaged: its SHA-256 does not match its content")
    try:
        arrays = npz.unpack(content)
        head = json.loads(arrays.pop("head").tobytes())
        if head["format"] != FORMAT:
            raise RunError(
                f"{path} has checkpoint format {head['format']}, this version of mlp reads {FORMAT}",
                "go on with the version that wrote it, or start over with --force",
            )
        _check_types(head, {"format": int, **_HEAD})
        _check_types(head["best"], get_type_hints(Best))
        return Checkpoint(path, head, arrays)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(f"{path} is damaged: {error}") from error


def recover(folder: Path, run_id: str, config_hash: str) -> tuple[Checkpoint | None, list[str]]:
    """The newest sound checkpoint of this very run, or None; and what to tell of those passed over.

    A file that is no use is removed, so that it never takes the place of a sound one. Errors: those of `read`, but Damaged;
    Unreadable only where the other file is not sound either, and nothing is removed then.
    """
    passed: list[tuple[Path, RunError]] = []
    found: Checkpoint | None = None
    for path in (folder / CURRENT, folder / PREVIOUS):
        if found is None and os.path.lexists(path):
            try:
                candidate = read(path)
                if (candidate.head["run"], candidate.head["config_hash"]) != (run_id, config_hash):
                    raise Damaged(f"{path} belongs to another run ({candidate.head['run']})")
                found = candidate
            except (Damaged, Unreadable) as error:
                passed.append((path, error))
    unreadable = [reason for _, reason in passed if isinstance(reason, Unreadable)]
    if found is None and unreadable:
        raise unreadable[0]
    for path, _ in passed:
        with files.writing(path):
            path.unlink()
    notices = [reason.message for _, reason in passed]
    if passed:
        end = f"going on from {found.path.name}, epoch {found.epoch}" if found else "no sound checkpoint is left: starting over"
        notices.append(end)
    return found, notices


def restore(trainer: Trainer, found: Checkpoint) -> None:
    """Puts a checkpoint's content into the trainer, in place. Errors: RunError where it does not fit the network or the config."""
    state, best = trainer.state, Best(**found.head["best"])
    keeps = trainer.keep_best and best.epoch is not None
    trainer.best_weights = {name: value.copy() for name, value in trainer.weights().items()} if keeps else {}
    epochs = list(range(1, min(found.epoch, trainer.epochs) + 1)) or [0]
    targets = _arrays(trainer) | {"history": np.zeros((len(epochs), 7))}
    if trainer.diagnostics is not None:
        targets["diagnostics"] = np.zeros((len(epochs), *targets["diagnostics"].shape[1:]))
    if (
        _form(found.arrays) != _form(targets)
        or found.arrays["history"][:, 0].tolist() != epochs
        or found.epoch != epochs[-1]
        or found.head["step"] < 0
        or best.epoch not in (None, *epochs)
        or any(getattr(best, name) != getattr(state.best, name) for name in _FIXED)
    ):
        raise RunError(
            f"{found.path} does not fit this config's network or training",
            "go on with the version of mlp that wrote it, or start over with --force",
        )
    for name, array in targets.items():
        array[...] = found.arrays[name]
    state.best, state.epoch, state.step = best, found.epoch, found.head["step"]
    state.history = [_row(line, trainer.validation is not None) for line in targets["history"].tolist()]
    if trainer.diagnostics is not None:
        trainer.diagnostics.history = list(targets["diagnostics"])
    trainer.current_rate = state.history[-1].learning_rate


def remove(folder: Path, *, keep_last: bool = False) -> None:
    """Removes both files, the older one first: a completed run needs none. keep_last: only the older one, since a longer run may
    begin with the last epoch."""
    with files.writing(folder):
        for name in (PREVIOUS,) if keep_last else (PREVIOUS, CURRENT):
            (folder / name).unlink(missing_ok=True)


def _arrays(trainer: Trainer) -> dict[str, NDArray]:
    """Views of the trainer's own arrays by their names in the file, and a copy of the history."""
    return {
        "theta": trainer.network.theta,
        **{f"slot.{name}": value for name, value in trainer.updater.slots.items()},
        **{f"state.{name}": value for name, value in trainer.network.state.items()},
        **{f"best.{name}": value for name, value in trainer.best_weights.items()},
        **{name: value for name, value in (("averaged", trainer.averaged), ("plateau", trainer.plateau)) if value is not None},
        **({} if trainer.diagnostics is None else {"diagnostics": trainer.diagnostics.array()}),
        "history": np.array([astuple(row) for row in trainer.state.history], np.float64).reshape(-1, 7),  # None becomes NaN
    }


def _form(arrays: Mapping[str, NDArray]) -> dict[str, Any]:
    return {name: (value.shape, value.dtype) for name, value in arrays.items()}


def _check_types(values: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """Errors: ValueError where other keys or other types stand there than are wanted."""
    if values.keys() != wanted.keys() or not all(isinstance(values[name], kind) for name, kind in wanted.items()):
        raise ValueError(f"its head does not have exactly {', '.join(wanted)}")


def _row(line: list[float], validated: bool) -> Row:
    epoch, *values = line
    row = Row(int(epoch), *values)
    return row if validated else replace(row, val_loss=None, val_score=None)
