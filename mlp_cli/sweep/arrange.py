"""From a file's parameters and the command line's KEY=SPEC to settings, dimensions and seeds; the command line wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mlp_cli.config.overrides import override
from mlp_cli.config.problems import check
from mlp_cli.config.resolved import show
from mlp_cli.config.schema import RunName
from mlp_cli.config.yaml_lines import Document, Place, Problem, read
from mlp_cli.errors import UsageError
from mlp_cli.registry import Seed
from mlp_cli.sweep.axes import Choices, Dimension, Setting
from mlp_cli.sweep.specs import parse
from mlp_cli.sweep.sweepfile import Source


@dataclass
class Arrangement:
    """What varies and what does not. name: the one that the command line gives. problems: of the command line, and between it
    and the file. base_problems: of the base."""

    settings: list[Setting] = field(default_factory=list)
    dimensions: list[Dimension] = field(default_factory=list)
    seeds: tuple[int, ...] = (0,)
    name: str | None = None
    problems: list[Problem] = field(default_factory=list)
    base_problems: list[Problem] = field(default_factory=list)


def arrange(source: Source, words: Sequence[str], seeds: int | None) -> Arrangement:
    """Reads the words and puts them over the file's parameters, in the order given. seeds: of `--seeds`.

    Errors: UsageError for seeds that are asked for in two ways, or that run out; problems of the words are returned.
    """
    found = Arrangement(settings=list(source.parameters))
    given: dict[str, Setting] = {}
    for number, word in enumerate(words):
        setting = _setting(word, Place(override=word, number=number), found.problems)
        if setting is not None:
            given[setting.key] = setting
            found.settings = [other for other in found.settings if other.key != setting.key] + [setting]
    found.name = _take_name(found, given.get("name"))
    found.seeds = _take_seeds(found, source, given.get("seed"), seeds)
    _refuse_lost(found)
    found.settings = _folded(found.settings)
    found.dimensions = _dimensions(found, source)
    return found


def _setting(word: str, place: Place, problems: list[Problem]) -> Setting | None:
    """One KEY=SPEC; None where it is wrong and noted."""
    key, equals, spec = word.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        problems += [problem._replace(place=place) for problem in override(Document("", {}), [word]).problems]
        return None
    domain = parse(spec, word, place)
    if isinstance(domain, list):
        problems += domain
        return None
    return Setting(".".join(parts), Choices((spec.strip(),)) if domain is None else domain, domain is None, word, place)


def _take_name(found: Arrangement, setting: Setting | None) -> str | None:
    """The sweep's name, if the command line gives one; members are named after what varies."""
    for other in [other for other in found.settings if other.key == "name" and not other.fixed]:
        found.problems.append(Problem(other.place, other.shown, "a sweep has one name; its members are named after what varies"))
    found.settings = [other for other in found.settings if other.key != "name"]
    if setting is None or not setting.fixed:
        return None
    value: str | None = _plain(setting, str(setting.domain), "name", RunName, found.problems)
    return value


def _plain(setting: Setting, text: str, what: str, kind: Any, problems: list[Problem]) -> Any:
    """A checked value of a setting; None where it is wrong and noted."""
    try:
        return check(kind, what, read(text).values)
    except UsageError as error:
        problems.append(Problem(setting.place, setting.shown_with(text), error.message))
        return None


def _take_seeds(found: Arrangement, source: Source, given: Setting | None, asked: int | None) -> tuple[int, ...]:
    """The seeds of each configuration. given: the command line's `seed=`; asked: its `--seeds`."""
    axis = next((setting for setting in found.settings if setting.key == "seed" and not setting.fixed), None)
    found.settings = [setting for setting in found.settings if setting.key != "seed"]
    if axis is not None and axis is given and asked is not None:
        raise UsageError(f"--seeds {asked} and {axis.shown} both say which seeds", "give one of them")
    if axis is not None and axis is not given and source.seeds is not None:
        found.problems.append(Problem(axis.place, axis.shown, "seeds says which seeds already; keep one of them"))
        return (0,)
    if axis is not None and asked is None:
        if not isinstance(axis.domain, Choices):
            found.problems.append(Problem(axis.place, axis.shown, "seeds are listed, not drawn; write 0,1,2 or use seeds"))
            return (0,)
        values = [_plain(axis, text, "seed", Seed, found.problems) for text in axis.domain.values]
        return tuple(dict.fromkeys(value for value in values if value is not None)) or (0,)
    if isinstance(source.seeds, tuple) and asked is None and given is None:
        return source.seeds
    first = _first_seed(found, source, given)
    count = asked if asked is not None else source.seeds if isinstance(source.seeds, int) else 1
    if first + count - 1 > 2**32 - 1:
        raise UsageError(
            f"{count:,} seeds from {first} on go beyond 2**32 - 1, the last one there is", "begin with a smaller seed"
        )
    return tuple(range(first, first + count))


