"""Rows to images, images to one canvas."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots import mosaic


@pytest.mark.parametrize(
    ("shape", "flag", "expected"),
    [
        ((4, 6), None, (4, 6)),
        ((4, 6, 1), None, (4, 6)),
        ((1, 4, 6), None, (4, 6)),
        ((4, 2, 3), None, (4, 2, 3)),
        ((3, 4, 2), None, (4, 2, 3)),
        ((3, 2, 4), True, (2, 4, 3)),
        ((24,), None, None),
        ((4, 5), None, None),
        ((2, 6, 2), None, None),
        ((3, 4, 2), False, None),
        ((1, 24), None, None),
        ((2, 3, 2, 2), None, None),
        ((), None, None),
    ],
)
def test_as_images(shape, flag, expected):
    rows = np.arange(48).reshape(2, 24)
    images = mosaic.as_images(rows, shape, flag)
    assert (None if images is None else images.shape[1:]) == expected


def test_as_images_puts_every_number_where_it_belongs():
    row = np.arange(24)[None]
    assert mosaic.as_images(row, (4, 6))[0, 2, 5] == 2 * 6 + 5
    assert mosaic.as_images(row, (4, 2, 3))[0, 3, 1, 2] == 3 * 6 + 1 * 3 + 2
    assert mosaic.as_images(row, (3, 4, 2))[0, 3, 1, 2] == 2 * 8 + 3 * 2 + 1


def test_bytes_stay_bytes_and_numbers_are_stretched():
    grey = np.array([[[10, 20], [30, 40]]], dtype=np.uint8)
    assert np.array_equal(mosaic.to_rgb(grey)[..., 1], grey)
    stretched = mosaic.to_rgb(np.array([[[-1.0, 0.0], [1.0, np.nan]]]))
    assert stretched[0, :, :, 0].tolist() == [[0, 128], [255, 0]]
    assert mosaic.to_rgb(np.full((1, 2, 2), 3.0)).max() == 0
    assert mosaic.to_rgb(np.array([[[-1.7e308, 1.7e308]]]))[0, 0, :, 2].tolist() == [0, 255]


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
    image = np.array([[[1.0, 3.0, 5.0], [5.0, 7.0, 9.0]]])
    assert mosaic.scale_to(image, 2, 2).tolist() == [[[4.0, 7.0]]]


def test_compose_sets_images_row_by_row():
    images = np.arange(1, 4)[:, None, None] * np.ones((3, 2, 2))
    canvas = mosaic.compose(images, 2, 1, 0)
    assert canvas.shape == (5, 5)
    assert canvas.tolist() == [[1, 1, 0, 2, 2], [1, 1, 0, 2, 2], [0] * 5, [3, 3, 0, 0, 0], [3, 3, 0, 0, 0]]


def test_frames_are_one_pixel_of_grey():
    framed = mosaic.framed(np.zeros((2, 4, 5, 3), dtype=np.uint8))
    assert framed.shape == (2, 6, 7, 3)
    assert framed[0, 0].min() == framed[1, :, -1].min() > 100
    assert framed[0, 1:-1, 1:-1].max() == 0
