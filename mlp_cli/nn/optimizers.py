"""Update rules: what a step does to the parameters, given their gradient. `nn/updater.py` runs them over a network.

A member has
  `slots`: the names of the arrays that it keeps from step to step, in a checkpoint too. Each has the parameters' shape and dtype
      and is zero before the first step. They are all of an optimizer's state; which there are may depend on the options.
  `decoupled_weight_decay`: whether weight decay acts on the parameters themselves (θ ← θ − lr·λ·θ, before the update) and not
      through the gradient.
  `default_weight_decay`: its λ where the config says nothing.
  `scratch_arrays`: how many arrays of working memory a step needs, 1 or 2.
  `coefficients(learning_rate, step) -> floats`: the numbers that a step needs; steps count from 1.
  `update(theta, grad, slots, scratch, coefficients) -> None`: one step, in place, on contiguous 1-D arrays (P,) of one dtype,
      float32 or float64. `scratch` is one such array, or (2, P) where `scratch_arrays` is 2.
      `slots` are arrays by name. `coefficients` come in the order of the method's, as 0-d arrays of that
      dtype. theta and slots change, scratch is overwritten, grad stays as it is. An entry depends on nothing but the same
      entry of the other arrays, so that a vector may be cut anywhere.

Formulas and defaults are those of Keras 3. Below, θ are the parameters, g their gradient, lr the learning rate, t the step.
Factors that Keras applies to whole arrays are moved into the coefficients, because each pass over memory costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
from typing_extensions import Doc

from mlp_cli.nn.buffers import Array
from mlp_cli.registry import Fraction, NonNegative, Positive, Registry

Beta1 = Annotated[Fraction, Doc("Share of the mean gradient that is kept from step to step, β₁.")]
Beta2 = Annotated[Fraction, Doc("Share of the mean square that is kept from step to step, β₂.")]
Epsilon = Annotated[Positive, Doc("Added to the divisor, so that it is never zero.")]

Arrays = tuple[Array, ...]
Slots = Mapping[str, Array]


class Optimizer:
    """The base of all optimizers; see the module's docstring."""

    decoupled_weight_decay: ClassVar[bool] = False
    default_weight_decay: ClassVar[float] = 0.0
    scratch_arrays: ClassVar[int] = 1
    slots: tuple[str, ...] = ()

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        raise NotImplementedError

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        raise NotImplementedError


optimizers: Registry[type[Optimizer]] = Registry("optimizer")


