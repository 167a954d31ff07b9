"""stdout and stderr of the process: a result that cannot be written is one plain error, a message that cannot be is dropped."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO


class _Output(io.FileIO):
    """The descriptor of a stream. Once something could not be written, all that follows is dropped: the first error is enough."""

    failed = False

    def __init__(self, descriptor: int, needed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.needed = needed

    def write(self, content: Any) -> int:
        """Errors: RunError, once, where the stream is one whose content is needed."""
        if not self.failed:
            try:
                return super().write(content)
            except OSError as error:
                self.failed = True
                if self.needed:
                    self._raise(error)
        return memoryview(content).nbytes

    def _raise(self, error: OSError) -> None:
        from pathlib import Path

        from mlp_cli.errors import ReaderGone, RunError
        from mlp_cli.files import writing

        try:
            with writing(Path("standard output")):
                raise error
        except RunError as known:
            raise ReaderGone(known.message, known.hint) if isinstance(error, BrokenPipeError) else known from error


def set_up() -> None:
    """Replaces sys.stdout and sys.stderr, for the whole process; characters that their encoding lacks are escaped.

    A descriptor that was closed when the process began leads nowhere from now on, lest a file that is opened later takes its number
    and gets what is printed.
    """
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout, sys.stderr = _text(sys.stdout, _Output(1, True)), _text(sys.stderr, _Output(2, False))


def _text(before: TextIO | None, output: _Output) -> TextIO:
    encoding = "utf-8" if before is None else before.encoding
    by_line = output.isatty() or not output.needed
    return io.TextIOWrapper(io.BufferedWriter(output), encoding=encoding, errors="backslashreplace", line_buffering=by_line)
