"""A set of a few rows that stands in for the real ones in the catalogue, and walls that keep every test on this machine."""

import dataclasses
import gzip
import hashlib
import lzma
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlp_cli.data import catalogue, sources
from mlp_cli.data.arrays import idx_header
from mlp_cli.data.catalogue import Entry, File

TRAIN, TEST, SHAPE, CLASSES = 24, 8, (3, 2), 3


def idx_bytes(array: np.ndarray) -> bytes:
    """The content of an IDX file."""
    return idx_header(array) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def pack(content: bytes, suffix: str) -> bytes:
    """Content as a file with that suffix holds it."""
    return {"": lambda data: data, ".gz": lambda data: gzip.compress(data, mtime=0), ".xz": partial(lzma.compress, preset=0)}[
        suffix
    ](content)


@dataclasses.dataclass(frozen=True)
class Tiny:
    """An entry of the catalogue with the arrays and the file contents that belong to it."""

    entry: Entry
    arrays: dict[str, np.ndarray]
    contents: dict[str, bytes]

    def write(self, folder: Path, suffix: str = ".gz", spelling: int = 0) -> Path:
        """Puts the four files into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in self.entry.files:
            (folder / f"{file.names[spelling]}{suffix}").write_bytes(pack(self.contents[file.role], suffix))
        return folder

    def packed(self) -> dict[str, bytes]:
        """The .gz files by name, as a mirror serves them."""
        return {f"{file.names[0]}.gz": pack(self.contents[file.role], ".gz") for file in self.entry.files}


def make_tiny(name: str, seed: int) -> Tiny:
    """A set of random bytes; two of different seeds share names and sizes, as MNIST and Fashion-MNIST do."""
    generator = np.random.default_rng(seed)
    arrays = {
        "train_x": generator.integers(0, 256, (TRAIN, *SHAPE), dtype=np.uint8),
        "train_y": np.arange(TRAIN, dtype=np.uint8) % CLASSES,
        "test_x": generator.integers(0, 256, (TEST, *SHAPE), dtype=np.uint8),
        "test_y": generator.permutation(np.arange(TEST, dtype=np.uint8) % CLASSES),
    }
    contents = {role: idx_bytes(array) for role, array in arrays.items()}
    # Labels that are the same in both sets would not tell them apart.
    arrays["train_y"] = generator.permutation(arrays["train_y"])
    contents["train_y"] = idx_bytes(arrays["train_y"])
    files = []
    for model in catalogue.ENTRIES["mnist"].files:
        content, gz = contents[model.role], pack(contents[model.role], ".gz")
        sums = [hashlib.sha256(data).hexdigest() for data in (content, gz)]
        files.append(File(model.role, model.names, len(gz), sums[0]))
    entry = dataclasses.replace(
        catalogue.ENTRIES["mnist"],
        name=name,
        title=f"{name}, for tests",
        classes=tuple("abc"),
        shape=SHAPE,
        train=TRAIN,
        test=TEST,
        validation=6,
        official_validation=None,
        files=tuple(files),
        folders=(name, f"{name.upper()}/raw"),
        system=(f"datasets/{name}",),
        mirrors=(),
        packages=(),
        npz=f"{name}.npz",
    )
    return Tiny(entry, arrays, contents)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The set `tiny`, in the catalogue for the time of a test, beside a set `other` of the same names and sizes."""
    made = make_tiny("tiny", 1)
    monkeypatch.setitem(catalogue.ENTRIES, "tiny", made.entry)
    monkeypatch.setitem(catalogue.ENTRIES, "other", make_tiny("other", 2).entry)
    return made


@pytest.fixture
def change(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Entry]:
    """Changes fields of the entry `tiny` in the catalogue."""

    def apply(**fields: Any) -> Entry:
        entry = dataclasses.replace(catalogue.ENTRIES["tiny"], **fields)
        monkeypatch.setitem(catalogue.ENTRIES, "tiny", entry)
        return entry

    return apply


@pytest.fixture(autouse=True)
def walls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No test meets a client, a system folder or a server of the outside; gives the folder that is alone on PATH."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(sources, "PYTHON_FOLDER", tmp_path / "no-programs")
    monkeypatch.setattr(sources, "SYSTEM_FOLDERS", (tmp_path / "share",))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        assert address[0] == "127.0.0.1", f"a test reaches out to {address}"
        connect(self, address)

    def guarded_look_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "127.0.0.1":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)
    yield programs