def _first_seed(found: Arrangement, source: Source, given: Setting | None) -> int:
    if given is not None and given.fixed:
        return _plain(given, str(given.domain), "seed", Seed, found.problems) or 0
    if source.base is None or "seed" not in source.base.values:
        return 0
    try:
        return int(check(Seed, "seed", source.base.values["seed"]))
    except UsageError as error:
        found.base_problems.append(source.base.problem(("seed",), error.message))
        return 0


def _refuse_lost(found: Arrangement) -> None:
    """Notes an axis of an option that a later setting of the whole key replaces."""
    for number, setting in enumerate(found.settings):
        later = next((other for other in found.settings[number + 1 :] if setting.key.startswith(other.key + ".")), None)
        if later is not None and not setting.fixed:
            message = f"has no effect: {later.key} comes later and replaces all of it; put {setting.key} after {later.key}"
            found.problems.append(Problem(setting.place, setting.shown, message))


def _folded(settings: list[Setting]) -> list[Setting]:
    """Fixed options of a swept key, put into each of its values, so that nothing fixed depends on what varies."""
    kept: list[Setting] = []
    for setting in settings:
        parent = setting.key.partition(".")[0]
        axis = next((other for other in kept if other.key == parent and not other.fixed), None) if setting.fixed else None
        if axis is None or axis.key == setting.key or not isinstance(axis.domain, Choices):
            kept.append(setting)
            continue
        values = [_with_option(parent, value, setting) for value in axis.domain.values]
        if None in values:  # the checks of the members tell why
            kept.append(setting)
        else:
            kept[kept.index(axis)] = replace(axis, domain=Choices(tuple(value for value in values if value is not None)))
    return kept


def _with_option(key: str, value: str, option: Setting) -> str | None:
    changed = override(Document("", {key: read(value).values}), [f"{option.key}={option.domain}"])
    return None if changed.problems else show(changed.values[key])


def _dimensions(found: Arrangement, source: Source) -> list[Dimension]:
    """The swept settings, those that move together as one; a group stands where its first key does."""
    axes = {setting.key: setting for setting in found.settings if not setting.fixed}
    groups = {key: group for group in source.zips for key in group if not _zip_problem(found, source, group, axes)}
    dimensions: list[Dimension] = []
    done: set[str] = set()
    for key, setting in axes.items():
        if key in done:
            continue
        group = groups.get(key, (key,))
        done |= set(group)
        dimensions.append(Dimension(tuple(axes[member] for member in group) if key in groups else (setting,)))
    return dimensions


def _zip_problem(found: Arrangement, source: Source, group: tuple[str, ...], axes: dict[str, Setting]) -> bool:
    """Notes what keeps a group's keys from moving together."""
    message = None
    missing = [key for key in group if key not in axes]
    drawn = [key for key in group if key in axes and not isinstance(axes[key].domain, Choices)]
    elsewhere = [key for other in source.zips if other is not group for key in other if key in group]
    if "seed" in group:
        message = "seed moves with no other key, since each configuration has all seeds; take it out"
    elif missing:
        message = f"{missing[0]} does not vary; give it several values under parameters, or take it out"
    elif drawn:
        message = f"{drawn[0]} is a distribution; keys that move together need lists of values"
    elif elsewhere or len(set(group)) < len(group):
        message = f"{(elsewhere or list(group))[0]} is named twice"
    elif len({len(axes[key].domain.ends) for key in group}) > 1:
        counts = " and ".join(f"{key} has {len(axes[key].domain.ends)}" for key in group)
        message = f"{counts} values; keys that move together need the same number"
    if message is not None:
        problem = source.document.problem(("zip",), message)
        found.problems += [problem] if problem not in found.problems else []
    return message is not None
