"""The figures of a report: what is drawn and named in them, not their pixels."""

from pathlib import Path

import pytest
from fake_runs import write_run
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from mlp_cli.report.build import make_report
from mlp_cli.report.model import Group
from mlp_cli.report.plots import draw_group, write_plots

RATES = (0.0001, 0.001, 0.01)


def the_group(folder: Path) -> Group:
    (group,) = make_report([folder]).groups
    return group


def figures(folder: Path) -> dict[str, Figure]:
    return dict(draw_group(the_group(folder)))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Three rates by two optimizers by three seeds; scores 0.90, 0.91, 0.92 and so on, one hundredth more for each rate, and a
    tenth less for sgd."""
    for number, rate in enumerate(RATES):
        for optimizer in ("adam", "sgd"):
            for seed in range(3):
                score = 0.90 + 0.01 * number + 0.01 * seed - 0.1 * (optimizer == "sgd")
                write_run(tmp_path / "runs", {"learning_rate": rate, "optimizer": optimizer}, seed=seed, score=score, epochs=4)
    return tmp_path / "runs"


def test_the_figures_of_a_grid(grid: Path) -> None:
    assert set(figures(grid)) == {"accuracy", "loss", "val_accuracy-learning_rate", "val_accuracy-optimizer", "comparison"}


def test_curves_are_overlaid_with_a_band_over_the_repeats(tmp_path: Path) -> None:
    for optimizer, base in (("adam", 0.9), ("sgd", 0.8)):
        for seed in range(30):
            write_run(tmp_path, {"optimizer": optimizer}, seed=seed, score=base + 0.001 * (seed % 3), epochs=5)
    figure = figures(tmp_path)["accuracy"]
    (axes,) = figure.axes
    assert len(axes.get_lines()) == 2 and len([each for each in axes.collections if isinstance(each, PolyCollection)]) == 2
    assert axes.get_xlabel() == "epoch" and axes.get_ylabel() == "validation accuracy (%)" and axes.get_yscale() == "linear"
    assert "30 repeats each, mean and standard deviation" in texts(figure)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["optimizer=adam", "optimizer=sgd"]
    first, second = axes.get_lines()
    assert list(first.get_xdata()) == [1, 2, 3, 4, 5]
    assert first.get_ydata()[-1] == pytest.approx(90.1) and second.get_ydata()[-1] == pytest.approx(80.1)
    assert (first.get_linestyle(), first.get_marker()) != (second.get_linestyle(), second.get_marker()), "legible in grey"
    top = axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(90.1 + 100 * 0.001 * (20 / 29) ** 0.5), "mean and sd of ten each of 0, 1 and 2, with n − 1"


def test_losses_have_their_unit(grid: Path) -> None:
    (axes,) = figures(grid)["loss"].axes
    assert axes.get_ylabel().replace("\n", " ") == "validation loss (cross-entropy, nats per example)"


def test_learning_rates_are_on_a_log_axis_with_error_bars(grid: Path) -> None:
    figure = figures(grid)["val_accuracy-learning_rate"]
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "learning_rate, log scale"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.0001", "0.001", "0.01"]
    assert len(axes.containers) == 2 and "Mean over seeds with its 95 % interval" in texts(figure)
    line, _, (bars,) = axes.containers[0]
    assert list(line.get_xdata()) == pytest.approx(RATES) and list(line.get_ydata()) == pytest.approx([91, 92, 93])
    low, high = bars.get_segments()[0][:, 1]  # t(0.975, 2) = 4.302653 (any t table), sd 1, n 3
    assert (low, high) == pytest.approx((91 - 4.302653 / 3**0.5, 91 + 4.302653 / 3**0.5))


def test_categories_are_evenly_placed_and_named(grid: Path) -> None:
    (axes,) = figures(grid)["val_accuracy-optimizer"].axes
    assert axes.get_xscale() == "linear" and [tick.get_text() for tick in axes.get_xticklabels()] == ["adam", "sgd"]
    assert len(axes.containers) == 3


def test_many_other_settings_become_dots_with_a_bar(tmp_path: Path) -> None:
    for rate in range(1, 9):
        for optimizer in ("adam", "sgd"):
            write_run(tmp_path, {"learning_rate": rate / 1000, "optimizer": optimizer}, score=0.9 + rate / 1000)
    figure = figures(tmp_path)["val_accuracy-optimizer"]
    dots, bars = figure.axes[0].get_lines()
    assert len(dots.get_xdata()) == 16 and len(bars.get_xdata()) == 2
    assert list(bars.get_ydata()) == pytest.approx([90.45, 90.45]), "the mean of 90.1 … 90.8"


def test_the_comparison_names_each_and_its_verdict(tmp_path: Path) -> None:
    for number, (optimizer, activation) in enumerate((o, a) for o in ("adam", "sgd", "momentum") for a in ("relu", "sigmoid")):
        for seed in range(3):
            score = 0.95 - 0.05 * number + 0.001 * seed
            write_run(tmp_path, {"optimizer": optimizer, "activation": activation}, seed=seed, score=score)
    figure = figures(tmp_path)["comparison"]
    (axes,) = figure.axes
    names = [tick.get_text().replace("\n", " ") for tick in axes.get_yticklabels()]
    assert names[0] == "activation=relu optimizer=adam" and len(names) == 6
    notes = [text.get_text() for text in axes.texts]
    assert notes[0] == "95.10 ± 0.10\nbest, n = 3" and all(note.endswith("worse, n = 3") for note in notes[1:])
    assert axes.get_xlabel() == "validation accuracy (%)"


def test_one_run_has_curves_alone(tmp_path: Path) -> None:
    write_run(tmp_path, epochs=3)
    found = figures(tmp_path)
    assert set(found) == {"accuracy", "loss"} and "One run" in texts(found["accuracy"])


def test_both_formats_the_same_bytes_and_nothing_stale(grid: Path, tmp_path: Path) -> None:
    report = make_report([grid])
    (tmp_path / "out" / "plots").mkdir(parents=True)
    (tmp_path / "out" / "plots" / "old.png").write_bytes(b"")
    (tmp_path / "out" / "plots" / "notes.txt").write_text("mine")
    written = write_plots(report, tmp_path / "out")
    there = {path.name for path in (tmp_path / "out" / "plots").iterdir()}
    assert there == {path.name for path in written} | {"notes.txt"} and len(written) == 10
    assert {path.suffix for path in written} == {".png", ".svg"}
    before = {path: path.read_bytes() for path in written}
    assert all(path.read_bytes() == before[path] for path in write_plots(make_report([grid]), tmp_path / "out"))


def test_groups_have_files_of_their_own(tmp_path: Path) -> None:
    for number, sha in enumerate(("a" * 64, "b" * 64)):
        write_run(tmp_path / "runs", seed=number, data={"name": f"set{number}", "sha256": sha})
    report = make_report([tmp_path / "runs"])
    assert {path.name for path in write_plots(report, tmp_path)} >= {"g1-accuracy.png", "g2-accuracy.png", "g2-loss.svg"}


def test_names_that_would_be_more_than_names(tmp_path: Path) -> None:
    hostile = "$\\frac{1}{0}$ </text><script>hit</script> \u202eevil"
    for number in range(2):
        write_run(tmp_path / "runs", {"learning_rate": 0.1 + number}, data={"name": hostile, "sha256": "c" * 64})
    for path in write_plots(make_report([tmp_path / "runs"]), tmp_path):
        assert b"<script" not in path.read_bytes()
