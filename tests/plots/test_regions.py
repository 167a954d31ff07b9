"""Figures of two-feature sets and of quantities."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots import regions

POINTS = np.random.default_rng(0).standard_normal((3000, 2)) * [1, 10]


def inside(figure):
    figure.draw_without_rendering()
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()


def test_the_grid_covers_the_points():
    grid = regions.grid_of(POINTS, 50)
    assert grid.inputs.shape == (2500, 2) and len(grid.x) == len(grid.y) == 50
    assert grid.inputs[0].tolist() == [grid.x[0], grid.y[0]] and grid.inputs[49].tolist() == [grid.x[-1], grid.y[0]]
    shares = ((grid.x[0] < POINTS[:, 0]) & (POINTS[:, 0] < grid.x[-1])).mean(), (POINTS[:, 1] > grid.y[0]).mean()
    assert min(shares) > 0.99
    far = regions.grid_of(np.vstack([POINTS, [[1e6, 0]]]), 5)
    assert far.x[-1] < 100, "one outlier does not squeeze all others together"
    same = regions.grid_of(np.ones((4, 2)), 5)
    assert same.x[0] < 1 < same.x[-1]


@pytest.mark.parametrize("many", [2, 6, 9, 30])
def test_regions_are_where_the_network_says(many):
    grid = regions.grid_of(POINTS, 20)
    predicted = (grid.inputs[:, 0] > 0).astype(int)
    labels = np.arange(len(POINTS)) % many
    figure = regions.draw_regions(grid, predicted, POINTS, labels, [f"c{k}" for k in range(many)], title="t", detail="d")
    (axes,) = figure.axes
    cells = axes.images[0].get_array()
    assert cells.shape == (20, 20) and (cells[:, 0] == 0).all() and (cells[:, -1] == 1).all()
    assert axes.images[0].origin == "lower"
    assert sum(len(line.get_xdata()) for line in axes.lines) == regions.POINTS and len(axes.lines) == many
    assert (axes.get_legend() is not None) == (many <= 20)
    assert inside(figure)


def test_hostile_names(hostile, tmp_path, read_png):
    labels = np.arange(len(POINTS)) % len(hostile)
    regions.scatter(tmp_path / "s.png", POINTS, labels, hostile, title=hostile[5])
    assert read_png(tmp_path / "s.png").shape[0] > 300
    for name in hostile:
        assert inside(regions.draw_histogram(POINTS[:, 0], name, title="set"))
    regions.histogram(tmp_path / "h.png", POINTS[:, 0], hostile[0], title="set")
    read_png(tmp_path / "h.png")


@pytest.mark.parametrize("values", [np.ones(5), np.array([1e300, -1e300]), np.arange(2000.0), np.array([3.5])])
def test_histograms(values):
    figure = regions.draw_histogram(values, "price", title="set")
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == len(values)
    assert inside(figure)
