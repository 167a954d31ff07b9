"""Claims are held against runs: conditions, what is missing, the table in the README, and equal bytes when all is done twice."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from fake_runs import write_run
from needs import skip
from small_sets import Answer

import mlp_cli
from mlp_cli.config.resolved import flat
from mlp_cli.errors import UsageError
from mlp_cli.report import reproduction
from mlp_cli.report.reproduction import MARKS, Claim, Row, Sweep, judge, markdown, summary_csv
from mlp_cli.report.where import parse
from mlp_cli.sweep.space import corners
from mlp_cli.sweep.sweepfile import Asked, plan_sweep

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("MLP_DATA_DIR")
TEN = {"name": "mnist", "sha256": "0" * 64, "train": 50, "validation": 5, "test": 10, "classes": list("abcdefghij")}

RATES = """
name: rates
base: {dataset: {name: ellipse, rows: 300, test_rows: 100, validation: 100}, hidden_sizes: [4], epochs: 3, batch_size: 20}
parameters: {learning_rate: [0.01, 1e-9]}
seeds: 2
"""
CLAIMS = """
rates.yaml:
  quick: [epochs=1, learning_rate=0.01]
  figures:
    curves: [loss, null]
    regions: [regions, null]
  claims:
  - {report: R0, claim: it learns, where: learning_rate=0.01, metrics: [val_accuracy], reached: val_accuracy>0.1, figures: [curves]}
  - {report: R1, claim: it is slow, where: learning_rate=1e-9, metrics: [val_settling_epoch], note: As it comes}
missing.yaml:
  claims:
  - {report: R2, claim: other data, metrics: [val_accuracy]}
"""
MISSING = "base: {dataset: {path: nowhere.npz}}\nseeds: 2\n"


def project(folder: Path) -> Path:
    """A folder with sweep files, claims, and a README that has a place for the table."""
    (folder / "configs" / "reports").mkdir(parents=True)
    (folder / "configs" / "reports" / "claims.yaml").write_text(CLAIMS, encoding="utf-8")
    (folder / "rates.yaml").write_text(RATES, encoding="utf-8")
    (folder / "missing.yaml").write_text(MISSING, encoding="utf-8")
    (folder / "README.md").write_text(f"before\n{MARKS[0]}an old table\n{MARKS[1]}after\n", encoding="utf-8")
    return folder


def table_rows(text: str) -> list[list[str]]:
    """The cells of each row that begins with `| R`."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| R")]


def made(folder: Path, scores: Sequence[float], **changes: object) -> Path:
    for seed, score in enumerate(scores):
        write_run(folder, seed=seed, score=score, epochs=8, data=TEN, **changes)
    return folder


@pytest.mark.parametrize(
    ("reached", "state"),
    [
        ("test_accuracy>=94.7%", "reached"),
        ("test_accuracy>0.949", "not reached"),
        ("val_accuracy_sd<=0.0101 and test_loss<=0.16", "reached"),
        ("val_accuracy_sd<=0.0099", "not reached"),
        ("verdict=best and val_settling_epoch<5.7", "reached"),
        ("test_loss_per_output<0.0149", "not reached"),
        (None, "shown"),
    ],
)
def test_conditions(tmp_path: Path, reached: str | None, state: str) -> None:
    # Accuracies 0.94, 0.95, 0.96: mean 0.95, sd 0.01; the test part's are 0.002 lower, its losses 1.1 − accuracy.
    claim = Claim(report="R0", claim="c", metrics=["test_accuracy"], reached=reached)
    assert judge("a.yaml", claim, made(tmp_path, [0.94, 0.95, 0.96]))[2] == state


def test_a_run_settles_where_its_loss_is_within_two_percent_of_its_least(tmp_path: Path) -> None:
    # Validation losses 0.15 + 0.1 / 2ᵉ for the epochs e = 1 … 7, at last 0.15: the first at most 0.153 is that of epoch 6, 0.1515625.
    claim = Claim(report="R2", claim="c", metrics=["val_settling_epoch", "test_loss_per_output"])
    *_, found = row = judge("a.yaml", claim, made(tmp_path, [0.95]))
    assert found is not None
    assert found.metrics["val_settling_epoch"].mean == 6
    assert found.metrics["test_loss_per_output"].mean == pytest.approx(0.015)
    assert table_rows(markdown([row], Path()))[0][2] == "validation settling epoch 6.0000, test loss per output 0.0150 (1 seed)"


def test_failed_seeds_reach_nothing(tmp_path: Path) -> None:
    made(tmp_path, [0.95])
    write_run(tmp_path, seed=1, status="failed", error="timeout", data=TEN)
    claim = Claim(report="R0", claim="c", metrics=["val_accuracy"], reached="val_accuracy>0")
    *_, state, found = judge("a.yaml", claim, tmp_path)
    assert state == "1 of 2 runs completed" and found is not None and found.n == 1


