"""`mlp rm`, `mlp note` and `mlp pack`: keeping house among runs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from mlp_cli.cli.options import OutFile, agreed, notify, output_options, print_json, printable, results_option, yes_option
from mlp_cli.errors import RunError, UsageError

_TAG = re.compile(r"[\w./:-]{1,50}")
_LONGEST_NOTE = 2_000


@click.command(short_help="Remove runs, after a question.", epilog="Example: mlp rm --where 'status=failed' --dry-run")
@click.argument("references", nargs=-1, metavar="[RUN]...")
@click.option("--where", metavar="EXPR", help="Those of the runs that meet a condition: status=failed, val_accuracy<90%.")
@results_option
@click.option("--dry-run", is_flag=True, help="Say what would be removed.")
@yes_option
@output_options
def rm(
    references: tuple[str, ...], where: str | None, results: Path, dry_run: bool, yes: bool, quiet: bool, as_json: bool
) -> None:
    """Remove runs: their whole folders, after a question.

    Without a RUN, --where chooses among all results. A folder that is no run's is never removed, nor is one that another process
    has, or that only a link leads to. The trials.csv of a sweep is written anew.
    """
    from mlp_cli.files import size_of
    from mlp_cli.text import counted, megabytes

    if not references and where is None:
        raise UsageError("nothing says which runs to remove", "name them, or choose them: mlp rm --where 'status=failed'")
    folders = _chosen(references, where, results)
    size = sum(map(size_of, folders))
    what = f"{counted(len(folders), 'run')}, {megabytes(size)}"
    if not (quiet or as_json):
        click.echo("\n".join([*(printable(folder) for folder in folders), what if folders else "no run is chosen"]))
    if folders and not dry_run:
        if not agreed(f"Remove {what}?", yes):
            notify("nothing is removed")
            return
        _remove(folders)
    if as_json:
        print_json({"runs": list(map(str, folders)), "bytes": size, "removed": bool(folders) and not dry_run})


def _chosen(references: Sequence[str], where: str | None, results: Path) -> list[Path]:
    """The runs' folders, each once. Errors: RunError for one that a link leads to, or that is in use."""
    from mlp_cli.report.collect import collect
    from mlp_cli.report.where import choose
    from mlp_cli.runs import find_run, in_use

    named = [_on_disk(find_run(reference, results, notify=notify)) for reference in references]
    if where is not None:
        there = named or ([results] if os.path.isdir(results) else [])
        named = [run.folder for run in choose(collect(there, curves=False)[0], where)]
    for folder in named:
        if link := _link_to(folder, results):
            raise RunError(
                f"{folder} is reached through a symbolic link, {link}: nothing is removed", f"leave it out: id!={folder.name}"
            )
        if in_use(folder):
            raise RunError(f"{folder} is in use by another process: nothing is removed", "stop it first, or leave it out")
    return list(dict.fromkeys(folder if folder.name not in ("", "..") else folder.resolve() for folder in named))


def _on_disk(folder: Path) -> Path:
    """The folder itself. Errors: UsageError where it lies in a pack."""
    from mlp_cli import packs

    if packs.find(folder) is not None:
        raise UsageError(f"{folder} lies in a pack, which is never changed", "name the run's own folder")
    return folder


def _link_to(folder: Path, results: Path) -> Path | None:
    """The link on the way from the results, which may be one themselves, to a folder; elsewhere the folder alone may be none."""
    way, root = folder.absolute(), results.absolute()
    steps = [each for each in (way, *way.parents) if root in each.parents] or [way]
    return next((each for each in steps if each.is_symlink()), None)


def _remove(folders: Sequence[Path]) -> None:
    """Removes runs, a sweep's while nobody drives it. Errors: RunError where one is in use by now, or cannot be removed."""
    from mlp_cli.runs import SWEEP_FILES, Claim
    from mlp_cli.sweep.trials import rebuild

    homes = dict.fromkeys(folder.parent.parent for folder in folders if folder.parent.name == "runs")
    with ExitStack() as stack:
        for home in homes:
            if any((home / name).is_file() for name in SWEEP_FILES):
                stack.enter_context(Claim(home))
                stack.callback(rebuild, home)
        for folder in folders:
            with Claim(folder) as claim:
                claim.remove()


