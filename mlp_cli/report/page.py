"""The page of a report: one file that holds everything, works offline and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_cli.config.resolved import show
from mlp_cli.report import figures, pictures
from mlp_cli.report.model import Configuration, Failure, Group, Report, Run
from mlp_cli.report.tables import Cell, Column, caveat, cell, columns, has_spread, is_squared, largest_class, noted, overview
from mlp_cli.report.verdict import against, compared
from mlp_cli.report.wording import NOTHING, decimals, digits, duration, first_upper, plain, scaled, score_text
from mlp_cli.text import counted, either, is_percent, metric_name

if TYPE_CHECKING:
    from jinja2 import Environment

NAME = "index.html"
_COMMANDS = 12  # shown at once
_FAILURES = 60  # shown at all
_OPEN = 12  # configurations whose sheets are listed one by one; more are behind one fold
_PLAIN = re.compile(r"[\w.]+=[\w.,\[\]+-]+")
_LONGEST = 2000  # characters of an error or a command
_VERDICTS = {"best": "is-best", "better": "is-better", "baseline": "is-best", "worse": "is-worse"}
_SHORT = 24  # characters of a setting that stays on one line
_UPRIGHT, _ACROSS = 700, 960  # pixels of a table on A4
_LETTER, _BESIDE = 5.2, 5  # pixels of a letter there, and beside a cell


def page(report: Report, drawn: Sequence[Sequence[figures.Drawn]] | None = None, reload: int | None = None) -> str:
    """The page as text; equal reports give equal text. Every value in it is escaped; characters that cannot be seen are spelt out.

    drawn: the figures of each group, None to draw them. reload: see `build.write_report`.
    """
    from markupsafe import Markup

    css, js = (_resource(name) for name in ("page.css", "page.js"))
    room = pictures.ALL
    parts = []
    drawn = figures.draw(report) if drawn is None else drawn
    for number, (group, own) in enumerate(zip(report.groups, drawn, strict=True), 1):
        gallery = pictures.gallery(group, room)
        room -= gallery.taken if gallery else 0
        parts.append(_part(group, f"g{number}", gallery, own))
    commands = [command[:_LONGEST] for command in report.commands]
    text: str = (
        _environment()
        .get_template("page.html.j2")
        .render(
            policy=_policy(css, js),
            css=Markup(css),  # our own files, not a user's
            js=Markup(js),
            title=_title(report),
            report=report,
            reload=reload,
            counts=_counts(report),
            caveat=caveat(report.groups),
            parts=parts,
            overview=_rows(overview(report)),
            across=[each for own in drawn for each in own if each.heading == figures.ACROSS],
            commands=commands[:_COMMANDS],
            commands_more=commands[_COMMANDS:],
            environments=_environments(report),
            counted=counted,
            metric_name=metric_name,
            score_text=score_text,
            as_precise=_as_precise,
        )
    )
    return text


@cache  # which compiles the templates once
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if hasattr(value, "__html__") or isinstance(value, int | float) else plain(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _resource(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _policy(css: str, js: str) -> str:
    """A content policy under which only this very style and script count, and nothing is ever fetched or sent."""

    def digest(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") + "'"

    return (
        f"default-src 'none'; script-src {digest(js)}; style-src {digest(css)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _title(report: Report) -> str:
    names = [os.path.basename(os.path.abspath(path)) or str(path) for path in report.paths]
    return either(names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"], "and") or "Runs"


def _counts(report: Report) -> str:
    """How many runs there are, and in which states."""
    states = Counter(sorted(run.status for run in report.runs)).most_common()
    configurations = sum(len(group.configurations) for group in report.groups)
    text = f"{counted(configurations, 'configuration')}, {counted(len(report.runs), 'run')}: "
    text = text + ", ".join(f"{count:,} {status}" for status, count in states) + "." if states else "No runs."
    if len(report.groups) > 1:
        text += (
            f" {len(report.groups)} groups that cannot be compared with each other: other data, split, validation part or task."
        )
    if report.broken:
        text += f" {counted(len(report.broken), 'folder or file', 'folders or files')} could not be read, see the end."
    return text


def _environments(report: Report) -> list[str]:
    """A line for each environment that runs were trained in."""
    found = Counter(sorted(filter(None, (_environment_words(run.environment) for run in report.runs))))
    return [f"{counted(count, 'run')} with {line}." for line, count in found.most_common(5)]


def _environment_words(known: Mapping[str, Any]) -> str:
    names = {"version": "mlp ", "python": "Python ", "numpy": "NumPy ", "blas": ""}
    words = [f"{name}{known[key]}" for key, name in names.items() if known.get(key)]
    words += [counted(known["threads"], "thread")] if isinstance(known.get("threads"), int) else []
    words += [str(known[key]) for key in ("cpu", "platform") if known.get(key)]
    return ", ".join(words)[:_LONGEST]


def _part(group: Group, ident: str, gallery: pictures.Gallery | None, drawn: Sequence[figures.Drawn]) -> dict[str, Any]:
    """What the template needs of a group besides the group itself."""
    several = len(group.configurations) > 1
    metrics = group.metrics
    scores = _main_metrics(group)
    wanted = ["verdict", "n", *scores, *(["p", "difference"] if several else []), "best_epoch"]
    sized = len({each.parameters for each in group.configurations}) > 1
    shown = columns(group, [*wanted, *(["parameters"] if sized else []), "seconds", *noted(group)])
    cells = [[cell(group, each, column.key) for column in shown] for each in group.configurations]
    rows = []
    for row in cells:
        pairs = zip(shown, row, strict=True)
        rows.append([(column, each, _look(column, each), _exact(group, column, each)) for column, each in pairs])
    return {
        "id": ident,
        "group": group,
        "several": several,
        "spread": has_spread(group),
        "against": compared(group),
        "data": _data(group),
        "example": _example(group),
        "columns": shown,
        "rows": rows,
        "look": _printed(shown, cells),
        "sections": {
            each.heading: [other for other in drawn if other.heading == each.heading]
            for each in drawn
            if each.heading not in (figures.ACROSS, figures.ROWS_HEADING)
        },
        "row_figures": [each for each in drawn if each.heading == figures.ROWS_HEADING],
        "gallery": gallery,
        "score": _score(group, gallery),
        "failures": _failures(group.failures[:_FAILURES]),
        "more_failures": len(group.failures) - _FAILURES,
        "shared": _shared(group),
        "many": len(group.configurations) > _OPEN,
        "scores": [Column(name, metric_name(name)).heading for name in scores],
        "sheets": [_sheet(group, each, metrics, scores) for each in group.configurations],
    }


def _main_metrics(group: Group) -> list[str]:
    """The metrics that have a column: what chooses, the other ones on validation, and the test score; the rest is in the sheets."""
    metrics = group.metrics
    chosen = [name for name in metrics if name == group.monitor or name in ("val_accuracy", "val_r2", "val_loss")][:2]
    tested = [name for name in ("test_accuracy", "test_r2", "test_loss") if name in metrics][:1]
    roots = [name for name in ("val_rmse", "test_rmse") if is_squared(group) and name in metrics]
    return chosen + roots + tested


def _look(column: Column, shown: Cell) -> str:
    """The CSS classes of a cell."""
    if column.key == "verdict":
        return f"short {_VERDICTS.get(shown.text, '')}".strip()
    if shown.text == NOTHING:
        return "num empty" if column.numeric else "empty"
    return "num" if column.numeric else "short" if len(shown.text) <= _SHORT else ""


def _exact(group: Group, column: Column, shown: Cell) -> str:
    """The number that a cell's text rounds, to sort and filter by; nothing where it is none."""
    if not isinstance(shown.value, int | float) or isinstance(shown.value, bool):
        return ""
    return repr(scaled(group.monitor if column.key == "difference" else column.key, shown.value))


