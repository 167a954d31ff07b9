"""What a RUN means: a folder, the beginning of a name, the last one, the best one."""

import os
from pathlib import Path

import pytest
from fake_runs import write_run

from mlp_cli.errors import UsageError
from mlp_cli.runs import find_run


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with three runs, one of them in a sweep."""
    write_run(tmp_path, seed=1, score=0.91, name="alpha")
    write_run(tmp_path / "sweep-01234567" / "runs", seed=3, score=0.95, name="member")
    write_run(tmp_path, seed=2, score=0.93, name="alpine")
    return tmp_path


def test_a_folder_and_a_name(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alpha,), (member,) = results.glob("alpha-*"), results.glob("*/runs/*")
    for reference in (str(alpha), alpha.name, alpha.name[:7], "alpha"):
        assert find_run(reference, results) == alpha
    assert find_run("member", results) == member
    monkeypatch.chdir(results)
    assert find_run(alpha.name, Path("nowhere")) == Path(alpha.name)


def test_the_beginning_of_a_name_in_a_folder(results: Path) -> None:
    (alpha,), (member,) = results.glob("alpha-*"), results.glob("*/runs/*")
    assert find_run(f"{results}/alpha", Path("nowhere")) == alpha
    assert find_run(f"{member.parent}/mem", Path("nowhere")) == member
    for name, message in (("al", "means 2 runs"), ("member", "unknown run 'member'"), ("alhpa", "did you mean alp")):
        with pytest.raises(UsageError, match=message):
            find_run(f"{results}/{name}", results)


def test_the_last_and_the_best(results: Path) -> None:
    (alpha,), (member,) = results.glob("alpha-*"), results.glob("*/runs/*")
    assert find_run("@last", results) == member
    assert find_run("@best:val_accuracy", results) == find_run("@best:val_loss", results) == member
    os.utime(alpha / "run.json", ns=(2**62, 2**62))
    assert find_run("@last", results) == member, "the record's times count more than the file's"
    write_run(results, seed=4, score=0.99, status="failed", metrics={"val_accuracy": 0.99}, name="wrong")
    assert find_run("@best:val_accuracy", results) == member


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("al", "'al' means 2 runs"),
        ("alhpa", "unknown run 'alhpa'; did you mean alp"),
        ("", "unknown run ''"),
        ("x" * 5000, "unknown run"),
        ("a\0b", "unknown run"),
        ("@first", "unknown run '@first'"),
        ("@best", "unknown run '@best'"),
        ("@last:val_loss", "unknown run '@last:val_loss'"),
        ("@best:val_acuracy", "unknown metric 'val_acuracy'; did you mean val_accuracy?"),
        ("@best:test_accuracy", "the test set is never used for choosing"),
    ],
)
def test_what_no_run_is(results: Path, reference: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_run(reference, results)
    assert message in str(caught.value) and caught.value.exit_code == 2


def test_a_folder_that_is_no_run(results: Path) -> None:
    with pytest.raises(UsageError, match=r"is no run: it has no run\.json"):
        find_run(str(results / "sweep-01234567"), results)


def test_without_any_run(tmp_path: Path) -> None:
    for reference in ("x", "@last", "@best:val_loss"):
        with pytest.raises(UsageError, match="--results DIR"):
            find_run(reference, tmp_path / "nowhere")


def test_broken_runs_do_not_stand_in_the_way(results: Path) -> None:
    (results / "broken-01234567").mkdir()
    (results / "broken-01234567" / "run.json").write_text("{")
    assert find_run("@last", results).name.startswith("member")
    assert find_run("broken", results).name == "broken-01234567", "naming it shows what is wrong with it"


def test_the_best_over_several_data_sets_is_told(results: Path) -> None:
    told = list[str]()
    find_run("@best:val_accuracy", results, notify=told.append)
    assert told == [], "all are on one set"
    moons = write_run(results, {"dataset": "moons"}, score=1.0, name="moons", data={"name": "moons", "sha256": "0" * 64})
    assert find_run("@best:val_accuracy", results, notify=told.append) == moons
    assert told == [f"@best:val_accuracy is {moons}, on moons: the best over runs on 2 data sets"]
    find_run("@last", results, notify=told.append)
    assert len(told) == 1
