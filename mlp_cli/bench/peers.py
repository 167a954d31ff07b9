"""The same training steps in other libraries, as their documentation shows them. Each is timed only where it is installed."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from mlp_cli.bench.timing import ROWS, Case, Contender, images


def pytorch(case: Case) -> Contender:
    """Eager PyTorch with fused Adam; batches gathered from a ready float32 tensor, no DataLoader, no loss read back."""
    import torch

    torch.set_num_threads(case.threads)
    torch.manual_seed(0)
    x_bytes, y_numbers = images(case.sizes[0], case.sizes[-1])
    x, y = torch.from_numpy(x_bytes.astype(np.float32) / 255), torch.from_numpy(y_numbers)
    layers: list[torch.nn.Module] = []
    for inputs, outputs in itertools.pairwise(case.sizes):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    order = torch.randperm(ROWS)

    def steps() -> None:
        torch.set_num_threads(case.threads)
        for start in range(0, ROWS, case.batch_size):
            rows = order[start : start + case.batch_size]
            optimizer.zero_grad(set_to_none=True)
            criterion(model(x[rows]), y[rows]).backward()
            optimizer.step()

    return Contender("PyTorch", steps, ROWS // case.batch_size, case.threads)


def scikit_learn(case: Case) -> Contender:
    """scikit-learn's MLPClassifier in float32 with Adam, by `partial_fit`, which goes once through all rows in batches."""
    from sklearn.neural_network import MLPClassifier

    x_bytes, y = images(case.sizes[0], case.sizes[-1])
    x = x_bytes.astype(np.float32) / 255
    model = MLPClassifier(case.sizes[1:-1], batch_size=case.batch_size, random_state=0)

    def steps() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.partial_fit(x, y, classes=np.arange(case.sizes[-1]))

    return Contender("scikit-learn", steps, ROWS // case.batch_size, case.threads)


PEERS: dict[str, tuple[str, Callable[[Case], Contender]]] = {
    "PyTorch": ("torch", pytorch),
    "scikit-learn": ("sklearn", scikit_learn),
}


def installed() -> dict[str, Callable[[Case], Contender]]:
    """The peers that can be imported here."""
    return {name: make for name, (module, make) in PEERS.items() if find_spec(module) is not None}
