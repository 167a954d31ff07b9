"""mlp: a command-line experiment runner for multilayer perceptrons on the CPU, and its Python API. Importing this costs nothing."""

import sys

__version__ = "0.1.0"

TYPE_CHECKING = False  # the module typing takes time
if TYPE_CHECKING:
    from mlp_cli.api import Report, Run, load, report, sweep, train
    from mlp_cli.errors import MlpError
    from mlp_cli.estimators import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "MlpError", "Report", "Run", "load", "report", "sweep", "train"]

_HOMES = {"MlpError": "errors", "MLPClassifier": "estimators", "MLPRegressor": "estimators"}
_PACKAGES = ("report", "sweep")
"""Packages below this one that have the names of functions of the API, and are these functions too."""


def __getattr__(name: str) -> object:
    """Loads what is asked for when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name in _PACKAGES:
        return import_module(f"mlp_cli.{name}")
    return getattr(import_module(f"mlp_cli.{_HOMES.get(name, 'api')}"), name)


class Callable(type(sys)):  # type: ignore[misc]
    """A package that is a function of the API too. `inspect.signature` finds the function by `__wrapped__`."""

    @property
    def __wrapped__(self) -> object:
        from mlp_cli import api

        return getattr(api, self.__name__.rpartition(".")[2])

    __call__ = __wrapped__
