"""What the seeds of a group's best configuration predict for single rows, from their predictions.npz. Nothing is trained, and
nothing chosen by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlp_cli.choosing import LEAST_SEEDS
from mlp_cli.errors import RunError
from mlp_cli.evaluation import confused_pairs, of_quantity
from mlp_cli.nn.metrics import calibration_error, confusion_matrix, reliability
from mlp_cli.predictions import Predictions, read_predictions
from mlp_cli.report.model import Group, Run, Summary
from mlp_cli.report.statistics import summarize
from mlp_cli.rng import Purpose, stream
from mlp_cli.text import counted

BINS = 15
"""Bins of confidence of equal width, closed above, as in the metric `calibration_error`."""
_PAIRS = 10
_DRAWS = 1000


class Bin(NamedTuple):
    """The predictions with a confidence between two bounds: how many, their mean confidence, and the share that is right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


class AlwaysWrong(NamedTuple):
    """A row that every seed gets wrong. predicted: what most seeds say, `agree` of them, with that mean probability."""

    row: int
    true: str
    predicted: str
    agree: int
    probability: float


class Rival(NamedTuple):
    """The configuration that comes after the best. difference: the best's mean accuracy on these rows minus its own; low, high: the
    ends of the interval that `bootstrap` gives."""

    label: str
    difference: float
    low: float
    high: float


@dataclass
class BestRows:
    """The rows of one part under all seeds of the best configuration.

    part: `test`, or `validation` where nothing tests, which are the rows that chose it. runs: those with predictions. ensemble: the
    scores of their mean, by name; single: those of one run, over the runs. wrong: in the order of the rows. pairs: true class,
    predicted class, and rows per seed, most first. bins: those of all seeds' predictions that are not empty. rival: None below three
    seeds of either, and where it has no predictions for these rows. note: what is missing.
    """

    part: str
    runs: list[Run]
    rows: int
    ensemble: dict[str, float] = field(default_factory=dict)
    single: dict[str, Summary | None] = field(default_factory=dict)
    wrong: list[AlwaysWrong] = field(default_factory=list)
    pairs: list[tuple[str, str, float]] = field(default_factory=list)
    bins: list[Bin] = field(default_factory=list)
    rival: Rival | None = None
    note: str = ""


def best_rows(group: Group) -> BestRows | None:
    """The rows of a group's best configuration: test rows, else validation rows; None where no run of it has predictions."""
    runs = group.best.completed if group.best else []
    kept, lacking = list[tuple[Run, dict[str, Predictions]]](), list[str]()
    for run in runs:
        try:
            kept.append((run, read_predictions(run.folder)))
        except RunError as error:
            lacking.append(error.message)
    part = next((part for part in ("test", "validation") if all(part in found for _, found in kept)), None)
    if not kept or part is None:
        return None
    seeds, classes = [found[part] for _, found in kept], group.data.get("classes") or []
    first, logs = seeds[0], seeds[0].log_probabilities
    alike = all(np.array_equal(each.rows, first.rows) and np.array_equal(each.labels, first.labels) for each in seeds)
    if not len(first) or not alike or group.task == "multi_label" or (logs is not None and logs.shape[1] != len(classes)):
        return None
    note = f"{counted(len(lacking), 'seed')} left out: {lacking[0]}. " if lacking else ""
    note += "The configuration is chosen on these rows." if part == "validation" else ""
    result = BestRows(part, [run for run, _ in kept], len(first), note=note)
    if logs is None:
        _quantity(result, seeds)
    else:
        _classes(result, seeds, classes)
        result.rival = _rival(group, part, seeds)
    return result


def _rival(group: Group, part: str, seeds: Sequence[Predictions]) -> Rival | None:
    other = next((each for each in group.configurations if each is not group.best and each.n >= LEAST_SEEDS), None)
    if other is None or len(seeds) < LEAST_SEEDS:
        return None
    try:
        others = [read_predictions(run.folder)[part] for run in other.completed]
    except (RunError, KeyError):
        return None
    if not all(np.array_equal(each.rows, seeds[0].rows) and np.array_equal(each.labels, seeds[0].labels) for each in others):
        return None
    return Rival(other.label, *bootstrap(*(np.array([each.right for each in found]) for found in (seeds, others))))


def bootstrap(best: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float, float]:
    """The accuracy of one configuration's nets minus that of another's, and the ends of its 95 % percentile interval.

    best, other: (S, n), which of the same n rows each of their S nets gets right. Each draw takes the nets of both, and the rows for
    both alike, with replacement: it is about new seeds and new rows of this kind (Efron, 1979).
    """
    generator, rows, draws = stream(0, Purpose.BOOTSTRAP), best.shape[1], []
    pair = best.astype(np.float64), other.astype(np.float64)
    for _ in range(_DRAWS):
        weights = np.bincount(generator.integers(rows, size=rows), minlength=rows) / rows
        one, two = ((right @ weights)[generator.integers(len(right), size=len(right))].mean() for right in pair)
        draws.append(one - two)
    low, high = np.quantile(draws, (0.025, 0.975)).tolist()
    return float(best.mean() - other.mean()), low, high


def _classes(result: BestRows, seeds: Sequence[Predictions], classes: Sequence[str]) -> None:
    labels, places = seeds[0].labels, np.arange(len(seeds[0]))
    mean: Any = 0.0
    shares, cells, binned = list[dict[str, float]](), np.zeros((len(classes),) * 2, np.int64), np.zeros((3, BINS))
    for each in seeds:
        probabilities = each.probabilities()
        mean = mean + probabilities / len(seeds)
        counts = reliability(probabilities[places, each.predicted], each.right, BINS)
        cells, binned = cells + confusion_matrix(labels, each.predicted, len(classes)), binned + counts
        shares.append({"accuracy": each.accuracy, "calibration_error": calibration_error(counts)})
    result.single = {name: summarize([each[name] for each in shares]) for name in shares[0]}
    guess = mean.argmax(axis=1)
    result.ensemble = {
        "accuracy": float((guess == labels).mean()),
        "calibration_error": calibration_error(reliability(mean.max(axis=1), guess == labels, BINS)),
    }
    for row in np.flatnonzero(~np.any([each.right for each in seeds], axis=0)):
        votes = np.bincount([each.predicted[row] for each in seeds], minlength=len(classes))
        said = int(np.lexsort((mean[row], votes))[-1])
        true = classes[labels[row]]
        result.wrong.append(AlwaysWrong(int(seeds[0].rows[row]), true, classes[said], int(votes[said]), float(mean[row, said])))
    result.pairs = [
        (classes[true], classes[guess], float(cells[true, guess] / len(seeds))) for true, guess in confused_pairs(cells, _PAIRS)
    ]
    ends = np.arange(BINS + 1) / BINS
    result.bins = [
        Bin(low, high, int(n), confidence / n, hits / n)
        for low, high, (n, confidence, hits) in zip(ends[:-1].tolist(), ends[1:].tolist(), binned.T.tolist(), strict=True)
        if n
    ]


def _quantity(result: BestRows, seeds: Sequence[Predictions]) -> None:
    mean: Any = np.mean([each.predicted.astype(np.float64) for each in seeds], axis=0)
    together, *singly = (of_quantity(each) for each in (replace(seeds[0], predicted=mean), *seeds))
    result.ensemble = {name: together[name] for name in ("rmse", "mae")}
    result.single = {name: summarize([each[name] for each in singly]) for name in result.ensemble}
