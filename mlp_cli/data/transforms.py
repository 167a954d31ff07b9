"""Scaling of the inputs: value = raw · scale + shift, or (raw − centre) · scale; fitted on the training part alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import DTypeLike

from mlp_cli.data.dataset import Array, Part, RawSet
from mlp_cli.errors import DataError, UsageError
from mlp_cli.registry import did_you_mean

_ROWS = 1024
_CHANNELS = (1, 3, 4)
_OTHERS = "use scale: standard or minmax"
_ROUNDING = 4 * np.finfo(np.float64).eps
"""A feature that varies by a smaller share of its size than this varies by rounding alone."""

Pair = tuple[Array | float, Array | float]


class Affine:
    """value = raw · scale + shift, where scale and shift, () or (D,), are arrays of the network's dtype; not to be changed afterwards.

    centre: () or (D,) float64. With it value = (raw − centre) · scale + shift, in float64 up to the conversion, so that values far
    from 0 lose nothing; scale is float64 then.
    width: how many values it makes of a row; None for as many as the row has.
    """

    width: int | None = None

    def __init__(self, scale: Array, shift: Array, centre: Array | None = None) -> None:
        self.scale, self.shift, self.centre = scale, shift, centre
        # A step should not find out again what never changes.
        self._scales = bool(np.any(scale != 1))
        self._shifts = bool(np.any(shift != 0))
        self._centred = np.empty((0, 0))

    def arrays(self) -> dict[str, Array]:
        """What a model's file holds of it."""
        return {"scale": self.scale, "shift": self.shift} | ({} if self.centre is None else {"centre": self.centre})

    @property
    def is_factor(self) -> bool:
        """Whether it is one multiplication by a number."""
        return self.centre is None and self.scale.ndim == 0 and not self._shifts

    def over(self, x: Array) -> tuple[Array, Affine]:
        """The array to take rows of `x` (N, D) from, and what then scales them: `x` itself, and this."""
        return x, self

    def apply(self, raw: Array, out: Array) -> None:
        """Writes the scaled `raw` (B, D) into `out` (B, D), of the network's dtype; what it allocates is kept for the next time."""
        if self.centre is not None:
            if len(raw) > len(self._centred):
                self._centred = np.empty(raw.shape)
            centred = np.subtract(raw, self.centre, out=self._centred[: len(raw)])
            np.multiply(centred, self.scale, out=out, casting="unsafe")
            return
        # Converting first and then multiplying in place is faster than one multiplication of mixed types, which goes by buffers.
        np.copyto(out, raw, casting="unsafe")
        if self._scales:
            np.multiply(out, self.scale, out=out)
        if self._shifts:
            np.add(out, self.shift, out=out)


def fit(
    scale: str | int, part: Part, dtype: DTypeLike, shape: tuple[int, ...] | None = None, divides: bool | None = None
) -> Affine:
    """The scaling of that name, fitted on `part`, in `dtype` (float32 or float64).

    scale: one of `SCALES`; the number 256 stands for its name. shape: of one row, needed for channels: images of three dimensions
    have them first or last, each with as many values; any other shape has one. divides: whether `unit` and `256` divide; None: bytes.
    Statistics are accumulated in float64 in a fixed order. Errors: UsageError; DataError for values too large or small for float64.
    """
    name = str(scale)
    if name not in SCALES:
        raise UsageError(f"unknown scale {name!r}{did_you_mean(name, SCALES)}", f"known: {', '.join(SCALES)}")
    is_bytes = part.x.dtype == np.uint8
    if name in _DIVISORS:
        factor = 1 / _DIVISORS[name] if divides or (divides is None and is_bytes) else 1.0
        return Affine(np.asarray(factor, dtype), np.zeros((), dtype))
    with np.errstate(all="ignore"):
        middle, spread = (np.asarray(value) for value in _FITTED[name](part, shape or part.x.shape[1:]))
        factors = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
    if not (np.isfinite(middle) & np.isfinite(spread) & np.isfinite(factors)).all():
        raise DataError(f"scale: {name}: the inputs are too large, or differ by too little, to be scaled", "drop or rescale them")
    if is_bytes:
        return Affine(np.asarray(factors, dtype), np.asarray(-middle * factors, dtype))
    return Affine(factors, np.zeros((), dtype), middle)


