"""Confusion matrix, first-layer weights, worst errors: what they show."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots import run
from mlp_cli.plots.text import width

RANDOM = np.random.default_rng(7)
DIGITS = list("0123456789")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def matrix(classes, row=1000):
    """Nine in ten right, the others spread."""
    wrong = RANDOM.multinomial(row // 10, np.full(classes, 1 / classes), size=classes)
    return wrong + np.diag(np.full(classes, row - row // 10))


def inside(figure):
    figure.draw_without_rendering()
    box = figure.get_tightbbox(figure.canvas.get_renderer())
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "mnist"),
        ({"test_accuracy": 0.98314}, "mnist · test accuracy 98.31 %"),
        ({"test_r2": -0.51239}, "mnist · test R² −0.5124"),
    ],
)
def test_title(arguments, expected):
    assert run.title_of("mnist", **arguments) == expected


def test_a_long_name_does_not_push_the_score_out():
    heading = run.draw_confusion(matrix(3), "abc", title=run.title_of("long_" * 60, test_accuracy=0.9)).texts[0].get_text()
    assert heading.startswith("long_") and "…" in heading and heading.endswith("test accuracy 90.00 %")


class TestConfusion:
    def test_counts_and_shades(self):
        axes = run.draw_confusion([[8, 2, 0], [0, 40, 0], [5, 0, 15]], ["cat", "dog", "cow"]).axes[0]
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
        axes = run.draw_confusion(matrix(3), "abc").axes[0]
        assert axes.get_ylim()[0] > axes.get_ylim()[1]

    def test_counts_are_readable_on_their_shade(self):
        axes = run.draw_confusion(matrix(10), DIGITS).axes[0]
        image = axes.images[0]
        for text in axes.texts:
            column, row = (round(value) for value in text.get_position())
            shade = np.dot(image.cmap(image.norm(image.get_array()[row, column]))[:3], (0.299, 0.587, 0.114))
            ink = 1.0 if text.get_color() == "white" else 0.13
            assert abs(shade - ink) > 0.35

    def test_a_class_without_examples(self):
        shares = run.draw_confusion([[0, 0], [1, 3]], "ab").axes[0].images[0].get_array()
        assert shares.tolist() == [[0.0, 0.0], [0.25, 0.75]]

    @pytest.mark.parametrize(("classes", "numbers"), [(1, True), (2, True), (10, True), (20, True), (21, False), (100, False)])
    def test_counts_up_to_twenty_classes(self, classes, numbers):
        figure = run.draw_confusion(matrix(classes), [f"c{k}" for k in range(classes)])
        assert bool(texts(figure.axes[0])) == numbers
        assert inside(figure)

    def test_counts_stay_inside_their_cells(self):
        for classes, row in ((10, 10_000_000), (20, 1000), (2, 10**12)):
            figure = run.draw_confusion(matrix(classes, row), [str(k) for k in range(classes)])
            figure.draw_without_rendering()
            cell = figure.axes[0].get_window_extent().width / classes
            assert all(text.get_window_extent().width < cell for text in figure.axes[0].texts)

    def test_classes_without_room_for_names_are_numbered(self):
        axes = run.draw_confusion(matrix(100), [f"class {k}" for k in range(100)]).axes[0]
        assert axes.get_ylabel() == "true class (number, from 0)"
        assert len(axes.get_yticks()) < 25

    def test_hostile_names(self, tmp_path, read_png, hostile):
        figure = run.draw_confusion(matrix(len(hostile)), hostile, title="$\\frac{1}{ 日本 \x00")
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert labels[0] == "$x^2$" and len(set(labels)) == len(hostile)
        assert not any(label.get_parse_math() for label in figure.axes[0].get_yticklabels())
        assert inside(figure)
        run.confusion(tmp_path / "confusion.png", matrix(len(hostile)), hostile, title="$\\frac{1}{ 日本 \x00")
        read_png(tmp_path / "confusion.png")

    def test_same_bytes(self, tmp_path):
        counts = matrix(3)
        for name in ("a", "b"):
            run.confusion(tmp_path / name, counts, DIGITS[:3], title="x")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestWeights:
    def test_the_strongest_units_are_chosen_in_order(self):
        weight = RANDOM.normal(size=(16, 100)) * np.arange(100)[RANDOM.permutation(100)]
        chosen = run.choose_units(weight)
        norms = np.sqrt((weight**2).sum(axis=0))
        assert len(chosen) == 64
        assert np.all(np.diff(norms[chosen]) <= 0)
        assert norms[chosen].min() >= np.delete(norms, chosen).max()
        assert run.choose_units(weight[:, :64]).tolist() == list(range(64))

    def test_broken_units_come_last(self):
        weight = np.ones((4, 3))
        weight[1, 0] = np.nan
        weight[1, 2] = 1e300
        assert run.choose_units(weight, 2).tolist() == [2, 1]

    @pytest.mark.parametrize(
        ("hidden", "said"),
        [
            (1, "First-layer weights: 1 unit"),
            (10, "First-layer weights: all 10 units, in order"),
            (65, "First-layer weights: the 64 of 65 units with the largest norm, largest first"),
        ],
    )
    def test_says_which_units(self, hidden, said):
        figure = run.draw_weights(RANDOM.normal(size=(784, hidden)), (28, 28), title="run")
        assert [text.get_text() for text in figure.texts] == ["run", said]
        assert inside(figure)

    def test_one_symmetric_scale_for_all(self):
        weight = RANDOM.normal(size=(16, 6))
        weight[0, 0] = 50.0
        figure = run.draw_weights(weight, (4, 4))
        image = figure.axes[0].images[0]
        assert image.norm.vmin == -image.norm.vmax
        assert 2 < image.norm.vmax < 50
        assert figure.axes[1].get_ylabel() == "weight"
        assert np.nanmax(image.get_array()) == 50.0

    def test_the_canvas_shows_the_weights(self):
        weight = np.arange(24.0).reshape(4, 6)
        canvas = run.draw_weights(weight, (2, 2)).axes[0].images[0].get_array()
        assert set(np.unique(canvas.compressed())) == set(range(24))
        assert (canvas[0, 0], canvas[-1, -1]) == (0.0, 23.0)

    def test_pixels_are_shown_one_to_one(self):
        axes = run.draw_weights(RANDOM.normal(size=(784, 300)), (28, 28)).axes[0]
        box = axes.get_window_extent()
        assert axes.images[0].get_array().shape == (round(box.height), round(box.width))

    @pytest.mark.parametrize(
        ("shape", "drawn"), [((4, 4, 3), True), ((3, 4, 4), True), ((48,), False), ((5, 5), False), ((2, 24), True)]
    )
    def test_shapes(self, tmp_path, read_png, shape, drawn):
        assert run.weights(tmp_path / "weights.png", RANDOM.normal(size=(48, 5)), shape) is drawn
        assert (tmp_path / "weights.png").exists() is drawn
        if drawn:
            read_png(tmp_path / "weights.png")

    def test_colour_layouts_agree(self):
        weight = RANDOM.normal(size=(4, 5, 3, 7))
        last = run.draw_weights(weight.reshape(60, 7), (4, 5, 3))
        first = run.draw_weights(weight.transpose(2, 0, 1, 3).reshape(60, 7), (3, 4, 5), channels_first=True)
        assert np.array_equal(last.axes[0].images[0].get_array(), first.axes[0].images[0].get_array())
        assert last.axes[1].get_ylabel() == "weight, for each colour channel"

    @pytest.mark.parametrize("shape", [(4, 4), (4, 4, 3)])
    @pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e-30, 1e30])
    def test_any_value(self, tmp_path, read_png, shape, value):
        weight = np.full((int(np.prod(shape)), 70), value, dtype=np.float32)
        assert run.weights(tmp_path / "weights.png", weight, shape)
        read_png(tmp_path / "weights.png")

    def test_says_that_something_is_not_finite(self):
        weight = RANDOM.normal(size=(16, 3))
        weight[2, 1] = np.nan
        assert run.draw_weights(weight, (4, 4)).texts[1].get_text().endswith("; white: not finite")

    def test_same_bytes(self, tmp_path):
        weight = RANDOM.normal(size=(784, 20))
        for name in ("a", "b"):
            run.weights(tmp_path / name, weight, (28, 28), title="x")
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class TestErrors:
    true = np.array([0, 1, 2, 3, 4, 5])
    predicted = np.array([0, 7, 2, 8, 9, 0])
    probability = np.array([0.999, 0.6, 0.5, 0.998, 0.99999, np.nan], dtype=np.float64)
    images = RANDOM.integers(0, 256, (6, 784), dtype=np.uint8)

    def captions(self, figure):
        """Caption lines, put together by where they stand."""
        found: dict[tuple[int, int], list[str]] = {}
        for text in figure.axes[0].texts:
            found.setdefault((round(text.get_position()[1]) // 150, round(text.get_position()[0])), []).append(text.get_text())
        return [" ".join(found[key]) for key in sorted(found)]

    def test_the_most_confident_first(self):
        assert run.worst_errors(self.true, self.predicted, self.probability).tolist() == [4, 3, 1, 5]
        assert run.worst_errors(self.true, self.predicted, self.probability, 2).tolist() == [4, 3]

    def test_equal_ones_keep_their_order(self):
        assert run.worst_errors(np.zeros(50, int), np.ones(50, int), np.full(50, 0.7)).tolist() == list(range(25))

    def test_captions(self):
        figure = run.draw_errors(self.images, self.true, self.predicted, self.probability, DIGITS, (28, 28), title="run")
        assert self.captions(figure) == [
            "true 4, predicted 9 (> 99.9 %)",
            "true 3, predicted 8 (99.8 %)",
            "true 1, predicted 7 (60.0 %)",
            "true 5, predicted 0 (nan %)",
        ]
        assert [text.get_text() for text in figure.texts] == ["run", "Worst errors: the 4 most confident of 4 wrong among 6"]
        assert inside(figure)

    def test_certainty_is_a_hundred_percent(self):
        figure = run.draw_errors(self.images[:1], np.array([4]), np.array([9]), np.array([1.0]), DIGITS, (28, 28))
        assert self.captions(figure) == ["true 4, predicted 9 (100.0 %)"]

    def test_shows_the_images_asked_for(self):
        rows = np.array([5, 4, 3, 2, 1, 0])
        canvas = (
            run.draw_errors(self.images, self.true, self.predicted, self.probability, DIGITS, (28, 28), rows=rows)
            .axes[0]
            .images[0]
        )
        first = self.images[rows[4]].reshape(28, 28)
        left = (196 - 142) // 2 + 1
        assert np.array_equal(canvas.get_array()[1:141:5, left : left + 140 : 5, 0], first)

    def test_long_names_fit_their_column(self, hostile):
        names = [*hostile, "Leptodactylus pentadactylus"]
        true = np.arange(11)
        figure = run.draw_errors(RANDOM.random((11, 784)), true, (true + 1) % 11, np.full(11, 0.5), names, (28, 28))
        assert max(width(text.get_text(), 7.5) for text in figure.axes[0].texts) <= 196 / 150
        assert inside(figure)

    @pytest.mark.parametrize("shape", [(784,), (2, 392, 1), (28, 27)])
    def test_not_drawn_without_images_or_errors(self, tmp_path, shape):
        drawn = run.errors(tmp_path / "errors.png", self.images, self.true, self.predicted, self.probability, DIGITS, shape)
        assert drawn is ((shape) == (2, 392, 1))
        assert not run.errors(tmp_path / "none.png", self.images, self.true, self.true, self.probability, DIGITS, (28, 28))
        assert not (tmp_path / "none.png").exists()

    def test_file_and_same_bytes(self, tmp_path, read_png):
        images = RANDOM.integers(0, 256, (12, 3 * 32 * 32), dtype=np.uint8)
        true = np.arange(12) % 10
        for name in ("a.png", "b.png"):
            assert run.errors(tmp_path / name, images, true, (true + 3) % 10, np.full(12, 0.5), DIGITS, (3, 32, 32))
        read_png(tmp_path / "a.png")
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
