"""Learning-rate schedules: a factor for the config's learning rate, which is the peak, at every step of a run.

A member has `warmup_epochs` and `shape(epoch, epochs) -> float`: the factor `epoch` epochs after the warm-up, when `epochs` lie
between the warm-up and the end of the run. Both count in fractions: a step is one over the steps of an epoch.
The factor is at most 1, and exactly 1 at epoch 0 but for those that rise (`one_cycle`, `cyclic`).
It follows the step, as in Keras, not the epoch, as usually in PyTorch; the two agree where an
epoch begins.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from typing_extensions import Doc

from mlp_cli.nn.buffers import Array
from mlp_cli.registry import MOST, Count, Fraction, NonNegative, Positive, Range, Registry

Decay = Annotated[float, Range(gt=0, le=1)]
Share = Annotated[float, Range(ge=0, le=1)]
Warmup = Annotated[float, Range(ge=0, le=MOST), Doc("Epochs in which the rate first rises in equal steps from near zero.")]
"""The warm-up of Goyal et al. (2017, section 2.2); what a schedule says of epochs counts from its end."""


class Schedule:
    """The base of all schedules; see the module's docstring.

    uses_length: whether the shape depends on `epochs`, so that a longer run differs from a shorter one from the first step on.
    """

    uses_length: ClassVar[bool] = False
    warmup_epochs: float

    def shape(self, epoch: float, epochs: float) -> float:
        raise NotImplementedError


schedules: Registry[type[Schedule]] = Registry("schedule")


@schedules.register
class Constant(Schedule):
    """The learning rate as it is."""

    def __init__(self, warmup_epochs: Warmup = 0) -> None:
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return 1.0


@schedules.register
class Step(Schedule):
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
class Exponential(Schedule):
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
class Cosine(Schedule):
    """Half a cosine from 1 to `final` over the run: final + (1 − final)·(1 + cos(π·epoch/epochs)) / 2.

    (Loshchilov and Hutter, 2017, eq. 5, without restarts.) The cosine takes the epochs that the warm-up leaves.
    """

    uses_length: ClassVar[bool] = True

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


@schedules.register
class Polynomial(Schedule):
    """A power of the way that is left, from 1 to `final`: final + (1 − final)·(1 − epoch/epochs)^power; a straight line for power 1."""

    uses_length: ClassVar[bool] = True

    def __init__(
        self,
        power: Annotated[Positive, Doc("Exponent of the way that is left.")] = 1.0,
        final: Annotated[Share, Doc("Share of the peak that would be reached one step after the last.")] = 0.0,
        warmup_epochs: Warmup = 0,
    ) -> None:
        self.power = power
        self.final = final
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return self.final + (1 - self.final) * (1 - epoch / epochs) ** self.power


@schedules.register
class InverseSquareRoot(Schedule):
    """√(timescale / (timescale + epoch)): it falls for ever, whatever the length of the run.

    With as many epochs of warm-up as timescale it is the schedule of Vaswani et al. (2017, eq. 3).
    """

    def __init__(
        self,
        timescale: Annotated[Positive, Doc("Epochs after which the rate has fallen to 0.71 of its peak.")] = 1.0,
        warmup_epochs: Warmup = 0,
    ) -> None:
        self.timescale = timescale
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return math.sqrt(self.timescale / (self.timescale + epoch))


@schedules.register
class OneCycle(Schedule):
    """Up and down once: half a cosine from first to 1 in the first part of the run, half a cosine down to final in the rest.

    (Smith and Topin, 2019; the form of PyTorch's OneCycleLR, whose defaults these are.) The momentum stays as it is.
    """

    uses_length: ClassVar[bool] = True

    def __init__(
        self,
        rise: Annotated[Fraction, Doc("Share of the run in which the rate rises.")] = 0.3,
        first: Annotated[Share, Doc("Share of the peak at the first step.")] = 0.04,
        final: Annotated[Share, Doc("Share of the peak that would be reached one step after the last.")] = 4e-6,
    ) -> None:
        self.rise = rise
        self.first = first
        self.final = final
        self.warmup_epochs = 0.0

    def shape(self, epoch: float, epochs: float) -> float:
        top = self.rise * epochs
        if epoch < top:
            return 1 - (1 - self.first) * (1 + math.cos(math.pi * epoch / top)) / 2
        return 1 - (1 - self.final) * (1 - math.cos(math.pi * (epoch - top) / (epochs - top))) / 2


@schedules.register
class Cyclic(Schedule):
    """Up from lowest to 1 and down again in straight lines, every `period` epochs (Smith, 2017, policy triangular)."""

    def __init__(
        self,
        period: Annotated[Positive, Doc("Epochs from one low to the next.")] = 4.0,
        lowest: Annotated[Share, Doc("Share of the peak at the low, where the run begins.")] = 0.1,
    ) -> None:
        self.period = period
        self.lowest = lowest
        self.warmup_epochs = 0.0

    def shape(self, epoch: float, epochs: float) -> float:
        place = epoch / self.period % 1.0
        return self.lowest + (1 - self.lowest) * (1 - abs(2 * place - 1))


@schedules.register
class WarmRestarts(Schedule):
    """Half a cosine from 1 to final, again and again, each `factor` times as long (Loshchilov and Hutter, 2017, eq. 5)."""

    def __init__(
        self,
        first: Annotated[Count, Doc("Epochs of the first descent.")] = 10,
        factor: Annotated[int, Range(ge=1, le=100), Doc("How many times as long each descent is as the one before.")] = 1,
        final: Annotated[Share, Doc("Share of the peak at the end of a descent.")] = 0.0,
        warmup_epochs: Warmup = 0,
    ) -> None:
        self.first = first
        self.factor = factor
        self.final = final
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        length, begun = self.first, 0
        while epoch >= begun + length:
            begun, length = begun + length, length * self.factor
        return 1 - (1 - self.final) * (1 - math.cos(math.pi * (epoch - begun) / length)) / 2


@schedules.register
class ReduceOnPlateau(Schedule):
    """The rate as it is, multiplied by a factor whenever the validation loss has not improved for a while, as Keras's callback does.

    What it remembers, a `Plateau`, belongs to the run's state. It looks at the training loss where nothing is validated.
    """

    def __init__(
        self,
        factor: Annotated[Decay, Doc("Share of the rate that a reduction leaves.")] = 0.1,
        patience: Annotated[Count, Doc("Epochs in a row without a better loss before a reduction.")] = 10,
        min_delta: Annotated[NonNegative, Doc("A change counts as better from this size on.")] = 1e-4,
        cooldown: Annotated[int, Range(ge=0, le=MOST), Doc("Epochs after a reduction in which none are counted.")] = 0,
        lowest: Annotated[Share, Doc("Share of the peak below which the rate never falls.")] = 0.0,
        warmup_epochs: Warmup = 0,
    ) -> None:
        self.factor = factor
        self.patience = patience
        self.min_delta = min_delta
        self.cooldown = cooldown
        self.lowest = lowest
        self.warmup_epochs = warmup_epochs

    def shape(self, epoch: float, epochs: float) -> float:
        return 1.0

    def observe(self, loss: float, memory: Array) -> None:
        """Takes in an epoch's loss. memory: (4,) float64, in place: the factor so far, the best loss, epochs without a better one,
        epochs of cooldown that are left; `MEMORY` at first."""
        scale, best, waited, cooling = memory
        cooling, waited = (cooling - 1, 0.0) if cooling > 0 else (0.0, waited)
        if loss < best - self.min_delta:
            best, waited = loss, 0.0
        elif cooling == 0:
            waited += 1
            if waited >= self.patience and scale > self.lowest:
                scale, cooling, waited = max(scale * self.factor, self.lowest), float(self.cooldown), 0.0
        memory[:] = scale, best, waited, cooling


MEMORY = (1.0, math.inf, 0.0, 0.0)
"""What a schedule with a memory begins with; the first number multiplies the rate."""


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
