"""Five quick proofs that a config's network, its training and its data are what they should be."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli.build import build
from mlp_cli.config import Config, config_from_mapping
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Dataset, Part
from mlp_cli.errors import Diverged, UsageError
from mlp_cli.nn.gradcheck import TOLERANCE, check_gradients
from mlp_cli.rng import Purpose, stream
from mlp_cli.text import counted
from mlp_cli.training.evaluate import Scores
from mlp_cli.training.trainer import Trainer

Array = NDArray[Any]

FEW = 16  # rows of the gradient check and of the batch that is learnt by heart
FIRST = 1000  # rows of the first loss
STEPS, RATES = 500, (1e-3, 1e-2, 1e-1)
NEAR, LEARNT = 3.0, 0.05  # of chance: what the first loss may be at most, what must be left of a batch's
SHUFFLES, SHUFFLED, SHUFFLED_EPOCHS, SHUFFLED_BATCH = 10, 1024, 5, 32
ERRORS = 3.0  # standard errors
_SLOW = 2000  # parameters of a network in plain Python
_NARROW = 4  # units of a layer through which not every batch can be learnt

_PLAIN = (
    *("name", "seed", "dataset", "features", "hidden_sizes", "activation", "initializer", "optimizer", "learning_rate"),
    *("loss", "batch_norm", "layer_norm", "dtype", "epochs", "batch_size"),
)
"""The keys of a config that say what learns what. The others hold it back, and have no part in what is learnt by heart."""


@dataclass(frozen=True)
class Proof:
    """The outcome of one proof. passed: None where it was skipped; detail: what was seen, or why it was skipped."""

    name: str
    passed: bool | None
    detail: str


class _Skipped(Exception):
    """A proof that says nothing of this config; the message is the reason."""


def proofs(config: Config, dataset: Dataset) -> Iterator[Proof]:
    """The five proofs, each as it is done. Errors: UsageError, DataError where the config does not go with the data."""
    checks = _Checks(config, dataset)
    steps: dict[str, Callable[[], tuple[bool, str]]] = {
        "gradients": checks.gradients,
        "first loss": checks.first_loss,
        "one batch": checks.one_batch,
        "shuffled labels": checks.shuffled_labels,
        "rows apart": checks.rows_apart,
    }
    for name, proof in steps.items():
        try:
            yield Proof(name, *proof())
        except _Skipped as reason:
            yield Proof(name, None, str(reason))


class _Checks:
    """The proofs of one config. learner: the optimizer and the rate that learnt a batch by heart, for the proof after that."""

    def __init__(self, config: Config, dataset: Dataset) -> None:
        self.config, self.dataset = config, dataset
        self.trainer = build(config, dataset)
        self.rows = dataset.train.index[stream(0, Purpose.GRADCHECK, 1).permutation(len(dataset.train))]
        self.learner: dict[str, Any] = {"optimizer": "adam", "learning_rate": 1e-3}
        self.unit = ""
        if dataset.task == "regression":
            loss, log = self.trainer.loss, "the logarithm of " * self.trainer.targets.log
            own = "" if log else f", in its unit{' squared' * (loss.degree == 2)}"
            self.unit = f"; {loss.unit} of {log}{dataset.target or 'the target'}{own}"

    def gradients(self) -> tuple[bool, str]:
        """Analytic against numerical gradients, in float64, in training mode."""
        self._refuse_slow()
        trainer = build(self.config.model_copy(update={"dtype": "float64"}), self.dataset)
        x, y = _batch(trainer, self.rows[:FEW])
        checks = check_gradients(trainer.network, trainer.loss, x, y, seed=self.config.seed)
        count = sum(check.checked for check in checks)
        if wrong := [check for check in checks if not check.passed]:
            told = ", ".join(f"{each.parameter} ({each.layer}) {each.max_relative_error:.1e}" for each in wrong)
            return False, f"analytic and numerical gradients differ by more than {TOLERANCE:g}: {told}"
        worst = max(check.max_relative_error for check in checks)
        told = f"largest relative error {worst:.1e} in {count:,} values; {TOLERANCE:g} is the limit"
        return True, f"analytic and numerical gradients agree: {told}"

    def first_loss(self) -> tuple[bool, str]:
        """The loss of the initial weights against that of knowing nothing."""
        scalar = self.config.engine == "scalar"
        if scalar:
            self._refuse_slow()
        x, y = _batch(self.trainer, self.rows[: FEW if scalar else FIRST])
        chance = self._chance(self.trainer, y)
        self.trainer.network.start_epoch(self.config.seed, 0)
        with np.errstate(all="ignore"):
            first = self.trainer.loss.forward(self.trainer.network.forward(x, training=True), y) / len(x)
        # Outputs that are c times as large have a loss of a quantity that is c**degree times as large.
        most = NEAR ** max(1, getattr(self.trainer.loss, "degree", 1))
        unit = self.trainer.targets.loss_unit
        told = f"{first * unit:.4g} with the initial weights, {chance * unit:.4g} by chance"
        limit = f"{1 / NEAR:.2g} to {most:g} times chance is right{self.unit}"
        if not chance / NEAR <= first <= most * chance:
            return False, f"{told}: the weights begin too large, or the outputs are not what the loss expects; {limit}"
        return True, f"{told}; {limit}"

    def one_batch(self) -> tuple[bool, str]:
        """A few rows are learnt by heart, with the config's optimizer and rate, else with Adam's; nothing holds back."""
        self._refuse_scalar()
        sizes = self.config.hidden_sizes
        if sizes and min(sizes) < _NARROW:
            raise _Skipped(f"a layer of {counted(min(sizes), 'unit')} is too narrow to learn every batch")
        rows = self._distinct_rows()
        least = LEARNT * self._chance(self.trainer, _batch(self.trainer, self.rows[:FIRST])[1])
        unit, told = self.trainer.targets.loss_unit, []
        own = {"optimizer": self.config.to_dict()["optimizer"], "learning_rate": self.config.learning_rate}
        learners = (own, *({"optimizer": "adam", "learning_rate": rate} for rate in RATES))
        for learner in {self._plain(each).hash(): each for each in learners}.values():
            config = self._plain(learner)
            trainer = build(config, self.dataset)
            losses = _learn(trainer, *_batch(trainer, rows), least)
            steps = f"{counted(len(losses) - 1, 'step')} of {config.optimizer.name} at {config.learning_rate:g}"
            told.append(f"{losses[0] * unit:.4g} → {losses[-1] * unit:.2g} in {steps}")
            if losses[-1] <= least:
                self.learner = learner
                seen = "; ".join(dict.fromkeys((told[0], told[-1])))
                enough = f"{least * unit:.2g}, {LEARNT:.0%} of chance, is enough"
                return True, f"{len(rows)} rows are learnt by heart, loss {seen}; {enough}"
        return False, f"the loss of {len(rows)} rows stays above {LEARNT:.0%} of chance, {least * unit:.2g}: {'; '.join(told)}"

    def shuffled_labels(self) -> tuple[bool, str]:
        """Trained on targets that are dealt anew among the training rows, a network must know nothing of the validation part.

        Its accuracy is then at most the largest class's share, its R² at most 0. What nets have learnt of shuffled labels is
        chance, but equal for like rows: so the standard error is that of the mean over several shuffles, and at least
        that of the validation rows.
        """
        self._refuse_scalar()
        dataset, validation = self.dataset, self.dataset.validation
        if validation is None:
            raise _Skipped("there is no validation part")
        count = min(SHUFFLED, len(self.rows)) // SHUFFLED_BATCH * SHUFFLED_BATCH
        if not count:
            raise _Skipped(f"fewer than {SHUFFLED_BATCH} training rows")
        some = stream(0, Purpose.GRADCHECK, 2).permutation(validation.index)[:FIRST]
        regression, y = dataset.task == "regression", validation.y[some]
        share = 0.0 if regression else _largest_share(y)
        floor = math.sqrt((1.0 if regression else share * (1.0 - share)) / len(some))
        if share + ERRORS * floor >= 1.0:
            raise _Skipped(f"{counted(len(some), 'validation row')}, {share:.0%} of one class, cannot tell")
        index, scores = np.sort(self.rows[:count]), []
        config = self._plain(self.learner | {"epochs": SHUFFLED_EPOCHS, "batch_size": SHUFFLED_BATCH})
        for shuffle in range(SHUFFLES):
            targets = dataset.train.y.copy()
            targets[index] = stream(0, Purpose.GRADCHECK, 3, shuffle).permutation(targets[index])
            shuffled = replace(
                dataset,
                train=Part(dataset.train.x, targets, index),
                validation=Part(validation.x, validation.y, np.sort(some)),
            )
            try:
                trainer = build(config, shuffled)
                trainer.fit()
            except (UsageError, Diverged) as error:
                raise _Skipped(error.message) from error
            scores.append(trainer.state.history[-1].val_score or 0.0)
        mean, deviation = float(np.mean(scores)), float(np.std(scores, ddof=1))
        spread = max(deviation / math.sqrt(SHUFFLES), floor)
        most = share + ERRORS * spread
        told = f"{SHUFFLES} shuffles give a validation R² of {mean:.3f}; knowing nothing gives 0"
        limit = f"{most:.3f}, {ERRORS:g} standard errors above, is the limit"
        if not regression:
            said = f"{100 * mean:.1f} %; the largest class has {100 * share:.1f} %"
            told = f"{SHUFFLES} shuffles give a validation accuracy of {said}"
            limit = f"{100 * most:.1f} %, {ERRORS:g} standard errors above, is the limit"
        return mean <= most, f"{told}, and {limit}"

    def rows_apart(self) -> tuple[bool, str]:
        """No row, inputs and target, of one part is in another."""
        parts = self.dataset.parts()
        if len(parts) < 2:
            raise _Skipped("there is one part only")
        digests = {name: _digests(part, self.dataset.train) for name, part in parts.items()}
        first = set(digests["training"])
        numbers = [part.index for part in parts.values() if part.x is self.dataset.train.x]
        same = sum(map(len, numbers)) - len(np.unique(np.concatenate(numbers)))
        if not same and 2 * len(first) < len(digests["training"]):
            raise _Skipped(
                f"only {len(first):,} of the {len(digests['training']):,} training rows differ: equal rows tell nothing"
            )
        seen, told = dict.fromkeys(first, "training"), []
        for name in list(parts)[1:]:
            for other in dict.fromkeys(seen.values()):
                if twins := sum(seen.get(digest) == other for digest in digests[name]):
                    told.append(f"{twins:,} of the {len(parts[name]):,} {name} rows are in the {other} part too")
            seen = dict.fromkeys(digests[name], name) | seen
        rows = ", ".join(f"{len(part):,} {name}" for name, part in parts.items())
        return not told, "; ".join(told) or f"no row of one part is in another ({rows})"

    def _plain(self, keys: dict[str, Any]) -> Config:
        known = {key: value for key, value in self.config.to_dict().items() if key in _PLAIN}
        return config_from_mapping(known | keys | {"weight_decay": 0})

    def _chance(self, trainer: Trainer, y: Array) -> float:
        """The mean loss of y (B,) or (B, K) for outputs of 0, or the mean of a quantity. Errors: _Skipped where that is 0."""
        outputs = np.zeros((len(y), trainer.network.outputs), trainer.network.dtype)
        if trainer.task == "regression":
            outputs += y.mean(axis=0)
        chance = trainer.loss.forward(outputs, y) / len(y)
        if not chance > 0:
            raise _Skipped("all targets are equal")
        return float(chance)

    def _distinct_rows(self) -> Array:
        """Up to `FEW` training rows of different inputs, no more than the last layer's inputs allow to tell apart."""
        x = _batch(self.trainer, self.rows[:FIRST])[0]
        rows = self.rows[np.sort(np.unique(x, axis=0, return_index=True)[1])]
        most = 1 + (self.config.hidden_sizes[-1] if self.config.hidden_sizes else int(np.linalg.matrix_rank(x - x.mean(axis=0))))
        if min(len(rows), most) < 2:
            raise _Skipped("no two training rows differ")
        return rows[: min(FEW, most)]

    def _refuse_scalar(self) -> None:
        if self.config.engine == "scalar":
            raise _Skipped("plain Python is too slow; engine=numpy checks the same network")

    def _refuse_slow(self) -> None:
        if self.config.engine == "scalar" and self.trainer.network.theta.size > _SLOW:
            raise _Skipped(f"plain Python is too slow for {self.trainer.network.theta.size:,} parameters; write engine=numpy")


