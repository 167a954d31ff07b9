"""The figures of a report: what is drawn and named in them, not their pixels."""

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from fake_runs import write_run
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure

from mlp_cli.plots import style
from mlp_cli.report.build import make_report, write_report
from mlp_cli.report.figures import against_time, draw, panels
from mlp_cli.report.model import Group
from mlp_cli.report.scales import metric_scale, setting_scale

RATES = (0.0001, 0.001, 0.01)


def the_group(folder: Path) -> Group:
    (group,) = make_report([folder]).groups
    return group


def figures(folder: Path) -> dict[str, Figure]:
    with style.context():
        return {panel.name: panel.figure for _, panel in panels(the_group(folder))}


def the_figure(folder: Path, name: str) -> Figure:
    """One of the figures; those after it are not drawn."""
    with style.context():
        return next(panel.figure for _, panel in panels(the_group(folder)) if panel.name == name)


def keys(figure: Figure) -> list[str]:
    """The legend's texts."""
    return [text.get_text() for each in figure.legends for text in each.get_texts()]


def dots(figure: Figure) -> list[np.ndarray]:
    """The points of each series, (n, 2)."""
    return [np.asarray(each.get_offsets()) for each in figure.axes[0].collections if isinstance(each, PathCollection)]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure]:
    """Three rates by two optimizers by three seeds; scores 0.90, 0.91, 0.92 and so on, one hundredth more for each rate, and a
    tenth less for sgd."""
    folder = tmp_path_factory.mktemp("grid")
    for number, rate in enumerate(RATES):
        for optimizer in ("adam", "sgd"):
            for seed in range(3):
                score = 0.90 + 0.01 * number + 0.01 * seed - 0.1 * (optimizer == "sgd")
                write_run(folder, {"learning_rate": rate, "optimizer": optimizer}, seed=seed, score=score, epochs=4)
    return figures(folder)


def test_the_figures_of_a_grid(grid: dict[str, Figure]) -> None:
    curves = {"accuracy", "loss", "training-accuracy", "training-loss"}
    against = {"val_accuracy-learning_rate", "val_accuracy-optimizer"}
    assert set(grid) == curves | against | {"comparison", "heat_map", "importance", "time", "parallel"}


def test_curves_are_overlaid_with_a_band_over_the_repeats(tmp_path: Path) -> None:
    for optimizer, base in (("adam", 0.9), ("sgd", 0.8)):
        for seed in range(6):
            write_run(tmp_path, {"optimizer": optimizer}, seed=seed, score=base + 0.001 * (seed % 3), epochs=5)
    figure = the_figure(tmp_path, "accuracy")
    (axes,) = figure.axes
    assert len(axes.get_lines()) == 2 and len([each for each in axes.collections if isinstance(each, PolyCollection)]) == 2
    assert axes.get_xlabel() == "epoch" and axes.get_ylabel() == "validation accuracy (%)" and axes.get_yscale() == "linear"
    assert "6 repeats each, mean and standard deviation." in texts(figure)
    assert keys(figure) == ["optimizer=adam", "optimizer=sgd"]
    first, second = axes.get_lines()
    assert list(first.get_xdata()) == [1, 2, 3, 4, 5]
    assert first.get_ydata()[-1] == pytest.approx(90.1) and second.get_ydata()[-1] == pytest.approx(80.1)
    assert (first.get_linestyle(), first.get_marker()) != (second.get_linestyle(), second.get_marker()), "legible in grey"
    top = axes.collections[0].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(90.1 + 100 * 0.001 * (4 / 5) ** 0.5), "mean and sd of two each of 0, 1 and 2, with n − 1"


