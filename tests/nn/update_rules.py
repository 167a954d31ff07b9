"""Update rules in plain Python, one parameter after the other: the formulas as they stand in the papers, in Keras's variants.

They are what `test_optimizers.py` compares the array rules with, which arrange the same formulas for fewer passes. Below, θ is a
parameter, g its gradient, lr the learning rate, t the step.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Vector = list[float]
State = dict[str, Vector]
Rule = Callable[..., None]


def sgd(theta: Vector, gradient: Vector, state: State, lr: float, t: int) -> None:
    """θ ← θ − lr·g."""
    for i, g in enumerate(gradient):
        theta[i] -= lr * g


def momentum(theta: Vector, gradient: Vector, state: State, lr: float, t: int, momentum: float = 0.9) -> None:
    """v ← γv + lr·g; θ ← θ − v."""
    v = state["v"]
    for i, g in enumerate(gradient):
        v[i] = momentum * v[i] + lr * g
        theta[i] -= v[i]


def nesterov(theta: Vector, gradient: Vector, state: State, lr: float, t: int, momentum: float = 0.9) -> None:
    """v ← γv + lr·g; θ ← θ − (γv + lr·g): momentum that looks one step ahead."""
    v = state["v"]
    for i, g in enumerate(gradient):
        v[i] = momentum * v[i] + lr * g
        theta[i] -= momentum * v[i] + lr * g


def rmsprop(
    theta: Vector,
    gradient: Vector,
    state: State,
    lr: float,
    t: int,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> None:
    """v ← ρv + (1−ρ)g²; θ ← θ − lr·g / √(v + ε). Centered: v − a² under the root, with a ← ρa + (1−ρ)g, and never below 0.

    With momentum: w ← γw + lr·g / √(v + ε); θ ← θ − w.
    """
    v, a, w = state["v"], state["a"], state["w"]
    for i, g in enumerate(gradient):
        v[i] = rho * v[i] + (1.0 - rho) * g * g
        a[i] = rho * a[i] + (1.0 - rho) * g
        spread = max(v[i] - a[i] * a[i], 0.0) if centered else v[i]
        w[i] = momentum * w[i] + lr * g / math.sqrt(spread + epsilon)
        theta[i] -= w[i]


def adam(
    theta: Vector,
    gradient: Vector,
    state: State,
    lr: float,
    t: int,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> None:
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← θ − α·m / (√v + ε), with α = lr·√(1−β₂ᵗ) / (1−β₁ᵗ) at step t.

    amsgrad: the largest v so far stands under the root.
    """
    m, v, a = state["m"], state["v"], state["a"]
    alpha = lr * math.sqrt(1.0 - beta_2**t) / (1.0 - beta_1**t)
    for i, g in enumerate(gradient):
        m[i] = beta_1 * m[i] + (1.0 - beta_1) * g
        v[i] = beta_2 * v[i] + (1.0 - beta_2) * g * g
        a[i] = max(a[i], v[i]) if amsgrad else v[i]
        theta[i] -= alpha * m[i] / (math.sqrt(a[i]) + epsilon)


def adagrad(
    theta: Vector, gradient: Vector, state: State, lr: float, t: int, initial_accumulator: float = 0.1, epsilon: float = 1e-7
) -> None:
    """v ← v + g², from the initial value on; θ ← θ − lr·g / √(v + ε)."""
    v = state["v"]
    for i, g in enumerate(gradient):
        v[i] = (initial_accumulator if t == 1 else v[i]) + g * g
        theta[i] -= lr * g / math.sqrt(v[i] + epsilon)


def adadelta(theta: Vector, gradient: Vector, state: State, lr: float, t: int, rho: float = 0.95, epsilon: float = 1e-7) -> None:
    """v ← ρv + (1−ρ)g²; Δ = g·√(u + ε) / √(v + ε); u ← ρu + (1−ρ)Δ²; θ ← θ − lr·Δ."""
    v, u = state["v"], state["a"]
    for i, g in enumerate(gradient):
        v[i] = rho * v[i] + (1.0 - rho) * g * g
        step = g * math.sqrt(u[i] + epsilon) / math.sqrt(v[i] + epsilon)
        u[i] = rho * u[i] + (1.0 - rho) * step * step
        theta[i] -= lr * step


