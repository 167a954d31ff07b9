"""The Python API: it does what the commands do, in the same folders; arrays are data; and it leaves the caller's process alone."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_sets import Answer, arrays_in

import mlp_cli
from mlp_cli import runs
from mlp_cli.errors import ConfigError, DataError, Diverged, RunError, UsageError
from mlp_cli.report.build import make_report

GENERATOR = np.random.default_rng(5)
X = GENERATOR.normal(size=(300, 4))
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
KEYS: dict[str, Any] = {"hidden_sizes": [6], "epochs": 3, "learning_rate": 0.02}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_is_the_commands_own(mlp: Callable[..., Answer], small_config: Path) -> None:
    """The folder and the bytes are those of `mlp train`, and each goes on where the other has been."""
    words = ["activation=[tanh]", "optimizer.beta_1=0.8"]
    assert mlp("train", small_config, *words, "--name", "one", "--results", "a", "--quiet").code == 0
    keys: dict[str, Any] = {"overrides": {"optimizer.beta_1": np.float64(0.8)}, "activation": ("tanh",), "name": "one"}
    run = mlp_cli.train(small_config, results="b", quiet=True, **keys)
    (theirs,) = Path("a").iterdir()
    assert run.folder.name == theirs.name
    for name in ("metrics.csv", "model.npz", "config.yaml", "plots/loss.png"):
        assert (run.folder / name).read_bytes() == (theirs / name).read_bytes(), name
    assert "is completed already" in mlp("train", small_config, *words, "--name", "one", "--results", "b").out
    assert run.record.command == f"mlp train {run.folder}/config.yaml"


def test_a_mapping_is_a_config(idx_set: Path) -> None:
    run = mlp_cli.train({"name": "map", "dataset": {"path": idx_set, "validation": np.int64(100)}}, plots=False, **KEYS)
    assert run.folder.parent == Path("results")
    assert run.folder.name.startswith("map-")
    assert run.record.status == "completed"
    assert run.record.config["dataset"]["validation"] == 100
    assert run.record.command == f"mlp train {run.folder}/config.yaml"
    assert not (run.folder / "plots").exists()


def test_what_a_run_tells(idx_set: Path) -> None:
    run = mlp_cli.train({"dataset": {"path": "shapes", "validation": 100}}, **KEYS)
    frame = run.metrics
    assert list(frame) == ["epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert frame["epoch"].tolist() == [1, 2, 3]
    last = [float(cell) for cell in (run.folder / "metrics.csv").read_text().splitlines()[-1].split(",")]
    assert frame.iloc[-1].tolist() == last
    assert run.record.metrics["val_accuracy"] == frame["val_accuracy"].iloc[-1]
    assert "completed" in repr(run)
    for what in ("loss", "accuracy"):
        figure = run.plot(what)
        assert figure.axes
        assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="no curve of r2"):
        run.plot("r2")
    page = run._repr_html_()
    assert "test accuracy" in page
    assert "data:image/png;base64," in page


def test_predictions() -> None:
    run = mlp_cli.train(data={"x": X, "y": 10 * Y, "x_test": X[:50], "y_test": 10 * Y[:50]}, plots=False, **KEYS)
    found, shares = run.predict(X[:50]), run.predict(X[:50].tolist(), probabilities=True)
    assert found.dtype == np.int64
    assert set(found) <= {0, 10, 20}
    assert (found == 10 * Y[:50]).mean() == run.record.metrics["test_accuracy"]
    assert (10 * shares.argmax(axis=1) == found).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    with pytest.raises(DataError, match="its rows are 3, and the network takes 4"):
        run.predict(X[:, :3])
    signs = mlp_cli.train(data=(X, np.where(Y > 0, 1, -1)), plots=False, **KEYS).predict(X)
    assert signs.dtype == np.int64
    assert set(signs) == {-1, 1}
    labels = np.column_stack([Y > 0, X[:, 2] > 0]).astype(int)
    many = mlp_cli.train(data=(X, labels), loss="multi_label", plots=False, **KEYS | {"epochs": 30})
    assert (many.predict(X) == labels).mean() > 0.9
    quantity = 100 + 5 * X[:, 0]
    fitted = mlp_cli.train(data=(X, quantity), loss="mse", plots=False, **KEYS | {"epochs": 60})
    assert np.abs(fitted.predict(X) - quantity).mean() < 1
    assert np.isfinite(fitted.metrics["val_r2"]).all()


def test_arrays_are_data(mlp: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are in the run's folder, whose name comes from their content; the same call again trains nothing."""
    run = mlp_cli.train(data=(X, Y), name="arrays", **KEYS)
    kept = arrays_in(run.folder / "data.npz")
    assert kept.keys() == {"x", "y"}
    np.testing.assert_array_equal(kept["x"], X)
    dataset = run.record.config["dataset"]
    assert dataset["path"] == str(run.folder / "data.npz")
    assert dataset["sha256"] == run.record.data_sha256
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*") if path.name != "log.txt"}
    again = mlp_cli.train(data=(X.copy(), Y.tolist()), name="arrays", **KEYS)
    assert again.folder == run.folder
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*") if path.name != "log.txt"} == before
    other = X.copy()
    other[0, 0] += 1e-9
    assert mlp_cli.train(data=(other, Y), name="arrays", plots=False, **KEYS).folder != run.folder
    assert "is completed already" in mlp("train", run.folder / "config.yaml").out
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    moved = mlp_cli.train(data=(X, Y), name="arrays", results=tmp_path / "more", plots=False, **KEYS)
    assert moved.folder.name == run.folder.name
    assert (moved.folder / "metrics.csv").read_bytes() == (tmp_path / run.folder / "metrics.csv").read_bytes()


