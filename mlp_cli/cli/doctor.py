"""`mlp doctor`: what this machine gives to runs, and whether anything is in their way."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from mlp_cli.cli.options import debug_option, json_option, print_json, printable, results_option
from mlp_cli.errors import RunError

_NOT_OURS = ("dev", "bench", "extras")
"""Extras for work on mlp itself."""


@click.command(short_help="Show what this machine gives to runs, and try its locks.", epilog="Example: mlp doctor")
@results_option
@json_option
@debug_option
def doctor(results: Path, as_json: bool) -> int:
    """Show Python, NumPy, BLAS, processors, memory, extras and data folders, and try the locks where results go.

    Processors and memory are those that this process may use, in its container too. Exits with 1 where runs could not be kept.
    """
    found = list(examine(results))
    if as_json:
        print_json({name: values for name, values, _ in found})
    else:
        lines = [(name if number == 0 else "", text) for name, _, texts in found for number, text in enumerate(texts)]
        click.echo("\n".join(f"{name:12}{printable(text)}" for name, text in lines))
    return int(not found[-1][1]["locks"])


def examine(results: Path) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """What is found, part by part: its name, plain values, and lines for a person. The last part is where results go."""
    import shutil

    from mlp_cli import environment
    from mlp_cli.data.cache import cache_folder, ready_sets
    from mlp_cli.files import size_of
    from mlp_cli.runs import check_locks
    from mlp_cli.sweep.forecast import available_cores, available_memory
    from mlp_cli.text import counted, megabytes

    known = environment.describe(1)
    python = {"version": known["python"], "executable": sys.executable, "platform": known["platform"]}
    yield "mlp", {"version": known["version"]}, [known["version"]]
    yield "python", python, [f"{known['python']}, {sys.executable}, on {known['platform']}"]
    numpy = {"version": known["numpy"], "blas": known["blas"], "threads": known["threads"]}
    yield "numpy", numpy, [f"{known['numpy']}, {known['blas']}, one thread unless --threads says else"]
    cores = {"available": available_cores(), "machine": os.cpu_count(), "cpu": known["cpu"]}
    yield "processors", cores, [f"{cores['available']} of {cores['machine']} may be used, {known['cpu']}"]
    left, whole = available_memory(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = f"{'unknown' if left is None else megabytes(left)} of {megabytes(whole)} may be used"
    yield "memory", {"available": left, "machine": whole}, [told]
    extras = _extras()
    yield "extras", extras, [_told(*each) for each in extras.items()] or ["unknown: mlp-cli is not installed as a package"]
    own = os.environ.get("MLP_DATA_DIR") or None
    data: dict[str, Any] = {
        "folder": own,
        "there": own is not None and os.path.isdir(own),
        "bytes": size_of(Path(own)) if own else 0,
    }
    there = megabytes(data["bytes"]) if data["there"] else "which is no folder"
    yield "data", data, ["MLP_DATA_DIR is not set" if own is None else f"MLP_DATA_DIR is {own}, {there}"]
    cache: dict[str, Any] = {"folder": str(cache_folder()), "sets": list(ready_sets()), "bytes": size_of(cache_folder())}
    yield "cache", cache, [f"{cache['folder']}, {counted(len(cache['sets']), 'ready set')}, {megabytes(cache['bytes'])}"]
    above = next(each for each in (results.absolute(), *results.absolute().parents) if each.is_dir())
    free, problem = shutil.disk_usage(above).free, None
    try:
        check_locks(above)
    except RunError as error:
        problem = str(error)
    home = {"folder": str(results), "checked": str(above), "free": free, "locks": problem is None, "problem": problem}
    yield "results", home, [f"{results}, {megabytes(free)} free in {above}; {problem or 'locks work'}"]


def _extras() -> dict[str, dict[str, str | None]]:
    """The packages of each extra with their versions, None for one that is not installed; {} where mlp is no installed package."""
    from importlib.metadata import PackageNotFoundError, requires, version

    found: dict[str, dict[str, str | None]] = {}
    needed = list[str]()
    with suppress(PackageNotFoundError):
        needed = requires("mlp-cli") or []
    for each in (re.match(r"([\w.-]+).*;.*extra == ['\"]([\w-]+)['\"]", text) for text in needed):
        if each is not None and each[2] not in _NOT_OURS:
            packages = found.setdefault(each[2], {})
            packages[each[1]] = None
            with suppress(PackageNotFoundError):
                packages[each[1]] = version(each[1])
    return found


def _told(extra: str, packages: dict[str, str | None]) -> str:
    versions = ", ".join(f"{name} {version or 'is missing'}" for name, version in packages.items())
    return f"{extra}: {versions}" + ("" if all(packages.values()) else f" (pip install 'mlp-cli[{extra}]')")
