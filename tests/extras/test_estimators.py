"""The scikit-learn estimators: scikit-learn's own contract, weights of rows, and what they learn."""

import inspect
import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from mlp_cli import MLPClassifier, MlpError, MLPRegressor
from mlp_cli.build import build, load_data
from mlp_cli.config import config_from_mapping

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
A, B = make_regression(120, 4, noise=5.0, random_state=0)


@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()], ids=lambda each: type(each).__name__)
def test_the_contract_of_scikit_learn(estimator: Any) -> None:
    found = check_estimator(estimator, on_skip=None)
    assert len(found) > 40
    assert {each["status"] for each in found} <= {"passed", "skipped"}
    # Those need pandas' or array libraries' own set-ups, or are for sparse input, which is refused.
    assert sum(each["status"] == "skipped" for each in found) < 4, [each for each in found if each["status"] == "skipped"]


def test_labels_pipelines_and_searches() -> None:
    model = make_pipeline(StandardScaler(), MLPClassifier((16,), epochs=60, learning_rate=0.02))
    assert cross_val_score(model, X, NAMES, cv=3).mean() > 0.9
    search = GridSearchCV(
        model, {"mlpclassifier__learning_rate": [1e-5, 1e-2], "mlpclassifier__dtype": ["float32"]}, n_jobs=2, cv=3
    )
    search.fit(X, NAMES)
    assert search.best_params_["mlpclassifier__learning_rate"] == 1e-2
    best = search.best_estimator_[-1]
    assert best.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert set(search.predict(X)) <= set(NAMES)
    np.testing.assert_allclose(best.predict_proba(X).sum(axis=1), 1.0)
    assert clone(best).get_params() == best.get_params()


def test_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(from sklearn[^`]*GridSearchCV.*?)```", readme, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", f"{block}\nprint(search.best_score_)"], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) > 0.9


def test_the_readme_of_the_api(tmp_path: Path) -> None:
    """Its block runs as it stands, and says what there is."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import numpy.*?)```", readme, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len([*(tmp_path / "results").iterdir()]) == 4


def test_pickled_and_by_several_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = MLPClassifier((8,), activation=["prelu"], config={"features": "pca", "batch_norm": True}, epochs=5).fit(X, NAMES)
    expected = model.predict_proba(X)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 (our own)
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda row: model.predict_proba(X[row : row + 100]), range(50))]
    for row, part in enumerate(found):
        np.testing.assert_allclose(part, expected[row : row + 100], atol=1e-12)


def test_no_file_and_no_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("a signal was set"))
    MLPClassifier((4,), epochs=2, validation=0.2, early_stopping=True).fit(X, Y).predict(X)
    MLPRegressor((4,), epochs=2).fit(A, B).predict(A)
    assert os.listdir(tmp_path) == []


def test_it_learns_as_a_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without weights the bytes are those of a run with the same config."""
    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=X, y=Y)
    dataset = {"path": "data.npz", "validation": 0, "scale": "none"}
    keys = {"hidden_sizes": [7], "optimizer": {"name": "nadam", "beta_1": 0.8}, "epochs": 3, "batch_size": 32, "dropout": 0.2}
    config = config_from_mapping({"dataset": dataset, "dtype": "float64", "seed": 5, **keys})
    trainer = build(config, load_data(config))
    trainer.fit()
    model = MLPClassifier(random_state=5, **keys).fit(X, Y)
    assert model.weights_.keys() == trainer.weights().keys()
    for name, values in trainer.weights().items():
        np.testing.assert_array_equal(model.weights_[name], values)
    assert model.loss_curve_ == [row.train_loss for row in trainer.state.history]
    assert model.n_iter_ == 3


CASES: list[Any] = [
    MLPClassifier((6,), epochs=30, optimizer="sgd", learning_rate=0.1),
    MLPClassifier((6,), epochs=30, optimizer="sgd", learning_rate=0.1, config={"label_smoothing": 0.2}, class_weight={0: 3.0}),
    MLPClassifier(
        (6,), epochs=30, optimizer="sgd", learning_rate=0.01, config={"loss": {"name": "cross_entropy", "reduction": "sum"}}
    ),
    MLPRegressor((6,), epochs=30, optimizer="sgd", learning_rate=0.1),
    MLPRegressor((6,), epochs=30, optimizer="sgd", learning_rate=0.1, loss={"name": "huber", "delta": 20.0}),
    MLPRegressor((6,), epochs=30, optimizer="sgd", learning_rate=0.1, loss="mae"),
]


