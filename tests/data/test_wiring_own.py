"""Sets by path: the cache behind them, parts from other files, what is fitted on the training rows alone."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_sets import arrays_in, make_idx_set

from mlp_cli.data import cache
from mlp_cli.data.formats import FORMATS, Found, format_of, reads
from mlp_cli.data.load import load
from mlp_cli.data.own import Own, resolved
from mlp_cli.errors import DataError, UsageError

GENERATOR = np.random.default_rng(11)


def arrays(root: Path, count: int = 20, **more: Any) -> Path:
    path = root / "arrays.npz"
    x = GENERATOR.integers(0, 256, (count, 4), dtype=np.uint8)
    np.savez(path, **({"x": x, "y": np.arange(count) % 2} | more))
    return path


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(["a,b,y", *lines]) + "\n")
    return path


def test_a_second_start_reads_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = arrays(tmp_path)
    first = load(path=path)
    with monkeypatch.context() as patch:
        patch.setitem(FORMATS, "npz", FORMATS["npz"]._replace(read=lambda path: pytest.fail("read again")))
        again = load(path=path)
        assert again.sha256 == first.sha256 and isinstance(again.train.x.base, np.memmap)
    cache.release(again.train.x)
    assert again.train.x.tolist() == first.train.x.tolist(), "what was given back can be read again"
    arrays(tmp_path)
    os.utime(path, (9, 9))
    assert load(path=path).sha256 != first.sha256, "the file has changed"


def test_what_decides_the_content_has_a_cache_of_its_own(tmp_path: Path) -> None:
    folder = make_idx_set(tmp_path / "shapes", 40, 10)
    classes, numbers = load(path=folder), load(path=folder, task="regression")
    assert classes.task == "classification" and numbers.task == "regression" and numbers.classes == () and numbers.outputs == 1
    assert numbers.train.y.dtype == np.float64 and load(path=folder).task == "classification"
    ready = [entry.name for entry in (cache.cache_folder() / "ready").iterdir() if not entry.name.startswith(".")]
    assert len(ready) == 2


def test_parts_from_other_files(tmp_path: Path) -> None:
    main = arrays(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    validation = arrays(other, 6)
    dataset = load(path=main, own=Own(validation_path=str(validation), test_path=str(validation)))
    assert [len(part or ()) for part in (dataset.train, dataset.validation, dataset.test)] == [20, 6, 6]
    assert dataset.validation is not None and dataset.test is not None
    rows = dataset.validation.x[dataset.validation.index]
    assert rows.tolist() == arrays_in(validation)["x"].tolist() == dataset.test.x[dataset.test.index].tolist()
    with pytest.raises(UsageError, match="does not go with a validation part of its own path"):
        load(path=main, test=2, own=Own(validation_path=str(validation)))
    np.savez(validation, x=np.zeros((5, 3), np.uint8), y=np.arange(5) % 2)
    with pytest.raises(DataError, match=r"rows are uint8 \(3,\) in the test part, uint8 \(4,\) in"):
        load(path=main, own=Own(test_path=str(validation)))


def pictures(root: Path, names: str | list[str]) -> Path:
    """Four pictures of 3 x 3 pixels a class."""
    from PIL import Image

    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.full((3, 3), 40 * place + number, np.uint8)).save(root / name / f"{number}.png")
    return root


def numbered(path: Path, labels: list[float]) -> Path:
    np.savez(path, x=np.zeros((len(labels), 3, 3), np.uint8), y=np.array(labels))
    return path


def test_picture_classes_are_matched_by_name(tmp_path: Path) -> None:
    main = pictures(tmp_path / "main", "abc")
    dataset = load(path=main, validation=0, own=Own(test_path=str(pictures(tmp_path / "more", "cb"))))
    assert dataset.classes == ("a", "b", "c")
    assert dataset.test is not None and dataset.test.y.tolist() == [1] * 4 + [2] * 4
    with pytest.raises(DataError, match=r"the test part has the classes a, z, and .*main has a, b, c"):
        load(path=main, own=Own(test_path=str(pictures(tmp_path / "odd", "az"))))


def test_numbers_for_classes_that_have_names(tmp_path: Path) -> None:
    """One part names its classes, the other numbers them: they are matched where that can be meant, and never in silence."""
    digits, letters = pictures(tmp_path / "digits", ["1", "2", "10"]), pictures(tmp_path / "letters", "abc")
    numbers = numbered(tmp_path / "numbers.npz", [2, 10, 1, 2])
    dataset = load(path=digits, validation=0, own=Own(test_path=str(numbers)))
    assert dataset.classes == ("1", "2", "10") and dataset.test is not None
    assert dataset.test.y.tolist() == [1, 2, 0, 1] and dataset.notices == ()
    dataset = load(path=numbers, validation=0, own=Own(test_path=str(digits)))
    assert dataset.test is not None and dataset.test.y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    dataset = load(path=letters, validation=0, own=Own(test_path=str(numbered(tmp_path / "few.npz", [2.0, 0.0]))))
    assert dataset.test is not None and dataset.test.y.tolist() == [2, 0]
    assert dataset.notices == (
        "the labels of the test part are taken as numbers of the classes: 0 is a",
        "1 class with rows in the training part alone: b",
    )


@pytest.mark.parametrize("labels", [[0, 1, 3], [0.5, 1, 2], [-1, 0, 1]])
def test_numbers_that_no_class_has(tmp_path: Path, labels: list[float]) -> None:
    numbers, letters = numbered(tmp_path / "numbers.npz", labels), pictures(tmp_path / "letters", "abc")
    listed = ", ".join(f"{label:g}" for label in labels)
    for main, other, words in (
        (letters, numbers, f"the test part has the classes {listed}, and {letters} has a, b, c"),
        (numbers, letters, f"the test part has the classes a, b, c, and {numbers} has {listed}"),
    ):
        with pytest.raises(DataError) as caught:
            load(path=main, own=Own(test_path=str(other)))
        assert caught.value.message == words


def test_own_validation_rows_are_told_of(tmp_path: Path) -> None:
    x = GENERATOR.integers(0, 256, (6, 4), dtype=np.uint8)
    path = arrays(tmp_path, x_val=x, y_val=np.arange(6) % 2)
    (notice,) = load(path=path).notices
    assert notice == "arrays has a validation part of 6 rows of its own; split: official uses it"
    dataset = load(path=path, split="official")
    assert dataset.notices == () and dataset.validation is not None
    assert dataset.validation.x[dataset.validation.index].tolist() == x.tolist()


def test_what_was_told_is_told_again(tmp_path: Path) -> None:
    """Also where the arrays come from the cache, by when nothing is read."""
    path = arrays(tmp_path, x_test=np.zeros((2, 4), np.uint8))
    for _ in range(3):
        assert load(path=path).notices == ("x_test has no labels (no y_test is there) and is passed over",)


def test_a_path_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        load(path="data/none.npz")
    assert caught.value.message == f"data/none.npz: no such file or folder (looked for in {tmp_path})"
    with pytest.raises(DataError, match=r"none.npz: no such file or folder$"):
        load(path=tmp_path / "none.npz")


def test_a_format_takes_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlp_cli.data.formats.FORMATS", dict(FORMATS))

    @reads("words", "lists of words (.words)", ".words")
    def read_words(path: Path) -> Found:
        words = path.read_text().split()
        return Found(
            {"train_x": np.array([[len(word)] for word in words]), "train_y": np.array([word[0] == "a" for word in words])}
        )

    (tmp_path / "some.words").write_text("ant bee ape cat")
    dataset = load(path=tmp_path / "some.words", validation=0)
    assert dataset.train.x.tolist() == [[3]] * 4 and dataset.classes == ("0", "1") and dataset.name == "some"
    (tmp_path / "some.other").write_text("x")
    with pytest.raises(DataError, match="not a format that is known") as caught:
        load(path=tmp_path / "some.other")
    assert "lists of words (.words)" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["data.csv.zip", "data.tsv.zip"])
def test_a_table_in_a_zip_archive(tmp_path: Path, name: str) -> None:
    text = "a,b,y\n1,p,u\n3,q,v\n4,p,u\n"
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/inner.csv", text.replace(",", "\t") if "tsv" in name else text)
        archive.writestr("__MACOSX/folder/._inner.csv", "x")
        archive.writestr(".DS_Store", "x")
    dataset = load(path=tmp_path / name, validation=0, own=Own(target="y"))
    assert dataset.name == "data" and dataset.train.x.tolist() == [[1, 1, 0], [3, 0, 1], [4, 1, 0]]
    with zipfile.ZipFile(tmp_path / name, "a") as archive:
        archive.writestr("more.csv", text)
    with pytest.raises(DataError, match="holds 2 files; a single one is expected"):
        load(path=tmp_path / name, own=Own(target="y"))


def test_a_part_of_a_file_with_parts(tmp_path: Path) -> None:
    """The training part of another file is what it gives; that it has others as well must not pass in silence."""
    main = arrays(tmp_path)
    (tmp_path / "other").mkdir()
    other = arrays(tmp_path / "other", x_test=np.zeros((2, 4), np.uint8), y_test=np.arange(2))
    with pytest.raises(DataError, match="has a test part as well") as caught:
        load(path=main, own=Own(test_path=str(other)))
    assert "test_path" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        ([3, 7, 3, 7], "classification", ("3", "7")),
        ([-1, 1, -1, 1], "classification", ("-1", "1")),
        ([0.0, 1.0, 2.0, 1.0], "classification", ("0", "1", "2")),
        ([0.5, 1.0, 2.0, 1.0], "regression", ()),
    ],
)
def test_what_labels_mean(labels: list[float], task: str, classes: tuple[str, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", x=np.eye(4), y=np.array(labels))
    dataset = load(path=tmp_path / "some.npz", validation=0)
    assert (dataset.task, dataset.classes) == (task, classes)
    if classes:
        assert [float(classes[number]) for number in dataset.train.y] == labels


def test_too_many_and_too_few_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", x=np.zeros((1500, 1)), y=np.arange(1500))
    with pytest.raises(DataError, match="1,500 different values") as caught:
        load(path=tmp_path / "many.npz")
    assert caught.value.hint == "if it is a quantity, set loss: mse"
    assert load(path=tmp_path / "many.npz", task="regression").task == "regression"
    np.savez(tmp_path / "one.npz", x=np.zeros((9, 1)), y=np.ones(9, int))
    with pytest.raises(DataError, match="the target has one class only, '1'"):
        load(path=tmp_path / "one.npz")


def test_an_encoding_knows_the_training_rows_alone(tmp_path: Path) -> None:
    path = table(tmp_path / "some.csv", "1,p,u", "3,q,v", ",p,u", "5,r,v", "900,s,u")
    dataset = load(path=path, split="last", validation=1, own=Own(target="y", missing="mean"))
    assert dataset.encoding is not None and dataset.encoding.names() == ("a", "b=p", "b=q", "b=r")
    assert dataset.encoding.features[0].fill == 3.0, "the mean of 1, 3 and 5, without the validation row's 900"
    assert dataset.train.x[2].tolist() == [3, 1, 0, 0] and dataset.train.x[4].tolist() == [900, 0, 0, 0]
    assert "column b has 's' in line 6, which the training rows lack" in dataset.notices[0]
    assert dataset.outputs == 2 and dataset.classes == ("u", "v") and dataset.target == "y"
    limited = load(path=path, split="last", validation=1, limit=2, own=Own(target="y", missing="mean"))
    assert limited.encoding is not None and limited.encoding != dataset.encoding, "the limit is part of what trains"


def test_tables_in_parts(tmp_path: Path) -> None:
    main = table(tmp_path / "main.csv", "1,p,u", "3,q,v", "4,p,u")
    test = tmp_path / "test.tsv"
    test.write_text("y\tb\ta\textra\nv\tp\t7\t0\n")
    validation = table(tmp_path / "validation.csv", "8,q,u")
    options = Own(target="y", test_path=str(test), validation_path=str(validation))
    dataset = load(path=main, own=options)
    assert dataset.train.index.tolist() == [0, 1, 2] and dataset.validation is not None and dataset.test is not None
    assert dataset.validation.x[dataset.validation.index].tolist() == [[8, 0, 1]] and dataset.test.x.tolist() == [[7, 1, 0]]
    assert dataset.test.y.tolist() == [1] and dataset.validation.y[dataset.validation.index].tolist() == [0]
    assert dataset.sha256 != load(path=main, validation=0, own=Own(target="y")).sha256
    table(tmp_path / "validation.csv", "8,q,w")
    with pytest.raises(DataError, match=r"validation.csv: target y has 'w' in line 2, which is no class of training"):
        load(path=main, own=options)


def test_equal_rows_of_a_table_stay_in_one_part(tmp_path: Path) -> None:
    lines = [f"{number // 4},{'pq'[number % 8 // 4]},{'uv'[number % 8 // 4]}" for number in range(80)]
    dataset = load(path=table(tmp_path / "some.csv", *lines), validation=16, test=16, own=Own(target="y"))
    parts = [dataset.train, dataset.validation, dataset.test]
    values = [set(part.x[part.index][:, 0]) for part in parts if part]
    assert [len(part) for part in parts if part] == [48, 16, 16]
    assert not (values[0] & values[1] or values[0] & values[2] or values[1] & values[2])


def test_a_folder_with_one_data_file_says_so(tmp_path: Path) -> None:
    path = arrays(tmp_path)
    with pytest.raises(DataError, match=r"give the file itself: path: .*arrays\.npz"):
        load(path=tmp_path)
    assert format_of(resolved(path))[0].name == "npz"


@given(x=st.integers(1, 30), classes=st.integers(2, 5), kept=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_kept_classes_are_the_rows_of_these_alone(x: int, classes: int, kept: st.DataObject, tmp_path: Path) -> None:
    y = np.arange(x + 2 * classes) % classes
    np.savez(tmp_path / "set.npz", x=np.arange(len(y), dtype=np.float64)[:, None], y=y)
    names = kept.draw(
        st.permutations([str(k) for k in range(classes)]).flatmap(lambda order: st.just(order[: max(2, len(order) - 1)]))
    )
    dataset = load(path=tmp_path / "set.npz", validation=0, classes=names)
    assert dataset.classes == tuple(names)
    rows = [(int(value), names[number]) for value, number in zip(dataset.train.x[:, 0], dataset.train.y, strict=True)]
    assert rows == [(at, str(label)) for at, label in enumerate(y) if str(label) in names]


def test_the_rows_of_kept_classes_are_those_of_their_tables(tmp_path: Path) -> None:
    for name, rows in {"main": "1,p\n2,q\n3,r\n4,q\n5,p\n", "later": "6,r\n7,q\n", "test": "8,p\n9,r\n10,p\n11,q\n"}.items():
        (tmp_path / f"{name}.csv").write_text(f"a,y\n{rows}")
    own = Own(target="y", validation_path=str(tmp_path / "later.csv"), test_path=str(tmp_path / "test.csv"))
    dataset = load(path=tmp_path / "main.csv", own=own, classes=["q", "p"])
    parts = [(part.x[part.index, 0].tolist(), part.y[part.index].tolist()) for part in dataset.parts().values()]
    assert parts == [([1, 2, 4, 5], [1, 0, 0, 1]), ([7], [0]), ([8, 10, 11], [1, 1, 0])]
