"""A part of a set, shuffled, cut into batches, converted and scaled batch by batch into buffers that are used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike, NDArray

from mlp_cli.data.augmentations import Augmentation
from mlp_cli.data.dataset import Array, Part
from mlp_cli.data.features import Transform
from mlp_cli.data.transforms import Affine

_PIECE = 1024


class Batches:
    """The batches of one epoch after the other; each iteration goes over every row of the part exactly once.

    part: n rows. transform: applied to each batch. dtype: of the inputs, float32 or float64. augment: what alters the raw rows first,
    once `alter` has been called. gather: takes rows of bytes (N, D), numbers (B,), a factor () and out (B, D): all in one pass, where
    no more is to be done.
    batch_size: rows of a batch, None or "full" for all; more than there are means all. The last batch may be smaller.
    """

    def __init__(
        self,
        part: Part,
        transform: Transform,
        batch_size: int | Literal["full"] | None,
        dtype: DTypeLike,
        augment: Augmentation | None = None,
        gather: Callable[..., object] | None = None,
    ) -> None:
        self.rows = len(part)
        self.batch_size = self.rows if batch_size in (None, "full") else min(int(batch_size), self.rows)
        self.part = part
        self.transform = transform
        self.augment = augment
        self._generator: Generator | None = None
        # Rows of the set itself may have their features already.
        self._rows, self._made_by = transform.over(part.x)
        one_pass = (
            isinstance(self._made_by, Affine) and self._made_by.is_factor and self._rows.dtype == np.uint8 and augment is None
        )
        self._one_pass = gather if one_pass else None
        self._order = part.index
        # Rows that follow one another need no gathering.
        self._contiguous = bool(np.all(np.diff(part.index) == 1))
        self._in_order = True
        self._raw = np.empty((min(self.batch_size, _PIECE), self._rows.shape[1]), dtype=self._rows.dtype)
        self._x = np.empty((self.batch_size, transform.width or part.x.shape[1]), dtype=dtype)
        self._y = np.asarray(part.y[part.index])
        self._whole: Array | None = None

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return -(-self.rows // self.batch_size)

    def shuffle(self, generator: Generator | None) -> None:
        """Puts the rows in an order drawn from `generator`, or with None in that of the part. The order before has no influence.

        A single batch of all rows keeps the part's order and is converted only once, since order has no meaning there.
        """
        if self.batch_size == self.rows:
            return
        self._in_order = generator is None
        self._order = self.part.index if generator is None else generator.permutation(self.part.index)
        np.take(self.part.y, self._order, axis=0, out=self._y, mode="clip")

    def alter(self, generator: Generator) -> None:
        """From now on rows are altered, as `augment` says, with what this generator gives; without `augment` they stay as they are."""
        if self.augment is not None:
            self._generator, self._whole = generator, None

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """Yields x (B, D) of the dtype and y (B,) int64 or float64, both valid until the next batch and not to be written to."""
        if self.batch_size == self.rows:
            if self._whole is None:
                self._gather(self._order, self._x)
                self._whole = self._x.view()
                self._whole.flags.writeable = False
            yield self._whole, self._y
            return
        x, order, size = self._rows, self._order, self.batch_size
        straight = self._contiguous and self._in_order and self._generator is None
        for start in range(0, self.rows, size):
            stop = min(start + size, self.rows)
            out = self._x[: stop - start]
            if straight:
                first = order[0]
                self._made_by.apply(x[first + start : first + stop], out)
            else:
                self._gather(order[start:stop], out)
            yield out, self._y[start:stop]

    def _gather(self, rows: NDArray[np.intp], out: Array) -> None:
        """Converts the given rows into `out`, by way of a buffer that stays in the processor's cache."""
        if self._one_pass is not None and isinstance(self._made_by, Affine):
            self._one_pass(self._rows, rows, self._made_by.scale, out)
            return
        for start in range(0, len(rows), _PIECE):
            piece = rows[start : start + _PIECE]
            raw = self._raw[: len(piece)]
            # Any other mode than "raise" writes straight into `out`.
            np.take(self._rows, piece, axis=0, out=raw, mode="clip")
            if self.augment is not None and self._generator is not None:
                raw = self.augment(raw, self._generator)
            self._made_by.apply(raw, out[start : start + _PIECE])
