"""`mlp predict` from every kind of file: the answers are those of the run itself on the same rows, and what does not fit is said."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from small_sets import Answer, arrays_in, write_idx, write_quantity, write_table

Mlp = Callable[..., Answer]


@pytest.fixture
def run(mlp: Mlp, small_config: Path, tmp_path: Path) -> Path:
    """A trained run on pictures of 6 x 6; its folder."""
    assert mlp("train", small_config, "--no-plots").code == 0
    (folder,) = (tmp_path / "results").iterdir()
    return folder


def images_of(tmp_path: Path) -> np.ndarray:
    raw = (tmp_path / "shapes" / "t10k-images-idx3-ubyte").read_bytes()[16:]
    return np.frombuffer(raw, np.uint8).reshape(-1, 6, 6)


def rows_in(answer: Answer) -> list[dict[str, Any]]:
    assert answer.code == 0, answer.err
    rows: list[dict[str, Any]] = json.loads(answer.out)["rows"]
    return rows


def check(rows: list[dict[str, Any]], folder: Path) -> None:
    """Whether rows are what the run itself predicts for its first test rows."""
    kept = arrays_in(folder / "predictions.npz")
    names = arrays_in(folder / "model.npz")["classes"].tolist()
    assert [row["prediction"] for row in rows] == [names[k] for k in kept["test_predicted"][: len(rows)]]
    own = np.array([[row[f"p_{name}"] for name in names] for row in rows])
    assert np.allclose(own, np.exp(kept["test_log_probabilities"][: len(rows)].astype(np.float64)), rtol=5e-3, atol=1e-6)


def write_all(folder: Path, x: np.ndarray) -> dict[str, str]:
    """The same rows in every form that holds arrays, and what must be said of each."""
    flat = x.reshape(len(x), -1)
    np.savez(folder / "plain.npz", x=x)
    np.savez(folder / "named.npz", anything=flat)
    np.savez(folder / "parts.npz", x_train=x[::-1], x_test=x, y_train=np.zeros(len(x)))
    np.savez(folder / "shares.npz", x=x / 255)
    np.save(folder / "rows.npy", flat.astype(np.float64))
    write_idx(folder / "rows-idx3-ubyte", x)
    (folder / "packed-idx3-ubyte.gz").write_bytes(gzip.compress((folder / "rows-idx3-ubyte").read_bytes()))
    np.savetxt(folder / "bare.csv", flat, fmt="%d", delimiter=",")
    header = ",".join(f"pixel {k}" for k in range(36))
    np.savetxt(folder / "header.csv", flat, fmt="%d", delimiter=",", header=header, comments="")
    return {
        **dict.fromkeys(
            ("plain.npz", "named.npz", "rows.npy", "rows-idx3-ubyte", "packed-idx3-ubyte.gz", "bare.csv", "header.csv"), ""
        ),
        "parts.npz": "x_test is predicted, and not x_train, y_train",
        "shares.npz": "values of 0 to 1 are multiplied by 255",
    }


def test_arrays_in_every_form(mlp: Mlp, run: Path, tmp_path: Path) -> None:
    for name, said in write_all(tmp_path, images_of(tmp_path)).items():
        answer = mlp("predict", "@last", name, "--json")
        rows = rows_in(answer)
        assert len(rows) == 120, name
        check(rows, run)
        assert said in answer.err and bool(said) == bool(answer.err), name
    np.save(tmp_path / "one.npy", images_of(tmp_path)[0])
    assert len(rows_in(mlp("predict", "@last", "one.npy", "--json"))) == 1


def test_values_of_0_to_1_in_training_and_bytes_in_the_file(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    x = images_of(tmp_path)
    y = np.arange(120) % 4
    np.savez(tmp_path / "shares.npz", x_train=x / 255, y_train=y, x_test=x / 255, y_test=y)
    mlp("train", small_config, "--no-plots", "dataset={path: shares.npz, validation: 20}")
    (folder,) = (tmp_path / "results").iterdir()
    np.save(tmp_path / "bytes.npy", x)
    answer = mlp("predict", "@last", "bytes.npy", "--json")
    assert "whole numbers up to 255 are divided by 255" in answer.err
    check(rows_in(answer), folder)


def test_pictures(mlp: Mlp, run: Path, tmp_path: Path) -> None:
    x, folder = images_of(tmp_path), tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for place, image in enumerate(x[:4]):
        Image.fromarray(image).save(folder / f"{'more/' if place > 1 else ''}{place}.png")
    Image.fromarray(x[4]).convert("RGB").save(folder / "more" / "colour.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "broken.png").write_bytes(b"nothing")
    answer = mlp("predict", "@last", "pictures", "--json")
    rows = rows_in(answer)
    assert [row["file"] for row in rows] == ["0.png", "1.png", "more/2.png", "more/3.png", "more/colour.png"]
    check(rows, run)
    assert "left out: broken.png (not a picture)" in answer.err and "turned to grey: more/colour.png" in answer.err
    assert "scaled" not in answer.err
    Image.fromarray(x[0].repeat(3, axis=0).repeat(3, axis=1)).save(tmp_path / "large.png")
    answer = mlp("predict", "@last", "large.png", "--json")
    assert "large.png: pictures of another size are scaled to 6 x 6 pixels\n" in answer.err and len(rows_in(answer)) == 1
    assert mlp("predict", "@last", "pictures/broken.png").code == 3


def test_pictures_for_a_network_of_colours(mlp: Mlp, tmp_path: Path) -> None:
    """Red and blue pictures as the reader of a set takes them: the very values of the training rows, planes first."""
    generator = np.random.default_rng(0)
    for name, plane in (("red", 0), ("blue", 2)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for place in range(30):
            pixels = generator.integers(0, 60, (5, 4, 3), dtype=np.uint8)
            pixels[..., plane] += 150
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{place}.png")
    (tmp_path / "run.yaml").write_text(
        "dataset: {path: set, validation: 10}\nhidden_sizes: [8]\nepochs: 30\nlearning_rate: 0.01\n"
    )
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    rows = rows_in(mlp("predict", "@last", "set", "--json"))
    assert all(row["file"].startswith(row["prediction"]) for row in rows) and len(rows) == 60
    Image.fromarray(np.full((5, 4), 90, np.uint8)).save(tmp_path / "grey.png")
    answer = mlp("predict", "@last", "grey.png", "--json")
    assert len(rows_in(answer)) == 1 and not answer.err
    np.save(tmp_path / "turned.npy", np.zeros((2, 5, 4, 3), np.uint8))
    answer = mlp("predict", "@last", "turned.npy")
    assert answer.code == 3 and "its rows are 5 x 4 x 3, and the network takes 3 x 5 x 4" in answer.err


@pytest.fixture
def table_run(mlp: Mlp, tmp_path: Path) -> Path:
    write_table(tmp_path / "kinds.csv")
    text = "dataset: {path: kinds.csv, target: kind, missing: mean, validation: 50, test: 600}\nhidden_sizes: [8]\nepochs: 3\n"
    (tmp_path / "run.yaml").write_text(text)
    assert mlp("train", "run.yaml", "--no-plots").code == 0
    (folder,) = (tmp_path / "results").iterdir()
    return folder


def test_a_table(mlp: Mlp, table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns in another order, with one more: found by their names. A gap is filled as in training."""
    lines = list(csv.DictReader((tmp_path / "kinds.csv").read_text().splitlines()))
    kept = arrays_in(table_run / "predictions.npz")
    chosen = [lines[row] for row in kept["test_rows"]]
    assert any(not line["weight"] for line in chosen)
    with open(tmp_path / "new.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "colour", "weight", "kind", "size"])
        writer.writeheader()
        writer.writerows(line | {"id": str(place)} for place, line in enumerate(chosen))
    answer = mlp("predict", "@last", "new.csv", "--json")
    check(rows_in(answer), table_run)
    assert "kind: predicted here, and not looked at" in answer.err
    assert "columns that the network does not take: id" in answer.err
    content = "".join(f"{line['size']},{line['colour']},{line['weight']}\n" for line in chosen[:5])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"size,colour,weight\n{content}".encode())))
    answer = mlp("predict", "@last", "-", "--json")
    check(rows_in(answer), table_run)
    assert not answer.err


