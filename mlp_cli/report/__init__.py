"""Comparisons of runs: statistics over seeds, tables, a page. Reads folders only, never trains.

`mlp_cli.report(…)` is a function as well (see api.py).
"""

import sys

from mlp_cli import Callable

sys.modules[__name__].__class__ = Callable
