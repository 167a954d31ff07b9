"""The page of a report: one file that holds everything, works offline and runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_cli import files
from mlp_cli.config.resolved import show
from mlp_cli.report import overviews, panels, pictures, sheets
from mlp_cli.report.model import Configuration, Failure, Group, Report
from mlp_cli.report.wording import digits, first_upper, listed, plain
from mlp_cli.text import counted, is_percent, metric_name

if TYPE_CHECKING:
    from jinja2 import Environment

NAME = "index.html"
_COMMANDS = 12  # shown at once
_FAILURES = 60  # shown at all
_OPEN = 12  # configurations whose sheets are listed one by one; more are behind one fold
_PLAIN = re.compile(r"[\w.]+=[\w.,\[\]+-]+")
_LONGEST = 2000  # characters of an error or a command


def write_page(report: Report, folder: Path) -> Path:
    """Writes index.html into `folder`, which must exist, whole or not at all; equal reports give equal bytes.

    Returns its path. Errors: RunError where it cannot be written.
    """
    path = folder / NAME
    files.write_text(path, page(report))
    return path


def page(report: Report) -> str:
    """The page as text. Every value in it is escaped; characters that cannot be seen are spelt out."""
    from markupsafe import Markup

    css, js = (_resource(name) for name in ("page.css", "page.js"))
    commands = [command[:_LONGEST] for command in report.commands]
    room = pictures.ALL
    groups = []
    for number, group in enumerate(report.groups, 1):
        gallery = pictures.gallery(group, room)
        room -= pictures.size(gallery)
        groups.append(_group(group, f"g{number}", gallery))
    text: str = (
        _environment()
        .get_template("page.html.j2")
        .render(
            policy=_policy(css, js),
            css=Markup(css),  # our own files, not a user's
            js=Markup(js),
            title=_title(report),
            counts=_counts(report),
            groups=groups,
            broken=report.broken,
            commands=commands[:_COMMANDS],
            commands_more=commands[_COMMANDS:],
            commands_title=_commands_title(len(commands), len(report.runs)),
            environments=_environments(report),
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
    return listed(names[:3] if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]) if names else "Runs"


def _commands_title(commands: int, runs: int) -> str:
    return f"The {'command' if commands == 1 else 'commands'} that trained {'this run' if runs == 1 else 'these runs'}:"


def _counts(report: Report) -> str:
    """How many runs there are, and in which states."""
    runs = report.runs
    states = Counter(run.status for run in runs)
    configurations = sum(len(group.configurations) for group in report.groups)
    parts = ", ".join(f"{count:,} {status}" for status, count in sorted(states.items(), key=lambda item: (-item[1], item[0])))
    text = f"{counted(configurations, 'configuration')}, {counted(len(runs), 'run')}: {parts}." if runs else "No runs."
    if len(report.groups) > 1:
        text += (
            f" {len(report.groups)} groups that cannot be compared with each other: other data, split, validation part or task."
        )
    if report.broken:
        text += f" {counted(len(report.broken), 'folder or file', 'folders or files')} could not be read, see the end."
    return text


def _environments(report: Report) -> list[str]:
    """A line for each environment that runs were trained in."""
    found: Counter[str] = Counter()
    for run in report.runs:
        known = run.environment
        words = [f"mlp {known['version']}"] if known.get("version") else []
        words += [f"{name} {known[key]}" for key, name in (("python", "Python"), ("numpy", "NumPy")) if known.get(key)]
        words += [str(known["blas"])] if known.get("blas") else []
        words += [counted(known["threads"], "thread")] if isinstance(known.get("threads"), int) else []
        words += [str(known[key]) for key in ("cpu", "platform") if known.get(key)]
        if words:
            found[", ".join(words)[:_LONGEST]] += 1
    return [
        f"{counted(count, 'run')} with {line}." for line, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))[:5]
    ]


def _group(group: Group, ident: str, gallery: pictures.Gallery | None) -> dict[str, Any]:
    """What the template needs of a group."""
    wanted = sheets.columns(group)
    rows = sheets.rows(group, wanted, ident)
    several = len(group.configurations) > 1
    charts = [*panels.against_keys(group), overviews.heat_map(group), overviews.importance(group), panels.against_time(group)]
    charts.append(overviews.parallel(group))
    base = group.reference or next(iter(group.configurations), None)
    return {
        "id": ident,
        "title": group.title,
        "data": _data(group),
        "sentence": group.sentence,
        "notes": group.notes,
        "example": _example(group),
        "columns": wanted,
        "rows": rows,
        "look": sheets.printed(wanted, rows),
        "legend": _legend(group, several),
        "hint": _hint(group, several),
        "curves": panels.learning_curves(group),
        "key_charts": [chart for chart in charts if chart is not None] if several else [],
        "importance_note": "" if group.importance or not several else group.importance_note,
        "gallery": gallery,
        "score": _score(group, gallery),
        "failures": _failures(group.failures[:_FAILURES]),
        "more_failures": _more(len(group.failures) - _FAILURES),
        "shared_title": "Settings that all configurations share" if several else "All settings",
        "shared": _shared(group, base),
        "many": len(group.configurations) > _OPEN,
        "sheets": [sheets.sheet(group, each, f"{ident}-c{number}") for number, each in enumerate(group.configurations, 1)],
    }


def _data(group: Group) -> str:
    counts = [f"{group.data[part]:,} {part}" for part in ("train", "validation", "test") if isinstance(group.data.get(part), int)]
    words = [str(group.data.get("name") or "unnamed data"), ", ".join(counts), group.split, group.task]
    digest = str(group.data.get("sha256") or "")
    return "; ".join(word for word in words if word) + (f"; SHA-256 {digest[:12]}…" if digest else "")


def _legend(group: Group, several: bool) -> str:
    parts = (
        ["Below each mean ± standard deviation: the 95 % interval of the mean over seeds."] if sheets.has_spread(group) else []
    )
    if several:
        against = "baseline" if group.baseline else "best"
        parts.append(f"p: against the {against}, adjusted for all comparisons.")
        parts.append(f"Paired: this minus the {against} over their common seeds.")
    return " ".join(parts)


def _hint(group: Group, several: bool) -> str:
    """What one can do with the table."""
    text = "A row opens all about its configuration, a heading sorts."
    if several:
        bound = ">90" if is_percent(group.monitor) else "<1"
        text += f" The filter takes words, and comparisons such as {group.monitor}{bound}, also with or and not."
    return text


def _example(group: Group) -> str:
    """A filter that fits this group."""
    first = next(iter(group.configurations), None)
    pairs = [f"{key}={show(first.differs[key]).replace(' ', '')}" for key in group.keys if first and key in first.differs]
    fit = [pair for pair in pairs if len(pair) <= 32 and _PLAIN.fullmatch(pair)]
    return fit[0] if fit else f"{group.monitor}>0"


def _shared(group: Group, base: Configuration | None) -> list[tuple[str, str]]:
    """The settings that no two configurations differ in."""
    if base is None:
        return []
    return [
        (key, show(value))
        for key, value in base.config.items()
        if key not in group.keys and all(each.config.get(key) == value for each in group.configurations)
    ]


def _score(group: Group, gallery: pictures.Gallery | None) -> str:
    if gallery is None:
        return ""
    known = {
        name: gallery.run.metrics[name] for name in (group.monitor, "test_accuracy", "test_r2") if name in gallery.run.metrics
    }
    return ", ".join(
        f"{metric_name(name)} {100 * value:.2f} %" if is_percent(name) else f"{metric_name(name)} {digits(value, 4)}"
        for name, value in known.items()
    )


def _more(count: int) -> str:
    return f"{counted(count, 'more run')} went wrong; runs.csv lists all." if count > 0 else ""


def _failures(failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """An entry for each configuration and advice: the runs that it is for, each with its seed and cause."""
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for failure in failures:
        override = failure.override or ""
        advice = failure.advice.removesuffix(override).rstrip() if override else failure.advice
        if advice:
            advice = first_upper(advice) + ("" if override else ".")
        entry = entries.setdefault((failure.label, failure.advice), {"label": failure.label, "advice": advice, "runs": []})
        entry["override"] = override
        entry["runs"].append(
            {
                "seed": "" if failure.run.seed is None else f"seed {failure.run.seed} ",
                "status": failure.run.status,
                "cause": failure.cause[:_LONGEST].rstrip("."),
                "folder": str(failure.run.folder),
            }
        )
    return list(entries.values())
