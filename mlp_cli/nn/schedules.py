"""Learning-rate schedules: a factor for the learning rate of the config, which is the peak, at every step of a run.

A member has `warmup_epochs` and `shape(epoch, epochs) -> float`: the factor `epoch` epochs (0 ≤ epoch < epochs, in fractions: a step
is one over the steps of an epoch) after the warm-up, when `epochs` are left in all from the end of the warm-up to the end of the run.
It is exactly 1 at epoch 0. The factor follows the step, as in Keras, not the epoch, as it usually does in PyTorch; the two agree where
an epoch begins.
"""

from __future__ import annotations

import math
from typing import Annotated, Protocol

from mlp_cli.registry import MOST, Count, Range, Registry

Decay = Annotated[float, Range(gt=0, le=1)]
Share = Annotated[float, Range(ge=0, le=1)]
Epochs = Annotated[float, Range(ge=0, le=MOST)]


class Schedule(Protocol):
    """What a registered schedule offers; see the module's docstring."""

    warmup_epochs: float

    def shape(self, epoch: float, epochs: float) -> float: ...


schedules: Registry[type[Schedule]] = Registry("schedule")


@schedules.register
class Constant:
    """The learning rate as it is.

    warmup_epochs: the rate first rises for so long in equal steps from near zero (Goyal et al., 2017, section 2.2).
    """

    def __init__(self, warmup_epochs: Epochs = 0) -> None:
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return 1.0


@schedules.register
class Step:
    """Multiplied by a factor every so many epochs: factor^⌊epoch / every⌋, PyTorch's StepLR.

    every: epochs. factor: what one drop leaves. warmup_epochs: as in `constant`; the epochs are counted from its end.
    """

    def __init__(self, every: Count = 10, factor: Decay = 0.1, warmup_epochs: Epochs = 0) -> None:
        self.every = every
        self.factor = factor
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return self.factor ** (epoch // self.every)


@schedules.register
class Exponential:
    """Falls smoothly, by the same factor every epoch: factor^epoch, Keras's ExponentialDecay.

    factor: what an epoch leaves. warmup_epochs: as in `constant`; the epochs are counted from its end. PyTorch's ExponentialLR
    takes the same values, but holds each for a whole epoch.
    """

    def __init__(self, factor: Decay = 0.95, warmup_epochs: Epochs = 0) -> None:
        self.factor = factor
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return self.factor**epoch


@schedules.register
class Cosine:
    """Half a cosine from 1 to `final` over the run: final + (1 − final)·(1 + cos(π·epoch/epochs)) / 2.

    (Loshchilov and Hutter, 2017, eq. 5, without restarts.) final: the share of the peak that would be reached one step after the
    last. warmup_epochs: as in `constant`; the cosine takes the epochs that are left.
    """

    def __init__(self, final: Share = 0.0, warmup_epochs: Epochs = 0) -> None:
        self.final = final
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        # The formula turned round, so that the start is exactly 1 in floating point.
        return 1 - (1 - self.final) * (1 - math.cos(math.pi * epoch / epochs)) / 2


def multiplier(schedule: Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The factor for the learning rate of one step.

    step: counted from 0 over the whole run. steps_per_epoch: at least 1. epochs: of the whole run, warm-up included.
    For the first warmup_epochs · steps_per_epoch steps, rounded to a whole number w, it is (step + 1) / w, then what the schedule's
    shape says; a warm-up longer than the run simply does not end. From the run's end on, the shape's value at the end stands.
    Without epochs there is no step to ask for; the answer is that of a beginning.
    """
    warmup = round(schedule.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    steps = epochs * steps_per_epoch - warmup
    if steps <= 0:
        return 1.0
    return schedule.shape(min(step - warmup, steps) / steps_per_epoch, steps / steps_per_epoch)