def test_a_few_points_against_time_have_names_that_do_not_overlap(tmp_path: Path) -> None:
    """Eight do, which are nearer to each other than a name is wide; with one more none does."""
    for count, named in ((8, 8), (9, 0)):
        for number in range(count):
            write_run(tmp_path / str(count), {"learning_rate": 0.001 + number / 1000}, score=0.9, seconds=5 + number / 15)
        with style.context():
            (panel,) = against_time(the_group(tmp_path / str(count)))
            boxes = {each.get_text(): each.get_window_extent() for each in panel.axes.texts}
        assert len(boxes) == named and ("Beside each point: learning_rate." in panel.note) == bool(named)
        assert not named or set(boxes) == {f"0.00{number}" for number in range(1, 9)}
        assert not any(one.overlaps(other) for one, other in combinations(boxes.values(), 2))
        frame = panel.axes.get_window_extent()
        assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 and box.y1 <= frame.y1 for box in boxes.values())


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0.0003, 0.001, 0.003], "log"),
        ([32, 64, 128], "log"),
        ([0.1, 0.2, 0.3], "linear"),
        ([10, 20], "linear"),
        ([0, 1, 4], "linear"),
        ([0.001, 0.5, 1.0], "log"),
    ],
)
def test_the_axis_of_a_setting_spaces_its_values_evenly(values: list[float], kind: str) -> None:
    """The last of them spans a factor of 20, and more."""
    assert setting_scale(values).kind == kind


def test_losses_have_their_unit(grid: dict[str, Figure]) -> None:
    (axes,) = grid["loss"].axes
    assert axes.get_ylabel().replace("\n", " ") == "validation loss (cross-entropy, nats per example)"


def test_learning_rates_are_on_a_log_axis_with_error_bars(grid: dict[str, Figure]) -> None:
    figure = grid["val_accuracy-learning_rate"]
    (axes,) = figure.axes
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "learning_rate, log scale"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.0001", "0.001", "0.01"]
    assert len(axes.containers) == 6 and "Mean over seeds with its 95 % interval." in texts(figure)
    assert [list(each[:, 0]) for each in dots(figure)] == [pytest.approx(RATES)] * 2
    assert list(dots(figure)[0][:, 1]) == pytest.approx([91, 92, 93])
    _, _, (bars,) = axes.containers[0]
    low, high = bars.get_segments()[0][:, 1]  # t(0.975, 2) = 4.302653 (any t table), sd 1, n 3
    assert (low, high) == pytest.approx((91 - 4.302653 / 3**0.5, 91 + 4.302653 / 3**0.5))


def test_categories_are_evenly_placed_and_named(grid: dict[str, Figure]) -> None:
    (axes,) = grid["val_accuracy-optimizer"].axes
    assert axes.get_xscale() == "linear" and [tick.get_text() for tick in axes.get_xticklabels()] == ["adam", "sgd"]
    assert len(axes.containers) == 6 and not any(
        line.get_linestyle() == "-" and len(line.get_xdata()) for line in axes.get_lines()
    )


def test_many_other_settings_become_dots_with_a_bar(tmp_path: Path) -> None:
    for rate in range(1, 9):
        for optimizer in ("adam", "sgd"):
            write_run(tmp_path, {"learning_rate": rate / 1000, "optimizer": optimizer}, score=0.9 + rate / 1000)
    figure = the_figure(tmp_path, "val_accuracy-optimizer")
    *shown, bars = dots(figure)
    assert sum(map(len, shown)) == 16 and len(bars) == 2
    assert list(bars[:, 1]) == pytest.approx([90.45, 90.45]), "the mean of 90.1 … 90.8"


def test_the_comparison_names_each_and_its_verdict(tmp_path: Path) -> None:
    for number, (optimizer, activation) in enumerate((o, a) for o in ("adam", "sgd", "momentum") for a in ("relu", "sigmoid")):
        for seed in range(3):
            score = 0.95 - 0.05 * number + 0.001 * seed
            write_run(tmp_path, {"optimizer": optimizer, "activation": activation}, seed=seed, score=score)
    figure = the_figure(tmp_path, "comparison")
    (axes,) = figure.axes
    names = [tick.get_text().replace("\n", " ") for tick in axes.get_yticklabels()]
    assert names[0] == "activation=relu optimizer=adam" and len(names) == 6
    notes = [text.get_text() for text in axes.texts]
    assert notes[0] == "95.10 ± 0.10\nbest, n = 3" and all(note.endswith("worse, n = 3") for note in notes[1:])
    assert axes.get_xlabel() == "validation accuracy (%)"


