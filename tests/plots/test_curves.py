"""Loss and accuracy curves: what is drawn, and on which axis."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots import curves

NAN = float("nan")


def labels(axis):
    """Texts of the ticks that lie inside the axis."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def lines(figure):
    """The curves by their name in the legend."""
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def heading(figure):
    return [text.get_text() for text in figure.texts]


def test_two_curves_and_the_best_epoch():
    figure = curves.draw_loss([1, 2, 3], [0.9, 0.5, 0.4], [0.8, 0.6, 0.7], best_epoch=2, title="a run")
    drawn = lines(figure)
    assert list(drawn) == ["training", "validation", "best epoch: 2"]
    assert list(drawn["training"].get_xdata()) == [1, 2, 3]
    assert list(drawn["validation"].get_ydata()) == [0.8, 0.6, 0.7]
    assert list(drawn["best epoch: 2"].get_xdata()) == [2, 2]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == list(drawn)
    assert heading(figure) == ["a run"]
    assert figure.axes[0].get_xlabel() == "epoch"


def test_curves_differ_without_colour():
    drawn = lines(curves.draw_accuracy([1, 2], [0.5, 0.6], [0.4, 0.5]))
    training, validation = drawn["training"], drawn["validation"]
    assert training.get_linestyle() != validation.get_linestyle()
    assert training.get_marker() != validation.get_marker()


def test_no_validation_no_best_epoch():
    assert list(lines(curves.draw_loss([1, 2], [0.5, 0.4]))) == ["training"]


@pytest.mark.parametrize(
    ("train", "validation", "scale"),
    [
        ([0.4, 0.01], [0.2, 0.1], "linear"),
        ([2.0, 0.04], None, "log"),
        ([0.3, 0.2], [60.0, 0.2], "log"),
        ([2.0, 0.0], None, "linear"),
        ([1e9, -1.0], None, "linear"),
    ],
)
def test_loss_axis_is_logarithmic_only_where_the_range_demands_it(train, validation, scale):
    axes = curves.draw_loss([1, 2], train, validation, label="loss (nats)").axes[0]
    assert axes.get_yscale() == scale
    assert axes.get_ylabel() == ("loss (nats), log scale" if scale == "log" else "loss (nats)")


def test_log_axis_has_plain_labels():
    figure = curves.draw_loss([1, 2, 3], [2.0, 1e-3, 1e9])
    figure.draw_without_rendering()
    texts = labels(figure.axes[0].yaxis)
    assert len(texts) >= 3
    assert not any("$" in text or "e" in text for text in texts)
    assert any(text in ("10⁶", "10⁷", "10⁸") for text in texts)


def test_a_long_label_gets_a_second_line_on_a_log_axis():
    label = "cross-entropy with a long explanation (nats per example)"
    assert curves.draw_loss([1, 2], [9.0, 0.01], label=label).axes[0].get_ylabel() == f"{label}\nlog scale"


def test_accuracy_is_in_percent_and_does_not_go_beyond_100():
    figure = curves.draw_accuracy([1, 2, 3], [0.9, 0.97, 1.0], [0.91, 0.95, 0.96])
    axes = figure.axes[0]
    assert axes.get_ylabel() == "accuracy (%)"
    assert lines(figure)["training"].get_ydata()[-1] == 100.0
    assert 100 <= axes.get_ylim()[1] < 101
    assert axes.get_ylim()[0] > 85


def test_accuracy_axis_spans_at_least_a_point():
    low, high = curves.draw_accuracy([1, 2], [0.9731, 0.9731]).axes[0].get_ylim()
    assert low < 97.31 < high
    assert high - low == pytest.approx(1.0)


