"""Downloads from public mirrors, by pooch: hash-checked, retried once, and in place only when whole."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlp_cli import files
from mlp_cli.data.entry import Entry, File
from mlp_cli.data.folders import Absent
from mlp_cli.data.streams import foreign
from mlp_cli.errors import DataError

TIMEOUT = 10.0
"""Seconds without a byte after which a server is given up."""
SLOWEST = 2_000.0
"""Bytes a second, on average, below which a server is given up once `PATIENCE` seconds have passed."""
PATIENCE = 30.0
PAUSE = 1.0
"""Seconds before the second attempt."""


class _Again(DataError):
    """A failure that a second attempt may well mend."""


def host_of(mirror: str) -> str:
    """The host's name in a mirror's address."""
    return urlsplit(mirror).hostname or mirror


def download(entry: Entry, mirror: str, room: Path, progress: bool) -> None:
    """Puts those official files of a set, packed, into `room` that are not there yet; the smallest first, since it fails soonest.

    progress: whether to draw a bar on stderr. Errors: `Absent` where the server cannot be reached or lacks a file; DataError where it
    sends something else. Every file is retried once if it came incomplete, wrong or with a server's error.
    """
    for file in sorted(entry.files, key=lambda file: file.packed_bytes):
        try:
            _retrieve(file, mirror, room, progress)
        except _Again:
            time.sleep(PAUSE)
            _retrieve(file, mirror, room, progress)


def _retrieve(file: File, mirror: str, room: Path, progress: bool) -> None:
    import pooch

    name = file.packed_name
    known_hash = f"sha256:{file.packed_sha256}"
    with files.writing(room), _quiet(pooch.get_logger()):
        try:
            pooch.retrieve(f"{mirror}{name}", known_hash, fname=name, path=room, downloader=_downloader(name, file, progress))
        except ValueError as error:
            raise _Again(f"{name}: not the official file (wrong SHA-256)") from error


def _downloader(name: str, file: File, progress: bool) -> Callable[[str, str, Any], None]:
    def fetch(url: str, target: str, _: Any) -> None:
        from pooch import HTTPDownloader

        # The .gz is the file itself here, not a way of sending it.
        headers = {"Accept-Encoding": "identity"}
        with _Watch(name, Path(target), file.packed_bytes, progress) as watch:
            # pooch does not close what it did not read to the end.
            hooks = {"response": lambda response, *_, **__: watch.closing.append(response)}
            options = {"chunk_size": 1 << 13, "timeout": TIMEOUT, "headers": headers, "hooks": hooks}
            try:
                HTTPDownloader(progressbar=watch, **options)(url, target, None)
            except OSError as error:
                # Errors of the network are OSErrors as well, but carry no number.
                if error.errno is not None:
                    raise
                raise _failure(name, error, watch.size) from error
        with open(target, "rb") as handle:
            reason = foreign(handle.read(512))
        if reason:
            raise DataError(f"{name}: not {'a gzip file' if name.endswith('.gz') else 'an archive'}; {reason}")
        if watch.size < file.packed_bytes:
            raise _Again(f"{name}: truncated ({watch.size:,} of {file.packed_bytes:,} bytes)")

    return fetch


def _failure(name: str, error: OSError, received: int) -> DataError:
    response = getattr(error, "response", None)
    if response is not None:
        return (_Again if response.status_code >= 500 else Absent)(f"{name}: HTTP status {response.status_code}")
    if "timed out" in str(error):
        return Absent(f"{name}: no answer within {TIMEOUT:g} s")
    if received or "Connection broken" in str(error):
        return _Again(f"{name}: the connection broke off")
    return Absent(f"{name}: no connection ({_cause(error)})")


class _Watch:
    """What pooch takes for a progress bar: ends a download that is too large or too slow, and draws a bar if one is wanted."""

    def __init__(self, name: str, target: Path, most: int, progress: bool) -> None:
        self.size = 0
        self.total = 0
        self.closing: list[Any] = []
        self._name, self._target, self._most, self._progress = name, target, most, progress
        self._bar: Any = None
        self._started = time.monotonic()

    def __enter__(self) -> _Watch:
        if self._progress:
            from tqdm import tqdm

            self._bar = tqdm(total=self._most, desc=self._name, unit="B", unit_scale=True)
        return self

    def __exit__(self, *error: object) -> None:
        for response in self.closing:
            response.close()
        if self._bar is not None:
            self._bar.close()

    def update(self, _: int) -> None:
        """Called after each piece; pooch's own count is of pieces' greatest size, so the file is asked."""
        size = self._target.stat().st_size
        if self._bar is not None:
            self._bar.update(size - self.size)
        self.size = size
        if size > self._most:
            raise DataError(f"{self._name}: larger than the official {self._most:,} bytes")
        seconds = time.monotonic() - self._started
        if seconds > PATIENCE and size < SLOWEST * seconds:
            raise Absent(f"{self._name}: too slow ({size:,} bytes in {seconds:.0f} s)")

    def reset(self) -> None:
        """Part of what pooch calls at the end; nothing is to do."""

    def close(self) -> None:
        """Part of what pooch calls at the end; the bar is closed by the context."""


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """pooch writes to stderr what the caller may want to say, or not, in its own words."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _cause(error: BaseException) -> str:
    """The reason at the bottom of an exception that wraps others, in a few words."""
    cause: BaseException = error
    while True:
        inner = getattr(cause, "reason", None) or cause.__cause__ or cause.__context__
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in cause.args if isinstance(arg, BaseException)), None)
        if inner is None or inner is cause:
            break
        cause = inner
    text = (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).splitlines()[0]
    return text[:120].lower()
