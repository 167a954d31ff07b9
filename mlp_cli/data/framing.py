"""Pictures of one's own laid out as those of a known set, whose makers cut, turned and scaled what they had photographed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlp_cli.data.catalogue import Frame
from mlp_cli.data.dataset import Array

_FINE = 8  # pixels, in each direction, that a larger picture is brought to for one of the frame's
_PAPER = 0.08  # of the darkest ink: what is paler is paper


def framed(grey: Array, size: Sequence[int], frame: Frame) -> tuple[Array, list[str]]:
    """A grey picture (h, w) uint8 as one of the set's, (height, width) uint8, and what was done to it.

    size: height and width. A picture of that very size stays as it is, but for a light ground, which is turned. Of any other what
    stands out from its ground is taken; nothing does in a picture of one value, which becomes black.
    """
    edges = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    light = bool(np.median(edges) > 127)
    turned = ["a light ground is turned to a dark one"] if light else []
    if grey.shape == tuple(size):
        return (255 - grey if light else grey), turned
    done = [*turned, f"what is drawn is fitted into {size[1]} x {size[0]} pixels, as in the training pictures"]
    return np.round(255 * _fitted(_ink(grey, size, frame), size, frame)).astype(np.uint8), done


def _ink(grey: Array, size: Sequence[int], frame: Frame) -> Array:
    """What stands out from the ground, 0 … 1, in a picture some `_FINE` times as large as the frame."""
    scale = _FINE * max(size[0] / grey.shape[0], size[1] / grey.shape[1])
    down, across = (max(1, round(scale * side)) for side in grey.shape)
    fine = _resized(grey.astype(np.float32) / 255, (down, across))
    ground = np.median(np.concatenate([fine[0], fine[-1], fine[:, 0], fine[:, -1]]))
    ink = np.maximum(0, ground - fine if ground > 0.5 else fine - ground)
    most = max(0.1, float(np.quantile(ink, 0.9995)))
    # MNIST's digits had two levels before they were made small, and paper has shadows.
    levels = (ink > most / 2).astype(np.float32) if frame.middle == "mass" else np.minimum(1, ink / most)
    return np.where(ink < _PAPER * most, 0, levels)


def _fitted(ink: Array, size: Sequence[int], frame: Frame) -> Array:
    """Ink (h, w) in the frame (height, width)."""
    at = np.argwhere(ink > 0.1)
    if not len(at):
        return np.zeros(size, np.float32)
    first, last = at.min(axis=0), at.max(axis=0) + 1
    source = np.array(size) / (frame.box * np.min(np.array(size) / (last - first)))  # what of the ink becomes the frame
    middle = np.average(at + 0.5, axis=0, weights=ink[tuple(at.T)]) if frame.middle == "mass" else (first + last) / 2
    room = int(np.ceil(source.max()))
    top, left = middle - source / 2 + room
    return _resized(np.pad(ink, room), size, (left, top, left + source[1], top + source[0]))


def _resized(plane: Array, size: Sequence[int], box: tuple[float, float, float, float] | None = None) -> Array:
    """A plane (h, w) float32, or what of it is in a box, at (height, width): blocks are averaged, or values interpolated."""
    from PIL import Image

    return np.asarray(Image.fromarray(np.float32(plane)).resize((size[1], size[0]), Image.Resampling.BILINEAR, box))
