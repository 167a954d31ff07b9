"""mlp: a command-line experiment runner for multilayer perceptrons on the CPU. Importing this costs nothing."""

__version__ = "0.1.0"