def test_one_run_has_curves_alone(tmp_path: Path) -> None:
    write_run(tmp_path, epochs=3)
    found = figures(tmp_path)
    assert set(found) == {"accuracy", "loss"} and keys(found["accuracy"]) == ["training", "validation"]
    assert any(text.endswith(": one run.") for text in texts(found["accuracy"]))


def test_both_formats_the_same_bytes_and_nothing_stale(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path / "runs", {"learning_rate": RATES[seed % 2]}, seed=seed, score=0.9 + 0.01 * seed)
    home = tmp_path / "out" / "plots"
    for number, sha in enumerate(("a" * 64, "b" * 64)):
        write_run(tmp_path / "other", seed=number, data={"name": f"set{number}", "sha256": sha})
    write_report(make_report([tmp_path / "other"]), tmp_path / "out")
    stale = sorted(home.iterdir())
    names = [f"g{group}-{name}" for group in (1, 2) for name in ("accuracy.png", "accuracy.svg", "loss.png", "loss.svg")]
    assert [path.name for path in stale] == names, "groups have files of their own"
    mine = {
        "photo.png": b"\x89PNG mine",
        "g1-loss.svg.bak": b"",
        "kept.png": stale[0].read_bytes(),
        "kept.svg": stale[1].read_bytes(),
    }
    for name, content in mine.items():
        (home / name).write_bytes(content)
    write_report(make_report([tmp_path / "runs"]), tmp_path / "out")
    (drawn,) = draw(make_report([tmp_path / "runs"]))
    written = [path for path in home.iterdir() if path.name not in mine]
    assert len(written) == 2 * len(drawn) and {path.suffix for path in written} == {".png", ".svg"}
    assert all((home / name).read_bytes() == content for name, content in mine.items()), "only what a report wrote is taken away"
    before = {path: path.read_bytes() for path in written}
    write_report(make_report([tmp_path / "runs"]), tmp_path / "out")
    assert all(path.read_bytes() == content for path, content in before.items())


def test_names_that_would_be_more_than_names(tmp_path: Path) -> None:
    hostile = "$\\frac{1}{0}$ </text><script>hit</script> \u202eevil"
    for number in range(2):
        write_run(tmp_path / "runs", {"learning_rate": 0.1 + number}, data={"name": hostile, "sha256": "c" * 64})
    report = make_report([tmp_path / "runs"])
    ((drawn, *_),) = draw(report, with_files=True)
    assert len(drawn.files) == 2 and "<script" not in str(drawn.files)
    with style.context():
        assert all("\\u202eevil" in texts(panel.figure)[0] for _, panel in panels(report.groups[0])), "spelt out"


WIDE, WIDER = [1024] * 7 + [64], [1024] * 7 + [32]
LONG_RATES = (0.00284803586844, 0.0123284673944)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure]:
    """Settings too long for any figure, some of which differ at their ends alone; ten seeds each, the eleventh of one diverged."""
    folder = tmp_path_factory.mktemp("crowded")
    for sizes in (WIDE, WIDER):
        for rate in LONG_RATES:
            for optimizer in ("adam", "momentum", "nesterov"):
                config = {"hidden_sizes": sizes, "learning_rate": rate, "optimizer": optimizer}
                for seed in range(10):
                    write_run(folder, config, seed=seed, score=0.9 + 0.001 * seed)
    write_run(folder, config, seed=10, status="diverged", error="diverged: x")
    return figures(folder)


