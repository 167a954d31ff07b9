"""Options that several commands share, and how they print."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlp_cli.errors import UsageError

if TYPE_CHECKING:
    from mlp_cli.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])


class Folder(click.Path):
    """A path, whatever is there: what cannot be read is told of later. The empty one of an unset variable is refused."""

    def __init__(self) -> None:
        super().__init__(readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value):
            self.fail("the path is empty; name a folder, or . for this one", param, ctx)
        return super().convert(value, param, ctx)


class OutFile(click.Path):
    """A file to write. A new file takes its place, so a device, a pipe or a link is refused."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not str(value) or path.is_symlink() or (path.exists() and not path.is_file()):
            self.fail(f"'{value}' is no plain file, and none is written in its place", param, ctx)
        return path


def spare(source: str | Path, out: Path | None) -> None:
    """Errors: UsageError where `out` is the very file that is read."""
    if out is not None and out.exists() and os.path.exists(source) and out.samefile(source):
        raise UsageError(f"{out} is what is read, and would be lost", "name another file with --out")


results_option = click.option("--results", type=Folder(), default=Path("results"), show_default=True, help="Folder of all runs.")
quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but errors.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout, all else on stderr.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
debug_option = click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
config_argument = click.argument("config", type=click.Path(path_type=Path))
overrides_argument = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")


def output_options(command: Command) -> Command:
    """--quiet, --json and --debug, of a command that has a result."""
    return quiet_option(json_option(debug_option(command)))


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Seconds of `90`, `90s`, `10m` or `1h30m`."""
    if value is None:
        return None
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", value)
    bare = any(not unit for _, unit in parts) and len(parts) > 1
    if "".join(number + unit for number, unit in parts) != value or not parts or bare:
        raise click.BadParameter(f"{value!r} is no duration; write 90s, 10m or 1h30m")
    seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if not 0 < seconds < 1e8:
        raise click.BadParameter(f"{value!r} is no sensible duration; write 90s, 10m or 1h30m")
    return seconds


def parse_threads(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """`auto`, or a whole number of at least 1."""
    if value is None or value == "auto":
        return value
    if not value.isdecimal() or int(value) < 1 or int(value) > 1024:
        raise click.BadParameter(f"{value!r} is neither a whole number from 1 to 1024 nor auto")
    return int(value)


threads_option = click.option(
    "--threads",
    metavar="N|auto",
    callback=parse_threads,
    help="BLAS threads; auto measures a few steps.  [default: 1, or what an interrupted run used]",
)


def load_one(path: Path, overrides: Sequence[str]) -> Config:
    """The config of a single run. Errors: ConfigError, also for a sweep file, which describes many."""
    from mlp_cli.config.overrides import read_document, resolve
    from mlp_cli.errors import ConfigError

    last = {text.partition("=")[0]: text for text in overrides}
    for key, text in last.items():
        if sum(other.startswith(f"{key}=") for other in overrides) > 1:
            notify(f"{key} is given more than once; the last one counts: {text}")
    try:
        return resolve(read_document(path), overrides)
    except ConfigError:
        from mlp_cli.sweep.sweepfile import is_sweep_file

        if not is_sweep_file(path):
            raise
        raise ConfigError(f"{path} is a sweep file, which describes many runs", f"train them with: mlp sweep {path}") from None


def print_json(value: Any) -> None:
    r"""One strict JSON document on stdout; what is no text (a byte of a path, say) is \udcXX, which JSON reads as it was."""
    from mlp_cli.files import strict_json

    click.echo(strict_json(value).encode("utf-8", "backslashreplace").decode())


def printable(text: object) -> str:
    """Text with everything escaped that a terminal could act on, line breaks too."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """The rows of a table as lines: the first `left` columns to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) if place < left else cell.rjust(width) for place, (cell, width) in enumerate(pairs)).rstrip()
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def notify(text: str) -> None:
    """A message that is not the result, on stderr."""
    click.echo("\n".join(map(printable, f"note: {text}".split("\n"))), err=True)


def agreed(question: str, yes: bool) -> bool:
    """Whether the user agrees, asked on the terminal unless `yes` says so already. Errors: UsageError where nobody can be asked."""
    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing is removed without a question, and this is no terminal", "--yes removes without asking")
    return yes or click.confirm(question, err=True)


def on_terminal(as_json: bool) -> bool:
    """Whether a progress bar makes sense: a person watches both streams (with --json only stderr matters)."""
    return sys.stderr.isatty() and (as_json or sys.stdout.isatty())
