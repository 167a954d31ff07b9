"""The end of a sweep, worked by hand."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from mlp_cli.report.wording import score_text
from mlp_cli.sweep.summary import (
    Standings,
    Summary,
    best_lines,
    count_line,
    failure_lines,
    ranking_lines,
    retry_line,
)
from mlp_cli.sweep.summary import summarize as weigh
from mlp_cli.sweep.trials import Trial


def trial(label: str, score: float | None, status: str = "completed", seed: int = 0, **more: object) -> Trial:
    metrics = {} if score is None else {"val_accuracy": score, "val_loss": 1 - score, "test_accuracy": score - 0.1}
    values = dict(part.split("-", 1) for part in label.split("_"))
    return Trial(f"{label}-x", f"{label}_seed-{seed}", values, seed, status, metrics=metrics, **more)  # type: ignore[arg-type]


def summarize(configurations: Mapping[str, Sequence[Trial | None]], metric: str, mode: str) -> Summary:
    return weigh([Standings(label, members) for label, members in configurations.items()], metric, mode)


def row(label: str, *scores: float) -> list[Trial | None]:
    return [trial(label, score, seed=seed) for seed, score in enumerate(scores)]


def test_the_best_by_hand() -> None:
    """Means 0.8 and 0.7; the deviation of 0.7, 0.8, 0.9 with n − 1 is 0.1."""
    found = summarize({"a-1": row("a-1", 0.7, 0.8, 0.9), "a-2": row("a-2", 0.7, 0.7, 0.7)}, "val_accuracy", "max")
    best = found.best
    assert best is not None and best.label == "a-1" and best.values == {"a": "1"} and best.n == 3
    assert best.mean == pytest.approx(0.8) and best.deviation == pytest.approx(0.1)
    assert found.results[1].deviation == 0
    assert best_lines(found) == [
        "best        a 1",
        "            validation accuracy 80.0 ± 10.0 % (mean of 3 seeds), test accuracy 70.00 %",
    ]
    assert count_line(found) == "6 completed" and failure_lines(found) == [] and retry_line(found, ["mlp"]) is None
    assert ranking_lines(found) == [
        "configuration  validation accuracy",
        "a-1            80.0 ± 10.0 %",
        "a-2            70.00 ± 0.00 %",
    ]


def test_the_smallest_loss() -> None:
    found = summarize({"a-1": row("a-1", 0.7), "a-2": row("a-2", 0.9)}, "val_loss", "min")
    assert found.best is not None and found.best.label == "a-2" and found.best.deviation is None
    assert best_lines(found)[1] == "            validation loss 0.1000 (1 seed)"


def test_of_equal_means_the_lower_loss_and_then_the_label() -> None:
    found = summarize({"a-2": row("a-2", 0.5), "a-1": row("a-1", 0.5)}, "val_accuracy", "max")
    assert found.best is not None and found.best.label == "a-1"
    sure = [replace(each, metrics={**each.metrics, "val_loss": 0.1}) for each in row("a-2", 0.5) if each is not None]
    found = summarize({"a-1": row("a-1", 0.5), "a-2": sure}, "val_accuracy", "max")
    assert found.best is not None and found.best.label == "a-2"


def test_a_configuration_with_failed_seeds_is_never_the_best() -> None:
    bad = [*row("a-1", 0.9, 0.9), trial("a-1", None, "diverged", 2, error="diverged: loss is not finite at step 3")]
    found = summarize({"a-1": bad, "a-2": row("a-2", 0.1, 0.1, 0.1)}, "val_accuracy", "max")
    assert found.best is not None and found.best.label == "a-2"
    assert (found.results[0].completed, found.results[0].planned, found.results[0].wrong) == (2, 3, 1)
    assert ranking_lines(found)[-1] == "a-1            90.00 ± 0.00 %   2/3"
    assert failure_lines(found) == ["what went wrong:", "  a-1_seed-2  diverged   loss is not finite at step 3"]
    assert count_line(found) == "5 completed, 1 diverged"
    assert retry_line(found, ["mlp", "sweep", "c.yaml"]) is None, "a diverged run diverges again"


def test_a_stopped_sweep_names_no_lucky_seed() -> None:
    """The first has the best mean over its one seed; three seeds are enough to be told apart, and win."""
    lucky = [trial("a-1", 0.99), None, None]
    steady = row("a-2", 0.9, 0.8, 0.7)
    found = summarize({"a-1": lucky, "a-2": steady, "a-3": [None, None, None]}, "val_accuracy", "max")
    assert found.best is not None and found.best.label == "a-2" and found.best.n == 3
    assert found.unfinished == 5 and count_line(found) == "4 completed, 5 not started"
    assert retry_line(found, ["mlp", "sweep", "my file.yaml"]) == "to go on: mlp sweep 'my file.yaml'"


def test_while_nobody_has_three_seeds_the_best_mean_leads() -> None:
    found = summarize({"a-1": [*row("a-1", 0.6, 0.8), None], "a-2": [trial("a-2", 0.75), None, None]}, "val_accuracy", "max")
    assert found.best is not None and found.best.label == "a-2"
    assert best_lines(found)[-1] == "            weighed on 1 of 3 seeds, the rest is unfinished"


def test_a_configuration_that_halving_stopped_is_not_the_best_while_others_are_there() -> None:
    stopped = [trial("a-1", 0.99), trial("a-1", 0.5, "pruned", 1)]
    found = summarize({"a-1": stopped, "a-2": row("a-2", 0.6, 0.6)}, "val_accuracy", "max")
    assert found.best is not None and found.best.label == "a-2"
    alone = summarize({"a-1": stopped}, "val_accuracy", "max")
    assert alone.best is not None and alone.best.label == "a-1"
    assert best_lines(alone)[-1] == "            weighed on 1 of 2 seeds", "what was pruned is not to be finished"


def test_each_data_set_and_split_has_its_own_best() -> None:
    def on(data: str, *scores: float) -> list[Trial | None]:
        return [replace(each, data=data) for each in row(f"dataset-{data}", *scores) if each is not None]

    found = weigh(
        [Standings("easy", on("easy", 0.99)), Standings("hard", on("hard", 0.6)), Standings("part", on("hard", 0.7), "classes")],
        "val_accuracy",
        "max",
    )
    assert [each.label for each in found.winners] == ["easy", "hard", "part"] and found.best is None
    lines = best_lines(found)
    assert lines[0] == "the runs differ in their data, split or task: the best of each" and lines[1] == "best        dataset easy"


def test_a_configuration_without_the_metric_is_told() -> None:
    other = [replace(trial("a-1", None), metrics={"val_loss": 0.2, "val_r2": 0.5})]
    found = summarize({"a-1": other, "a-2": row("a-2", 0.5)}, "val_accuracy", "max")
    assert best_lines(found)[-1].strip() == "1 configuration has no validation accuracy and could not be weighed"


def test_pruned_members_are_left_out() -> None:
    found = summarize({"a-1": [trial("a-1", 0.99, "pruned")], "a-2": row("a-2", 0.2)}, "val_accuracy", "max")
    assert found.best is not None and found.best.label == "a-2" and found.results[0].mean is None
    assert found.unfinished == 0 and count_line(found) == "1 completed, 1 pruned"


def test_why_there_is_no_best() -> None:
    assert "no run is completed" in best_lines(summarize({"": [None]}, "val_accuracy", "max"))[0]
    blind = [trial("a-1", None)]
    assert "the runs have no validation accuracy" in best_lines(summarize({"a-1": blind}, "val_accuracy", "max"))[0]
    bad = [trial("a-1", 0.5), trial("a-1", None, "failed", 1)]
    assert "each configuration has failed" in best_lines(summarize({"a-1": bad}, "val_accuracy", "max"))[0]
    assert summarize({"a-1": [trial("a-1", math.nan)]}, "val_accuracy", "max").best is None


def test_the_command_that_retries() -> None:
    failed = [trial("a-1", None, "failed", error="boom\nat line 3", attempts=2)]
    found = summarize({"a-1": failed}, "val_accuracy", "max")
    command = ["mlp", "sweep", "c.yaml", "learning_rate=log(1e-4, 1e-1, 3)"]
    expected = "to retry what failed: mlp sweep --retry-failed c.yaml 'learning_rate=log(1e-4, 1e-1, 3)'"
    assert retry_line(found, command) == expected
    assert retry_line(found, [*command, "--retry-failed"]) == expected, "not twice"
    assert retry_line(found, ["mlp", "sweep", "--", "c.yaml"]) == "to retry what failed: mlp sweep --retry-failed -- c.yaml"
    assert failure_lines(found)[1] == "  a-1_seed-0  failed     boom (2 attempts)"


def test_long_lists_are_cut() -> None:
    many = {f"a-{number}": [trial(f"a-{number}", None, "failed", error="x" * 500)] for number in range(30)}
    lines = failure_lines(summarize(many, "val_accuracy", "max"))
    assert len(lines) == 22 and lines[-1] == "  and 10 more; see trials.csv" and len(lines[1]) < 200
    many = {f"a-{number}": row(f"a-{number}", 0.5) for number in range(30)}
    assert len(ranking_lines(summarize(many, "val_accuracy", "max"))) == 12


def test_numbers() -> None:
    assert score_text("val_accuracy", 0.97814, 0.00123) == "97.81 ± 0.12 %"
    assert score_text("val_loss", 0.08371, None) == "0.0837"
    assert score_text("val_r2", 0.5, 0.25) == "0.50 ± 0.25"
    assert score_text("val_loss", 3e-7, None) == "3·10⁻⁷" and score_text("val_loss", 2.61e-5, 4e-7) == "(2.610 ± 0.040)·10⁻⁵"
