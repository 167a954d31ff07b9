"""The sheet of a data set: examples and distribution."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots import data

RANDOM = np.random.default_rng(3)


def make(classes, count=400):
    images = RANDOM.integers(0, 256, (count, 64), dtype=np.uint8)
    labels = RANDOM.permutation(np.arange(count) % classes)
    return images, labels, [f"class {k}" for k in range(classes)]


def bars(axes):
    """Sizes of the bars of each part."""
    return {box.get_label(): list(box.datavalues) for box in axes.containers}


def inside(figure):
    figure.draw_without_rendering()
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()


def test_rows_of_examples_beside_stacked_bars():
    images, labels, names = make(3)
    figure = data.draw_sheet(images, labels, names, (8, 8), {"training": [5, 60, 7], "test": [1, 2, 1000]}, title="set")
    sheet, distribution = figure.axes
    assert bars(distribution) == {"training": [5, 60, 7], "test": [1, 2, 1000]}
    assert [text.get_text() for text in distribution.texts] == ["class 0", " 6", "class 1", " 62", "class 2", " 1,007"]
    assert [text.get_text() for text in distribution.get_legend().get_texts()] == ["training", "test"]
    assert [text.get_text() for text in figure.texts] == [
        "set",
        "3 classes; the first 8 examples of each; 72 training, 1,003 test",
    ]
    assert len(sheet.images) == 1
    assert distribution.get_ylim()[0] > distribution.get_ylim()[1]
    assert inside(figure)


def test_shows_the_first_examples_of_the_rows_given():
    images, labels, names = make(2, 40)
    rows = np.arange(20, 40)
    canvas = data.draw_sheet(images, labels, names, (8, 8), {"training": [1, 1]}, rows=rows).axes[0].images[0].get_array()
    for k in range(2):
        for column, row in enumerate(rows[labels[rows] == k][:8]):
            y, x = k * 71 + 1 + 2, column * 71 + 1
            assert np.array_equal(canvas[y : y + 64 : 8, x : x + 64 : 8, 0], images[row].reshape(8, 8))


def test_many_classes_have_one_example_each():
    images, labels, names = make(26)
    figure = data.draw_sheet(images, labels, names, (8, 8), {"training": np.bincount(labels)})
    sheet, distribution = figure.axes
    assert [text.get_text() for text in sheet.texts][:4] == ["0", "class 0", "1", "class 1"]
    assert len(sheet.texts) == 52
    assert distribution.get_xlabel() == "class (number, from 0)"
    assert bars(distribution) == {"training": list(np.bincount(labels))}
    assert inside(figure)


@pytest.mark.parametrize(
    ("classes", "said"),
    [(2, "2 classes; "), (1, "1 class; "), (20, "20 classes; "), (21, "21 classes; "), (150, "150 classes; ")],
)
def test_without_images_the_distribution_alone(classes, said):
    images, labels, names = make(classes)
    figure = data.draw_sheet(images, labels, names, (64,), {"training": np.bincount(labels)})
    assert len(figure.axes) == 1
    assert figure.texts[-1].get_text() == f"{said}400 training"
    assert inside(figure)


def test_classes_without_examples(tmp_path, read_png):
    images, labels, names = make(3)
    assert data.sheet(tmp_path / "a.png", images, labels, [*names, "empty"], (8, 8), {"training": [1, 2, 3, 0]})
    read_png(tmp_path / "a.png")
    assert data.sheet(tmp_path / "b.png", images[:0], labels[:0], names, (8, 8), {"training": [0, 0, 0]})
    read_png(tmp_path / "b.png")
    many = [f"c{k}" for k in range(130)]
    assert inside(data.draw_sheet(images, labels, many, (8, 8), {"training": np.zeros(130)}, title="x"))


def test_no_classes_no_figure(tmp_path):
    assert not data.sheet(tmp_path / "x.png", np.zeros((2, 4)), np.zeros(2, int), [], (2, 2), {})
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("repeat", [1, 3])
def test_hostile_names(tmp_path, read_png, hostile, repeat):
    names = hostile * repeat
    images, labels, _ = make(len(names))
    counts = {"training": np.bincount(labels), "validation": np.bincount(labels), "test": np.bincount(labels)}
    assert inside(data.draw_sheet(images, labels, names, (8, 8), counts, title="$\\frac{ 日本"))
    for name in ("a.png", "b.png")[: 3 - repeat]:
        data.sheet(tmp_path / name, images, labels, names, (8, 8), counts, title="$\\frac{ 日本")
        read_png(tmp_path / name)
    if repeat == 1:
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
