"""`mlp validate`, `show`, `init`, `schema` and `check`: commands that leave no run behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlp_cli.cli.options import (
    OutFile,
    config_argument,
    debug_option,
    json_option,
    load_one,
    notify,
    output_options,
    overrides_argument,
    print_json,
    printable,
)
from mlp_cli.errors import ConfigError, MlpError, UsageError

if TYPE_CHECKING:
    from mlp_cli.registry import Registry

REGISTRIES = {
    "optimizers": "nn",
    "activations": "nn",
    "initializers": "nn",
    "schedules": "nn",
    "losses": "nn",
    "metrics": "nn",
    "features": "data",
    "augmentations": "data",
}
"""Where each registry lives: in the module of its name below this package."""
SHOWN = (*REGISTRIES, "datasets")

LESSONS = ("vanishing", "initialization", "learning-rate", "dead-relu", "overfitting", "double-descent")
LESSON_FILES = Path(__file__).parent.parent / "lessons"

SCHEMA = Path(__file__).parent.parent / "schema.json"
SCHEMA_NAME = "mlp.schema.json"
"""The schema's file beside configs: the first line of a starter names it, relative to the config."""


@click.command(
    short_help="Check configs and sweep files; train nothing.", epilog="Example: mlp validate configs/*.yaml learning_rate=0.1"
)
@click.argument("configs", nargs=-1, required=True, metavar="CONFIG... [KEY=VALUE]...")
@output_options
def validate(configs: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Check configs and sweep files: every problem in every file, with line and fix. Nothing is trained."""
    paths = [Path(word) for word in configs if "=" not in word or Path(word).exists()]
    overrides = [word for word in configs if Path(word) not in paths]
    if not paths:
        raise UsageError("no config named", "example: mlp validate configs/mnist_adam_relu.yaml")
    problems: dict[str, str | None] = {}
    for path in paths:
        try:
            _check(path, overrides)
            problems[str(path)] = None
        except MlpError as error:
            problems[str(path)] = str(error)
        if not as_json and (problem := problems[str(path)]) is not None:
            click.echo(problem, err=True)
        elif not (as_json or quiet):
            click.echo(f"{path}: ok")
    if as_json:
        print_json([{"config": path, "ok": text is None, "problems": text} for path, text in problems.items()])
    return ConfigError.exit_code if any(text is not None for text in problems.values()) else 0


def _check(path: Path, overrides: list[str]) -> None:
    """Checks a config, or all members of a sweep file. Errors: UsageError, ConfigError with every problem."""
    from mlp_cli.config import load_config
    from mlp_cli.sweep.sweepfile import Asked, is_sweep_file, plan_sweep

    if is_sweep_file(path):
        planned = plan_sweep(path, overrides, Path("results"), Asked())
        planned.space.expand(planned.start().ask())
    else:
        load_config(path, overrides)


@click.command(short_help="List what a config may name, with options and defaults.", epilog="Example: mlp show optimizers")
@click.argument("kind", type=click.Choice(SHOWN))
@json_option
@debug_option
def show(kind: str, as_json: bool) -> None:
    """List what a config may name, with options and defaults."""
    if kind == "datasets":
        from mlp_cli.cli.data import list_datasets

        list_datasets(as_json)
        return
    from mlp_cli.config.resolved import show as written
    from mlp_cli.registry import REQUIRED

    registry = _registry(kind)
    entries: list[dict[str, Any]] = [
        {
            "name": name,
            "options": {each.name: None if each.default is REQUIRED else each.default for each in registry.options(name)},
            "required": [each.name for each in registry.options(name) if each.default is REQUIRED],
            "texts": {option.name: option.text for option in registry.options(name)},
            "summary": registry.summary(name),
        }
        for name in registry
    ]
    if as_json:
        print_json(entries)
        return
    width = max(len(name) for name in registry)
    for entry in entries:
        click.echo(f"{entry['name']:{width}}  {entry['summary']}")
        for option, value in entry["options"].items():
            told = f"{option} (required)" if option in entry["required"] else f"{option}={written(value)}"
            click.echo(f"{'':{width}}  {told:20}  {entry['texts'][option]}".rstrip())
    if kind == "augmentations":
        from mlp_cli.data.augmentations import PRESETS

        for name, preset in PRESETS.items():
            click.echo(f"preset {name}: {written(preset)}")


def _registry(kind: str) -> Registry:
    from importlib import import_module

    registry: Registry = getattr(import_module(f"mlp_cli.{REGISTRIES[kind]}.{kind}"), kind)
    return registry


@click.command(short_help="Write a commented starter config, or a lesson's sweep file.", epilog="Example: mlp init my_first_run")
@click.argument("name", required=False)
@click.option("--out", type=OutFile(), help="File to write.  [default: NAME.yaml]")
@click.option(
    "--lesson", is_flag=False, flag_value="", metavar="LESSON", help="Write a lesson's sweep file; alone, list the lessons."
)
@debug_option
def init(name: str | None, out: Path | None, lesson: str | None) -> None:
    """Write a commented starter config, or with --lesson a sweep file that shows how networks learn, or why they do not."""
    import json

    from mlp_cli.config.starter import starter
    from mlp_cli.files import make_parent, write_text
    from mlp_cli.registry import did_you_mean

    if lesson == "":
        width = max(map(len, LESSONS))
        heads = {each: (LESSON_FILES / f"{each}.yaml").read_text(encoding="utf-8").splitlines()[0] for each in LESSONS}
        click.echo("\n".join(f"{each:{width}}  {head.removeprefix('# ')}" for each, head in heads.items()))
        return
    if lesson is not None and lesson not in LESSONS:
        raise UsageError(f"unknown lesson {lesson!r}{did_you_mean(lesson, LESSONS)}", f"known: {', '.join(LESSONS)}")
    name = (name or "").removesuffix(".yaml").removesuffix(".yml") or lesson or "experiment"
    target = out or Path(f"{name}.yaml")
    table = LESSON_FILES / f"{lesson}.csv"
    copy = target.with_suffix(".csv") if lesson is not None and table.exists() else None
    for each in (target, copy):
        if each is not None and each.exists():
            raise UsageError(f"{each} exists already", "choose another file with --out FILE, or remove it first")
    text = starter(name) if lesson is None else (LESSON_FILES / f"{lesson}.yaml").read_text(encoding="utf-8")
    make_parent(target)
    if lesson is None:
        schema_file = _write_schema(target.parent)
        write_text(target, text)
        click.echo(f"wrote {target}, and {schema_file} for editors; train it with: mlp train {target}")
        return
    if copy is not None:
        write_text(copy, table.read_text(encoding="utf-8"))
        text = text.replace(f"path: {lesson}.csv", f"path: {json.dumps(str(copy), ensure_ascii=False)}")
    write_text(target, text.replace(f"{lesson}.yaml", str(target)))
    click.echo(f"wrote {target}{f' and {copy}' if copy is not None else ''}; its first lines say what to look at")
    click.echo(f"run it with: mlp sweep {target}")


@click.command(epilog="Example: mlp schema --write")
@click.option("--write", is_flag=True, help=f"Write it to {SCHEMA_NAME}, where editors find it.")
@debug_option
def schema(write: bool) -> None:
    """Print the JSON Schema of the config, for editors."""
    if not write:
        click.echo(SCHEMA.read_text(encoding="utf-8").rstrip())
        return
    click.echo(
        f"wrote {_write_schema(Path())}; an editor with a YAML language server uses it for each config beside it that begins with"
    )
    click.echo(f"# yaml-language-server: $schema={SCHEMA_NAME}")


def _write_schema(folder: Path) -> Path:
    """Copies the schema to where the first line of a starter sends editors. Errors: UsageError for another file of that name."""
    from mlp_cli.files import write_text

    target = folder / SCHEMA_NAME
    if target.exists() and '"title": "mlp config"' not in target.read_text(encoding="utf-8", errors="replace"):
        raise UsageError(f"{target} exists already, and is no schema of mlp", "rename or remove it first")
    write_text(target, SCHEMA.read_text(encoding="utf-8"))
    return target


@click.command(
    short_help="Prove a config in seconds: gradients, first loss and more.",
    epilog="Example: mlp check configs/mnist_adam_relu.yaml activation=tanh",
)
@config_argument
@overrides_argument
@output_options
def check(config: Path, overrides: tuple[str, ...], quiet: bool, as_json: bool) -> int:
    """Prove a config in seconds: gradients, first loss, one batch, shuffled labels, and no row in two parts.

    Nothing is written. Each proof passes (✓), fails (✗) or says nothing of this config (–); one that fails sets the exit code.
    """
    from dataclasses import asdict

    from mlp_cli.build import load_data
    from mlp_cli.check import proofs

    loaded = load_one(config, overrides)
    dataset = load_data(loaded)
    for text in () if quiet else dataset.notices:
        notify(text)
    found = []
    for proof in proofs(loaded, dataset):
        found.append(proof)
        if not (as_json or quiet):
            click.echo(printable(f"{_MARKS[proof.passed]} {proof.name:17}{proof.detail}"))
    good = all(proof.passed is not False for proof in found)
    if as_json:
        print_json({"passed": good, "proofs": [asdict(proof) for proof in found]})
    return 0 if good else 1


_MARKS = {True: "✓", False: "✗", None: "–"}
