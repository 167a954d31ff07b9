"""Many small images as one: rows of pixels to images, images to a canvas that is shown pixel by pixel.

One canvas on one pair of axes draws about fifty times faster than an axes object for each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

GAP = 5  # pixels between images
_FRAME = 200  # grey of the one-pixel frame that shows where an image ends, whether its edge is black or white


def as_images(rows: NDArray[Any], shape: Sequence[int]) -> NDArray[Any] | None:
    """Rows (n, D) as images (n, h, w) or (n, h, w, 3) of the same dtype; None where `shape` is not that of an image with D values.

    shape: layout of one row: (h, w), (h, w, 1), (h, w, 3), or with the channels first (1, h, w), (3, h, w), which are taken for that
    where the last size is neither 1 nor 3.
    """
    if len(shape) not in (2, 3) or int(np.prod(shape)) != rows.shape[1]:
        return None
    images = rows.reshape(len(rows), *shape)
    if len(shape) == 3:
        if shape[0] in (1, 3) and shape[2] not in (1, 3):
            images = images.transpose(0, 2, 3, 1)
        if images.shape[3] == 1:
            images = images[..., 0]
        elif images.shape[3] != 3:
            return None
    return images if min(images.shape[1:3]) >= 2 else None


def thumbnails(images: NDArray[Any], width: int, height: int) -> NDArray[np.uint8]:
    """Images (n, h, w[, 3]) as framed RGB bytes (n, h', w', 3), scaled to fit, the frame not counted. Bytes stay as they are, other
    numbers are stretched from their common minimum to their maximum; what is not finite becomes black."""
    if images.dtype != np.uint8:
        values = images.astype(np.float64)
        finite = np.isfinite(values)
        low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 1.0)
        half = high / 2 - low / 2  # halves, because the span itself may be beyond float64
        values = (np.where(finite, values, low) / 2 - low / 2) / (half if half > 0 else 1.0)
        images = np.round(values * 255).astype(np.uint8)
    scaled = scale_to(images if images.ndim == 4 else images[..., None].repeat(3, axis=3), width, height)
    return np.pad(scaled, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=_FRAME)


def scale_to(images: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Images (n, h, w[, 3]) to fit `width` × `height` pixels: each pixel repeated a whole number of times, or blocks of pixels
    averaged, incomplete ones at the ends left out."""
    rows, columns = images.shape[1:3]
    factor = min(width // columns, height // rows)
    if factor >= 1:
        return images.repeat(factor, axis=1).repeat(factor, axis=2)
    block = max(-(-columns // width), -(-rows // height))
    down, across = max(1, rows // block), max(1, columns // block)
    whole = images[:, : down * block, : across * block]
    blocks = whole.reshape(len(images), down, -1, across, whole.shape[2] // across, *images.shape[3:])
    return blocks.mean(axis=(2, 4)).astype(images.dtype)


def compose(images: NDArray[np.uint8], columns: int, cell: tuple[int, int]) -> NDArray[np.uint8]:
    """RGB images (n, h, w, 3) row by row on one white canvas, each at the top of a cell of (width, height) pixels, in its middle."""
    count, height, width = images.shape[:3]
    rows, left = -(-count // columns), (cell[0] - width) // 2
    cells = np.full((rows * columns, cell[1], cell[0], 3), 255, dtype=np.uint8)
    cells[:count, :height, left : left + width] = images
    return cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2).reshape(rows * cell[1], -1, 3)


def show(canvas: NDArray[np.uint8]) -> Axes:
    """A new figure's axes with a canvas (H, W, 3) on them, in its pixels; `style.finish` has to give them the canvas's size."""
    height, width = canvas.shape[:2]
    axes = style.new_axes(width, height)
    axes.imshow(canvas, extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    return axes


def captioned(images: NDArray[np.uint8], captions: Sequence[str], columns: int, width: int, title: str, detail: str) -> Figure:
    """A figure of images (n, h, w, 3) in columns of `width` pixels, each with its caption below, which may have several lines."""
    text = 16 + round((captions[0].count("\n") + 1) * style.pixels(style.SMALL) * 1.25)
    canvas = compose(images, columns, (width, images.shape[1] + text))
    with style.context():
        axes = show(canvas)
        for place, caption in enumerate(captions):
            x, y = (place % columns + 0.5) * width, (place // columns + 1) * (images.shape[1] + text) - text + 4
            axes.text(x, y, caption, size=style.SMALL, va="top", ha="center", in_layout=False)
        return style.finish(axes, title, detail, canvas.shape[1::-1])
