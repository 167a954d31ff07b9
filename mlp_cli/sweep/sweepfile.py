"""From a config or a sweep file and the command line's KEY=SPEC to a planned sweep; and the resolved `sweep.yaml` of its folder."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from mlp_cli import runs
from mlp_cli.choosing import higher_is_better
from mlp_cli.config import Config, Document, read_document
from mlp_cli.config.components import Choice, Component, models_in
from mlp_cli.config.overrides import override
from mlp_cli.config.problems import check, config_error
from mlp_cli.config.resolved import as_written, show
from mlp_cli.config.schema import RunName
from mlp_cli.config.yaml_lines import NOWHERE, Place, Problem, read
from mlp_cli.errors import ConfigError, UsageError
from mlp_cli.nn.losses import losses
from mlp_cli.registry import Count, Seed, nearest
from mlp_cli.registry import Range as Bounds
from mlp_cli.sweep.halving import Halving, pruners
from mlp_cli.sweep.samplers import Sampler, samplers
from mlp_cli.sweep.space import (
    CALL,
    CUT,
    FORMS,
    MOST_MEMBERS,
    Axis,
    Space,
    Written,
    WrongSpecError,
    corners,
    fill,
    parse,
    ranges_in,
    sweep_hash,
    values_of,
    without,
)
from mlp_cli.text import listed, one_line
from mlp_cli.training.evaluate import SCORE_NAMES

KEYS = ("name", "base", "parameters", "zip", "seeds", "sampler", "trials", "pruner", "metric", "mode")
MOST_SEEDS = 10_000
FIXED = {
    "name": "a sweep has one name; its members are named after what varies",
    "log_to": "changes no run, so it cannot vary; all runs are logged alike: log_to=[tensorboard,mlflow], in a file under base",
}
"""Keys that cannot vary, and what is said of it."""
_Metric = Literal["val_loss", "val_accuracy", "val_r2", "train_loss", "train_accuracy", "train_r2"]


@dataclass(frozen=True)
class Asked:
    """What the command line asks for besides KEY=SPEC; None where it leaves that to the file."""

    seeds: int | None = None
    sampler: str | None = None
    trials: int | None = None
    pruner: str | None = None


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before it starts.

    hash: its identity, 64 hex digits. folder: where it lives. trials: how many configurations a sampler draws, None for a grid.
    metric: what chooses, and mode: whether the largest (max) or the smallest (min) is best. rungs: the epochs at which members
    pause, the last epoch at the end; empty without halving. log_to: the tools that get each member.
    """

    name: str
    hash: str
    folder: Path
    space: Space
    sampler: Component
    trials: int | None
    pruner: Component | None
    metric: str
    mode: str
    rungs: tuple[int, ...]
    log_to: tuple[str, ...]

    @property
    def runs(self) -> Path:
        """The folder of the members' folders."""
        return self.folder / "runs"

    def start(self) -> Sampler:
        """A sampler that has begun. Errors: UsageError, ConfigError for a space that it cannot work with."""
        sampler: Sampler = samplers.build(self.sampler.name, **self.sampler.options())
        self.space.check_all(sampler.begin(self.space.axes, self.trials, self.mode))
        return sampler

    def halving(self) -> Halving | None:
        """The pruner's rules, if there is one."""
        return None if self.pruner is None else pruners.build(self.pruner.name, **self.pruner.options())

    def to_yaml(self) -> str:
        """The text of sweep.yaml: a sweep file that plans the same sweep again.

        Its base has every default filled in, but for those that follow from other keys, since these may vary.
        """
        space = self.space
        written = without(space.base.values, [*space.swept, "seed", "name"])
        lines = [f"name: {show(self.name)}", "base:"]
        for key, field in Config.model_fields.items():
            usual = key not in (*space.swept, "seed", "name") and not field.is_required() and field.default_factory is None
            if key in written or usual:
                lines.append(f"  {key}: {show(as_written(written.get(key, field.default)))}")
        columns = {key: [row[place] for row in axis.values] for axis in space.axes for place, key in enumerate(axis.keys)}
        lines += ["parameters:"] if columns else []
        lines += [f"  {show(key)}: {show(fill(values, str))}" for key, values in columns.items()]
        zips = [list(axis.keys) for axis in space.axes if len(axis.keys) > 1]
        lines += [f"zip: {show(zips)}"] if zips else []
        lines += [f"seeds: {show(list(space.seeds))}", f"sampler: {show(_short(self.sampler))}"]
        lines += [f"trials: {self.trials}"] if self.trials is not None else []
        lines += [f"pruner: {show(_short(self.pruner))}", f"metric: {self.metric}", f"mode: {self.mode}"]
        return "\n".join(lines) + "\n"


