"""`mlp completion`, and the words with which the shell completes a command line: configs, keys and their values, runs, data sets.

A shell's script calls `mlp` itself, with the words so far in its environment; `main.run` then answers here, one word a line. It has to
be quick: nothing heavy is loaded, and runs are known by their folders' names alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from mlp_cli.cli.inspect import LESSONS, SCHEMA
from mlp_cli.cli.options import debug_option

VARIABLE = "_MLP_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
"""Each has its script beside this file."""


@click.command(
    short_help="Print the script that completes commands in a shell.",
    epilog='Example: mlp completion bash, in ~/.bashrc as: eval "$(mlp completion bash)"',
)
@click.argument("shell", type=click.Choice(SHELLS))
@debug_option
def completion(shell: str) -> None:
    """Print the script that completes mlp's command line in a shell.

    bash and zsh evaluate it at their start: eval "$(mlp completion zsh)", in zsh after compinit. fish finds it in
    ~/.config/fish/completions/mlp.fish.
    """
    click.echo(Path(__file__).with_suffix(f".{shell}").read_text(encoding="utf-8"), nl=False)


def answer(cli: click.Command) -> int:
    """Prints what the current word of the command line in the environment may become; `cli` then serves for nothing else."""
    from click.shell_completion import ShellComplete, split_arg_string

    line, breaks = os.environ.get("_MLP_LINE"), os.environ.get("_MLP_BREAKS", "")
    if line is None:
        words, word = os.environ.get("_MLP_WORDS", "").split("\n"), os.environ.get("_MLP_WORD", "")
    else:
        words = split_arg_string(line)
        word = "" if line[-1:].isspace() else words.pop()
    _teach(cli)
    found = [item.value for item in ShellComplete(cli, {}, "mlp", VARIABLE).get_completions(words[1:], word)]
    # bash replaces only what follows the last character that breaks words for it, and takes the rest as it stands.
    kept = max((word.rfind(char) + 1 for char in "=:" if char in breaks), default=0)
    for each in found:
        text = each[kept:]
        click.echo(text if line is None else re.sub(r"([\s'\"\\$&;()<>|`*?\[\]#!{}])", r"\\\1", text))
    return 0


class _Words(click.ParamType):
    """An argument's type that knows what it may become. kind: what it is, by its metavar."""

    name = "words"

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        found = list[str]()
        if "CONFIG" in self.kind:
            found += _paths(incomplete, (".yaml", ".yml"))
        if "KEY=" in self.kind:
            found += _settings(incomplete)
        if "RUN" in self.kind:
            found += _runs(Path(ctx.params.get("results") or "results"), "SWEEP" in self.kind)
        if "RUN" in self.kind or "PATH" in self.kind:
            found += _paths(incomplete, (".zip",))
        if "FILE" in self.kind:
            found += _paths(incomplete, ("",))
        if "NAME" in self.kind:
            found += _values(_schema()["properties"]["dataset"])
        if self.kind == "LESSON":
            found += LESSONS
        return [CompletionItem(each) for each in dict.fromkeys(found) if each.startswith(incomplete)]


def _teach(command: click.Command) -> None:
    """Gives each argument and option of a command, and of those below it, a type by its metavar that knows the words for it."""
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _teach(below)
    for param in command.params:
        kind = param.metavar or (param.name or "").upper()
        if isinstance(param, click.Option):
            kind = "FILE" if isinstance(param.type, click.Path) else kind if kind in ("RUN", "LESSON") else ""
        if kind and not isinstance(param.type, click.Choice) and (kind != "NAME" or command.name != "init"):
            param.type = _Words(kind)


def _paths(incomplete: str, suffixes: tuple[str, ...]) -> Iterator[str]:
    """Folders, with a slash, and the files with one of these suffixes; hidden ones only where that is asked for."""
    above, _, start = incomplete.rpartition("/")
    place = f"{above}/" if "/" in incomplete else ""
    try:
        entries = sorted(os.scandir(os.path.expanduser(place) or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(start) and (start or not entry.name.startswith(".")) and entry.name.isprintable():
            if entry.is_dir():
                yield f"{place}{entry.name}/"
            elif entry.name.endswith(suffixes):
                yield f"{place}{entry.name}"


def _runs(results: Path, sweeps: bool) -> Iterator[str]:
    """The names of the runs in the results and in their sweeps, and of the sweeps where these count too."""
    yield from ("@last", "@best:val_accuracy", "@best:val_loss")
    for path in sorted(results.iterdir()) if results.is_dir() else ():
        if (path / "sweep.yaml").is_file():
            yield from [path.name] if sweeps else []
            yield from sorted(os.listdir(path / "runs")) if (path / "runs").is_dir() else []
        elif (path / "run.json").is_file():
            yield path.name


def _schema() -> dict[str, Any]:
    import json

    return dict(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _settings(incomplete: str) -> Iterator[str]:
    """`KEY=` for each key and option, then the words that the key takes; in a list of values, for the last one."""
    schema = _schema()
    key, equals, written = incomplete.partition("=")
    nodes = dict(_nodes(schema["properties"], schema["$defs"]))
    if not equals:
        yield from (f"{name}=" for name in nodes if "." not in name or name.startswith(f"{key.rpartition('.')[0]}."))
    elif key in nodes:
        before = written[: written.rfind(",") + 1]
        yield from (f"{key}={before}{value}" for value in _values(nodes[key]))


def _nodes(properties: Mapping[str, Any], known: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted keys of a config, each with its node of the schema."""
    import json

    for name, node in properties.items():
        yield above + name, node
        for reference in dict.fromkeys(re.findall(r'"#/\$defs/(\w+)"', json.dumps(node))):
            below = {key: value for key, value in known[reference].get("properties", {}).items() if key != "name"}
            yield from _nodes(below, known, f"{above}{name}.")


def _values(node: Mapping[str, Any]) -> Iterator[str]:
    """The words that a node of the schema takes: names, choices, true and false."""
    yield from (str(value) for value in (*node.get("enum", ()), *([node["const"]] if "const" in node else [])))
    yield from ("true", "false") if node.get("type") == "boolean" else ()
    for each in (*node.get("anyOf", ()), *([node["items"]] if "items" in node else [])):
        yield from _values(each)
