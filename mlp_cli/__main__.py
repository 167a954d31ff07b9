"""`python -m mlp_cli` and the console script `mlp`."""

import gc
import sys


def main() -> None:
    """Runs the command line. A signal ends it at any moment, with 130 or 143, one line and no traceback."""
    from mlp_cli.training.stop import EndedBySignal, exit_on_signals, raise_on_signals

    raise_on_signals()  # before the imports that take time
    gc.set_threshold(50_000)  # these make many objects and no garbage, and each search among them takes time
    try:
        from mlp_cli.cli.output import set_up

        set_up()
        from mlp_cli.cli.main import run

        code = run()
        exit_on_signals()
    except EndedBySignal as stopped:
        stopped.tell()
        code = stopped.exit_code
    sys.exit(code)


if __name__ == "__main__":
    main()
