"""The scaling of a quantity's targets for training, and the way back to the quantity's own unit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mlp_cli.data.dataset import Array, Dataset, Part
from mlp_cli.errors import DataError


@dataclass(frozen=True)
class TargetScale:
    """A network learns (f(target) − shift) / scale; f is the logarithm where `log` is set, else nothing.

    shift: () or (K,) float64, by output. scale: one for all outputs, so that the loss weighs them as it does in their own unit.
    loss_unit: what a mean loss is multiplied with to be in the unit of f(target).
    """

    log: bool = False
    shift: Array | float = 0.0
    scale: float = 1.0
    loss_unit: float = 1.0

    def scaled(self, part: Part) -> Part:
        """The part with the targets that a network learns."""
        if self is UNSCALED:
            return part
        with np.errstate(all="ignore"):  # rows that no part has may hold anything
            y = np.log(part.y) if self.log else part.y
            return replace(part, y=(y - self.shift) / self.scale)

    def restored(self, values: Array) -> Array:
        """Outputs or scaled targets (B, K) in the quantity's own unit, float64."""
        values = values.astype(np.float64)
        if self is UNSCALED:
            return values
        values = values * self.scale + self.shift
        return np.exp(values) if self.log else values

    def arrays(self) -> dict[str, Array]:
        """What model.npz keeps of it."""
        named = {"target_log": self.log, "target_shift": self.shift, "target_scale": self.scale}
        return {name: np.asarray(value) for name, value in named.items()}


UNSCALED = TargetScale()
"""Targets as they are, as class numbers always stay."""

_LARGEST = {"none": 1e18, "standard": 1e150, "log": np.inf}
"""The squares of larger targets are no numbers of float32, of float64."""


def check_targets(kind: str, dataset: Dataset) -> None:
    """Refuses targets of a regression set that cannot be scaled so: for a logarithm those that are not positive, and those whose
    squares overflow. Errors: DataError."""
    for name, y in {name: part.y[part.index] for name, part in dataset.parts().items()}.items():
        if kind == "log" and y.min() <= 0:
            told = f"log needs positive targets, and one of the {name} part is {y.min():g}"
            raise DataError(f"{dataset.name}: target_scale: {told}", "write target_scale: standard")
        if np.abs(y).max() > _LARGEST[kind]:
            hint = "write target_scale: standard" if kind == "none" else "give the targets in another unit"
            told = f"a target of the {name} part is {np.abs(y).max():g}; its square is too large a number"
            raise DataError(f"{dataset.name}: {told}", hint)


def fit_targets(kind: str, dataset: Dataset, degree: int) -> TargetScale:
    """The scaling of a regression set by its training part, once it is checked.

    kind: `standard` (mean 0, standard deviation 1), `log` (the same of the logarithm) or `none`. degree: the loss of residuals
    that are c times as large is c**degree times as large.
    """
    if kind == "none":
        return UNSCALED
    log = kind == "log"
    y = dataset.train.y[dataset.train.index].astype(np.float64)
    y = np.log(y) if log else y
    # A power of two keeps the squares of huge and of tiny targets within float64.
    unit = 2.0 ** np.frexp(np.abs(y).max(initial=0.0))[1]
    shift = (y / unit).mean(axis=0)
    deviation = float(np.sqrt(np.square(y / unit - shift).mean()))
    # Targets that are all equal have nothing but rounding errors as a deviation.
    scale = deviation * unit if deviation > 1e-12 else 1.0
    return TargetScale(log, shift * unit, scale, scale**degree)