def test_long_names_stay_different(crowded: dict[str, Figure]) -> None:
    rows = [tick.get_text() for tick in crowded["comparison"].axes[0].get_yticklabels()]
    assert len(rows) == len(set(rows)) == 12
    for name, count in (("accuracy", 6), ("val_accuracy-hidden_sizes", 6), ("val_accuracy-optimizer", 4)):
        entries = keys(crowded[name])
        assert len(entries) == len(set(entries)) == count, name
    against = keys(crowded["val_accuracy-hidden_sizes"])
    assert "optimizer=momentum learning_rate=0.002848" in against, "four digits tell these apart"
    sizes = [tick.get_text() for tick in crowded["val_accuracy-hidden_sizes"].axes[0].get_xticklabels()]
    assert sizes == ["[1024, 1024, …, 1024, 32]", "[1024, 1024, …, 1024, 64]"]


def test_names_of_categories_without_room_beside_each_other_go_on_two_rows(tmp_path: Path) -> None:
    names = ("adam", "adamw", "momentum", "nesterov", "rmsprop", "sgd")
    for number, optimizer in enumerate(names):
        write_run(tmp_path, {"optimizer": optimizer}, score=0.9 + number / 1000)
    ticks = [tick.get_text() for tick in the_figure(tmp_path, "val_accuracy-optimizer").axes[0].get_xticklabels()]
    assert ticks == ["adam", "\nadamw", "momentum", "\nnesterov", "rmsprop", "\nsgd"]


def test_no_text_is_clipped_or_on_another(crowded: dict[str, Figure]) -> None:
    for name, figure in crowded.items():
        figure.draw_without_rendering()
        (axes,) = figure.axes
        key = [text for each in figure.legends for text in each.get_texts()]
        if name == "parallel":  # its texts lie on its axes, as many as have room
            continue
        shown = [*figure.texts, *axes.texts, axes.xaxis.label, axes.yaxis.label, *key]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        boxes = {text: text.get_window_extent() for text in shown if text.get_text().strip()}
        for text, box in boxes.items():
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
            assert inside, f"{name}: {text.get_text()}"
            touched = [other.get_text() for other, place in boxes.items() if other is not text and box.overlaps(place.padded(-2))]
            assert not touched, f"{name}: {text.get_text()} on {touched}"


def write_regression(folder: Path, rate: float, r2: list[float], loss: list[float], seed: int = 0) -> None:
    home = write_run(folder, {"learning_rate": rate}, seed=seed, metrics={"val_loss": loss[-1], "val_r2": r2[-1]})
    record = json.loads((home / "run.json").read_text())
    record["config"]["loss"] = "mse"
    (home / "run.json").write_text(json.dumps(record))
    rows = [f"{epoch},{a},{b}" for epoch, (a, b) in enumerate(zip(loss, r2, strict=True), 1)]
    (home / "metrics.csv").write_text("\n".join(["epoch,val_loss,val_r2", *rows]) + "\n")


def test_regression_has_r2_cut_at_minus_one_and_losses_on_a_log_axis(tmp_path: Path) -> None:
    write_regression(tmp_path, 0.01, [-40.0, 0.2, 0.8], [82.0, 1.6, 0.4])
    write_regression(tmp_path, 0.02, [-3.0, 0.1, 0.7], [8.0, 1.8, 0.6])
    found = figures(tmp_path)
    assert set(found) == {"r2", "loss", "val_loss-learning_rate", "comparison", "time"}
    (axes,) = found["r2"].axes
    assert axes.get_ylabel() == "validation R², cut at −1"
    assert -1.3 < axes.get_ylim()[0] < -1 and 0.8 < axes.get_ylim()[1] < 1.1
    (axes,) = found["loss"].axes
    assert (
        axes.get_yscale() == "log" and axes.get_ylabel().replace("\n", " ") == "validation loss (mean squared error), log scale"
    )
    assert axes.get_ylim()[0] < 0.4 and axes.get_ylim()[1] > 82


