"""Generated sets: two features a row, classes 0 … K − 1, all float64. A function's signature is the schema of its options.

Rows are drawn from seeds of their own, so that the run's seed never changes the data. Except for `ellipse`, whose rows come in one
sequence, training and test rows are drawn apart: more test rows leave the training rows as they were.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from typing_extensions import Doc

from mlp_cli.data.dataset import RawSet, arrays_sha256
from mlp_cli.registry import Range, Registry, Seed
from mlp_cli.rng import Purpose, stream

Points = NDArray[np.float64]
Labels = NDArray[np.int64]

Rows = Annotated[int, Range(ge=1, le=10_000_000), Doc("Points of a generated set to train on.")]
TestRows = Annotated[int, Range(ge=0, le=10_000_000), Doc("Points of a generated set to test on.")]
Classes = Annotated[int, Range(ge=2, le=100), Doc("Classes of a generated set.")]
Noise = Annotated[float, Range(ge=0, le=1e6), Doc("Standard deviation of the noise on each coordinate of a generated set.")]
Turns = Annotated[float, Range(gt=0, le=1e6), Doc("How far an arm of the spirals winds, in full turns.")]
DataSeed = Annotated[Seed, Doc("Fixes the points of a generated set.")]

synthetic: Registry[Callable[..., RawSet]] = Registry("synthetic dataset")

_FORM = ((1.0, -0.05), (1.0, 0.4))
_THRESHOLD = 0.6


@synthetic.register
def ellipse(rows: Rows = 60_000, test_rows: TestRows = 10_000, data_seed: DataSeed = 0) -> RawSet:
    """Standard normal points, class 1 outside the ellipse a² + 0.95ab + 0.4b² = 0.6.

    The synthetic set of the course Deep Learning at VU Amsterdam (Peter Bloem), value for value with the defaults; what the course
    calls its validation part is the test part here, and its seed is 0. The points are one sequence: its first `rows` are the
    training part.
    """
    # The course seeds NumPy's global generator; a generator of one's own gives the same numbers and disturbs nobody.
    x = np.random.RandomState(data_seed).standard_normal((rows + test_rows, 2))
    y = (np.einsum("ni,ij,nj->n", x, np.array(_FORM), x) > _THRESHOLD).astype(np.int64)
    return _whole("ellipse", 2, (x[:rows], y[:rows]), (x[rows:], y[rows:]))


@synthetic.register
def blobs(
    rows: Rows = 6_000,
    test_rows: TestRows = 1_000,
    class_count: Classes = 3,
    noise: Noise = 0.2,
    data_seed: DataSeed = 0,
) -> RawSet:
    """One round cloud a class; the centres are spaced evenly on the unit circle."""
    return _drawn("blobs", class_count, (rows, test_rows), lambda y, _: _polar(1.0, y / class_count), noise, data_seed)


@synthetic.register
def moons(rows: Rows = 6_000, test_rows: TestRows = 1_000, noise: Noise = 0.1, data_seed: DataSeed = 0) -> RawSet:
    """Two half circles of radius 1 that reach into each other: the upper one about (0, 0), the lower one about (1, 0.5).

    The shapes of scikit-learn's make_moons, which spaces its points evenly where these are uniformly random.
    """

    def place(y: Labels, generator: Generator) -> Points:
        upper = _polar(1.0, generator.random(len(y)) / 2)
        return np.where(y[:, None] == 0, upper, [1.0, 0.5] - upper)

    return _drawn("moons", 2, (rows, test_rows), place, noise, data_seed)


@synthetic.register
def spirals(
    rows: Rows = 6_000,
    test_rows: TestRows = 1_000,
    class_count: Classes = 3,
    turns: Turns = 0.75,
    noise: Noise = 0.02,
    data_seed: DataSeed = 0,
) -> RawSet:
    """One arm a class, from near the origin to radius 1; the angle grows with the radius."""

    def place(y: Labels, generator: Generator) -> Points:
        # At the origin itself all arms would meet.
        radius = generator.uniform(0.1, 1.0, len(y))
        return _polar(radius, y / class_count + turns * radius)

    return _drawn("spirals", class_count, (rows, test_rows), place, noise, data_seed)


@synthetic.register
def xor(rows: Rows = 6_000, test_rows: TestRows = 1_000, noise: Noise = 0.0, data_seed: DataSeed = 0) -> RawSet:
    """Uniform points of the square from −1 to 1; class 1 where the two coordinates differ in sign. The noise is added after that."""

    def place(y: Labels, generator: Generator) -> Points:
        size = 1.0 - generator.random((len(y), 2))  # 0 excluded, 1 included
        sign = generator.choice([-1.0, 1.0], len(y))
        return size * np.stack([sign, np.where(y == 0, sign, -sign)], axis=1)

    return _drawn("xor", 2, (rows, test_rows), place, noise, data_seed)


@synthetic.register
def rings(
    rows: Rows = 6_000,
    test_rows: TestRows = 1_000,
    class_count: Classes = 2,
    noise: Noise = 0.05,
    data_seed: DataSeed = 0,
) -> RawSet:
    """One circle a class about the origin; class k of K has radius (k + 1) / K."""

    def place(y: Labels, generator: Generator) -> Points:
        return _polar((y + 1) / class_count, generator.random(len(y)))

    return _drawn("rings", class_count, (rows, test_rows), place, noise, data_seed)


def _polar(radius: Points | float, turns: Points) -> Points:
    """Points (n, 2) at a radius and an angle in full turns from the first axis."""
    angle = 2 * np.pi * turns
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _drawn(
    name: str, classes: int, rows: tuple[int, int], place: Callable[[Labels, Generator], Points], noise: float, seed: int
) -> RawSet:
    """A set whose classes are as equal in size as can be, in random order; `place` gives the points without noise."""
    parts = []
    for part, count in enumerate(rows):
        generator = stream(seed, Purpose.SYNTHETIC, 0, part)
        y = generator.permutation(np.arange(count, dtype=np.int64) % classes)
        x = place(y, generator)
        parts.append((x + noise * generator.standard_normal((count, 2)), y))
    return _whole(name, classes, *parts)


def _whole(name: str, classes: int, train: tuple[Points, Labels], test: tuple[Points, Labels]) -> RawSet:
    made = RawSet(
        name=name,
        shape=(2,),
        classes=tuple(str(label) for label in range(classes)),
        train_x=train[0],
        train_y=train[1],
        test_x=test[0] if len(test[1]) else None,
        test_y=test[1] if len(test[1]) else None,
        source="generated",
    )
    return replace(made, sha256=arrays_sha256(made.arrays()))
