"""What is printed, where it cannot be: onto a full disk, into a pipe that nobody reads, nowhere at all, or in ASCII."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_runs import write_run
from small_sets import Answer


def shell(
    folder: Path, script: str, *words: str, out: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs a shell script in which `mlp` is the command, and `$@` these words. out: the file descriptor of its standard output."""
    command = ["sh", "-c", f'mlp() {{ "{sys.executable}" -m mlp_cli "$@"; }}; {script}', "sh", *words]
    return subprocess.run(
        command, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True, env=os.environ | environment, check=False
    )


def closed_pipe() -> int:
    """The end to write to of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    return write


def status_of(folder: Path) -> str:
    (record,) = folder.glob("results/*/run.json")
    return str(json.loads(record.read_text())["status"])


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of the error, which is followed by the fix."""
    lines = done.stderr.splitlines()
    assert len(lines) == 2 and lines[1].startswith("  "), done
    return lines[0]


@pytest.mark.parametrize(("where", "reason"), [(">/dev/full", "the disk is full"), (">&-", "it is closed"), ("", "broken pipe")])
def test_a_result_that_cannot_be_written_is_one_error(small_config: Path, tmp_path: Path, where: str, reason: str) -> None:
    """A run does not even begin; and what is only printed is no success either."""
    write_run(tmp_path / "other")
    commands = [["train", "small.yaml", "--no-plots"], ["ls", "other"], ["--help"]]
    for words in commands[:2] if reason == "it is closed" else commands:  # help meets a closed stream where others do
        out = closed_pipe()
        done = shell(tmp_path, f'mlp "$@" {where}', *words, out=out)
        os.close(out)
        assert done.returncode == 1, done
        if reason == "broken pipe" and words[0] != "train":
            assert done.stderr == "", "as of `mlp ls | head`"
        else:
            assert error_of(done).startswith(f"error: cannot write standard output: {reason}")
    assert not (tmp_path / "results").exists()


def test_closed_streams_are_no_file_of_the_run(small_config: Path, tmp_path: Path) -> None:
    done = shell(tmp_path, 'mlp "$@" <&- >&- 2>&-', "train", "small.yaml", "--no-plots", "--quiet")
    assert done.returncode == 0 and status_of(tmp_path) == "completed"


def test_messages_that_cannot_be_written_stop_nothing(small_config: Path, tmp_path: Path) -> None:
    done = shell(tmp_path, 'mlp "$@" 2>/dev/full', "train", "small.yaml", "--no-plots", "--json", "batch_size=100000")
    assert done.returncode == 0 and json.loads(done.stdout)["status"] == "completed"


def test_characters_that_the_stream_lacks_are_escaped(small_config: Path, tmp_path: Path) -> None:
    done = shell(tmp_path, 'mlp "$@"', "train", "small.yaml", "--no-plots", "loss=mse", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "R\\xb2" in done.stdout, done


def test_a_run_goes_on_from_the_epoch_that_could_not_be_printed(small_config: Path, tmp_path: Path) -> None:
    """As of `mlp train … | head -1`, again and again. So many epochs are more than a pipe holds, however late `head` ends."""
    for _ in range(3):
        shell(tmp_path, 'mlp "$@" | head -1', "train", "small.yaml", "--no-plots", "epochs=10000")
    (folder,) = tmp_path.glob("results/*")
    log = (folder / "log.txt").read_text()
    assert "no checkpoint" not in log and log.count("going on after epoch") == 2


@pytest.mark.parametrize(("command", "bad"), [("validate", ""), ("validate", "bad: 1\n"), ("train", "bad: 1\n")])
def test_a_config_may_come_through_a_pipe(mlp: Callable[..., Answer], small_config: Path, command: str, bad: str) -> None:
    """As in `mlp validate <(cat small.yaml)`: it can be read only once; also where it has a problem, which is then told."""
    read, write = os.pipe()
    os.write(write, (small_config.read_text() + bad).encode())
    os.close(write)
    answer = mlp(command, f"/dev/fd/{read}")
    os.close(read)
    assert ("bad: 1" in answer.err and answer.code == 2) if bad else answer.out == f"/dev/fd/{read}: ok\n", answer
