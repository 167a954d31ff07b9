"""Memory for a step: buffers made once, aligned, and used again by every batch.

Alignment to 64 bytes (a cache line, and the widest vector register) makes elementwise passes about a fifth faster than
NumPy's 16 bytes do. Every run has the same alignment, so that no result can depend on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

_ALIGNMENT = 64


def aligned(size: int, dtype: DTypeLike) -> Array:
    """An uninitialised 1-D array of `size` values that starts on a 64-byte boundary."""
    kind = np.dtype(dtype)
    raw = np.empty(size * kind.itemsize + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size * kind.itemsize].view(kind)


def aligned_full(size: int, value: float, dtype: DTypeLike) -> Array:
    """As `aligned`, filled with one value."""
    array = aligned(size, dtype)
    array.fill(value)
    return array


class RowBuffer:
    """Memory for an array of a changing number of rows B and a fixed number of columns H.

    It grows when more rows are asked for and never shrinks. Fewer rows use its leading part: a view is always contiguous.
    """

    def __init__(self, columns: int, dtype: DTypeLike) -> None:
        self.columns = columns
        self._memory = aligned(0, dtype)

    def view(self, rows: int) -> Array:
        """The (B, H) array in C order, of undefined content. Earlier views share its memory or are stale."""
        return self._leading(rows).reshape(rows, self.columns)

    def transposed_view(self, rows: int) -> Array:
        """As `view`, but (B, H) in Fortran order: each column lies in one piece."""
        return self._leading(rows).reshape(self.columns, rows).T

    def _leading(self, rows: int) -> Array:
        size = rows * self.columns
        if size > self._memory.size:
            self._memory = aligned(size, self._memory.dtype)
        return self._memory[:size]
