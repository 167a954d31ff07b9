"""The errors that a user can meet. Each knows its exit code; the command line prints message and hint, never a traceback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Notify = Callable[[str], None]
"""How the user is told what is no error, such as a broken copy of the data that was passed over; the message is one line."""


class MlpError(Exception):
    """Something went wrong that a person can mend.

    message: one line that names the thing and what is wrong with it.
    hint: what to do about it, or None.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n{self.hint}"


class UsageError(MlpError):
    """A wrong argument, an unknown name, a missing extra: exit code 2."""

    exit_code = 2


class ConfigError(UsageError):
    """One or more problems in a config; the message lists them all: exit code 2."""


class DataError(MlpError):
    """Data that is missing, changed or corrupt: exit code 3."""

    exit_code = 3


class RunError(MlpError):
    """A run that cannot start or go on: in use elsewhere, a folder that cannot be written, a full disk: exit code 1."""


def cause_of(error: OSError) -> str:
    """What the system says of an error, to stand within a sentence: `permission denied`."""
    return (error.strerror or str(error)).lower()


def out_of_memory(error: MemoryError) -> RunError:
    """What a MemoryError means to the user: nothing is wrong with the run itself."""
    return RunError(
        f"not enough memory: {error}" if str(error) else "not enough memory",
        "end other programs and run the same command again; a smaller batch_size, hidden_sizes or dataset.limit needs less",
    )


class ReaderGone(RunError):
    """Nobody reads standard output any more, as where `head` has seen enough."""


class Diverged(RunError):
    """A loss that is no longer finite; the message has the step, the layer and the learning rate: exit code 1.

    divergence: the same as run.json keeps it: epoch, step (of the whole run), layer, gradient_norm, learning_rate, dead_relus.
    """

    def __init__(self, message: str, hint: str | None = None, divergence: dict[str, Any] | None = None) -> None:
        super().__init__(message, hint)
        self.divergence = divergence


class Interrupted(MlpError):
    """The user (SIGINT: exit code 130) or the system (SIGTERM: 143) asked the run to stop."""

    def __init__(self, message: str, hint: str | None = None, exit_code: int = 130) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code
