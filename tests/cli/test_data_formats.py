"""Every format of data that a config may name, written by this test, trained on with the real command."""

import contextlib
import csv
import gzip
import io
import json
import lzma
import pickle
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from needs import need
from small_sets import Answer, arrays_in, make_idx_set

from mlp_cli.build import load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data.encoding import TableEncoding
from mlp_cli.errors import MlpError

Mlp = Callable[..., Answer]
SIDE, CLASSES = 6, 3
GENERATOR = np.random.default_rng(5)


def images(count: int, colour: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Noisy patterns, one a class, and labels of every class."""
    shape = (SIDE, SIDE, 3) if colour else (SIDE, SIDE)
    patterns = np.random.default_rng(1).integers(0, 256, (CLASSES, *shape))
    labels = np.arange(count) % CLASSES
    noisy = np.clip(patterns[labels] + GENERATOR.normal(0, 20, (count, *shape)), 0, 255)
    return noisy.astype(np.uint8), labels


TRAIN, TEST = images(90), images(30)
ARRAYS = {"x_train": TRAIN[0], "y_train": TRAIN[1], "x_test": TEST[0], "y_test": TEST[1]}


def png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return out.getvalue()


def pictures(colour: bool = False) -> dict[str, bytes]:
    """Files by name: train/<class>/<number>.png and test/…"""
    found = {}
    for part, count in (("train", 90), ("test", 30)):
        for number, (pixels, label) in enumerate(zip(*images(count, colour), strict=True)):
            found[f"{part}/class_{label}/{number:03}.png"] = png(pixels)
    return found


def write_tar(path: Path, files: dict[str, bytes], mode: str) -> None:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_idx(root: Path) -> str:
    make_idx_set(root / "idx", 90, 30, CLASSES, SIDE)
    return "{path: idx, validation: 15}"


def write_npz(root: Path) -> str:
    np.savez_compressed(root / "arrays.npz", **ARRAYS)
    return "{path: arrays.npz, validation: 15}"


def write_packed_npz(root: Path) -> str:
    write_npz(root)
    (root / "arrays.npz.gz").write_bytes(gzip.compress((root / "arrays.npz").read_bytes()))
    (root / "arrays.npz").unlink()
    return "{path: arrays.npz.gz, validation: 15}"


def write_floats(root: Path) -> str:
    """Class numbers as floats, and a part of its own to validate with."""
    arrays = {name: array.astype(float) if name.startswith("y") else array for name, array in ARRAYS.items()}
    arrays |= {"x_val": arrays["x_train"][75:], "y_val": arrays["y_train"][75:]}
    np.savez(root / "arrays.npz", **arrays | {"x_train": arrays["x_train"][:75], "y_train": arrays["y_train"][:75]})
    return "{path: arrays.npz, split: official}"


def write_mat(root: Path) -> str:
    from scipy.io import savemat

    rows = {name: array.reshape(len(array), -1) for name, array in ARRAYS.items()}
    names = {"trainImages": "x_train", "trainLabels": "y_train", "testImages": "x_test", "testLabels": "y_test"}
    savemat(root / "mnist_data.mat", {name: rows[key] for name, key in names.items()}, do_compression=True)
    return "{path: mnist_data.mat, validation: 15}"


def write_npy_folder(root: Path) -> str:
    (root / "arrays").mkdir()
    for name, array in ARRAYS.items():
        np.save(root / "arrays" / f"{name}.npy", array)
    return "{path: arrays, validation: 15}"


def write_npy(root: Path) -> str:
    np.save(root / "inputs.npy", TRAIN[0].reshape(90, -1) / 255)
    np.save(root / "classes.npy", TRAIN[1])
    np.savez(root / "test.npz", x=TEST[0].reshape(30, -1) / 255, y=TEST[1])
    return "{path: inputs.npy, labels: classes.npy, test_path: test.npz, validation: 15}"


def write_classic_pickle(root: Path) -> str:
    rows = (TRAIN[0].reshape(90, -1) / 256).astype(np.float32)
    parts = (
        (rows[:75], TRAIN[1][:75]),
        (rows[75:], TRAIN[1][75:]),
        ((TEST[0].reshape(30, -1) / 256).astype(np.float32), TEST[1]),
    )
    (root / "mnist.pkl.gz").write_bytes(gzip.compress(pickle.dumps(parts, protocol=2)))
    return "{path: mnist.pkl.gz, split: official, scale: 256}"


def write_course_pickle(root: Path) -> str:
    names = ("training_images", "training_labels", "test_images", "test_labels")
    arrays = (TRAIN[0].reshape(90, -1), TRAIN[1], TEST[0].reshape(30, -1), TEST[1])
    (root / "mnist.pkl").write_bytes(pickle.dumps(dict(zip(names, arrays, strict=True))))
    return "{path: mnist.pkl, split: last, validation: 15}"


def write_cifar(root: Path) -> str:
    (root / "batches").mkdir()
    for number in range(6):
        records = GENERATOR.integers(0, 256, (18 if number else 30, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(len(records)) % 10
        name = f"data_batch_{number}" if number else "test_batch"
        (root / "batches" / f"{name}.bin.xz").write_bytes(lzma.compress(records.tobytes()))
    return "{path: batches, validation: 15}"


def write_image_folder(root: Path) -> str:
    for name, content in pictures(colour=True).items():
        path = root / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return "{path: pictures, validation: 15}"


def write_image_archive(root: Path) -> str:
    write_tar(root / "pictures.tar.gz", pictures(), "w:gz")
    return "{path: pictures.tar.gz, validation: 15}"


def write_image_zip(root: Path) -> str:
    with zipfile.ZipFile(root / "pictures.zip", "w") as archive:
        for name, content in pictures().items():
            archive.writestr(name, content)
    return "{path: pictures.zip, validation: 15}"


def write_kaggle_folder(root: Path) -> str:
    for name, content in pictures().items():
        path = root / "set" / name.replace("train/", "training_set/", 1).replace("test/", "test_set/", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return "{path: set, validation: 15}"


def table(count: int, seed: int) -> list[dict[str, object]]:
    generator = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for number in range(count):
        size, colour, code = generator.normal(), generator.choice(["red", "green", "blue"]), int(generator.integers(1, 4))
        price = 3 * size + 2 * (colour == "red") + (code == 2) + generator.normal(0, 0.1)
        rows.append(
            {"id": number, "size": size, "colour": colour, "code": code, "price": price, "kind": "dear" if price > 1 else "cheap"}
        )
    return rows


def write_table(path: Path, rows: list[dict[str, object]], delimiter: str = ",") -> None:
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_csv(root: Path) -> str:
    write_table(root / "houses.csv", table(90, 1))
    write_table(root / "test.csv", table(30, 2))
    return "{path: houses.csv, target: kind, drop: [id, price], categorical: [code], test_path: test.csv, validation: 15}"


def write_tsv(root: Path) -> str:
    write_table(root / "houses.tsv", table(75, 1), "\t")
    write_table(root / "validation.csv", table(15, 3))
    write_table(root / "test.tsv", table(30, 2), "\t")
    return "{path: houses.tsv, target: kind, drop: [id, price], validation: validation.csv, test_path: test.tsv}"


def write_csv_zip(root: Path) -> str:
    write_csv(root)
    with zipfile.ZipFile(root / "houses.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(root / "houses.csv", "houses.csv")
    (root / "houses.csv").unlink()
    return "{path: houses.csv.zip, target: kind, drop: [id, price], categorical: [code], test_path: test.csv, validation: 15}"


def write_other_csv(root: Path) -> str:
    """As a spreadsheet of another country writes it, without a header, and with a gap."""
    for name, count in (("houses.csv", 91), ("test.csv", 30)):
        rows = [[number, row["size"], row["colour"], row["kind"]] for number, row in enumerate(table(count, 1))]
        rows[7][1] = "" if name == "houses.csv" else rows[7][1]
        lines = [";".join(str(cell).replace(".", ",").replace("red", "größer") for cell in row) for row in rows]
        (root / name).write_text("\n".join(lines), encoding="cp1252")
    reading = 'read: {decimal: ",", header: none, encoding: cp1252}'
    return f"{{path: houses.csv, target: 3, drop: [0], missing: drop, {reading}, test_path: test.csv, validation: 15}}"


WRITERS = [
    write_other_csv,
    write_packed_npz, write_floats, write_mat, write_kaggle_folder, write_csv_zip,
    write_idx, write_npz, write_npy_folder, write_npy, write_classic_pickle, write_course_pickle, write_cifar,
    write_image_folder, write_image_archive, write_image_zip, write_csv, write_tsv,
]  # fmt: skip


DRAWN = (write_image_folder, write_csv)
"""Colour pictures and a table; what other shapes of data look like is tested where the figures are."""


def record_of(root: Path, name: str = "run") -> dict:
    (folder,) = (root / "results").glob(f"{name}-*")
    return json.loads((folder / "run.json").read_text())


def config(root: Path, dataset: str, *lines: str) -> Path:
    path = root / "run.yaml"
    path.write_text(
        "\n".join([f"dataset: {dataset}", "hidden_sizes: [16]", "epochs: 12", "batch_size: 16", "learning_rate: 1e-2", *lines])
    )
    return path


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def test_every_format_trains(writer: Callable[[Path], str], mlp: Mlp, tmp_path: Path) -> None:
    drawing = () if writer in DRAWN else ("--no-plots",)
    answer = mlp("train", config(tmp_path, writer(tmp_path)), *drawing)
    assert answer.code == 0, answer.err
    record = record_of(tmp_path)
    assert {part: record["data"][part] for part in ("train", "validation", "test")} == {"train": 75, "validation": 15, "test": 30}
    if writer is not write_cifar:  # that is noise
        assert record["metrics"]["test_accuracy"] > 0.8
    folder = next((tmp_path / "results").glob("run-*"))
    model = arrays_in(folder / "model.npz")
    assert len(model["classes"]) == record["config"]["dataset"].get("classes", len(model["b2"]))
    again = mlp("train", folder / "config.yaml", "--name", "run", *drawing)
    assert again.code == 0 and "completed already" in again.out, "the resolved config is the same run"


def test_parquet(mlp: Mlp, tmp_path: Path) -> None:
    need("pyarrow")
    import pandas

    pandas.DataFrame(table(90, 1)).to_parquet(tmp_path / "houses.parquet")
    path = config(tmp_path, "{path: houses.parquet, target: kind, drop: [id, price], test: 30, validation: 15}")
    answer = mlp("train", path, "--no-plots")
    assert answer.code == 0, answer.err
    assert record_of(tmp_path)["data"]["test"] == 30


def test_regression(mlp: Mlp, tmp_path: Path) -> None:
    write_csv(tmp_path)
    dataset = "{path: houses.csv, target: price, drop: [id, kind], categorical: [code], test_path: test.csv, validation: 15}"
    path = config(tmp_path, dataset, "loss: mse", "early_stopping: {monitor: val_r2, patience: 30}")
    answer = mlp("train", path, "epochs=60")
    assert answer.code == 0, answer.err
    metrics = record_of(tmp_path)["metrics"]
    quantity = ["loss", "r2", "rmse", "mae"]
    assert list(metrics) == ["train_loss", "train_r2", *(f"{part}_{name}" for part in ("val", "test") for name in quantity)]
    assert metrics["test_r2"] > 0.9 and "test R²" in answer.out and f"RMSE {metrics['test_rmse']:.5g}" in answer.out
    assert metrics["test_loss"] == pytest.approx(metrics["test_rmse"] ** 2)
    folder = next((tmp_path / "results").glob("run-*"))
    assert (folder / "metrics.csv").read_text().startswith("epoch,train_loss,train_r2,val_loss,val_r2,learning_rate\n")
    drawn = sorted(file.name for file in (folder / "plots").iterdir())
    assert drawn == ["accuracy.png", "fit.png", "loss.png", "residuals.png"]
    model = arrays_in(folder / "model.npz")
    encoding = TableEncoding.from_dict(json.loads(str(model["encoding"])))
    assert encoding.names() == ("size", "colour=blue", "colour=green", "colour=red", "code=1", "code=2", "code=3")
    assert model["W1"].shape == (7, 16) and model["b2"].shape == (1,) and len(model["classes"]) == 0

    labels = {"x": TRAIN[0], "y": np.linspace(0, 1, 90), "x_test": TEST[0], "y_test": np.linspace(0, 1, 30)}
    np.savez(tmp_path / "floats.npz", **labels)
    assert mlp("train", path, "dataset={path: floats.npz}", "--name", "floats", "--no-plots").code == 0
    make_idx_set(tmp_path / "idx", 90, 30, CLASSES, SIDE)
    assert mlp("train", path, "dataset={path: idx}", "--name", "numbers", "--no-plots").code == 0, (
        "whole numbers are quantities for mse"
    )
    assert "test_r2" in record_of(tmp_path, "numbers")["metrics"]


def write_quantity(path: Path, unit: float, offset: float = 0.0) -> None:
    """240 rows of three inputs, and a quantity of theirs around 0 ± 1, times a unit, plus an offset."""
    generator = np.random.default_rng(5)
    x = generator.normal(size=(240, 3)).astype(np.float32)
    y = np.round(x[:, 0] - 0.5 * x[:, 1] ** 2 + 0.1 * generator.normal(size=240), 6)
    np.savez(path, x=x[:180], y=offset + unit * y[:180], x_test=x[180:], y_test=offset + unit * y[180:])


def test_the_unit_of_a_quantity_does_not_matter(mlp: Mlp, tmp_path: Path) -> None:
    """A power of two changes no digit of a float but the exponent: all scores follow exactly. Prices train as well as 0 ± 1."""
    found = {}
    for name, unit, offset in (("one", 1.0, 0.0), ("large", 2.0**20, 0.0), ("prices", 90_000.0, 200_000.0)):
        write_quantity(tmp_path / f"{name}.npz", unit, offset)
        path = config(tmp_path, f"{{path: {name}.npz, validation: 40}}", "loss: mse")
        answer = mlp("train", path, "epochs=40", "--name", name, "--no-plots")
        assert answer.code == 0, answer.err
        found[name] = record_of(tmp_path, name)["metrics"]
    for key, value in found["one"].items():
        factor = {"loss": 2.0**40, "r2": 1.0}.get(key.partition("_")[2], 2.0**20)
        assert found["large"][key] == value * factor, key
    assert found["one"]["test_r2"] > 0.9
    assert found["prices"]["test_r2"] == pytest.approx(found["one"]["test_r2"], abs=1e-3)
    assert found["prices"]["test_rmse"] == pytest.approx(90_000 * found["one"]["test_rmse"], rel=1e-3)
    answer = mlp("train", path, "epochs=40", "dataset.target_scale=none", "--name", "none", "--no-plots")
    assert answer.code == 0 and record_of(tmp_path, "none")["metrics"]["test_r2"] < 0


def test_the_model_of_a_quantity_is_whole(mlp: Mlp, tmp_path: Path) -> None:
    """What model.npz says gives the test errors of run.json, by NumPy alone."""
    write_quantity(tmp_path / "prices.npz", 30.0, 300.0)
    for scale in ("standard", "log"):
        path = config(tmp_path, f"{{path: prices.npz, target_scale: {scale}}}", "loss: mse")
        answer = mlp("train", path, "epochs=5", "--name", scale, "--no-plots")
        assert answer.code == 0 and ("losses are those of the logarithm" in answer.err + answer.out) == (scale == "log")
        (folder,) = (tmp_path / "results").glob(f"{scale}-*")
        model, data = arrays_in(folder / "model.npz"), arrays_in(tmp_path / "prices.npz")
        inputs = (data["x_test"] - model["centre"]) * model["scale"] + model["shift"]
        hidden = np.maximum(inputs @ model["W1"] + model["b1"], 0)
        outputs = (hidden @ model["W2"] + model["b2"])[:, 0] * model["target_scale"] + model["target_shift"]
        outputs = np.exp(outputs) if model["target_log"] else outputs
        error, metrics = data["y_test"] - outputs, record_of(tmp_path, scale)["metrics"]
        assert metrics["test_rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
        assert metrics["test_mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-4)
        variation = np.sum((data["y_test"] - data["y_test"].mean()) ** 2)
        assert metrics["test_r2"] == pytest.approx(1 - np.sum(error**2) / variation, rel=1e-4)


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("dataset.target_scale=log",), 3, "target_scale: log needs positive targets"),
        (("dataset.target_scale=standard", "loss=cross_entropy"), 2, "dataset.target_scale is for a quantity"),
        (("dataset.target_scale=sqrt",), 2, "must be standard, log or none"),
        (("dataset.path=huge.npz",), 3, "its square is too large a number"),
        (("dataset.path=large.npz", "dataset.target_scale=none"), 3, "write target_scale: standard"),
    ],
)
def test_scales_that_do_not_fit_a_quantity(mlp: Mlp, tmp_path: Path, more: tuple[str, ...], code: int, said: str) -> None:
    for name, unit in (("small", 1.0), ("large", 1e21), ("huge", 1e200)):
        write_quantity(tmp_path / f"{name}.npz", unit)
    answer = mlp("train", config(tmp_path, "{path: small.npz}", "loss: mse"), *more)
    assert answer.code == code and said in answer.err and "Traceback" not in answer.err
    assert not (tmp_path / "results").exists(), "refused before anything is written"
    assert mlp("train", "run.yaml", "dataset.path=large.npz", "epochs=1", "--no-plots").code == 0


def test_classes_are_chosen_and_ordered(mlp: Mlp, tmp_path: Path) -> None:
    for writer, kept in ((write_npz, "[2, 0]"), (write_image_zip, "[class_2, class_0]")):
        dataset = writer(tmp_path).replace("validation: 15", f"validation: 10, classes: {kept}")
        answer = mlp("train", config(tmp_path, dataset), "--name", writer.__name__, "--no-plots")
        assert answer.code == 0, answer.err
        record = record_of(tmp_path, writer.__name__)
        assert (record["data"]["train"], record["data"]["test"]) == (50, 20) and record["metrics"]["test_accuracy"] > 0.8
        (folder,) = (tmp_path / "results").glob(f"{writer.__name__}-*")
        assert arrays_in(folder / "model.npz")["classes"].tolist() == [name.strip() for name in kept.strip("[]").split(",")]
    write_csv(tmp_path)
    path = config(tmp_path, "{path: houses.csv, target: colour, drop: [id], classes: [red, blue]}")
    answer = mlp("train", path, "--name", "table", "--no-plots")
    assert answer.code == 0, answer.err
    assert sum(record_of(tmp_path, "table")["data"][part] for part in ("train", "validation")) == sum(
        row["colour"] != "green" for row in table(90, 1)
    )


@pytest.mark.parametrize("times", [9, pytest.param(99, marks=pytest.mark.slow)])
@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def test_damaged_files_are_errors_in_words(
    writer: Callable[[Path], str], times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = config_from_mapping({"dataset": yaml.safe_load(writer(tmp_path))})
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    generator = random.Random(writer.__name__)
    for number in range(times):
        path = generator.choice(files)
        before = path.read_bytes()
        content = bytearray(before)
        place = generator.randrange(len(content))
        if number % 3 == 0:
            content = content[:place]
        elif number % 3 == 1:
            content[place] = generator.randrange(256)
        else:
            content[place:place] = generator.randbytes(9)
        path.write_bytes(content)
        with contextlib.suppress(MlpError):  # some damage cannot be seen, but nothing else may be raised
            load_data(wanted)
        path.write_bytes(before)
    assert len(load_data(wanted).train) == 75


BAD = [
    ("nothing", "{path: nothing}", 3, "nothing: no such file or folder"),
    ("unknown", "{path: notes.txt}", 3, "not a format that is known by its name"),
    ("empty folder", "{path: empty}", 3, "a folder that holds no data that can be read"),
    ("folder of one file", "{path: folder}", 3, "give the file itself: path:"),
    ("npy alone", "{path: inputs.npy}", 3, "the labels are missing"),
    ("labels for npz", "{path: arrays.npz, test_path: arrays.npz}", 3, "has a test part of its own"),
    ("no target", "{path: houses.csv}", 2, "a table needs a target"),
    ("wrong target", "{path: houses.csv, target: prise}", 3, "no column prise; did you mean price?"),
    ("quantity as class", "{path: houses.csv, target: price, drop: [kind]}", 2, "houses is a regression set"),
    ("gaps", "{path: gaps.csv, target: kind}", 3, "column size has no value in line 2"),
    ("test is no table", "{path: houses.csv, target: kind, test_path: arrays.npz}", 3, "not a table, and houses.csv is one"),
    ("unknown class", "{path: houses.csv, target: kind, classes: [dear, odd]}", 3, "houses has no class odd"),
    ("classes of quantities", "{path: houses.csv, target: price, drop: [kind], classes: [a, b]}", 3, "its target is a quantity"),
    ("test too large", "{path: houses.csv, target: kind, test: 90}", 2, "leave no row to train on"),
    ("named set", "{name: moons, classes: [0, 2]}", 3, "moons has no class 2"),
    ("split of a course", "{name: moons, split: vu}", 2, "vu cuts 60,000 training rows"),
    ("split with test part", "{name: moons, split: ece421}", 2, "moons has one of its own"),
    ("truncated", "{path: cut.npz}", 3, "cut.npz: damaged"),
    ("labels from 1 and from 0", "{path: offset.npz}", 3, "0, 1, 2 in the test part, 1, 2, 3 in the training part"),
    ("page", "{path: page.pkl.gz}", 3, "an HTML page saved in place of the data"),
]  # fmt: skip


@pytest.mark.parametrize(("dataset", "code", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_data(dataset: str, code: int, message: str, mlp: Mlp, tmp_path: Path) -> None:
    write_csv(tmp_path)
    write_npz(tmp_path)
    np.save(tmp_path / "inputs.npy", TRAIN[0])
    rows = table(20, 4)
    rows[0]["size"] = ""
    write_table(tmp_path / "gaps.csv", rows)
    np.savez(tmp_path / "offset.npz", **ARRAYS | {"y_train": ARRAYS["y_train"] + 1})
    (tmp_path / "notes.txt").write_text("some notes")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "data.npz").write_bytes((tmp_path / "arrays.npz").read_bytes())
    (tmp_path / "cut.npz").write_bytes((tmp_path / "arrays.npz").read_bytes()[:900])
    (tmp_path / "page.pkl.gz").write_bytes(b"<!DOCTYPE html><html></html>")
    answer = mlp("train", config(tmp_path, dataset))
    assert answer.code == code and message in answer.err, answer.err
    assert "Traceback" not in answer.err
    if "format" in message or "holds no data" in message:
        assert "tables (.csv, .tsv, .tab, .parquet)" in answer.err, "the formats that are read are listed"


def test_generated_sets_train_and_are_drawn(mlp: Mlp, tmp_path: Path) -> None:
    from mlp_cli.data.synthetic import synthetic

    for name in synthetic:
        drawing = () if name == "blobs" else ("--no-plots",)
        answer = mlp("train", config(tmp_path, f"{{name: {name}, rows: 300, test_rows: 60}}"), "--name", name, *drawing)
        assert answer.code == 0, answer.err
        (folder,) = (tmp_path / "results").glob(f"{name}-*")
        drawn = {file.name for file in folder.glob("plots/*")}
        assert drawn >= {"regions.png", "classes.png", "loss.png", "confusion.png"} or drawing
        assert record_of(tmp_path, name)["config"]["dataset"]["rows"] == 300
    plain = record_of(tmp_path, "moons")["data"]["sha256"]
    path = config(tmp_path, "{name: moons, rows: 300, test_rows: 60, noise: 0.3}")
    assert mlp("train", path, "--name", "noisy", "--no-plots").code == 0
    assert record_of(tmp_path, "noisy")["data"]["sha256"] != plain


def test_features_are_stored_with_the_model(mlp: Mlp, tmp_path: Path) -> None:
    path = config(tmp_path, write_npz(tmp_path), "features: {name: pca, components: 5}")
    assert mlp("train", path).code == 0
    (folder,) = (tmp_path / "results").glob("run-*")
    model = arrays_in(folder / "model.npz")
    assert model["projection"].shape == (36, 5) and model["projection_shift"].shape == (5,) and model["W1"].shape == (5, 16)
    assert (folder / "plots" / "weights.png").exists(), "drawn as what each unit sees of the image"
    assert record_of(tmp_path)["metrics"]["test_accuracy"] > 0.8
    answer = mlp("train", path, "features.components=50", "--name", "more")
    assert answer.code == 2 and "varies in 36 directions only" in answer.err
    assert mlp("train", path, "features=null", "--name", "none", "--no-plots").code == 0
    assert "pca" in mlp("show", "features").out


@pytest.mark.parametrize("writer", [write_idx, write_npz, write_image_folder, write_csv], ids=lambda writer: writer.__name__)
def test_show_draws_any_set(writer: Callable[[Path], str], mlp: Mlp, tmp_path: Path) -> None:
    path = writer(tmp_path).split("path: ")[1].split(",")[0]
    answer = mlp("data", "show", path, "--out", "sheet.png", "--json", *(["--target", "kind"] if path.endswith(".csv") else []))
    assert answer.code == 0, answer.err
    assert sum(json.loads(answer.out)["counts"]["training"].values()) == 90
    assert (tmp_path / "sheet.png").stat().st_size > 2_000
    if path.endswith(".csv"):
        assert mlp("data", "show", path, "--target", "price", "--out", "price.png").code == 0
        assert (tmp_path / "price.png").stat().st_size > 2_000
        assert mlp("data", "show", "spirals").code == 0 and (tmp_path / "spirals.png").exists()
