"""Tables as matrices: fitted on training rows alone, applied to others, stored as plain values; targets as classes or quantities."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.data import encoding as encoding_module
from mlp_cli.data.dataset import RawSet
from mlp_cli.data.encoding import TableEncoding, encode, fit_encoding, read_own_table, read_target, ready_to_split
from mlp_cli.data.own import Own
from mlp_cli.data.tables import Table, read_table
from mlp_cli.errors import DataError

TEXT = "age,colour,y\n20,red,0\n30,blue,1\n?,blue,0\n50,green,1\n,,1\n"


def read(folder: Path, text: str, name: str = "some.csv", like: TableEncoding | None = None, **options: Any) -> Table:
    (folder / name).write_text(text, encoding="utf-8")
    return read_table(folder / name, Own(**{"target": "y"} | options), like)


def test_worked_by_hand(tmp_path: Path) -> None:
    table = read(tmp_path, TEXT)
    # Trained on the first three rows: ages 20 and 30 have the mean 25; blue is the most frequent colour; green is not known.
    encoding = fit_encoding(table, np.arange(3), "mean")
    assert encoding.names() == ("age", "colour=blue", "colour=red")
    expected = [[20, 0, 1], [30, 1, 0], [25, 1, 0], [50, 0, 0], [25, 1, 0]]
    matrix = encoding.apply(table)
    assert matrix.dtype == np.float64 and matrix.tolist() == expected
    assert encoding.apply(table, np.float32).dtype == np.float32 and encoding.apply(table, np.float32).tolist() == expected
    (notice,) = encoding.notices(table)
    assert "column colour has 'green' in line 5, which the training rows lack: encoded as none of its 2 categories" in notice
    assert fit_encoding(table, np.arange(5), "mean").notices(table) == ()


def test_of_equally_frequent_categories_the_first_in_order_fills(tmp_path: Path) -> None:
    encoding = fit_encoding(read(tmp_path, "c,y\nz,0\nb,1\n,0\nz,0\nb,1\n"), np.arange(5), "mean")
    assert encoding.features[0].fill == "b"


ROWS = st.lists(st.tuples(st.integers(-9, 9) | st.none(), st.sampled_from("abcd") | st.none()), min_size=1, max_size=15)


@given(rows=ROWS, others=ROWS)
def test_other_rows_never_change_the_encoding(tmp_path_factory: pytest.TempPathFactory, rows: Any, others: Any) -> None:
    rows = [(0, "a"), *rows]
    folder = tmp_path_factory.getbasetemp()

    def text(chosen: list[Any]) -> str:
        lines = (f"{'' if number is None else number},{letter or ''},t{number}" for number, letter in chosen)
        return "n,c,y\n" + "\n".join(lines)

    alone, among = read(folder, text(rows), "alone.csv"), read(folder, text([*others, *rows]), "among.csv")
    train = np.arange(len(others), len(others) + len(rows))
    encoding = fit_encoding(alone, np.arange(len(rows)), "mean")
    assert fit_encoding(among, train, "mean") == encoding
    whole = encoding.apply(among)
    assert whole[train].tobytes() == encoding.apply(alone).tobytes()
    known = sorted({letter for _, letter in rows if letter})
    for row, (number, letter) in zip(whole, others, strict=False):
        assert number is None or row[0] == number
        assert letter is None or row[1:].tolist() == [float(letter == category) for category in known]


def test_an_encoding_is_plain_values(tmp_path: Path) -> None:
    table = read(tmp_path, TEXT)
    encoding = fit_encoding(table, np.arange(5), "mean")
    back = TableEncoding.from_dict(json.loads(json.dumps(encoding.to_dict(), allow_nan=False)))
    assert back == encoding and back.apply(table).tobytes() == encoding.apply(table).tobytes()


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        {},
        {"features": 3},
        {"features": [{"name": "a"}]},
        {"features": [{"name": 1, "categories": None, "fill": None}]},
        {"features": [{"name": "a", "categories": None, "fill": "x"}]},
        {"features": [{"name": "a", "categories": [1], "fill": None}]},
        {"features": [{"name": "a", "categories": ["x"], "fill": "z"}]},
    ],
)
def test_something_else_is_no_encoding(stored: Any) -> None:
    with pytest.raises(DataError, match="not the encoding of a table"):
        TableEncoding.from_dict(stored)


def test_rows_to_predict_are_read_as_in_training(tmp_path: Path) -> None:
    train = read(tmp_path, "code,n,y\n01,1,a\nx,2,b\n01,3,a\n")
    encoding = fit_encoding(train, np.arange(3))
    # Other order, more columns (one without a name), codes that look like numbers here, no target.
    new = read(tmp_path, ",n,extra,code\n0,7,?,01\n1,8,?,x\n2,9,?,02\n", "new.csv", target=None, like=encoding)
    assert new.features == ("code", "n")
    assert encoding.apply(new).tolist() == [[1, 0, 7], [0, 1, 8], [0, 0, 9]]
    assert ["'02' in line 4" in notice for notice in encoding.notices(new)] == [True]
    with pytest.raises(DataError, match="column n holds 'seven' in line 2, which is not a number"):
        read(tmp_path, "code,n\n01,seven\n", "new.csv", target=None, like=encoding)
    with pytest.raises(DataError, match=r"no column code; did you mean Code\?"):
        read(tmp_path, "Code,n\n01,7\n", "new.csv", target=None, like=encoding)
    with pytest.raises(DataError, match="column n has no value in line 2"):
        encoding.apply(read(tmp_path, "code,n\n01,\n", "new.csv", target=None, like=encoding))
    with pytest.raises(DataError, match="no column n"):
        read(tmp_path, "code\nx\n", "new.csv", target=None, like=encoding)


def test_gaps_name_column_line_and_count(tmp_path: Path) -> None:
    table = read(tmp_path, TEXT)
    with pytest.raises(DataError, match=r"column age has no value in line 4 \(2 such rows\); so has column colour") as caught:
        fit_encoding(table, np.arange(2))
    assert caught.value.hint is not None and "missing: mean" in caught.value.hint
    with pytest.raises(DataError, match=r"column c has no value in line 3\n"):
        fit_encoding(read(tmp_path, "c,y\nx,1\n?,2\n"), np.arange(1))
    with pytest.raises(DataError, match="column a has no value in any training row"):
        fit_encoding(read(tmp_path, "a,y\n,1\n2,2\n"), np.arange(1), "mean")


@pytest.mark.parametrize("count", [1_000, 1_001])
def test_too_many_categories(tmp_path: Path, count: int) -> None:
    table = read(tmp_path, "day,y\n" + "".join(f"2020-{row:04d},{row % 2}\n" for row in range(count)))
    if count <= 1_000:
        assert fit_encoding(table, np.arange(count)).apply(table).shape == (count, count)
        return
    message = "column day has 1,001 different texts, such as '2020-0000'; as categories at most 1,000 are taken"
    with pytest.raises(DataError, match=message) as caught:
        fit_encoding(table, np.arange(count))
    assert caught.value.hint is not None and "drop: [day]" in caught.value.hint
    # Only the training rows count.
    assert len(fit_encoding(table, np.arange(5)).names()) == 5


def test_a_matrix_beyond_all_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = read(tmp_path, "a,b,y\n1,x,0\n2,z,1\n")
    monkeypatch.setattr(encoding_module, "LARGEST_MATRIX", 47)
    with pytest.raises(DataError, match="its 2 rows would take") as caught:
        fit_encoding(table, np.arange(2)).apply(table)
    assert caught.value.hint is not None and "column b alone has 2 categories" in caught.value.hint


@pytest.mark.parametrize(
    ("values", "task", "classes", "y"),
    [
        (["b", "a", "b"], "classification", ("a", "b"), [1, 0, 1]),
        (["10", "9", "-1"], "classification", ("-1", "9", "10"), [2, 1, 0]),
        (["1.0", "2", "1.0"], "classification", ("1", "2"), [0, 1, 0]),
        (["1e1", "+9", "-0.0", "10"], "classification", ("0", "9", "10"), [2, 1, 0, 2]),
        (["1.0", "2", "2.5"], "regression", (), [1, 2, 2.5]),
        (["01", "10", "02"], "classification", ("01", "02", "10"), [0, 2, 1]),
        (["1e2", "-2.5"], "regression", (), [100, -2.5]),
        ([str(number) for number in range(100)], "classification", tuple(map(str, range(100))), list(range(100))),
        ([f"{number}.0" for number in range(1000)], "classification", tuple(map(str, range(1000))), list(range(1000))),
    ],
)
def test_what_a_target_is(tmp_path: Path, values: list[str], task: str, classes: tuple[str, ...], y: list[float]) -> None:
    target = read_target(read(tmp_path, "a,y\n" + "".join(f"1,{value}\n" for value in values)))
    assert (target.task, target.classes, target.y.tolist()) == (task, classes, y)
    assert target.y.dtype == (np.int64 if task == "classification" else np.float64)


def test_the_task_can_be_given(tmp_path: Path) -> None:
    table = read(tmp_path, "a,y\n1,2.0\n1,10.0\n1,2.0\n")
    assert read_target(table).classes == ("2", "10")
    assert read_target(read(tmp_path, "a,y\n1,2.0\n1,10.0\n1,2.0\n", categorical=("y",))).classes == ("10.0", "2.0")
    assert read_target(read(tmp_path, "a,y\n1,10\n1,9\n1,x\n", categorical=("y",))).classes == ("10", "9", "x")
    whole = read(tmp_path, "a,y\n1,3\n1,4\n")
    assert read_target(whole, "regression").y.tolist() == [3.0, 4.0]


def test_test_rows_have_the_classes_of_training(tmp_path: Path) -> None:
    table = read(tmp_path, "a,y\n1,c\n1,c\n")
    assert read_target(table, classes=("a", "b", "c")).y.tolist() == [2, 2]
    with pytest.raises(DataError, match=r"target y has 'c' in line 2 \(2 such rows\), which is no class of training") as caught:
        read_target(table, classes=("a", "b"))
    assert caught.value.hint == "known: a, b"


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a", "", "b"], None, "column y has no value in line 3"),
        (["a", "a"], None, "target y has one class only, 'a': there is nothing to tell apart"),
        (["1.5", "x"], "regression", "column y holds 'x' in line 3, which is not a number"),
        (["1.5", "inf"], "regression", "column y holds inf in line 3, which is not finite"),
        ([*(f"{number}.5" for number in range(40)), "x"], None, "column y holds 'x' in line 42, which is not a number"),
        ([f"name {number}" for number in range(1_001)], None, "target y has 1,001 different values; at most 1,000 are classes"),
        ([str(number) for number in range(1_001)], None, "target y has 1,001 different values; at most 1,000 are classes"),
        (["0", "1", "y", "1"], None, "column y holds 'y' in line 4, which is not a number"),
    ],
)
def test_faults_of_targets(tmp_path: Path, values: list[str], task: Any, message: str) -> None:
    table = read(tmp_path, "a,y\n" + "".join(f"1,{value}\n" for value in values))
    with pytest.raises(DataError, match=message):
        read_target(table, task)


def test_the_hash_is_of_names_values_and_target(tmp_path: Path) -> None:
    base = read(tmp_path, "a,c,y\n1,u,0\n2,v,1\n").sha256()
    assert len(base) == 64
    assert read(tmp_path, "a\tc\ty\n1.0\t u\t0\n2\t'v'\t1\n".replace("'", '"'), "some.tsv").sha256() == base
    for other in ("b,c,y\n1,u,0\n2,v,1\n", "a,c,y\n1,u,0\n3,v,1\n", "a,c,y\n1,u,0\n2,w,1\n", "a,c,y\n1,u,0\n2,v,2\n"):
        assert read(tmp_path, other).sha256() != base
    keys = {
        "order": read(tmp_path, "a,c,y\n1,u,0\n2,v,1\n", order="a").sha256(),
        "drop": read(tmp_path, "c,y\nu,0\nv,1\n").sha256(),
    }
    assert keys["order"] != keys["drop"], "the split goes by it"


def own_table(folder: Path, text: str, task: Any = None, **options: Any) -> RawSet:
    (folder / "main.csv").write_text(text, encoding="utf-8")
    return ready_to_split(read_own_table(folder / "main.csv", Own(**{"target": "y"} | options), task))


def test_rows_with_gaps_are_left_out_and_counted(tmp_path: Path) -> None:
    text = "a,b,y\n1,u,p\n,u,q\n3,NA,p\n4,v,\n5,v,q\n6,u,p\n"
    (tmp_path / "test.csv").write_text("y,b,a\nq,u,1\np,,2\n")
    found = own_table(tmp_path, text, missing="drop", test_path=str(tmp_path / "test.csv"))
    whole, encoding = encode(found, np.arange(3))
    assert encoding.names() == ("a", "b=u", "b=v") and whole.classes == ("p", "q")
    assert whole.train_x.tolist() == [[1, 1, 0], [5, 0, 1], [6, 1, 0]] and whole.train_y.tolist() == [0, 1, 0]
    assert whole.test_x is not None and whole.test_x.tolist() == [[1, 1, 0]]
    told = [notice.partition(".csv: ")[2] for notice in whole.notices]
    assert "3 of 6 rows have gaps and are left out" in told and "1 of 2 rows have gaps and are left out" in told
    assert "column b holds NA, taken for a missing value; read: {keep_default_na: false} makes it a value" in told
    # A class that stands in rows with gaps alone is none.
    assert own_table(tmp_path, "a,y\n1,p\n,r\n3,q\n4,\n", missing="drop").classes == ("p", "q")
    with pytest.raises(DataError, match=r"every row has a gap, and dataset\.missing: drop leaves none"):
        own_table(tmp_path, "a,b,y\n,1,p\n1,,q\n", missing="drop")
    for missing in ("error", "mean"):
        with pytest.raises(DataError, match=r"column y has no value in line 5") as caught:
            own_table(tmp_path, text, missing=missing)
        assert caught.value.hint == "dataset.missing: drop leaves such rows out"
    with pytest.raises(DataError, match=r"column c has no value in line 2") as caught:
        encode(own_table(tmp_path, "c,y\nNA,p\nDE,q\n"), np.arange(2))
    assert caught.value.hint is not None and "where NA is a value: read: {keep_default_na: false}" in caught.value.hint


def test_a_quantity_taken_for_classes_is_told(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{row},{row * 7 % 45}\n" for row in range(51))
    assert len(set(range(0, 51 * 7, 7))) == 51
    (notice,) = own_table(tmp_path, text).notices
    assert notice.endswith("target y: 45 of its 45 classes have fewer than 3 rows; if it is a quantity, set loss: mse")
    assert own_table(tmp_path, text, task="regression").notices == ()
    assert own_table(tmp_path, "a,y\n" + "1,0\n2,1\n3,5\n" * 3).notices == ()
    assert own_table(tmp_path, "a,y\n1,p\n2,q\n").notices == (), "texts cannot be quantities"


def test_class_numbers_are_one_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("a,y\n1,1\n2,0\n3,1.0\n4,1e0\n")
    found = own_table(tmp_path, "a,y\n1,0.0\n2,1.0\n3,0.0\n4,1\n", test_path=str(tmp_path / "test.csv"))
    assert (found.classes, found.train_y.tolist()) == (("0", "1"), [0, 1, 0, 1])
    assert found.test_y is not None and found.test_y.tolist() == [1, 0, 1, 1]
    # Beyond what float64 can tell apart.
    assert own_table(tmp_path, "a,y\n1,9007199254740993\n2,9007199254740992\n").classes == (
        "9007199254740992",
        "9007199254740993",
    )


def test_groups_are_numbers_and_no_inputs(tmp_path: Path) -> None:
    found = own_table(tmp_path, "who,a,y\nzoe,1,p\nann,2,q\nzoe,3,p\n", groups="who")
    assert found.groups is not None and found.groups.tolist() == [1, 0, 1] and found.groups.dtype == np.int64
    assert encode(found, np.arange(3))[1].names() == ("a",) and found.order is None
    dropped = own_table(tmp_path, "who,a,y\nzoe,1,p\n,2,q\nzoe,3,p\nann,4,q\n", groups="who", missing="drop")
    assert dropped.groups is not None and dropped.groups.tolist() == [1, 1, 0]
    with pytest.raises(DataError, match="column who has no value in line 3"):
        own_table(tmp_path, "who,a,y\nzoe,1,p\n,2,q\n", groups="who")
    with pytest.raises(DataError, match="groups: no column wo; did you mean who"):
        own_table(tmp_path, "who,a,y\nzoe,1,p\nann,2,q\n", groups="wo")
    with pytest.raises(DataError, match="column y is the target and is in groups as well"):
        own_table(tmp_path, "a,y\n1,p\n2,q\n", groups="y")


@pytest.mark.parametrize(
    ("cells", "ranks"),
    [
        (["3", "1", "2", "1"], [2, 0, 1, 0]),
        (["1700000000000000001", "1700000000000000000", "1700000000000000002", "-5"], [2, 1, 3, 0]),
        (["0.5", "-1e3", "2", "2.0"], [1, 0, 2, 2]),
        (["2024-02-01", "2023-12-31", "2024-01-15", "2024-02-01"], [2, 0, 1, 2]),
        (["2024-01-05 10:30", "2024-01-05 09:00", "2024-01-06 00:00", "2023-01-05 23:59"], [2, 1, 3, 0]),
        (["2024-01-05T10:30:00+02:00", "2024-01-05T09:00:00+00:00", "2024-01-05T08:30:00+00:00"], [0, 1, 0]),
        # The 13th month is none, so the day stands first.
        (["01/02/2020", "02/01/2020", "13/01/2020", "31/12/2019"], [3, 1, 2, 0]),
        (["Jan 5, 2020", "Feb 3, 2019"], [1, 0]),
    ],
)
def test_rows_are_ordered_by_numbers_or_dates(tmp_path: Path, cells: list[str], ranks: list[int]) -> None:
    rows = "".join(f'"{cell}",{row},{"pq"[row % 2]}\n' for row, cell in enumerate(cells))
    found = own_table(tmp_path, "when,a,y\n" + rows, order="when")
    assert found.order is not None and found.order.dtype in (np.int64, np.float64)
    assert np.unique(found.order, return_inverse=True)[1].tolist() == ranks
    assert encode(found, np.arange(2))[1].names() == ("a",)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["01/02/2020", "02/01/2020"], "order: cells of column when, such as '01/02/2020', can be read in two ways"),
        (["soon", "2020-01-01"], "order: cells of column when, such as .* are neither numbers nor dates"),
        (["1", "2020-01-01"], "order: cells of column when, such as .* are neither numbers nor dates"),
        (["2020-01-01", ""], "column when has no value in line 3"),
    ],
)
def test_faults_of_an_order(tmp_path: Path, cells: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        own_table(tmp_path, "when,a,y\n" + "".join(f"{cell},{row},{row}\n" for row, cell in enumerate(cells)), order="when")


def test_a_validation_table_leaves_nothing_to_split_by(tmp_path: Path) -> None:
    (tmp_path / "later.csv").write_text("a,y\n7,q\n")
    whole = own_table(tmp_path, "g,a,y\n1,1,p\n2,2,q\n", groups="g", order="g", validation_path=str(tmp_path / "later.csv"))
    assert whole.groups is None and whole.order is None and whole.official_validation == 1 and len(whole.train_y) == 3


def test_what_is_told_of_a_target(tmp_path: Path) -> None:
    (first, second) = own_table(tmp_path, "a,y\n1,NA\n2,DE\n3,FR\n", missing="drop").notices
    assert first.endswith("1 of 3 rows have gaps and are left out")
    assert second.endswith("column y holds NA, taken for a missing value; read: {keep_default_na: false} makes it a value")
    (notice,) = own_table(tmp_path, "a,y\n1,18-25\n2,26-35\n3,18-25\n").notices
    assert notice.endswith("column y holds '18-25' in line 2 (2 such rows): no plain numbers, so 2 categories")


@pytest.mark.parametrize(("step", "refused"), [(1, False), (3, True)])
def test_numbers_that_occur_once_are_no_classes(tmp_path: Path, step: int, refused: bool) -> None:
    text = "a,y\n" + "".join(f"{row},{100 + step * row}\n" for row in range(21)) + "9,100\n"
    if not refused:
        assert len(own_table(tmp_path, text).classes) == 21, "numbers without gaps count classes"
        return
    with pytest.raises(DataError, match="target y has 21 different numbers in 22 rows, most of them once") as caught:
        own_table(tmp_path, text)
    assert caught.value.hint == "write loss: mse for a quantity"
    assert own_table(tmp_path, text, task="regression").classes == ()
    few = "a,y\n" + "".join(f"{row},{100 + step * row}\n" for row in range(20))
    assert len(own_table(tmp_path, few).classes) == 20, "few rows of few classes"
    texts = "a,y\n" + "".join(f"{row},c{step * row}\n" for row in range(21))
    assert len(own_table(tmp_path, texts).classes) == 21


def test_a_quantity_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"target y holds texts, such as 'cat' in line 2 .*, which are classes") as caught:
        own_table(tmp_path, "a,y\n1,cat\n2,dog\n", task="regression")
    assert caught.value.hint == "leave the loss out: mse, mae and huber are for quantities"
    with pytest.raises(DataError, match="column y holds 'dog' in line 3, which is not a number"):
        own_table(tmp_path, "a,y\n1,4\n2,dog\n", task="regression")


def test_what_becomes_of_texts_is_told(tmp_path: Path) -> None:
    lines = "".join(f"t{row},{'' if row < 2 else 'b' if row % 2 else 'a'},c{row % 2}\n" for row in range(25))
    whole = own_table(tmp_path, "note,kind,y\n" + lines, missing="mean")
    # Rows 2 to 24 hold 12 times a and 11 times b.
    note, gap = encode(whole, np.arange(25))[0].notices
    assert gap.endswith("column kind: 2 missing texts filled with 'a', its most frequent one")
    assert note.endswith("column note has another text in each of 25 rows; dataset.drop: [note] leaves it out")
    assert not any("note" in told for told in encode(whole, np.arange(20))[0].notices if "leaves it out" in told)
