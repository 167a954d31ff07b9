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


def __getattr__(name: str) -> object:
    """Loads what is asked for when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"mlp_cli.{_HOMES.get(name, 'api')}"), name)


class Callable(type(sys)):  # type: ignore[misc]
    """A package below this one that has the name of a function of the API, and is that function too: once it is loaded, Python puts
    it in the function's place. `inspect.signature` finds the function by `__wrapped__`."""

    __call__ = __wrapped__ = property(lambda self: __getattr__(self.__name__.rpartition(".")[2]))
