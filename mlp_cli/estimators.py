"""scikit-learn estimators: `mlp_cli.MLPClassifier` and `mlp_cli.MLPRegressor`. They write no file and set no signal.

They train the network of a config with the run's own trainer, on arrays. What they add are weights of samples: a batch's loss is the
mean over its rows by their weights, Σ w·l / Σ w, so that a weight of 2 does what the same row twice does in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from mlp_cli.build import build, network_of
from mlp_cli.config import config_from_mapping
from mlp_cli.config.overrides import plain_values
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Array, Dataset, Part, RawSet, Task
from mlp_cli.data.splits import cut
from mlp_cli.data.targets import UNSCALED, TargetScale
from mlp_cli.errors import UsageError
from mlp_cli.model import Model
from mlp_cli.nn.losses import Huber, Loss, losses
from mlp_cli.nn.soft import SoftTargets

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError:
    raise UsageError("the estimators need scikit-learn 1.6 or newer", "pip install 'mlp-cli[sklearn]'") from None

_FLOATS = (np.float64, np.float32)
_OWN = ("validation", "class_weight", "random_state", "config")
"""Parameters that are no keys of a config, or that mean something else here."""


class _WeightedBatches(Batches):
    """Batches that know the weights of the rows in hand. row_weights: of all rows of the part's arrays."""

    row_weights: Array
    weights: Array

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        start = 0
        for x, y in super().__iter__():
            self.weights = self.row_weights[self._order[start : start + len(y)]]
            start += len(y)
            yield x, y


class _Weighted(SoftTargets):
    """Targets softened as the config says, each row by its weight; the mean over a batch is by the weights."""

    def __init__(self, loss: Loss, classes: int, smoothing: float, batches: _WeightedBatches) -> None:
        super().__init__(loss, classes, smoothing)
        self._batches = batches

    def forward(self, outputs: Any, targets: Any, partners: Any = None, share: float = 1.0) -> float:
        total = super().forward(outputs, targets, partners, share)
        weights = self._batches.weights
        share_of = weights * (len(weights) / weights.sum())
        self._factors = share_of if self._loss.reduction == "mean" else weights
        return total if partners is not None else float(np.dot(self._loss.per_sample, share_of))

    def backward(self) -> Array:
        grad = super().backward()
        return np.multiply(grad, self._factors[:, None], out=grad, casting="same_kind")


