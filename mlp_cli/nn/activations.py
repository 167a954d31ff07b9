"""Activation functions, applied elementwise to the outputs of a hidden layer.

A member has
  `uses_input`: whether `backward` reads z. Where it is False the derivative follows from the output alone, and `forward` may be
      called with `out is z`, which saves a buffer and a pass through memory.
  `forward(z, out, scratch) -> None`: writes f(z) into out.
  `backward(z, a, grad, scratch) -> None`: multiplies grad by f'(z) in place; a is what `forward` wrote.
  `parameters`: the names of what it learns, an array (H,) each; `bind` gives it those arrays, and `backward` assigns their
      gradients.
  `steepest`: about its largest slope, by which a small one is told.
All arrays are (B, H) of one dtype, float32 or float64; `scratch` holds nothing between calls. No member overflows or warns for
|z| up to 1e4. On a small batch a call of NumPy costs as much as its work, so each takes as few passes as it can.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
from typing_extensions import Doc

from mlp_cli.nn.buffers import Array
from mlp_cli.registry import Fraction, Positive, Registry


class Scratch(NamedTuple):
    """Working memory of an activation: (B, H) arrays that it may overwrite at will."""

    values: Array  # of the network's dtype
    mask: Array  # of bool
    more: Array  # of the network's dtype; the same as values for one that does not use its input


class Activation:
    """The base of all activations; see the module's docstring."""

    uses_input: ClassVar[bool] = False
    parameters: ClassVar[tuple[str, ...]] = ()
    steepest: ClassVar[float] = 1.0

    def bind(self, *arrays: Array) -> None:
        """Gives a member with parameters their arrays and those of their gradients, (H,) each."""

    def initialize(self) -> None:
        """Sets the parameters to their starting values."""

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        raise NotImplementedError

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        raise NotImplementedError


activations: Registry[type[Activation]] = Registry("activation")


def logistic(z: Array, out: Array) -> None:
    """Writes 1 / (1 + exp(−z)) into out, as (1 + tanh(z / 2)) / 2, which cannot overflow."""
    np.multiply(z, 0.5, out=out)
    np.tanh(out, out=out)
    np.multiply(out, 0.5, out=out)
    np.add(out, 0.5, out=out)


def softplus(z: Array, out: Array, tail: Array) -> None:
    """Writes log(1 + exp(z)) into out, as max(z, 0) + log1p(exp(−|z|)), which cannot overflow; tail is overwritten."""
    np.absolute(z, out=tail)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    np.log1p(tail, out=tail)
    np.maximum(z, 0.0, out=out)
    np.add(out, tail, out=out)