def test_options_of_the_data_stay() -> None:
    first = mlp_cli.train({"dataset": {"name": "mnist", "validation": 50, "scale": "minmax"}}, data=(X, Y), plots=False, **KEYS)
    second = mlp_cli.train(data=(X, Y), dataset={"validation": 50, "scale": "minmax"}, plots=False, **KEYS)
    assert first.record.data is not None
    assert (first.record.data.validation, first.record.data.scale) == (50, "minmax")
    assert second.folder == first.folder


def test_the_data_outlives_a_new_start(tmp_path: Path) -> None:
    run = mlp_cli.train(data=(X, Y), plots=False, **KEYS)
    path = run.folder / "data.npz"
    content = path.read_bytes()
    (run.folder / "model.npz").unlink()  # the run starts over, and clears its folder
    mlp_cli.train(data=(X, Y), plots=False, **KEYS)
    assert (run.folder / "model.npz").exists()
    assert path.read_bytes() == content
    path.write_bytes(b"damaged")
    mlp_cli.train(data=(X, Y), plots=False, force=True, **KEYS)
    assert path.read_bytes() == content
    path.unlink()
    mlp_cli.train(data=(X, Y), plots=False, **KEYS)
    assert path.read_bytes() == content


def test_other_data_under_a_pinned_path_is_refused(mlp: Callable[..., Answer]) -> None:
    run = mlp_cli.train(data=(X, Y), plots=False, **KEYS)
    np.savez(run.folder / "data.npz", x=X + 1, y=Y)
    done = mlp("train", run.folder / "config.yaml", "seed=1")
    assert done.code == 3
    assert "dataset.sha256" in done.err
    done = mlp("train", run.folder / "config.yaml", "dataset.sha256=abc")
    assert done.code == 2
    assert "must be 64 hex digits" in done.err


def test_seeds_on_the_same_arrays_are_one_configuration() -> None:
    """Though each run has its own copy of the data, under a path of its own."""
    for seed in range(3):
        for rate in (0.01, 0.02):
            mlp_cli.train(data=(X, Y), plots=False, seed=seed, **KEYS | {"learning_rate": rate})
    (group,) = make_report([Path("results")]).groups
    assert group.keys == ["learning_rate"]
    assert [each.n for each in group.configurations] == [3, 3]


