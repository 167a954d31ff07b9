"""Many small images as one: rows of pixels to images, images to a canvas that is shown pixel by pixel.

One canvas on one pair of axes draws about fifty times faster than an axes object for each image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli.plots import style

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

_FRAME = 200  # grey of the one-pixel frame that shows where an image ends, whether its edge is black or white


def as_images(rows: NDArray[Any], shape: Sequence[int], channels_first: bool | None = None) -> NDArray[Any] | None:
    """Rows (n, D) as images (n, h, w) or (n, h, w, 3) of the same dtype; None where `shape` is not that of an image with D values.

    shape: layout of one row: (h, w), (h, w, 1), (h, w, 3), or with the channels first (1, h, w), (3, h, w).
    channels_first: None infers it: so where the first size is 1 or 3 and the last is neither.
    """
    shape = tuple(int(size) for size in shape)
    if rows.ndim != 2 or len(shape) not in (2, 3) or int(np.prod(shape)) != rows.shape[1]:
        return None
    images = rows.reshape(len(rows), *shape)
    if len(shape) == 3:
        if channels_first is None:
            channels_first = shape[0] in (1, 3) and shape[-1] not in (1, 3)
        if channels_first:
            images = images.transpose(0, 2, 3, 1)
        if images.shape[3] == 1:
            images = images[..., 0]
        elif images.shape[3] != 3:
            return None
    return images if min(images.shape[1:3]) >= 2 else None


def to_rgb(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Images (n, h, w[, 3]) as bytes (n, h, w, 3): bytes as they are, other numbers stretched from their common minimum to their maximum.

    What is not finite becomes black.
    """
    if images.dtype != np.uint8:
        values = images.astype(np.float64)
        finite = np.isfinite(values)
        low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 1.0)
        half = high / 2 - low / 2  # halves, because the span itself may be beyond float64
        values = (np.where(finite, values, low) / 2 - low / 2) / (half if half > 0 else 1.0)
        images = np.round(values * 255).astype(np.uint8)
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=3)


def scale_to(images: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Images (n, h, w[, 3]) to fit `width` × `height` pixels: each pixel repeated a whole number of times, or blocks of pixels averaged."""
    rows, columns = images.shape[1:3]
    factor = min(width // columns, height // rows)
    if factor >= 1:
        return images.repeat(factor, axis=1).repeat(factor, axis=2)
    block = max(-(-columns // width), -(-rows // height))
    starts = [np.arange(0, size, block) for size in (rows, columns)]
    sums = np.add.reduceat(np.add.reduceat(images, starts[0], axis=1, dtype=np.float64), starts[1], axis=2)
    down, across = (np.diff(np.append(start, size)) for start, size in zip(starts, (rows, columns), strict=True))
    area = np.outer(down, across).reshape(1, len(down), len(across), *([1] * (images.ndim - 3)))
    return (sums / area).astype(images.dtype)


def compose(images: NDArray[Any], columns: int, gap: int, fill: float) -> NDArray[Any]:
    """Images (n, h, w[, 3]) row by row on one canvas, `gap` pixels of `fill` between neighbours and where the last row ends early."""
    count, height, width = images.shape[:3]
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + gap, width + gap, *images.shape[3:]), fill, dtype=images.dtype)
    cells[:count, :height, :width] = images
    grid = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    canvas = grid.reshape(rows * (height + gap), columns * (width + gap), *images.shape[3:])
    return canvas[: canvas.shape[0] - gap, : canvas.shape[1] - gap]


def framed(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB images (n, h, w, 3) with a frame of one grey pixel around each: (n, h + 2, w + 2, 3)."""
    return np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=_FRAME)


def show(
    figure: Figure, canvas: NDArray[Any], left: int, top: int, mapping: tuple[Colormap, Normalize] | None = None
) -> AxesImage:
    """Puts a canvas on the figure, one canvas pixel on one figure pixel; axes without ticks or frame, in canvas pixels.

    mapping: from the values of a canvas (H, W) to colours; a canvas (H, W, 3) has its colours.
    """
    cmap, norm = mapping or (None, None)
    height, width = canvas.shape[:2]
    axes = style.place(figure, left, top, width, height)
    axes.set_axis_off()
    return axes.imshow(canvas, extent=(0, width, height, 0), interpolation="nearest", aspect="auto", cmap=cmap, norm=norm)


def line_height(points: float) -> float:
    """Pixels from one line of text to the next."""
    return style.pixels(points) * 1.2


def captioned_size(count: int, columns: int, cell: tuple[int, int], lines: int) -> tuple[int, int]:
    """Width and height in pixels of what `captioned` draws; cell is (width, height) of an image's place without its caption."""
    rows = -(-count // columns)
    return columns * cell[0], rows * (cell[1] + _caption_height(lines))


def captioned(
    figure: Figure,
    images: NDArray[np.uint8],
    captions: Sequence[str],
    columns: int,
    cell: tuple[int, int],
    corner: tuple[int, int],
) -> None:
    """Draws framed RGB images (n, h, w, 3), none larger than `cell`, in rows of `columns`, each with its caption below, all centred.

    corner: upper left pixel of the whole. A caption has its own line breaks; all have the same number of lines.
    """
    lines = captions[0].count("\n") + 1
    width, height = captioned_size(len(images), columns, cell, lines)
    canvas = np.full((height, width, 3), 255, dtype=np.uint8)
    image_height, image_width = images.shape[1:3]
    step = cell[1] + _caption_height(lines)
    places = [(number % columns * cell[0], number // columns * step) for number in range(len(images))]
    inset = (cell[0] - image_width) // 2
    for image, (x, y) in zip(images, places, strict=True):
        canvas[y : y + image_height, x + inset : x + inset + image_width] = image
    axes = show(figure, canvas, *corner).axes
    for caption, (x, y) in zip(captions, places, strict=True):
        # A text for each line, on a baseline of ours: lines of one text move with the height of their letters.
        for number, line in enumerate(caption.split("\n")):
            baseline = y + image_height + 4 + round((number + 0.85) * line_height(style.SMALL))
            axes.text(x + cell[0] / 2, baseline, line, size=style.SMALL, va="baseline", ha="center")


def _caption_height(lines: int) -> int:
    return round(lines * line_height(style.SMALL)) + 16
