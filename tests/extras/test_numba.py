"""numba itself: the bytes of the NumPy rules, compiled code that is kept, and many processes that start at once."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fused_steps import CASES, trained

from mlp_cli.nn import kernels
from mlp_cli.nn.optimizers import optimizers
from mlp_cli.nn.updater import FLUSH_EVERY, Updater

VARIANTS = [(name, {}) for name in optimizers] + [("nesterov", {"momentum": 0.0}), ("adam", {"beta_1": 0.0, "beta_2": 0.0})]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_compiled_rules_give_the_bytes_of_numpys(
    name: str, options: dict[str, float], dtype: str, weight_decay: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "kernels"
    results = []
    for kernel in (kernels.find(optimizers.build(name, **options), dtype, folder), kernels.NUMPY):
        assert kernel.notice is None
        generator = np.random.default_rng(7)
        theta = generator.normal(size=70_001).astype(dtype)  # more than two blocks, and a rest for any vector's width
        grad = np.empty_like(theta)
        updater = Updater(
            optimizers.build(name, **options), theta, grad, 50_000, weight_decay, weight_decay / 3, 9.0, 2.0, kernel
        )
        for step in range(1, FLUSH_EVERY + 4):
            grad[:] = generator.normal(size=theta.size) * np.logspace(0, -44, theta.size) * (np.arange(theta.size) % 7 > 0)
            updater.apply(0.01 / step, step)
        results.append([theta.tobytes(), *(slot.tobytes() for slot in updater.slots.values())])
    assert results[0] == results[1]


@pytest.mark.parametrize(("dtype", "scale", "reduction"), CASES)
def test_compiled_passes_give_the_bytes_of_numpys(
    dtype: str, scale: str, reduction: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kernel = kernels.find(optimizers.build("adagrad"), dtype, tmp_path_factory.getbasetemp() / "kernels")
    assert kernel.loops is not None
    assert trained(kernel.loops, dtype, scale, reduction) == trained(None, dtype, scale, reduction)


def test_workers_that_start_at_once_share_what_is_compiled(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("dataset: {name: ellipse, limit: 300}\nhidden_sizes: [8]\noptimizer: adam\nepochs: 2\n")
    code = (
        "import sys; from pathlib import Path; from mlp_cli.nn import kernels; kernels.EARNS = 0; from mlp_cli.cli.main import run; "
        "sys.exit(run(['train', 'net.yaml', f'seed={sys.argv[1]}', '--no-plots', '--quiet']))"
    )
    children = [subprocess.Popen([sys.executable, "-P", "-c", code, str(seed)], cwd=tmp_path) for seed in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/*/run.json")]
    assert len(records) == 4
    assert all(record["environment"]["kernels"].startswith("numba ") for record in records)
    from mlp_cli.data.cache import cache_folder

    assert list((cache_folder() / "kernels").rglob("*.nbc"))
    assert not list(Path(kernels.__file__).parent.rglob("*.nbc"))


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kernel = kernels.find(optimizers.build("sgd"), "float32", tmp_path / "file" / "kernels")
    assert kernel.name.startswith("numba ")
    assert kernel.notice is None
