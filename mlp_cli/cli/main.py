"""`mlp`: the group of commands, and the one place where errors become messages and exit codes.

Modules of this package import only click at the top, so that `mlp --help` is quick; each command imports what it needs.
"""

from __future__ import annotations

import os
import sys

import click

from mlp_cli import __version__
from mlp_cli.cli.bench import bench
from mlp_cli.cli.completion import VARIABLE, answer, completion
from mlp_cli.cli.data import data
from mlp_cli.cli.doctor import doctor
from mlp_cli.cli.evaluate import evaluate
from mlp_cli.cli.export import export
from mlp_cli.cli.inspect import check, init, schema, show, validate
from mlp_cli.cli.keep import note, pack, rm
from mlp_cli.cli.lr_find import lr_find
from mlp_cli.cli.ls import diff, ls
from mlp_cli.cli.options import printable
from mlp_cli.cli.predict import predict
from mlp_cli.cli.report import report
from mlp_cli.cli.rerun import rerun
from mlp_cli.cli.sweep import sweep
from mlp_cli.cli.train import train
from mlp_cli.environment import BLAS_VARIABLES
from mlp_cli.errors import MlpError, ReaderGone, out_of_memory
from mlp_cli.training.stop import HINT, EndedBySignal

_TRAINING = (["train"], ["sweep"])
"""Beginnings of command lines that leave runs behind."""


class _Group(click.Group):
    """Lists its commands in the order in which a user meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with: mlp train configs/mnist_adam_relu.yaml",
)
@click.version_option(__version__, "-V", "--version", message="mlp %(version)s")
def cli() -> None:
    """Train, sweep and compare multilayer perceptrons on the CPU, from YAML files.

    A run is a pure function of its config and its data. The same command again finishes an interrupted run
    and only reports a completed one.
    """


for _command in (
    *(train, sweep, report, diff, ls, evaluate, predict, export, note, rerun, pack, rm, init, validate, show, data),
    *(lr_find, check, bench, schema, doctor, completion),
):
    cli.add_command(_command)


def run(arguments: list[str] | None = None) -> int:
    """Runs one command line (sys.argv where None) and returns the exit code; prints errors on stderr."""
    for variable in BLAS_VARIABLES:  # before NumPy is imported: one BLAS thread unless --threads asks for more
        os.environ[variable] = "1"
    # OpenBLAS's threads else spin after each product and hold a core that another process may need.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "16")
    if VARIABLE in os.environ:
        return answer(cli)
    words = sys.argv[1:] if arguments is None else arguments
    if sys.platform not in ("linux", "darwin"):
        return _fail("mlp runs on Linux and macOS only", "on Windows use the Windows Subsystem for Linux (WSL)", 1)
    try:
        code = cli.main(args=words, prog_name="mlp", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:  # Ctrl-C where nobody has called `raise_on_signals`
        return _fail("interrupted", HINT, 130)
    except EndedBySignal as ended:
        ended.tell()
        return ended.exit_code
    except (MlpError, MemoryError) as error:
        if "--debug" in words:
            import traceback

            traceback.print_exc()
        if isinstance(error, ReaderGone) and words[:1] not in _TRAINING:
            return 1  # as of `mlp ls | head`: there is nobody to tell, and nothing is lost
        known = out_of_memory(error) if isinstance(error, MemoryError) else error
        return _fail(known.message, known.hint, known.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _with_key(error, words).show()
        return error.exit_code
    except Exception as error:
        if "--debug" in words:
            import traceback

            traceback.print_exc()
            return 1
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return _fail(f"internal error: {reason}", "this is a bug in mlp; run again with --debug for the traceback", 1)


def _with_key(error: click.ClickException, words: list[str]) -> click.ClickException:
    """The error, or where a key of the config was given as an option to a command that takes KEY=VALUE, one that says so."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return error
    from mlp_cli.config.schema import Config

    key = error.option_name.lstrip("-").replace("-", "_")
    takes = any("[KEY=" in (param.metavar or "") for param in error.ctx.command.params)
    if not takes or key.partition(".")[0] not in Config.model_fields:
        return error
    given = " ".join(words).partition(error.option_name)[2][1:].split()
    value = given[0] if given and not given[0].startswith("--") else "VALUE"
    message = f"No such option '{error.option_name}'; a key of the config is written {key}={value}"
    return click.NoSuchOption(error.option_name, message, ctx=error.ctx)


def _fail(message: str, hint: str | None, code: int) -> int:
    first, *more = message.split("\n")  # what a name has in it besides, such as escape sequences, is shown and not acted on
    lines = [first if more else f"error: {first}", *more, *(f"  {line}" for line in (hint or "").splitlines())]
    click.echo("\n".join(map(printable, lines)), err=True)
    return code