@optimizers.register
class Sgd(Optimizer):
    """Gradient descent: θ ← θ − lr·g (Robbins and Monro, 1951)."""

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (learning_rate,)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        (learning_rate,) = coefficients
        np.multiply(grad, learning_rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Momentum(Optimizer):
    """Heavy ball: v ← γv + lr·g; θ ← θ − v (Polyak, 1964).

    Slot `velocity`: v. Keras stores −v. PyTorch leaves lr out of v (v ← γv + g; θ ← θ − lr·v): the two agree while the learning
    rate stays the same.
    """

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
class Rmsprop(Optimizer):
    """Steps divided by the root of the gradient's running mean square: v ← ρv + (1−ρ)g²; θ ← θ − lr·g / √(v + ε).

    (Tieleman and Hinton, 2012, lecture 6.5.) PyTorch puts ε outside the root and has ρ = 0.99.
    With momentum γ above 0: w ← γw + lr·g / √(v + ε); θ ← θ − w.
    Centered: v − a² stands under the root, with a ← ρa + (1−ρ)g (Graves, 2013, eq. 38–41). Where rounding makes v − a² negative,
    0 takes its place; Keras takes the root of it, which can be NaN.

    Slots: `square_sum`, the discounted sum q ← ρq + g², so that v = (1−ρ)q; `velocity`, w, where momentum is above 0;
    `gradient_sum`, s ← ρs + g, so that a = (1−ρ)s, where centered. A sum is at most 1/(1−ρ) times its mean.
    """

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


def _add_moments(grad: Array, gradient_sum: Array, square_sum: Array, scratch: Array, beta_1: Array, beta_2: Array) -> None:
    """s ← β₁s + g; q ← β₂q + g²."""
    np.multiply(gradient_sum, beta_1, out=gradient_sum)
    np.add(gradient_sum, grad, out=gradient_sum)
    np.square(grad, out=scratch)  # not grad * grad: one operand to read, twice as fast
    np.multiply(square_sum, beta_2, out=square_sum)
    np.add(square_sum, scratch, out=square_sum)


@optimizers.register
class Adam(Optimizer):
    """Momentum divided by the root of the gradient's running mean square, both corrected for their start at zero.

    m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← θ − α·m / (√v + ε) with α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ).
    The form is that of Kingma and Ba (2015) just before section 2.1, as in Keras. PyTorch adds its ε, 1e-8, to the corrected √v:
    in its terms ours is larger by √(1−β₂ᵗ)⁻¹.

    AMSGrad: the largest v so far stands under the root (Reddi, Kale and Kumar, 2018, algorithm 2, as in Keras; PyTorch takes the
    largest corrected one).

    Slots: `gradient_sum`, the discounted sum s ← β₁s + g, so that m = (1−β₁)s; `square_sum`, q ← β₂q + g², so that v = (1−β₂)q;
    `largest_square_sum` with amsgrad. Sums in place of means save two of twelve passes and cost range: q is by default a thousand
    times larger than v, and overflows in float32 for gradients from 6e17 on, where v would from 2e19 on. In float32, β₂ is rounded
    to 24 bits, which changes v by at most 3e-8/(1−β₂), by default by a factor of 1.00001.
    """

    def __init__(
        self,
        beta_1: Beta1 = 0.9,
        beta_2: Beta2 = 0.999,
        epsilon: Epsilon = 1e-7,
        amsgrad: Annotated[bool, Doc("Divide by the largest mean square so far, so that no step grows again.")] = False,
    ) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self.slots: tuple[str, ...] = ("gradient_sum", "square_sum", *(("largest_square_sum",) if amsgrad else ()))

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        # α·m / (√v + ε), with m = (1−β₁)s and v = (1−β₂)q put in, is rate · s / (√q + ε/√(1−β₂)).
        root = math.sqrt(1 - self.beta_2)
        alpha = learning_rate * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        return (self.beta_1, self.beta_2, self.epsilon / root, alpha * (1 - self.beta_1) / root)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        gradient_sum, square_sum = slots["gradient_sum"], slots["square_sum"]
        beta_1, beta_2, epsilon, rate = coefficients
        _add_moments(grad, gradient_sum, square_sum, scratch, beta_1, beta_2)
        if self.amsgrad:
            np.maximum(slots["largest_square_sum"], square_sum, out=slots["largest_square_sum"])
            square_sum = slots["largest_square_sum"]
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


@optimizers.register
class Adagrad(Optimizer):
    """Steps divided by the root of all squared gradients: q ← q + g²; θ ← θ − lr·g / √(q + q₀ + ε) (Duchi, Hazan and Singer, 2011).

    Slot `square_sum`: q. The step only shrinks, so a learning rate of 0.01 to 0.1 is usual. PyTorch starts at q₀ = 0 and adds its
    ε, 1e-10, to the root.
    """

    slots: tuple[str, ...] = ("square_sum",)

    def __init__(
        self,
        initial_accumulator: Annotated[NonNegative, Doc("What the sum of squares begins with, q₀.")] = 0.1,
        epsilon: Annotated[Positive, Doc("Added under the root, so that no division is by zero.")] = 1e-7,
    ) -> None:
        self.initial_accumulator = initial_accumulator
        self.epsilon = epsilon

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (learning_rate, self.initial_accumulator + self.epsilon)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        square_sum = slots["square_sum"]
        learning_rate, added = coefficients
        np.square(grad, out=scratch)
        np.add(square_sum, scratch, out=square_sum)
        np.add(square_sum, added, out=scratch)
        np.sqrt(scratch, out=scratch)
        np.divide(grad, scratch, out=scratch)
        np.multiply(scratch, learning_rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Adadelta(Optimizer):
    """Steps in the unit of the parameters: v ← ρv + (1−ρ)g²; Δ = g·√(u + ε) / √(v + ε); u ← ρu + (1−ρ)Δ²; θ ← θ − lr·Δ.

    (Zeiler, 2012, algorithm 1, in which lr is 1.) Slots: `mean_square`, v; `mean_step`, u. PyTorch has ρ = 0.9 and ε = 1e-6.
    """

    slots: tuple[str, ...] = ("mean_square", "mean_step")
    scratch_arrays: ClassVar[int] = 2

    def __init__(
        self,
        rho: Annotated[Fraction, Doc("Share of both means that is kept from step to step, ρ.")] = 0.95,
        epsilon: Annotated[Positive, Doc("Added under both roots; it is what the first step grows from.")] = 1e-7,
    ) -> None:
        self.rho = rho
        self.epsilon = epsilon

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (learning_rate, self.rho, 1 - self.rho, self.epsilon)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        mean_square, mean_step = slots["mean_square"], slots["mean_step"]
        learning_rate, rho, weight, epsilon = coefficients
        step, root = scratch
        np.multiply(mean_square, rho, out=mean_square)
        np.square(grad, out=step)
        np.multiply(step, weight, out=step)
        np.add(mean_square, step, out=mean_square)
        np.add(mean_square, epsilon, out=root)
        np.sqrt(root, out=root)
        np.divide(grad, root, out=step)
        np.add(mean_step, epsilon, out=root)
        np.sqrt(root, out=root)
        np.multiply(step, root, out=step)
        np.multiply(mean_step, rho, out=mean_step)
        np.square(step, out=root)
        np.multiply(root, weight, out=root)
        np.add(mean_step, root, out=mean_step)
        np.multiply(step, learning_rate, out=step)
        np.subtract(theta, step, out=theta)


@optimizers.register
class Adamax(Optimizer):
    """Adam with the largest gradient in place of the mean square: m ← β₁m + (1−β₁)g; u ← max(β₂u, |g|); θ ← θ − α·m / (u + ε).

    α = lr / (1−β₁ᵗ) (Kingma and Ba, 2015, algorithm 2). PyTorch adds its ε, 1e-8, to |g|.
    Slots: `gradient_sum`, s ← β₁s + g, so that m = (1−β₁)s; `largest`, u.
    """

    slots: tuple[str, ...] = ("gradient_sum", "largest")

    def __init__(self, beta_1: Beta1 = 0.9, beta_2: Beta2 = 0.999, epsilon: Epsilon = 1e-7) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        return (self.beta_1, self.beta_2, self.epsilon, learning_rate * (1 - self.beta_1) / (1 - self.beta_1**step))

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        gradient_sum, largest = slots["gradient_sum"], slots["largest"]
        beta_1, beta_2, epsilon, rate = coefficients
        np.multiply(gradient_sum, beta_1, out=gradient_sum)
        np.add(gradient_sum, grad, out=gradient_sum)
        np.multiply(largest, beta_2, out=largest)
        np.absolute(grad, out=scratch)
        np.maximum(largest, scratch, out=largest)
        np.add(largest, epsilon, out=scratch)
        np.divide(gradient_sum, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Nadam(Adam):
    """Adam with Nesterov's look ahead: m̂ = μₜ₊₁·m / (1 − Πₜ₊₁) + (1−μₜ)·g / (1 − Πₜ) stands for m; v as in Adam, corrected.

    μₜ = β₁·(1 − 0.5·0.96ᵗ), Πₜ the product of μ₁ … μₜ; θ ← θ − lr·m̂ / (√(v / (1−β₂ᵗ)) + ε) (Dozat, 2016, as in Keras). PyTorch
    lets μ rise more slowly, as 0.96^(0.004·t).
    """

    scratch_arrays: ClassVar[int] = 2

    def __init__(self, beta_1: Beta1 = 0.9, beta_2: Beta2 = 0.999, epsilon: Epsilon = 1e-7) -> None:
        super().__init__(beta_1, beta_2, epsilon)
        self._product = 0, 1.0  # a step, and Π of the steps up to it

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        known, product = self._product if self._product[0] <= step else (0, 1.0)
        while known < step:
            known += 1
            product *= self._momentum(known)
        self._product = known, product
        correction = math.sqrt((1 - self.beta_2) / (1 - self.beta_2**step))
        following = self._momentum(step + 1)
        ahead = following * (1 - self.beta_1) / (1 - product * following)
        here = (1 - self._momentum(step)) / (1 - product)
        rate = learning_rate / correction
        return (self.beta_1, self.beta_2, self.epsilon / correction, rate * ahead, rate * here)

    def _momentum(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96**step)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        gradient_sum, square_sum = slots["gradient_sum"], slots["square_sum"]
        beta_1, beta_2, epsilon, ahead, here = coefficients
        step, root = scratch
        _add_moments(grad, gradient_sum, square_sum, step, beta_1, beta_2)
        np.multiply(gradient_sum, ahead, out=step)
        np.multiply(grad, here, out=root)
        np.add(step, root, out=step)
        np.sqrt(square_sum, out=root)
        np.add(root, epsilon, out=root)
        np.divide(step, root, out=step)
        np.subtract(theta, step, out=theta)


@optimizers.register
class Radam(Adam):
    """Adam that rectifies its step while few gradients are known (Liu et al., 2020, algorithm 2, as in PyTorch; Keras has none).

    ρ∞ = 2 / (1−β₂) − 1; ρ = ρ∞ − 2t·β₂ᵗ / (1−β₂ᵗ). Above 5, θ ← θ − α·r·m / (√v + ε) with Adam's α and
    r = √((ρ−4)(ρ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρ)); else θ ← θ − lr·m / (1−β₁ᵗ).
    """

    def __init__(self, beta_1: Beta1 = 0.9, beta_2: Beta2 = 0.999, epsilon: Epsilon = 1e-7) -> None:
        super().__init__(beta_1, beta_2, epsilon)

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        most = 2 / (1 - self.beta_2) - 1
        known = most - 2 * step * self.beta_2**step / (1 - self.beta_2**step)
        if known <= 5:
            # v counts for nothing: with 0 for its weight and 1 for ε the divisor is 1.
            return (self.beta_1, self.beta_2, 1.0, learning_rate * (1 - self.beta_1) / (1 - self.beta_1**step), 0.0)
        rectified = math.sqrt((known - 4) * (known - 2) * most / ((most - 4) * (most - 2) * known))
        beta_1, beta_2, epsilon, rate = super().coefficients(learning_rate, step)
        return (beta_1, beta_2, epsilon, rate * rectified, 1.0)

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        gradient_sum, square_sum = slots["gradient_sum"], slots["square_sum"]
        beta_1, beta_2, epsilon, rate, weight = coefficients
        _add_moments(grad, gradient_sum, square_sum, scratch, beta_1, beta_2)
        np.sqrt(square_sum, out=scratch)
        np.multiply(scratch, weight, out=scratch)
        np.add(scratch, epsilon, out=scratch)
        np.divide(gradient_sum, scratch, out=scratch)
        np.multiply(scratch, rate, out=scratch)
        np.subtract(theta, scratch, out=theta)


@optimizers.register
class Lion(Optimizer):
    """Steps of one size, by the sign of a mix of momentum and gradient: θ ← θ − lr·sign(β₁m + (1−β₁)g); m ← β₂m + (1−β₂)g.

    (Chen et al., 2023, algorithm 2.) Its learning rate is a third to a tenth of Adam's. Slot `gradient_sum`: s ← β₂s + g, so that
    m = (1−β₂)s. The paper decays the weights themselves; here, as for all but adamw, weight_decay goes through the gradient.
    """

    slots: tuple[str, ...] = ("gradient_sum",)
    scratch_arrays: ClassVar[int] = 2

    def __init__(self, beta_1: Beta1 = 0.9, beta_2: Beta2 = 0.99) -> None:
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def coefficients(self, learning_rate: float, step: int) -> tuple[float, ...]:
        # β₁m + (1−β₁)g, with m = (1−β₂)s, has the sign of s·β₁(1−β₂)/(1−β₁) + g.
        return (learning_rate, self.beta_2, self.beta_1 * (1 - self.beta_2) / (1 - self.beta_1))

    def update(self, theta: Array, grad: Array, slots: Slots, scratch: Array, coefficients: Arrays) -> None:
        gradient_sum, (mixed, nothing) = slots["gradient_sum"], scratch
        learning_rate, beta_2, share = coefficients
        np.multiply(gradient_sum, share, out=mixed)
        np.add(mixed, grad, out=mixed)
        # The sign of infinity is 1: times 0 it is NaN, so that a gradient that is not finite shows.
        np.multiply(mixed, 0.0, out=nothing)
        np.sign(mixed, out=mixed)
        np.add(mixed, nothing, out=mixed)
        np.multiply(mixed, learning_rate, out=mixed)
        np.subtract(theta, mixed, out=theta)
        np.multiply(gradient_sum, beta_2, out=gradient_sum)
        np.add(gradient_sum, grad, out=gradient_sum)
