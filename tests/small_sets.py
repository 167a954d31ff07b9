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


def write_table(path: Path) -> None:
    """A table with a column of texts, a gap that is filled, and a class; 700 rows, so that it is more than one batch."""
    generator = np.random.default_rng(3)
    lines = ["size,colour,weight,kind"]
    for row in range(700):
        size, colour = generator.normal(), ("red", "green", "blue")[generator.integers(3)]
        weight = "" if row % 50 == 7 else f"{generator.normal(5.0, 2.0):.3f}"
        lines.append(f"{size:.4f},{colour},{weight},{'big' if size + (colour == 'red') > 0.5 else 'small'}")
    path.write_text("\n".join(lines) + "\n")


def write_quantity(path: Path) -> None:
    """A quantity of three features: 600 training and 200 test rows."""
    generator = np.random.default_rng(4)
    x = generator.normal(40.0, 9.0, (800, 3))
    y = np.exp(0.03 * x[:, 0]) + 0.1 * x[:, 1] + 5
    np.savez(path, x_train=x[:600], y_train=y[:600], x_test=x[600:], y_test=y[600:])


def write_labels(path: Path) -> None:
    """A table of three features and two labels, any of which a row may have: 300 rows."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(300, 3))
    warm, wet = x[:, 0] + x[:, 1] > 0, x[:, 2] + 0.5 * generator.normal(size=300) > 0.7
    rows = [
        ",".join([*(f"{value:.4f}" for value in row), str(int(a)), str(int(b))]) for row, a, b in zip(x, warm, wet, strict=True)
    ]
    path.write_text("\n".join(["a,b,c,warm,wet", *rows]) + "\n")


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
