"""Sweeps: many runs from one config: the space of members, what is proposed next, and the processes that train them.

`mlp_cli.sweep(…)` is a function as well (see api.py).
"""

import sys

from mlp_cli import Callable

sys.modules[__name__].__class__ = Callable