def test_what_does_not_fit_a_table(mlp: Mlp, table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "unseen.csv").write_text("size,colour,weight\n1.0,violet,2\n1.0,red,2\n")
    answer = mlp("predict", "@last", "unseen.csv")
    assert answer.code == 0 and "has 'violet' in line 2, which the training rows lack: encoded as none of its 3" in answer.err
    np.save(tmp_path / "rows.npy", np.zeros((2, 5)))
    for name, content, said in (
        ("lacking.csv", "size,color,weight\n1,red,2\n", "no column colour; did you mean color?"),
        ("words.csv", "size,colour,weight\nlarge,red,2\n", "column size holds 'large' in line 2, which is not a number"),
        ("short.csv", "size,colour,weight\n1,red\n", "line 2 has 2 fields, and the header has 3"),
        ("empty.csv", "", "an empty file"),
        ("header.csv", "size,colour,weight\n", "has a header and no rows"),
        ("infinite.csv", "size,colour,weight\n1,red,inf\n", "which is not finite"),
        ("rows.npy", None, "not a table, and the network was trained on one"),
    ):
        if content is not None:
            (tmp_path / name).write_text(content)
        answer = mlp("predict", "@last", name)
        assert answer.code == 3 and said in answer.err and not answer.out, name
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"size,colour\n1,red\n")))
    answer = mlp("predict", "@last", "-")
    assert answer.code == 3 and "error: standard input: no column weight" in answer.err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    answer = mlp("predict", "@last", "-")
    assert answer.code == 3 and "standard input is empty" in answer.err


