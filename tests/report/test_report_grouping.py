"""Which runs are one configuration, which configurations are compared, and the verdict that they get."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from fake_runs import SHA256, write_run

from mlp_cli.errors import UsageError
from mlp_cli.plots import style
from mlp_cli.report.build import make_report, write_report
from mlp_cli.report.figures import across_data
from mlp_cli.report.model import Configuration, Group
from mlp_cli.report.tables import markdown, overview, runs_csv, shown_metrics, summary_csv, table_text


def group_of(folder: Path, **options: Any) -> Group:
    (group,) = make_report([folder], **options).groups
    return group


def by_rate(group: Group) -> dict[float, Configuration]:
    return {each.config["learning_rate"]: each for each in group.configurations}


def write_seeds(folder: Path, rate: float, scores: list[float], **options: Any) -> None:
    for seed, score in enumerate(scores):
        write_run(folder, {"learning_rate": rate}, seed=seed, score=score, **options)


def test_a_sweep_over_seeds_alone_has_its_own_name(tmp_path: Path) -> None:
    for seed in range(2):
        write_run(tmp_path / "repeats-1a2b3c4d" / "runs", seed=seed, name=f"seed-{seed}")
    (one,) = group_of(tmp_path).configurations
    assert one.label == "repeats-1a2b3c4d"


def test_runs_that_differ_in_the_seed_are_one_configuration(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.001, [0.90, 0.91, 0.92])
    write_seeds(tmp_path, 0.01, [0.80, 0.81, 0.82], name="other")
    group = group_of(tmp_path)
    assert group.keys == ["learning_rate"] and [each.label for each in group.configurations] == [
        "learning_rate=0.001",
        "learning_rate=0.01",
    ]
    best, other = group.configurations
    assert (best.n, best.verdict, best.p) == (3, "best", None) and best.metrics["val_accuracy"].mean == pytest.approx(0.91)
    assert other.verdict == "worse" and other.p is not None and other.p < 0.05 and best.parameters == 238_510
    assert other.paired is not None and other.paired.mean == pytest.approx(-0.1) and other.paired.n == 3
    assert best.best_epoch == 3 and best.seconds == pytest.approx(3.5) and best.id != other.id


def test_the_same_config_and_seed_twice_counts_once(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, score=0.9)
    write_run(tmp_path, seed=0, score=0.9, name="again", status="failed")
    write_run(tmp_path, seed=0, score=0.9, name="more")
    (only,) = group_of(tmp_path).configurations
    assert only.n == 1 and only.failed == 0 and len(only.copies) == 2
    assert any("2 runs have the config and seed of another" in note for note in group_of(tmp_path).notes)


def test_options_that_come_with_a_component_do_not_differ(tmp_path: Path) -> None:
    write_run(tmp_path, {"optimizer": "adam"})
    write_run(tmp_path, {"optimizer": "momentum"})
    assert group_of(tmp_path).keys == ["optimizer"]
    write_run(tmp_path, {"optimizer": {"name": "adam", "beta_1": 0.8}})
    assert group_of(tmp_path).keys == ["optimizer", "optimizer.beta_1"]
    labels = {each.label for each in group_of(tmp_path).configurations}
    assert labels == {"optimizer=adam optimizer.beta_1=0.9", "optimizer=momentum", "optimizer=adam optimizer.beta_1=0.8"}


def test_keys_of_hidden_layers_do_not_differ_where_there_are_none(tmp_path: Path) -> None:
    write_run(tmp_path, {"hidden_sizes": []})
    write_run(tmp_path, {"hidden_sizes": [30]})
    assert group_of(tmp_path).keys == ["hidden_sizes"]
    write_run(tmp_path, {"hidden_sizes": [30], "activation": "tanh"})
    assert group_of(tmp_path).keys == ["hidden_sizes", "activation"]


def test_groups_are_by_data_split_validation_and_task(tmp_path: Path) -> None:
    data = {"name": "mnist", "sha256": SHA256, "train": 1, "validation": 5_000, "test": 1}
    write_run(tmp_path, name="a")
    write_run(tmp_path, {"dataset": {"name": "mnist", "scale": "256"}}, name="scaled")
    write_run(tmp_path, name="b", seed=1, data={**data, "sha256": "f" * 64})
    write_run(tmp_path, name="c", seed=2, data={**data, "validation": 1_000})
    write_run(tmp_path, {"dataset": {"name": "mnist", "split_seed": 1}}, name="d")
    write_run(tmp_path, {"loss": "mse"}, name="e", metrics={"val_loss": 0.5, "val_r2": 0.2, "train_loss": 1.0, "train_r2": 0.1})
    report = make_report([tmp_path])
    assert sorted(len(group.configurations) for group in report.groups) == [1, 1, 1, 1, 2]
    assert len({group.title for group in report.groups}) == 5
    assert {group.monitor for group in report.groups if group.task == "regression"} == {"val_loss"}


def test_whatever_changes_the_validation_rows_parts_the_groups(tmp_path: Path) -> None:
    """The hash is over the whole set: the classes that are kept, and test rows set aside before, change what is left of it."""
    data = {"name": "mnist", "sha256": SHA256, "train": 1, "validation": 5_000, "test": 10_000}
    for number, classes in enumerate((None, ["1", "7"], ["3", "8"])):
        write_run(tmp_path, {"dataset": {"name": "mnist", "classes": classes}}, name=f"classes{number}")
    write_run(tmp_path, {"learning_rate": 0.1}, name="test", data=data | {"test": 5_000})
    groups = make_report([tmp_path]).groups
    assert [len(group.configurations) for group in groups] == [1] * 4 and not any(group.keys for group in groups)
    titles = [group.title for group in groups]
    assert len(set(titles)) == 4 and sum("classes [1, 7]" in title for title in titles) == 1
    assert sum(title.endswith("10,000 test rows") for title in titles) == 1


def test_a_run_that_failed_before_its_data_was_read_joins_its_siblings(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    early = write_run(tmp_path, seed=1, status="failed", data=None, error="no memory", epochs=1)
    (early / "metrics.csv").unlink()
    (only,) = group_of(tmp_path).configurations
    assert only.count == "1/2" and only.failed == 1
    assert group_of(early).title == "mnist, data unknown" and group_of(early).best is None


def test_failed_seeds_are_counted_and_never_best(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.1, [0.98, 0.981, 0.979, 0.98])
    write_run(tmp_path, {"learning_rate": 0.1}, seed=4, status="diverged", error="diverged: x")
    write_seeds(tmp_path, 0.01, [0.90, 0.91, 0.92])
    group = group_of(tmp_path)
    wild, best = by_rate(group)[0.1], by_rate(group)[0.01]
    assert wild.count == "4/5" and wild.n == 4 and group.best is best is group.configurations[0]
    assert wild.verdict == "better" and "not all of them did" in group.sentence


def test_a_configuration_without_any_sound_run_is_said_to_have_failed(tmp_path: Path) -> None:
    """It is no matter of more seeds."""
    for seed in range(3):
        write_run(tmp_path, {"learning_rate": 0.01}, seed=seed, score=0.9 + 0.001 * seed)
        write_run(tmp_path, {"learning_rate": 1.0}, seed=seed, status="diverged", error="diverged: x")
    (group,) = make_report([tmp_path]).groups
    best, wrong = group.configurations
    assert (best.verdict, wrong.verdict) == ("best", "too few seeds")
    assert "The other is without a score: every seed failed or diverged." in group.sentence and "takes 3" not in group.sentence


def test_there_is_no_best_where_every_configuration_has_failed_seeds(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.1, [0.98, 0.981, 0.979])
    write_run(tmp_path, {"learning_rate": 0.1}, seed=4, status="failed", error="x")
    group = group_of(tmp_path)
    assert group.best is None and group.reference is None and "each of them has seeds that failed" in group.sentence


def test_unfinished_and_pruned_runs_are_left_out(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.01, [0.9, 0.9, 0.9])
    write_run(tmp_path, {"learning_rate": 0.01}, seed=7, status="interrupted")
    write_run(tmp_path, {"learning_rate": 0.1}, seed=0, status="pruned", metrics={"val_accuracy": 0.99})
    group = group_of(tmp_path)
    assert (by_rate(group)[0.01].n, by_rate(group)[0.01].unfinished) == (3, 1)
    pruned = by_rate(group)[0.1]
    assert (pruned.n, pruned.pruned, pruned.metrics, pruned.verdict) == (0, 1, {}, "too few seeds")


def test_too_few_seeds(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.01, [0.9, 0.91, 0.92])
    write_seeds(tmp_path, 0.1, [0.5, 0.5])
    group = group_of(tmp_path)
    assert [each.verdict for each in group.configurations] == ["best", "too few seeds"]
    assert group.configurations[1].p is None and "takes 3 completed seeds" in group.sentence


def test_no_spread_at_all(tmp_path: Path) -> None:
    for rate, score in ((0.001, 0.9), (0.01, 0.9), (0.1, 0.8)):
        write_seeds(tmp_path, rate, [score] * 3)
    assert {rate: each.verdict for rate, each in by_rate(group_of(tmp_path)).items()} == {
        0.001: "best",
        0.01: "indistinguishable",
        0.1: "worse",
    }


def test_the_lowest_loss_is_best_in_a_regression(tmp_path: Path) -> None:
    for rate, loss in ((0.001, 0.5), (0.01, 0.25)):
        for seed in range(3):
            scores = {"val_loss": loss + seed / 1000, "val_r2": 0.1, "test_r2": 0.1}
            write_run(tmp_path, {"learning_rate": rate}, seed=seed, metrics=scores)
    group = group_of(tmp_path)
    assert group.task == "regression" and group.best is by_rate(group)[0.01] and by_rate(group)[0.001].verdict == "worse"


def test_without_validation_nothing_is_chosen(tmp_path: Path) -> None:
    write_run(tmp_path, metrics={"train_accuracy": 0.9, "test_accuracy": 0.95, "val_accuracy": None})
    group = group_of(tmp_path)
    assert group.best is None and "the test set is never used for choosing" in group.sentence


def test_a_baseline_is_what_the_others_are_compared_with(tmp_path: Path) -> None:
    for rate, scores in ((0.001, [0.90, 0.91, 0.92]), (0.01, [0.94, 0.95, 0.96]), (0.1, [0.5, 0.51, 0.52])):
        write_seeds(tmp_path, rate, scores, name=f"rate{rate}")
    group = group_of(tmp_path, results=tmp_path, baseline="@best:train_loss")
    assert group.baseline and group.reference is by_rate(group)[0.01]
    folder = by_rate(group)[0.001].runs[1].folder
    for named in (str(folder), folder.name):
        group = group_of(tmp_path, results=tmp_path, baseline=named)
        verdicts = {rate: each.verdict for rate, each in by_rate(group).items()}
        assert verdicts == {0.001: "baseline", 0.01: "better", 0.1: "worse"} and group.best is by_rate(group)[0.01]
        assert "better than the baseline learning_rate=0.001" in group.sentence
    other = write_run(tmp_path / "elsewhere", name="other")
    with pytest.raises(UsageError, match="not among the runs"):
        make_report([tmp_path / folder.name], baseline=str(other))


@pytest.mark.parametrize(
    ("configs", "said"),
    [
        ([{"learning_rate": rate} for rate in (0.003, 0.001, 0.0003)], "learning_rate=0.003 is the largest tried: a larger one"),
        ([{"hidden_sizes": [size]} for size in (32, 64, 128)], "hidden_sizes=[32] is the smallest tried: a smaller one"),
        ([{"learning_rate": rate} for rate in (0.003, 0.001)], ""),
        ([{"learning_rate": rate} for rate in (0.003, 0.01, 0.001)], ""),
        ([{"dropout": rate} for rate in (0.0, 0.2, 0.5)], ""),
        ([{"learning_rate": rate, "dropout": rate / 2} for rate in (0.3, 0.1, 0.01)], ""),
        (
            [{"batch_size": size, "learning_rate": rate} for rate in (0.3, 0.1, 0.01) for size in (8, 16, 32)],
            "learning_rate=0.3 is the largest tried and batch_size=8 is the smallest tried: values beyond these",
        ),
    ],
)
def test_a_best_at_an_end_of_what_was_tried(tmp_path: Path, configs: list[dict[str, Any]], said: str) -> None:
    """The first of them is the best. A pair of values that vary together are no grid, and 0 is no end to go beyond."""
    for place, config in enumerate(configs):
        write_run(tmp_path, config, score=0.95 - 0.02 * place)
    text = group_of(tmp_path).sentence
    assert f" {said} may be better." in text if said else "may be better" not in text


def test_where_on_the_config_comes_before_the_statistics(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.001, [0.90, 0.91, 0.92])
    write_seeds(tmp_path, 0.01, [0.80, 0.81, 0.82])
    only = group_of(tmp_path, where="learning_rate>=0.01 and seed<2 and status=completed")
    assert [each.n for each in only.configurations] == [2] and only.configurations[0].verdict == "best"
    chosen = group_of(tmp_path, where="val_accuracy<0.85 and learning_rate>0")
    assert [each.verdict for each in chosen.configurations] == ["worse"] and chosen.configurations[0].n == 3
    assert any("1 of 2 configurations are shown" in note for note in chosen.notes)
    with pytest.raises(UsageError, match="seed is of a run and verdict of a configuration"):
        make_report([tmp_path], where="seed=0 and verdict=worse")
    for nothing in ("optimizer=sgd", "n>5"):
        with pytest.raises(UsageError, match="nothing to report"):
            make_report([tmp_path], where=nothing)


def test_nothing_to_report_names_what_is_broken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to report"):
        make_report([tmp_path])
    (tmp_path / "bad-01234567").mkdir()
    with pytest.raises(UsageError, match="bad-01234567: empty"):
        make_report([tmp_path])


def test_the_order_of_the_folders_does_not_matter(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.01, [0.9, 0.91, 0.92], name="zz")
    write_seeds(tmp_path, 0.001, [0.9, 0.91, 0.92], name="aa")
    folders = sorted(tmp_path.iterdir())
    one, other = make_report(folders).groups, make_report(folders[::-1]).groups
    assert one == other and one[0].configurations[0].label == "learning_rate=0.001"


def test_one_lucky_seed_is_not_the_best_where_others_have_three(tmp_path: Path) -> None:
    write_seeds(tmp_path, 0.01, [0.9, 0.91, 0.92])
    write_seeds(tmp_path, 0.02, [0.5, 0.51, 0.52])
    write_seeds(tmp_path, 0.1, [0.99])
    group = group_of(tmp_path)
    assert {rate: each.verdict for rate, each in by_rate(group).items()} == {0.01: "best", 0.02: "worse", 0.1: "too few seeds"}
    assert "learning_rate=0.1 has 99.00 %, but over 1 seed only: too few to be named the best." in group.sentence


def test_with_nothing_to_compare_with_only_few_seeds_are_told(tmp_path: Path) -> None:
    for rate in (0.1, 0.2):
        write_seeds(tmp_path, rate, [0.9, 0.91, 0.92])
        write_run(tmp_path, {"learning_rate": rate}, seed=8, status="diverged", error="diverged: loss is nan")
    write_run(tmp_path, {"learning_rate": 0.3}, seed=0, status="diverged", error="diverged: loss is nan")
    assert {rate: each.verdict for rate, each in by_rate(group_of(tmp_path)).items()} == {0.1: "", 0.2: "", 0.3: "too few seeds"}


def test_a_sweep_s_report_chooses_by_the_sweep_s_metric(tmp_path: Path) -> None:
    """The accuracy is best at 0.01, the loss at 0.1; a single seed at 0.5 leads in both."""
    for rate, scores, loss in ((0.01, [0.9, 0.91, 0.92], 0.4), (0.1, [0.8, 0.81, 0.82], 0.2), (0.5, [0.99], 0.1)):
        for seed, score in enumerate(scores):
            metrics = {"val_accuracy": score, "val_loss": loss + 0.01 * seed}
            write_run(tmp_path / "runs", {"learning_rate": rate}, seed=seed, score=score, metrics=metrics)
    for metric, mode, best in (("val_accuracy", "max", 0.01), ("val_loss", "min", 0.1)):
        (tmp_path / "sweep.yaml").write_text(f"name: x\nmetric: {metric}\nmode: {mode}\n")
        group = group_of(tmp_path)
        assert group.best is by_rate(group)[best] and shown_metrics(group)[0] == group.monitor == metric
    (tmp_path / "sweep.yaml").write_text("metric: val_loss\nmode: max\n")
    assert group_of(tmp_path).monitor == "val_accuracy", "the worst is never called the best"


def test_sections_are_named_by_the_key_of_the_data_that_differs(tmp_path: Path) -> None:
    for noise in (0.1, 0.4):
        for rate in (0.01, 0.1):
            data = {"name": "moons", "sha256": f"{noise}" * 16, "train": 80, "validation": 20, "test": 20}
            write_run(tmp_path, {"dataset": {"name": "moons", "noise": noise}, "learning_rate": rate}, data=data)
    report = make_report([tmp_path])
    assert [group.title.rpartition(", ")[2] for group in report.groups] == ["noise 0.1", "noise 0.4"]
    assert all(len(group.configurations) == 2 and group.keys == ["learning_rate"] for group in report.groups)
    rows = list(csv.DictReader(io.StringIO(summary_csv(report))))
    assert [(row["dataset.noise"], row["learning_rate"]) for row in rows] == [
        ("0.1", "0.01"),
        ("0.1", "0.1"),
        ("0.4", "0.01"),
        ("0.4", "0.1"),
    ]
    rows = list(csv.DictReader(io.StringIO(runs_csv(report))))
    assert [row["dataset.noise"] for row in rows] == ["0.1", "0.1", "0.4", "0.4"]
    columns = dict(overview(report))
    assert columns["dataset.noise"] == ["0.1", "0.4"] and len(columns["best"]) == 2 and "validation accuracy %" in columns
    first, *_ = table_text(report).splitlines()
    assert first.split() == ["dataset.noise", "best", "validation", "accuracy", "%"] and "| 0.4 |" in markdown(report)
    with style.context():
        (panel,) = across_data(report)
    ends = [line.get_xdata() for line in panel.axes.get_lines() if len(line.get_xdata()) == 2]
    assert panel.title == "Validation accuracy against dataset.noise" and [list(end) for end in ends] == [[0.1, 0.4]] * 2


def test_runs_on_one_table_may_differ_in_a_key_that_is_a_list(tmp_path: Path) -> None:
    for number, drop in enumerate(([], ["id", "note"])):
        own = {"path": "houses.csv", "target": "price", "drop": drop}
        data = {"name": "houses", "sha256": f"{number}" * 64, "train": 80, "validation": 20, "test": 20}
        write_run(tmp_path, {"dataset": own}, name=f"run-{number}", data=data)
    report = make_report([tmp_path])
    assert dict(overview(report))["dataset.drop"] == ["[]", "[id, note]"]
    assert "[id, note]" in write_report(report, tmp_path / "report").read_text()
