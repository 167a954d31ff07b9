"""Update rules: what a step does to the parameters, given their gradient. `nn/updater.py` runs them over a network.

A member has
  `slots`: the names of the arrays that it keeps from step to step, in a checkpoint too. Each has the parameters' shape and dtype
      and is zero before the first step. They are all of an optimizer's state; which there are may depend on the options.
  `decoupled_weight_decay`: whether weight decay acts on the parameters themselves (θ ← θ − lr·λ·θ, before the update) and not
      through the gradient.
  `default_weight_decay`: its λ where the config says nothing.
  `coefficients(learning_rate, step) -> floats`: the numbers that a step needs; steps count from 1.
  `update(theta, grad, slots, scratch, coefficients) -> None`: one step, in place, on contiguous 1-D arrays (P,) of one dtype,
      float32 or float64. `slots` are arrays by name. `coefficients` come in the order of the method's, as 0-d arrays of that
      dtype. theta and slots change, scratch is overwritten, grad stays as it is. An entry depends on nothing but the same
      entry of the other arrays, so that a vector may be cut anywhere.

Formulas and defaults are those of Keras 3. Below, θ are the parameters, g their gradient, lr the learning rate, t the step.
Factors that Keras applies to whole arrays are moved into the coefficients, because each pass over memory costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Protocol

import numpy as np
from typing_extensions import Doc

from mlp_cli.nn.buffers import Array
from mlp_cli.registry import Fraction, Positive, Registry

Arrays = tuple[Array, ...]
Slots = Mapping[str, Array]


class Optimizer(Protocol):
    """What a registered optimizer offers; see the module's docstring."""

    decoupled_weight_decay: ClassVar[bool]
    default_weight_decay: ClassVar[float]
    slots: tuple[str, ...]

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]: ...

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None: ...


optimizers: Registry[type[Optimizer]] = Registry("optimizer")


