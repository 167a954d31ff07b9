"""The comparison of `golden.py` names what differs, and nothing else; its cases have every member of every registry."""

import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import golden
import numpy as np
import pytest
from golden import BYTES, JSON, ROOT, SCREENS, SUMMARY, GoldenError, Tree
from golden_cases import KINDS, SHOW, Case, another, cases, make_inputs, train
from needs import skip
from small_sets import Answer

from mlp_cli.config import load_config

TINY = [
    Case("sgd", [train("plain", "optimizer=sgd", "epochs=1")]),
    Case("adam", [train("plain", "optimizer=adam", "epochs=1", 'dataset={"name": "moons", "rows": 100, "test_rows": 20}')]),
]


def test_a_changed_optimizer_is_named(tmp_path: Path) -> None:
    """Three runs of two cases: twice the package as it is, and once a copy whose Adam has another beta_1."""
    copy = tmp_path / "copy"
    shutil.copytree(ROOT / "mlp_cli", copy / "mlp_cli")
    source = copy / "mlp_cli" / "nn" / "optimizers.py"
    text, changed = re.subn(r"self\.beta_1 = beta_1\n", "self.beta_1 = beta_1 * 0.99\n", source.read_text())
    assert changed
    source.write_text(text)
    trees = Tree(ROOT, tmp_path / "a"), Tree(ROOT, tmp_path / "b"), Tree(copy, tmp_path / "c")
    golden.run_cases(trees, TINY)

    assert not golden.surprises(trees[0], TINY)
    same = golden.compare(trees[0], trees[1], ["sgd", "adam"])
    assert not any(same.lines.values()), same.lines
    assert same.compared[BYTES] == 4 and same.compared[SCREENS] == 2

    found = golden.compare(trees[0], trees[2], ["sgd", "adam"])
    metrics, model = found.lines[BYTES]
    assert metrics.startswith("adam: results/plain-<hash>/metrics.csv\n    row 1\n      1,")
    assert model.startswith("adam: results/plain-<hash>/model.npz\n    W1: ")
    assert {"metrics.csv", "W1", "b1", "W2"} <= found.changes[BYTES]["changed"].keys()
    assert found.summary([BYTES])[0].startswith("run bytes:     2 of 4 differ (changed: metrics.csv (1), ")
    assert not found.lines[SCREENS] and all("adam: " in text for text in found.lines[JSON])


def tree(folder: Path, out: str, err: str, summary: str, digest: str) -> Tree:
    """What one command and a report leave, as if they had run."""
    made = Tree(folder, folder)
    report = folder / "case" / "results" / f"runs-{digest}" / "report"
    report.mkdir(parents=True)
    (report / "summary.csv").write_text(summary)
    (report.parent / "metrics.csv").write_text("epoch,train_loss\n1,0.5\n")
    answer = {"case": "case", "command": "train x.yaml", "code": 1 if err else 0, "out": out, "err": err}
    (folder / "answers.json").write_text(json.dumps([answer]))
    return made


def test_differences_have_classes_and_hashes_and_times_are_none(tmp_path: Path) -> None:
    old = tree(
        tmp_path / "a",
        json.dumps({"id": "runs-0123abcd", "seconds": 1.5, "hash": "a" * 64, "rows": [{"name": "x", "n": 1}], "old": None}),
        f"error: {tmp_path / 'a'}/case/runs-0123abcd took 0.3 s\n  hint\n",
        "id,n,seconds\nruns-0123abcd,3,0.1\n",
        "0123abcd",
    )
    new = tree(
        tmp_path / "b",
        json.dumps({"id": "runs-89efabcd", "seconds": 2.5, "hash": "b" * 64, "rows": [{"name": "w"}, {"name": "x", "n": 2}]}),
        f"error: {tmp_path / 'b'}/case/runs-89efabcd took 11 s\n  advice\n",
        "id,n,p,seconds\nruns-89efabcd,4,0.5,0.2\n",
        "89efabcd",
    )
    assert golden.compare(old, new, ["case"]).summary(golden.CLASSES) == [
        "run bytes:     0 of 1 differ",
        "json:          1 of 1 differ (added: rows[].name (1); changed: rows[].n (1); removed: old (1))",
        "error screens: 1 of 1 differ",
        "summary.csv:   1 of 1 differ (added: [].p (1); changed: [].n (1))",
    ]
    lines = golden.compare(old, new, ["case"]).lines
    assert lines[SCREENS] == ["case: mlp train x.yaml\n    -  hint\n    +  advice"]
    assert lines[SUMMARY] == [
        'case: results/runs-<hash>/report/summary.csv\n    [runs-<hash>].n: "3" → "4"\n    [runs-<hash>].p: (not there) → "0.5"'
    ]
    assert '    rows[x].n: 1 → 2\n    old: null → (not there)\n    rows[w].name: (not there) → "w"' in lines[JSON][0]


