"""What many tests need: a small set of images on disk, an empty cache, and the command line called as a user would."""

import gc
import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from small_sets import Answer, make_idx_set
from threadpoolctl import threadpool_limits

# Many tests start an interpreter: without stored bytecode each one compiles the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

NUMBERS = itertools.count()

# The matrices are small, and the tests may run in as many processes as there are cores: threads of BLAS would only wait for each other.
threadpool_limits(1)

# No example may fail for the time that it takes. Few and always the same ones by default; make test-chaos takes many new ones.
settings.register_profile("quick", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")


def pytest_collection_finish() -> None:
    """Takes what the collection made out of the garbage collector's sight: it stays to the end, and is a lot to walk through."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tests' cache folders, and of matplotlib's list of fonts, which it makes once."""
    return tmp_path_factory.mktemp("caches")


@pytest.fixture(scope="session", autouse=True)
def children_heed_signals() -> Iterator[None]:
    """Children heed signals, however the suite was started: `nohup make test &` in a script ignores SIGINT, and so would they."""
    plain = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    ignored = [number for number in plain if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, plain[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def own_cache(caches: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a cache folder of its own, which the first that writes there makes, and none of the user's data.

    Nor does it wait for the disk: only a loss of power could show that fsync did nothing, and what must call it is watched for that.
    """
    cache = caches / str(next(NUMBERS))
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("HOME", str(cache))
    monkeypatch.setenv("MPLCONFIGDIR", str(caches / "matplotlib"))
    monkeypatch.delenv("MLP_DATA_DIR", raising=False)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return cache


@pytest.fixture
def idx_set(tmp_path: Path) -> Path:
    """A folder `shapes` with the four IDX files of a small set."""
    return make_idx_set(tmp_path / "shapes")


@pytest.fixture
def mlp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs a command line in this process, in a folder of its own."""
    from mlp_cli.cli.main import run

    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Answer:
        capsys.readouterr()
        code = run([str(word) for word in words])
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return call


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have no figures, which take most of their time, nor those of the best run; for tests that look at neither."""
    monkeypatch.setattr("mlp_cli.report.figures.draw", lambda report, with_files=False: [[] for _ in report.groups])
    monkeypatch.setattr("mlp_cli.report.pictures.draw_winners", lambda *_: None)


@pytest.fixture
def small_config(tmp_path: Path, idx_set: Path) -> Path:
    """A config that trains a small network on `idx_set` in a blink."""
    path = tmp_path / "small.yaml"
    path.write_text(
        "# a small run\n"
        "dataset: {path: shapes, validation: 100}\n"
        "hidden_sizes: [16]\n"
        "epochs: 3\n"
        "batch_size: 32\n"
        "learning_rate: 3e-3\n"
    )
    return path
