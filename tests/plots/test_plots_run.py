"""Confusion matrix, first-layer weights, worst errors: what they show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mlp_cli.data.dataset import Part
from mlp_cli.plots import run, style
from mlp_cli.plots.text import width

RANDOM = np.random.default_rng(7)
DIGITS = list("0123456789")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def matrix(classes, row=1000):
    """Nine in ten right, the others spread."""
    wrong = RANDOM.multinomial(row // 10, np.full(classes, 1 / classes), size=classes)
    return wrong + np.diag(np.full(classes, row - row // 10))


def test_a_long_name_does_not_push_the_score_out():
    title = "long_" * 60 + " · test accuracy 90.00 %"
    heading = run.confusion(matrix(3), "abc", title).texts[0].get_text()
    assert heading.startswith("long_") and "…" in heading and heading.endswith("test accuracy 90.00 %")


class TestConfusion:
    def test_counts_and_shades(self):
        axes = run.confusion([[8, 2, 0], [0, 40, 0], [5, 0, 15]], ["cat", "dog", "cow"]).axes[0]
        assert {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in axes.texts} == {
            (0, 0): "8",
            (0, 1): "2",
            (1, 1): "40",
            (2, 0): "5",
            (2, 2): "15",
        }
        assert axes.images[0].get_array().tolist() == [[0.8, 0.2, 0.0], [0.0, 1.0, 0.0], [0.25, 0.0, 0.75]]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "cow"]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")

    def test_the_true_class_runs_downwards(self):
        axes = run.confusion(matrix(3), "abc").axes[0]
        assert axes.get_ylim()[0] > axes.get_ylim()[1]

    @pytest.mark.parametrize("diagonal", [900, 450, 350, 310, 150])
    def test_counts_are_readable_on_their_shade(self, diagonal):
        counts = np.full((10, 10), (1000 - diagonal) // 9) + np.diag(np.full(10, diagonal - (1000 - diagonal) // 9))
        axes = run.confusion(counts, DIGITS).axes[0]
        image = axes.images[0]
        for text in axes.texts:
            column, row = (round(value) for value in text.get_position())
            shade = np.dot(image.cmap(image.norm(image.get_array()[row, column]))[:3], (0.299, 0.587, 0.114))
            ink = 1.0 if text.get_color() == "white" else 0.13
            assert abs(shade - ink) > 0.35

    def test_a_class_without_examples(self):
        shares = run.confusion([[0, 0], [1, 3]], "ab").axes[0].images[0].get_array()
        assert shares.tolist() == [[0.0, 0.0], [0.25, 0.75]]

    @pytest.mark.parametrize(("classes", "numbers"), [(1, True), (2, True), (10, True), (20, True), (21, False), (1000, False)])
    def test_counts_up_to_twenty_classes(self, classes, numbers, inside):
        figure = run.confusion(matrix(classes), [f"c{k}" for k in range(classes)])
        assert bool(texts(figure.axes[0])) == numbers
        assert inside(figure)

    def test_counts_stay_inside_their_cells(self):
        for classes, row in ((10, 10_000_000), (20, 1000), (2, 10**12)):
            figure = run.confusion(matrix(classes, row), [str(k) for k in range(classes)])
            figure.draw_without_rendering()
            cell = figure.axes[0].get_window_extent().width / classes
            assert all(text.get_window_extent().width < cell for text in figure.axes[0].texts)

    @pytest.mark.parametrize("classes", [3, 20, 40])
    def test_names_keep_apart(self, classes):
        figure = run.confusion(matrix(classes), [f"a rather long name {k}" for k in range(classes)])
        figure.draw_without_rendering()
        for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
            boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
            assert len(boxes) == classes
            assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))

    def test_classes_without_room_for_names_are_numbered(self):
        axes = run.confusion(matrix(100), [f"class {k}" for k in range(100)]).axes[0]
        assert axes.get_ylabel() == "true class (number, from 0)"
        assert len(axes.get_yticks()) < 25

    def test_hostile_names(self, tmp_path, read_png, hostile, inside):
        figure = run.confusion(matrix(len(hostile)), hostile, "$\\frac{1}{ 日本 \x00")
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert labels[0] == "$x^2$" and len(set(labels)) == len(hostile)
        assert not any(label.get_parse_math() for label in figure.axes[0].get_yticklabels())
        assert inside(figure)
        style.save(figure, tmp_path / "confusion.png")
        read_png(tmp_path / "confusion.png")

    def test_same_bytes(self, tmp_path):
        counts = matrix(3)
        for name in ("a", "b"):
            style.save(run.confusion(counts, DIGITS[:3], "x"), tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestWeights:
    def red(self, figure):
        """Red in the upper left pixel of each of 64 units, in order: a positive weight has the less of it the larger it is."""
        canvas = figure.axes[0].images[0].get_array()
        return canvas[:: canvas.shape[0] // 8, 3 :: canvas.shape[1] // 8, 0].ravel().astype(int)

    def test_the_strongest_units_are_shown_first(self):
        sizes = RANDOM.permutation(100) + 1.0
        red = self.red(run.weights(np.ones((16, 1)) * sizes, (4, 4)))
        assert red.shape == (64,) and np.all(np.diff(red) >= 0) and red[0] == 5 and red[-1] > 90
        few = self.red(run.weights(np.ones((16, 1)) * sizes[:64], (4, 4)))
        assert np.all(np.diff(few[np.argsort(-sizes[:64])]) >= 0), "64 are in their own order"

    def test_broken_units_come_last(self):
        weight = np.ones((4, 66))
        weight[0, 0] = np.nan
        weight[0, 65] = -1e300
        figure = run.weights(weight, (2, 2))
        assert figure.axes[0].images[0].get_array()[0, 3].tolist() == [103, 0, 31], "the red end: unit 65"
        assert "not finite" not in figure.texts[1].get_text(), "unit 0 is left out"

    @pytest.mark.parametrize(
        ("hidden", "said"),
        [
            (1, "First-layer weights: 1 unit"),
            (10, "First-layer weights: all 10 units, in order"),
            (65, "First-layer weights: the 64 of 65 units with the largest norm, largest first"),
        ],
    )
    def test_says_which_units(self, hidden, said, inside):
        figure = run.weights(RANDOM.normal(size=(784, hidden)), (28, 28), "run")
        assert [text.get_text() for text in figure.texts] == ["run", said]
        assert inside(figure)

    def test_one_symmetric_scale_for_all(self):
        weight = RANDOM.normal(size=(16, 6))
        weight[0, 0] = 50.0
        figure = run.weights(weight, (4, 4))
        (bar,) = figure.axes[0].child_axes
        low, high = bar.get_ylim()
        assert low == -high and 2 < high < 50
        assert bar.get_ylabel() == "weight"
        assert figure.axes[0].images[0].get_array()[0, 3].tolist() == [5, 48, 97], "the blue end"

    @pytest.mark.parametrize(
        ("shape", "drawn"), [((4, 4, 3), True), ((3, 4, 4), True), ((48,), False), ((5, 5), False), ((2, 24), True)]
    )
    def test_shapes(self, shape, drawn, inside):
        figure = run.weights(RANDOM.normal(size=(48, 5)), shape)
        assert (figure is not None) is drawn
        assert not drawn or inside(figure)

    def test_each_weight_is_a_square_of_whole_pixels(self, tmp_path, read_png):
        """Units of 28 × 28 on six columns: 120 pixels hold four times 28; a figure's pixels then come in equal blocks of four."""
        style.save(run.weights(RANDOM.normal(size=(784, 36)), (28, 28), "t"), tmp_path / "w.png")
        pixels = read_png(tmp_path / "w.png")[..., :3]
        changes = (np.abs(np.diff(pixels, axis=1)).sum(axis=2) > 0)[:, : 6 * 117].sum(axis=0)
        strong = np.flatnonzero(changes > 300)
        unit = strong[(strong >= strong[0]) & (strong < strong[0] + 112)]
        assert set(np.diff(unit)) == {4}

    def test_colour_layouts_agree(self):
        weight = RANDOM.normal(size=(4, 5, 3, 7))
        last = run.weights(weight.reshape(60, 7), (4, 5, 3))
        first = run.weights(weight.transpose(2, 0, 1, 3).reshape(60, 7), (3, 4, 5))
        assert np.array_equal(last.axes[0].images[0].get_array(), first.axes[0].images[0].get_array())
        assert last.axes[0].child_axes[0].get_ylabel() == "weight, for each colour channel"

    @pytest.mark.parametrize(
        ("value", "shape"), [*((value, (4, 4)) for value in (0.0, np.nan, np.inf, 1e-30, 1e30)), (np.nan, (4, 4, 3))]
    )
    def test_any_value(self, tmp_path, read_png, value, shape):
        weight = np.full((int(np.prod(shape)), 70), value, dtype=np.float32)
        style.save(run.weights(weight, shape), tmp_path / "weights.png")
        read_png(tmp_path / "weights.png")

    def test_says_that_something_is_not_finite(self):
        weight = RANDOM.normal(size=(16, 3))
        weight[2, 1] = np.nan
        assert run.weights(weight, (4, 4)).texts[1].get_text().endswith("; white: not finite")

    def test_same_bytes(self, tmp_path):
        weight = RANDOM.normal(size=(784, 20))
        for name in ("a", "b"):
            style.save(run.weights(weight, (28, 28), "x"), tmp_path / name)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestErrors:
    true = np.array([0, 1, 2, 3, 4, 5])
    predicted = np.array([0, 7, 2, 8, 9, 0])
    probability = np.array([0.999, 0.6, 0.5, 0.998, 0.99999, np.nan], dtype=np.float64)
    images = RANDOM.integers(0, 256, (6, 784), dtype=np.uint8)
    part = Part(images, true, np.arange(6))

    def captions(self, figure):
        return [" ".join(text.get_text().split("\n")) for text in figure.axes[0].texts]

    def test_equal_ones_keep_their_order(self):
        images = np.repeat(np.arange(50, dtype=np.uint8)[:, None], 4, axis=1)
        figure = run.errors(Part(images, np.zeros(50, int), np.arange(50)), np.ones(50, int), np.full(50, 0.7), "ab", (2, 2))
        canvas = figure.axes[0].images[0].get_array()
        rows, columns = canvas.shape[0] // 5, canvas.shape[1] // 5
        assert canvas[30::rows, columns // 2 :: columns, 0].ravel().tolist() == list(range(25))
        assert figure.texts[-1].get_text() == "Worst errors, true → predicted class: the 25 most confident of 50 wrong among 50"

    def test_the_most_confident_first(self, inside):
        figure = run.errors(self.part, self.predicted, self.probability, DIGITS, (28, 28), "run")
        assert self.captions(figure) == [
            "4 → 9 (> 99.9 %)",
            "3 → 8 (99.8 %)",
            "1 → 7 (60.0 %)",
            "5 → 0 (nan %)",
        ]
        assert [text.get_text() for text in figure.texts] == ["run", "Worst errors, true → predicted class: 4 wrong among 6"]
        assert inside(figure)

    def test_certainty_is_a_hundred_percent(self):
        figure = run.errors(Part(self.images, np.array([4]), np.arange(1)), np.array([9]), np.array([1.0]), DIGITS, (28, 28))
        assert self.captions(figure) == ["4 → 9 (100.0 %)"]

    def test_shows_the_images_asked_for(self):
        true, rows = np.arange(9), np.array([0, 1, 2, 3, 5, 8])
        images = RANDOM.integers(0, 256, (9, 784), dtype=np.uint8)
        figure = run.errors(Part(images, true, rows), np.array([0, 1, 2, 3, 9, 7]), self.probability, DIGITS, (28, 28))
        first = images[5].reshape(28, 28)
        left = (196 - 142) // 2 + 1
        assert np.array_equal(figure.axes[0].images[0].get_array()[1:141:5, left : left + 140 : 5, 0], first)

    def test_long_names_fit_their_column(self, hostile, inside):
        names = [*hostile, "Leptodactylus pentadactylus"]
        true = np.arange(11)
        figure = run.errors(Part(RANDOM.random((11, 784)), true, true), (true + 1) % 11, np.full(11, 0.5), names, (28, 28))
        assert max(width(line, 7.5) for text in figure.axes[0].texts for line in text.get_text().split("\n")) <= 196 / 150
        assert inside(figure)

    def test_captions_keep_apart(self, hostile):
        true = np.arange(25) % 10
        figure = run.errors(
            Part(RANDOM.random((25, 784)), true, np.arange(25)), (true + 1) % 10, np.full(25, 0.5), hostile, (28, 28)
        )
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
        assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
        height = figure.axes[0].images[0].get_array().shape[0] / 5
        for place, text in enumerate(figure.axes[0].texts):
            lowest = figure.axes[0].transData.inverted().transform(text.get_window_extent().min)[1]
            assert lowest <= (place // 5 + 1) * height

    @pytest.mark.parametrize("shape", [(784,), (2, 392, 1), (28, 27)])
    def test_not_drawn_without_images_or_errors(self, shape):
        assert (run.errors(self.part, self.predicted, self.probability, DIGITS, shape) is not None) is (shape == (2, 392, 1))
        assert run.errors(self.part, self.true, self.probability, DIGITS, (28, 28)) is None

    def test_file_and_same_bytes(self, tmp_path, read_png):
        images = RANDOM.integers(0, 256, (12, 3 * 32 * 32), dtype=np.uint8)
        true = np.arange(12) % 10
        for name in ("a.png", "b.png"):
            figure = run.errors(Part(images, true, np.arange(12)), (true + 3) % 10, np.full(12, 0.5), DIGITS, (3, 32, 32))
            style.save(figure, tmp_path / name)
        read_png(tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


class TestLabels:
    def test_shares_and_counts(self):
        """Of 10 rows given the label 8 have it, of 16 that have it; a label that is never given has no precision."""
        counts = (np.array([8, 0]), np.array([10, 0]), np.array([16, 5]))
        figure = run.labels(*counts, ["sea", "sun"], "20 test rows", "tags")
        axes = figure.axes[0]
        found = {line.get_label(): line.get_xdata().tolist() for line in axes.lines}
        assert found["recall"] == [50.0, 0.0] and found["precision"][0] == 80.0 and np.isnan(found["precision"][1])
        assert texts(axes) == ["16", "5"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["sea", "sun"]
        assert figure.texts[1].get_text() == "2 labels; 20 test rows, on the right those that have the label"

    @pytest.mark.parametrize("many", [2, 20, 21, 100, 300])
    def test_many_labels_stay_inside(self, many, inside):
        counts = RANDOM.integers(1, 900, (3, many))
        figure = run.labels(counts.min(axis=0), *counts[1:], [f"label {k}" for k in range(many)], "1,000 test rows")
        assert inside(figure) and len(figure.axes[0].lines[0].get_xdata()) == min(many, 100)
        assert ("the first 100 of 300 labels" in figure.texts[-1].get_text()) == (many == 300)
