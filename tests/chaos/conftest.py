"""A place for runs that many tests disturb, and a run that was stopped on its way."""

import pytest
from chaos_runs import Site
from stopped_run import Stopped


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A folder with a data set; undisturbed runs are made in it once."""
    return Site(tmp_path_factory.mktemp("chaos"))


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """Made once; tests take copies of it."""
    return Stopped(tmp_path_factory.mktemp("stopped"))
