"""A small set of images on disk, and what a command answered."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def write_idx(path: Path, array: np.ndarray) -> None:
    """An IDX file of bytes."""
    path.write_bytes(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


def make_idx_set(folder: Path, train: int = 600, test: int = 120, classes: int = 4, side: int = 6) -> Path:
    """Noisy images of a few patterns, one a class: a set that a small network learns well, and not perfectly at once."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(7)
    patterns = generator.integers(0, 256, (classes, side, side))
    for prefix, count in (("train", train), ("t10k", test)):
        labels = generator.integers(0, classes, count)
        images = np.clip(patterns[labels] + generator.normal(0, 90, (count, side, side)), 0, 255).astype(np.uint8)
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels.astype(np.uint8))
    return folder


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def arrays_in(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; the file is closed again, which a lazily read one is not."""
    with np.load(path) as file:
        return dict(file)
