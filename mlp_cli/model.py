"""model.npz: the weights that a run ends with and all that predicting needs, as plain arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp_cli import files
from mlp_cli.data import npz
from mlp_cli.data.dataset import Dataset
from mlp_cli.data.features import Transform
from mlp_cli.data.targets import TargetScale
from mlp_cli.errors import RunError
from mlp_cli.nn.network import Network

NAME = "model.npz"
_LIMIT = 4 << 30


def write_model(
    folder: Path,
    network: Network,
    transform: Transform,
    targets: TargetScale,
    dataset: Dataset,
    config: dict[str, Any],
) -> None:
    """Writes W1, b1, W2, b2 …, running statistics, class names, the config, and what becomes of an input before W1.

    That is the scaling (scale, shift and perhaps centre, see `Affine`), then, with features, value · projection + projection_shift;
    for a table also `encoding`, JSON that `TableEncoding.from_dict` takes. A quantity is output · target_scale + target_shift, or the
    exponential of that where target_log is true.
    """
    arrays: dict[str, NDArray] = {**network.parameters, **network.state}
    arrays |= {name: np.asarray(value) for name, value in transform.arrays().items()}
    if dataset.task == "regression":
        arrays |= targets.arrays()
    if dataset.encoding is not None:
        arrays["encoding"] = np.array(json.dumps(dataset.encoding.to_dict()))
    arrays["classes"] = np.array(dataset.classes, dtype=np.str_)
    arrays["shape"] = np.array(dataset.shape, np.int64)
    arrays["config"] = np.array(json.dumps(config, sort_keys=True))
    files.write_atomic(folder / NAME, npz.pack(arrays))


def load_weights(folder: Path, network: Network) -> None:
    """Puts the weights of model.npz into a network of the same shape, in place. Errors: RunError where they do not fit."""
    path = folder / NAME
    try:
        arrays = npz.unpack(files.read_bytes(path, _LIMIT, RunError))
        for name, target in {**network.parameters, **network.state}.items():
            if arrays[name].shape != target.shape:
                raise ValueError(f"{name} has shape {arrays[name].shape}, the network {target.shape}")
            target[...] = arrays[name]
    except (ValueError, KeyError) as error:
        raise RunError(f"{path} is damaged: {error}", "train the run again with --force") from error
