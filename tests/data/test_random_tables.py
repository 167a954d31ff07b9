"""Random tables and configs: a run is sound, each of its inputs the cell that stands in the file, or it ends in an error of ours."""

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp_cli.build import build, load_data
from mlp_cli.config import config_from_mapping
from mlp_cli.data.tables import MISSING
from mlp_cli.errors import MlpError

WORDS = [
    "red",
    "blue",
    "light green",
    "a,b",
    "x;y",
    'in"ch',
    "é漢",
    "two\nlines",
    "NA",
    "None",
    "TRUE",
    "false",
    "-",
    "#1",
    "2020-01-05",
    "12%",
]
SOUND = {
    "whole": st.integers(-3, 300).map(str),
    "flags": st.sampled_from(["0", "1"]),
    "floats as classes": st.sampled_from(["0.0", "1.0", "2.0"]),
    "floats": st.floats(-1e6, 1e6, width=32).map(repr),
    "words": st.sampled_from(WORDS),
    "few words": st.sampled_from(["a", "b"]),
    "codes": st.sampled_from(["007", "012", "10", "9"]),
}
ODD = {
    "large": st.sampled_from(["1e30", "-3e38", "1700000000", "1e-42", "9007199254740993"]),
    "too large": st.sampled_from(["1", "1e39", "inf", "-Infinity", "1e999"]),
    "stray": st.sampled_from(["1", "2.5", "3", "x", "$4"]),
    "grouped": st.sampled_from(["1,500", "2,000,000", "12"]),
    "commas": st.sampled_from(["1,5", "2,25", "3"]),
    "empty": st.just(""),
}
KINDS = SOUND | ODD


