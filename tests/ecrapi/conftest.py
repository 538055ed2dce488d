"""Fixtures: a strict boto3 client of the shared registry, and a repository of one's own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.ecrapi.client import holders, strict
from tests.server import Server, running


@pytest.fixture(scope="session")
def ecr(server: Server) -> Any:
    """boto3's ECR client, checking every answer against the service model."""
    return strict(server.boto())


@pytest.fixture(scope="session")
def ecr_public(server: Server) -> Any:
    """boto3's client of ECR Public, as strict; it signs for us-east-1, as those do that ask Amazon for the endpoint."""
    return strict(server.boto("ecr-public", region_name="us-east-1"))


@pytest.fixture(scope="session")
def careen(server: Server) -> Any:
    """boto3's client of our own service, as strict."""
    return strict(server.boto("careen"))


@pytest.fixture(scope="session")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that, as Amazon's, creates on push only where a template says so; its account settings may be changed."""
    with running(tmp_path_factory.mktemp("strict") / "data", create_on_push=False) as started:
        yield started


@pytest.fixture(scope="session")
def strict_ecr(strict_server: Server) -> Any:
    """Its client."""
    return strict(strict_server.boto())


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that no other module uses: what is done there may hold for all of it."""
    with running(tmp_path_factory.mktemp("own") / "data") as started:
        yield started


@pytest.fixture
def repository(ecr: Any, name: str) -> str:
    """A repository that no other test uses."""
    ecr.create_repository(repositoryName=name)
    return name


@pytest.fixture(scope="session")
def as_holder(server: Server, key_of: Callable[[str], dict[str, str]]) -> Callable[..., Any]:
    """A strict client that signs with a key of a policy: ``as_holder("PullOnly")``."""
    return holders(server, key_of)