@pytest.mark.parametrize(("where", "count"), [(None, 2), ("learning_rate=7", 0)])
def test_a_claim_is_of_one_configuration(tmp_path: Path, where: str | None, count: int) -> None:
    made(tmp_path, [0.95], config={"learning_rate": 0.1})
    made(tmp_path, [0.95], config={"learning_rate": 0.2})
    with pytest.raises(UsageError, match=f"R0, c: {count} configurations of a.yaml in place of one"):
        judge("a.yaml", Claim(report="R0", claim="c", where=where, metrics=[]), tmp_path)


def test_the_command_does_all_it_can_and_twice_the_same(
    mlp: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time as a user calls it, the second time in this process, its sweeps included."""
    home, tables = project(tmp_path), []
    command = [sys.executable, "-m", "mlp_cli.report.reproduction", "--results", "one"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 3 and "nowhere.npz" in done.stderr, done.stderr
    tables.append((home / "README.md").read_text(encoding="utf-8"))

    def train(file: str, runs: Path, words: Sequence[str]) -> tuple[int, Path | None]:
        answer = mlp("sweep", file, *words, "--results", runs, "--json")
        return answer.code, Path(json.loads(answer.out)["folder"]) if answer.out else None

    monkeypatch.setattr(reproduction, "train", train)
    monkeypatch.setattr(sys, "argv", ["reproduction", "--results", "two"])
    assert reproduction.main() == 3
    tables.append((home / "README.md").read_text(encoding="utf-8"))
    assert tables[0].startswith(f"before\n{MARKS[0]}| report | claim |") and tables[0].endswith(f"|\n{MARKS[1]}after\n")
    assert "an old table" not in tables[0] and len(tables[0].splitlines()) == len(tables[1].splitlines())
    first, second, third = table_rows(tables[0])
    assert (first[0], first[3], first[5], first[6]) == ("R0", "reached", "[curves](one/curves.png)", "[rates](rates.yaml)")
    assert second[2].endswith("(2 seeds). As it comes") and second[3] == "shown"
    assert third[:4] == ["R2", "other data", "–", "its data is not here"]
    assert {path.name for path in (home / "one").iterdir()} == {"runs", "summary.csv", "curves.png", "regions.png"}
    assert all((home / "one" / name).read_bytes().startswith(b"\x89PNG") for name in ("curves.png", "regions.png"))
    same_bytes(home / "one", home / "two", 4)


def same_bytes(one: Path, two: Path, runs: int) -> None:
    """Whether two folders have the same summary, figures, curves and weights of so many runs."""
    curves = sorted(path.relative_to(one) for path in one.glob("runs/*/runs/*/metrics.csv"))
    assert len(curves) == runs
    for path in [Path("summary.csv"), *curves, *(path.relative_to(one) for path in one.glob("*.png"))]:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path
    for path in curves:
        with np.load(one / path.parent / "model.npz") as left, np.load(two / path.parent / "model.npz") as right:
            assert left.files == right.files
            assert all(left[name].tobytes() == right[name].tobytes() for name in left.files), path


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """In the folder of `project`, sweeps that train nothing: the words of each, whose first is its file. Their runs are in `made`."""
    monkeypatch.chdir(project(tmp_path))
    words: list[list[str]] = []

    def train(file: str, runs: Path, more: Sequence[str]) -> tuple[int, Path | None]:
        words.append([file, *more])
        return (3, None) if file == "missing.yaml" else (0, Path("made"))

    monkeypatch.setattr(reproduction, "train", train)
    return words


@pytest.mark.parametrize(("optional", "code"), [(False, 3), (True, 0)])
def test_the_small_version_leaves_the_readme(asked: list[list[str]], optional: bool, code: int) -> None:
    made(Path("made"), [0.95, 0.96], config={"learning_rate": 0.01})
    made(Path("made"), [0.85, 0.86], config={"learning_rate": 1e-9})
    claims = CLAIMS.replace("    regions: [regions, null]\n", "")
    claims = claims.replace("missing.yaml:\n", f"missing.yaml:\n  quick: [epochs=2]\n  optional: {str(optional).lower()}\n")
    reproduction.CLAIMS.write_text(claims, encoding="utf-8")
    rows, found = reproduction.reproduce(Path("results"), quick=True)
    assert found == code and len(rows) == 3
    assert asked == [
        ["rates.yaml", "epochs=1", "learning_rate=0.01", "--seeds", "2"],
        ["missing.yaml", "epochs=2", "--seeds", "2"],
    ]
    assert "an old table" in reproduction.README.read_text(encoding="utf-8")


def test_a_signal_ends_it_and_a_sweep_that_cannot_run(asked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reproduction"])
    for code, wanted in ((143, 143), (130, 130), (2, 1)):
        monkeypatch.setattr(reproduction, "train", lambda *_, code=code: (code, None))
        assert reproduction.main() == wanted
        assert not Path("results", "reproduction", "summary.csv").exists()
    assert "an old table" in reproduction.README.read_text(encoding="utf-8")


def test_a_readme_without_a_place(
    asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reproduction"])
    monkeypatch.setattr(reproduction, "train", lambda *_: (3, None))
    reproduction.README.write_text("no place\n", encoding="utf-8")
    assert reproduction.main() == 2
    answer = capsys.readouterr()
    assert "README.md has no place for the table\nwrite these lines into it:\n<!-- reproduction: begin -->\n" in answer.err
    assert len(table_rows(answer.out)) == 3, "the table is printed all the same"


def test_a_figure_that_the_runs_do_not_have(asked: list[list[str]]) -> None:
    made(Path("made"), [0.95, 0.96], config={"learning_rate": 0.01})
    made(Path("made"), [0.85, 0.86], config={"learning_rate": 1e-9})
    with pytest.raises(UsageError, match=r"the runs of made have no figure regions for regions.png"):
        reproduction.reproduce(Path("results"), quick=False)


def test_the_summary_has_a_row_a_claim_and_no_times(tmp_path: Path) -> None:
    claim = Claim(report="R0", claim="a, b", metrics=["val_accuracy"])
    missing: Row = ("b.yaml", claim, "its data is not here", None)
    rows = [judge("a.yaml", claim, made(tmp_path, [0.94, 0.95, 0.96])), missing]
    first, second = csv.DictReader(summary_csv(rows).splitlines())
    assert float(first["val_accuracy_mean"]) == pytest.approx(0.95) and float(first["val_accuracy_sd"]) == pytest.approx(0.01)
    assert (first["claim"], first["n"], first["state"]) == ("a, b", "3", "shown")
    assert (second["sweep"], second["n"], second["state"]) == ("b.yaml", "", "its data is not here")
    assert not any("seconds" in name for name in first)


@pytest.mark.parametrize("quick", [False, True])
def test_the_claims_go_with_the_sweeps(quick: bool, tmp_path: Path) -> None:
    """Each row's conditions pick one of the configurations that will be trained, so that nobody learns of a slip two hours later."""
    text = (ROOT / reproduction.CLAIMS).read_text(encoding="utf-8")
    sweeps = {file: Sweep.model_validate(entry) for file, entry in yaml.safe_load(text).items()}
    assert {claim.report[:2] for sweep in sweeps.values() for claim in sweep.claims} == {"R0", "R1", "R2", "R3", "R4"}
    for file, sweep in sweeps.items():
        if quick and sweep.quick is None:
            continue
        planned = plan_sweep(ROOT / file, sweep.quick or [] if quick else [], tmp_path, Asked(seeds=2 if quick else None))
        configs = [flat(config.to_dict()) for config in planned.space.check_all(corners(planned.space.axes))]
        for claim in sweep.claims:
            conditions = [
                parse(words, {key for config in configs for key in config}) for words in (claim.among, claim.where) if words
            ]
            assert sum(all(each.test(config) for each in conditions) for config in configs) == 1, (file, claim.claim)
            assert set(claim.figures) <= sweep.figures.keys()


@pytest.mark.slow
def test_the_small_version_twice(tmp_path: Path) -> None:
    if DATA is None:
        skip("MLP_DATA_DIR names no folder of data sets")
    environment = {**os.environ, "MLP_DATA_DIR": str(DATA)}
    for name in ("one", "two"):
        command = [sys.executable, "-m", "mlp_cli.report.reproduction", "--quick", "--results", str(tmp_path / name)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    same_bytes(tmp_path / "one", tmp_path / "two", len(list(tmp_path.glob("one/runs/*/runs/*"))))


@pytest.mark.slow
def test_the_classic_pickle_gives_the_bytes_of_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pickle = Path(str(DATA), "mnist-pkl", "mnist.pkl.gz")
    if not pickle.is_file():
        skip("MLP_DATA_DIR has no mnist-pkl/mnist.pkl.gz")
    monkeypatch.setenv("MLP_DATA_DIR", str(DATA))
    runs = [
        mlp_cli.train(
            dataset={**source, "split": "official", "scale": 256},
            hidden_sizes=[30],
            initializer="xavier_normal",
            epochs=2,
            batch_size=128,
            results=tmp_path / name,
            plots=False,
        )
        for name, source in {"pickle": {"path": str(pickle)}, "idx": {"name": "mnist"}}.items()
    ]
    one, two = (run.folder for run in runs)
    assert (one / "metrics.csv").read_bytes() == (two / "metrics.csv").read_bytes()
    with np.load(one / "model.npz") as left, np.load(two / "model.npz") as right:
        for name in ("W1", "b1", "W2", "b2"):
            assert left[name].tobytes() == right[name].tobytes(), name
    assert runs[0].record.metrics == runs[1].record.metrics