def test_data_that_is_none() -> None:
    with pytest.raises(DataError, match="texts or objects"):
        mlp_cli.train(data=(X, np.where(Y > 0, "cat", "dog")), **KEYS)
    with pytest.raises(DataError, match="300 rows of inputs, but 299 labels"):
        mlp_cli.train(data=(X, Y[1:]), **KEYS)
    with pytest.raises(UsageError, match="loss: cross_entropy is for"):
        mlp_cli.train(data=(X, Y + 0.5), **KEYS)
    assert not Path("results").exists(), "what is refused leaves no folder behind"
    with pytest.raises(DataError, match="not finite"):
        mlp_cli.train(data=(np.full_like(X, np.nan), Y), **KEYS)


def test_a_run_that_is_under_way_elsewhere_keeps_its_data() -> None:
    run = mlp_cli.train(data=(X, Y), plots=False, **KEYS)
    (run.folder / "data.npz").unlink()
    with runs.Claim(run.folder), pytest.raises(RunError, match="in use by another process"):
        mlp_cli.train(data=(X, Y), **KEYS)
    assert not (run.folder / "data.npz").exists()


def test_errors_have_a_message_and_a_hint(small_config: Path) -> None:
    with pytest.raises(mlp_cli.MlpError) as found:
        mlp_cli.train(small_config, hiden_sizes=[3], learning_rate=-1)
    assert isinstance(found.value, ConfigError)
    assert "hiden_sizes=[3]     unknown key; did you mean hidden_sizes?" in found.value.message
    assert "learning_rate=-1    must be greater than 0" in found.value.message
    with pytest.raises(mlp_cli.MlpError) as found:
        mlp_cli.load("@best:val_accuracy")
    assert found.value.hint
    with pytest.raises(ConfigError, match="dataset: mnist, for one"):
        mlp_cli.train()
    Path("many.yaml").write_text("base: small.yaml\nparameters: {epochs: [1, 2]}\n")
    with pytest.raises(ConfigError, match="is a sweep file"):
        mlp_cli.train("many.yaml")
    with pytest.raises(ConfigError, match="is a sweep file"):
        mlp_cli.sweep("many.yaml", data=(X, Y))
    for _ in range(2):  # a diverged run is never taken for a trained one
        with pytest.raises(Diverged, match="diverged: the training loss"):
            mlp_cli.train(
                data=(1e6 * X, Y), quiet=True, dataset={"scale": "none"}, optimizer="sgd", **KEYS | {"learning_rate": 1e30}
            )


def test_load(small_config: Path) -> None:
    runs_ = [mlp_cli.train(small_config, plots=False, seed=seed) for seed in (0, 1)]
    assert mlp_cli.load("@last").folder == runs_[1].folder
    assert mlp_cli.load(runs_[0].folder).folder == runs_[0].folder
    assert mlp_cli.load(runs_[0].folder.name[:-2], results="results").folder == runs_[0].folder


THREADS = """
import signal, threading
from threadpoolctl import threadpool_info, threadpool_limits
import mlp_cli
from mlp_cli.training.trainer import Trainer

def of_blas():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

fit, before = Trainer.fit, signal.getsignal(signal.SIGINT)

def spy(trainer, *arguments):
    seen.append((signal.getsignal(signal.SIGINT) is before, of_blas()))
    fit(trainer, *arguments)

Trainer.fit, seen = spy, []
with threadpool_limits(2, "blas"):
    mlp_cli.train("small.yaml", plots=False)
    print(of_blas())
worker = threading.Thread(target=lambda: mlp_cli.train("small.yaml", plots=False, seed=1))
worker.start()
worker.join()
print(seen, signal.getsignal(signal.SIGINT) is before)
"""


def test_the_callers_signals_and_threads(small_config: Path) -> None:
    """Outside the main thread no handler is set, and the caller's comes back; training alone has one thread of BLAS."""
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == "{2}\n[(False, {1}), (True, {1})] True\n", done.stderr


