"""What `log_to` writes, read back by TensorBoard's and MLflow's own libraries."""

import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient, pyfunc
from small_sets import Answer, make_idx_set
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data
from tensorboard.util.tensor_util import make_ndarray

import mlp_cli
from mlp_cli import runs
from mlp_cli.api import Run

Mlp = Callable[..., Answer]
pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow warns of itself, and of what it uses of SQLAlchemy
CONFIG = "dataset: {path: shapes, validation: 100}\nhidden_sizes: [16]\nepochs: 3\nbatch_size: 32\nlearning_rate: 3e-3\n"
GUARDED = """
import socket, sys

def refuse(*arguments, **options):
    print("NETWORK", arguments, file=sys.stderr)
    raise OSError("no network")

socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
from mlp_cli.cli.main import run

sys.exit(run(sys.argv[1:]))
"""
"""A command that tells of each attempt to reach another machine."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of all tests here, with a small set and a config."""
    folder = tmp_path_factory.mktemp("home")
    make_idx_set(folder / "shapes")
    (folder / "small.yaml").write_text(CONFIG)
    before = os.getcwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    """A run that both tools got, with figures and what its layers did."""
    return mlp_cli.train("small.yaml", log_to=["tensorboard", "mlflow"], diagnostics=True, quiet=True)


