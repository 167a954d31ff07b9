"""Principal components of the scaled inputs, fitted on the training part alone."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import DTypeLike
from typing_extensions import Doc

from mlp_cli.data.dataset import Array, Part
from mlp_cli.data.transforms import Affine
from mlp_cli.errors import UsageError
from mlp_cli.registry import Count

_ROWS = 1024
_LEAST = 1e-6
"""Directions whose variance is a smaller share of the largest are left out: there is nothing but rounding in them."""


class Projection:
    """Scaling, then value = scaled · matrix + shift. matrix (D, C), shift (C,), of the network's dtype; used like an `Affine`."""

    def __init__(self, scaling: Affine, matrix: Array, shift: Array) -> None:
        self.scaling, self.matrix, self.shift = scaling, matrix, shift
        self.width: int | None = matrix.shape[1]
        self._scaled = np.empty((0, matrix.shape[0]), dtype=matrix.dtype)

    def over(self, x: Array) -> tuple[Array, Projection]:
        """The array to take rows of `x` (N, D) from, and what then makes features of them: `x` itself, and this."""
        return x, self

    def apply(self, raw: Array, out: Array) -> None:
        """Writes the features of `raw` (B, D) into `out` (B, C)."""
        if len(raw) > len(self._scaled):
            self._scaled = np.empty((len(raw), self.matrix.shape[0]), dtype=self.matrix.dtype)
        scaled = self._scaled[: len(raw)]
        self.scaling.apply(raw, scaled)
        np.matmul(scaled, self.matrix, out=out)
        np.add(out, self.shift, out=out)

    def arrays(self) -> dict[str, Array]:
        """What a model's file holds of it."""
        return self.scaling.arrays() | {"projection": self.matrix, "projection_shift": self.shift}


class Pca:
    """Principal components of the scaled inputs, each of variance 1 if whitened.

    Kessy, Lewin and Strimmer 2018, Optimal whitening and decorrelation. The entry of largest magnitude of each direction is positive, as
    in scikit-learn, which divides by n − 1 and keeps directions that do not vary.
    """

    def __init__(
        self,
        components: Annotated[Count | None, Doc("How many, those of the largest variance; null for all that vary.")] = None,
        whiten: Annotated[bool, Doc("Divide each component by its standard deviation (with n).")] = True,
    ) -> None:
        self.components, self.whiten = components, whiten

    def fit(self, part: Part, scaling: Affine, dtype: DTypeLike) -> Projection:
        """Fitted on a part. Errors: UsageError for more components than there are directions that vary."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean, covariance = _moments(part, scaling, dtype)
        if not np.isfinite(covariance).all():
            raise UsageError("features: pca, but the inputs are too large for it as they are scaled", "use scale: standard")
        variance, directions = np.linalg.eigh(covariance)
        variance, directions = variance[::-1], directions[:, ::-1]
        found = int((variance > _LEAST * max(float(variance[0]), np.finfo(np.float64).tiny)).sum())
        if not found:
            raise UsageError("features: pca, but all rows of the training part are equal")
        count = self.components or found
        if count > found:
            told = f"{count} components, but the training part varies in {found} directions only"
            raise UsageError(f"features: {told}", f"set features.components to at most {found}, or null for all")
        variance, directions = variance[:count], directions[:, :count]
        largest = directions[np.abs(directions).argmax(axis=0), np.arange(count)]
        matrix = directions * np.where(largest < 0, -1.0, 1.0)
        if self.whiten:
            matrix = matrix / np.sqrt(variance)
        return Projection(scaling, np.ascontiguousarray(matrix, dtype=dtype), np.asarray(-mean @ matrix, dtype=dtype))


def _moments(part: Part, scaling: Affine, dtype: DTypeLike) -> tuple[Array, Array]:
    """Mean (D,) and covariance (D, D) of the scaled rows, float64; products of 1,024 rows at a time are taken in `dtype`."""
    width = part.x.shape[1]
    buffer = np.empty((min(_ROWS, len(part)), width), dtype=dtype)
    mean, covariance = np.zeros(width), np.zeros((width, width))
    for centred in (False, True):
        for start in range(0, len(part), _ROWS):
            rows = part.index[start : start + _ROWS]
            scaled = buffer[: len(rows)]
            scaling.apply(part.x[rows], scaled)
            if centred:
                np.subtract(scaled, mean, out=scaled, casting="unsafe")
                covariance += scaled.T @ scaled
            else:
                mean += scaled.sum(axis=0, dtype=np.float64) / len(part)
    return mean, covariance / len(part)
