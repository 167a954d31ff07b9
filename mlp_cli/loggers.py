"""Runs in the formats of other tools, for `log_to`: event files of TensorBoard, and a store of MLflow.

A run is written once, from its folder, when it has ended; so one that was killed and went on has each point once.
"""

from __future__ import annotations

import fcntl
import io
import logging
import os
import re
import sqlite3
import struct
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mlp_cli import files, runs
from mlp_cli.config.resolved import NOT_HASHED, flat, show
from mlp_cli.errors import Notify, RunError, UsageError
from mlp_cli.model import NAME, read_arrays
from mlp_cli.plots.run import FOLDER as PLOTS
from mlp_cli.text import one_line

_NEEDS = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "sqlalchemy", "alembic")}
_STATUS = {"completed": "FINISHED", "pruned": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
_PARTS = {"train": "train", "val": "validation"}
_LONGEST = 500  # characters of a value in MLflow
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")  # of MLflow's metrics; those of a class have its name in them


class Logs:
    """Writes ended runs for some tools.

    names: of the tools. results: the folder of MLflow's store. experiment: what MLflow files the runs under. notify: hears of what
    could not be written. Errors (on making): UsageError where a tool's package is missing.
    """

    def __init__(self, names: Sequence[str], results: Path, experiment: str, notify: Notify) -> None:
        self.names, self.results, self.experiment, self.notify = list(names), results, experiment, notify
        for name in names:
            if missing := [package for package in _NEEDS[name] if find_spec(package) is None]:
                raise UsageError(f"log_to: {name} needs the package {missing[0]}", f"pip install 'mlp-cli[{name}]'")

    def write(self, folder: Path) -> None:
        """Writes the run in a claimed folder, or in a claimed sweep, for each tool that has not got it; none that has not ended.

        What goes wrong is no error, since the run stands. That tool is then left alone.
        """
        record = runs.read_quietly(folder) if self.names else None
        if record is None or record.status not in _STATUS:
            return
        homes = {"tensorboard": folder, "mlflow": self.results / runs.STORE}
        for name in [*self.names]:
            try:
                run = _Ended(folder, record)
                if not (homes[name].exists() and run.mark(name).exists()):
                    _WRITERS[name](run, self.results, self.experiment)
            except Exception as error:  # of any library
                self.names.remove(name)
                reason = one_line(f"{type(error).__name__}: {error}".splitlines()[0], 300)
                self.notify(f"log_to: {name} did not get {folder.name}: {reason}; the run itself is whole")


class _Ended:
    """A run that has ended. started, finished: seconds since 1970. last: its last epoch. config: by dotted key."""

    def __init__(self, folder: Path, record: runs.Record) -> None:
        self.folder, self.record, self.last = folder, record, record.epochs or 0
        times = (datetime.fromisoformat(text or runs.now()).timestamp() for text in (record.started, record.finished))
        self.started, self.finished = times
        self.config = {key: value for key, value in flat(record.config).items() if key not in NOT_HASHED}
        self.scores = {name: value for name, value in record.metrics.items() if value is not None}

    @cached_property
    def points(self) -> list[tuple[str, int, float, float]]:
        """Name, epoch, time and value of each finite number of an epoch. The time is the start and the epochs' own seconds."""
        timings = runs.read_curves(self.folder, runs.TIMINGS)
        ends = self.started + np.cumsum([seconds or 0.0 for seconds in timings.get("seconds", ())])
        times = dict(zip(timings.get("epoch", ()), ends.tolist(), strict=True))
        tables = {"": runs.read_curves(self.folder)}
        tables |= {f"/{layer}": columns for layer, columns in runs.read_diagnostics(self.folder).items()}
        return [
            (name + ending, int(epoch), times.get(epoch, self.finished), value)
            for ending, columns in tables.items()
            for name, column in columns.items()
            for epoch, value in zip(columns["epoch"], column, strict=True)
            if name != "epoch" and epoch is not None and value is not None
        ]

    def mark(self, name: str) -> Path:
        """The file that says that a tool has got this end of the run. For TensorBoard it is the event file itself: a later end needs
        another name, since TensorBoard goes on reading a file from where it was."""
        return self.folder / f"{'events.out.tfevents' if name == 'tensorboard' else f'.{name}'}.{self.finished:.0f}.{self.last}"


def _tensorboard(run: _Ended, results: Path, experiment: str) -> None:
    """Writes an event file into the run's folder: curves, scores, config, hyperparameters, figures, and histograms of the weights.
    The same run gives the same bytes."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.record_writer import RecordWriter

    content = io.BytesIO()
    records, record = RecordWriter(content), run.record

    def add(found: Any, time: float = run.finished, step: int = run.last) -> None:
        records.write(Event(wall_time=time, step=step, summary=found).SerializeToString())

    records.write(Event(wall_time=run.started, file_version="brain.Event:2").SerializeToString())
    plain = {key: value if isinstance(value, bool | int | float) else show(value) for key, value in run.config.items()}
    add(hparams_pb(plain, run.folder.name, run.started), run.started, 0)
    add(text_pb("config", "".join(f"    {key}: {show(value)}\n" for key, value in record.config.items())), run.started, 0)
    add(text_pb("status", f"**{record.status}** {record.error or ''}"))
    for name, epoch, time, value in run.points:
        part, _, score = name.partition("_")
        add(scalar_pb(f"{score}/{_PARTS[part]}" if part in _PARTS else name, value), time, epoch)
    for name, value in run.scores.items():
        add(scalar_pb(f"final/{name}", value))
    for name, array in read_arrays(run.folder).items() if record.status == "completed" else ():
        if re.fullmatch(r"[A-Za-z_]+\d+", name):
            counts, edges = np.histogram(array[np.isfinite(array)], 30)
            bars = HistogramProto(min=edges[0], max=edges[-1], num=counts.sum(), bucket_limit=edges[1:], bucket=counts)
            add(Summary(value=[Summary.Value(tag=f"weights/{name}", histo=bars)]))
    for path in sorted((run.folder / PLOTS).glob("*.png")):
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=path.read_bytes())
        add(Summary(value=[Summary.Value(tag=f"plots/{path.stem}", image=image)]))
    for path in run.folder.glob("events.out.tfevents.*"):  # of an earlier end
        path.unlink()
    # TensorBoard reads each file with `tfevents` in its name, and a temporary one is named after its target.
    files.write_atomic(run.folder / ".events", content.getvalue())
    os.replace(run.folder / ".events", run.mark("tensorboard"))


def _mlflow(run: _Ended, results: Path, experiment: str) -> None:
    """Writes the run into MLflow's store: curves, scores, config, files, figures, and a model for `mlflow.pyfunc.load_model`.
    It takes the place of an earlier end of the same run."""
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
    from mlflow.models import Model
    from mlflow.pyfunc import add_to_model

    for talker in ("mlflow.store.db.utils", "alembic"):  # which tell of each step of making tables
        logging.getLogger(talker).setLevel(logging.WARNING)
    record, place = run.record, (results / runs.ARTIFACTS).absolute()
    points = [*run.points, *((f"final_{name}", 0, run.finished, value) for name, value in run.scores.items())]
    metrics = [Metric(_NOT_IN_NAMES.sub("_", name), value, round(1000 * time), epoch) for name, epoch, time, value in points]
    params = [Param(_NOT_IN_NAMES.sub("_", key), one_line(show(value), _LONGEST)) for key, value in run.config.items()]
    tags = {"status": record.status, "error": record.error, "config_hash": record.config_hash, "folder": str(run.folder)}
    if {"%", "?"} & {*str(place)}:
        raise RunError(f"MLflow cannot reach {place.parent}: its path has a % or a ?")
    files.make_folder(place)
    with open(place / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # MLflow fails where two processes make its tables at once
        with closing(sqlite3.connect(results / runs.STORE)) as store:
            store.execute("BEGIN IMMEDIATE")  # whether it can be written: MLflow would try for minutes
        client = MlflowClient(tracking_uri=f"sqlite:///{(results / runs.STORE).absolute()}")
        known = client.get_experiment_by_name(experiment)
        kind = {"mlflow.experimentKind": "custom_model_development"}  # which page its web interface opens
        home = known.experiment_id if known else client.create_experiment(experiment, place.as_uri(), kind)
        for earlier in client.search_runs([home], f"attributes.run_name = '{run.folder.name}'"):
            client.delete_run(earlier.info.run_id)
        given = {key: one_line(value, _LONGEST) for key, value in tags.items() if value}
        number = client.create_run(home, round(1000 * run.started), given, run.folder.name).info.run_id
        for start in range(0, max(len(metrics), 9 * len(params)), 900):  # it takes 1,000 at once, of which 100 of the config
            client.log_batch(number, metrics[start : start + 900], params[start // 9 : start // 9 + 100])
        for path in (run.folder / name for name in ("config.yaml", runs.RECORD, runs.METRICS, runs.TIMINGS, runs.LOG)):
            if path.exists():
                client.log_artifact(number, str(path))
        for path in (run.folder / PLOTS).glob("*.png"):
            client.log_artifact(number, str(path), PLOTS)
        if record.status == "completed":
            model = Model(artifact_path="model", run_id=number)
            add_to_model(model, "mlp_cli.api")
            client.log_text(number, model.to_yaml(), "model/MLmodel")
            client.log_artifact(number, str(run.folder / NAME), "model")
        client.set_terminated(number, _STATUS[record.status], round(1000 * run.finished))
    run.mark("mlflow").touch()


_WRITERS: dict[str, Callable[[_Ended, Path, str], None]] = {"tensorboard": _tensorboard, "mlflow": _mlflow}
"""How each tool of `log_to` gets a run."""