@pytest.fixture
def client(home: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{home}/results/mlflow.db")


def events(folder: Path) -> EventAccumulator:
    """All events of a run's folder, each once."""
    found = EventAccumulator(str(folder), dict.fromkeys(("tensors", "images", "histograms", "compressedHistograms"), 0))
    found.Reload()
    return found


def scalars(found: EventAccumulator, tag: str) -> dict[int, float]:
    points = found.Tensors(tag)
    assert len({point.step for point in points}) == len(points), "a step comes twice"
    return {point.step: float(make_ndarray(point.tensor_proto)) for point in points}


def entries(client: MlflowClient, experiment: str) -> list[Any]:
    """The runs of an experiment that were not deleted."""
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def table(run: Run, column: str) -> dict[int, float]:
    return dict(zip(run.metrics["epoch"].tolist(), run.metrics[column].tolist(), strict=True))


TAGS = {
    "loss/train": "train_loss",
    "loss/validation": "val_loss",
    "accuracy/train": "train_accuracy",
    "accuracy/validation": "val_accuracy",
    "learning_rate": "learning_rate",
}


def test_tensorboard_has_the_curves_and_the_scores(run: Run) -> None:
    found = events(run.folder)
    for tag, column in TAGS.items():
        assert scalars(found, tag) == pytest.approx(table(run, column), rel=1e-6)  # of float32
        times = [point.wall_time for point in found.Tensors(tag)]
        assert times == sorted(set(times)) and times[0] > found.FirstEventTimestamp()
    for name, value in run.record.metrics.items():
        assert scalars(found, f"final/{name}") == pytest.approx({3: value}, rel=1e-6)
    layers = runs.read_diagnostics(run.folder)
    assert layers
    for layer, columns in layers.items():
        expected = {int(epoch or 0): value for epoch, value in zip(columns["epoch"], columns["gradient_norm"], strict=True)}
        assert scalars(found, f"gradient_norm/{layer}") == pytest.approx(expected, rel=1e-6)


def test_tensorboard_has_the_config_the_figures_and_the_weights(run: Run) -> None:
    found = events(run.folder)
    (text,) = make_ndarray(found.Tensors("config")[0].tensor_proto).ravel()
    assert b"    hidden_sizes: [16]\n    activation: " in text
    (status,) = make_ndarray(found.Tensors("status")[0].tensor_proto).ravel()
    assert status.strip() == b"**completed**"
    given = parse_session_start_info_plugin_data(found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    assert given.group_name and given.hparams["learning_rate"].number_value == 3e-3
    assert given.hparams["optimizer"].string_value == "adam" and "log_to" not in given.hparams
    figures = {path.stem: path.read_bytes() for path in (run.folder / "plots").glob("*.png")}
    assert {"loss", "accuracy", "confusion", "diagnostics"} <= figures.keys()
    for name, picture in figures.items():
        (image,) = found.Images(f"plots/{name}")
        assert image.encoded_image_string == picture and image.step == 3
        assert (image.width, image.height) == struct.unpack(">II", picture[16:24])
    sizes = {"W1": 36 * 16, "b1": 16, "W2": 16 * 4, "b2": 4}
    counts = {name: found.Histograms(f"weights/{name}")[0].histogram_value for name in sizes}
    assert {name: sum(each.bucket) for name, each in counts.items()} == sizes
    weights = run.model.network.parameters["W1"]
    assert (counts["W1"].min, counts["W1"].max) == pytest.approx((weights.min(), weights.max()), abs=1e-6)


def test_the_same_run_gives_the_same_event_file(run: Run) -> None:
    (path,) = run.folder.glob("*tfevents*")
    content = path.read_bytes()
    path.unlink()
    mlp_cli.train("small.yaml", log_to="tensorboard", diagnostics=True, quiet=True)
    assert [*run.folder.glob("*tfevents*")] == [path] and path.read_bytes() == content
    assert not (run.folder / ".events").exists()


def test_mlflow_has_the_curves_the_config_and_the_files(run: Run, client: MlflowClient) -> None:
    (found,) = [each for each in entries(client, "small") if each.info.run_name == run.folder.name]
    number, record = found.info.run_id, run.record
    assert found.info.status == "FINISHED" and found.info.end_time >= found.info.start_time > 1.6e12
    for column in TAGS.values():
        history = client.get_metric_history(number, column)
        assert {point.step: point.value for point in history} == table(run, column) and len(history) == 3
        assert all(found.info.start_time < point.timestamp for point in history)
    assert {name: found.data.metrics[f"final_{name}"] for name in record.metrics} == record.metrics
    assert found.data.params["learning_rate"] == "0.003" and found.data.params["optimizer.beta_1"] == "0.9"
    assert found.data.params["hidden_sizes"] == "[16]"
    assert found.data.tags["config_hash"] == record.config_hash and found.data.tags["status"] == "completed"
    for name in ("config.yaml", "run.json", "metrics.csv", "timings.csv", "plots/loss.png"):
        assert Path(client.download_artifacts(number, name)).read_bytes() == (run.folder / name).read_bytes()


def test_mlflow_loads_the_model(home: Path, run: Run, client: MlflowClient) -> None:
    (found,) = [each for each in entries(client, "small") if each.info.run_name == run.folder.name]
    model = pyfunc.load_model(client.download_artifacts(found.info.run_id, "model"))
    x = np.random.default_rng(0).integers(0, 256, (50, 36), dtype=np.uint8)
    np.testing.assert_array_equal(model.predict(x), run.predict(x))


def test_a_new_end_takes_the_place_of_the_old_one(home: Path, mlp: Mlp, client: MlflowClient) -> None:
    os.chdir(home)
    command = ("train", "small.yaml", "--name", "again", "log_to=tensorboard,mlflow", "--no-plots")
    numbers = []
    for words in ((), (), ("--force",)):
        answer = mlp(*command, *words)
        assert (answer.code, answer.err) == (0, "")
        (folder,) = Path("results").glob("again-*")
        assert len([*folder.glob("*tfevents*")]) == 1 and len(scalars(events(folder), "loss/train")) == 3
        (found,) = entries(client, "again")
        assert len(client.get_metric_history(found.info.run_id, "val_loss")) == 3
        numbers.append(found.info.run_id)
    assert numbers[0] == numbers[1] != numbers[2]


def test_a_diverged_run(home: Path, mlp: Mlp, client: MlflowClient) -> None:
    os.chdir(home)
    words = ("--name", "far", "log_to=[mlflow, tensorboard]", "optimizer=sgd", "learning_rate=1e30")
    assert mlp("train", "small.yaml", *words).code == 1
    (found,) = entries(client, "far")
    assert found.info.status == "FAILED" and found.data.tags["error"].startswith("diverged")
    assert not client.list_artifacts(found.info.run_id, "model")
    (folder,) = Path("results").glob("far-*")
    (status,) = make_ndarray(events(folder).Tensors("status")[0].tensor_proto).ravel()
    assert status.startswith(b"**diverged** diverged")


def test_many_epochs_and_odd_names_of_classes(home: Path, mlp: Mlp, client: MlflowClient) -> None:
    os.chdir(home)
    lines = [f"{row % 7},{row % 5},{('a/b', '../c', 'naïve ✓ “d”')[row % 3]}" for row in range(60)]
    (home / "odd.csv").write_text("\n".join(["x,y,kind", *lines]) + "\n")
    words = [
        "dataset={path: odd.csv, target: kind, validation: 10}",
        "name=odd",
        "epochs=250",
        "hidden_sizes=[]",
        "metrics=recall",
    ]
    weights = "class_weight={a/b: 1, ../c: 2, naïve ✓ “d”: 3}"
    answer = mlp("train", "small.yaml", *words, weights, "log_to=mlflow,tensorboard", "--no-plots")
    told = [
        line for line in answer.err.splitlines() if "always naming the largest class" not in line
    ]  # there is nothing to learn
    assert (answer.code, told) == (0, [])
    (found,) = entries(client, "odd")
    assert [point.step for point in client.get_metric_history(found.info.run_id, "val_loss")] == [*range(1, 251)]
    assert found.data.params["class_weight..._c"] == "2"
    assert sum(name.startswith("final_val_recall_") for name in found.data.metrics) >= 3


def test_a_sweep(home: Path, mlp: Mlp, client: MlflowClient) -> None:
    os.chdir(home)
    words = ("name=grid", "learning_rate=0.01,0.001", "seed=0,1", "--workers", "2")
    answer = mlp("sweep", "small.yaml", *words, "log_to=[tensorboard, mlflow]")
    assert (answer.code, answer.err) == (0, "")
    (folder,) = Path("results").glob("grid-*/runs")
    members = sorted(path.name for path in folder.iterdir())
    assert len(members) == 4 and sorted(each.info.run_name for each in entries(client, "grid")) == members
    for each in entries(client, "grid"):
        record = runs.read_record(folder / each.info.run_name)
        assert record is not None and each.data.metrics["final_val_accuracy"] == record.metrics["val_accuracy"]
    assert all(len(scalars(events(folder / name), "loss/validation")) == 3 for name in members)


def test_two_processes_share_a_store_and_nobody_hears_of_it(home: Path) -> None:
    """They make it at once. Nothing of what tells MLflow that it is tested is in their environment."""
    hushing = re.compile("PYTEST|CI$|GITHUB|JENKINS|DO_NOT_TRACK|MLFLOW|DOCKER")
    environment = {name: value for name, value in os.environ.items() if not hushing.search(name)}
    commands = [
        [sys.executable, "-c", GUARDED, "train", "small.yaml", f"seed={seed}", "--results", "shared", "log_to=tensorboard,mlflow"]
        for seed in range(2)
    ]
    going = [subprocess.Popen(each, cwd=home, env=environment, stderr=subprocess.PIPE, text=True) for each in commands]
    assert [(each.communicate()[1], each.returncode) for each in going] == [("", 0)] * 2
    found = entries(MlflowClient(tracking_uri=f"sqlite:///{home}/shared/mlflow.db"), "small")
    assert [each.info.status for each in found] == ["FINISHED"] * 2
    assert {each.info.run_name for each in found} == {path.parent.name for path in (home / "shared").glob("*/run.json")}
