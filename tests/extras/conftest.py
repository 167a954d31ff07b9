"""Tests with libraries that are no dependencies: `make test-extras` runs them, in an environment that has these.

Elsewhere the files whose library is missing are not collected, which is no skip: they are that target's, and it leaves out none.
"""

import importlib.util
import os

NEEDS = {
    "test_onnx.py": "onnxruntime",
    "test_onnx_features.py": "onnxruntime",
    "test_estimators.py": "sklearn",
    "test_notebook.py": "nbclient",
    "test_numba.py": "numba",
}

collect_ignore = [
    file for file, package in NEEDS.items() if importlib.util.find_spec(package) is None and not os.environ.get("MLP_EXTRAS")
]
