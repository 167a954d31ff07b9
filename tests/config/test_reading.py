"""YAML as people write it, and as an attacker would: values with lines, or a ConfigError; never anything else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.config import load_config, read_document
from mlp_cli.config.yaml_lines import read
from mlp_cli.errors import ConfigError

GOOD = "dataset: {name: mnist, validation: 0.1}\nhidden_sizes: [300, 100]\noptimizer: {name: adam, beta_1: 0.8}\nepochs: 3\n"


def load(folder: Path, text: str | bytes) -> object:
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return load_config(path)


@given(st.text(max_size=300))
def test_any_text_is_a_config_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    try:
        load(tmp_path_factory.mktemp("text"), text)
    except ConfigError as error:
        assert "\x1b" not in str(error)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_config_or_a_config_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    try:
        load(tmp_path_factory.mktemp("bytes"), content)
    except ConfigError as error:
        assert str(error)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 6), st.text(alphabet=" \t\n:-[]{}#&*!|>'\"%@`,?0aé\0", max_size=4))
def test_a_damaged_config_is_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, piece: str
) -> None:
    try:
        load(tmp_path_factory.mktemp("damaged"), GOOD[:start] + piece + GOOD[start + length :])
    except ConfigError as error:
        assert "problem" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dataset: mnist\nname: &a x\nseed: *a\n", "an alias (*a) is not accepted"),
        ("dataset: mnist\nx: &a [&b [&c [1,1],*c],*b]\n", "an anchor"),
        ("dataset: !!python/object/apply:os.system ['true']\n", "a tag"),
        ("dataset: !!binary aGk=\n", "a tag"),
        ("dataset: !x mnist\n", "a tag"),
        ("<<: {dataset: mnist}\n", "<<"),
        ("dataset: mnist\nhidden_sizes: " + "[" * 50 + "]" * 50 + "\n", "levels"),
        ("dataset: mnist\n" + "# x\n" * 400_000, "larger"),
        ("dataset: mnist\nname: \x1b[31mred\n", ""),
        ("? [a, b]\n: c\ndataset: mnist\n", ""),
    ],
)
def test_refused_before_anything_is_built(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value) and "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()) == load(tmp_path, GOOD)


def test_windows_line_ends_are_no_problem(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD.replace("\n", "\r\n")) == load(tmp_path, GOOD)


def test_only_true_and_false_are_booleans(tmp_path: Path) -> None:
    """In YAML 1.1 `no` is false, 1:30 is 90 and 2026-01-01 a date; here they stay what they look like."""
    path = tmp_path / "a.yaml"
    path.write_text("a: no\nb: 1:30\nc: 2026-01-01\nd: true\ne: 1e-3\nf: null\ng: ~\nh: 'true'\n")
    values = read_document(path).values
    assert values == {"a": "no", "b": "1:30", "c": "2026-01-01", "d": True, "e": 0.001, "f": None, "g": None, "h": "true"}


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (
            "  dataset: mnist\nepochs: 3\n",
            "line 2   epochs: 3    wrong indentation; the lines of one level begin in the same column",
        ),
        ("dataset mnist\n", "line 1   dataset mnist    is no mapping; a config is made of lines like dataset: mnist"),
        ("hidden_sizes: [3, [4,\n", "line 1   hidden_sizes: [3, [4,    a bracket is not closed"),
        ("hidden_sizes: [3\n", "line 1   hidden_sizes: [3    a bracket is not closed, or a comma is missing"),
        ("dataset: {name: mnist, ?}\n", "line 1   "),
        ("epochs: ]\n", "line 1   epochs: ]    a bracket is not closed"),
        ("a: |x\n", "line 1   a: |x    "),
        ('dataset: "C:\\data"\n', 'line 1   dataset: "C:\\data"    the quote is not closed, or \\ stands in double quotes'),
        ("epochs: 3\n---\n", "line 2   ---    a second document begins here; a file holds one"),
    ],
)
def test_broken_yaml_is_explained(tmp_path: Path, text: str, row: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert f"\n  {row}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("dataset: mnist\n  validation: 5000\n", "dataset has a value already; write dataset: {name: mnist, validation: 5000}"),
        ("dataset: mnist  # set\n\n  limit: 9  # rows\n", "dataset has a value already; write dataset: {name: mnist, limit: 9}"),
        ("dataset: xor\naugment: null # no\n  copies: 2\n", "augment has a value already; write augment: {copies: 2}"),
        ('dataset: xor\noptimizer: "adam"\n  beta_1: 0.8\n', 'write optimizer: {name: "adam", beta_1: 0.8}'),
        ("dataset: my/table.csv\n  read:\n    sep: ;\n", "write dataset: {path: my/table.csv, read: …}"),
        (
            "dataset: xor\nepochs: 3\n  copies: 2\n",
            "epochs has a value already, and no option goes below it; begin the line in the col",
        ),
        ("dataset: xor\nhidden_sizes: [3]\n  copies: 2\n", "hidden_sizes has a value already, and no option goes below it"),
    ],
)
def test_an_option_below_a_value(text: str, fix: str) -> None:
    (problem,) = read(text).problems
    assert fix in problem.message


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("dataset: moons\n  epochs: 3\n", "epochs does not go below dataset; begin the line in the column of dataset"),
        ("dataset: moons\n  validation: 30\n", "write dataset: {name: moons, validation: 30}"),
        ("dataset: moons\nhidden_sizes: 300, 100\n", "must be a list; write [300, 100]\n"),
        ("dataset: moons\nhidden_sizes: (300, 100)\n", "must be a list; write [300, 100]\n"),
        ("dataset: moons\nlearning_rate: 0,01\n", "greater than 0; write 0.01\n"),
        ("dataset: moons\nepochs: 1,5\n", "must be a whole number, at least 0\n"),
    ],
)
def test_a_fix_can_be_followed(tmp_path: Path, text: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert fix in f"{caught.value}\n"
