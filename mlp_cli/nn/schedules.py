"""Learning-rate schedules: a factor for the config's learning rate, which is the peak, at every step of a run.

A member has `warmup_epochs` and `shape(epoch, epochs) -> float`: the factor `epoch` epochs after the warm-up, when `epochs` lie
between the warm-up and the end of the run. Both count in fractions: a step is one over the steps of an epoch.
The factor is exactly 1 at epoch 0. It follows the step, as in Keras, not the epoch, as usually in PyTorch; the two agree where an
epoch begins.
"""

from __future__ import annotations

import math
from typing import Annotated, Protocol

from typing_extensions import Doc

from mlp_cli.registry import MOST, Count, Range, Registry

Decay = Annotated[float, Range(gt=0, le=1)]
Share = Annotated[float, Range(ge=0, le=1)]
Warmup = Annotated[float, Range(ge=0, le=MOST), Doc("Epochs in which the rate first rises in equal steps from near zero.")]
"""The warm-up of Goyal et al. (2017, section 2.2); what a schedule says of epochs counts from its end."""


class Schedule(Protocol):
    """What a registered schedule offers; see the module's docstring."""

    warmup_epochs: float

    def shape(self, epoch: float, epochs: float) -> float: ...


schedules: Registry[type[Schedule]] = Registry("schedule")


@schedules.register
class Constant:
    """The learning rate as it is."""

    def __init__(self, warmup_epochs: Warmup = 0) -> None:
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return 1.0


@schedules.register
class Step:
    """Multiplied by a factor every so many epochs: factor^⌊epoch / every⌋, PyTorch's StepLR."""

    def __init__(
        self,
        every: Annotated[Count, Doc("Epochs from one drop to the next.")] = 10,
        factor: Annotated[Decay, Doc("Share of the rate that a drop leaves.")] = 0.1,
        warmup_epochs: Warmup = 0,
    ) -> None:
        self.every = every
        self.factor = factor
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return self.factor ** (epoch // self.every)


@schedules.register
class Exponential:
    """Falls smoothly, by the same factor every epoch: factor^epoch, Keras's ExponentialDecay.

    PyTorch's ExponentialLR takes the same values, but holds each for a whole epoch.
    """

    def __init__(
        self,
        factor: Annotated[Decay, Doc("Share of the rate that an epoch leaves.")] = 0.95,
        warmup_epochs: Warmup = 0,
    ) -> None:
        self.factor = factor
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return self.factor**epoch


@schedules.register
class Cosine:
    """Half a cosine from 1 to `final` over the run: final + (1 − final)·(1 + cos(π·epoch/epochs)) / 2.

    (Loshchilov and Hutter, 2017, eq. 5, without restarts.) The cosine takes the epochs that the warm-up leaves.
    """

    def __init__(
        self,
        final: Annotated[Share, Doc("Share of the peak that would be reached one step after the last.")] = 0.0,
        warmup_epochs: Warmup = 0,
    ) -> None:
        self.final = final
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        # The formula turned round, so that the start is exactly 1 in floating point.
        return 1 - (1 - self.final) * (1 - math.cos(math.pi * epoch / epochs)) / 2


def multiplier(schedule: Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The factor for the learning rate of one step.

    step: counted from 0 over the whole run. steps_per_epoch: at least 1. epochs: of the whole run, warm-up included.
    For the first w = warmup_epochs · steps_per_epoch steps, rounded, it is (step + 1) / w, then what the schedule's shape says.
    A warm-up longer than the run does not end. From the run's end on, the shape's value at the end stands.
    """
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    steps = epochs * steps_per_epoch - warmup
    if steps <= 0:
        return 1.0
    return schedule.shape(min(step - warmup, steps) / steps_per_epoch, steps / steps_per_epoch)
