"""What is said at the end of a sweep: what went wrong, and the command that goes on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlp_cli.sweep.driver import Outcome
from mlp_cli.sweep.progress import end_lines, retry_line
from mlp_cli.sweep.trials import Trial

COMMAND = ["mlp", "sweep", "c.yaml", "learning_rate=log(1e-4, 1e-1, 3)"]


def failed(number: int = 0, error: str = "boom\nat line 3", attempts: int = 2, status: str = "failed") -> Trial:
    return Trial(f"a-{number}-x", f"a-{number}_seed-0", {}, 0, status, error, attempts)


def outcome(*wrong: Trial, unfinished: int = 0) -> Outcome:
    return Outcome({"completed": 4, "failed": len(wrong)}, wrong, (), unfinished, None, None, 2, 1.0)


def lines(found: Outcome) -> list[str]:
    planned: Any = SimpleNamespace(folder=Path("results/x"))
    return end_lines(planned, found)


def test_the_command_that_retries() -> None:
    expected = "to retry what failed: mlp sweep --retry-failed c.yaml 'learning_rate=log(1e-4, 1e-1, 3)'"
    assert retry_line(outcome(failed()), COMMAND) == expected
    assert retry_line(outcome(failed()), [*COMMAND, "--retry-failed"]) == expected, "not twice"
    behind = retry_line(outcome(failed()), ["mlp", "sweep", "--", "c.yaml"])
    assert behind == "to retry what failed: mlp sweep --retry-failed -- c.yaml"
    assert retry_line(outcome(failed(status="diverged")), COMMAND) is None, "a diverged run diverges again"
    assert retry_line(outcome(unfinished=3), ["mlp", "sweep", "my file.yaml"]) == "to go on: mlp sweep 'my file.yaml'"
    assert retry_line(outcome(), COMMAND) is None


@pytest.mark.parametrize(
    ("words", "longer"),
    [(["--timeout", "3s"], "--timeout 6s"), (["--timeout=1h30m"], "--timeout=2h60m"), (["--timeout", "0.5m"], "--timeout 1m")],
)
def test_what_ran_out_of_its_time_gets_more(words: list[str], longer: str) -> None:
    found = retry_line(outcome(failed(error="timeout")), ["mlp", "sweep", "c.yaml", *words])
    assert found == f"to go on with more time: mlp sweep --retry-failed c.yaml {longer}"


def test_what_went_wrong() -> None:
    found = lines(outcome(failed(), failed(1, "diverged: loss is not finite", 1, "diverged")))
    assert found == [
        "runs        4 completed, 2 failed",
        "time        1.0 s, 2 runs trained",
        "folder      results/x",
        "what went wrong:",
        "  a-0_seed-0  failed     boom (2 attempts)",
        "  a-1_seed-0  diverged   loss is not finite",
    ]


def test_long_lists_are_cut() -> None:
    found = lines(outcome(*(failed(number, "x" * 500) for number in range(30))))[3:]
    assert len(found) == 22 and found[-1] == "  and 10 more; see trials.csv" and len(found[1]) < 200