@optimizers.register
class Sgd:
    """Gradient descent: θ ← θ − lr·g (Robbins and Monro, 1951)."""

    decoupled_weight_decay: ClassVar[bool] = False
    default_weight_decay: ClassVar[float] = 0.0
    slots: tuple[str, ...] = ()

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (learning_rate,)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        (learning_rate,) = coefficients
        np.multiply(grad, learning_rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Momentum:
    """Heavy ball: v ← γv + lr·g; θ ← θ − v (Polyak, 1964).

    Slot `velocity`: v. Keras stores −v. PyTorch leaves lr out of v (v ← γv + g; θ ← θ − lr·v): the two agree while the learning
    rate stays the same.
    """

    decoupled_weight_decay: ClassVar[bool] = False
    default_weight_decay: ClassVar[float] = 0.0
    slots: tuple[str, ...] = ("velocity",)

    def __init__(
        self, momentum: Annotated[Fraction, Doc("Share of the velocity that is kept from step to step, γ.")] = 0.9
    ) -> None:
        self.momentum = momentum

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (learning_rate, self.momentum)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        velocity = slots["velocity"]
        learning_rate, momentum = coefficients
        np.multiply(velocity, momentum, out=velocity)
        np.multiply(grad, learning_rate, out=scratch)
        np.add(velocity, scratch, out=velocity)
        np.subtract(theta, velocity, out=theta)


@optimizers.register
class Nesterov(Momentum):
    """Nesterov's accelerated gradient: v ← γv + lr·g; θ ← θ − (γv + lr·g) with the new v (Nesterov, 1983).

    The form is that of Bengio et al. (2013, eq. 7), where the gradient is taken at θ itself. Option and slot are those of
    `momentum`, with the same differences from Keras and PyTorch.
    """

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        velocity = slots["velocity"]
        learning_rate, momentum = coefficients
        np.multiply(velocity, momentum, out=velocity)
        np.multiply(grad, learning_rate, out=scratch)
        np.add(velocity, scratch, out=velocity)
        np.subtract(theta, scratch, out=theta)
        np.multiply(velocity, momentum, out=scratch)
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Rmsprop:
    """Steps divided by the root of the gradient's running mean square: v ← ρv + (1−ρ)g²; θ ← θ − lr·g / √(v + ε).

    (Tieleman and Hinton, 2012, lecture 6.5.) PyTorch puts ε outside the root and has ρ = 0.99.
    With momentum γ above 0: w ← γw + lr·g / √(v + ε); θ ← θ − w.
    Centered: v − a² stands under the root, with a ← ρa + (1−ρ)g (Graves, 2013, eq. 38–41). Where rounding makes v − a² negative,
    0 takes its place; Keras takes the root of it, which can be NaN.

    Slots: `square_sum`, the discounted sum q ← ρq + g², so that v = (1−ρ)q; `velocity`, w, where momentum is above 0;
    `gradient_sum`, s ← ρs + g, so that a = (1−ρ)s, where centered. A sum is at most 1/(1−ρ) times its mean.
    """

    decoupled_weight_decay: ClassVar[bool] = False
    default_weight_decay: ClassVar[float] = 0.0

    def __init__(
        self,
        rho: Annotated[Fraction, Doc("Share of the mean square that is kept from step to step, ρ.")] = 0.9,
        momentum: Annotated[Fraction, Doc("Share of the step that is kept for the next one, γ; 0 is none.")] = 0.0,
        epsilon: Annotated[Positive, Doc("Added under the root, so that no division is by zero.")] = 1e-7,
        centered: Annotated[bool, Doc("Divide by the root of the variance, not of the mean square.")] = False,
    ) -> None:
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self.slots: tuple[str, ...] = (
            "square_sum",
            *(("velocity",) if momentum > 0 else ()),
            *(("gradient_sum",) if centered else ()),
        )

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        weight = 1 - self.rho
        return (self.rho, weight, self.epsilon / weight, learning_rate / math.sqrt(weight), self.momentum)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        square_sum = slots["square_sum"]
        rho, weight, epsilon, rate, momentum = coefficients
        np.multiply(square_sum, rho, out=square_sum)
        np.square(grad, out=scratch)
        np.add(square_sum, scratch, out=square_sum)
        if self.centered:
            gradient_sum = slots["gradient_sum"]
            np.multiply(gradient_sum, rho, out=gradient_sum)
            np.add(gradient_sum, grad, out=gradient_sum)
            np.square(gradient_sum, out=scratch)
            np.multiply(scratch, weight, out=scratch)
            np.subtract(square_sum, scratch, out=scratch)
            np.maximum(scratch, 0, out=scratch)
            np.add(scratch, epsilon, out=scratch)
        else:
            np.add(square_sum, epsilon, out=scratch)
        np.sqrt(scratch, out=scratch)
        np.divide(grad, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        if self.momentum > 0:
            velocity = slots["velocity"]
            np.multiply(velocity, momentum, out=velocity)
            np.add(velocity, scratch, out=velocity)
            scratch = velocity
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Adam:
    """Momentum divided by the root of the gradient's running mean square, both corrected for their start at zero.

    m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← θ − α·m / (√v + ε) with α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ).
    The form is that of Kingma and Ba (2015) just before section 2.1, as in Keras. PyTorch adds its ε, 1e-8, to the corrected √v:
    in its terms ours is larger by √(1−β₂ᵗ)⁻¹.

    Slots: `gradient_sum`, the discounted sum s ← β₁s + g, so that m = (1−β₁)s; `square_sum`, q ← β₂q + g², so that v = (1−β₂)q.
    That saves two of twelve passes and costs range: q is by default a thousand times larger than v, and overflows in float32 for
    gradients from 6e17 on, where v would from 2e19 on. In float32, β₂ is rounded to 24 bits, which changes v by at most
    3e-8/(1−β₂), by default by a factor of 1.00001.
    """

    decoupled_weight_decay: ClassVar[bool] = False
    default_weight_decay: ClassVar[float] = 0.0
    slots: tuple[str, ...] = ("gradient_sum", "square_sum")

    def __init__(
        self,
        beta_1: Annotated[Fraction, Doc("Share of the mean gradient that is kept from step to step, β₁.")] = 0.9,
        beta_2: Annotated[Fraction, Doc("Share of the mean square that is kept from step to step, β₂.")] = 0.999,
        epsilon: Annotated[Positive, Doc("Added to the divisor, so that it is never zero.")] = 1e-7,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        # α·m / (√v + ε), with m = (1−β₁)s and v = (1−β₂)q put in, is rate · s / (√q + ε/√(1−β₂)).
        root = math.sqrt(1 - self.beta_2)
        alpha = learning_rate * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return (self.beta_1, self.beta_2, self.epsilon / root, alpha * (1 - self.beta_1) / root)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        gradient_sum, square_sum = slots["gradient_sum"], slots["square_sum"]
        beta_1, beta_2, epsilon, rate = coefficients
        np.multiply(gradient_sum, beta_1, out=gradient_sum)
        np.add(gradient_sum, grad, out=gradient_sum)
        # square, not grad * grad: one operand to read, twice as fast.
        np.square(grad, out=scratch)
        np.multiply(square_sum, beta_2, out=square_sum)
        np.add(square_sum, scratch, out=square_sum)
        np.sqrt(square_sum, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        np.divide(gradient_sum, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Adamw(Adam):
    """Adam with decoupled weight decay: θ ← θ − lr·λ·θ, then Adam's step (Loshchilov and Hutter, 2019, algorithm 2).

    λ is the config's `weight_decay`, by default 0.004 as in Keras (PyTorch: 0.01).
    """

    decoupled_weight_decay: ClassVar[bool] = True
    default_weight_decay: ClassVar[float] = 0.004
