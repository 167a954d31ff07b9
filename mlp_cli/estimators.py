"""scikit-learn estimators: `mlp_cli.MLPClassifier` and `mlp_cli.MLPRegressor`. They write no file and set no signal.

They train the network of a config with the run's own trainer, on arrays. What they add are weights of samples: a batch's loss is the
mean over its rows by their weights, Σ w·l / Σ w, so that a weight of 2 does what the same row twice does in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from types import FunctionType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from mlp_cli.build import build, network_of
from mlp_cli.config import Config, config_from_mapping
from mlp_cli.config.overrides import plain_values
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Array, Dataset, Part, RawSet, Task
from mlp_cli.data.splits import cut
from mlp_cli.data.targets import TargetScale
from mlp_cli.errors import UsageError
from mlp_cli.model import Model
from mlp_cli.nn.losses import Huber, Loss, losses
from mlp_cli.nn.soft import SoftTargets

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError:
    raise UsageError("the estimators need scikit-learn 1.6 or newer", "pip install 'mlp-cli[sklearn]'") from None

_FLOATS = (np.float64, np.float32)


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
    """What both have in common: parameters, training, and predictions from what was learnt."""

    _task: Task

    def __init_subclass__(cls) -> None:
        """Gives each class a constructor by its own name, which Python's errors tell."""
        super().__init_subclass__()
        if "__init__" not in vars(cls):
            base: Any = cls.__init__
            copy: Any = FunctionType(base.__code__, base.__globals__, base.__name__, base.__defaults__)
            copy.__kwdefaults__ = base.__kwdefaults__
            copy.__annotations__ = base.__annotations__
            copy.__qualname__ = f"{cls.__name__}.__init__"
            cls.__init__ = copy  # type: ignore[method-assign]

    def __init__(
        self,
        hidden_sizes: Sequence[int] = (100,),
        *,
        activation: Any = "relu",
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        epochs: int = 200,
        batch_size: int | str = 256,
        loss: Any = None,
        dropout: Any = 0.0,
        weight_decay: float | None = None,
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
        self.epochs = epochs
        self.batch_size = batch_size
        self.loss = loss
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation = validation
        self.dtype = dtype
        self.config = config
        self.random_state = random_state

    def _weights(self, sample_weight: ArrayLike | None, x: Array) -> Array:
        weights: Array = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("no row has a positive weight")
        return weights

    def _config(self) -> Config:
        """The config that the parameters make. Errors: ConfigError."""
        keys = {key: value for key, value in self.get_params(deep=False).items() if value is not None}
        random = keys.pop("random_state", None)
        seed = random if isinstance(random, int | np.integer) else check_random_state(random).randint(2**31)
        dataset = {"path": "data.npz", "validation": keys.pop("validation"), "scale": "none"}
        if self._task == "classification":
            keys.pop("class_weight", None)  # it enters by the weights of the rows
        else:
            keys, dataset["target_scale"] = {"loss": "mse", **keys}, "none"
        own = keys.pop("config", {})
        return config_from_mapping(plain_values({**keys, "seed": seed, "dataset": dataset, **own}), source=type(self).__name__)

    def _fit(
        self, x: Array, y: Array, weights: Array, classes: Sequence[str], shift: Array | float = 0, scale: float = 1
    ) -> Self:
        """Trains on x (N, D) and y, class numbers or quantities that are (y − shift) / scale to the network."""
        config, kept = self._config(), weights > 0
        x, y, weights = x[kept], y[kept] if classes else (y[kept] - shift) / scale, weights[kept]
        names, shape = tuple(classes), x.shape[1:]
        whole = RawSet(train_x=x, train_y=y, shape=shape, classes=names, name="data", task=self._task)
        rows = cut("stratified", whole, self.validation, config.seed)
        train, validation = Part(x, y, rows.train), Part(x, y, rows.validation) if len(rows.validation) else None
        data = Dataset(
            "data", self._task, shape, names, train, validation, None, sha256="", source="", scale="none", divides=False
        )
        with threadpool_limits(1, "blas"):
            trainer = build(config, data)
            if not classes:
                trainer.targets = TargetScale(False, shift, scale, scale ** losses[config.loss.name].degree)
            if isinstance(trainer.loss, Huber):
                trainer.loss.delta /= scale
            if (weights != weights[0]).any():
                batches = _WeightedBatches(train, trainer.train.transform, trainer.train.batch_size, config.dtype)
                batches.row_weights, trainer.train = weights, batches
                trainer.soft = _Weighted(trainer.loss, len(classes), config.label_smoothing, batches)
            trainer.fit()
            trainer.restore_best()
        self._learnt = config.to_dict(), trainer.network.outputs, names, trainer.train.transform, trainer.targets
        self.weights_ = {name: value.copy() for name, value in trainer.weights().items()}
        self.n_iter_, self.loss_curve_ = trainer.state.epoch, [row.train_loss for row in trainer.state.history]
        return self

    def _predict(self, X: ArrayLike) -> Array:
        """Probabilities (N, K), or quantities (N,) or (N, K). The network is made anew: what is kept are arrays, which pickle well
        and may be used by several threads."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=_FLOATS)
        mapping, outputs, classes, transform, targets = self._learnt
        config = config_from_mapping(mapping)
        network = network_of(config, transform.width or x.shape[1], outputs)
        for name, target in {**network.parameters, **network.state}.items():
            target[...] = self.weights_[name]
        with threadpool_limits(1, "blas"):
            return Model(config, x.shape[1:], classes, deepcopy(transform), None, targets, network).predict(x)


class MLPClassifier(ClassifierMixin, _Estimator):
    """A classifier: the network, losses and optimizers of `mlp`, with scikit-learn's interface.

    Parameters are keys of the config with the same values, None for their defaults: see `mlp init`. Inputs are not scaled: put a
    StandardScaler before it. validation: rows, or a share of them, that early_stopping watches; 0 for none. class_weight: None,
    "balanced" or weights by class. config: further keys, such as {"clip_norm": 1.0}. random_state: the seed; None draws one.
    Attributes after `fit`: classes_, n_features_in_, weights_ (W1, b1 … by name), loss_curve_ (by epoch), n_iter_ (epochs).

    The names of sklearn.neural_network, and ours:
    hidden_layer_sizes: hidden_sizes
    solver: optimizer
    learning_rate_init: learning_rate
    max_iter: epochs
    alpha: weight_decay, which is not divided by a batch's rows
    validation_fraction: validation
    """

    _task = "classification"

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Trains on X (N, D) and labels y (N,). sample_weight: (N,), not negative. Errors: ValueError; MlpError for parameters."""
        x, y = validate_data(self, X, y, dtype=_FLOATS)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        weights = self._weights(sample_weight, x)
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, y)
        return self._fit(x, labels.astype(np.int64), weights, [str(label) for label in self.classes_])

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
    predictions are in their own unit. Several targets share one factor, so that the loss weighs them as they are: bring those of
    unlike size to a like one first, with sklearn.compose.TransformedTargetRegressor.
    """

    _task = "regression"

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Trains on X (N, D) and targets y (N,) or (N, K). sample_weight: (N,), not negative. Errors: as of `MLPClassifier.fit`."""
        x, y = validate_data(self, X, y, dtype=_FLOATS, multi_output=True, y_numeric=True)
        y, weights = np.asarray(y, np.float64), self._weights(sample_weight, x)
        shift = np.average(y, axis=0, weights=weights)
        scale = float(np.sqrt(np.average(np.square(y - shift), axis=0, weights=weights).mean()))
        return self._fit(x, y, weights, (), shift, scale if scale > 1e-12 * np.abs(y).max() else 1.0)

    def predict(self, X: ArrayLike) -> Array:
        """Quantities (N,), or (N, K) for several targets."""
        return self._predict(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
