"""What a test needs and this machine may lack: it is then skipped, or fails where MLP_NO_SKIPS is set, as in .ci/run."""

import importlib.util
import os

import pytest


def skip(reason: str) -> None:
    """Skips the test; with MLP_NO_SKIPS set it fails."""
    if os.environ.get("MLP_NO_SKIPS"):
        pytest.fail(f"MLP_NO_SKIPS is set, and {reason}")
    pytest.skip(reason, allow_module_level=True)


def need(package: str) -> None:
    """Skips the test, or the file that calls it, where a package is not installed; with MLP_NO_SKIPS set it fails."""
    if importlib.util.find_spec(package) is None:
        skip(f"the package {package} is not installed")
