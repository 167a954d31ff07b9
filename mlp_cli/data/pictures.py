"""Rows of a set as pictures: planes of pixels, whatever order and range the set keeps them in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlp_cli.data.dataset import Array, Dataset
from mlp_cli.errors import UsageError

_CHANNELS = (1, 3, 4)
_ROWS = 1024


@dataclass(frozen=True)
class Pictures:
    """How the pictures of a set lie in its rows.

    channels, height, width: of one picture. last: whether a row has the channels last, as (height, width, channels).
    top: the value of white, 255 or 1; black is 0.
    """

    channels: int
    height: int
    width: int
    last: bool = False
    top: float = 255.0

    def planes(self, rows: Array) -> Array:
        """Rows (B, D) as planes (B, channels, height, width) of the same dtype; a view."""
        if self.last:
            return rows.reshape(len(rows), self.height, self.width, self.channels).transpose(0, 3, 1, 2)
        return rows.reshape(len(rows), self.channels, self.height, self.width)

    def rows(self, planes: Array) -> Array:
        """What `planes` makes of rows, back again; a view where the order allows it."""
        return (planes.transpose(0, 2, 3, 1) if self.last else planes).reshape(len(planes), -1)

    def bytes_of(self, rows: Array) -> NDArray[np.float32]:
        """Rows (B, D) as new planes of float32 from 0 (black) to 255 (white)."""
        planes = np.array(self.planes(rows), dtype=np.float32, order="C")
        return planes if self.top == 255 else planes * np.float32(255 / self.top)


def laid_out(shape: tuple[int, ...], top: float) -> Pictures | None:
    """Pictures of that shape: (height, width), or with 1, 3 or 4 channels at either end, the first where both fit. None for others."""
    first, last = (len(shape) == 3 and shape[end] in _CHANNELS for end in (0, -1))
    if len(shape) != 2 and not (first or last):
        return None
    if first:
        return Pictures(shape[0], shape[1], shape[2], False, top)
    return Pictures(shape[2] if last else 1, shape[0], shape[1], last, top)


def pictures_of(dataset: Dataset, what: str) -> Pictures:
    """How the pictures of `dataset` lie in its rows. what: the key that needs pictures, for the error.

    Errors: UsageError where its rows are no pictures, or are neither bytes nor numbers within 0–1 or 0–255.
    """
    shape = dataset.shape
    found = laid_out(shape, 255.0)
    if found is None:
        kind = "a table" if dataset.encoding is not None else f"rows of shape {' × '.join(map(str, shape))}"
        raise UsageError(f"{what}: needs pictures, and {dataset.name} has {kind}", f"remove {what}")
    if dataset.train.x.dtype != np.uint8:
        least, most = _range(part.x for part in dataset.parts().values())
        if least < 0 or most > 255:
            told = f"has values from {least:g} to {most:g}"
            raise UsageError(
                f"{what}: needs pictures of bytes, or of numbers within 0–1 or 0–255, and {dataset.name} {told}", f"remove {what}"
            )
        found = replace(found, top=1.0 if most <= 1 else 255.0)
    return found


def _range(arrays: Iterable[Array]) -> tuple[float, float]:
    """The least and the largest value."""
    pieces: Sequence[Array] = [x[start : start + _ROWS] for x in arrays for start in range(0, len(x), _ROWS)]
    return min(float(piece.min()) for piece in pieces), max(float(piece.max()) for piece in pieces)
