"""Rows to images, images to one canvas."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots import mosaic


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((4, 6), (4, 6)),
        ((4, 6, 1), (4, 6)),
        ((1, 4, 6), (4, 6)),
        ((4, 2, 3), (4, 2, 3)),
        ((3, 4, 2), (4, 2, 3)),
        ((3, 2, 4), (2, 4, 3)),
        ((24,), None),
        ((4, 5), None),
        ((2, 6, 2), None),
        ((1, 24), None),
        ((2, 3, 2, 2), None),
        ((), None),
    ],
)
def test_as_images(shape, expected):
    rows = np.arange(48).reshape(2, 24)
    images = mosaic.as_images(rows, shape)
    assert (None if images is None else images.shape[1:]) == expected


def test_as_images_puts_every_number_where_it_belongs():
    row = np.arange(24)[None]
    assert mosaic.as_images(row, (4, 6))[0, 2, 5] == 2 * 6 + 5
    assert mosaic.as_images(row, (4, 2, 3))[0, 3, 1, 2] == 3 * 6 + 1 * 3 + 2
    assert mosaic.as_images(row, (3, 4, 2))[0, 3, 1, 2] == 2 * 8 + 3 * 2 + 1


def inner(images):
    """Thumbnails of images of 2 × 2, without their frames."""
    return mosaic.thumbnails(np.asarray(images), 2, 2)[:, 1:-1, 1:-1]


def test_bytes_stay_bytes_and_numbers_are_stretched():
    grey = np.array([[[10, 20], [30, 40]]], dtype=np.uint8)
    assert np.array_equal(inner(grey)[..., 1], grey)
    stretched = inner([[[-1.0, 0.0], [1.0, np.nan]]])
    assert stretched[0, :, :, 0].tolist() == [[0, 128], [255, 0]]
    assert inner(np.full((1, 2, 2), 3.0)).max() == 0
    assert inner(np.full((1, 2, 2), np.nan)).max() == 0
    assert inner([[[-1.7e308, 1.7e308], [0.0, 0.0]]])[0, 0, :, 2].tolist() == [0, 255]


def test_scale_to_enlarges_by_a_whole_factor():
    image = np.array([[[1, 2], [3, 4]]])
    large = mosaic.scale_to(image, 7, 9)
    assert large.shape == (1, 6, 6)
    assert large[0, ::3, ::3].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("shape", [(100, 130), (7, 1000), (333, 20), (100, 130, 3)])
def test_scale_to_averages_down(shape):
    images = np.random.default_rng(0).random((2, *shape))
    small = mosaic.scale_to(images, 64, 50)
    assert small.shape[1] <= 50 and small.shape[2] <= 64
    assert small[0].mean() == pytest.approx(images[0].mean(), abs=0.03)


def test_scale_to_averages_whole_blocks():
    image = np.array([[[1.0, 3.0, 5.0, 7.0], [5.0, 7.0, 9.0, 11.0]]])
    assert mosaic.scale_to(image, 2, 2).tolist() == [[[4.0, 8.0]]]


def test_images_beyond_the_last_whole_block_are_left_out():
    image = np.array([[[1.0, 3.0, 99.0], [5.0, 7.0, 99.0]]])
    assert mosaic.scale_to(image, 2, 2).tolist() == [[[4.0]]]


def test_compose_sets_images_row_by_row():
    images = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones((3, 2, 2, 3), dtype=np.uint8)
    canvas = mosaic.compose(images, 2, (4, 3))
    assert canvas.shape == (6, 8, 3) and canvas.dtype == np.uint8
    assert canvas[..., 1].tolist() == [
        [255, 1, 1, 255, 255, 2, 2, 255],
        [255, 1, 1, 255, 255, 2, 2, 255],
        [255] * 8,
        [255, 3, 3, 255, 255, 255, 255, 255],
        [255, 3, 3, 255, 255, 255, 255, 255],
        [255] * 8,
    ]


def test_frames_are_one_pixel_of_grey():
    framed = mosaic.thumbnails(np.zeros((2, 4, 5), dtype=np.uint8), 5, 4)
    assert framed.shape == (2, 6, 7, 3)
    assert framed[0, 0].min() == framed[1, :, -1].min() > 100
    assert framed[0, 1:-1, 1:-1].max() == 0