def test_arrays_are_compared_to_the_byte_and_texts_as_json(tmp_path: Path) -> None:
    trees = [tree(tmp_path / name, "", "", "", f"0123abc{number}") for number, name in enumerate("ab")]
    zeros = np.zeros((2, 2), np.float32)
    negative = zeros.copy()
    negative[1, 0] = -0.0
    models = [
        {"W1": zeros, "W2": zeros, "b1": zeros, "b2": zeros, "config": np.array('{"seed": 0}'), "classes": np.array(["a", "b"])},
        {"W1": negative, "W2": zeros.astype(float), "b1": zeros, "b3": zeros, "config": np.array('{"seed": 0, "ema": 0}')},
    ]
    for folder, arrays in zip("ab", models, strict=True):
        (run,) = (tmp_path / folder / "case" / "results").iterdir()
        np.savez(run / "model.npz", **arrays)
    found = golden.compare(*trees, ["case"])
    where = "case: results/runs-<hash>/model.npz"
    assert found.lines[BYTES] == [f"{where}\n    W1: 1 of 4 numbers differ, first [1, 0]: 0.0 → -0.0\n    also W2, b2, b3"]
    assert {how: [*names] for how, names in found.changes[BYTES].items()} == {
        "changed": ["W1", "W2"],
        "removed": ["b2"],
        "added": ["b3"],
    }
    assert found.lines[JSON] == [
        f"{where}: classes\n    only in the older tree",
        f"{where}: config\n    ema: (not there) → 0",
    ]


def test_a_run_that_is_gone_differs(tmp_path: Path) -> None:
    trees = [tree(tmp_path / name, "", "", "", f"0123abc{number}") for number, name in enumerate("ab")]
    (run,) = (tmp_path / "b" / "case" / "results").iterdir()
    run.rename(run.with_name("other-0123abc1"))
    assert golden.compare(*trees, ["case"]).lines[BYTES] == [
        "case: results/other-<hash>/metrics.csv\n    only in the newer tree",
        "case: results/runs-<hash>/metrics.csv\n    only in the older tree",
    ]
    shutil.copytree(run.with_name("other-0123abc1"), run.with_name("other-0123abc2"))
    with pytest.raises(GoldenError, match="told apart by their hashes alone"):
        golden.compare(*trees, ["case"])


@pytest.fixture
def shown(mlp: Callable[..., Answer]) -> dict[str, Any]:
    """What `mlp show` and its like print of this tree."""
    return {" ".join(step.words): json.loads(mlp(*step.words).out) for step in SHOW.steps}


def test_every_member_and_option_has_a_sound_run(shown: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sound: the config is valid. For each option there is a run with its default and one with another value."""
    made = {case.name: case for case in cases(shown)}
    assert len(made) == len(cases(shown)), "two cases have one name"
    monkeypatch.chdir(tmp_path)
    make_inputs(tmp_path)
    for kind, key in KINDS.items():
        run: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for step in made[kind].steps:
            value = load_config(step.words[1], step.words[2 : step.words.index("--name")]).to_dict()[key]
            component = value[0] if isinstance(value, list) else value
            run[component["name"]].append(component)
        for entry in (each for each in shown[f"show {kind} --json"] if not each["required"]):
            assert run[entry["name"]]
            for option, default in entry["options"].items():
                assert {component[option] == default for component in run[entry["name"]]} == {True, False}, (entry, option)


@pytest.mark.parametrize(
    ("default", "other"), [(True, False), (10, 2), (0, 1), (0.0, 0.5), (1e-7, 1e-3), (0.9, 0.45), (None, 3), ("mean", "sum")]
)
def test_another_value(default: Any, other: Any) -> None:
    assert another(default, ["mean", "sum"]) == other


def test_a_worktree_is_taken_away_again(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        skip("this is no git repository")
    with pytest.raises(KeyboardInterrupt), golden.worktree("HEAD", tmp_path / "tree") as older:
        assert (older / "mlp_cli" / "__init__.py").exists()
        raise KeyboardInterrupt
    assert not (tmp_path / "tree").exists()
    with (
        pytest.raises(GoldenError, match="no-such-revision is no commit"),
        golden.worktree("no-such-revision", tmp_path / "tree"),
    ):
        pass
