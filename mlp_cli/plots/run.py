"""The figures of a run, each a function that gives a matplotlib Figure, and which of them a run has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp_cli import files, runs
from mlp_cli.build import build, check_data, load_data
from mlp_cli.config import Config
from mlp_cli.data.batches import Batches
from mlp_cli.data.cache import release
from mlp_cli.data.dataset import Dataset, Part
from mlp_cli.data.extraction import Extracted
from mlp_cli.data.pca import Projection
from mlp_cli.errors import Notify, RunError
from mlp_cli.model import load_weights
from mlp_cli.nn.metrics import confusion_matrix, counts_by_class, of_classes, softmax
from mlp_cli.plots import data as data_plots
from mlp_cli.plots import diagnostics as inside
from mlp_cli.plots import mosaic, style
from mlp_cli.plots.text import class_labels, fit, missing, width
from mlp_cli.text import counted, quantity_text
from mlp_cli.training.callbacks import DIAGNOSTICS
from mlp_cli.training.evaluate import ROWS
from mlp_cli.training.trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

FOLDER = "plots"
ERRORS = 25  # worst errors shown
UNITS = 64  # hidden units shown
POINTS = 3000  # predictions of a quantity shown
_DEMANDS_LOG = 50.0  # ratio of the largest to the smallest loss from which the axis is logarithmic
_LARGEST = 1e100  # what a loss on its way to infinity is drawn as, lest the axis limits overflow
_LABELS = 100  # labels shown
_SMALLEST = 5.5  # points: a smaller count or label is left out


def figures_missing(folder: Path, dataset: Dataset | None = None, config: Config | None = None) -> bool:
    """Whether figures that a run has are not there.

    dataset, config: the run's; without them only those are looked for that every run has. One without errors has no errors.png.
    """
    names = ["accuracy", "loss"] + ["diagnostics"] * files.is_file(folder / DIAGNOSTICS)
    if dataset is not None:
        images = mosaic.as_images(np.empty((0, dataset.train.x.shape[1])), dataset.shape) is not None
        images &= config is None or config.features is None or config.features.name == "pca"
        classes, quantity = dataset.task == "classification", dataset.task == "regression"
        names += ["weights"] * images + ["confusion"] * (classes and dataset.test is not None)
        names += ["labels"] * (not classes and not quantity)
        names += ["classes", "regions"] * (classes and dataset.shape == (2,)) + ["fit", "residuals"] * quantity
    return not all(files.is_file(folder / FOLDER / f"{name}.png") for name in names)


def draw(
    config: Config,
    record: runs.Record,
    folder: Path,
    home: Path,
    dataset: Dataset | None = None,
    trainer: Trainer | None = None,
    notify: Notify = lambda text: None,
) -> None:
    """Draws home/plots/*.png of a completed run, which lies in `folder`, as far as they apply.

    home: made where it is missing; only the run's own folder is not, should it have been removed under way.
    dataset: the run's, None to load it. trainer: has the evaluated weights, None to read them from the folder.
    notify: takes a notice of characters that cannot be drawn.
    Errors: DataError where the data is gone or has changed; RunError where something cannot be read or written.
    """
    target = home / FOLDER
    dataset = dataset or load_data(config)
    check_data(folder, record.data_sha256, dataset)
    if home != folder:
        files.make_folder(home)
    files.make_folder(target, home)
    columns = {name: np.array(column, np.float64) for name, column in runs.read_curves(folder).items()}
    score = "r2" if dataset.task == "regression" else "accuracy"
    whole = {"train_loss", f"train_{score}", "val_loss", f"val_{score}"} <= columns.keys()
    epochs = len(columns["epoch"]) if whole else 0
    if epochs != max(1, record.epochs or 0):
        raise RunError(
            f"{folder} is damaged: its metrics.csv has {epochs} of {record.epochs} epochs", "train the run again with --force"
        )
    if trainer is None:
        trainer = build(config, dataset)
        load_weights(folder, trainer.network)
    # Training has gone through all of it, and drawing needs the room.
    release(dataset.train.x)
    if lost := missing([record.name, dataset.name, dataset.target or "", *dataset.classes, *dataset.feature_names()]):
        notify(lost)
    layers = runs.read_diagnostics(folder)
    with style.context():
        if layers:
            style.save(inside.diagnostics(layers, record.name or ""), target / "diagnostics.png")
        for name, figure in _figures(record, dataset, trainer, columns, score):
            if figure is not None:
                style.save(figure, target / f"{name}.png")


def _figures(
    record: runs.Record, dataset: Dataset, trainer: Trainer, columns: Mapping[str, Any], score: str
) -> Iterator[tuple[str, Figure | None]]:
    """Each figure by its name, None where it does not apply. Predictions are those of the test, else validation, else training part."""
    title, reached = str(record.name), record.metrics.get(f"test_{score}")
    if reached is not None:
        title += f" · test R² {quantity_text(reached, 4)}" if score == "r2" else f" · test accuracy {100 * reached:.2f} %"
    first = trainer.network.parameters["W1"]
    if isinstance(trainer.train.transform, Projection):
        # What a unit sees of an image, not of its features.
        first = trainer.train.transform.matrix @ first
    if not isinstance(trainer.train.transform, Extracted):
        yield "weights", weights(first, dataset.shape, title)

    name, part = list(dataset.parts().items())[-1]
    outputs, true, classes = _outputs(trainer, part), part.y[part.index], dataset.classes
    unit = trainer.loss.unit + " of the logarithm" * trainer.targets.log
    if score == "r2":
        predicted = trainer.targets.restored(outputs).reshape(-1)
        for kind in ("fit", "residuals"):
            yield kind, quantity(kind, true.reshape(-1), predicted, dataset.target or "value", name, title)
    elif dataset.task == "multi_label":
        yield "labels", labels(*counts_by_class(outputs, true), classes, f"{len(true):,} {name} rows", title)
    elif dataset.test is not None:
        guess = outputs.argmax(axis=1)
        sure = softmax(outputs)[np.arange(len(guess)), guess]
        yield "confusion", confusion(confusion_matrix(true, guess, len(classes)), classes, title)
        yield "errors", errors(part, guess, sure, classes, dataset.shape, title)
    if dataset.task == "classification" and dataset.shape == (2,):
        points, counts = part.x[part.index], dataset.class_counts()
        yield "classes", data_plots.sheet(points[:1], true[:1], classes, (2,), counts, f"{dataset.name}: classes")

        def predict(inputs: NDArray[Any]) -> NDArray[np.intp]:
            cells = Part(inputs, np.zeros(len(inputs), dtype=np.int64), np.arange(len(inputs)))
            return _outputs(trainer, cells).argmax(axis=1)

        shown = counted(min(len(points), data_plots.POINTS), "point")
        detail = f"what the network predicts where, and {shown} of the {name} part"
        yield "regions", data_plots.plane(points, true, classes, dataset.feature_names(), title, detail, predict)

    # These come last: `figures_missing` takes them for the end.
    curves = {"training": "train", "validation": "val"} if dataset.validation is not None else {"training": "train"}
    scores, values = ({part: columns[f"{short}_{each}"] for part, short in curves.items()} for each in (score, "loss"))
    yield "accuracy", accuracy(columns["epoch"], scores, record.best_epoch, title, percent=score != "r2")
    yield "loss", loss(columns["epoch"], values, record.best_epoch, title, unit)


def _outputs(trainer: Trainer, part: Part) -> NDArray[Any]:
    """The network's outputs (N, K) for the rows of a part."""
    batches = Batches(part, trainer.train.transform, ROWS, trainer.network.theta.dtype)
    with np.errstate(all="ignore"):
        outputs = np.concatenate([trainer.network.forward(x, training=False).copy() for x, _ in batches])
    return of_classes(outputs) if trainer.task == "classification" else outputs


def loss(
    epochs: ArrayLike, curves: Mapping[str, ArrayLike], best_epoch: int | None = None, title: str = "", label: str = "loss"
) -> Figure:
    """Loss against epoch. epochs: (E,), whole numbers; curves: part → (E,), NaN where there is no finite value.

    The axis is logarithmic, and says so, where all values are positive and the largest is at least 50 times the smallest.
    label: of the vertical axis, with the unit in brackets ("cross-entropy, nats per example").
    """
    with style.context():
        from matplotlib.ticker import LogLocator, NullLocator

        axes, values, detail = _curves(epochs, curves, best_epoch, 1.0)
        ratio = values.max() / values.min() if values.size and values.min() > 0 else 1.0
        if ratio >= _DEMANDS_LOG:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if ratio < 2000 else LogLocator(numticks=8))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(style.tick_numbers())
            label += "\nlog scale"
        axes.set_ylabel(label)
        return style.finish(axes, title, detail)


def accuracy(
    epochs: ArrayLike, curves: Mapping[str, ArrayLike], best_epoch: int | None = None, title: str = "", *, percent: bool = True
) -> Figure:
    """Accuracy in percent, or R² as it is, against epoch; arrays as for `loss`. The axis spans a hundredth at least, so that noise
    looks like noise. One that would reach below −1 (R² of a poor start) is cut there, and says so.
    """
    with style.context():
        scale = 100.0 if percent else 1.0
        axes, values, detail = _curves(epochs, curves, best_epoch, scale)
        low, high = axes.get_ylim()
        beside = max(0.0, 0.005 * scale - (high - low) / 2)
        axes.set_ylim(max(low - beside, -1.02 * scale), min(high + beside, 1.0025 * scale))
        axes.set_ylabel("accuracy (%)" if percent else "R²\ncut at −1" if values.min(initial=0.0) < -1 else "R²")
        return style.finish(axes, title, detail)


def _curves(
    epochs: ArrayLike, curves: Mapping[str, ArrayLike], best_epoch: int | None, scale: float
) -> tuple[Axes, NDArray[Any], str]:
    """Axes with the curves, all finite values on them, and in words where there is none. A single epoch is drawn as points alone."""
    at, drawn, gaps = np.asarray(epochs, dtype=np.float64), [], []
    axes = style.new_axes(720, 440)
    for (part, values), look in zip(curves.items(), style.LINES, strict=False):
        y = np.asarray(values, dtype=np.float64)
        there = np.isfinite(y)
        if not there.all():
            first = int(np.argmin(there))
            some = f"{(~there).sum()} of {len(y)} epochs"
            gaps.append(f"{part} {some if there[first:].any() else f'from epoch {at[first]:g}'}")
        drawn.append(np.clip(y[there] * scale, -_LARGEST, _LARGEST))
        (line,) = axes.plot(at[there], drawn[-1], color=look.color, label=part, linestyle=look.dash if len(at) > 1 else "none")
        line.set(marker=look.marker, markerfacecolor=look.face, markevery=max(1, len(y) // 12))
    if best_epoch is not None and len(at) > 1:
        axes.axvline(best_epoch, color=style.GREY, linewidth=1.0, linestyle=":", zorder=1.5, label=f"best epoch: {best_epoch}")
    beside = 0.03 * (at.max() - at.min()) or 0.5
    axes.set(xlabel="epoch", xlim=(at.min() - beside, at.max() + beside))
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.yaxis.set_major_formatter(style.tick_numbers())
    axes.margins(y=0.06)
    if not any(map(len, drawn)):
        axes.set_yticks([])
    axes.grid()
    style.legend_above(axes)
    return axes, np.concatenate(drawn), f"no finite value: {', '.join(gaps)}" if gaps else ""


def quantity(kind: str, true: NDArray[Any], predicted: NDArray[Any], what: str, part: str, title: str = "") -> Figure:
    """Predictions (N,) of a quantity against its true values (N,), or, with "residuals" as kind, true − predicted against predicted.

    what: the quantity's name; part: whose rows these are. Of more than 3,000 rows as many are shown, evenly chosen.
    """
    chosen = np.linspace(0, len(true) - 1, min(len(true), POINTS)).astype(np.intp)
    error, name = true - predicted, fit(what, 3.0, style.LABEL)
    shown = f"{len(chosen):,} of " if len(chosen) < len(true) else ""
    rmse, mae = (quantity_text(float(value)) for value in (np.sqrt(np.square(error).mean()), np.abs(error).mean()))
    x, y = (true, predicted) if kind == "fit" else (predicted, error)
    with style.context():
        axes = style.new_axes(720, 550)
        alpha = 0.5 if len(chosen) > 300 else 0.8
        axes.plot(x[chosen], y[chosen], "o", color=style.BLUE, markersize=3.0, markeredgewidth=0.0, alpha=alpha, label="row")
        if kind == "fit":
            # The line runs through what the points take up, and does not widen it.
            ends = [max(axes.get_xlim()[0], axes.get_ylim()[0]), min(axes.get_xlim()[1], axes.get_ylim()[1])]
            axes.plot(ends, ends, "--", color=style.INK, linewidth=1.0, label="predicted = true")
            axes.set(xlabel=f"true {name}", ylabel=f"predicted {name}")
        else:
            axes.axhline(0.0, color=style.INK, linewidth=1.0, linestyle="--", label="no error")
            axes.set(xlabel=f"predicted {name}", ylabel="residual: true − predicted")
        axes.xaxis.set_major_formatter(style.tick_numbers())
        axes.yaxis.set_major_formatter(style.tick_numbers())
        axes.locator_params(axis="x", nbins=6)
        axes.grid()
        style.legend_above(axes)
        return style.finish(axes, title, f"{shown}{counted(len(true), f'{part} row')}; RMSE {rmse}, MAE {mae}")


def confusion(matrix: ArrayLike, classes: Sequence[object], title: str = "") -> Figure:
    """A confusion matrix (K, K), true classes down, predicted ones across, shaded by the share of the true class.

    The shade goes with the square root of the share, so that rare errors show at all; the colour bar says so by its ticks.
    Counts other than 0 are printed for up to 20 classes, if they fit. Classes whose names have no room are numbered from 0.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    shares, many = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), len(counts)
    cell = max(1, min(150, 680 // many))
    side = max(300, min(cell * many, 900))
    points = cell * 72 / style.DPI
    with style.context():
        from matplotlib.colors import PowerNorm

        axes = style.new_axes(side, side)
        image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest", aspect="auto")
        axes.spines[:].set_visible(True)
        size, kind = min(style.TICK, points / 1.15), "class"
        if size >= _SMALLEST:
            labels = class_labels(classes, many, 1.1, size)
            upright = max(width(label, size) for label in labels) * style.DPI <= 0.92 * side / many
            axes.set_xticks(range(many), labels, rotation=0 if upright else 90, size=size)
            axes.set_yticks(range(many), labels, size=size)
            axes.tick_params(length=0)
        else:
            axes.locator_params(integer=True)
            kind = "class (number, from 0)"
        axes.set(xlabel=f"predicted {kind}", ylabel=f"true {kind}")
        size = min(9.0, 8.0 * cell / style.DPI / width(str(counts.max()), 10.0), points * 0.6)
        for row, column in np.argwhere(counts > 0) if many <= data_plots.NAMED and size >= _SMALLEST else ():
            ink = "white" if shares[row, column] > 0.33 else style.INK
            text = axes.text(column, row, str(counts[row, column]), size=size, color=ink, ha="center", va="center_baseline")
            text.set_in_layout(False)
        bar = style.color_bar(axes, image, "share of the true class (%)")
        bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1", "5", "20", "50", "100"])
        return style.finish(axes, title, size=(side, side))


def labels(
    right: NDArray[Any], named: NDArray[Any], there: NDArray[Any], names: Sequence[object], rows: str, title: str = ""
) -> Figure:
    """Precision and recall of each of K labels, in percent, and how many rows have it; of more than 100 labels the first ones.

    right, named, there: (K,) rows that are rightly given the label, that are given it, and that have it; a share of none is left out.
    rows: which rows these are, in words.
    """
    many = min(len(names), _LABELS)
    step = 34.0 if many <= data_plots.NAMED else 680 / many
    middles = (np.arange(many) + 0.5) * step
    with np.errstate(all="ignore"):
        shares = {"precision": 100 * right[:many] / named[:many], "recall": 100 * right[:many] / there[:many]}
    with style.context():
        axes = style.new_axes(720, round(step * many) + 130)
        axes.hlines(middles, *shares.values(), color=style.PALE, linewidth=2.0, zorder=1)
        for (kind, values), look in zip(shares.items(), style.LINES, strict=False):
            axes.plot(values, middles, look.marker, color=look.color, markerfacecolor=look.face, label=kind, clip_on=False)
        shown = range(0, many, -(-many // data_plots.NAMED))
        texts = class_labels(names[:many], many, 1.2, style.TICK)
        axes.set_yticks(middles[shown], [texts[k] for k in shown])
        for k in shown:
            axes.text(1.02, middles[k], f"{there[k]:,}", size=style.SMALL, va="center", transform=axes.get_yaxis_transform())
        axes.set(xlim=(0, 100), ylim=(many * step, 0), xlabel="%")
        axes.grid(axis="x")
        style.legend_above(axes)
        of = f"the first {many} of {len(names):,} labels" if many < len(names) else counted(many, "label")
        return style.finish(axes, title, f"{of}; {rows}, on the right those that have the label")


def weights(weight: NDArray[Any], shape: Sequence[int], title: str = "", told: str = "") -> Figure | None:
    """The weights (D, H) into each first-layer unit as an image, on one scale that is symmetric about 0; None where D is no image.

    Of more than 64 units those of largest Euclidean norm are shown, the largest first. Blue is positive, red negative; the scale ends
    at the 99.5th percentile of the shown magnitudes, and what is beyond has the end's colour (arrows on the colour bar). Colour inputs
    are shown as colours around mid-grey, which stands for 0. shape: layout of the D inputs, as for `mosaic.as_images`. told: what they
    are, where they are no weights of a first layer.
    """
    hidden, units = weight.shape[1], f"all {weight.shape[1]} units, in order" if weight.shape[1] > 1 else "1 unit"
    if hidden > UNITS:
        with np.errstate(over="ignore"):
            norms = np.nan_to_num(np.einsum("dh,dh->h", weight, weight, dtype=np.float64), nan=-1.0)
        weight = weight[:, np.argsort(-norms, kind="stable")[:UNITS]]
        units = f"the {UNITS} of {hidden} units with the largest norm, largest first"
    images = mosaic.as_images(np.asarray(weight.T, dtype=np.float64), shape)
    if images is None:
        return None
    known = np.abs(images[np.isfinite(images)])
    lost = "; white: not finite" if known.size < images.size else ""
    most = float(known.max(initial=0.0))
    end = float(np.percentile(known, 99.5) if most else 0.0) or most or 1.0
    columns, color = min(8, int(np.ceil(np.sqrt(len(images))))), images.ndim == 4
    with style.context():
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        scale, cmap = Normalize(-end, end), colormaps["gray" if color else "RdBu"].with_extremes(bad="white")
        shares = scale(np.ma.masked_invalid(images))
        shades: Any = 255 * shares.filled(1.0).clip(0, 1) if color else np.asarray(cmap(shares, bytes=True))[..., :3]
        tiles = mosaic.scale_to(shades.astype(np.uint8), 720 // columns, min(300, 720 // columns))
        canvas = mosaic.compose(tiles, columns, (tiles.shape[2] + mosaic.GAP, tiles.shape[1] + mosaic.GAP))
        axes = mosaic.show(canvas)
        label = "weight, for each colour channel" if color else "weight"
        bar = style.color_bar(axes, ScalarMappable(scale, cmap), label, "both" if most > end else "neither")
        bar.formatter = style.tick_numbers()
        bar.ax.locator_params(nbins=6)
        return style.finish(axes, title, (told or f"First-layer weights: {units}") + lost, canvas.shape[1::-1])


def errors(
    part: Part,
    predicted: NDArray[Any],
    probability: NDArray[Any],
    classes: Sequence[object],
    shape: Sequence[int],
    title: str = "",
    what: str = "Worst errors",
) -> Figure | None:
    """The up to 25 most confident wrong predictions, each image with its true and its predicted class and the latter's probability.

    predicted, probability: (n,) for the rows of the part, the second being what the network gives its predicted class.
    Equal ones keep their order, and NaN comes last. None where nothing is wrong or the inputs are no images.
    """
    true = part.y[part.index]
    wrong = np.flatnonzero(true != predicted)
    worst = wrong[np.argsort(-np.nan_to_num(probability[wrong], nan=-1.0), kind="stable")[:ERRORS]]
    pictures = mosaic.as_images(np.asarray(part.x[part.index[worst]]), shape)
    if pictures is None or not len(worst):
        return None
    room = 184 / style.DPI
    names = class_labels(classes, len(classes), room - width(" (> 99.9 %)", style.SMALL), style.SMALL)
    # One that only rounding would make 100 % is above 99.9 %.
    sure = ["> 99.9 %" if 0.9995 <= value < 1 else f"{100 * value:.1f} %" for value in probability[worst]]
    captions = [f"{names[true[k]]} → {names[predicted[k]]} ({text})" for k, text in zip(worst, sure, strict=True)]
    if max(width(caption, style.SMALL) for caption in captions) > room:
        captions = [caption.replace(" → ", " →\n", 1) for caption in captions]
    some = f"the {len(worst)} most confident of " if len(worst) < len(wrong) else ""
    detail = f"{what}, true → predicted class: {some}{len(wrong):,} wrong among {len(true):,}"
    return mosaic.captioned(mosaic.thumbnails(pictures, 184, 142), captions, 5, 196, title, detail)
