"""Loss and accuracy curves and the predictions of a quantity: what is drawn, and on which axis."""

from __future__ import annotations

import numpy as np
import pytest

from mlp_cli.plots import run, style

NAN = float("nan")


def loss(epochs, train, validation=None, **options):
    return run.loss(epochs, {"training": train} | ({} if validation is None else {"validation": validation}), **options)


def accuracy(epochs, train, validation=None, **options):
    return run.accuracy(epochs, {"training": train} | ({} if validation is None else {"validation": validation}), **options)


def labels(axis):
    """Texts of the ticks that lie inside the axis."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1.get_text() for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def lines(figure):
    """The curves by their name in the legend."""
    return {line.get_label(): line for line in figure.axes[0].get_lines()}


def heading(figure):
    return [text.get_text() for text in figure.texts if text.get_text()]


def test_two_curves_and_the_best_epoch():
    figure = loss([1, 2, 3], [0.9, 0.5, 0.4], [0.8, 0.6, 0.7], best_epoch=2, title="a run")
    drawn = lines(figure)
    assert list(drawn) == ["training", "validation", "best epoch: 2"]
    assert list(drawn["training"].get_xdata()) == [1, 2, 3]
    assert list(drawn["validation"].get_ydata()) == [0.8, 0.6, 0.7]
    assert list(drawn["best epoch: 2"].get_xdata()) == [2, 2]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == list(drawn)
    assert heading(figure) == ["a run"]
    assert figure.axes[0].get_xlabel() == "epoch"


def test_curves_differ_without_colour():
    drawn = lines(accuracy([1, 2], [0.5, 0.6], [0.4, 0.5]))
    training, validation = drawn["training"], drawn["validation"]
    assert training.get_linestyle() != validation.get_linestyle()
    assert training.get_marker() != validation.get_marker()


def test_no_validation_no_best_epoch():
    assert list(lines(loss([1, 2], [0.5, 0.4]))) == ["training"]


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
    axes = loss([1, 2], train, validation, label="loss (nats)").axes[0]
    assert axes.get_yscale() == scale
    assert axes.get_ylabel() == ("loss (nats)\nlog scale" if scale == "log" else "loss (nats)")


def test_log_axis_has_plain_labels():
    figure = loss([1, 2, 3], [2.0, 1e-3, 1e9])
    figure.draw_without_rendering()
    texts = labels(figure.axes[0].yaxis)
    assert len(texts) >= 3
    assert not any("$" in text or "e" in text for text in texts)
    assert any(text in ("10⁶", "10⁷", "10⁸") for text in texts)


@pytest.mark.parametrize("values", [[0.4e6, 1.3e6], [2e-5, 3e-4], [2.0, 1e9, 0.5], [3e5, 2.5e6, 1e4]])
def test_an_axis_has_one_notation(values):
    """No "10⁶" above "500000"."""
    figure = loss(np.arange(1, len(values) + 1), values)
    figure.draw_without_rendering()
    texts = [text for text in labels(figure.axes[0].yaxis) if text != "0"]
    assert len(texts) >= 3 and len({"10" in text and text[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" for text in texts}) == 1


def test_accuracy_is_in_percent_and_does_not_go_beyond_100():
    figure = accuracy([1, 2, 3], [0.9, 0.97, 1.0], [0.91, 0.95, 0.96])
    axes = figure.axes[0]
    assert axes.get_ylabel() == "accuracy (%)"
    assert lines(figure)["training"].get_ydata()[-1] == 100.0
    assert 100 <= axes.get_ylim()[1] < 101
    assert axes.get_ylim()[0] > 85


def test_accuracy_axis_spans_at_least_a_point():
    low, high = accuracy([1, 2], [0.9731, 0.9732]).axes[0].get_ylim()
    assert low < 97.31 < 97.32 < high
    assert high - low == pytest.approx(1.0)
    low, high = accuracy([1, 2], [0.9731, 0.9731]).axes[0].get_ylim()
    assert low < 97.31 < high and high - low >= 1


def test_r2_is_a_fraction_cut_at_minus_one():
    axes = accuracy([1, 2, 3], [-40.0, 0.2, 0.8], percent=False).axes[0]
    assert axes.get_ylabel() == "R²\ncut at −1"
    assert -1.3 < axes.get_ylim()[0] < -1
    assert 0.8 < axes.get_ylim()[1] <= 1.1
    uncut = accuracy([1, 2], [-0.4, 0.8], percent=False).axes[0]
    assert uncut.get_ylabel() == "R²"
    assert -1 < uncut.get_ylim()[0] < -0.4


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_one_epoch_is_a_point_and_promises_no_course(epoch, inside):
    figure = loss([epoch], [0.4], [0.3], best_epoch=epoch)
    assert inside(figure)
    assert list(lines(figure)) == ["training", "validation"]
    for line in lines(figure).values():
        assert line.get_linestyle() == "None" and line.get_marker() in ("o", "s")
    assert labels(figure.axes[0].xaxis) == [str(epoch)]


@pytest.mark.parametrize("count", [2, 3, 12, 200, 1000])
def test_epoch_ticks_are_whole_numbers(count):
    figure = loss(np.arange(1, count + 1), np.linspace(2, 1, count))
    figure.draw_without_rendering()
    ticks = labels(figure.axes[0].xaxis)
    assert 2 <= len(ticks) <= 13
    assert all(text.isdigit() for text in ticks)
    assert count / lines(figure)["training"].get_markevery() <= 24


def test_an_overflow_is_left_out_and_named():
    figure = loss([1, 2, 3, 4], [2.3, 1e6, NAN, NAN], [2.2, float("inf"), NAN, NAN], title="x")
    assert heading(figure) == ["x", "no finite value: training from epoch 3, validation from epoch 2"]
    assert list(lines(figure)["validation"].get_xdata()) == [1]
    gaps = loss(np.arange(1, 7), [1.0, NAN, 0.8, NAN, 0.6, 0.5])
    assert heading(gaps) == ["no finite value: training 2 of 6 epochs"]
    assert list(lines(gaps)["training"].get_xdata()) == [1, 3, 5, 6]


@pytest.mark.parametrize("value", [0.0, 1e-30, 1e308, -1e308, NAN, float("inf")])
def test_any_value_is_drawn_as_a_file(tmp_path, read_png, value):
    style.save(loss([1, 2], [value, value], [value, 0.5]), tmp_path / "loss.png")
    style.save(accuracy([1], [value], percent=False), tmp_path / "r2.png")
    read_png(tmp_path / "loss.png")
    read_png(tmp_path / "r2.png")


def test_same_input_same_bytes(tmp_path):
    for name, last in (("a", 0.4), ("b", 0.4), ("c", 0.3)):
        style.save(loss([1, 2, 3], [0.9, 0.5, last], [0.8, 0.6, 0.7], best_epoch=2, title="run"), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


def test_everything_lies_inside_the_figure(inside):
    for figure in (
        loss([1, 2, 3], [123456.0, 123457.5, 123458.0], title="x" * 300),
        loss([1, 2], [9.0, 0.01], label="cross-entropy (nats per example)"),
        accuracy([1, 2], [-3.0, 1.0], [NAN, 0.2], percent=False),
    ):
        assert inside(figure)


def test_predictions_against_true_values() -> None:
    """Residuals 0, 3, −3 and 0: the root of 18 / 4, and 6 / 4."""
    true, predicted = np.array([1.0, 5.0, 2.0, 8.0]), np.array([1.0, 2.0, 5.0, 8.0])
    fit = run.quantity("fit", true, predicted, "price", "test", "a run")
    assert heading(fit) == ["a run", "4 test rows; RMSE 2.1213, MAE 1.5"]
    axes = fit.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true price", "predicted price")
    points, line = axes.get_lines()
    assert np.array_equal(points.get_xydata(), np.column_stack((true, predicted)))
    assert np.array_equal(line.get_xdata(), line.get_ydata())
    residuals = run.quantity("residuals", true, predicted, "price", "test").axes[0]
    assert np.array_equal(residuals.get_lines()[0].get_xydata(), [[1, 0], [2, 3], [5, -3], [8, 0]])
    assert residuals.get_xlabel() == "predicted price"


@pytest.mark.parametrize(("kind", "first"), [("fit", 0), ("residuals", 1)])
def test_names_of_quantities_fit(hostile, inside, kind, first) -> None:
    """Every second name; both figures write it beside an axis in one way."""
    for name in hostile[first::2]:
        assert inside(run.quantity(kind, np.array([1.0, 1e9]), np.array([2.0, 1e6]), name, "test"))


def test_one_row_is_one_row(inside) -> None:
    figure = run.quantity("fit", np.array([2.0]), np.array([3.0]), "y", "test")
    assert inside(figure) and heading(figure) == ["1 test row; RMSE 1, MAE 1"]


def test_of_many_rows_some_are_shown() -> None:
    true = np.arange(10_000.0)
    figure = run.quantity("fit", true, true + 1.0, "y", "validation")
    assert heading(figure) == ["3,000 of 10,000 validation rows; RMSE 1, MAE 1"]
    assert len(figure.axes[0].get_lines()[0].get_xdata()) == 3000
