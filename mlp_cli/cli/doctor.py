"""`mlp doctor`: what this machine gives to runs, and whether anything is in their way."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from mlp_cli.cli.options import debug_option, json_option, print_json, printable, results_option
from mlp_cli.errors import RunError

_NOT_OURS = ("dev", "bench")
"""Extras for work on mlp itself."""


@click.command(epilog="Example: mlp doctor")
@results_option
@json_option
@debug_option
def doctor(results: Path, as_json: bool) -> int:
    """Show Python, NumPy, BLAS, processors, memory, extras and data folders, and try the locks where results go.

    Processors and memory are those that this process may use, in its container too. Exits with 1 where runs could not be kept.
    """
    from mlp_cli.runs import check_locks

    found = examine(results)
    try:
        check_locks(Path(found["results"]["checked"]))
    except RunError as error:
        found["results"] |= {"locks": False, "problem": str(error)}
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(f"{name:12}{printable(text)}" for name, text in _lines(found)))
    return int(not found["results"]["locks"])


def examine(results: Path) -> dict[str, Any]:
    """What is found, as plain values. results: the folder, or the one that it would be made in, is `checked` for locks."""
    import shutil

    from mlp_cli import environment
    from mlp_cli.data.cache import cache_folder, ready_keys
    from mlp_cli.files import size_of
    from mlp_cli.sweep.forecast import available_cores, available_memory, cgroup_memory

    known = environment.describe(1)
    own = os.environ.get("MLP_DATA_DIR", "")
    above = next(each for each in (results.absolute(), *results.absolute().parents) if each.is_dir())
    return {
        **{key: known[key] for key in ("version", "python", "numpy", "blas", "cpu", "platform")},
        "executable": sys.executable,
        "processors": {"machine": os.cpu_count(), "available": available_cores()},
        "memory": {"machine": environment.total_memory(), "available": available_memory(), "container": cgroup_memory()},
        "extras": _extras(),
        "data": {"folder": own or None, "there": bool(own) and os.path.isdir(own), "bytes": size_of(Path(own)) if own else 0},
        "cache": {"folder": str(cache_folder()), "sets": ready_keys(), "bytes": size_of(cache_folder())},
        "results": {"folder": str(results), "checked": str(above), "free": shutil.disk_usage(above).free, "locks": True},
    }


def _extras() -> dict[str, dict[str, str | None]]:
    """The packages of each extra with their versions, None for one that is not installed."""
    from importlib.metadata import PackageNotFoundError, requires, version

    found: dict[str, dict[str, str | None]] = {}
    try:
        needed = requires("mlp-cli") or []
    except PackageNotFoundError:  # run from a folder that nobody installed
        needed = []
    for text in needed:
        each = re.match(r"([\w.-]+).*;.*extra == ['\"]([\w-]+)['\"]", text)
        if each is not None and each[2] not in _NOT_OURS:
            try:
                installed = version(each[1])
            except PackageNotFoundError:
                installed = None
            found.setdefault(each[2], {})[each[1]] = installed
    return found


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a person reads: a heading and a text a line."""
    from mlp_cli.text import counted, megabytes

    yield "mlp", f"{found['version']} on {found['platform']}"
    yield "python", f"{found['python']}, {found['executable']}"
    yield "numpy", f"{found['numpy']}, {found['blas']}; 1 thread a run unless --threads says else"
    processors, memory = found["processors"], found["memory"]
    yield "processors", f"{processors['available']} of {processors['machine']} may be used; {found['cpu']}"
    sizes = [megabytes(size) if size is not None else "unknown" for size in (memory["available"], memory["machine"])]
    within = "" if memory["container"] is None else f"; its container leaves {megabytes(memory['container'])}"
    yield "memory", f"{sizes[0]} of {sizes[1]} free{within}"
    for extra, packages in found["extras"].items():
        told = ", ".join(f"{name} {version or 'is missing'}" for name, version in packages.items())
        yield "extra", f"{extra}: {told}" + ("" if all(packages.values()) else f" (pip install 'mlp-cli[{extra}]')")
    data, cache, results = found["data"], found["cache"], found["results"]
    there = megabytes(data["bytes"]) if data["there"] else "which is no folder"
    yield "data", f"MLP_DATA_DIR is {data['folder']}, {there}" if data["folder"] else "MLP_DATA_DIR is not set"
    yield "cache", f"{cache['folder']}, {counted(len(cache['sets']), 'ready set')}, {megabytes(cache['bytes'])}"
    locks = "locks work" if results["locks"] else results["problem"]
    yield "results", f"{results['folder']}, {megabytes(results['free'])} free in {results['checked']}; {locks}"
