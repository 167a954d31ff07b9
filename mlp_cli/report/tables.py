"""A report as tables for people: on the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from mlp_cli.choosing import higher_is_better
from mlp_cli.config.resolved import show
from mlp_cli.errors import UsageError
from mlp_cli.registry import did_you_mean
from mlp_cli.report.build import CONFIGURATION_COLUMNS, SUMMARY_PARTS, cell_of, hide
from mlp_cli.report.model import Configuration, Group, Report
from mlp_cli.report.wording import cut, duration, interval, mean_and_sd, p_value, plain
from mlp_cli.text import counted, is_percent, metric_name

_MOST_BROKEN = 20
_WIDEST = 40
_MOST_LISTED = 100
_EXPENDABLE = ("parameters", "seconds", "best epoch", "95 % interval", "difference")


def arrange(report: Report, sort: str) -> None:
    """Sorts each group's configurations by a column, in place.

    sort: a key of the config, a metric, or a column of summary.csv, such as seconds; metrics go best first, all else goes up;
    `best` is the order without sorting; a `-` in front turns it round. Cells without a value come last. Errors: UsageError with
    the nearest column.
    """
    column, down = sort.removeprefix("-"), sort.startswith("-")
    known = _columns(report)
    if column not in known:
        raise UsageError(
            f"--sort: unknown column {column!r}{did_you_mean(column, known)}",
            f"known: {one_line(', '.join(known[:_MOST_LISTED]))}",
        )
    if column == "group":
        report.groups.sort(key=lambda group: group.title, reverse=down)
        return
    metric = column.removesuffix("_mean")
    best_first = any(metric in group.metrics for group in report.groups) and higher_is_better(metric)
    for group in report.groups:
        if column != "best":
            group.configurations = _sorted(group.configurations, column, down != best_first)
        elif down:
            group.configurations.reverse()


def keep_top(report: Report, top: int) -> None:
    """Leaves the first `top` configurations of each group in its table, in place."""
    for group in report.groups:
        hide(group, group.configurations[:top])


def _columns(report: Report) -> list[str]:
    configurations = [each for group in report.groups for each in group.configurations]
    keys = dict.fromkeys(key for each in configurations for key in each.config)
    metrics = dict.fromkeys(name for group in report.groups for name in group.metrics)
    scores = [*metrics, *(f"{name}_{part}" for name in metrics for part in SUMMARY_PARTS)]
    return list(dict.fromkeys(["best", *keys, *scores, *CONFIGURATION_COLUMNS, "id", "group"]))


def _sorted(configurations: Sequence[Configuration], column: str, down: bool) -> list[Configuration]:
    """Numbers first, then text, then what has no value."""
    cells = [(cell_of(each, column), each) for each in configurations]
    numbers = [(cell, each) for cell, each in cells if _is_number(cell)]
    texts = [(show(cell), each) for cell, each in cells if cell is not None and not _is_number(cell)]
    ordered = [each for _, each in sorted(numbers, key=lambda pair: pair[0], reverse=down)]
    ordered += [each for _, each in sorted(texts, key=lambda pair: pair[0], reverse=down)]
    return ordered + [each for cell, each in cells if cell is None]


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def group_rows(group: Group, only_changed: bool = False) -> tuple[list[str], list[list[str]]]:
    """The header and the cells of a group's table, as text for people.

    only_changed: leave out columns with the same cell in every row.
    """
    shown = shown_metrics(group)
    header = [*group.keys, "n"] if group.keys else ["configuration", "n"]
    for name in shown:
        header += [f"{metric_name(name)}{' %' if is_percent(name) else ''}", "95 % interval"]
    header += ["best epoch", "parameters", "seconds", "difference", "p", "verdict"]
    rows = [_row(each, group, shown) for each in group.configurations]
    keep = [
        position
        for position in range(len(header))
        if not only_changed or len(rows) < 2 or len({row[position] for row in rows}) > 1
    ]
    return [cut(one_line(header[position]), _WIDEST) for position in keep], [[row[position] for position in keep] for row in rows]


def shown_metrics(group: Group) -> list[str]:
    """What chooses, and the validation and test metrics that a table shows besides: accuracies; losses and R² for a regression."""
    names = [name for name in group.metrics if name == group.monitor or not name.startswith("train_")]
    regression = group.task == "regression"
    return [name for name in names if regression or name == group.monitor or not name.endswith("_loss")]


def _row(each: Configuration, group: Group, shown: Sequence[str]) -> list[str]:
    settings = [show(each.differs[key]) if key in each.differs else "" for key in group.keys] or [each.label]
    cells = [*(cut(one_line(text), _WIDEST) for text in settings), each.count]
    for name in shown:
        summary = each.metrics.get(name)
        cells += [mean_and_sd(name, summary), interval(name, summary)]
    size = "–" if each.parameters is None else f"{each.parameters:,}"
    cells += ["–" if each.best_epoch is None else f"{each.best_epoch:.4g}", size, duration(each.seconds)]
    return [*cells, mean_and_sd(group.monitor, each.paired) if each.paired else "–", p_value(each.p), each.verdict or "–"]


def table_text(report: Report, only_changed: bool = False, room: int | None = None) -> str:
    """The whole report for a terminal. room: its width in characters, for which tables leave out what matters least; None for any."""
    blocks: list[str] = []
    for group in report.groups:
        header, rows = group_rows(group, only_changed)
        widths = [max(len(row[position]) for row in (header, *rows)) for position in range(len(header))]
        kept = _fitting(header, widths, room)
        lines = [one_line(group.title), one_line(group.sentence), ""]
        lines += ["  ".join(row[position].ljust(widths[position]) for position in kept).rstrip() for row in (header, *rows)]
        left_out = dict.fromkeys(name for position, name in enumerate(header) if position not in kept)
        if left_out:
            lines += ["", f"no room for {', '.join(left_out)}: see the page, or a wider terminal"]
        lines += _remarks(group)
        blocks.append("\n".join(lines))
    if report.broken:
        blocks.append(
            "\n".join([f"not read: {counted(len(report.broken), 'folder or file', 'folders or files')}", *_broken(report)])
        )
    return "\n\n".join(blocks)


def _fitting(header: Sequence[str], widths: Sequence[int], room: int | None) -> list[int]:
    """The columns that fit; of equal names the last ones go first."""
    kept = list(range(len(header)))
    for name in _EXPENDABLE:
        for position in reversed(range(len(header))):
            if header[position] == name and room is not None and sum(widths[each] + 2 for each in kept) - 2 > room:
                kept.remove(position)
    return kept


def _remarks(group: Group) -> list[str]:
    found = [f"note: {one_line(note)}" for note in group.notes]
    if group.importance:
        shares = ", ".join(f"{each.key} {100 * each.share:.0f} %" for each in group.importance)
        found.append(f"share of the variance of {metric_name(group.monitor)}: {one_line(shares)}")
    for failure in group.failures:
        found.append(f"{failure.run.status}: {one_line(failure.run.id)}: {one_line(failure.cause)}")
        found += [f"  {one_line(failure.advice)}"] if failure.advice else []
    unfinished = sum(each.unfinished for each in group.configurations)
    pruned = sum(each.pruned for each in group.configurations)
    found += [f"{counted(unfinished, 'run')} not finished yet, left out of the statistics"] if unfinished else []
    found += [f"{counted(pruned, 'run')} pruned, left out of the statistics"] if pruned else []
    found.append(
        "Intervals are over seeds on this split, not over new test sets. Choosing is by validation; test is only reported."
    )
    return ["", *found]


def _broken(report: Report) -> list[str]:
    lines = [f"  {one_line(each.path)}: {one_line(each.reason)}" for each in report.broken[:_MOST_BROKEN]]
    rest = len(report.broken) - _MOST_BROKEN
    return lines + ([f"  and {rest:,} more"] if rest > 0 else [])


def markdown(report: Report, only_changed: bool = False) -> str:
    """The tables as Markdown, in which nothing of a config is taken for markup."""
    blocks: list[str] = []
    for group in report.groups:
        header, rows = group_rows(group, only_changed)
        lines = [f"## {_inert(group.title)}", "", _inert(group.sentence), ""]
        lines += ["| " + " | ".join(map(_inert, header)) + " |", "|" + " --- |" * len(header)]
        lines += ["| " + " | ".join(map(_inert, row)) + " |" for row in rows]
        lines += ["", *(f"{_inert(line)}  " for line in _remarks(group) if line)]
        blocks.append("\n".join(lines))
    if report.broken:
        blocks.append("\n".join(["## Not read", "", *(f"- {_inert(line.strip())}" for line in _broken(report))]))
    return "\n\n".join(blocks)


def _inert(text: str) -> str:
    safe = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_~#[]|" else char for char in safe)


def one_line(text: object) -> str:
    """Text on one line, with nothing in it that a terminal could act on."""
    return " ".join(plain(text).split())