@pytest.mark.parametrize("model", CASES, ids=lambda model: repr(model)[:60])
def test_a_weight_is_so_many_rows(model: Any) -> None:
    """In one batch a row of weight 2 does what the row twice does, and one of weight 0 nothing."""
    x, y = (X, Y) if isinstance(model, MLPClassifier) else (A, B)
    x, y = x[::3], y[::3]
    weights = np.arange(len(x)) % 3
    weighted = clone(model).fit(x, y, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(x, weights, axis=0), np.repeat(y, weights))
    plain = clone(model).fit(x, y)
    predict = "predict_proba" if isinstance(model, MLPClassifier) else "predict"
    found, expected = getattr(weighted, predict)(x), getattr(repeated, predict)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    assert np.abs(getattr(plain, predict)(x) - expected).max() > 1e-3


def test_batches_have_their_own_rows_weights() -> None:
    """A row of weight 1000 decides, whatever batch it is shuffled into; all others have it as 1."""
    x, y = np.repeat([[1.0, 0.0]], 400, axis=0), np.zeros(400, int)
    x[7], y[7] = [0.0, 1.0], 1
    weights = np.ones(400)
    keys: dict[str, Any] = {"hidden_sizes": [], "epochs": 20, "batch_size": 16, "optimizer": "sgd", "learning_rate": 0.1}
    alike = MLPClassifier(**keys).fit(x, y, sample_weight=3 * weights).predict_proba(x[7:8])[0, 1]
    weights[7] = 1000.0
    heavy = MLPClassifier(**keys).fit(x, y, sample_weight=weights).predict_proba(x[7:8])[0, 1]
    assert alike < 0.7
    assert heavy > 0.8


def test_balanced_classes() -> None:
    rare = np.r_[0:50, 50:55]
    keys: dict[str, Any] = {"hidden_sizes": (), "epochs": 300, "learning_rate": 0.02, "optimizer": "sgd"}
    x = np.zeros((55, 1))  # nothing but the bias can be learnt: the shares of the classes
    plain = MLPClassifier(**keys).fit(x, Y[rare]).predict_proba(x[:1])[0]
    even = MLPClassifier(class_weight="balanced", **keys).fit(x, Y[rare]).predict_proba(x[:1])[0]
    np.testing.assert_allclose(even, 0.5, atol=0.01)
    assert plain[1] < 0.2


def test_several_targets_in_their_own_unit() -> None:
    targets = np.column_stack([1e6 + B, -3 * B])
    model = MLPRegressor((20,), epochs=400, learning_rate=0.01).fit(A, targets)
    assert model.score(A, targets) > 0.95
    assert model.predict(A).shape == targets.shape
    keys: dict[str, Any] = {"epochs": 40, "learning_rate": 0.02}
    small = MLPRegressor(loss={"name": "huber", "delta": 0.5}, **keys).fit(A, B)
    large = MLPRegressor(loss={"name": "huber", "delta": 8.0}, **keys).fit(A, 16 * B)
    np.testing.assert_allclose(large.predict(A), 16 * small.predict(A), rtol=1e-6)
    constant = MLPRegressor(epochs=3).fit(A, np.full(len(A), 7.0))
    assert np.isfinite(constant.predict(A)).all()


def test_early_stopping_watches_its_own_rows() -> None:
    model = MLPClassifier((32,), epochs=500, learning_rate=0.05, validation=0.3, early_stopping={"patience": 3}).fit(X, Y)
    assert model.n_iter_ < 500
    assert model.score(X, Y) > 0.9


def test_refused() -> None:
    with pytest.raises(MlpError, match=r"optimizer: adm .*did you mean adam"):
        MLPClassifier(optimizer="adm").fit(X, Y)
    with pytest.raises(MlpError, match="unknown key"):
        MLPRegressor(config={"hiden_sizes": 3}).fit(A, B)
    with pytest.raises(ValueError, match="class_weight"):
        MLPClassifier(class_weight="even").fit(X, Y)
    with pytest.raises(MlpError, match=r"class_weight: balanced +is for classes"):
        MLPRegressor(class_weight="balanced").fit(A, B)
    with pytest.raises(MlpError, match="loss: mse is for"):
        MLPClassifier(loss="mse").fit(X, Y)
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        MLPClassifier().fit(X, Y, sample_weight=np.full(len(Y), -1.0))
    with pytest.raises(ValueError, match=r"zero|positive"):
        MLPRegressor().fit(A, B, sample_weight=np.zeros(len(B)))
    with pytest.raises(NotFittedError):
        MLPRegressor().predict(A)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_wrong_parameter_names_the_class_and_help_the_right_one(estimator: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{estimator.__name__}.__init__.* unexpected keyword argument 'hidden_layer_sizes'"):
        estimator(hidden_layer_sizes=(3,))
    assert "hidden_layer_sizes: hidden_sizes\n" in inspect.getdoc(MLPClassifier)
