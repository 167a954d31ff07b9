"""Every bad config gives its exact message, with line and fix, and nothing else."""

from pathlib import Path

import bad_configs
import bad_documents
import pytest

from mlp_cli.config import load_config
from mlp_cli.errors import ConfigError

BAD = [*bad_configs.BAD, *bad_documents.BAD]


@pytest.mark.parametrize(("text", "lines"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, lines: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(Path("my.yaml"))
    assert str(caught.value).splitlines() == lines
    assert caught.value.exit_code == 2


def test_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_bytes(b"dataset: mnist\nname: \xff\xfe\n")
    with pytest.raises(ConfigError, match=r"line 2 .*not UTF-8: byte 0xff at position 21; save the file as UTF-8"):
        load_config(tmp_path / "my.yaml")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["little", "big"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str, mark: str) -> None:
    text = f"{mark}dataset: mnist\n".encode(f"{encoding}-be" if mark else encoding)
    (tmp_path / "my.yaml").write_bytes(text)
    with pytest.raises(ConfigError, match=r"not UTF-8: byte 0x\w\w at position \d; save the file as UTF-8"):
        load_config(tmp_path / "my.yaml")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("learning_rate", "must be KEY=VALUE, such as epochs=3"),
        ("=3", "must be KEY=VALUE, such as epochs=3"),
        ("optimizer.beta=3", "unknown key; did you mean beta_"),
        ("optimizer.beta_1=x", "must be a number, at least 0 and less than 1"),
        ("epochs=[1", "a bracket is not closed"),
        ("hiden_sizes=[1]", "did you mean hidden_sizes?"),
        ("learning_rate=-1", "must be greater than 0"),
        ("dataset.name.x=3", "dataset.name is mnist here, which takes no options; write dataset.name=VALUE"),
    ],
)
def test_bad_overrides_say_so(tmp_path: Path, override: str, message: str) -> None:
    (tmp_path / "my.yaml").write_text("dataset: mnist\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "my.yaml", [override])
    assert f"  override   {override}" in str(caught.value) and message in str(caught.value)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "mnist.yaml").write_text("dataset: mnist\n")
    with pytest.raises(ConfigError, match=r"cannot read .*mnits\.yaml: no such file or directory") as caught:
        load_config(tmp_path / "mnits.yaml")
    assert "mnist.yaml" in str(caught.value)
    with pytest.raises(ConfigError, match="is a directory"):
        load_config(tmp_path)
