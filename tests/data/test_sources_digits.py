"""The digits of scikit-learn: the real ones where it is installed, else what is said where it is not."""

import gzip
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
from needs import need

from mlp_cli.data import catalogue, sources
from mlp_cli.data.dataset import RawSet
from mlp_cli.errors import DataError, UsageError


def read_digits() -> RawSet:
    return sources.obtain(catalogue.entry("digits"))


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A scikit-learn whose package folder is `folder`, as far as looking for it goes."""
    spec = ModuleSpec("sklearn", None)
    spec.submodule_search_locations = [str(folder)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def test_real_digits() -> None:
    need("sklearn")
    loaded = "sklearn" in sys.modules
    whole = read_digits()
    assert ("sklearn" in sys.modules) == loaded
    assert whole.test_x is not None and whole.test_y is not None
    assert whole.train_x.shape == (1_500, 64) and whole.test_x.shape == (297, 64) and whole.train_x.dtype == np.float32
    # The counts of all rows stand in scikit-learn's documentation (classes of 174 to 183 rows).
    counts = np.bincount(whole.train_y) + np.bincount(whole.test_y)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert whole.train_x.min() == 0 and whole.train_x.max() == 16 and whole.train_x[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert whole.train_y[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert whole.shape == (8, 8) and whole.sha256 == "084931af43d8c28eca08017a4ed54bfeaba2243fecbec62d075e0ccb29f8d608"


def test_without_scikit_learn_the_pip_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="scikit-learn, which is not installed") as caught:
        read_digits()
    assert caught.value.hint == "pip install scikit-learn"


@pytest.mark.parametrize("content", [b"0,0\n", b"0" * 264_712, b"0" * 300_000])
def test_other_content_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    install(monkeypatch, tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_digits()
    (tmp_path / "datasets/data").mkdir(parents=True)
    (tmp_path / "datasets/data/digits.csv.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=r"digits\.csv\.gz: not the official file"):
        read_digits()
