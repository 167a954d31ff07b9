"""Features learnt without labels from small patches of the training pictures.

Coates, Lee and Ng 2011, An Analysis of Single-Layer Networks in Unsupervised Feature Learning; Coates and Ng 2011, The Importance of
Encoding Versus Training; Coates and Ng 2012, Learning Feature Representations with K-means (spherical k-means, section 3).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from typing_extensions import Doc

from mlp_cli.data.dataset import Array, Part
from mlp_cli.data.pictures import Pictures
from mlp_cli.errors import UsageError
from mlp_cli.registry import Count, Range, Seed
from mlp_cli.rng import Purpose, stream

_CONTRAST = 10.0
"""Added to the variance of a patch of bytes, so that noise in flat patches is not blown up."""
_ROUNDS = 10
_ROWS = 5_000
_FLOATS = 1_000_000
"""Numbers that one piece of the work holds at a time."""

Floats = NDArray[np.float32]


class Patches:
    """Patches of the training pictures, whitened and clustered; how much of each filter is in each part of a picture.

    Each patch is brought to mean 0 and deviation 1, whitened, and compared with the filters, which spherical k-means found. The
    `threshold` encoding has two values a filter, max(0, r − threshold) and max(0, −r − threshold) of the response r; `triangle` has
    one, how much nearer than the mean distance the filter is. Both are averaged over each cell of the grid.
    """

    standardize = True

    def __init__(
        self,
        filters: Annotated[Count, Doc("How many are learnt.")] = 64,
        size: Annotated[Count, Doc("Width and height of a patch, in pixels.")] = 6,
        stride: Annotated[Count, Doc("Pixels from one patch to the next.")] = 1,
        whiten: Annotated[bool, Doc("Take what neighbouring pixels share out of the patches (ZCA).")] = True,
        epsilon: Annotated[
            float, Range(gt=0, le=1e6), Doc("Added to the variances when whitening; more keeps less noise.")
        ] = 0.1,
        encoding: Annotated[Literal["threshold", "triangle"], Doc("What becomes of a filter's response.")] = "threshold",
        threshold: Annotated[
            float, Range(ge=0, le=1e3), Doc("Responses up to this size count as none; of the threshold encoding.")
        ] = 0.25,
        grid: Annotated[Count, Doc("Cells across and down over which is averaged; 2 makes quadrants.")] = 2,
        samples: Annotated[Count, Doc("Patches that the filters are learnt from.")] = 200_000,
        components: Annotated[Count | None, Doc("Principal components of the features to keep; null for all features.")] = None,
        seed: Annotated[Seed, Doc("Fixes which patches are drawn; the run's seed does not change the features.")] = 0,
    ) -> None:
        self.filters, self.size, self.stride = filters, size, stride
        self.whiten, self.epsilon = whiten, epsilon
        self.encoding, self.threshold = encoding, threshold
        self.grid, self.samples, self.components, self.seed = grid, samples, components, seed

    def check(self, pictures: Pictures) -> None:
        """Errors: UsageError where the pictures are too small for the patches or the grid."""
        smallest = min(pictures.height, pictures.width)
        picture = f"the pictures are {pictures.width} × {pictures.height}"
        if self.size > smallest:
            raise UsageError(f"features: patches of size {self.size}, and {picture}", f"set features.size to at most {smallest}")
        across = (smallest - self.size) // self.stride + 1
        if self.grid > across:
            raise UsageError(
                f"features: a grid of {self.grid}, but {picture}, which gives {across} patches across",
                f"set features.grid to at most {across}",
            )
        if self.size == 1 and pictures.channels == 1:
            raise UsageError("features: patches of a single value have no contrast", "set features.size to 2 or more")

    def width(self, pictures: Pictures) -> int:
        """How many features a picture has, before `components`."""
        return self.filters * (2 if self.encoding == "threshold" else 1) * self.grid**2

    def learn(self, part: Part, pictures: Pictures) -> dict[str, Array]:
        """The filters, from the pictures of a part.

        Returns float32 arrays: `whitening` (d, d + 1), whose last column is added, takes a normalised patch to a white one;
        `filters` (K, d) are compared with that. d = channels · size².
        """
        generator = stream(self.seed, Purpose.FEATURES)
        patches = self._sample(part, pictures, generator)
        dimensions = patches.shape[1]
        # The mean of a patch is taken out by the matrix, once for all.
        turn, shift = np.eye(dimensions) - 1 / dimensions, np.zeros(dimensions)
        if self.whiten:
            mean = patches.mean(axis=0, dtype=np.float64)
            patches -= mean.astype(np.float32)
            variance, directions = np.linalg.eigh((patches.T @ patches).astype(np.float64) / len(patches))
            white = (directions / np.sqrt(np.maximum(variance, 0) + self.epsilon)) @ directions.T
            patches = patches @ white.astype(np.float32)
            turn, shift = white @ turn, -white @ mean
        filters = _spherical_k_means(patches, self.filters, generator)
        return {"whitening": np.column_stack([turn, shift]).astype(np.float32), "filters": filters}

    def _sample(self, part: Part, pictures: Pictures, generator: np.random.Generator) -> Floats:
        """Random patches (samples, d) of random pictures, normalised."""
        found = np.empty((self.samples, pictures.channels * self.size**2), dtype=np.float32)
        for start in range(0, self.samples, _ROWS):
            count = min(_ROWS, self.samples - start)
            rows = part.index[generator.integers(len(part), size=count)]
            top = generator.integers(pictures.height - self.size + 1, size=count)
            left = generator.integers(pictures.width - self.size + 1, size=count)
            windows = sliding_window_view(pictures.planes(part.x[rows]), (self.size, self.size), axis=(2, 3))
            found[start : start + count] = windows[np.arange(count), :, top, left].reshape(count, -1)
        if pictures.top != 255:
            found *= np.float32(255 / pictures.top)
        found -= found.mean(axis=1, keepdims=True)
        found /= np.sqrt(np.square(found).mean(axis=1, keepdims=True) + np.float32(_CONTRAST))
        return found

    def compute(self, rows: Array, pictures: Pictures, learnt: dict[str, Array]) -> Floats:
        """The features (B, width) of raw rows (B, D). learnt: what `learn` returned."""
        places = ((pictures.height - self.size) // self.stride + 1) * ((pictures.width - self.size) // self.stride + 1)
        numbers = places * max(2 * len(learnt["filters"]), len(learnt["whitening"]))
        step = max(1, _FLOATS // numbers)
        out = np.empty((len(rows), self.width(pictures)), dtype=np.float32)
        whitening = learnt["whitening"]
        if self.encoding == "threshold":
            whitening = learnt["filters"] @ whitening
        for start in range(0, len(rows), step):
            planes = pictures.bytes_of(rows[start : start + step])
            columns, pooling = self._columns(planes)
            responses = whitening @ columns.reshape(len(columns), -1)
            cells = self._encoded(responses, learnt["filters"], (len(planes), pooling))
            out[start : start + step] = cells.transpose(1, 0, 2).reshape(len(planes), -1)
        return out

    def _columns(self, planes: Floats) -> tuple[Floats, Floats]:
        """Patches as columns (d + 1, B, P), divided by their deviation, with a last row of ones; and the pooling (P, cells)."""
        count, channels, size = len(planes), planes.shape[1], self.size
        windows = sliding_window_view(planes, (size, size), axis=(2, 3))[:, :, :: self.stride, :: self.stride]
        down, across = windows.shape[2:4]
        columns = np.ones((channels * size**2 + 1, count, down * across), dtype=np.float32)
        inverse = 1 / self._deviations(planes)
        into = columns[:-1].reshape(channels, size, size, count, down, across)
        np.multiply(windows.transpose(1, 4, 5, 0, 2, 3), inverse.astype(np.float32), out=into)
        rows, lines = (np.arange(length) * self.grid // length for length in (down, across))
        cell = (rows[:, None] * self.grid + lines).reshape(-1)
        pooling = (cell[:, None] == np.arange(self.grid**2)).astype(np.float32)
        return columns, pooling / pooling.sum(axis=0)

    def _deviations(self, planes: Floats) -> NDArray[np.float64]:
        """The standard deviation of each patch, (B, down, across)."""
        exact = planes.astype(np.float64)
        sums = []
        for values in (exact.sum(axis=1), np.square(exact).sum(axis=1)):
            total = np.pad(values, ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
            lines = total[:, self.size :] - total[:, : -self.size]
            boxes = lines[:, :, self.size :] - lines[:, :, : -self.size]
            sums.append(boxes[:, :: self.stride, :: self.stride] / (planes.shape[1] * self.size**2))
        return np.sqrt(np.maximum(sums[1] - np.square(sums[0]), 0) + _CONTRAST)

    def _encoded(self, responses: Floats, filters: Floats, places: tuple[int, Floats]) -> Floats:
        """The pooled encoding, (features, B, cells), of responses (K, B · P), or of white patches (d, B · P) for `triangle`."""
        count, pooling = places
        if self.encoding == "triangle":
            lengths = np.square(responses).sum(axis=0) + 1
            distances = filters @ responses
            distances *= -2
            distances += lengths
            np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
            np.subtract(distances.mean(axis=0), distances, out=distances)
            return _pooled(np.maximum(distances, 0, out=distances), count, pooling)
        limit = np.float32(self.threshold)
        above = _pooled(np.maximum(responses, limit), count, pooling) - limit
        np.negative(responses, out=responses)
        below = _pooled(np.maximum(responses, limit, out=responses), count, pooling) - limit
        return np.concatenate([above, below])


def _pooled(values: Floats, count: int, pooling: Floats) -> Floats:
    """Values (K, B · P) averaged over cells: (K, B, cells)."""
    return (values.reshape(-1, len(pooling)) @ pooling).reshape(len(values), count, -1)


def _spherical_k_means(patches: Floats, count: int, generator: np.random.Generator) -> Floats:
    """`count` directions (K, d) of length 1 along which most of the patches (n, d) lie: damped updates from random directions.

    A direction that no patch is nearest to starts anew from a random patch.
    """
    from scipy.sparse import csr_array

    filters = _unit(generator.standard_normal((count, patches.shape[1])).astype(np.float32))
    for _ in range(_ROUNDS):
        total = filters.copy()
        taken = np.zeros(count, dtype=np.int64)
        for start in range(0, len(patches), _ROWS):
            some = patches[start : start + _ROWS]
            likeness = some @ filters.T
            nearest = np.abs(likeness).argmax(axis=1)
            places = np.arange(len(some))
            shares = csr_array((likeness[places, nearest], (nearest, places)), shape=(count, len(some)))
            total += shares @ some
            taken += np.bincount(nearest, minlength=count)
        lost = np.flatnonzero(taken == 0)
        total[lost] = patches[generator.integers(len(patches), size=len(lost))]
        filters = _unit(total)
    return filters


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