@activations.register
class Relu(Activation):
    """max(0, z) (Nair and Hinton, 2010). Its derivative at 0 is taken as 0, as PyTorch and Keras do."""

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.maximum(z, 0.0, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        # More than ten times as fast as copyto, putmask or where=, none of which is vectorised.
        np.greater(a, 0.0, out=scratch.mask)
        np.multiply(grad, scratch.mask, out=grad)


@activations.register
class Sigmoid(Activation):
    """1 / (1 + exp(-z)), the logistic function.

    Computed as (1 + tanh(z / 2)) / 2, which cannot overflow and takes half the time of a guarded exponential. Its error is
    absolute (half a unit in the last place of 1): far in the negative tail, below z = -17 in float32, it is 0.
    """

    steepest: ClassVar[float] = 0.25

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        logistic(z, out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        np.subtract(1.0, a, out=scratch.values)
        np.multiply(scratch.values, a, out=scratch.values)
        np.multiply(grad, scratch.values, out=grad)


@activations.register
class Tanh(Activation):
    """The hyperbolic tangent of z."""

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.tanh(z, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        np.multiply(a, a, out=scratch.values)
        np.subtract(1.0, scratch.values, out=scratch.values)
        np.multiply(grad, scratch.values, out=grad)


@activations.register
class Identity(Activation):
    """z itself: the layers before and after become one linear map."""

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        if out is not z:
            np.copyto(out, z)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        pass


@activations.register
class LeakyRelu(Activation):
    """z where it is positive, else negative_slope · z (Maas, Hannun and Ng, 2013).

    The default slope of 0.01 is the paper's and PyTorch's, that of Keras's layer is 0.3.
    """

    def __init__(
        self, negative_slope: Annotated[Fraction, Doc("Slope of the function where its input is negative.")] = 0.01
    ) -> None:
        self.negative_slope = negative_slope

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.multiply(z, self.negative_slope, out=scratch.values)
        np.maximum(z, scratch.values, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        np.greater(a, 0.0, out=scratch.mask)
        np.copyto(scratch.values, scratch.mask)
        np.maximum(scratch.values, self.negative_slope, out=scratch.values)
        np.multiply(grad, scratch.values, out=grad)


@activations.register
class Softplus(Activation):
    """log(1 + exp(z)), a smooth ReLU (Dugas et al., 2001).

    Computed as max(z, 0) + log1p(exp(-|z|)), which cannot overflow. PyTorch's returns z itself above its threshold of 20, a
    difference of at most 2e-9. The derivative, sigmoid(z), is 1 - exp(-a).
    """

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        softplus(z, out, scratch.values)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        np.negative(a, out=scratch.values)
        np.expm1(scratch.values, out=scratch.values)
        np.multiply(grad, scratch.values, out=grad)
        np.negative(grad, out=grad)


@activations.register
class Elu(Activation):
    """z where it is positive, else alpha · (exp(z) − 1) (Clevert, Unterthiner and Hochreiter, 2016)."""

    scale = 1.0

    def __init__(
        self, alpha: Annotated[Positive, Doc("Size of the value that the function falls to far below 0.")] = 1.0
    ) -> None:
        self.alpha = alpha

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.minimum(z, 0.0, out=scratch.values)
        np.expm1(scratch.values, out=scratch.values)
        np.multiply(scratch.values, self.scale * self.alpha, out=scratch.values)
        np.maximum(z, 0.0, out=out)
        np.multiply(out, self.scale, out=out)
        np.add(out, scratch.values, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        # The slope is `scale` where a is positive, else a + scale · alpha.
        np.add(a, self.scale * self.alpha, out=scratch.values)
        np.greater(a, 0.0, out=scratch.mask)
        np.copyto(scratch.values, self.scale, where=scratch.mask)
        np.multiply(grad, scratch.values, out=grad)


@activations.register
class Selu(Elu):
    """ELU with the scale and alpha that keep mean 0 and variance 1 from layer to layer (Klambauer et al., 2017, eq. 14).

    It wants lecun_normal weights and scaled inputs.
    """

    scale = 1.0507009873554805
    steepest: ClassVar[float] = 1.7581

    def __init__(self) -> None:
        super().__init__(alpha=1.6732632423543772)


@activations.register
class Gelu(Activation):
    """z · Φ(z), with Φ the normal distribution function (Hendrycks and Gimpel, 2016).

    approximate: z · (1 + tanh(√(2/π) · (z + 0.044715 z³))) / 2, as GPT-2 has it, in less time; the two differ by at most 5e-4.
    """

    uses_input: ClassVar[bool] = True

    def __init__(self, approximate: Annotated[bool, Doc("Take a formula with tanh, which is faster.")] = False) -> None:
        self.approximate = approximate

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        self._distribution(z, scratch.values)
        np.multiply(z, scratch.values, out=out)

    def _distribution(self, z: Array, out: Array) -> None:
        if not self.approximate:
            from scipy.special import ndtr

            ndtr(z, out=out)
            return
        np.multiply(z, z, out=out)
        np.multiply(out, 0.044715, out=out)
        np.add(out, 1.0, out=out)
        np.multiply(out, z, out=out)
        np.multiply(out, _ROOT_OF_2_BY_PI, out=out)
        np.tanh(out, out=out)
        np.add(out, 1.0, out=out)
        np.multiply(out, 0.5, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        values, slope = scratch.values, scratch.more
        if self.approximate:
            # With u the argument of tanh, Φ = (1 + tanh u) / 2 and its slope is 2 Φ (1 − Φ) u': Φ · (1 + 2 z u' (1 − Φ)).
            self._distribution(z, values)
            np.multiply(z, z, out=slope)
            np.multiply(slope, 3 * 0.044715, out=slope)
            np.add(slope, 1.0, out=slope)
            np.multiply(slope, z, out=slope)
            np.multiply(slope, _ROOT_OF_2_BY_PI, out=slope)
            np.subtract(1.0, values, out=values)
            np.multiply(slope, values, out=slope)
            np.multiply(slope, 2.0, out=slope)
            np.add(slope, 1.0, out=slope)
            np.subtract(1.0, values, out=values)
            np.multiply(slope, values, out=slope)
        else:
            np.multiply(z, z, out=slope)
            np.multiply(slope, -0.5, out=slope)
            np.exp(slope, out=slope)
            np.multiply(slope, z, out=slope)
            np.multiply(slope, _ROOT_OF_2_BY_PI / 2, out=slope)
            self._distribution(z, values)
            np.add(slope, values, out=slope)
        np.multiply(grad, slope, out=grad)


_ROOT_OF_2_BY_PI = math.sqrt(2 / math.pi)


@activations.register
class Silu(Activation):
    """z · sigmoid(z), also called swish (Elfwing, Uchibe and Doya, 2018; Ramachandran, Zoph and Le, 2017)."""

    uses_input: ClassVar[bool] = True

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        logistic(z, scratch.values)
        np.multiply(z, scratch.values, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        # σ · (1 + z · (1 − σ))
        sigmoid, slope = scratch.values, scratch.more
        logistic(z, sigmoid)
        np.subtract(1.0, sigmoid, out=slope)
        np.multiply(slope, z, out=slope)
        np.add(slope, 1.0, out=slope)
        np.multiply(slope, sigmoid, out=slope)
        np.multiply(grad, slope, out=grad)


@activations.register
class Mish(Activation):
    """z · tanh(softplus(z)) (Misra, 2020).

    With e = exp(z), tanh(softplus(z)) is (e² + 2e) / (e² + 2e + 2), which is 1 in either precision from z = 20 on.
    """

    uses_input: ClassVar[bool] = True

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.multiply(z, self._tanh(z, scratch), out=out)

    def _tanh(self, z: Array, scratch: Scratch) -> Array:
        e, beside = scratch.values, scratch.more
        np.minimum(z, 20.0, out=e)
        np.exp(e, out=e)
        np.add(e, 2.0, out=beside)
        np.multiply(e, beside, out=e)
        np.add(e, 2.0, out=beside)
        np.divide(e, beside, out=e)
        return e

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        # T + z · σ(z) · (1 − T)(1 + T), with T the tanh.
        tanh, slope = self._tanh(z, scratch), scratch.more
        logistic(z, slope)
        np.multiply(slope, z, out=slope)
        np.subtract(1.0, tanh, out=tanh)
        np.multiply(slope, tanh, out=slope)
        np.subtract(2.0, tanh, out=tanh)
        np.multiply(slope, tanh, out=slope)
        np.subtract(tanh, 1.0, out=tanh)
        np.add(slope, tanh, out=slope)
        np.multiply(grad, slope, out=grad)


@activations.register
class Relu6(Relu):
    """ReLU that ends at 6 (Howard et al., 2017). Its derivative is 0 at both ends."""

    highest = 6.0

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.clip(z, 0.0, self.highest, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        super().backward(z, a, grad, scratch)
        np.less(a, self.highest, out=scratch.mask)
        np.multiply(grad, scratch.mask, out=grad)


@activations.register
class HardSigmoid(Relu6):
    """relu6(z + 3) / 6, straight lines in place of the sigmoid (Howard et al., 2019). Keras 2 had 0.2 z + 0.5."""

    highest = 1.0
    steepest: ClassVar[float] = 1 / 6

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.add(z, 3.0, out=out)
        np.divide(out, 6.0, out=out)
        super().forward(out, out, scratch)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        super().backward(z, a, grad, scratch)
        np.divide(grad, 6.0, out=grad)


@activations.register
class Softsign(Activation):
    """z / (1 + |z|), which nears its ends more slowly than tanh (Glorot and Bengio, 2010, section 4)."""

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.absolute(z, out=scratch.values)
        np.add(scratch.values, 1.0, out=scratch.values)
        np.divide(z, scratch.values, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        # 1 / (1 + |z|)² is (1 − |a|)².
        np.absolute(a, out=scratch.values)
        np.subtract(1.0, scratch.values, out=scratch.values)
        np.square(scratch.values, out=scratch.values)
        np.multiply(grad, scratch.values, out=grad)


@activations.register
class Prelu(Activation):
    """z where it is positive, else slope · z, with a slope for each unit that is learnt (He et al., 2015, eq. 1).

    The slopes have no weight decay, as the paper says. They begin at 0.25 as in the paper and in PyTorch, which learns one for all
    units; Keras begins at 0.
    """

    uses_input: ClassVar[bool] = True
    parameters: ClassVar[tuple[str, ...]] = ("slope",)

    def __init__(self, initial_slope: Annotated[Fraction, Doc("What every unit's slope begins with.")] = 0.25) -> None:
        self.initial_slope = initial_slope

    def bind(self, *arrays: Array) -> None:
        self._slope, self._slope_grad = arrays

    def initialize(self) -> None:
        self._slope.fill(self.initial_slope)

    def forward(self, z: Array, out: Array, scratch: Scratch) -> None:
        np.minimum(z, 0.0, out=scratch.values)
        np.multiply(scratch.values, self._slope, out=scratch.values)
        np.maximum(z, 0.0, out=out)
        np.add(out, scratch.values, out=out)

    def backward(self, z: Array, a: Array, grad: Array, scratch: Scratch) -> None:
        np.minimum(z, 0.0, out=scratch.values)
        np.multiply(scratch.values, grad, out=scratch.values)
        np.add.reduce(scratch.values, axis=0, out=self._slope_grad)
        np.greater(z, 0.0, out=scratch.mask)
        np.copyto(scratch.values, self._slope)
        np.copyto(scratch.values, 1.0, where=scratch.mask)
        np.multiply(grad, scratch.values, out=grad)
