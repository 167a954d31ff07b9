"""Scaling of the inputs: value = raw · scale + shift, fitted on the training part alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from mlp_cli.data.dataset import Array, Part
from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean

_ROWS = 1024

Pair = tuple[Array | float, Array | float]


class Affine:
    """value = raw · scale + shift. scale, shift: () or (D,) arrays of the network's dtype; not to be changed afterwards.

    width: how many values it makes of a row; None for as many as the row has.
    """

    width: int | None = None

    def __init__(self, scale: Array, shift: Array) -> None:
        self.scale = scale
        self.shift = shift
        # A step should not find out again what never changes.
        self._scales = bool(np.any(scale != 1))
        self._shifts = bool(np.any(shift != 0))

    def arrays(self) -> dict[str, Array]:
        """What a model's file holds of it."""
        return {"scale": self.scale, "shift": self.shift}

    def apply(self, raw: Array, out: Array) -> None:
        """Writes the scaled `raw` (B, D) into `out` (B, D), of the network's dtype; allocates nothing."""
        # Converting first and then multiplying in place is faster than one multiplication of mixed types, which goes by buffers.
        np.copyto(out, raw, casting="unsafe")
        if self._scales:
            np.multiply(out, self.scale, out=out)
        if self._shifts:
            np.add(out, self.shift, out=out)


def fit(scale: str | int, part: Part, dtype: DTypeLike, shape: tuple[int, ...] | None = None) -> Affine:
    """The scaling of that name, fitted on `part`, in `dtype` (float32 or float64).

    scale: one of `SCALES`; the number 256 stands for its name. shape: of one row, needed for channels: (C, H, W) has C of them,
    each a plane of D / C values; any other shape has one.
    Statistics are accumulated in float64 in a fixed order. Errors: UsageError.
    """
    name = str(scale)
    if name not in SCALES:
        raise UsageError(f"unknown scale {name!r}{did_you_mean(name, SCALES)}", f"known: {', '.join(SCALES)}")
    factor, shift = SCALES[name](part, shape or part.x.shape[1:])
    return Affine(np.asarray(factor, dtype=dtype), np.asarray(shift, dtype=dtype))


def _unit(part: Part, shape: tuple[int, ...]) -> Pair:
    """Bytes / 255, so 0 to 1; data that are no bytes stay as they are."""
    return (1 / 255 if part.x.dtype == np.uint8 else 1.0), 0.0


def _256(part: Part, shape: tuple[int, ...]) -> Pair:
    """Bytes / 256, as in the files of the Theano tutorials; data that are no bytes stay as they are."""
    return (1 / 256 if part.x.dtype == np.uint8 else 1.0), 0.0


def _standard(part: Part, shape: tuple[int, ...]) -> Pair:
    """Each feature to mean 0 and standard deviation 1 (with n); a feature that never varies becomes 0 for every row.

    scikit-learn keeps the difference from the mean of such a feature, which can be large in other rows.
    """
    mean = sum(rows.sum(axis=0) for rows in _pieces(part)) / len(part)
    variance = sum(np.square(rows - mean).sum(axis=0) for rows in _pieces(part)) / len(part)
    return _centred(np.asarray(mean), np.sqrt(variance))


def _standard_channel(part: Part, shape: tuple[int, ...]) -> Pair:
    """Each channel as a whole to mean 0 and standard deviation 1 (with n)."""
    channels = shape[0] if len(shape) == 3 else 1
    plane = part.x.shape[1] // channels
    count = len(part) * plane
    mean = sum(rows.reshape(-1, channels, plane).sum(axis=(0, 2)) for rows in _pieces(part)) / count
    squares = (
        np.square(rows.reshape(-1, channels, plane) - np.reshape(mean, (-1, 1))).sum(axis=(0, 2)) for rows in _pieces(part)
    )
    factor, shift = _centred(np.asarray(mean), np.sqrt(sum(squares) / count))
    if channels == 1:
        return factor[0], shift[0]
    return np.repeat(factor, plane), np.repeat(shift, plane)


def _minmax(part: Part, shape: tuple[int, ...]) -> Pair:
    """Each feature's least value to 0 and its greatest to 1; a feature that never varies becomes 0 for every row."""
    pieces = [(rows.min(axis=0), rows.max(axis=0)) for rows in _pieces(part)]
    least = np.min([low for low, _ in pieces], axis=0)
    return _centred(least, np.max([high for _, high in pieces], axis=0) - least)


def _none(part: Part, shape: tuple[int, ...]) -> Pair:
    """The raw values."""
    return 1.0, 0.0


SCALES: dict[str, Callable[[Part, tuple[int, ...]], Pair]] = {
    "unit": _unit,
    "256": _256,
    "standard": _standard,
    "standard_channel": _standard_channel,
    "minmax": _minmax,
    "none": _none,
}


def _pieces(part: Part) -> Iterator[Array]:
    for start in range(0, len(part), _ROWS):
        yield part.x[part.index[start : start + _ROWS]].astype(np.float64)


def _centred(middle: Array, spread: Array) -> tuple[Array, Array]:
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    return scale, -middle * scale
