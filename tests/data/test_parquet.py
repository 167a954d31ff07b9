"""Parquet: the same tables as in .csv, and the same care with faults; most of it runs only where pyarrow is installed."""

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import need

from mlp_cli.data.encoding import fit_encoding, read_target
from mlp_cli.data.own import Own
from mlp_cli.data.tables import read_table
from mlp_cli.errors import DataError, MlpError, UsageError

needs_pyarrow = pytest.mark.usefixtures("pyarrow")


@pytest.fixture
def pyarrow() -> None:
    """Skips the test without the package; see `need`."""
    need("pyarrow")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "some.parquet"
    path.write_bytes(content)
    return path


def test_parquet_without_pyarrow_gives_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match="parquet files need pyarrow, which is not installed") as caught:
        read_table(written(tmp_path, b"PAR1"), Own())
    assert caught.value.hint == "pip install 'mlp-cli[parquet]'"
    with pytest.raises(DataError, match="not a parquet file: does not start with PAR1"):
        read_table(written(tmp_path, b"something else"), Own())


@needs_pyarrow
def test_parquet_is_read_as_the_same_table_in_csv_is(tmp_path: Path) -> None:
    import pandas

    frame = pandas.DataFrame(
        {"n": [1, 2, 3], "x": [0.5, None, 2.0], "t": ["u", None, "v"], "b": [True, False, True], "y": [0, 1, 1]}
    )
    frame.to_parquet(tmp_path / "some.parquet")
    frame.to_csv(tmp_path / "some.csv", index=False)
    parquet, text = (read_table(tmp_path / f"some{suffix}", Own(target="y")) for suffix in (".parquet", ".csv"))
    assert parquet.sha256() == text.sha256()
    rows = np.arange(3)
    matrices = [fit_encoding(table, rows, "mean").apply(table).tolist() for table in (parquet, text)]
    assert matrices[0] == matrices[1] == [[1, 0.5, 1, 0, 0, 1], [2, 1.25, 1, 0, 1, 0], [3, 2, 0, 1, 0, 1]]
    assert (parquet.place, parquet.places.tolist()) == ("row", [1, 2, 3])


@needs_pyarrow
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [[1], [2]], "y": [0, 1]}, "column a holds neither numbers nor texts"),
        ({"a": [b"1", b"2"], "y": [0, 1]}, "column a holds neither numbers nor texts"),
        ({"a": [1.0, float("inf")], "y": [0, 1]}, "column a holds inf in row 2, which is not finite"),
        ({"a": [], "y": []}, "has no rows"),
        ({"a": [1], "z": [2]}, "target: no column y"),
    ],
)
def test_faults_of_parquet(tmp_path: Path, columns: dict[str, list[Any]], message: str) -> None:
    import pandas

    pandas.DataFrame(columns).to_parquet(tmp_path / "some.parquet")
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "some.parquet", Own(target="y"))


@needs_pyarrow
def test_damaged_parquet_is_a_data_error_and_nothing_else(tmp_path: Path) -> None:
    import pandas

    pandas.DataFrame({"n": [1, 2, 3], "t": ["u", None, "v"], "y": [0, 1, 1]}).to_parquet(tmp_path / "good.parquet")
    good, generator = (tmp_path / "good.parquet").read_bytes(), random.Random(0)
    for turn in range(200):
        content = bytearray(good)
        for _ in range(generator.choice([1, 1, 3, 10])):
            content[generator.randrange(len(content))] = generator.randrange(256)
        if turn % 4 == 0:
            del content[generator.randrange(len(content)) :]
        path = written(tmp_path, bytes(content))
        try:
            read_target(read_table(path, Own(target="y")))
        except MlpError as error:
            assert isinstance(error, DataError) and "\n" not in error.message
