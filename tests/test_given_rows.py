"""Rows that are handed to `Run.predict`: what they are goes by names, shape and range, and no other reading is silent."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

import mlp_cli
from mlp_cli.api import Run
from mlp_cli.errors import ConfigError, DataError, UsageError

GENERATOR = np.random.default_rng(8)
KEYS: dict[str, Any] = {"hidden_sizes": [4], "epochs": 8, "learning_rate": 0.05, "batch_size": 16, "plots": False, "quiet": True}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table() -> pandas.DataFrame:
    frame = pandas.DataFrame(GENERATOR.normal(size=(90, 2)), columns=["low", "high"]).round(3)
    frame["town"] = GENERATOR.choice(["Bern", "Köln"], 90)
    frame["kind"] = np.where(frame.low > frame.high, "a", "b")
    frame.to_csv("table.csv", index=False)
    return frame


def trained(**dataset: Any) -> Run:
    return mlp_cli.train({"dataset": {"validation": 0.2, "test": 0.2, **dataset}}, **KEYS)


def test_the_columns_of_a_table_are_found_by_their_names(table: pandas.DataFrame) -> None:
    run = trained(path="table.csv", target="kind")
    inputs = table.drop(columns="kind")
    found = run.predict(inputs)
    assert (found == table.kind).mean() > 0.8
    assert (run.predict(inputs[["town", "high", "low"]]) == found).all()
    assert (run.predict(inputs.set_index(np.arange(90)[::-1])) == found).all()
    with pytest.warns(UserWarning, match="x: kind: predicted here"):
        run.predict(table)
    with pytest.warns(UserWarning, match="column town has 'Rom' in row 1"):
        run.predict(inputs.assign(town=["Rom", *inputs.town[1:]]))
    for wrong, said in (
        (inputs.drop(columns="high"), "x: no column high"),
        (inputs.assign(low=[np.nan, *inputs.low[1:]]), "column low has no value in row 1"),
        (inputs.assign(low=["x", *map(str, inputs.low[1:])]), "column low holds 'x' in row 1"),
        (inputs.iloc[:0], "x: has no rows"),
        (pandas.concat([inputs, inputs[["low"]]], axis=1), "two columns have the same name"),
    ):
        with pytest.raises(DataError, match=said):
            run.predict(wrong)


def test_a_frame_of_numbers_alone_goes_by_names_too(table: pandas.DataFrame) -> None:
    """As an array in another order it would be taken in silence."""
    table.drop(columns="town").to_csv("table.csv", index=False)
    run = trained(path="table.csv", target="kind")
    found = run.predict(table[["low", "high"]])
    assert (found == run.predict(table[["low", "high"]].to_numpy())).all()
    assert (found == run.predict(table[["high", "low"]])).all()
    assert (found == table.kind).mean() > 0.8


def test_frames_as_data_go_by_their_names(table: pandas.DataFrame, mlp: Any) -> None:
    """The columns stand in another order in each frame, and the class is which of the two is larger."""
    x, y = table[["low", "high"]].assign(flag=table.town == "Bern"), (table.low > table.high).astype(int)
    turned = x[["flag", "high", "low"]]
    data = {"x_test": turned[:30], "y_test": y[:30], "x": x[30:], "y": y[30:]}
    run = mlp_cli.train(data=data, **KEYS)
    assert run.record.metrics["test_accuracy"] > 0.8
    found = run.predict(x)
    assert (found == y).mean() > 0.8
    assert (run.predict(turned) == found).all() and (run.predict(x.to_numpy(float)) == found).all()
    turned.astype(float).to_csv("turned.csv", index=False)
    assert mlp("predict", run.folder, "turned.csv", "--out", "out.csv").code == 0
    assert (pandas.read_csv("out.csv").prediction == found).all()
    with pytest.raises(DataError, match="x: no column low"):
        run.predict(x.rename(columns={"low": "deep"}))
    with pytest.raises(DataError, match="data: x_test has the columns deep, high, flag, and x has low, high, flag"):
        mlp_cli.train(data=data | {"x_test": x[:30].rename(columns={"low": "deep"})}, **KEYS)
    same = mlp_cli.train(data={key: each.to_numpy(float) for key, each in data.items()} | {"x_test": x[:30]}, **KEYS)
    assert same.folder != run.folder, "the names belong to the data"


def test_frames_of_labels_go_by_their_names() -> None:
    """Both labels are the signs of a column; in the test part they stand in another order."""
    x = GENERATOR.normal(size=(90, 2))
    y = pandas.DataFrame(x > 0, columns=["dark", "long"])
    data = {"x": x[:60], "y": y[:60], "x_test": x[60:], "y_test": y[["long", "dark"]][60:]}
    run = mlp_cli.train({"loss": "multi_label"}, data=data, **KEYS)
    assert run.model.classes == ("dark", "long") and run.record.metrics["test_accuracy"] > 0.8


def test_columns_of_an_archive(mlp: Any) -> None:
    x = GENERATOR.normal(size=(60, 2))
    arrays = {"x": x, "y": (x[:, 0] > x[:, 1]).astype(int), "columns": np.array(["low", "high"])}
    np.savez("rows.npz", **arrays)
    run = trained(path="rows.npz")
    assert (run.predict(pandas.DataFrame(x[:, ::-1], columns=["high", "low"])) == run.predict(x)).all()
    np.savez("other.npz", **arrays | {"columns": np.array(["high", "low"])})
    hidden = {"path": "rows.npz", "test_path": "other.npz"}
    with pytest.raises(DataError, match=r"the test part has the columns high, low, and .* has low, high"):
        mlp_cli.train({"dataset": hidden}, **KEYS)
    for names in (["a"], ["a", "a"], ["a", ""]):
        np.savez("wrong.npz", **arrays | {"columns": np.array(names)})
        with pytest.raises(DataError, match="and a row 2 values, each with a name of its own"):
            trained(path="wrong.npz")


def test_pictures_of_another_layout_and_range() -> None:
    x = GENERATOR.integers(0, 256, (60, 3, 5, 5)).astype(np.uint8)
    x[:30, 0] //= 4
    np.savez("pictures.npz", x=x, y=np.arange(60) // 30)
    run = trained(path="pictures.npz")
    with pytest.raises(DataError, match="5 x 5 x 3, and the network takes 3 x 5 x 5") as error:
        run.predict(x.transpose(0, 2, 3, 1))
    assert "x.transpose(0, 3, 1, 2)" in str(error.value.hint)
    expected = run.predict(x, probabilities=True)
    np.testing.assert_allclose(run.predict(x[0], probabilities=True)[0], expected[0])
    with pytest.warns(UserWarning, match="multiplied by 255"):
        np.testing.assert_allclose(run.predict(x / 255.0, probabilities=True), expected, rtol=1e-5)
    with pytest.warns(UserWarning, match="values from -255 to 0, and the network was trained on bytes"):
        run.predict(-x.astype(int))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.predict(x)


@pytest.mark.parametrize("wrong", ["text", [["a", "b"]], [[1j, 2]], [[np.nan, 1.0]], [[1.0, np.inf]], [[1.0]]])
def test_what_no_rows_are(wrong: Any) -> None:
    x = GENERATOR.normal(size=(60, 2))
    run = mlp_cli.train(data=(x, (x[:, 0] > 0).astype(int)), **KEYS)
    with pytest.raises(DataError, match=r"^x: "):
        run.predict(wrong)


def test_the_reader_of_a_prediction_names_no_key_of_the_config(table: pandas.DataFrame, mlp: Any) -> None:
    """Nobody can give `read` to a prediction, so the hint says in which form the file has to be."""
    run = trained(path="table.csv", target="kind")
    table.to_csv("other.csv", index=False, sep=";", decimal=",")
    answer = mlp("predict", run.folder, "other.csv")
    assert answer.code == 3
    assert "read: {" not in answer.err and "(UTF-8, '.' as the decimal point); save it so" in answer.err


def test_a_picture_is_bytes_however_dark(mlp: Any) -> None:
    """Its largest value of 1 is no sign of values from 0 to 1."""
    from PIL import Image

    x = GENERATOR.integers(0, 256, (60, 5, 5)).astype(np.uint8)
    np.savez("pictures.npz", x=x, y=np.arange(60) // 30)
    run = trained(path="pictures.npz")
    dark = np.zeros((5, 5), np.uint8)
    dark[2, 2] = 1
    Image.fromarray(dark).save("dark.png")
    answer = mlp("predict", run.folder, "dark.png", "--out", "dark.csv")
    assert answer.code == 0 and not answer.err
    told = pandas.read_csv("dark.csv").iloc[0, -2:].to_numpy(float)
    np.testing.assert_allclose(told, run.model.predict(dark[None])[0], rtol=1e-6)


@pytest.mark.parametrize("config", [3, ["dataset"], {"dataset"}])
def test_what_no_config_is(config: Any) -> None:
    with pytest.raises(ConfigError, match="a config is a file or a mapping of keys, and no"):
        mlp_cli.train(config)


def test_three_arrays_without_names() -> None:
    x = np.zeros((9, 2))
    with pytest.raises(UsageError, match="data has 3 arrays, and takes x and y"):
        mlp_cli.train(data=(x, x, x))  # type: ignore[arg-type]