def _batch(trainer: Trainer, rows: Array) -> tuple[Array, Array]:
    """x (B, D) and y of some rows of the training part, as the trainer's network takes them."""
    part = replace(trainer.train.part, index=rows)
    return next(iter(Batches(part, trainer.train.transform, len(rows), trainer.network.dtype)))


def _learn(trainer: Trainer, x: Array, y: Array, least: float) -> list[float]:
    """The mean losses of one batch before each of up to `STEPS` steps, until one is at most `least` or not finite."""
    losses: list[float] = []
    trainer.network.start_epoch(trainer.seed, 1)
    scores = Scores(trainer.task, trainer.targets)
    with np.errstate(all="ignore"):
        while len(losses) <= STEPS:
            losses.append(trainer.step(x, y, scores) / len(x))
            if not losses[-1] > least:
                break
    return losses


def _largest_share(y: Array) -> float:
    """The accuracy of always naming the largest class of y (B,), or each label's more frequent value, y (B, K)."""
    if y.ndim == 2:
        return float(np.maximum(y.mean(axis=0), 1.0 - y.mean(axis=0)).mean())
    return float(np.bincount(y).max() / len(y))


def _digests(part: Part, like: Part) -> list[bytes]:
    """A digest of each row's inputs and target, in the dtypes of another part."""
    return [
        hashlib.blake2b(x.astype(like.x.dtype).tobytes() + y.astype(like.y.dtype).tobytes(), digest_size=16).digest()
        for x, y in ((part.x[row], part.y[row]) for row in part.index)
    ]
