"""Runs into groups that can be compared, and into configurations that differ in more than the seed."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mlp_cli.choosing import ROWS_KEYS, mean
from mlp_cli.config.resolved import canonical, differing, show
from mlp_cli.report.collect import metric_of_sweep
from mlp_cli.report.model import UNFINISHED, WRONG, Configuration, Group, Run
from mlp_cli.report.statistics import summarize
from mlp_cli.report.wording import cut

SCORES = {"classification": "accuracy", "regression": "r2"}
MONITORS = {"classification": "val_accuracy", "multi_label": "val_accuracy", "regression": "val_loss"}
_MOST_LABEL = 160
_SEED = re.compile(r"[_-]?seed-\d+$")
_NO_DIFFERENCE = ("seed", "diagnostics", *ROWS_KEYS)
_ORDER = {"completed": 0, "running": 1, "interrupted": 2, "pruned": 5}


class Key(NamedTuple):
    """What runs of one group have in common. test: rows of the test part, which are set aside before those of validation."""

    sha256: str
    split: str
    split_seed: str
    classes: str
    validation: int
    test: int
    path: str | None
    task: str


def make_groups(runs: Iterable[Run]) -> list[Group]:
    """Groups of equal data hash, classes, split, validation part and task, by title, their configurations without statistics
    between them. A run that ended before its data was known joins the group whose runs have the same `dataset` in their config."""
    ordered = sorted(runs, key=lambda run: (run.seed or 0, str(run.folder)))
    keyed: dict[Key, list[Run]] = defaultdict(list)
    later: list[Run] = []
    for run in ordered:
        task = task_of(run)
        if task is None or not run.record.data:
            later.append(run)
        else:
            keyed[_key(run, task)].append(run)
    for run in later:
        keyed[_home(run, keyed)].append(run)
    groups = [_group(key, members) for key, members in keyed.items()]
    _find_data_keys(groups)
    _tell_apart(groups)
    return sorted(groups, key=lambda group: (group.title, group.task))


def task_of(run: Run) -> str | None:
    """`classification`, `multi_label` or `regression`, by the scores that a run has; None where it has none yet."""
    for names in (run.record.metrics, run.epochs):
        for task, score in SCORES.items():
            if any(name.endswith(f"_{score}") for name in names):
                return "multi_label" if run.data.get("positive_rates") else task
    return None


def _key(run: Run, task: str) -> Key:
    data = run.data
    split, split_seed, classes = (
        "" if run.config.get(key) is None else show(run.config[key])
        for key in ("dataset.split", "dataset.split_seed", "dataset.classes")
    )
    validation = run.config.get("dataset.validation")
    path = validation if isinstance(validation, str) else None
    rows, test = (int(data.get(part) or 0) for part in ("validation", "test"))
    return Key(data.get("sha256", ""), split, split_seed, classes, rows, test, path, task)


def _dataset_of(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.config.items() if key == "dataset" or key in ROWS_KEYS}


def _home(run: Run, keyed: Mapping[Key, Sequence[Run]]) -> Key:
    """The group of a run whose task or data is not known: of the runs of equal data, else of the same `dataset`, else its own."""
    own = _key(run, "classification")
    if run.record.data:
        return next((key for key in keyed if key._replace(task=own.task) == own), own)
    dataset = _dataset_of(run)
    return next((key for key, members in keyed.items() if any(_dataset_of(member) == dataset for member in members)), own)


def _group(key: Key, runs: Sequence[Run]) -> Group:
    data = next((run.data for run in runs if run.data), {"name": show(runs[0].config.get("dataset"))})
    by_identity: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_identity[_identity(run)].append(run)
    configs = [members[0].record.config for members in by_identity.values()]
    keys = [name for name in differing(configs) if name not in _NO_DIFFERENCE]
    configurations = [_configuration(text + repr(key), members, keys) for text, members in by_identity.items()]
    seed = key.split_seed and f", split_seed {key.split_seed}"
    classes = key.classes and f", classes {key.classes}".replace('"', "")
    # Rows of labels are drawn from all alike.
    split = "at random" if (key.task, key.split) == ("multi_label", "stratified") else key.split
    words = cut(f"{split}{seed}{classes}", _MOST_LABEL)
    name = cut(data.get("name"), _MOST_LABEL)
    title = f"{name}, {key.validation:,} validation rows ({words})" if key.sha256 else f"{name}, data unknown"
    group = Group(title, dict(data), words, key.validation, key.task, _monitor(key.task, runs), keys, configurations)
    copies = sum(len(each.copies) for each in configurations)
    if copies:
        group.notes.append(
            f"{copies:,} run{'s have' if copies > 1 else ' has'} the config and seed of another and count{'' if copies > 1 else 's'} "
            "once: the same run again is no repeat."
        )
    if any(each.config.get("mixup") for each in configurations):
        group.notes.append("With mixup, training losses and scores are those of the mixed rows.")
    return group


def _monitor(task: str, runs: Sequence[Run]) -> str:
    """The metric that chooses: the task's; for runs that all belong to one sweep, that sweep's."""
    homes = {run.folder.parent for run in runs}
    metric = metric_of_sweep(homes.pop()) if len(homes) == 1 else None
    return metric if metric is not None and any(metric in run.metrics for run in runs) else MONITORS[task]


def _find_data_keys(groups: Sequence[Group]) -> None:
    """Finds what was set apart between groups in the data set itself, such as its noise or its path, in place."""
    examples = [each.runs[0].record.config for group in groups for each in group.configurations] if len(groups) > 1 else []
    keys = [key for key in differing(examples) if key.startswith("dataset") and key not in ROWS_KEYS]
    for group in groups:
        values = {key: [each.config.get(key) for each in group.configurations] for key in keys if key not in group.keys}
        group.data_keys = {key: found[0] for key, found in values.items() if found[0] is not None}


def _tell_apart(groups: Sequence[Group]) -> None:
    """Adds to titles that several groups have what these differ in: keys of the data set, else its hash; the size of the test
    part, the task."""
    additions: tuple[Callable[[Group], str], ...] = (
        lambda group: cut(
            ", ".join(f"{key.rpartition('.')[2]} {show(value)}" for key, value in group.data_keys.items()), _MOST_LABEL
        ),
        lambda group: f"data {str(group.data.get('sha256'))[:8]}",
        lambda group: f"{group.data.get('test') or 0:,} test rows",
        lambda group: group.task,
    )
    for addition in additions:
        found: dict[str, set[str]] = defaultdict(set)
        for group in groups:
            found[group.title].add(addition(group))
        for group in groups:
            if len(found[group.title]) > 1 and (words := addition(group)):
                group.title += f", {words}"


def _identity(run: Run) -> str:
    """A text that is equal for runs of one configuration in one group."""
    kept = {key: value for key, value in canonical(run.record.config).items() if key not in _NO_DIFFERENCE}
    return json.dumps(kept, sort_keys=True, default=str)


def _configuration(text: str, members: Sequence[Run], keys: Sequence[str]) -> Configuration:
    runs: dict[Any, Run] = {}
    for run in sorted(members, key=lambda run: _ORDER.get(run.status, 3)):
        runs.setdefault(run.seed, run)
    chosen = sorted(runs.values(), key=lambda run: (run.seed or 0, str(run.folder)))
    statuses = Counter(run.status for run in chosen)
    config = {key: value for key, value in members[0].config.items() if key != "seed"}
    differs = {key: config[key] for key in keys if key in config}
    done = [run for run in chosen if run.status == "completed"]
    sized = [size for run in (*done, *chosen) if (size := run.record.parameters) is not None]
    return Configuration(
        id=hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8],
        label=_label(differs, chosen),
        differs=differs,
        runs=chosen,
        n=len(done),
        failed=sum(statuses[status] for status in WRONG),
        unfinished=sum(statuses[status] for status in UNFINISHED),
        pruned=statuses["pruned"],
        metrics=_summaries(done),
        config=config,
        best_epoch=_mean_of(done, "best_epoch"),
        parameters=sized[0] if sized else None,
        seconds=_mean_of(done, "seconds"),
        copies=sorted((run for run in members if runs[run.seed] is not run), key=lambda run: str(run.folder)),
    )


def _label(differs: Mapping[str, Any], runs: Sequence[Run]) -> str:
    text = " ".join(f"{key}={show(value)}" for key, value in differs.items())
    text = text or _SEED.sub("", runs[0].name) or runs[0].folder.parent.parent.name or runs[0].id
    return text if len(text) <= _MOST_LABEL else text[: _MOST_LABEL - 1] + "…"


def _summaries(runs: Sequence[Run]) -> dict[str, Any]:
    scores = [run.metrics for run in runs]
    names = dict.fromkeys(name for found in scores for name in found)
    return {name: summarize([float(found[name]) for found in scores if name in found]) for name in names}


def _mean_of(runs: Sequence[Run], key: str) -> float | None:
    values = [float(value) for run in runs if (value := getattr(run.record, key)) is not None]
    return mean(values) if values else None