def _printed(shown: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    """How a table goes on paper: upright, across the page (`dense`), or with its cells broken over lines too (`dense crowded`)."""

    def letters(number: int, column: Column) -> float:
        texts = [*column.title.split(), *(row[number].text[:_SHORT] for row in rows)]
        small = [column.unit, *(row[number].small for row in rows)]
        return max(*map(len, texts), 0.86 * max(map(len, small)))

    rank = _LETTER * len(str(len(rows))) + _BESIDE
    width = rank + sum(_LETTER * letters(number, column) + _BESIDE for number, column in enumerate(shown))
    return "" if width < _UPRIGHT else "dense" if width < _ACROSS else "dense crowded"


def _data(group: Group) -> str:
    counts = [f"{group.data[part]:,} {part}" for part in ("train", "validation", "test") if isinstance(group.data.get(part), int)]
    words = [str(group.data.get("name") or "unnamed data"), ", ".join(counts), group.split, group.task]
    digest = str(group.data.get("sha256") or "")
    text = "; ".join(word for word in words if word) + (f"; SHA-256 begins with {digest[:12]}" if digest else "")
    return f"{text}. {largest_class(group)}".strip()


def _rows(table: Sequence[tuple[str, list[str]]]) -> list[list[str]]:
    """A table of columns as its heading and its rows."""
    return [list(row) for row in zip(*([heading, *texts] for heading, texts in table), strict=True)]


def _example(group: Group) -> str:
    """A filter that fits this group."""
    first = next(iter(group.configurations), None)
    pairs = [f"{key}={show(first.differs[key]).replace(' ', '')}" for key in group.keys if first and key in first.differs]
    fit = [pair for pair in pairs if len(pair) <= 32 and _PLAIN.fullmatch(pair)]
    return fit[0] if fit else f"{group.monitor}>0"


def _shared(group: Group) -> list[tuple[str, str]]:
    """The settings that no two configurations differ in."""
    first, *others = group.configurations
    return [
        (key, show(value))
        for key, value in first.config.items()
        if key not in group.keys and all(each.config.get(key) == value for each in others)
    ]


def _score(group: Group, gallery: pictures.Gallery | None) -> str:
    """The scores of the run whose figures are shown."""
    known = gallery.run.metrics if gallery else {}
    names = dict.fromkeys((group.monitor, "test_accuracy", "test_r2"))
    return ", ".join(f"{metric_name(name)} {score_text(name, known[name])}" for name in names if name in known)


def _as_precise(name: str, value: float, sd: float | None) -> str:
    """A score with as many decimals as its standard deviation asks for, and its unit."""
    places = decimals(name, None if sd is None else scaled(name, sd))
    return digits(scaled(name, value), places) + " %" * is_percent(name)


def _failures(failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """An entry for each configuration and advice: the runs that it is for."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for failure in failures:
        override = failure.override or ""
        advice = failure.advice.removesuffix(override).rstrip() if override else failure.advice
        advice = first_upper(advice) + ("." if advice and not override else "")
        own = {"label": failure.label, "advice": advice, "override": override, "failures": []}
        entries.setdefault((failure.label, failure.advice), own)["failures"].append(failure)
    return list(entries.values())


def _sheet(group: Group, each: Configuration, metrics: Sequence[str], scores: Sequence[str]) -> dict[str, Any]:
    """All about a configuration: its settings against the reference's, all metrics, all runs."""
    other = group.reference if group.reference is not each else None
    found = [(Column(name, metric_name(name)), cell(group, each, name)) for name in metrics if name in each.metrics]
    standing = [each.verdict, f"n\u00a0=\u00a0{each.count}"]
    standing += [counted(each.unfinished, "unfinished", "unfinished")] if each.unfinished else []
    standing += [f"{each.pruned} pruned"] if each.pruned else []
    here = [cell(group, each, key).text for key in group.keys]
    there = [cell(group, other, key).text if other else NOTHING for key in group.keys]
    return {
        "label": each.label,
        "look": each.verdict if each is group.reference else "",
        "standing": ", ".join(filter(None, standing)),
        "verdict": against(group, each),
        "against": compared(group) if other else "",
        "settings": list(zip(group.keys, here, there, strict=True)),
        "metrics": found,
        "spread": any(shown.small for _, shown in found),
        "runs": [(run, _scores(run, each, scores), duration(run.record.seconds)) for run in each.runs],
        "copies": ", ".join(str(run.folder) for run in each.copies),
    }


def _scores(run: Run, each: Configuration, names: Sequence[str]) -> list[str]:
    """A run's scores, with as many decimals as the mean of its configuration."""
    found = []
    for name in names:
        summary, value = each.metrics.get(name), run.metrics.get(name)
        spread = None if summary is None or summary.sd is None else scaled(name, summary.sd)
        found.append(digits(None if value is None else scaled(name, value), decimals(name, spread)))
    return found
