"""Stores of real registries, filled once for each program."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.importing.store import PROGRAMS, Store
from tests.upstream.distribution import Distribution


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Store]]:
    """Stores by program, which their registries still serve."""
    with contextlib.ExitStack() as stack:

        @cache
        def filled(program: str) -> Store:
            path = shutil.which(program)
            if path is None:
                pytest.skip(
                    f"{program} is not installed: tests/upstream/distribution.py says where it is had"
                )
            folder = tmp_path_factory.mktemp("store")
            served = stack.enter_context(Distribution(folder, program=path).running())
            (folder / "home").mkdir()
            made = Store(served, folder / "home")
            made.fill()
            made.neglect()
            made.break_it()
            return made

        yield filled


@pytest.fixture(scope="session", params=PROGRAMS)
def store(request: pytest.FixtureRequest, stores: Callable[[str], Store]) -> Store:
    """Each of them."""
    return stores(request.param)


@pytest.fixture(scope="session")
def one_store(stores: Callable[[str], Store]) -> Store:
    """One of them, for what does not depend on who filled it."""
    return stores(next((each for each in PROGRAMS if shutil.which(each)), PROGRAMS[0]))
