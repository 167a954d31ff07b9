"""What run.json says of the machine: the same text each time, whatever else the process has loaded by then."""

from typing import Any

import pytest
import threadpoolctl

from mlp_cli import environment


def blas(path: str, version: str) -> dict[str, Any]:
    return {"user_api": "blas", "internal_api": "openblas", "version": version, "architecture": "Zen", "filepath": path}


NUMPY = blas("/env/site-packages/numpy.libs/libscipy_openblas64_-1.so", "0.3.31")
SCIPY = blas("/env/site-packages/scipy.libs/libscipy_openblas-2.so", "0.3.30")
SYSTEM = blas("/usr/lib/libopenblas.so.0", "0.3.21")
OTHER = blas("/usr/lib/libblis.so.4", "1.0")
OPENMP = {"user_api": "openmp", "internal_api": "openmp", "filepath": "/usr/lib/libgomp.so.1"}


@pytest.mark.parametrize(
    ("loaded", "expected"),
    [
        ([NUMPY], "openblas 0.3.31 Zen"),
        ([NUMPY, SCIPY], "openblas 0.3.31 Zen"),
        ([SCIPY, OPENMP, NUMPY], "openblas 0.3.31 Zen"),
        ([SYSTEM], "openblas 0.3.21 Zen"),
        ([OTHER, SYSTEM], "openblas 0.3.21 Zen; openblas 1.0 Zen"),
        ([SYSTEM, OTHER], "openblas 0.3.21 Zen; openblas 1.0 Zen"),
        ([OPENMP], "unknown"),
    ],
)
def test_the_blas_is_the_one_that_numpy_uses(
    monkeypatch: pytest.MonkeyPatch, loaded: list[dict[str, Any]], expected: str
) -> None:
    monkeypatch.setattr(threadpoolctl, "threadpool_info", lambda: loaded)
    assert environment.describe(1)["blas"] == expected


def test_scipy_changes_nothing() -> None:
    before = environment.describe(1)["blas"]
    import scipy.linalg

    assert scipy.linalg.det([[2.0]]) == 2.0
    assert environment.describe(1)["blas"] == before
