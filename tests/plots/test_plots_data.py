"""The figures of a data set: examples and distribution, points of two features, values of a quantity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mlp_cli.plots import data, run, style

RANDOM = np.random.default_rng(3)
POINTS = np.random.default_rng(0).standard_normal((3000, 2)) * [1, 10]


def make(classes, count=400):
    images = RANDOM.integers(0, 256, (count, 64), dtype=np.uint8)
    labels = RANDOM.permutation(np.arange(count) % classes)
    return images, labels, [f"class {k}" for k in range(classes)]


def bars(axes):
    """Sizes of the bars of each part."""
    return {box.get_label(): list(box.datavalues) for box in axes.containers}


def test_rows_of_examples_beside_stacked_bars(inside):
    images, labels, names = make(3)
    figure = data.sheet(images, labels, names, (8, 8), {"training": [5, 60, 7], "test": [1, 2, 1000]}, "set")
    (sheet,) = figure.axes
    (distribution,) = sheet.child_axes
    assert bars(distribution) == {"training": [5, 60, 7], "test": [1, 2, 1000]}
    assert [text.get_text() for text in distribution.texts] == [" 6", " 62", " 1,007"]
    assert [text.get_text() for text in sheet.get_yticklabels()] == ["class 0", "class 1", "class 2"]
    assert [text.get_text() for text in distribution.get_legend().get_texts()] == ["training", "test"]
    assert [text.get_text() for text in figure.texts] == [
        "set",
        "3 classes; the first 8 examples of each; 72 training, 1,003 test",
    ]
    assert distribution.get_ylim()[0] > distribution.get_ylim()[1]
    assert inside(figure)
    middles = [label.get_window_extent().y0 + label.get_window_extent().y1 for label in sheet.get_yticklabels()]
    assert middles == pytest.approx(
        [(text.get_window_extent().y0 + text.get_window_extent().y1) for text in distribution.texts], abs=6
    )


def test_shows_the_first_examples_of_each_class():
    images, labels, names = make(2, 40)
    canvas = data.sheet(images, labels, names, (8, 8), {"training": [1, 1]}).axes[0].images[0].get_array()
    for k in range(2):
        for column, row in enumerate(np.flatnonzero(labels == k)[:8]):
            y, x = k * 71 + 1, column * 71 + 2 + 1
            assert np.array_equal(canvas[y : y + 64 : 8, x : x + 64 : 8, 0], images[row].reshape(8, 8))


def test_one_example_of_each_is_one_example():
    figure = data.sheet(np.zeros((2, 64), np.uint8), np.arange(2), "ab", (8, 8), {"training": [1, 1]})
    assert figure.texts[-1].get_text() == "2 classes; the first example of each; 2 training"


def test_many_classes_have_one_example_each_with_their_number(inside):
    images, labels, names = make(26)
    counts = np.bincount(labels)
    figure = data.sheet(images, labels, names, (8, 8), {"training": counts, "test": counts * 1000})
    (sheet,) = figure.axes
    assert [text.get_text() for text in sheet.texts] == [f"class {k}\n{1001 * count:,}" for k, count in enumerate(counts)]
    assert figure.texts[-1].get_text() == "26 classes; the first example of each; 400 training, 400,000 test"
    first = sheet.images[0].get_array()[1:57:7, (98 - 58) // 2 + 1 :: 7, 0][:, :8]
    assert np.array_equal(first, images[np.flatnonzero(labels == 0)[0]].reshape(8, 8))
    assert inside(figure)


@pytest.mark.parametrize(
    ("classes", "said"),
    [(2, "2 classes; "), (1, "1 class; "), (20, "20 classes; "), (21, "21 classes; "), (150, "150 classes; ")],
)
def test_without_images_the_distribution_alone(classes, said, inside):
    images, labels, names = make(classes)
    figure = data.sheet(images, labels, names, (64,), {"training": np.bincount(labels)})
    (axes,) = figure.axes
    assert bars(axes) == {"training": list(np.bincount(labels))} and not axes.child_axes
    assert figure.texts[-1].get_text() == f"{said}400 training"
    assert inside(figure)
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


def test_classes_without_examples(tmp_path, read_png, inside):
    images, labels, names = make(3)
    figure = data.sheet(images, labels, [*names, "empty"], (8, 8), {"training": [1, 2, 3, 0]})
    style.save(figure, tmp_path / "a.png")
    read_png(tmp_path / "a.png")
    assert inside(data.sheet(images[:0], labels[:0], names, (8, 8), {"training": [0, 0, 0]}))
    many = data.sheet(images, labels, [f"c{k}" for k in range(130)], (8, 8), {"training": np.zeros(130)}, "x")
    assert inside(many) and len(many.axes[0].texts) == 3
    assert many.texts[-1].get_text() == "130 classes; the first example of 100 of them; 0 training"
    few = data.sheet(images[:5], np.array([0, 0, 0, 1, 2]), names, (8, 8), {"training": [3, 1, 1]})
    assert few.texts[-1].get_text() == "3 classes; the first up to 3 examples of each; 5 training"


@pytest.mark.parametrize("repeat", [1, 3])
def test_hostile_names(tmp_path, read_png, hostile, repeat, inside):
    names = hostile * repeat
    images, labels, _ = make(len(names))
    counts = {"training": np.bincount(labels), "validation": np.bincount(labels), "test": np.bincount(labels)}
    figure = data.sheet(images, labels, names, (8, 8), counts, "$\\frac{ 日本")
    assert inside(figure)
    style.save(figure, tmp_path / "a.png")
    read_png(tmp_path / "a.png")


def test_same_bytes(tmp_path):
    images, labels, names = make(3)
    for name in ("a.png", "b.png"):
        style.save(data.sheet(images, labels, names, (8, 8), {"training": np.bincount(labels)}, "set"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def right_of_zero(inputs):
    return (inputs[:, 0] > 0).astype(int)


@pytest.mark.parametrize("many", [2, 9, 20, 100])
def test_regions_are_where_the_network_says(many, inside, tmp_path, read_png):
    labels = np.arange(len(POINTS)) % many
    figure = data.plane(POINTS, labels, [f"class {k}" for k in range(many)], ("x", "y"), "t", "d", right_of_zero)
    (axes,) = figure.axes
    cells = axes.images[0].get_array()
    low, high = axes.get_xlim()
    assert cells.shape == (200, 200)
    assert cells[:, int(200 * -low / (high - low)) - 2].max() == 0 and cells[:, int(200 * -low / (high - low)) + 2].min() == 1
    assert sum(len(line.get_xdata()) for line in axes.lines) == data.POINTS and len(axes.lines) == many
    assert (axes.get_legend() is not None) == (many <= 20) == (not axes.child_axes)
    assert inside(figure)
    style.save(figure, tmp_path / "regions.png")
    pixels = read_png(tmp_path / "regions.png")
    assert pixels[:, -4:, :3].min() == 1, "nothing reaches the right edge"


def test_the_lower_rows_of_the_regions_are_the_smaller_values():
    figure = data.plane(POINTS, np.zeros(3000, int), "ab", ("x", "y"), predict=lambda inputs: (inputs[:, 1] > 0).astype(int))
    image = figure.axes[0].images[0]
    assert image.origin == "lower" and image.get_array()[0].max() == 0 and image.get_array()[-1].min() == 1


def test_the_axes_of_a_plane_hold_the_points():
    axes = data.plane(POINTS, np.zeros(3000, int), "a", ("x", "y")).axes[0]
    assert (
        ([axes.get_xlim()[0], axes.get_ylim()[0]] < POINTS) & ([axes.get_xlim()[1], axes.get_ylim()[1]] > POINTS)
    ).mean() > 0.99
    far = data.plane(np.vstack([POINTS, [[1e6, 0]]]), np.zeros(3001, int), "a", ("x", "y")).axes[0]
    assert far.get_xlim()[1] < 100, "one outlier does not squeeze all others together"
    same = data.plane(np.ones((4, 2)), np.zeros(4, int), "a", ("x", "y")).axes[0]
    assert same.get_xlim()[0] < 1 < same.get_xlim()[1]


def test_a_plane_has_the_names_of_its_columns(hostile, inside):
    axes = data.plane(POINTS, np.zeros(3000, int), "a", ("age", "size=large")).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("age", "size=large")
    labels = np.arange(100) % len(hostile)
    for across, upwards in zip(hostile[::2], hostile[1::2], strict=True):
        assert inside(data.plane(POINTS[:100], labels, hostile, (across, upwards), hostile[5]))
        assert inside(data.plane(POINTS[:100], labels, hostile, (upwards, across), hostile[5]))


def test_hostile_names_of_quantities(hostile, tmp_path, read_png, inside):
    for name in hostile:
        assert inside(data.histogram(POINTS[:40, 0], name, "set"))
    style.save(data.histogram(POINTS[:, 0], hostile[0], "set"), tmp_path / "h.png")
    read_png(tmp_path / "h.png")


@pytest.mark.parametrize("values", [np.ones(5), np.array([1e300, -1e300]), np.arange(2000.0), np.array([3.5])])
def test_histograms(values, inside):
    figure = data.histogram(values, "price", "set")
    assert sum(patch.get_height() for patch in figure.axes[0].patches) == len(values)
    assert inside(figure)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-7, 0.0), (1e5, 0.0), (12345678.0, 0.0), (1.0, 1e6), (1e-3, 1e3)])
def test_numbers_on_an_axis_keep_apart(scale, shift):
    points = POINTS * scale + shift
    for figure in (
        data.histogram(points[:, 0], "price"),
        data.plane(points, np.zeros(3000, int), "a", ("x", "y")),
        run.quantity("fit", points[:, 0], points[:, 0], "price", "test"),
    ):
        figure.draw_without_rendering()
        ends = figure.axes[0].get_xlim()
        ticks = [tick for tick in figure.axes[0].xaxis.get_major_ticks() if ends[0] <= tick.get_loc() <= ends[1]]
        boxes = [tick.label1.get_window_extent() for tick in ticks]
        assert len(boxes) >= 2 and all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


def test_one_value_is_no_distribution():
    assert data.histogram([3.5], "price").texts[-1].get_text() == "1 row, of 3.5"
    assert data.histogram([1.0, 2.0], "price").texts[-1].get_text() == "2 rows; mean 1.5, from 1 to 2"
