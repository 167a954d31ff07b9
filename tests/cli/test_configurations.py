"""What a sweep and its report call configurations: only what was set apart, in one notation, and no network twice. Sweeps are
trained for real, and then asked for as a user asks."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_runs import write_run
from small_sets import Answer, arrays_in

from mlp_cli.plots import style
from mlp_cli.report.build import make_report
from mlp_cli.report.figures import panels

Mlp = Callable[..., Answer]
BEFORE = Path(__file__).parents[1] / "fixtures" / "format_1"
"""A sweep's folder as version 0.1.0 wrote it before the hash had format 2: its tables and its members' records."""

pytestmark = pytest.mark.usefixtures("undrawn")
"""One test draws figures without writing them."""

STOPPING = ("early_stopping=null,true,{patience: 2}", "batch_norm=false,true")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The config of the examples."""
    path = tmp_path / "base.yaml"
    path.write_text("dataset: {name: moons, rows: 300, test_rows: 50}\nhidden_sizes: [8]\nepochs: 1\nbatch_size: 64\n")
    return path


@pytest.fixture
def sweep(mlp: Mlp, base: Path) -> Mlp:
    """Sweeps over the base with two seeds, and returns what was printed."""

    def call(*words: str) -> Answer:
        answer = mlp("sweep", "base.yaml", *words, "--seeds", "2", "--executor", "serial")
        assert answer.code == 0, answer.err
        return answer

    return call


def trials(root: Path) -> list[dict[str, str]]:
    (path,) = (root / "results").glob("*/trials.csv")
    return list(csv.DictReader(path.read_text().splitlines()))


def summary(mlp: Mlp, *words: str) -> list[dict[str, str]]:
    """The rows of summary.csv."""
    answer = mlp("report", "results", "--format", "csv", *words)
    assert answer.code == 0, answer.err
    return list(csv.DictReader(io.StringIO(answer.out)))


def names(mlp: Mlp) -> set[str]:
    """The configurations by the names that the report gives them."""
    (group,) = json.loads(mlp("report", "results", "--json").out)["groups"]
    return {each["label"] for each in group["configurations"]}


@pytest.fixture(params=["trained", "before"])
def six(request: pytest.FixtureRequest, mlp: Mlp, tmp_path: Path) -> Path:
    """Six configurations in results/: trained now, or found as they were written before."""
    if request.param == "before":
        shutil.copytree(BEFORE, tmp_path / "results")
    else:
        request.getfixturevalue("sweep")(*STOPPING)
    return tmp_path


def test_an_option_exists_only_where_its_part_is_on(mlp: Mlp, six: Path) -> None:
    for where, count in (
        ("early_stopping.patience=5", 2),
        ("early_stopping.patience>0", 4),
        ("batch_norm.momentum>0", 3),
        ("not batch_norm.momentum>0", 3),
        ("early_stopping=true", 4),
        *((f"early_stopping={off}", 2) for off in ("null", "none", "false")),
        *((f"batch_norm!={off}", 3) for off in ("null", "none", "false")),
    ):
        assert len(summary(mlp, "--where", where)) == count, where
    rows = summary(mlp)
    cells = {(row["batch_norm"], row["early_stopping"], row["early_stopping.patience"]) for row in rows}
    assert cells == {(norm, *stop) for norm in ("null", "true") for stop in (("null", ""), ("true", "5"), ("true", "2"))}
    assert list(rows[0])[:5] == ["group", "batch_norm", "early_stopping", "early_stopping.patience", "n"], "and no evaluate"
    assert names(mlp) == {
        f"batch_norm={norm} {stop}"
        for norm in ("null", "true")
        for stop in (
            "early_stopping=null",
            "early_stopping=true early_stopping.patience=5",
            "early_stopping=true early_stopping.patience=2",
        )
    }


def test_a_sweep_has_one_word_for_off(sweep: Mlp, tmp_path: Path) -> None:
    out = sweep("early_stopping=false,true,{patience: 2}").out
    rows = trials(tmp_path)
    assert {row["early_stopping"] for row in rows} == {"null", "true", "{patience: 2}"}
    assert {row["label"].partition("_seed")[0] for row in rows} == {
        f"early_stopping-{text}" for text in ("null", "true", "patience-2")
    }
    assert re.search(r"^Best by mean .*: early_stopping=(null|true|\{patience: 2\}), ", out, re.MULTILINE)
    (path,) = (tmp_path / "results").glob("*/runs/early_stopping-null_seed-0-*")
    assert "\nbatch_norm: null\n" in (path / "config.yaml").read_text()
    assert "\nearly_stopping: null\n" in (path / "config.yaml").read_text()