def test_r2_is_a_fraction_cut_at_minus_one():
    axes = curves.draw_accuracy([1, 2, 3], [-40.0, 0.2, 0.8], label="R²", percent=False).axes[0]
    assert axes.get_ylabel() == "R², cut at −1"
    assert -1.3 < axes.get_ylim()[0] < -1
    assert 0.8 < axes.get_ylim()[1] <= 1.1
    uncut = curves.draw_accuracy([1, 2], [-0.4, 0.8], label="R²", percent=False).axes[0]
    assert uncut.get_ylabel() == "R²"
    assert uncut.get_ylim()[0] < -0.4


@pytest.mark.parametrize("epochs", [[0], [1], [7]])
def test_one_epoch_is_a_marked_point_at_a_whole_number(epochs):
    figure = curves.draw_loss(epochs, [0.4], [0.3], best_epoch=epochs[0])
    figure.draw_without_rendering()
    line = lines(figure)["training"]
    assert line.get_marker() not in ("", "None", None)
    assert line.get_markevery() == [0]
    assert labels(figure.axes[0].xaxis) == [str(epochs[0])]


@pytest.mark.parametrize("count", [2, 3, 12, 200, 1000])
def test_epoch_ticks_are_whole_numbers(count):
    figure = curves.draw_loss(np.arange(1, count + 1), np.linspace(2, 1, count))
    figure.draw_without_rendering()
    ticks = labels(figure.axes[0].xaxis)
    assert 2 <= len(ticks) <= 13
    assert all(text.isdigit() for text in ticks)
    assert len(lines(figure)["training"].get_markevery()) <= 13


def test_no_epochs_still_draws(tmp_path, read_png):
    curves.loss(tmp_path / "loss.png", [], [], [])
    curves.accuracy(tmp_path / "accuracy.png", [], [])
    read_png(tmp_path / "loss.png")
    read_png(tmp_path / "accuracy.png")


def test_a_diverged_run_says_from_when():
    figure = curves.draw_loss([1, 2, 3, 4], [2.3, 1e6, NAN, NAN], [2.2, float("inf"), NAN, NAN], title="x")
    assert heading(figure) == ["x", "no finite value: training from epoch 3, validation from epoch 2"]
    assert list(np.isfinite(lines(figure)["validation"].get_ydata())) == [True, False, False, False]


def test_gaps_leave_no_value_undrawn():
    values = [1.0, None, 0.8, NAN, 0.6, 0.5] + [NAN, 0.4] * 20
    figure = curves.draw_loss(np.arange(1, len(values) + 1), values)
    marked = lines(figure)["training"].get_markevery()
    assert {0, 2, 7, 9, 45} <= set(marked)
    assert "in" not in heading(figure)[-1].split()
    assert heading(figure)[-1] == "no finite value: training 22 of 46 epochs"


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e308, -1e308, NAN, float("inf")])
def test_any_value_is_drawn_as_a_file(tmp_path, read_png, value):
    curves.loss(tmp_path / "loss.png", [1, 2], [value, value], [value, 0.5])
    curves.accuracy(tmp_path / "r2.png", [1], [value], label="R²", percent=False)
    read_png(tmp_path / "loss.png")
    read_png(tmp_path / "r2.png")


def test_same_input_same_bytes(tmp_path):
    for name in ("a.png", "b.png"):
        curves.loss(tmp_path / name, [1, 2, 3], [0.9, 0.5, 0.4], [0.8, 0.6, 0.7], best_epoch=2, title="run")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    curves.loss(tmp_path / "c.png", [1, 2, 3], [0.9, 0.5, 0.3], [0.8, 0.6, 0.7], best_epoch=2, title="run")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


def test_everything_lies_inside_the_figure():
    for figure in (
        curves.draw_loss([1, 2, 3], [123456.0, 123457.5, 123458.0], title="x" * 300),
        curves.draw_loss([1, 2], [9.0, 0.01], label="cross-entropy (nats per example)"),
        curves.draw_accuracy([1, 2], [-3.0, 1.0], [NAN, 0.2], label="R²", percent=False),
    ):
        figure.draw_without_rendering()
        box = figure.get_tightbbox(figure.canvas.get_renderer())
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.get_figwidth() and box.y1 <= figure.get_figheight()
