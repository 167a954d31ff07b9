"""One-pass update rules: the bytes of NumPy's, and what is said where numba does not work. Here a stand-in for numba leaves the loops
to the interpreter; tests/extras has numba itself."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_sets import Answer

from mlp_cli.nn import kernels
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.updater import FLUSH_EVERY, Updater

LOOPS = "class config:\n    CACHE_DIR = ''\n__version__ = '9'\ndef njit(loop, **options):\n    return loop\n"
VARIANTS = [(name, {}) for name in optimizers] + [
    ("adam", {"amsgrad": True, "epsilon": 1e-3}),
    ("adam", {"beta_1": 0.0, "beta_2": 0.0}),
    ("momentum", {"momentum": 0.0}),
    ("nesterov", {"momentum": 0.99}),
    ("rmsprop", {"momentum": 0.9}),
    ("rmsprop", {"centered": True}),
]
P = 150


@pytest.fixture
def numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a package named numba with the given source."""

    def install(source: str) -> None:
        folder = tmp_path / "packages" / "numba"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(str(folder.parent))
        for name in [name for name in sys.modules if name.partition(".")[0] in ("numba", "llvmlite")]:
            monkeypatch.delitem(sys.modules, name)
        kernels._compile.cache_clear()

    yield install
    sys.modules.pop("numba", None)
    kernels._compile.cache_clear()


def trained(name: str, options: dict[str, object], dtype: str, kernel: kernels.Kernel, weight_decay: float) -> list[bytes]:
    """Bytes of theta and the slots after more steps than lie between two flushes, over gradients of every size."""
    generator = np.random.default_rng(7)
    theta = generator.normal(size=P).astype(dtype)
    grad = np.empty_like(theta)
    updater = Updater(optimizers.build(name, **options), theta, grad, 99, weight_decay, weight_decay / 3, 5.0, 2.0, kernel)
    for step in range(1, FLUSH_EVERY + 4):
        grad[:] = generator.normal(size=P) * np.logspace(0, -44, P) * (np.arange(P) % 7 > 0)
        updater.apply(0.01 / step, step)
    return [theta.tobytes(), *(slot.tobytes() for slot in updater.slots.values())]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_a_kernel_gives_the_bytes_of_its_rule(
    name: str, options: dict[str, object], dtype: str, weight_decay: float, numba: Callable[[str], None], tmp_path: Path
) -> None:
    numba(LOOPS)
    kernel = kernels.find(optimizers.build(name, **options), dtype, tmp_path)
    assert kernel.notice is None
    assert trained(name, options, dtype, kernel, weight_decay) == trained(name, options, dtype, kernels.NUMPY, weight_decay)


def test_the_usual_optimizers_have_a_kernel(numba: Callable[[str], None], tmp_path: Path) -> None:
    numba(LOOPS)
    found = {name for name in optimizers if kernels.find(optimizers.build(name), "float32", tmp_path).rule is not None}
    assert found == {"sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise ImportError('needs another NumPy')", "does not work here (ImportError: needs another NumPy)"),
        (LOOPS.replace("return loop", "raise OSError('no compiler')"), "does not work here (OSError: no compiler)"),
        (LOOPS.replace("return loop", "return lambda theta, *others: theta.fill(1)"), "gives other bytes than NumPy"),
    ],
)
def test_a_numba_that_does_not_work_is_one_notice(
    source: str, said: str, numba: Callable[[str], None], mlp: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    numba(source)
    monkeypatch.setattr(kernels, "EARNS", 0)
    Path("net.yaml").write_text("dataset: ellipse\nepochs: 1\n")
    answer = mlp("train", "net.yaml", "--no-plots")
    assert answer.code == 0
    assert (answer.out + answer.err).count("training goes on without it") == 1
    assert said in answer.out + answer.err
    (record,) = Path("results").glob("net-*/run.json")
    assert json.loads(record.read_text())["environment"]["kernels"] == "numpy"


def test_a_run_with_kernels_has_the_bytes_of_one_without(
    numba: Callable[[str], None], mlp: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    numba(LOOPS)
    Path("net.yaml").write_text("dataset: {name: ellipse, limit: 300}\nhidden_sizes: [8]\noptimizer: adamw\nepochs: 2\n")
    for results, earns in (("with", 0), ("without", 10**18)):
        sys.modules.pop("numba", None)
        monkeypatch.setattr(kernels, "EARNS", earns)
        assert mlp("train", "net.yaml", "--no-plots", "--results", results).code == 0
    first, second = (next(Path(results).glob("net-*")) for results in ("with", "without"))
    names = [json.loads((folder / "run.json").read_text())["environment"]["kernels"] for folder in (first, second)]
    assert names == ["numba 9", "numpy"]
    for name in ("metrics.csv", "model.npz"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