def test_what_nobody_set_is_in_no_column_name_or_figure(sweep: Mlp, mlp: Mlp, tmp_path: Path) -> None:
    """The decay is 0.004 for adamw and 0 for the others, which is the optimizer's doing."""
    sweep("optimizer=sgd,adam,adamw")
    assert names(mlp) == {"optimizer=sgd", "optimizer=adam", "optimizer=adamw"}
    (folder,) = (tmp_path / "results").glob("*/report")
    (drawn,) = make_report([tmp_path / "results"]).groups
    with style.context():
        names_of = {panel.name for _, panel in panels(drawn)}
    assert names_of >= {"accuracy", "loss", "comparison", "val_accuracy-optimizer"} and not any(
        "decay" in name for name in names_of
    )
    for name in ("summary.csv", "runs.csv", "index.html"):
        assert "weight_decay" not in (folder / name).read_text()
    (group,) = json.loads(mlp("report", "results", "--json").out)["groups"]
    assert set(group["importance"]) == {"optimizer", "seeds"}
    assert len(summary(mlp, "--where", "weight_decay=0.004")) == 1, "asked for, it is known all the same"


def test_a_decay_that_was_set_is_shown(sweep: Mlp, mlp: Mlp) -> None:
    sweep("optimizer=sgd,adamw", "weight_decay=0,0.004")
    assert names(mlp) == {f"optimizer={name} weight_decay={decay}" for name in ("sgd", "adamw") for decay in ("0", "0.004")}


def test_numbers_have_one_notation(sweep: Mlp, mlp: Mlp, tmp_path: Path) -> None:
    sweep("learning_rate=1e-7,2.0", "dropout=0,0.5")
    expected = {(rate, dropout) for rate in ("1.0e-07", "2") for dropout in ("0", "0.5")}
    for rows in (trials(tmp_path), summary(mlp)):
        assert {(row["learning_rate"], row["dropout"]) for row in rows} == expected
    assert names(mlp) == {f"learning_rate={rate} dropout={dropout}" for rate, dropout in expected}
    written = {path.read_text() for path in (tmp_path / "results").glob("*/runs/*/config.yaml")}
    assert all(sum(f"\nlearning_rate: {rate}\n" in text for text in written) == 4 for rate in ("1.0e-07", "2"))
    assert len(summary(mlp, "--where", "learning_rate=1e-7 and dropout=0.0")) == 1


def test_several_kinds_of_layers_have_one_notation(sweep: Mlp, mlp: Mlp, tmp_path: Path) -> None:
    leaky = "[relu, {name: leaky_relu, negative_slope: 0.2}]"
    answer = sweep("hidden_sizes=[8,8]", f"activation=relu,[relu,tanh],{leaky}")
    assert {row["activation"] for row in trials(tmp_path)} == {"relu", "[relu, tanh]", leaky}
    best = r"^Best by mean .*: activation=(relu|\[relu, (tanh|\{name: leaky_relu, negative_slope: 0.2\})\]), "
    assert re.search(best, answer.out, re.MULTILINE)
    assert {row["activation"] for row in summary(mlp)} == {"relu", "[relu, tanh]", leaky}
    assert names(mlp) == {"activation=relu", "activation=[relu, tanh]", f"activation={leaky}"}
    for text in ("[relu,tanh]", "[relu, tanh]", "[ relu,{name: tanh} ]", leaky, "relu", "[relu, relu]"):
        assert len(summary(mlp, "--where", f"activation={text}")) == 1, text
    assert len(summary(mlp, "--where", "activation!=[relu,tanh]")) == 2
    assert mlp("report", "results", "--where", "activation=[tanh,relu]").code == 2
    one, other = sorted(path for path in (tmp_path / "results").glob("*/runs/*_seed-0-*") if "leaky" not in path.name)
    assert re.search(r"activation +\[relu, tanh\] +relu\n", mlp("diff", one, other).out)


