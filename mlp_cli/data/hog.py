"""Histograms of oriented gradients. Dalal and Triggs 2005."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Doc

from mlp_cli.data.dataset import Array, Part
from mlp_cli.data.pictures import Pictures
from mlp_cli.errors import UsageError
from mlp_cli.registry import Count

_CLIP = 0.2
_SMALL = 1e-3  # beside the length of a block of values from 0 to 1


class Hog:
    """Histograms of oriented gradients: which edges there are in each cell of a picture, compared with the cells around it.

    Gradients are differences of the two neighbours, of the channel where they are largest; beyond the edge the picture goes on as it
    is there. Directions are unsigned, shared between the two nearest bins by distance. Blocks of cells are brought to length 1,
    clipped at 0.2 and brought to length 1 again.
    """

    def __init__(
        self,
        orientations: Annotated[Count, Doc("Bins of direction, over half a turn.")] = 9,
        cell: Annotated[Count, Doc("Width and height of a cell, in pixels.")] = 8,
        block: Annotated[Count, Doc("Width and height of a block, in cells.")] = 2,
        components: Annotated[Count | None, Doc("Principal components of the features to keep; null for all features.")] = None,
        standardize: Annotated[bool, Doc("Bring each feature to mean 0 and deviation 1.")] = True,
    ) -> None:
        self.orientations, self.cell, self.block = orientations, cell, block
        self.components, self.standardize = components, standardize

    def check(self, pictures: Pictures) -> None:
        """Errors: UsageError where not even one block fits into the pictures."""
        if min(self._blocks(pictures)) < 1:
            told = f"a block of {self.block} × {self.block} cells of {self.cell} pixels"
            picture = f"the pictures are {pictures.width} × {pictures.height}"
            raise UsageError(f"features: hog: {told}, and {picture}", "make features.cell or features.block smaller")

    def width(self, pictures: Pictures) -> int:
        """How many features a picture has, before `components`."""
        down, across = self._blocks(pictures)
        return down * across * self.block**2 * self.orientations

    def _blocks(self, pictures: Pictures) -> tuple[int, int]:
        return pictures.height // self.cell - self.block + 1, pictures.width // self.cell - self.block + 1

    def learn(self, part: Part, pictures: Pictures) -> dict[str, Array]:
        """Nothing has to be learnt."""
        return {}

    def compute(self, rows: Array, pictures: Pictures, learnt: dict[str, Array]) -> NDArray[np.float32]:
        """The features (B, width) of raw rows (B, D)."""
        planes = pictures.bytes_of(rows) / np.float32(255)
        padded = np.pad(planes, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        down = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
        across = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
        strongest = (down**2 + across**2).argmax(axis=1)[:, None]
        down, across = (np.take_along_axis(each, strongest, axis=1)[:, 0] for each in (down, across))
        # Bins have their middles at half numbers.
        place = np.arctan2(down, across) % np.pi / np.pi * self.orientations - 0.5
        first = np.floor(place)
        share, strength = place - first, np.hypot(down, across)
        height, width = (length // self.cell for length in planes.shape[2:])
        cells = np.zeros((len(rows), height, width, self.orientations), dtype=np.float32)
        for number in range(self.orientations):
            weight = np.where(first % self.orientations == number, (1 - share) * strength, 0)
            weight += np.where((first + 1) % self.orientations == number, share * strength, 0)
            inside = weight[:, : height * self.cell, : width * self.cell]
            cells[..., number] = inside.reshape(len(rows), height, self.cell, width, self.cell).sum(axis=(2, 4))
        blocks = np.lib.stride_tricks.sliding_window_view(cells, (self.block, self.block), axis=(1, 2))
        values: NDArray[np.float32] = blocks.reshape(*blocks.shape[:3], -1)
        values = np.minimum(values / _lengths(values), _CLIP)
        return np.asarray(values / _lengths(values), np.float32).reshape(len(rows), -1)


def _lengths(values: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = np.square(values).sum(axis=-1, keepdims=True)
    return np.sqrt(squares + np.float32(_SMALL**2))