def test_one_bad_rate_of_a_regression_leaves_the_others_readable(tmp_path: Path) -> None:
    """Its interval goes below a loss of 0, its band of R² above 1: no axis follows there."""
    for rate, losses in ((0.01, (0.3, 0.31, 0.32)), (0.1, (0.4, 0.41, 0.42)), (1.0, (40.0, 9e3, 3e5))):
        for seed, loss in enumerate(losses):
            write_regression(tmp_path, rate, [-loss, 1 - loss], [2 * loss, loss], seed)
    found = figures(tmp_path)
    (axes,) = found["r2"].axes
    assert 0.6 < axes.get_ylim()[1] < 1.2
    (band, *_) = (
        each for each in axes.collections if isinstance(each, PolyCollection) and each.get_paths()[0].vertices.min() < -9
    )
    assert band.get_paths()[0].vertices[:, 1].max() <= 1
    for name, side, label in (("val_loss-learning_rate", "y", "ylabel"), ("comparison", "x", "xlabel")):
        (axes,) = found[name].axes
        scale, (low, high) = getattr(axes, f"get_{side}scale")(), getattr(axes, f"get_{side}lim")()
        assert scale == "log" and 0.1 < low < 0.3 and high > 3e5, name
        assert "log scale" in getattr(axes, f"get_{label}")()
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert "10⁴" in names and not any("00" in name for name in names)


def test_a_band_stays_on_a_logarithmic_axis(tmp_path: Path) -> None:
    """Losses 0.01, 0.02 and 3 have mean 1.01 and a larger standard deviation, 1.723: the band ends at 0.01."""
    for seed, loss in enumerate((0.01, 0.02, 3.0)):
        write_regression(tmp_path, 0.01, [0.1, 0.2], [4.0, loss], seed)
    write_regression(tmp_path, 0.1, [0.1, 0.2], [4.0, 0.05])
    figure = the_figure(tmp_path, "loss")
    (axes,) = figure.axes
    (band,) = (each for each in axes.collections if isinstance(each, PolyCollection))
    corners = band.get_paths()[0].vertices
    last = corners[corners[:, 0] == 2][:, 1]
    assert (last.min(), last.max()) == pytest.approx((0.01, 1.01 + 1.72340), rel=1e-4)
    assert axes.get_yscale() == "log" and 0.005 < axes.get_ylim()[0] < 0.01
    assert "mean and standard deviation, or down to the lowest run" in " ".join(texts(figure)).replace("\n", " ")


def test_a_single_run_has_no_interval(tmp_path: Path) -> None:
    for rate in (0.001, 0.01):
        write_run(tmp_path, {"learning_rate": rate}, score=0.9 + rate)
    found = figures(tmp_path)
    (axes,) = found["comparison"].axes
    assert "One run each." in texts(found["val_accuracy-learning_rate"]) and "One run each." in texts(found["comparison"])
    assert not found["comparison"].axes[0].containers and len(dots(found["comparison"])) == 2, "each is drawn once"
    assert [text.get_text() for text in axes.texts] == ["91.00\nbest, n = 1", "90.10\ntoo few seeds, n = 1"]


def test_the_largest_values_that_a_run_may_have(tmp_path: Path) -> None:
    for rate in (0.1, 0.2):
        write_regression(tmp_path / "runs", rate, [-9e99, 0.1], [9e99, rate * 9e99])
    (drawn,) = draw(make_report([tmp_path / "runs"]), with_files=True)
    assert {Path(name).stem for each in drawn for name in each.files} == {
        "r2",
        "loss",
        "val_loss-learning_rate",
        "comparison",
        "time",
    }


def test_a_zero_among_small_values_has_a_place_of_its_own(tmp_path: Path) -> None:
    for number, l1 in enumerate((0, 1e-5, 1e-4, 1e-3)):
        write_run(tmp_path, {"l1": l1}, score=0.9 + number / 1000)
    figure = the_figure(tmp_path, "val_accuracy-l1")
    (axes,) = figure.axes
    figure.draw_without_rendering()
    across = [axes.transData.transform((x, 90))[0] for x in (0, 1e-5, 1e-4, 1e-3)]
    assert min(np.diff(across)) > 0.2 * (across[-1] - across[0]), "none lies on another"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "10⁻⁵", "10⁻⁴", "10⁻³"], "in one notation"
    assert axes.get_xlabel() == "l1, log scale with a 0"


