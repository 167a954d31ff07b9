"""The figures at a sweep's end: those of the report, and those of the best run, which the page shows."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_sets import Answer, make_idx_set

from mlp_cli.cli.main import run

Mlp = Callable[..., Answer]
WORDS = ("sweep", "small.yaml", "--lr", "1e-5,1e-2", "--executor", "serial")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a config and a sweep of two rates, of which the second is far better; tests have copies of it."""
    root = tmp_path_factory.mktemp("winner")
    make_idx_set(root / "shapes")
    (root / "small.yaml").write_text(
        "dataset: {path: shapes, validation: 100}\nhidden_sizes: [16]\nepochs: 3\nbatch_size: 32\nlearning_rate: 3e-3\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("HOME", str(root / "cache"))
        assert run(list(WORDS)) == 0
    return root


@pytest.fixture
def winner_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of a report that a test makes are not drawn, but for those of the best run."""
    monkeypatch.setattr("mlp_cli.report.figures.draw", lambda report, with_files: [[] for _ in report.groups])


@pytest.fixture
def folder(mlp: Mlp, trained: Path, tmp_path: Path, winner_alone: None) -> Path:
    """The sweep's folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (found,) = (tmp_path / "results").iterdir()
    return found


def pictures(folder: Path) -> int:
    return (folder / "report" / "index.html").read_text().count('src="data:image/png;base64,')


def test_the_page_shows_the_best_runs_figures(folder: Path) -> None:
    (best,) = (folder / "report" / "best").iterdir()
    assert best.name.startswith("learning_rate-0.01_seed-0-")
    drawn = {path.name for path in (best / "plots").iterdir()}
    assert {"loss.png", "accuracy.png", "confusion.png", "weights.png"} == drawn and pictures(folder) == 2, "it makes no error"
    assert not list((folder / "runs").glob("*/plots")), "members have none"
    assert {path.suffix for path in (folder / "report" / "plots").iterdir()} == {".png", ".svg"}


def test_they_are_those_of_the_same_run_alone(folder: Path, mlp: Mlp) -> None:
    (best,) = (folder / "report" / "best").iterdir()
    assert mlp("train", folder / "runs" / best.name / "config.yaml", "--results", "alone").code == 0
    for path in (best / "plots").iterdir():
        assert path.read_bytes() == (folder.parents[1] / "alone" / best.name / "plots" / path.name).read_bytes(), path.name


def test_a_new_winner_takes_the_place_of_the_old_one(folder: Path, mlp: Mlp) -> None:
    (old,) = (folder / "report" / "best").iterdir()
    assert mlp(*WORDS[:3], "1e-5,1e-2,2e-2,5e-2", "--executor", "serial").code == 0
    (new,) = (folder / "report" / "best").iterdir()
    scores = {
        path.parent.name: json.loads(path.read_text())["metrics"]["val_accuracy"] for path in folder.glob("runs/*/run.json")
    }
    assert scores[new.name] == max(scores.values()) and pictures(folder) == 2
    assert (new == old) == (scores[old.name] == max(scores.values()))


def test_a_report_of_any_other_kind_finds_them(folder: Path, mlp: Mlp) -> None:
    assert mlp("report", "--out", "other").code == 0
    assert pictures(folder) == (folder.parents[1] / "other" / "index.html").read_text().count('src="data:image/png;base64,') == 2


def test_without_the_data_there_is_a_note(folder: Path, tmp_path: Path) -> None:
    from mlp_cli.report.build import make_report
    from mlp_cli.report.pictures import draw_winners

    shutil.rmtree(folder / "report")
    (tmp_path / "shapes").rename(tmp_path / "moved")
    said: list[str] = []
    draw_winners(make_report([folder]), folder, said.append)
    assert len(said) == 1 and said[0].startswith("the figures of the best run are not drawn: ")
    assert not (folder / "report" / "best").exists()


def test_damaged_weights_of_the_best_run_do_not_cost_the_report(folder: Path, mlp: Mlp) -> None:
    (best,) = (folder / "report" / "best").iterdir()
    (folder / "runs" / best.name / "model.npz").write_bytes(b"no weights")
    shutil.rmtree(folder / "report")
    answer = mlp(*WORDS)
    assert answer.code == 0 and "the figures of the best run are not drawn" in answer.err and "model.npz is damaged" in answer.err
    assert "report      " in answer.out and pictures(folder) == 0


@pytest.mark.parametrize("inside", ["runs", "report", "report/best"])
def test_nothing_is_written_through_a_link_in_the_sweeps_folder(folder: Path, mlp: Mlp, tmp_path: Path, inside: str) -> None:
    outside = tmp_path / "outside"
    (outside / "plots").mkdir(parents=True)
    (outside / "plots" / "mine.png").touch()
    (outside / "mine").mkdir()
    (folder / inside).rename(tmp_path / "away")
    (folder / inside).symlink_to(outside)
    answer = mlp(*WORDS[:3], "1e-5,1e-2,2e-2", "--executor", "serial")
    assert answer.code == 1 and f"cannot write {Path('results') / folder.name / inside}: it is a symbolic link" in answer.err
    assert sorted(str(path.relative_to(outside)) for path in outside.rglob("*")) == ["mine", "plots", "plots/mine.png"]


def test_a_link_to_another_sweep_among_the_members_leaves_that_as_it_is(folder: Path, mlp: Mlp) -> None:
    """Its run would be the winner; figures of it are neither drawn nor taken away."""
    assert mlp("sweep", "small.yaml", "--lr", "1e-5,2e-5", "hidden_sizes=[3]", "--executor", "serial").code == 0
    (other,) = (each for each in folder.parent.iterdir() if each != folder)
    (earlier,) = (other / "report" / "best").iterdir()
    (other / "runs" / "linked").symlink_to(folder, target_is_directory=True)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    answer = mlp("sweep", "small.yaml", "--lr", "1e-5,2e-5,3e-5", "hidden_sizes=[3]", "--executor", "serial")
    assert answer.code == 0, answer.err
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert [path.name for path in (other / "report" / "best").iterdir()] == [earlier.name]


@pytest.mark.usefixtures("winner_alone")
def test_pictures_that_every_seed_gets_wrong(mlp: Mlp, tmp_path: Path) -> None:
    """Drawn at the sweep's end, not again while no seed is new, and again once one is."""
    make_idx_set(tmp_path / "shapes")
    words = ("sweep", "small.yaml", "--executor", "serial", "--seeds")
    (tmp_path / "small.yaml").write_text("dataset: {path: shapes, validation: 100}\nhidden_sizes: [2]\nepochs: 1\n")
    assert mlp(*words, "2").code == 0
    (folder,) = (tmp_path / "results").iterdir()
    errors = (folder / "report" / "errors.csv").read_text().splitlines()
    (picture,) = folder.glob("report/best/*/plots/shared_errors.png")
    assert len(errors) > 1 and "Test rows that every seed gets wrong" in (folder / "report" / "index.html").read_text()
    first = picture.stat().st_mtime_ns
    assert mlp(*words, "2").code == 0 and picture.stat().st_mtime_ns == first
    assert mlp(*words, "3").code == 0
    (picture,) = folder.glob("report/best/*/plots/shared_errors.png")
    assert picture.stat().st_mtime_ns > first