def _short(part: Component | None) -> Any:
    return "none" if part is None else {"name": part.name, **part.options()} if part.options() else part.name


def plan_sweep(file: str | os.PathLike[str] | Document, words: Sequence[str], results: Path, asked: Asked) -> SweepPlan:
    """Reads and checks all that describes a sweep.

    file: its path, or what was read already. words: KEY=SPEC, which win over a file's parameters.

    Errors: ConfigError with every problem of the file, the words and the members that they make; UsageError.
    """
    read = _Reading(file if isinstance(file, Document) else read_document(file), words, asked)
    axes = read.axes()
    if read.base is None:
        own = [str(config_error(read.document.source, read.problems))] if read.problems else []
        raise ConfigError("\n".join([*own, *([str(read.base_error)] if read.base_error else [])]))
    seeds = read.seeds()
    space = Space(read.document.source, read.fixed(), axes, read.written, seeds, tuple(read.problems))
    sampler, pruner = read.part("sampler", asked.sampler, "grid"), read.part("pruner", asked.pruner, None)
    trials = asked.trials if asked.trials is not None else read.trials if asked.sampler != "grid" else None
    rows = math.prod(len(axis.values) for axis in axes) if sampler.name == "grid" else trials or 0
    if rows * len(seeds) > MOST_MEMBERS:
        raise UsageError(
            f"the sweep has {rows * len(seeds):,} members; at most {MOST_MEMBERS:,} are accepted",
            "take fewer values or seeds, or draw some of them: --sampler random --trials 100",
        )
    if read.problems or space.base.problems:
        space.check_all(corners(axes))
    example = None  # a config whose problems are reported with those of all members
    with suppress(ValidationError, UsageError):
        example = space.config(corners(axes, 1)[0])
    usual = default_metric(example)
    metric = read.metric or usual
    mode = read.mode or ("max" if higher_is_better(metric) else "min")
    if example is not None:
        names = [
            f"{part}_{score}" for part in ("val", "train") for score in ("loss", SCORE_NAMES[losses[example.loss.name].task])
        ]
        if metric not in names:
            message = f"does not go with loss {example.loss.name}; write one of {', '.join(names)}"
            raise config_error(space.source, [read.document.problem(("metric",), message)])
    is_usual = metric == usual and mode == ("max" if higher_is_better(usual) else "min")
    chosen = None if is_usual else {"name": metric, "mode": mode}
    digest = sweep_hash(space.base, space.swept, _identity(sampler), _identity(pruner), chosen)
    folder = results / runs.run_id(space.base.name, digest)
    log_to = () if example is None else example.log_to
    planned = SweepPlan(space.base.name, digest, folder, space, sampler, trials, pruner, metric, mode, (), log_to)
    return _with_rungs(planned, example)