@pytest.mark.parametrize(("low", "high"), [(3e5, 4e6), (0.02, 3.0), (1e-7, 5.0), (2e4, 9e5), (1.0, 1e9)])
def test_an_axis_has_one_notation(low: float, high: float) -> None:
    texts = [text for _, text in metric_scale("val_loss", (low, high)).ticks]
    assert 2 <= len(texts) <= 8 and len({"10" in text and text[-1] in "⁰¹²³⁴⁵⁶⁷⁸⁹" for text in texts}) == 1, texts


def test_one_epoch_of_one_seed_is_a_point(tmp_path: Path) -> None:
    for rate in (0.01, 0.1):
        write_run(tmp_path, {"learning_rate": rate}, epochs=1)
    figure = the_figure(tmp_path, "accuracy")
    lines = figure.axes[0].get_lines()
    assert [len(line.get_xdata()) for line in lines] == [1, 1] and all(line.get_marker() != "None" for line in lines)
    assert "One run each." in texts(figure) and not figure.axes[0].collections, "no band"
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["1"]


def with_layers(folder: Path, *norms: float) -> Path:
    """A run's folder with diagnostics of two epochs, of which the last has these gradient norms, a layer each."""
    lines = ["epoch,layer,gradient_norm,activation_mean,activation_sd,dead,saturated,update_ratio"]
    for epoch, scale in ((1, 100.0), (2, 1.0)):
        for number, norm in enumerate(norms, 1):
            units = "0.25,0.5" if number < len(norms) else ","
            lines.append(f"{epoch},dense_{number},{scale * norm:g},0,1,{units},0.001")
    (folder / "diagnostics.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_layers_of_configurations_are_overlaid(tmp_path: Path) -> None:
    for optimizer, score, norms in (("adam", 0.9, ((1.0, 2.0), (3.0, 6.0))), ("sgd", 0.8, ((0.001, 10.0), (0.001, 10.0)))):
        for seed, own in enumerate(norms):
            config = {"optimizer": optimizer, "diagnostics": True}
            with_layers(write_run(tmp_path, config, seed=seed, score=score, name=f"{optimizer}-{seed}"), *own)
    write_run(tmp_path, {"optimizer": "momentum"}, score=0.85)  # without
    found = {name: figure for name, figure in figures(tmp_path).items() if name.startswith("layers-")}
    measures = ("gradient_norm", "update_ratio", "dead", "activation_mean", "activation_sd", "saturated")
    assert list(found) == [f"layers-{name}" for name in measures]
    figure = found["layers-gradient_norm"]
    assert keys(figure) == ["optimizer=adam", "optimizer=sgd"] and figure.axes[0].get_yscale() == "log"
    curves = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in figure.axes[0].get_lines()]
    assert curves == [([1, 2], [2.0, 4.0]), ([1, 2], [0.001, 10.0])]
    dead = found["layers-dead"].axes[0]
    assert [line.get_ydata()[0] for line in dead.get_lines()] == [25.0, 25.0] and dead.get_ylim()[1] > 100


def test_a_run_with_diagnostics_is_of_the_same_configuration(tmp_path: Path) -> None:
    """Whichever of two runs of one seed counts, its layers are drawn; and damage costs the figure alone."""
    write_run(tmp_path, seed=0, name="a")
    looked = with_layers(write_run(tmp_path, {"diagnostics": True}, seed=0, name="b"), 1.0, 2.0)
    write_run(tmp_path, {"diagnostics": True}, seed=1, name="c")
    (configuration,) = the_group(tmp_path).configurations
    assert configuration.n == 2 and "diagnostics" not in configuration.label
    assert "layers-gradient_norm" in figures(tmp_path)
    (looked / "diagnostics.csv").write_text("epoch,layer\n1,dense_1\n")
    assert not [name for name in figures(tmp_path) if name.startswith("layers-")]
