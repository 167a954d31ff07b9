"""Every command: its help, what it prints, its exit codes. Walks over the command line itself, so no command is left out."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from small_sets import Answer

from mlp_cli.cli.inspect import SHOWN
from mlp_cli.cli.main import cli

Mlp = Callable[..., Answer]


def commands(group: click.Group = cli, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))
        else:
            yield (*above, name), command


ALL = dict(commands())


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_says_what_it_does_with_an_example(mlp: Mlp, words: tuple[str, ...]) -> None:
    answer = mlp(*words, "--help")
    assert answer.code == 0
    assert f"Example: mlp {' '.join(words)}" in answer.out
    command = ALL[words]
    assert command.help and len(command.help) > 20
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{words}: {option.name} has no help"


def test_the_list_of_commands_is_not_cut_off(mlp: Mlp) -> None:
    for words in ((), ("data",)):
        assert "..." not in mlp(*words, "--help").out.partition("Commands:")[2]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_an_unknown_option_is_a_usage_error(mlp: Mlp, words: tuple[str, ...]) -> None:
    answer = mlp(*words, "--no-such-option")
    assert answer.code == 2 and "--no-such-option" in answer.err and not answer.out


def test_every_command_stands_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for words in ALL:
        assert f"mlp {' '.join(words)}" in readme, f"mlp {' '.join(words)} is not in the README"


def test_no_command_and_an_unknown_one(mlp: Mlp) -> None:
    assert mlp().code == 2 and "Usage: mlp" in mlp().err
    answer = mlp("trian")
    assert answer.code == 2 and "trian" in answer.err


def test_version(mlp: Mlp) -> None:
    from mlp_cli import __version__

    assert mlp("--version").out == f"mlp {__version__}\n"


@pytest.mark.parametrize("kind", SHOWN)
def test_show_lists_each_member_with_its_options(mlp: Mlp, kind: str) -> None:
    text = mlp("show", kind)
    entries = json.loads(mlp("show", kind, "--json").out)
    assert text.code == 0 and entries
    for entry in entries:
        assert entry["name"] in text.out
        for option in entry.get("options", ()):
            assert option in text.out and entry["texts"][option] in text.out


def test_validate_names_every_problem_in_every_file(mlp: Mlp, small_config: Path, tmp_path: Path) -> None:
    assert mlp("validate", small_config) == Answer(0, f"{small_config}: ok\n", "")
    (tmp_path / "bad.yaml").write_text("dataset: mnist\nhiden_sizes: [300]\nlearning_rate: -0.1\n")
    answer = mlp("validate", "bad.yaml", small_config, "nowhere.yaml")
    assert answer.code == 2 and answer.out == f"{small_config}: ok\n"
    assert answer.err.splitlines()[:3] == [
        "bad.yaml: 2 problems",
        "  line 2   hiden_sizes: [300]     unknown key; did you mean hidden_sizes?",
        "  line 3   learning_rate: -0.1    must be greater than 0",
    ]
    assert "nowhere.yaml" in answer.err
    assert mlp("validate", small_config, "epochs=-1").code == 2
    found = json.loads(mlp("validate", small_config, "bad.yaml", "--json").out)
    assert [entry["ok"] for entry in found] == [True, False]


def test_init_writes_a_config_that_is_valid(mlp: Mlp, tmp_path: Path) -> None:
    assert mlp("init", "first").code == 0
    text = (tmp_path / "first.yaml").read_text()
    assert "#" in text and mlp("validate", "first.yaml").code == 0
    again = mlp("init", "first")
    assert again.code == 2 and "exists already" in again.err and (tmp_path / "first.yaml").read_text() == text
    assert mlp("init", "second", "--out", "sub/other.yaml").code == 0 and (tmp_path / "sub/other.yaml").exists()
    assert mlp("init", "a/../b").code == 2
    assert mlp("init", "third.yaml").code == 0 and "name: third " in (tmp_path / "third.yaml").read_text()


def test_schema_is_json(mlp: Mlp) -> None:
    assert json.loads(mlp("schema").out)["$schema"].startswith("https://json-schema.org/")


def test_the_schema_lies_where_the_config_sends_editors(mlp: Mlp, tmp_path: Path) -> None:
    assert mlp("init", "first", "--out", "sub/first.yaml").code == 0
    line = (tmp_path / "sub/first.yaml").read_text().splitlines()[0]
    named = tmp_path / "sub" / line.removeprefix("# yaml-language-server: $schema=")
    assert json.loads(named.read_text()) == json.loads(mlp("schema").out)
    written = mlp("schema", "--write")
    assert written.code == 0 and line in written.out and named.name in written.out
    assert (tmp_path / named.name).read_text() == named.read_text()
    assert mlp("schema", "--write").code == 0, "its own file is written anew"


def test_the_schema_of_somebody_else_stays(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "mlp.schema.json").write_text("{}")
    for words in (["schema", "--write"], ["init", "first"]):
        answer = mlp(*words)
        assert answer.code == 2 and "mlp.schema.json exists already, and is no schema of mlp" in answer.err
    assert (tmp_path / "mlp.schema.json").read_text() == "{}" and not (tmp_path / "first.yaml").exists()


def test_data_show_of_a_table_and_of_a_config(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size,colour,gap,y\n1,red,3.5,u\n2,,4,v\n3,blue,,u\n4,red,1,v\n")
    (tmp_path / "t.yaml").write_text("dataset: {path: t.csv, target: y, missing: mean, split: last, validation: 1}\n")
    columns = ["column size: numbers from 1 to 4", "column colour: 2 categories: blue, red; 1 missing"]
    columns += ["column gap: numbers from 1 to 4; 1 missing"]
    lines = mlp("data", "show", "t.csv", "--target", "y").out.splitlines()
    assert (
        lines[1]
        == "data  4 training rows, no test part (dataset.test: 0.2 makes one); 2 classes: u, v; 4 inputs, scaled to mean 0 and deviation 1"
    )
    assert lines[2:5] == columns
    lines = mlp("data", "show", "t.csv").out.splitlines()
    assert lines == ["t, a table of 4 rows; --target COLUMN shows it as a set", *columns, "column y: 2 categories: u, v"]
    assert len(json.loads(mlp("data", "show", "t.csv", "--json").out)["columns"]) == 4
    shown = json.loads(mlp("data", "show", "t.yaml", "--json").out)
    assert shown["file"] == "t_data.png" and (tmp_path / "t.png").exists(), "the table's own picture stays"
    assert shown["counts"] == {"training": {"u": 2, "v": 1}, "validation": {"u": 0, "v": 1}}
    assert shown["data"].startswith("3 training, 1 validation rows, no test part (dataset.test: 0.2 makes one); ")
    assert shown["columns"][1] == {"name": "colour", "categories": ["blue", "red"], "least": None, "most": None, "missing": 1}
    assert shown["columns"][2] == {"name": "gap", "categories": None, "least": 1.0, "most": 4.0, "missing": 1}


def test_data_list_show_fetch(mlp: Mlp, idx_set: Path, tmp_path: Path) -> None:
    names = [entry["name"] for entry in json.loads(mlp("data", "list", "--json").out)]
    listed = mlp("data", "list").out
    assert {"mnist", "fashion_mnist"} <= set(names) and all(f"{name}: " in listed for name in names)
    answer = mlp("data", "show", "shapes")
    assert answer.code == 0 and (tmp_path / "shapes.png").stat().st_size > 10_000
    shown = json.loads(mlp("data", "show", "shapes", "--json", "--out", "other.png").out)
    assert sum(shown["counts"]["training"].values()) == 600 and (tmp_path / "other.png").exists()
    unknown = mlp("data", "show", "mnits")
    assert unknown.code == 2 and "did you mean mnist?" in unknown.err


def test_fetch_from_a_folder_without_the_set(mlp: Mlp, idx_set: Path) -> None:
    answer = mlp("data", "fetch", "mnist", "--from", "shapes")
    assert answer.code == 3 and "shapes" in answer.err and "Traceback" not in answer.err


@pytest.mark.parametrize("command", ["train", "sweep", "lr-find", "check", "validate"])
def test_a_key_given_as_an_option(mlp: Mlp, command: str) -> None:
    for words in (["--batch-size", "3"], ["--batch-size=3"]):
        answer = mlp(command, "run.yaml", *words)
        assert answer.code == 2 and "a key of the config is written batch_size=3" in answer.err
    answer = mlp(command, "run.yaml", "--nothing")
    assert answer.code == 2 and "a key of the config" not in answer.err


def test_a_config_whose_name_begins_so(mlp: Mlp, tmp_path: Path) -> None:
    for name in ("notmnist", "mnist_adam_relu", "mnist_b"):
        (tmp_path / f"{name}.yaml").write_text("dataset: xor\n")
    assert "did you mean mnist_adam_relu.yaml?" in mlp("train", "mnist.yaml").err
    assert "did you mean notmnist.yaml?" in mlp("train", "notmnis_.yaml").err


def test_what_is_no_config_and_where_it_goes(mlp: Mlp, tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text("a,b\n1,2\n")
    answer = mlp("train", "houses.csv")
    assert answer.code == 2 and "is a table, and no config" in answer.err
    assert "dataset: {path: houses.csv, target: COLUMN}" in answer.err
    answer = mlp("validate", "moons")
    assert answer.code == 2 and "a known data set is named in a config: dataset: moons" in answer.err


def test_a_key_given_twice_is_said(mlp: Mlp, small_config: Path) -> None:
    told = "note: seed is given more than once; the last one counts: seed=1\n"
    assert told in mlp("train", small_config, "seed=0", "seed=1", "--dry-run").err
    assert "more than once" not in mlp("train", small_config, "seed=0", "split_seed=1", "--dry-run").err