def _with_rungs(planned: SweepPlan, example: Config | None) -> SweepPlan:
    """With the rungs of its halving. Errors: UsageError for a search, or a pruner, that has nothing to go by."""
    led = planned.sampler if planned.sampler.name == "tpe" else planned.pruner
    halving, rungs = planned.halving(), tuple[int, ...]()
    if halving is not None and example is not None:
        if "epochs" in planned.space.swept:
            raise UsageError("--pruner halving compares runs at the same epochs, and epochs varies", "give epochs one value")
        rungs = halving.rungs(example.epochs)
    if led is not None and example is not None and example.dataset.validation == 0 and planned.metric.startswith("val_"):
        raise UsageError(
            f"{led.name} is led by {planned.metric}, and dataset.validation is 0",
            "set aside some rows: dataset.validation=0.1, for one",
        )
    return replace(planned, rungs=rungs)


def default_metric(config: Config | None) -> str:
    """What chooses if nobody says: the validation accuracy; for regression the validation loss."""
    return "val_loss" if config is not None and losses[config.loss.name].task == "regression" else "val_accuracy"


def part_of(kind: str, value: Any) -> Any:
    """A sampler or a pruner by its name, or a mapping of a name and options; None for the pruner `none`.

    Errors: UsageError with all that is wrong on one line.
    """
    if kind == "pruner" and (value is None or value is False or value == "none"):
        return None
    try:
        return check(Annotated[Component, Choice(pruners if kind == "pruner" else samplers)], kind, value)
    except UsageError as error:
        none = "none, " if kind == "pruner" else ""
        raise UsageError(error.message.replace("(known: ", f"(known: {none}")) from None


