"""Starting values of the weights; biases start at zero in every network.

A member is called with (generator, fan_in, fan_out). It returns a float64 array (fan_in, fan_out), drawn from the generator
alone, which the caller casts.
Normal distributions are plain. Keras cuts those of glorot_normal, he_normal and lecun_normal off at two standard deviations
and widens them to keep the variance; PyTorch, like this module, does not.
"""

from __future__ import annotations

import math
from typing import Annotated, Protocol

import numpy as np
from numpy.random import Generator
from typing_extensions import Doc

from mlp_cli.nn.buffers import Array
from mlp_cli.registry import Range, Registry

Spread = Annotated[float, Range(ge=0, le=1e6)]
"""The weights would overflow with more."""


class Initializer(Protocol):
    """What a registered initializer offers; see the module's docstring."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array: ...


initializers: Registry[type[Initializer]] = Registry("initializer")


@initializers.register
class RandomNormal:
    """Normal around 0 with a fixed standard deviation (0.05, as in Keras)."""

    def __init__(self, standard_deviation: Annotated[Spread, Doc("Standard deviation of the weights around 0.")] = 0.05) -> None:
        self.standard_deviation = standard_deviation

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        return self.standard_deviation * generator.standard_normal((fan_in, fan_out))


@initializers.register
class RandomUniform:
    """Uniform between -limit and limit (0.05, as in Keras)."""

    def __init__(self, limit: Annotated[Spread, Doc("Largest size of a weight, of either sign.")] = 0.05) -> None:
        self.limit = limit

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        return generator.uniform(-self.limit, self.limit, (fan_in, fan_out))


@initializers.register
class Zeros:
    """All zero: right for softmax regression; the units of a hidden layer then never differ."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        return np.zeros((fan_in, fan_out))


@initializers.register
class XavierNormal:
    """Normal of variance 2 / (fan_in + fan_out), for tanh and sigmoid (Glorot and Bengio, 2010, eq. 12)."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        return math.sqrt(2 / (fan_in + fan_out)) * generator.standard_normal((fan_in, fan_out))


@initializers.register
class XavierUniform:
    """Uniform within sqrt(6 / (fan_in + fan_out)), for tanh and sigmoid (Glorot and Bengio, 2010, eq. 16)."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        limit = math.sqrt(6 / (fan_in + fan_out))
        return generator.uniform(-limit, limit, (fan_in, fan_out))


@initializers.register
class HeNormal:
    """Normal of variance 2 / fan_in, for ReLU (He et al., 2015, eq. 10)."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        return math.sqrt(2 / fan_in) * generator.standard_normal((fan_in, fan_out))


@initializers.register
class HeUniform:
    """Uniform within sqrt(6 / fan_in), which has the variance 2 / fan_in, for ReLU (He et al., 2015, eq. 10)."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        limit = math.sqrt(6 / fan_in)
        return generator.uniform(-limit, limit, (fan_in, fan_out))


@initializers.register
class LecunNormal:
    """Normal of variance 1 / fan_in (LeCun, Bottou, Orr and Müller, 1998, eq. 16)."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        return math.sqrt(1 / fan_in) * generator.standard_normal((fan_in, fan_out))


@initializers.register
class LecunUniform:
    """Uniform within sqrt(3 / fan_in), which has the variance 1 / fan_in (LeCun, Bottou, Orr and Müller, 1998, eq. 16)."""

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        limit = math.sqrt(3 / fan_in)
        return generator.uniform(-limit, limit, (fan_in, fan_out))


@initializers.register
class TruncatedNormal:
    """Normal around 0 without what is beyond two standard deviations of it (0.05, as in Keras), which leaves 0.88 of the spread."""

    def __init__(
        self, standard_deviation: Annotated[Spread, Doc("Standard deviation before the ends are cut off.")] = 0.05
    ) -> None:
        self.standard_deviation = standard_deviation

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        from scipy.special import ndtr, ndtri

        values: Array = ndtri(generator.uniform(ndtr(-2.0), ndtr(2.0), (fan_in, fan_out)))
        return self.standard_deviation * values


@initializers.register
class Orthogonal:
    """Columns, or rows if those are fewer, at right angles and of length `gain` (Saxe, McClelland and Ganguli, 2014)."""

    def __init__(self, gain: Annotated[Spread, Doc("Length of each column or row.")] = 1.0) -> None:
        self.gain = gain

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        tall = generator.standard_normal((max(fan_in, fan_out), min(fan_in, fan_out)))
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diag(r))  # else the signs would be LAPACK's choice, not the generator's (Mezzadri, 2007)
        return np.ascontiguousarray(self.gain * (q if fan_in >= fan_out else q.T))


@initializers.register
class Constant:
    """All weights the same: the units of a hidden layer then never differ."""

    def __init__(self, value: Annotated[float, Range(ge=-1e6, le=1e6), Doc("What every weight begins as.")] = 0.0) -> None:
        self.value = value

    def __call__(self, generator: Generator, fan_in: int, fan_out: int) -> Array:
        return np.full((fan_in, fan_out), self.value)