SCRIPT = """
import numpy as np
import mlp_cli
generator = np.random.default_rng(0)
x = generator.normal(size=(200, 3))
found = mlp_cli.sweep(data=(x, (x[:, 0] > 0).astype(int)), hidden_sizes=[[4], [8]], seeds=2,
                      optimizer="adam", epochs=1, workers=2, name="grid")
print(found.counts, len(found.runs), found.groups[0].keys)
"""


def test_a_script_without_a_guard_sweeps() -> None:
    Path("script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == "{'completed': 4} 4 ['hidden_sizes']\n", done.stderr
    assert done.stderr == ""
    (folder,) = Path("results").iterdir()
    assert (folder / "data.npz").exists()
    assert len({json.loads(path.read_text())["config"]["dataset"]["path"] for path in folder.glob("runs/*/run.json")}) == 1


@pytest.mark.usefixtures("undrawn")
def test_sweeps(mlp: Callable[..., Answer], small_config: Path) -> None:
    """The folder is that of `mlp sweep`; the package of the same name stays a package."""
    assert mlp("sweep", small_config, "learning_rate=1e-3,1e-2", "--seeds", 2, "--executor", "serial", "--quiet").code == 0
    (theirs,) = Path("results").iterdir()
    found = mlp_cli.sweep(small_config, learning_rate=np.array([1e-3, 1e-2, 0.1]), seeds=2, executor="serial")
    assert found.page == theirs / "report/index.html"
    assert found.counts == {"completed": 6}
    assert len(found.runs) == 6
    assert found.summary["n"].tolist() == [2, 2, 2]
    assert "Best by mean validation accuracy" in str(found)
    page = found._repr_html_()
    assert "<table" in page
    assert "Best by mean validation accuracy" in page
    assert "6 completed" in page
    from mlp_cli.sweep import pool

    assert pool.Serial is not None
    assert "seeds" in inspect.signature(mlp_cli.sweep).parameters
    assert "baseline" in inspect.signature(mlp_cli.report).parameters
    ours = mlp_cli.report(theirs, where="learning_rate>0.005", sort="learning_rate", out="page")
    assert ours.page == Path("page/index.html")
    assert ours.counts == {"completed": 4}
    assert ours.summary["learning_rate"].tolist() == [0.01, 0.1]
    again = mlp_cli.sweep(small_config, learning_rate=[1e-3, 1e-2], seeds=2, executor="serial")
    assert again.counts == {"completed": 4}
    assert again.summary["n"].tolist() == [2, 2]


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_with_failures_ends() -> None:
    keys: dict[str, Any] = {"optimizer": "sgd", "epochs": 2, "quiet": True, "executor": "serial"}
    found = mlp_cli.sweep(data=(X, Y), learning_rate=[1e-3, 1e30], **keys)
    assert found.counts == {"completed": 1, "diverged": 1}


INTERRUPTED = """
import mlp_cli
for seed in range(2):
    try:
        mlp_cli.train("slow.yaml", seed=seed, plots=False)
    except mlp_cli.MlpError as error:
        print("failed", error)
"""


@pytest.mark.parametrize(("number", "codes"), [(signal.SIGINT, (-2, 130)), (signal.SIGTERM, (143,))])
def test_interrupted_as_python_is(number: signal.Signals, codes: tuple[int, ...]) -> None:
    """Ctrl-C is a KeyboardInterrupt, which no `except MlpError` takes for a failed run."""
    Path("slow.yaml").write_text("dataset: {name: spirals, rows: 2000}\nhidden_sizes: [64]\nbatch_size: 8\nepochs: 100000\n")
    process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not any(path.read_text().count("\n") > 1 for path in Path("results").glob("*/metrics.csv")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode in codes, err
    assert out == ""
    (folder,) = Path("results").iterdir()
    assert mlp_cli.load(folder).record.status == "interrupted"