def is_sweep_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a sweep file, and no config; False for one that cannot be read, or only once, such as a pipe."""
    try:
        return os.path.isfile(path) and is_sweep(read_document(path))
    except ConfigError:
        return False


def is_sweep(document: Document) -> bool:
    """Whether a document is a sweep, and no config."""
    return bool(set(KEYS[1:]) & set(document.values))


class _Reading:
    """What a file and the words over it say of a sweep; a plain config is all base. `problems` gathers what is wrong.

    base: None where there is none; base_error then says why, if another file is to blame. values: of each swept key, in order.
    words: those that give a key one value.
    """

    def __init__(self, document: Document, words: Sequence[str], asked: Asked) -> None:
        self.document, self.asked = document, asked
        self.entries: dict[str, Any] = document.values if is_sweep(document) else {}
        self.problems = list(document.problems) if self.entries else []
        self.base_error: ConfigError | None = None
        self.base: Document | None = self._base() if self.entries else document
        self.values: dict[str, list[Any]] = {}
        self.written: dict[str, Written] = {}
        self.words: dict[str, str] = {}
        if self.entries:
            self._refuse_unknown()
            self._parameters()
        self.name = self._checked("name", RunName)
        one_each = Annotated[list[Seed], Field(min_length=1)]
        self._seeds = self._checked("seeds", Annotated[int, Bounds(ge=1, le=MOST_SEEDS)] | one_each, one_each)
        self.trials = self._checked("trials", Count)
        self._parts = {kind: self._noted(kind, partial(part_of, kind)) for kind in ("sampler", "pruner")}
        self.metric, self.mode = self._metric(), self._checked("mode", Literal["max", "min"])
        for number, word in enumerate(words):
            self._word(word, Place(override=word, number=number))

    def fixed(self) -> Document:
        """The base with the words of one value applied, under the sweep's name. Problems in it are those of each member."""
        assert self.base is not None
        inline = self.entries.get("base")
        own = inline.get("name") if isinstance(inline, dict) else None
        name = self.name or (own if isinstance(own, str) else None) or document_name(self.document)
        name = str(read(self.words["name"].partition("=")[2]).values) if "name" in self.words else name
        changed = override(replace(self.base, name=name), [*self.words.values()])
        return replace(changed, values={**changed.values, "name": name})

    def part(self, kind: str, asked: str | None, default: str | None) -> Any:
        """The part that the command line names, else the file's; the same name means the file's, with its options."""
        written = self._parts[kind]
        if asked is None and kind in self.entries:
            return written
        return written if written is not None and asked == written.name else part_of(kind, asked or default)

    def seeds(self) -> tuple[int, ...]:
        """The seeds of each configuration. Errors: UsageError for seeds that are asked for in two ways, or that run out."""
        values, asked = self.values.pop("seed", None), self.asked.seeds
        written = self.written.pop("seed", None)
        if written is not None and written.place.override is not None and asked is not None:
            raise UsageError(f"--seeds {asked} and {written.shown} both say which seeds", "give one of them")
        if written is not None and written.place.override is None and "seeds" in self.entries:
            self.problems.append(Problem(written.place, written.shown, "seeds says which seeds already; keep one of them"))
            return (0,)
        if written is not None and values is not None and asked is None:
            if ranges_in(values):
                message = "seeds are listed, not drawn; write 0,1,2 or use seeds"
                self.problems.append(Problem(written.place, written.shown, message))
                return (0,)
            return tuple(dict.fromkeys(self._seed(value, written) for value in values))
        if isinstance(self._seeds, list) and asked is None and "seed" not in self.words:
            return tuple(dict.fromkeys(self._seeds))
        assert self.base is not None
        first = self.base.values.get("seed", 0)
        try:
            check(Seed, "seed", first)
        except UsageError as error:
            problem, first = self.base.problem(("seed",), error.message), 0
            self.base = replace(self.base, problems=(*self.base.problems, problem))
        if "seed" in self.words:
            word = self.words["seed"]
            first = self._seed(read(word.partition("=")[2]).values, Written(word, Place(override=word)))
        count = asked if asked is not None else self._seeds if isinstance(self._seeds, int) else 1
        if first + count - 1 > 2**32 - 1:
            message = f"{count:,} seeds from {first} on go beyond 2**32 - 1, the last one there is"
            raise UsageError(message, "begin with a smaller seed")
        return tuple(range(first, first + count))

    def _seed(self, value: Any, written: Written) -> int:
        try:
            return int(check(Seed, "seed", value))
        except UsageError as error:
            self.problems.append(Problem(written.place, written.with_value("seed", value), error.message))
            return 0

    def axes(self) -> tuple[Axis, ...]:
        """The swept keys, those that move together as one; a group stands where its first key does, an option after the key that
        it belongs to. Options that only some values of a swept key take are folded into these values."""
        groups = [group for group in self._zips() if not self._refused(group)]
        alone = [(key,) for key in self.values if key != "seed" and not any(key in group for group in groups)]
        places = {key: place for place, key in enumerate(self.values)}
        keys = sorted([*groups, *alone], key=lambda group: min(places[key] for key in group))
        axes = [Axis(group, tuple(zip(*(self.values[key] for key in group), strict=True))) for group in keys]
        by_key = {axis.keys: axis for axis in axes}
        for option in [key for key in [*self.words, *self.values] if "." in key]:
            parent = by_key.get((option.partition(".")[0],))
            if parent is not None and (option in self.words or (option,) in by_key):
                self._fold(parent, option, by_key)
        return tuple(sorted(by_key.values(), key=lambda axis: max(map(self._order, axis.keys))))

    def _order(self, key: str) -> tuple[int, int]:
        """Sorts a key behind those that hold it, which would replace it."""
        holders = [place for place, other in enumerate(self.values) if other == key or key.startswith(f"{other}.")]
        return max(holders), key.count(".")

    def _fold(self, parent: Axis, option: str, by_key: dict[tuple[str, ...], Axis]) -> None:
        """Puts an option's values into the values of its key: a fixed option into all, a swept one into those that take it, unless
        all of them do, which leaves it an axis of its own."""
        key = parent.keys[0]
        word = self.words.get(option)
        options = [read(word.partition("=")[2]).values] if word else self.values[option]
        field = Config.model_fields.get(key)
        models = {} if field is None else models_in(field.rebuild_annotation())
        rows: list[tuple[Any]] = []
        takers = 0
        for (value,) in parent.values:
            name = value.get("name") if isinstance(value, dict) else value
            model = models.get(name) if isinstance(name, str) else None
            takes = option.partition(".")[2] in model.model_fields if model else False
            takers += takes
            mapping = {"name": value} if isinstance(value, str) else value
            if isinstance(mapping, dict) and (takes or word):
                rows += [({**mapping, option.partition(".")[2]: each},) for each in options]
            else:
                rows.append((value,))
        if word:
            self.words.pop(option)
        elif takers in (0, len(parent.values)):
            return
        else:
            del by_key[option,]
        by_key[parent.keys] = Axis(parent.keys, tuple(rows))

    def _refused(self, group: tuple[str, ...]) -> bool:
        """Notes what keeps a group's keys from moving together."""
        missing = [key for key in group if key not in self.values]
        twice = [key for key in group if group.count(key) > 1 or sum(key in other for other in self._zips()) > 1]
        counts = {key: len(self.values.get(key, ())) for key in group}
        message = None
        if "seed" in group:
            message = "seed moves with no other key, since each configuration has all seeds; take it out"
        elif missing:
            message = f"{missing[0]} does not vary; give it several values under parameters, or take it out"
        elif drawn := [key for key in group if ranges_in(self.values[key])]:
            message = f"{drawn[0]} is a distribution; keys that move together need lists of values"
        elif twice:
            message = f"{twice[0]} is named twice"
        elif len(set(counts.values())) > 1:
            each = " and ".join(f"{key} has {count}" for key, count in counts.items())
            message = f"{each} values; keys that move together need the same number"
        problem = self.document.problem(("zip",), message) if message is not None else None
        self.problems += [problem] if problem is not None and problem not in self.problems else []
        return problem is not None

    def _zips(self) -> list[tuple[str, ...]]:
        if "zip" not in self.entries:
            return []
        value = self.entries["zip"]
        groups = [value] if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
        keys = Annotated[list[str], Field(min_length=2)]
        try:
            return [tuple(group) for group in check(Annotated[list[keys], Field(min_length=1)], "zip", groups)]
        except UsageError:
            message = "must be a list of keys that move together, such as [learning_rate, batch_size], or several such lists"
            problem = self.document.problem(("zip",), message)
            self.problems += [problem] if problem not in self.problems else []
            return []

    def _word(self, word: str, place: Place) -> None:
        """Takes KEY=SPEC, over what the file or an earlier word says of the key."""
        key, equals, spec = word.partition("=")
        parts = [part.strip() for part in key.split(".")]
        key = ".".join(parts)
        try:
            if not equals or not all(parts):
                raise WrongSpecError("must be KEY=VALUE, such as epochs=3")
            values = parse(spec)
        except WrongSpecError as error:
            self.problems.append(Problem(place, word, str(error)))
            return
        for known in (self.values, self.written, self.words):
            known.pop(key, None)
        if len(values) == 1 and not ranges_in(values) and not spec.strip().startswith("choice("):
            self.words[key] = word
        elif key in FIXED:
            self.problems.append(Problem(place, word, FIXED[key]))
        else:
            self.values[key], self.written[key] = values, Written(word, place)

    def _parameters(self) -> None:
        parameters = self.entries.get("parameters", {})
        if not isinstance(parameters, dict):
            self._problem("parameters", "must be a mapping: a line such as learning_rate: [1e-3, 1e-2] for each key that varies")
            return
        for key, value in parameters.items():
            path = ("parameters", key)
            shown, place = f"{key}: {self.document.text(path)}", self.document.place(path)
            try:
                values = self._listed(path, value)
                if key in FIXED:
                    raise WrongSpecError(FIXED[key])
            except WrongSpecError as error:
                self.problems.append(Problem(place, shown, str(error)))
                continue
            one_each = isinstance(value, list) and len(value) == len(values)
            places = tuple(self.document.place((*path, number)) for number in range(len(values))) if one_each else ()
            self.values[key], self.written[key] = values, Written(shown, place, places)

    def _listed(self, path: tuple[int | str, ...], value: Any) -> list[Any]:
        """The values of a parameter. A text is read as on the command line, a list as it stands, with functions among its items."""
        if isinstance(value, list) and value:
            if any(isinstance(item, str) and CUT.fullmatch(item) for item in value):
                return parse(self.document.text(path)[1:-1])
            return [each for number, item in enumerate(value) for each in self._item((*path, number), item)]
        if isinstance(value, str) and value:
            return parse(value)
        if isinstance(value, bool | int | float):
            return [value]
        message = "must be a list of values, or a distribution such as loguniform(1e-4, 1e-1)"
        if isinstance(value, dict) and {"min", "max"} <= value.keys():
            low, high = show(value["min"]), show(value["max"])
            raise WrongSpecError(f"{message}; write {path[-1]}: loguniform({low}, {high}), or uniform({low}, {high})")
        if isinstance(value, dict) and value:
            message += f"; for a nested key write {one_line(f'{path[-1]}.{next(iter(value))}', 40)}: [...]"
        raise WrongSpecError(message)

    def _item(self, path: tuple[int | str, ...], value: Any) -> list[Any]:
        """One item of a list, or several where a function gives them; YAML cuts functions in brackets at their commas."""
        if isinstance(value, str) and (call := CALL.fullmatch(value)) and call[1] in FORMS:
            return values_of(value)
        if isinstance(value, list):
            if any(isinstance(item, str) and CUT.fullmatch(item) for item in value):
                return values_of(self.document.text(path))
            return [list(row) for row in itertools.product(*(self._item((*path, n), item) for n, item in enumerate(value)))]
        return [value]

    def _problem(self, key: str, message: str) -> None:
        there = key in self.entries
        self.problems.append(self.document.problem((key,), message) if there else Problem(NOWHERE, key, message))

    def _refuse_unknown(self) -> None:
        for key in self.entries:
            if key not in KEYS and key in Config.model_fields:
                self._problem(key, "unknown key; belongs under base, or under parameters if it varies")
            elif key not in KEYS:
                near = nearest(key, KEYS)
                self._problem(key, f"unknown key; did you mean {near}?" if near else f"unknown key; known: {listed(KEYS)}")

    def _checked(self, key: str, kind: Any, of_list: Any = None) -> Any:
        """The value of a key as a type of pydantic's takes it; None where it is left out, or wrong and noted."""
        kind = of_list if of_list and isinstance(self.entries.get(key), list) else kind
        return self._noted(key, lambda value: check(kind, key, value))

    def _noted(self, key: str, make: Callable[[Any], Any]) -> Any:
        """What `make` makes of the value of a key; None where the key is left out, or wrong and noted."""
        try:
            return make(self.entries[key]) if key in self.entries else None
        except UsageError as error:
            self._problem(key, error.message)
            return None

    def _metric(self) -> Any:
        if str(self.entries.get("metric")).startswith("test_"):
            self._problem("metric", "the test set never chooses; write val_accuracy or val_loss")
            return None
        return self._checked("metric", _Metric)

    def _base(self) -> Document | None:
        base, document = self.entries.get("base"), self.document
        if isinstance(base, dict):
            places = {way[1:]: place for way, place in document.places.items() if way[:1] == ("base",)}
            return Document(document.source, base, document.name, places)
        if isinstance(base, str) and base:
            try:
                written = read_document(Path(document.source).parent / base)
            except ConfigError as error:
                self.base_error = error
                return None
            if not is_sweep(written):
                return written
            self._problem("base", "is a sweep file; a base must be a plain config")
        elif base is None:
            self._problem("base", "is required; write base: and the path of a config, or a mapping of its keys")
        else:
            self._problem("base", "must be the path of a config, or a mapping of its keys")
        return None


def document_name(document: Document) -> str:
    """What a file calls its runs: its key name, or its stem."""
    name = document.values.get("name")
    return name if isinstance(name, str) else document.name


def _identity(part: Component | None) -> dict[str, Any] | None:
    return None if part is None else {"name": part.name, **part.options()}
