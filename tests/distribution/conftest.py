"""Fixtures: callers of the shared registry, one for each of Amazon's managed policies."""

from collections.abc import Callable

import pytest

from tests.distribution.client import Client, new_key
from tests.server import Server


@pytest.fixture(scope="session")
def client(server: Server) -> Client:
    """A caller who may do everything."""
    return Client(server)


@pytest.fixture(scope="session")
def as_holder(server: Server) -> Callable[[str], Client]:
    """A caller with an access key of a policy, made as people make them: ``as_holder("PullOnly")``."""
    made: dict[str, Client] = {}

    def caller(policy: str) -> Client:
        if policy not in made:
            made[policy] = new_key(server, f"has-{policy}", policy)
        return made[policy]

    return caller