def adamax(
    theta: Vector,
    gradient: Vector,
    state: State,
    lr: float,
    t: int,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """m ← β₁m + (1−β₁)g; u ← max(β₂u, |g|); θ ← θ − lr / (1−β₁ᵗ) · m / (u + ε)."""
    m, u = state["m"], state["v"]
    for i, g in enumerate(gradient):
        m[i] = beta_1 * m[i] + (1.0 - beta_1) * g
        u[i] = max(beta_2 * u[i], abs(g))
        theta[i] -= lr / (1.0 - beta_1**t) * m[i] / (u[i] + epsilon)


def nadam(
    theta: Vector,
    gradient: Vector,
    state: State,
    lr: float,
    t: int,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """With μ at step t and Π the product of all μ so far: the mean gradient of the next step, mixed with the present one."""
    mu = [beta_1 * (1.0 - 0.5 * 0.96**k) for k in range(t + 2)]
    now, then = math.prod(mu[1 : t + 1]), math.prod(mu[1 : t + 2])
    m, v = state["m"], state["v"]
    for i, g in enumerate(gradient):
        m[i] = beta_1 * m[i] + (1.0 - beta_1) * g
        v[i] = beta_2 * v[i] + (1.0 - beta_2) * g * g
        mean = mu[t + 1] * m[i] / (1.0 - then) + (1.0 - mu[t]) * g / (1.0 - now)
        theta[i] -= lr * mean / (math.sqrt(v[i] / (1.0 - beta_2**t)) + epsilon)


def radam(
    theta: Vector,
    gradient: Vector,
    state: State,
    lr: float,
    t: int,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """Adam, its step multiplied by r where ρ is above 5; the plain mean gradient below."""
    m, v = state["m"], state["v"]
    most = 2.0 / (1.0 - beta_2) - 1.0
    rho = most - 2.0 * t * beta_2**t / (1.0 - beta_2**t)
    for i, g in enumerate(gradient):
        m[i] = beta_1 * m[i] + (1.0 - beta_1) * g
        v[i] = beta_2 * v[i] + (1.0 - beta_2) * g * g
        mean = m[i] / (1.0 - beta_1**t)
        if rho > 5.0:
            r = math.sqrt((rho - 4.0) * (rho - 2.0) * most / ((most - 4.0) * (most - 2.0) * rho))
            theta[i] -= lr * mean * r * math.sqrt(1.0 - beta_2**t) / (math.sqrt(v[i]) + epsilon)
        else:
            theta[i] -= lr * mean


def lion(theta: Vector, gradient: Vector, state: State, lr: float, t: int, beta_1: float = 0.9, beta_2: float = 0.99) -> None:
    """θ ← θ − lr·sign(β₁m + (1−β₁)g); m ← β₂m + (1−β₂)g."""
    m = state["m"]
    for i, g in enumerate(gradient):
        mixed = beta_1 * m[i] + (1.0 - beta_1) * g
        theta[i] -= lr * ((mixed > 0.0) - (mixed < 0.0))
        m[i] = beta_2 * m[i] + (1.0 - beta_2) * g


RULES: dict[str, Rule] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adam,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "adamax": adamax,
    "nadam": nadam,
    "radam": radam,
    "lion": lion,
}
DECOUPLED = ("adamw",)


@dataclass
class Oracle:
    """Steps of the rule `name` with `options` on theta; the first `decayed` parameters are weights.

    l1 adds l1·sign(θ) to the gradient of a weight. Weight decay λ adds λθ to it or, decoupled, shrinks the weight by lr·λ·θ.
    """

    name: str
    theta: Vector
    decayed: int
    weight_decay: float = 0.0
    l1: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = {slot: [0.0] * len(self.theta) for slot in "vawm"}

    def apply(self, gradient: Vector, lr: float, t: int) -> None:
        """Step t, counted from 1; changes theta in place."""
        gradient = list(gradient)
        for i, weight in enumerate(self.theta[: self.decayed]):
            gradient[i] += self.l1 * ((weight > 0.0) - (weight < 0.0))
            if self.name in DECOUPLED:
                self.theta[i] -= lr * self.weight_decay * weight
            else:
                gradient[i] += self.weight_decay * weight
        RULES[self.name](self.theta, gradient, self.state, lr, t, **self.options)