def test_a_gap_where_training_had_none(mlp: Mlp, table_run: Path, tmp_path: Path) -> None:
    mlp("train", "run.yaml", "--no-plots", "dataset.missing=drop", "dataset.test=500")
    (tmp_path / "gap.csv").write_text("size,colour,weight\n1,red,2\n1,red,\n")
    answer = mlp("predict", "@last", "gap.csv")
    assert answer.code == 3 and "column weight has no value in line 3" in answer.err and "missing: mean" in answer.err


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: np.save(path, np.zeros((3, 35))), "its rows are 35, and the network takes 6 x 6, or 36 values"),
        (lambda path: np.save(path, np.zeros((3, 37))), "leave out a column of labels"),
        (lambda path: np.save(path, np.zeros((0, 36))), "numbers in 1 to 4 dimensions are read"),
        (lambda path: np.save(path, np.full((2, 36), np.nan)), "row 0 (counted from 0) holds values that are not finite"),
        (lambda path: np.save(path, np.array(["a"] * 36)), "numbers in 1 to 4 dimensions are read"),
        (lambda path: path.write_bytes(b"nothing"), "not a usable .npy file"),
    ],
)
def test_arrays_that_do_not_fit(mlp: Mlp, run: Path, tmp_path: Path, write: Callable[[Path], Any], said: str) -> None:
    write(tmp_path / "rows.npy")
    answer = mlp("predict", "@last", "rows.npy")
    assert answer.code == 3 and said in answer.err and not answer.out


def test_files_that_do_not_fit(mlp: Mlp, run: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "which.npz", a=np.zeros((2, 36)), b=np.zeros((2, 36)))
    (tmp_path / "text.csv").write_text(",".join(f"c{k}" for k in range(36)) + "\n" + ",".join(["red"] * 36) + "\n")
    (tmp_path / "gap.csv").write_text(",".join(f"c{k}" for k in range(36)) + "\n" + ",".join(["1"] * 35) + ",\n")
    (tmp_path / "notes.txt").write_text("no rows")
    (tmp_path / "nothing").mkdir()
    for name, said in (
        ("which.npz", "which of its arrays holds the rows? it has a, b"),
        ("text.csv", "column c0 holds texts, and the network takes 36 numbers a row"),
        ("gap.csv", "a value is missing in line 2"),
        ("notes.txt", "not a format that is known by its name"),
        ("nothing", "holds no picture that can be read"),
        ("nowhere.csv", "no such file or folder"),
    ):
        answer = mlp("predict", "@last", name)
        assert answer.code == 3 and said in answer.err, name


