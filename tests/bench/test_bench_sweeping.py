"""Timing whole sweeps: that the right things are run and told, on a small set; never how long they take."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from needs import need
from small_sets import Answer

from mlp_cli.bench import sweeping
from mlp_cli.errors import Interrupted, RunError
from mlp_cli.sweep.pool import Serial

Mlp = Callable[..., Answer]


@pytest.fixture
def small(idx_set: Path) -> sweeping.Task:
    return sweeping.Task(1, 1, f"{{path: {idx_set}, validation: 100}}")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are trained in this process, where starting workers would prove nothing."""
    monkeypatch.setattr(sweeping, "open_pool", lambda name, **options: Serial())


def test_both_numbers_of_workers_run_the_whole_sweep(small: sweeping.Task) -> None:
    found = sweeping.measure(1, False, eight=small, sixteen=small)
    assert set(found) == {"1 worker", "2 workers", "driver's share"} and {len(values) for values in found.values()} == {1}
    assert min(map(min, found.values())) > 0 and max(found["driver's share"]) < 1


def test_each_round_adds_a_value(small: sweeping.Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "ours", lambda task, workers: sweeping.Timed(float(workers), 0.25))
    found = sweeping.measure(2, False, eight=small, sixteen=small)
    assert found == {"1 worker": [1.0, 1.0], "2 workers": [2.0, 2.0], "driver's share": [0.25, 0.25]}


@pytest.mark.usefixtures("here")
def test_a_sweep_that_goes_wrong_is_no_measurement(small: sweeping.Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "RATES", (1e30, 1e-3))
    with pytest.raises(RunError, match="did not complete"):
        sweeping.ours(small, 1)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_has_its_own_exit_code(
    small: sweeping.Task, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    real = sweeping.run_sweep
    monkeypatch.setattr(
        sweeping, "run_sweep", lambda *words, **keys: replace(real(*words, **keys), signal=number, stopped="signal")
    )
    with pytest.raises(Interrupted) as caught:
        sweeping.ours(small, 1)
    assert caught.value.exit_code == code


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_peer_fits_the_same_runs(small: sweeping.Task, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    need("sklearn")
    from sklearn import model_selection

    searches = []
    real = model_selection.GridSearchCV.fit

    def fit(self, x, y):
        searches.append((self, x, y))
        return real(self, x, y)

    monkeypatch.setattr(model_selection.GridSearchCV, "fit", fit)
    seconds = sweeping.grid_search(small, workers)()
    ((search, x, y),) = searches
    assert seconds > 0 and len(search.cv_results_["params"]) == 4 and search.n_jobs == workers and not search.refit
    data = small.data()
    assert data.validation is not None
    assert x.dtype == np.float32 and len(x) == len(y) == len(data.train.index) + len(data.validation.index) and x.max() <= 1
    ((train, validation),) = search.cv.split()
    assert (len(train), len(validation)) == (len(data.train.index), len(data.validation.index))


def test_the_command_tells_ratios(mlp: Mlp, small: sweeping.Task, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"1 worker": [3.0, 8.0], "2 workers": [2.0, 4.0], "driver's share": [0.01, 0.03]}
    peers = {"8 runs, mlp sweep": [1.0, 2.0], "8 runs, GridSearchCV": [4.0, 10.0]}
    monkeypatch.setattr(sweeping, "measure", lambda rounds, with_peers: times | (peers if with_peers else {}))
    entry, machine = json.loads(mlp("bench", "--rounds", "0", "--whole-rounds", "0", "--json").out)
    (share,) = machine["ratios"].values()
    assert 0 <= share <= 1
    assert entry["seconds"] == {"1 worker": 5.5, "2 workers": 3.0}
    assert entry["ratios"] == {"rate of 2 workers / 1 worker": 1.75, "driver's share of processor time": 0.02}
    assert "rate of 2 workers / 1 worker 1.75" in mlp("bench", "--rounds", "0", "--whole-rounds", "0").out


def test_without_mnist_no_sweep_is_timed(mlp: Mlp, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlp_cli.errors import DataError

    def gone(self: sweeping.Task) -> None:
        raise DataError("mnist is not here")

    monkeypatch.setattr(sweeping.Task, "data", gone)
    answer = mlp("bench", "--rounds", "0", "--whole-rounds", "0", "--json")
    assert answer.code == 0 and len(json.loads(answer.out)) == 1 and "need MNIST: mnist is not here" in answer.err
