"""The 8 x 8 digits that come with scikit-learn, read from its folder without importing it."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from mlp_cli.data.dataset import Array, RawSet, arrays_sha256
from mlp_cli.data.streams import open_file
from mlp_cli.errors import DataError, UsageError

TRAIN_ROWS = 1_500
"""The rest of the 1,797 rows, the last 297, is the test part; scikit-learn itself has none."""

_BYTES = 264_712
_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
_INSTALL = "pip install scikit-learn"


def read_digits() -> RawSet:
    """Handwritten digits, 1,500 rows to train on and 297 to test on; x (N, 64) float32 with whole values from 0 to 16.

    The values are not divided by 16: `scale: minmax` or `standard` suits them. Alpaydin and Kaynak 1998, Optical recognition of
    handwritten digits (UCI repository, CC BY 4.0), its test part, in the order of scikit-learn's load_digits.
    Errors: UsageError with the pip line where scikit-learn is not installed; DataError where its file is not the known one.
    """
    with open_file(_file()) as stream:
        table = bytes(stream.read())
        if len(table) != _BYTES or hashlib.sha256(table).hexdigest() != _SHA256:
            raise stream.error("not the digits that scikit-learn has distributed so far", f"{_INSTALL} --force-reinstall")
    cells = table.replace(b"\n", b",").rstrip(b",").split(b",")
    values = np.array([int(cell) for cell in cells], dtype=np.uint8).reshape(-1, 65)
    x, y = values[:, :64].astype(np.float32), values[:, 64].astype(np.int64)
    arrays: dict[str, Array] = {
        "train_x": x[:TRAIN_ROWS],
        "train_y": y[:TRAIN_ROWS],
        "test_x": x[TRAIN_ROWS:],
        "test_y": y[TRAIN_ROWS:],
    }
    return RawSet(
        train_x=arrays["train_x"],
        train_y=arrays["train_y"],
        test_x=arrays["test_x"],
        test_y=arrays["test_y"],
        shape=(8, 8),
        classes=tuple("0123456789"),
        name="digits",
        sha256=arrays_sha256(arrays),
        source="scikit-learn",
    )


def _file() -> Path:
    # Importing scikit-learn takes a second or more; only where it is installed matters here.
    found = importlib.util.find_spec("sklearn")
    folders = [] if found is None else list(found.submodule_search_locations or ())
    if not folders:
        raise UsageError("dataset digits comes with scikit-learn, which is not installed", _INSTALL)
    path = Path(folders[0]) / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        raise DataError(f"{path}: no such file; this version of scikit-learn keeps its digits elsewhere")
    return path