@click.command(short_help="Write a note and tags on a run.", epilog="Example: mlp note @last 'the one of figure 2' --tag paper")
@click.argument("reference", metavar="RUN")
@click.argument("text", required=False)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Add a tag; may be given several times.")
@click.option("--untag", "gone", multiple=True, metavar="TAG", help="Take a tag off.")
@results_option
@output_options
def note(
    reference: str, text: str | None, tags: tuple[str, ...], gone: tuple[str, ...], results: Path, quiet: bool, as_json: bool
) -> None:
    """Write a note on a run, in place of the one before ('' for none), and tags; without any, show what is written.

    A note is no part of what the run is: it changes no hash, and stays when the run goes on or is trained again. `mlp ls` and
    `mlp report` show it, and choose by tags: --where tag=paper.
    """
    from mlp_cli import files
    from mlp_cli.runs import NOTE, find_run, read_note
    from mlp_cli.text import one_line

    folder = find_run(reference, results, notify=notify)
    written = read_note(folder)
    if text is not None or tags or gone:
        if wrong := [tag for tag in tags if not _TAG.fullmatch(tag)]:
            raise UsageError(f"{one_line(wrong[0])!r} is no tag", "a tag is one word of letters, digits, and . _ / : -")
        if text is not None and len(text) > _LONGEST_NOTE:
            raise UsageError(f"the note has {len(text):,} characters", f"at most {_LONGEST_NOTE:,} are kept")
        written.text = written.text if text is None else text
        written.tags = [tag for tag in dict.fromkeys((*written.tags, *tags)) if tag not in gone]
        files.refuse_link(_on_disk(folder))
        files.write_text(folder / NOTE, files.strict_json(written.plain()) + "\n")
    if as_json:
        print_json({"folder": str(folder), "text": written.text, "tags": written.tags})
    elif not quiet:
        click.echo(printable(f"{folder}  {written}".rstrip()))


@click.command(
    short_help="Pack a run or a sweep into one zip file.", epilog="Example: mlp pack @best:val_accuracy --out best.zip"
)
@click.argument("reference", metavar="RUN|SWEEP")
@click.option("--out", type=OutFile(), help="File to write.  [default: NAME.zip]")
@results_option
@output_options
def pack(reference: str, out: Path | None, results: Path, quiet: bool, as_json: bool) -> None:
    """Pack a run, or a sweep with all of its runs, into one zip file, which others read as if it were the folder.

    `mlp report`, `ls`, `diff` and `rerun` take it, and a run in it is BEST.zip/NAME. Checkpoints and the report stay behind.
    """
    from mlp_cli import packs
    from mlp_cli.files import make_parent
    from mlp_cli.runs import find_run, find_sweep, in_use, scan
    from mlp_cli.text import counted, megabytes

    sweep = find_sweep(reference, results)
    folder = _on_disk(sweep or find_run(reference, results, notify=notify))
    found = [run for run, reason in scan([folder]) if reason is None]
    name = folder.resolve().name
    target = out or Path(f"{name}.zip")
    if not found:
        raise UsageError(f"{folder} has no run to pack", "train it first")
    if target.exists():
        raise UsageError(f"{target} exists already", "name another file with --out FILE, or remove it first")
    if any(map(in_use, (folder, *found))):
        raise RunError(f"{folder} is in use by another process", "pack it once that has ended")
    make_parent(target)
    hashes = packs.write(folder, target, "" if sweep else f"{name}/")
    size = target.stat().st_size
    if as_json:
        print_json({"pack": str(target), "folder": str(folder), "runs": len(found), "bytes": size, "sha256": hashes})
    elif not quiet:
        click.echo(printable(f"wrote {target}: {counted(len(found), 'run')}, {counted(len(hashes), 'file')}, {megabytes(size)}"))
