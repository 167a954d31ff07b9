"""Tests with libraries that are no dependencies: `make test-extras` runs them, in an environment that has these.

Elsewhere they are not collected, which is no skip: they are that target's, and it leaves out none.
"""

import os

collect_ignore_glob = [] if os.environ.get("MLP_EXTRAS") else ["test_*.py"]
