"""`python -m mlp_cli` and the console script `mlp`."""

import sys


def main() -> None:
    """Runs the command line."""
    from mlp_cli.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
