"""Alterations of pictures, whole batches at once. A class's signature is the schema of its options.

A step takes planes (B, channels, height, width) of any dtype and returns as many of the same dtype; it may write into what it takes.
`top` is the value of white; black is 0, and gaps are filled with it. All randomness comes from the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from typing_extensions import Doc

from mlp_cli.data.dataset import Array, Dataset, Part
from mlp_cli.data.pictures import Pictures
from mlp_cli.registry import Count, NonNegative, Positive, Range, Registry
from mlp_cli.rng import Purpose, stream

augmentations: Registry = Registry("augmentation")

_POINTS = 16_384  # that a warp takes at a time: its arrays then stay in the cache, and are too small to be mapped anew each time
_ROWS = 1024

Share = Annotated[float, Range(ge=0, le=1)]
Degrees = Annotated[float, Range(ge=0, le=180)]
Level = Annotated[float, Range(ge=0, le=255)]

PRESETS: dict[str, dict[str, Any]] = {
    # CS776A, IIT Kanpur, assignment 1 of 2022: one of the four for each picture, joined to the originals.
    "cs776_2022": {
        "steps": [
            {"name": "rotation", "degrees": 180},
            {"name": "cutout", "size": 16},
            {"name": "crop", "padding": 2},
            {"name": "contrast", "low": 0.5, "high": 2.0, "flip": 0.5},
        ],
        "choose": "one",
        "copies": 1,
    },
    # A later edition; the numbers of enhance and posterize are those of a student's program.
    "cs776_later": {
        "steps": [
            {"name": "enhance"},
            {"name": "posterize"},
            {"name": "rotation", "degrees": 180},
            {"name": "contrast", "low": 0.5, "high": 2.0, "flip": 0.5},
        ],
        "choose": "one",
        "copies": 1,
    },
}
"""Lists of steps that go by a name."""


class Geometric:
    """A step that moves pixels by a map. Steps of this kind that follow one another become one map, so pixels blur once."""

    def maps(self, count: int, generator: Generator) -> NDArray[np.float64]:
        """(count, 3, 3): for each picture, from a place (y, x, 1) of the result, seen from the middle, to that of the original."""
        raise NotImplementedError


@augmentations.register
class Rotation(Geometric):
    """Turns a picture about its middle, either way (bilinear)."""

    def __init__(self, degrees: Annotated[Degrees, Doc("The largest angle.")] = 15.0) -> None:
        self.degrees = degrees

    def maps(self, count: int, generator: Generator) -> NDArray[np.float64]:
        angle = np.radians(generator.uniform(-self.degrees, self.degrees, count))
        cosine, sine = np.cos(angle), np.sin(angle)
        return _linear(cosine, sine, -sine, cosine)


@augmentations.register
class Shift(Geometric):
    """Moves a picture by whole pixels, up or down and left or right."""

    def __init__(self, pixels: Annotated[Count, Doc("The largest distance in either direction.")] = 2) -> None:
        self.pixels = pixels

    def maps(self, count: int, generator: Generator) -> NDArray[np.float64]:
        maps = np.broadcast_to(np.eye(3), (count, 3, 3)).copy()
        maps[:, :2, 2] = generator.integers(-self.pixels, self.pixels, size=(count, 2), endpoint=True)
        return maps


@augmentations.register
class Crop(Shift):
    """Pads a picture with black on every side and cuts one of its own size out."""

    def __init__(self, padding: Annotated[Count, Doc("Pixels that are added on every side.")] = 2) -> None:
        super().__init__(padding)


@augmentations.register
class Scale(Geometric):
    """Makes a picture larger or smaller about its middle (bilinear)."""

    def __init__(
        self,
        low: Annotated[Positive, Doc("The smallest factor.")] = 0.9,
        high: Annotated[Positive, Doc("The largest factor.")] = 1.1,
    ) -> None:
        self.low, self.high = sorted((low, high))

    def maps(self, count: int, generator: Generator) -> NDArray[np.float64]:
        inverse = 1 / generator.uniform(self.low, self.high, count)
        return _linear(inverse, np.zeros(count), np.zeros(count), inverse)


@augmentations.register
class Shear(Geometric):
    """Slants a picture: its rows move sideways, each in proportion to its height (bilinear)."""

    def __init__(self, degrees: Annotated[float, Range(ge=0, lt=90), Doc("The largest angle of the slant.")] = 10.0) -> None:
        self.degrees = degrees

    def maps(self, count: int, generator: Generator) -> NDArray[np.float64]:
        slant = np.tan(np.radians(generator.uniform(-self.degrees, self.degrees, count)))
        return _linear(np.ones(count), np.zeros(count), slant, np.ones(count))


@augmentations.register
class Flip:
    """Mirrors a picture, left to right."""

    def __init__(self, probability: Annotated[Share, Doc("The share of pictures that are mirrored.")] = 0.5) -> None:
        self.probability = probability

    def __call__(self, planes: Array, generator: Generator, top: float) -> Array:
        """Step; see the module."""
        chosen = np.flatnonzero(generator.random(len(planes)) < self.probability)
        planes[chosen] = planes[chosen, :, :, ::-1]
        return planes


@augmentations.register
class Cutout:
    """Fills a block at a random place with black. DeVries and Taylor 2017; the block lies within the picture here."""

    def __init__(
        self, size: Annotated[Count, Doc("The largest width and height of the block, in pixels; the least is 0.")] = 16
    ) -> None:
        self.size = size

    def __call__(self, planes: Array, generator: Generator, top: float) -> Array:
        """Step; see the module."""
        inside = []
        for length in planes.shape[2:]:
            block = generator.integers(0, min(self.size, length), size=len(planes), endpoint=True)
            start = generator.integers(0, length - block, endpoint=True)
            places = np.arange(length)
            inside.append((places >= start[:, None]) & (places < (start + block)[:, None]))
        hidden = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        planes[np.broadcast_to(hidden, planes.shape)] = 0
        return planes


@augmentations.register
class Contrast:
    """Multiplies the distance of each pixel from middle grey (128 of 255) by a factor, and clips."""

    def __init__(
        self,
        low: Annotated[NonNegative, Doc("The smallest factor.")] = 0.5,
        high: Annotated[NonNegative, Doc("The largest factor.")] = 2.0,
        flip: Annotated[Share, Doc("The share of the same pictures that are mirrored as well.")] = 0.0,
    ) -> None:
        self.low, self.high = sorted((low, high))
        self.flip = Flip(flip)

    def __call__(self, planes: Array, generator: Generator, top: float) -> Array:
        """Step; see the module."""
        factors = _each(generator.uniform(self.low, self.high, len(planes)))
        middle = np.float32(128 / 255 * top)
        planes = _like(planes, (planes - middle) * factors + middle, top)
        return self.flip(planes, generator, top)


@augmentations.register
class Enhance:
    """Stretches the brightness of a picture to the whole range; the colours keep their proportions."""

    def __init__(self) -> None:
        pass

    def __call__(self, planes: Array, generator: Generator, top: float) -> Array:
        """Step; see the module."""
        brightness = planes.mean(axis=1, keepdims=True, dtype=np.float32)
        least, most = (of(brightness, axis=(2, 3), keepdims=True) for of in (np.min, np.max))
        span = np.where(most > least, most - least, 1)
        stretched = np.where(most > least, (brightness - least) / span * np.float32(top), brightness)
        ratio = np.divide(stretched, brightness, out=np.zeros_like(brightness), where=brightness > 0)
        return _like(planes, planes * ratio, top)


@augmentations.register
class Posterize:
    """Squeezes the levels of a picture into a random range: low + level · (high − low) / 255."""

    def __init__(
        self,
        low_least: Annotated[Level, Doc("The least lower end, of 255.")] = 30,
        low_most: Annotated[Level, Doc("The largest lower end.")] = 50,
        high_least: Annotated[Level, Doc("The least upper end.")] = 100,
        high_most: Annotated[Level, Doc("The largest upper end.")] = 150,
    ) -> None:
        self.low = sorted((low_least, low_most))
        self.high = sorted((high_least, high_most))

    def __call__(self, planes: Array, generator: Generator, top: float) -> Array:
        """Step; see the module."""
        ends = [generator.uniform(least, most, len(planes)) for least, most in (self.low, self.high)]
        low, high = (_each(np.round(each) / 255 * top) for each in ends)
        return _like(planes, low + planes * ((high - low) / np.float32(top)), top)


@augmentations.register
class Elastic:
    """Displaces pixels by a smooth random field (bilinear). Simard, Steinkraus and Platt 2003."""

    def __init__(
        self,
        alpha: Annotated[NonNegative, Doc("What the smoothed field, drawn from −1 to 1, is multiplied by.")] = 34.0,
        sigma: Annotated[Positive, Doc("Standard deviation of the smoothing, in pixels.")] = 4.0,
    ) -> None:
        self.alpha, self.sigma = alpha, sigma

    def __call__(self, planes: Array, generator: Generator, top: float) -> Array:
        """Step; see the module."""
        from scipy.ndimage import gaussian_filter

        count, _, height, width = planes.shape
        field = generator.uniform(-1, 1, (count, 2, height, width)).astype(np.float32)
        field = gaussian_filter(field, (0, 0, self.sigma, self.sigma), mode="constant")
        places = np.indices((height, width), dtype=np.float32) + np.float32(self.alpha) * field
        return _sampled(planes, lambda rows: places[rows].reshape(-1, 2, height * width).copy())


@augmentations.register
class Noise:
    """Adds normal noise to each value, and clips."""

    def __init__(self, deviation: Annotated[Level, Doc("Standard deviation, in levels of 255.")] = 10.0) -> None:
        self.deviation = deviation

    def __call__(self, planes: Array, generator: Generator, top: float) -> Array:
        """Step; see the module."""
        noise = generator.standard_normal(planes.shape, dtype=np.float32)
        return _like(planes, planes + noise * np.float32(self.deviation / 255 * top), top)


Step = Geometric | Callable[[Array, Generator, float], Array]


@dataclass(frozen=True)
class Augmentation:
    """Steps for the rows of a set. one: each picture gets one of the steps, drawn at random; else all, one after the other."""

    steps: Sequence[Step]
    pictures: Pictures
    one: bool = False

    def __call__(self, rows: Array, generator: Generator) -> Array:
        """Rows (B, D), altered; of the same dtype. What is given may be written into."""
        planes = self.pictures.planes(rows)
        if not self.one:
            return self.pictures.rows(self._altered(planes, self.steps, generator))
        chosen = generator.integers(len(self.steps), size=len(rows))
        for number, step in enumerate(self.steps):
            places = np.flatnonzero(chosen == number)
            if len(places):
                planes[places] = self._altered(planes[places], [step], generator)
        return self.pictures.rows(planes)

    def _altered(self, planes: Array, steps: Sequence[Step], generator: Generator) -> Array:
        maps: NDArray[np.float64] | None = None
        for step in steps:
            if isinstance(step, Geometric):
                following = step.maps(len(planes), generator)
                maps = following if maps is None else maps @ following
                continue
            planes, maps = planes if maps is None else _warped(planes, maps), None
            planes = step(planes, generator, self.pictures.top)
        return planes if maps is None else _warped(planes, maps)


def with_copies(dataset: Dataset, augmentation: Augmentation, copies: int, seed: int) -> Dataset:
    """The set with `copies` altered copies of each training picture after the originals; the other parts are as they were."""
    train = dataset.train
    count = len(train)
    x = np.empty((count * (1 + copies), train.x.shape[1]), dtype=train.x.dtype)
    np.take(train.x, train.index, axis=0, out=x[:count])
    for number in range(copies):
        generator = stream(seed, Purpose.AUGMENT, 0, number)
        start = count * (1 + number)
        for piece in _pieces(count):
            x[start + piece.start : start + piece.stop] = augmentation(x[piece].copy(), generator)
    y = np.tile(train.y[train.index], (1 + copies, *(1,) * (train.y.ndim - 1)))
    x.flags.writeable = y.flags.writeable = False
    told = f"{count * copies:,} altered copies were joined to the {count:,} training pictures"
    return replace(dataset, train=Part(x, y, np.arange(len(x))), notices=(*dataset.notices, told))


def _pieces(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS))


def _linear(yy: Array, yx: Array, xy: Array, xx: Array) -> NDArray[np.float64]:
    """Maps (B, 3, 3) that keep the middle, from their entries (B,)."""
    maps = np.broadcast_to(np.eye(3), (len(yy), 3, 3)).copy()
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 1, 0], maps[:, 1, 1] = yy, yx, xy, xx
    return maps


def _each(values: Array) -> NDArray[np.float32]:
    """One number for each picture, (B,), to go with planes."""
    return values.astype(np.float32)[:, None, None, None]


def _like(planes: Array, values: Array, top: float) -> Array:
    """Values clipped to 0 … top, in the dtype of `planes`; rounded where that is one of whole numbers."""
    clipped = np.clip(values, 0, top)
    return np.rint(clipped).astype(planes.dtype) if planes.dtype.kind in "iu" else clipped.astype(planes.dtype)


def _warped(planes: Array, maps: NDArray[np.float64]) -> Array:
    """Planes moved by maps (B, 3, 3), between pixels by bilinear interpolation, black outside."""
    height, width = planes.shape[2:]
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    places = np.ones((3, height * width))
    places[:2] = np.indices((height, width)).reshape(2, -1) - middle[:, None]
    moved = maps[:, :2].copy()
    moved[:, :, 2] += middle
    exact, grid = moved.astype(np.float32), places.astype(np.float32)
    return _sampled(planes, lambda rows: (exact[rows].reshape(-1, 3) @ grid).reshape(-1, 2, height * width))


def _sampled(planes: Array, places_of: Callable[[slice], NDArray[np.float32]]) -> Array:
    """The values of planes (B, C, H, W) at places (B, 2, H · W), y and x in pixels, bilinear, black outside; as new planes.

    places_of: gives the places of a slice of the pictures. SciPy and Pillow take one picture at a time, which is four times slower
    for small ones; the values are those of scipy.ndimage.map_coordinates with mode="grid-constant".
    """
    count, channels, height, width = planes.shape
    # A black pixel before each picture, and two after it, so that the neighbours of all places within are there.
    line, plane = width + 3, (height + 3) * (width + 3)
    out = np.empty_like(planes, order="C")
    half = np.float32(0.5 if planes.dtype.kind in "iu" else 0)
    step = max(1, _POINTS // (height * width))
    for start in range(0, count, step):
        rows = slice(start, min(start + step, count))
        some = planes[rows]
        padded = np.zeros((len(some), channels, height + 3, width + 3), dtype=planes.dtype)
        padded[:, :, 1:-2, 1:-2] = some
        places = places_of(rows)
        places += 1
        for axis, length in enumerate((height, width)):
            np.clip(places[:, axis], 0, length + 1, out=places[:, axis])
        corners = np.trunc(places)
        whole = corners.astype(np.int32)
        places -= corners
        index = whole[:, 0] * line + whole[:, 1] + np.arange(len(some), dtype=np.int32)[:, None] * (channels * plane)
        for channel in range(channels):
            values = padded.reshape(-1)[channel * plane :]
            upper, lower = (_between(values[first:], index, places[:, 1]) for first in (0, line))
            lower -= upper
            lower *= places[:, 0]
            lower += upper
            lower += half
            out[rows, channel] = lower.reshape(-1, height, width)
    return out


def _between(values: Array, index: NDArray[np.int32], share: NDArray[np.float32]) -> NDArray[np.float32]:
    """values[index], and that share of the way to values[index + 1], as float32."""
    # Every index is within: any other mode than "raise" saves a pass.
    first = values.take(index, mode="clip").astype(np.float32)
    second = values[1:].take(index, mode="clip") - first
    second *= share
    second += first
    return second