@pytest.mark.parametrize(
    ("fixed", "axis"),
    [
        ("hidden_sizes=[]", "batch_norm=true,false"),
        ("hidden_sizes=[]", "batch_norm=null,{momentum: 0.5}"),
        ("hidden_sizes=[]", "dropout=0,0.5"),
        ("hidden_sizes=[]", "activation=relu,tanh,{name: leaky_relu, negative_slope: 0.2}"),
        ("dataset.split=last", "dataset.split_seed=0,1"),
    ],
)
def test_no_network_twice(sweep: Mlp, mlp: Mlp, tmp_path: Path, fixed: str, axis: str) -> None:
    answer = sweep(fixed, axis)
    assert "describe the same runs as another one and count once" in answer.err
    assert [row["seed"] for row in trials(tmp_path)] == ["0", "1"] and "runs        2 completed" in answer.out
    assert len(summary(mlp)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("hidden_sizes=[]", "batch_norm={momentum: 0.5}"), ("hidden_sizes=[]",)),
        (("hidden_sizes=[]", "dropout=0.5"), ("hidden_sizes=[]",)),
        (("hidden_sizes=[]", "activation=tanh"), ("hidden_sizes=[]",)),
        (("dataset.split=last", "dataset.split_seed=1"), ("dataset.split=last",)),
    ],
)
def test_one_run_by_either_name(mlp: Mlp, base: Path, tmp_path: Path, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """What the canonical form leaves out changes no byte, and the run is found by either name."""
    homes = []
    for number, words in enumerate((one, other)):
        assert mlp("train", "base.yaml", *words, "--no-plots", "--results", number).code == 0
        homes += (tmp_path / str(number)).iterdir()
    assert homes[0].name == homes[1].name
    assert (homes[0] / "metrics.csv").read_bytes() == (homes[1] / "metrics.csv").read_bytes()
    first, second = (arrays_in(home / "model.npz") for home in homes)
    weights = [name for name in first if name != "config"]
    assert {"W1", "b1"} <= set(weights) and list(first) == list(second)
    assert all(first[name].tobytes() == second[name].tobytes() for name in weights)
    before = (homes[0] / "run.json").stat().st_mtime_ns
    assert mlp("train", "base.yaml", *other, "--no-plots", "--results", 0).code == 0
    assert (homes[0] / "run.json").stat().st_mtime_ns == before and len(list((tmp_path / "0").iterdir())) == 1


def test_some_members_without_hidden_layers(sweep: Mlp, mlp: Mlp, tmp_path: Path) -> None:
    sweep("hidden_sizes=[],[8]", "batch_norm=true,false")
    rows = trials(tmp_path)
    assert {(row["hidden_sizes"], row["batch_norm"]) for row in rows} == {("[]", ""), ("[8]", "true"), ("[8]", "null")}
    assert names(mlp) == {"hidden_sizes=[]", "hidden_sizes=[8] batch_norm=true", "hidden_sizes=[8] batch_norm=null"}


def test_a_sweep_of_before_stays_and_counts_once(sweep: Mlp, mlp: Mlp, tmp_path: Path) -> None:
    """The same sweep has a new hash and a new folder. Nothing of the old one is touched; its runs are listed and reported, and
    the same run again is no repeat."""
    shutil.copytree(BEFORE, tmp_path / "results")
    (tmp_path / "base.yaml").write_text("dataset: moons\nhidden_sizes: [8]\nepochs: 1\nbatch_size: 64\n")
    before = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*") if path.is_file()}
    assert mlp("ls").out.count("completed") == 6 and "broken" not in mlp("ls").out
    sweep(*STOPPING)
    assert {path: path.read_bytes() for path in before} == before
    assert len([path for path in (tmp_path / "results").iterdir() if (path / "sweep.yaml").exists()]) == 2
    rows = summary(mlp)
    assert [row["n"] for row in rows] == ["2"] * 6 and mlp("ls").out.count("completed") == 18
    assert "6 runs have the config and seed of another" in json.dumps(json.loads(mlp("report", "results", "--json").out))


def change(folder: Path, **config: Any) -> None:
    """Changes the config of a record, as another version would write it."""
    path = folder / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"config": record["config"] | config}))


def test_runs_of_other_versions_are_listed_and_reported(mlp: Mlp, tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_run(results, name="now")
    later = write_run(results, seed=1, name="later")
    change(later, cutmix=0.2, optimizer={"name": "sophia", "beta_1": 0.9}, augment=[{"name": "shift", "pixels": 2}])
    earlier = write_run(results, seed=2, name="earlier")
    record = json.loads((earlier / "run.json").read_text())
    record["config"] = {key: record["config"][key] for key in ("name", "seed", "dataset", "hidden_sizes", "optimizer")}
    (earlier / "run.json").write_text(json.dumps(record))
    nonsense = write_run(results, seed=3, name="nonsense")
    nested: Any = 1
    for _ in range(100):
        nested = {"a": nested}
    change(nonsense, optimizer=nested)
    listing = mlp("ls").out
    assert listing.count("completed") == 3
    assert re.search(r"broken .*nonsense.*: .*the config's optimizer\S* is nested too deeply", listing)
    rows = {row["optimizer"]: row for row in summary(mlp)}
    assert (rows["adam"]["n"], rows["sophia"]["n"]) == ("2", "1"), "what was left out is at its default"
    assert (
        rows["sophia"]["cutmix"] == "0.2"
        and rows["sophia"]["augment"] == "[{name: shift, pixels: 2}]"
        and rows["adam"]["cutmix"] == ""
    )
    assert len(summary(mlp, "--where", "optimizer=sophia and cutmix>0")) == 1
    assert mlp("diff", "later", "earlier").code == 0


def test_diff_tells_off_from_what_does_not_apply(mlp: Mlp, tmp_path: Path) -> None:
    for name, stopping in (("on", {"patience": 2}), ("off", None)):
        write_run(tmp_path / "results", {"early_stopping": stopping}, name=name)
    shown = mlp("diff", "on", "off").out
    assert re.search(r"\n  early_stopping +true +null\n", shown) and re.search(r"\n  early_stopping.patience +2 +–\n", shown)
