"""The lessons of `mlp init --lesson`: each is written, valid, explained, and its first member trains."""

from collections.abc import Callable
from pathlib import Path

import pytest
from small_sets import Answer

from mlp_cli.cli.inspect import LESSON_FILES, LESSONS
from mlp_cli.experiment import Plan, run
from mlp_cli.sweep.space import corners
from mlp_cli.sweep.sweepfile import Asked, plan_sweep

Mlp = Callable[..., Answer]


def test_every_file_is_a_lesson_and_is_listed(mlp: Mlp) -> None:
    assert {path.stem for path in LESSON_FILES.iterdir()} == set(LESSONS)
    listed = mlp("init", "--lesson")
    assert listed.code == 0 and [line.split()[0] for line in listed.out.splitlines()] == list(LESSONS)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_says_what_to_see_and_its_members_are_valid(mlp: Mlp, lesson: str, tmp_path: Path) -> None:
    answer = mlp("init", "--lesson", lesson)
    path = tmp_path / f"{lesson}.yaml"
    text = path.read_text()
    assert answer.code == 0 and f"mlp sweep {lesson}.yaml" in answer.out
    for word in (f"# Run it:   mlp sweep {lesson}.yaml", "# Look at:", "# See:", "# Then try:"):
        assert word in text
    again = [line.partition("mlp sweep ")[2].split("   ")[0].split() for line in text.splitlines() if "Then try:" in line]
    for name, *words in [[path.name], *again]:
        planned = plan_sweep(name, words, tmp_path / "results", Asked())
        planned.start()
    member = planned.space.config(corners(planned.space.axes)[0]).model_copy(update={"epochs": 1})
    assert run(Plan(member, tmp_path), plots=False).record.status == "completed"


def test_names_and_places(mlp: Mlp, tmp_path: Path) -> None:
    assert mlp("init", "--lesson", "double-descent", "--out", "sub/peak.yaml").code == 0
    assert (tmp_path / "sub/peak.csv").exists() and 'path: "sub/peak.csv"' in (tmp_path / "sub/peak.yaml").read_text()
    assert "mlp sweep sub/peak.yaml" in (tmp_path / "sub/peak.yaml").read_text()
    assert mlp("validate", "sub/peak.yaml").code == 0
    again = mlp("init", "peak", "--lesson", "double-descent", "--out", "sub/peak.yaml")
    assert again.code == 2 and "exists already" in again.err
    (tmp_path / "mine.csv").write_text("a,b\n")
    assert mlp("init", "mine", "--lesson", "double-descent").code == 2 and not (tmp_path / "mine.yaml").exists()
    unknown = mlp("init", "--lesson", "overfiting")
    assert unknown.code == 2 and "did you mean overfitting?" in unknown.err and "known: vanishing" in unknown.err
