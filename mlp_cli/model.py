"""model.npz: the weights that a run ends with and all that predicting needs, as plain arrays. `write_model` and `read_model`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files
from mlp_cli.build import network_of, transform_of
from mlp_cli.config import Config, config_from_mapping
from mlp_cli.data import npz
from mlp_cli.data.batches import Batches
from mlp_cli.data.dataset import Dataset, Part, Task
from mlp_cli.data.encoding import TableEncoding
from mlp_cli.data.extraction import Extracted, restored
from mlp_cli.data.features import Transform
from mlp_cli.data.inputs import as_rows
from mlp_cli.data.own import Own, Read
from mlp_cli.data.pca import Pca, Projection
from mlp_cli.data.pictures import laid_out
from mlp_cli.data.targets import UNSCALED, TargetScale
from mlp_cli.data.transforms import Affine
from mlp_cli.errors import MlpError, RunError
from mlp_cli.nn.losses import losses
from mlp_cli.nn.metrics import of_classes, softmax
from mlp_cli.nn.network import Network
from mlp_cli.runs import completed_record, read_quietly
from mlp_cli.training.evaluate import ROWS
from mlp_cli.training.progress import feature_bar

NAME = "model.npz"
_LIMIT = 4 << 30
_BYTES = ("unit", "256")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Model:
    """A trained network and all that predicting needs. D inputs, K classes, labels or quantities.

    config: the run's. shape: of one row before it was flattened, so that its product is D. classes: K names of classes or labels,
    empty for a quantity.
    transform: from raw inputs (N, D) to those of the network. encoding: of a table's columns, None for other data.
    targets: how a quantity was scaled. network: with its weights.
    """

    config: Config
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    transform: Transform
    encoding: TableEncoding | None
    targets: TargetScale
    network: Network

    @property
    def task(self) -> Task:
        """What the network was trained for."""
        return losses[self.config.loss.name].task

    @property
    def inputs(self) -> int:
        """D, the number of raw values of a row."""
        return int(np.prod(self.shape))

    @property
    def own(self) -> Own:
        """How the table was read that the network was trained on, and its target."""
        wanted = self.config.dataset
        return Own(target=wanted.target, read=Read() if wanted.read is None else Read(**dict(wanted.read)))

    def on_scale(self, x: NDArray[Any], are_bytes: bool = False) -> tuple[NDArray[Any], str]:
        """Raw inputs of bytes and of values within 0 … 1, whichever the network was not trained on, as the other; and a notice.

        are_bytes: they are, however small. A notice tells of values beyond those of training, too, which stay.
        """
        transform = self.transform
        if isinstance(transform, Extracted):
            scaling = Affine(np.array(1 / transform.pictures.top), np.zeros(()))
        else:
            scaling = transform.scaling if isinstance(transform, Projection) else transform
        least, most = (float(x.min()), float(x.max())) if x.size else (0.0, 0.0)
        if self.encoding is not None or self.config.dataset.scale not in (None, *_BYTES) or scaling.scale.ndim:
            return x, ""
        to_bytes, kind = scaling.scale < 1, "bytes" if scaling.scale < 1 else "values of 0 to 1"
        if to_bytes and not are_bytes and least >= 0 and 0 < most <= 1:
            factor = round(1 / float(scaling.scale))
            return x * float(factor), f"values of 0 to 1 are multiplied by {factor}, since the network was trained on bytes"
        if not to_bytes and (are_bytes or (least >= 0 and 1 < most <= 255 and (x == np.round(x)).all())):
            return x / 255.0, "whole numbers up to 255 are divided by 255, since the network was trained on values of 0 to 1"
        if least < 0 or most > (255 if to_bytes else 1):
            return x, f"there are values from {least:g} to {most:g}, and the network was trained on {kind}"
        return x, ""

    def outputs(self, x: NDArray[Any]) -> NDArray[Any]:
        """The network's outputs (N, K) for raw inputs (N, D) or (N, *shape), of its dtype: logits, or scaled quantities.

        A single logit of two classes gives two, of which the first is 0. Rows go through in the same batches as at the end of
        training, so that the values are the very same. Errors: DataError for rows of another shape.
        """
        x = as_rows(np.asarray(x), self.shape, "x")
        if not len(x):
            return np.empty((0, len(self.classes) or self.network.outputs), self.network.dtype)
        return self.outputs_of(Part(x, np.zeros(len(x), np.int64), np.arange(len(x))))

    def outputs_of(self, part: Part) -> NDArray[Any]:
        """The same for the rows of a part."""
        batches = Batches(part, self.transform, ROWS, self.network.dtype)
        with np.errstate(all="ignore"):
            found = np.concatenate([self.network.forward(each, training=False).copy() for each, _ in batches])
        return of_classes(found) if self.classes else found

    def on(self, dataset: Dataset) -> Model:
        """The same model with the features of the set that it was trained on as they are kept, where they are costly to make."""
        if not isinstance(self.transform, Extracted):
            return self
        return replace(self, transform=transform_of(self.config, dataset, feature_bar))

    def predict(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Probabilities (N, K) of classes or labels for raw inputs (N, D) or (N, *shape); a quantity in its own unit as (N,), several
        as (N, K).

        Errors: DataError for rows of another shape.
        """
        outputs = self.outputs(x)
        if self.task == "multi_label":
            return 0.5 + 0.5 * np.tanh(0.5 * outputs.astype(np.float64))
        if self.classes:
            return softmax(outputs.astype(np.float64))
        found = self.targets.restored(outputs)
        return found[:, 0] if found.shape[1] == 1 else found