def test_pictures_for_a_network_of_numbers(mlp: Mlp, tmp_path: Path) -> None:
    write_quantity(tmp_path / "prices.npz")
    (tmp_path / "run.yaml").write_text("dataset: {path: prices.npz, validation: 60}\nloss: mse\nhidden_sizes: [6]\nepochs: 2\n")
    mlp("train", "run.yaml", "--no-plots")
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(tmp_path / "a.png")
    answer = mlp("predict", "@last", "a.png")
    assert answer.code == 3 and "the network takes rows of 3 values, which are no pictures" in answer.err
    np.save(tmp_path / "rows.npy", arrays_in(tmp_path / "prices.npz")["x_test"])
    rows = rows_in(mlp("predict", "@last", "rows.npy", "--json"))
    (folder,) = (tmp_path / "results").iterdir()
    kept = arrays_in(folder / "predictions.npz")["test_predicted"]
    assert [row["prediction"] for row in rows] == pytest.approx(kept.tolist(), rel=1e-6) and set(rows[0]) == {"prediction"}


def test_a_csv_file_and_a_table(mlp: Mlp, run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", images_of(tmp_path))
    printed = mlp("predict", "@last", "rows.npy").out.splitlines()
    assert printed[0].split() == ["prediction", "p_0", "p_1", "p_2", "p_3"] and len(printed) == 121
    answer = mlp("predict", "@last", "rows.npy", "--out", "deep/er/out.csv")
    assert answer.out == "120 rows: deep/er/out.csv\n"
    with open("deep/er/out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    check([{name: cell if name == "prediction" else float(cell) for name, cell in row.items()} for row in rows], run)


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_predicts_with_the_seeds_of_its_best_together(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    answer = mlp("sweep", small_config, "learning_rate=1e-5,1e-2", "--seeds", "3", "--executor", "serial", "--quiet")
    assert answer.code == 0, answer.err
    (sweep,) = (tmp_path / "results").iterdir()
    np.save(tmp_path / "rows.npy", images_of(tmp_path))
    answer = mlp("predict", sweep, "rows.npy", "--json")
    rows = rows_in(answer)
    members = sorted(sweep.glob("runs/learning_rate-0.01_*"))
    assert sorted(json.loads(answer.out)["runs"]) == [str(each) for each in members] and len(members) == 3
    assert "the 3 seeds of learning_rate=0.01 together" in answer.err
    logs = [arrays_in(each / "predictions.npz")["test_log_probabilities"].astype(np.float64) for each in members]
    mean = np.mean([np.exp(each) for each in logs], axis=0)
    assert np.allclose([[row[f"p_{k}"] for k in range(4)] for row in rows], mean, rtol=5e-3, atol=1e-6)
    assert rows_in(mlp("predict", "small", "rows.npy", "--json")) == rows, "by the beginning of its name"
    assert len(rows_in(mlp("predict", members[0], "rows.npy", "--json"))) == 120


def test_runs_that_predict_nothing(mlp: Mlp, run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", images_of(tmp_path))
    answer = mlp("predict", "@best:test_accuracy", "rows.npy")
    assert answer.code == 2 and "@best:val_accuracy" in answer.err
    answer = mlp("predict", "nowhere", "rows.npy")
    assert answer.code == 2 and "unknown run" in answer.err
    assert mlp("predict", "results", "rows.npy").code == 2 and mlp("predict", "", "rows.npy").code == 2
    (run / "model.npz").unlink()
    record = run / "run.json"
    record.write_text(record.read_text().replace('"completed"', '"interrupted"'))
    answer = mlp("predict", "@last", "rows.npy")
    assert answer.code == 1 and "is not completed: its status is interrupted" in answer.err
