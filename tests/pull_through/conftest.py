"""A registry that caches, an upstream with a password, and a proxy between them that does damage on order."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from careen.clock import HOUR, isoformat, parse_instant, system_now
from careen.upstream.client import Client as Upstream
from tests.distribution.client import Client
from tests.ecrapi.client import strict
from tests.server import Server, running
from tests.upstream.conftest import by_proxy as by_proxy
from tests.upstream.conftest import client as client
from tests.upstream.conftest import guarded as guarded
from tests.upstream.conftest import proxy as proxy
from tests.upstream.distribution import PASSWORD, USERNAME
from tests.upstream.proxy import Proxy

SECRET = f'{{"username": "{USERNAME}", "accessToken": "{PASSWORD}"}}'


def arn(name: str) -> str:
    """The ARN of a secret."""
    return f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:ecr-pullthroughcache/{name}"


def write_secret(server: Server, name: str, text: str = SECRET) -> str:
    """Write a secret as an administrator does. Returns its ARN."""
    path = server.data / "secrets" / "ecr-pullthroughcache" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return arn(name)


@pytest.fixture(scope="session")
def caching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry of two processes that does not create on push. Its clock stands, until a test lets time pass."""
    folder = tmp_path_factory.mktemp("caching")
    clock_file = folder / "clock"
    clock_file.write_text(isoformat(system_now()))
    with running(
        folder / "data", workers=2, create_on_push=False, log_level="info", clock_file=clock_file
    ) as started:
        write_secret(started, "upstream")
        started.clock_file = clock_file
        yield started


@pytest.fixture
def later(caching: Server) -> Callable[[float], None]:
    """Let hours pass on its clock."""

    def pass_hours(hours: float) -> None:
        now = parse_instant(caching.clock_file.read_text())
        caching.set_time(isoformat(now + round(hours * HOUR)))

    return pass_hours


@pytest.fixture
def ecr(caching: Server) -> Any:
    """A strict boto3 client of it."""
    return strict(caching.boto())


@pytest.fixture
def puller(caching: Server) -> Client:
    """Pulls from it."""
    return Client(caching)


@pytest.fixture
def add_rule(ecr: Any) -> Iterator[Callable[..., str]]:
    """Make rules, and remove them in the end: ``add_rule(url, credentialArn=…)`` returns the prefix."""
    made = []

    def add(url: str, **parameters: Any) -> str:
        prefix = f"cache-{uuid.uuid4().hex[:8]}"
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix=prefix,
            upstreamRegistryUrl=url,
            **{"credentialArn": arn("upstream"), **parameters},
        )
        made.append(prefix)
        return prefix

    yield add
    for prefix in made:
        ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix=prefix)


@pytest.fixture
def prefix(add_rule: Callable[..., str], proxy: Proxy) -> str:
    """The prefix of a rule whose upstream is behind the proxy."""
    return add_rule(proxy.url)


@pytest.fixture
def upstream(client: Upstream) -> Upstream:
    """A client that pushes to the upstream itself."""
    return client