def write_model(
    folder: Path,
    network: Network,
    transform: Transform,
    targets: TargetScale,
    dataset: Dataset,
    config: dict[str, Any],
) -> None:
    """Writes W1, b1, W2, b2 …, running statistics, class names, the config, and what becomes of an input before W1.

    That is the scaling (scale, shift and perhaps centre, see `Affine`), then, with pca, value · projection + projection_shift. Other
    features come before the scaling: they are what the config's component computes from pixels (`top` is white) and learnt_NAME, which
    are learnt_whitening (d, d + 1) and learnt_filters (K, d) of patches (see `Patches.learn`), and learnt_backbone, the bytes of the
    ONNX file, of onnx; `width` is how many values the network takes. For a table also `encoding`, JSON that `TableEncoding.from_dict`
    takes. A quantity is output · target_scale + target_shift, or the exponential of that where target_log is true.
    """
    arrays: Arrays = {**network.parameters, **network.state}
    arrays |= {name: np.asarray(value) for name, value in transform.arrays().items()}
    if dataset.task == "regression":
        arrays |= targets.arrays()
    if dataset.encoding is not None:
        arrays["encoding"] = np.array(json.dumps(dataset.encoding.to_dict()))
    arrays["classes"] = np.array(dataset.classes, dtype=np.str_)
    arrays["shape"] = np.array(dataset.shape, np.int64)
    arrays["config"] = np.array(json.dumps(config, sort_keys=True))
    files.write_atomic(folder / NAME, npz.pack(arrays))


def read_model(folder: Path) -> Model:
    """The model of the run in a folder. Errors: RunError where it has none yet, or a damaged one."""
    path = folder / NAME
    if not path.exists() and read_quietly(folder) is not None:
        completed_record(folder)
    try:
        arrays = _arrays(path)
        config = config_from_mapping(json.loads(str(arrays["config"])), source=f"the config of {path}")
        shape, classes = tuple(arrays["shape"].tolist()), tuple(arrays["classes"].tolist())
        transform = _transform(arrays, config, shape)
        inputs, outputs = arrays["W1"].shape[0], arrays[f"b{len(config.hidden_sizes) + 1}"].shape[0]
        network = network_of(config, inputs, outputs)
        _fill(network, arrays)
        encoding = TableEncoding.from_dict(json.loads(str(arrays["encoding"]))) if "encoding" in arrays else None
        expected = transform.matrix.shape[0] if isinstance(transform, Projection) else inputs
        fits = transform.width == inputs if isinstance(transform, Extracted) else np.prod(shape) == expected
        if not fits or (losses[config.loss.name].outputs or len(classes) or outputs) != outputs:
            raise ValueError("its arrays do not fit each other")
        targets = _targets(arrays, losses[config.loss.name].degree)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise _damaged(path, error) from error
    except MlpError as error:
        if isinstance(error, RunError):
            raise
        raise _damaged(path, error.message.splitlines()[-1].strip()) from error
    return Model(config, shape, classes, transform, encoding, targets, network)


def load_weights(folder: Path, network: Network) -> None:
    """Puts the weights of model.npz into a network of the same shape, in place. Errors: RunError where they do not fit."""
    path = folder / NAME
    try:
        _fill(network, _arrays(path))
    except (ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, reason: object) -> RunError:
    return RunError(f"{path} is damaged: {reason}", "train the run again with --force")


def _arrays(path: Path) -> Arrays:
    return npz.unpack(files.read_bytes(path, _LIMIT, RunError))


def read_arrays(folder: Path) -> Arrays:
    """All arrays of the model in a run's folder, by name. Errors: RunError where it has none, or a damaged one."""
    path = folder / NAME
    try:
        return _arrays(path)
    except ValueError as error:
        raise _damaged(path, error) from error


def _fill(network: Network, arrays: Arrays) -> None:
    """Puts weights and running statistics into a network. Errors: KeyError, ValueError where they do not fit."""
    for name, target in {**network.parameters, **network.state}.items():
        if arrays[name].shape != target.shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, the network {target.shape}")
        target[...] = arrays[name]


def _transform(arrays: Arrays, config: Config, shape: tuple[int, ...]) -> Transform:
    """What the `arrays` of a transform told of. The arrays are copies: those of the file may lie at odd addresses."""
    if config.features is not None and not isinstance(extractor := config.features.build(), Pca):
        pictures = laid_out(shape, float(arrays["top"]))
        if pictures is None:
            raise ValueError(f"rows of shape {shape} are no pictures")
        return restored(extractor, pictures, {name: np.array(value) for name, value in arrays.items()})
    named = ("scale", "shift", "centre", "projection", "projection_shift")
    kept = {name: np.array(arrays[name]) for name in named if name in arrays}
    scaling = Affine(kept["scale"], kept["shift"], kept.get("centre"))
    return Projection(scaling, kept["projection"], kept["projection_shift"]) if "projection" in kept else scaling


def _targets(arrays: Arrays, degree: int) -> TargetScale:
    """How a quantity was scaled. degree: the loss's, from which the loss's unit follows as in `fit_targets`."""
    if "target_scale" not in arrays:
        return UNSCALED
    scale = float(arrays["target_scale"])
    return TargetScale(bool(arrays["target_log"]), np.array(arrays["target_shift"]), scale, scale**degree)