def often(usual: Any, other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value of the first strategy three times out of four."""
    return st.integers(0, 3).flatmap(lambda number: usual if number else other)


def columns(kinds: list[str]) -> st.SearchStrategy[tuple[str, float]]:
    """The kind of a column and its share of gaps."""
    return st.tuples(
        often(st.sampled_from(kinds), st.sampled_from(sorted(KINDS))), often(st.just(0.0), st.sampled_from([0.1, 0.5]))
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[str]], str, dict[str, Any]]:
    """The rows of a table, the header first, its separator, and a config for it."""
    count = draw(st.integers(1, 40))
    loss = draw(st.sampled_from(["cross_entropy", "mse"]))
    targets = ["floats", "whole"] if loss == "mse" else ["flags", "few words", "floats as classes"]
    table = []
    for kind, share in [*draw(st.lists(columns(sorted(SOUND)), min_size=1, max_size=4)), draw(columns(targets))]:
        cells = draw(st.lists(KINDS[kind], min_size=count, max_size=count))
        gap = draw(st.sampled_from(["", "NA", "?", "-99"]))
        table.append([gap if share and draw(st.floats(0, 1)) < share else cell for cell in cells])
    names = [*(f"c{place}" for place in range(len(table) - 1)), "y"]
    if draw(st.integers(1, 20)) == 13:
        names[0] = draw(st.sampled_from(["", "y", "0", "c1", "a b;c"]))
    some = st.lists(often(st.sampled_from(names[:-1]), st.sampled_from(names)), max_size=2, unique=True)
    reading: dict[str, Any] = {
        "sep": often(st.none(), st.sampled_from([",", ";", "\t", "|"])),
        "decimal": often(st.just("."), st.just(",")),
        "thousands": st.sampled_from([",", ".", None]),
        "header": often(st.sampled_from(["infer", 0]), st.sampled_from([1, "none"])),
        "na_values": st.lists(st.sampled_from(["-99", "x", "red"]), max_size=2, unique=True),
        "keep_default_na": st.booleans(),
        "encoding": st.sampled_from(["utf-8", "latin-1"]),
    }
    dataset: dict[str, Any] = {
        "drop": some,
        "categorical": some,
        "missing": often(st.sampled_from(["mean", "drop"]), st.just("error")),
        "validation": st.sampled_from([0, 1, 0.2, 7]),
        "test": st.sampled_from([0, 1, 0.3]),
        "limit": st.sampled_from([None, 2, 0.5]),
        "scale": st.sampled_from(["standard", "minmax", "none"]),
        "read": often(st.just({}), st.fixed_dictionaries({}, optional=reading)),
    }
    config = {
        "dataset": {"path": "", "target": "y"} | draw(st.fixed_dictionaries({}, optional=dataset)),
        "loss": loss,
        "dtype": draw(st.sampled_from(["float32", "float64"])),
        "hidden_sizes": [3],
        "epochs": 1,
        "batch_size": 16,
    }
    return [names, *map(list, zip(*table, strict=True))], draw(st.sampled_from([",", ";", "\t"])), config


def check(folder: Path, rows: list[list[str]], sep: str, config: dict[str, Any]) -> bool:
    """Whether the run was sound; False where it ended in an error of ours. Anything else fails."""
    text = io.StringIO()
    csv.writer(text, delimiter=sep, lineterminator="\n").writerows(rows)
    (folder / "some.csv").write_text(text.getvalue(), encoding="utf-8")
    config = config | {"dataset": config["dataset"] | {"path": str(folder / "some.csv")}}
    try:
        resolved = config_from_mapping(config)
        dataset = load_data(resolved)
        trainer = build(resolved, dataset)
        trainer.fit()
    except MlpError as error:
        assert "\n" not in error.message or "problem" in error.message
        return False
    assert math.isfinite(trainer.state.history[-1].train_loss)
    read = config["dataset"].get("read", {})
    if read.get("header", "infer") != "infer" or read.get("encoding", "utf-8") != "utf-8":
        return True
    check_cells(dataset, rows, read, config["dataset"])
    return True


def check_cells(dataset: Any, rows: list[list[str]], read: dict[str, Any], options: dict[str, Any]) -> None:
    """Each input and target is that of the row's own cell."""
    gaps = {*(MISSING if read.get("keep_default_na", True) else [""]), *read.get("na_values", [])}
    missing = [[cell.strip() in gaps for cell in row] for row in rows[1:]]
    used = [place for place, name in enumerate(rows[0]) if name == "y" or name not in options.get("drop", [])]
    kept = [
        row
        for row, flags in zip(rows[1:], missing, strict=True)
        if options.get("missing") != "drop" or not any(flags[place] for place in used)
    ]
    parts = [part for part in (dataset.train, dataset.validation, dataset.test) if part is not None]
    index = np.concatenate([part.index for part in parts])
    assert len(set(index.tolist())) == len(index) <= len(kept) == len(dataset.train.y)
    assert all(np.isfinite(part.x).all() for part in parts)
    plain = read.get("decimal", ".") == "." and not read.get("thousands")
    for at, name in enumerate(dataset.encoding.names()):
        column, _, category = name.partition("=")
        place = rows[0].index(column)
        for row in index:
            cell, value = kept[row][place].strip(), dataset.train.x[row, at]
            if cell in gaps:
                continue
            if category:
                assert value == (cell == category)
            elif plain:
                assert value == float(cell)
    for row in index:
        cell, y = kept[row][-1].strip(), dataset.train.y[row]
        if dataset.classes:
            name = dataset.classes[y]
            assert name == cell or (plain and float(name) == float(cell)) or not plain
        elif plain:
            assert y == float(cell)


@given(case=cases())
def test_random_tables(tmp_path_factory: pytest.TempPathFactory, case: Any) -> None:
    check(tmp_path_factory.getbasetemp(), *case)


@pytest.mark.slow
def test_a_thousand_random_tables(tmp_path_factory: pytest.TempPathFactory) -> None:
    sound = []

    @settings(max_examples=1_000, deadline=None)
    @given(case=cases())
    def run(case: Any) -> None:
        sound.append(check(tmp_path_factory.getbasetemp(), *case))

    run()
    assert len(sound) >= 1_000 and sum(sound) > 150, "many random configs are wrong, and many have to be sound"