class _Estimator(BaseEstimator):
    """What both have in common: training, and predictions from what was learnt."""

    _task: Task

    def _fit(self, x: Array, y: Array, weights: Array, targets: TargetScale, classes: Sequence[str]) -> Self:
        """Trains on x (N, D) and y, class numbers or scaled quantities, in the rows of positive weight."""
        kept = weights > 0
        if not kept.any():
            raise ValueError("no row has a positive weight")
        x, y, weights = x[kept], y[kept], weights[kept]
        seed = check_random_state(self.random_state).randint(2**31) if self.random_state is None else self.random_state
        params = {key: value for key, value in self.get_params(deep=False).items() if value is not None and key not in _OWN}
        scales = {"scale": "none"} if self._task == "classification" else {"scale": "none", "target_scale": "none"}
        params["dataset"] = {"path": "data.npz", "validation": self.validation, **scales}
        config = config_from_mapping(plain_values({**params, "seed": seed, **(self.config or {})}), source=type(self).__name__)
        whole = RawSet(train_x=x, train_y=y, shape=x.shape[1:], classes=tuple(classes), name="data", task=self._task)
        rows = cut("stratified", whole, self.validation, config.seed)
        data = Dataset(
            name="data",
            task=self._task,
            shape=whole.shape,
            classes=whole.classes,
            train=Part(x, y, rows.train),
            validation=Part(x, y, rows.validation) if len(rows.validation) else None,
            test=None,
            sha256="",
            source="",
            scale="none",
            divides=False,
        )
        with threadpool_limits(1, "blas"):
            trainer = build(config, data)
            trainer.targets = targets
            if isinstance(trainer.loss, Huber):
                trainer.loss.delta /= targets.scale
            if (weights != weights[0]).any():
                batches = _WeightedBatches(data.train, trainer.train.transform, trainer.train.batch_size, config.dtype)
                batches.row_weights, trainer.train = weights, batches
                trainer.soft = _Weighted(trainer.loss, len(classes), config.label_smoothing, batches)
            trainer.fit()
            trainer.restore_best()
        self._learnt = config.to_dict(), whole.shape, whole.classes, trainer.train.transform, targets, trainer.network.outputs
        self.weights_ = {name: value.copy() for name, value in trainer.weights().items()}
        self.n_iter_, self.loss_curve_ = trainer.state.epoch, [row.train_loss for row in trainer.state.history]
        return self

    def _predict(self, X: ArrayLike) -> Array:
        """Probabilities (N, K), or quantities (N,) or (N, K). The network is made anew: what is kept are arrays, which pickle well
        and may be used by several threads."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=_FLOATS)
        mapping, shape, classes, transform, targets, outputs = self._learnt
        config = config_from_mapping(mapping)
        network = network_of(config, transform.width or shape[0], outputs)
        for name, target in {**network.parameters, **network.state}.items():
            target[...] = self.weights_[name]
        with threadpool_limits(1, "blas"):
            return Model(config, shape, classes, deepcopy(transform), None, targets, network).predict(x)


class MLPClassifier(ClassifierMixin, _Estimator):
    """A classifier: the network, losses and optimizers of `mlp`, with scikit-learn's interface.

    Parameters are keys of the config with the same values: see `mlp init`. Inputs are not scaled: put a StandardScaler before it.
    validation: rows, or a share of them, that early_stopping watches; 0 for none. class_weight: None, "balanced" or weights by
    class. config: further keys of a config, such as {"clip_norm": 1.0}. random_state: the seed; None draws one.
    Attributes after `fit`: classes_, n_features_in_, weights_ (W1, b1 … by name), loss_curve_ (by epoch), n_iter_ (epochs).
    """

    _task = "classification"

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (100,),
        *,
        activation: Any = "relu",
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        schedule: Any = "constant",
        epochs: int = 200,
        batch_size: int | str = 256,
        loss: Any = "cross_entropy",
        dropout: Any = 0.0,
        weight_decay: float | None = None,
        label_smoothing: float = 0.0,
        class_weight: Any = None,
        early_stopping: Any = None,
        validation: float = 0,
        dtype: str = "float64",
        config: Mapping[str, Any] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.hidden_sizes = hidden_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.loss = loss
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation = validation
        self.dtype = dtype
        self.config = config
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Trains on X (N, D) and labels y (N,). sample_weight: (N,), not negative. Errors: ValueError; MlpError for parameters."""
        x, y = validate_data(self, X, y, dtype=_FLOATS)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is not None:
            weights = weights * self._class_weights(weights, labels)[labels]
        return self._fit(x, labels.astype(np.int64), weights, UNSCALED, [str(label) for label in self.classes_])

    def _class_weights(self, weights: Array, labels: Array) -> Array:
        """(K,) weights of the classes; balanced: those with which all classes weigh the same, and the rows as much as before."""
        if isinstance(self.class_weight, Mapping):
            return np.array([self.class_weight.get(label, 1.0) for label in self.classes_.tolist()])
        if self.class_weight != "balanced":
            raise UsageError(f"class_weight: {self.class_weight!r} is no mapping", 'write "balanced", or {class: weight}')
        sums = np.bincount(labels, weights)
        return weights.sum() / (np.count_nonzero(sums) * np.where(sums > 0, sums, 1.0))

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities (N, K) float64, in the order of classes_."""
        found = self._predict(X)
        return np.ones((len(found), 1)) if len(self.classes_) == 1 else found

    def predict(self, X: ArrayLike) -> Array:
        """Labels (N,)."""
        found = self.predict_proba(X)
        return self.classes_[found.argmax(axis=1)]


class MLPRegressor(RegressorMixin, _Estimator):
    """A regressor: the network, losses and optimizers of `mlp`, with scikit-learn's interface; for one target or several.

    Parameters and attributes are those of `MLPClassifier`; loss is mse, mae or huber. Targets are standardised for training, and
    predictions are in their own unit.
    """

    _task = "regression"

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (100,),
        *,
        activation: Any = "relu",
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        schedule: Any = "constant",
        epochs: int = 200,
        batch_size: int | str = 256,
        loss: Any = "mse",
        dropout: Any = 0.0,
        weight_decay: float | None = None,
        early_stopping: Any = None,
        validation: float = 0,
        dtype: str = "float64",
        config: Mapping[str, Any] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.hidden_sizes = hidden_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.epochs = epochs
        self.batch_size = batch_size
        self.loss = loss
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation = validation
        self.dtype = dtype
        self.config = config
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Trains on X (N, D) and targets y (N,) or (N, K). sample_weight: (N,), not negative. Errors: as of `MLPClassifier.fit`."""
        x, y = validate_data(self, X, y, dtype=_FLOATS, multi_output=True, y_numeric=True)
        y = np.asarray(y, np.float64)
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("no row has a positive weight")
        shift = np.average(y, axis=0, weights=weights)
        scale = float(np.sqrt(np.average(np.square(y - shift), axis=0, weights=weights).mean()))
        scale = scale if scale > 1e-12 * np.abs(y).max() else 1.0
        name = self.loss["name"] if isinstance(self.loss, Mapping) else self.loss
        targets = TargetScale(False, shift, scale, scale ** losses[name].degree)
        return self._fit(x, (y - shift) / scale, weights, targets, ())

    def predict(self, X: ArrayLike) -> Array:
        """Quantities (N,), or (N, K) for several targets."""
        return self._predict(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