def choose_scale(scale: str | None, whole: RawSet, known: bool) -> tuple[str, bool, tuple[str, ...]]:
    """The scaling of a set, whether `unit` and `256` divide its values, and notices.

    They divide bytes, and whole numbers up to 128 … 255 over the whole set; values within 0 … 1 stay. None: `unit` where that does
    either, else `standard`. known: a set of the catalogue, whose bytes need no look.
    Errors: UsageError for `unit` and `256` on any other values; DataError for values that no network's number can hold as they are.
    """
    is_bytes = whole.train_x.dtype == np.uint8
    if scale in _FITTED or (known and (is_bytes or scale == "none")):
        return str(scale), is_bytes, ()
    arrays = [array for array in (whole.train_x, whole.test_x) if array is not None and len(array)]
    if is_bytes and (scale == "none" or any((rows > 1).any() for rows in _rows_of(arrays))):
        return scale or "unit", True, ()
    least, most = (float(of([of(rows) for rows in _rows_of(arrays)])) for of in (np.min, np.max))
    within = least >= 0 and most <= 1
    divides = least >= 0 and 128 <= most <= 255 and all((rows == np.round(rows)).all() for rows in _rows_of(arrays))
    scale = scale or ("unit" if within or divides else "standard")
    if scale in _DIVISORS and max(-least, most) > float(np.finfo(np.float32).max):
        told = f"{whole.name} has inputs from {least:g} to {most:g}, which float32 cannot hold"
        raise DataError(f"scale: {scale}: {told}", _OTHERS)
    if scale in ("unit", "256") and not (within or divides):
        told = f"the inputs of {whole.name} go from {least:g} to {most:g}"
        raise UsageError(f"scale: {scale} divides bytes, and {told}", _OTHERS)
    notices = (f"the inputs of {whole.name} are bytes of 0 and 1, which scale: {scale} leaves as they are",)
    return scale, divides, notices if is_bytes and scale in ("unit", "256") else ()


def _standard(part: Part, shape: tuple[int, ...]) -> Pair:
    """Each feature to mean 0 and standard deviation 1 (with n); a feature that never varies becomes 0 for every row.

    scikit-learn keeps the difference from the mean of such a feature, which can be large in other rows.
    """
    return _moments(part, part.x.shape[1:], (0,))


def _standard_channel(part: Part, shape: tuple[int, ...]) -> Pair:
    """Each channel as a whole to mean 0 and standard deviation 1 (with n)."""
    first, last = (len(shape) == 3 and shape[end] in _CHANNELS for end in (0, -1))
    if len(shape) == 3 and first == last:
        told = f"images {shape} have their channels nowhere or twice; 1, 3 or 4 are looked for at either end"
        raise UsageError(f"scale: standard_channel: {told}", "use scale: standard")
    channels = shape[0] if first else shape[-1] if last else 1
    plane = part.x.shape[1] // channels
    view, axes = ((plane, channels), (0, 1)) if last else ((channels, plane), (0, 2))
    pair = _moments(part, view, axes)
    if channels == 1:
        return pair[0][0], pair[1][0]
    return tuple(np.tile(value, plane) if last else np.repeat(value, plane) for value in pair)  # type: ignore[return-value]


def _minmax(part: Part, shape: tuple[int, ...]) -> Pair:
    """Each feature's least value to 0 and its greatest to 1; a feature that never varies becomes 0 for every row."""
    pieces = [(rows.min(axis=0), rows.max(axis=0)) for rows in _pieces(part)]
    least, most = np.min([low for low, _ in pieces], axis=0), np.max([high for _, high in pieces], axis=0)
    return least, _varying(most - least, np.maximum(np.abs(least), np.abs(most)))


_DIVISORS = {"unit": 255, "256": 256, "none": 1}
_FITTED: dict[str, Callable[[Part, tuple[int, ...]], Pair]] = {
    "standard": _standard,
    "standard_channel": _standard_channel,
    "minmax": _minmax,
}
"""What becomes 0, and how much of a difference from it becomes 1."""
SCALES = ("unit", "256", *_FITTED, "none")
"""`unit` divides by 255; `256`, as in the files of the Theano tutorials, by that."""


def _moments(part: Part, view: tuple[int, ...], axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and standard deviation over `axes` of the rows seen as (n, *view).

    Of values that are no bytes, differences from one of the first row are taken, in units of the largest: a constant then has none
    at all, and neither large nor small values leave the range of float64.
    """

    def pieces() -> Iterator[Array]:
        return (rows.reshape(-1, *view) for rows in _pieces(part))

    start: Array | float = 0.0
    unit: Array | float = 1.0
    size: Array | float = 0.0
    is_bytes = part.x.dtype == np.uint8
    if not is_bytes:
        start = next(pieces())[:1].min(axis=axes, keepdims=True)
        unit = np.max([np.abs(rows - start).max(axis=axes, keepdims=True) for rows in pieces()], axis=0)
        unit = np.where(unit > 0, unit, 1.0)
        size = np.max([np.abs(rows).max(axis=axes) for rows in pieces()], axis=0)

    def relative() -> Iterator[Array]:
        return pieces() if is_bytes else ((rows - start) / unit for rows in pieces())

    mean = sum(rows.sum(axis=axes, keepdims=True) for rows in relative())
    count = len(part) * part.x.shape[1] // mean.size
    mean = mean / count
    variance = sum(np.square(rows - mean).sum(axis=axes, keepdims=True) for rows in relative()) / count
    return (start + unit * mean).reshape(-1), _varying((unit * np.sqrt(variance)).reshape(-1), size)


def _varying(spread: Array, size: Array | float) -> Array:
    """The spread of features of that size; 0 where it is within rounding."""
    return np.where(spread > _ROUNDING * size, spread, 0.0)


def _pieces(part: Part) -> Iterator[Array]:
    for start in range(0, len(part), _ROWS):
        yield part.x[part.index[start : start + _ROWS]].astype(np.float64)


def _rows_of(arrays: list[Array]) -> Iterator[Array]:
    return (array[start : start + _ROWS] for array in arrays for start in range(0, len(array), _ROWS))
