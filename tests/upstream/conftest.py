"""Other registries to read from and write to."""

from collections.abc import Iterator

import pytest

from careen.oci.digest import digest_of
from careen.upstream import address, credentials
from careen.upstream.client import Client, Content
from careen.upstream.patience import Patience
from tests.images import Built
from tests.upstream.distribution import PASSWORD, USERNAME, Distribution, with_password
from tests.upstream.proxy import Proxy
from tests.waiting import PATIENCE

HASTY = Patience(first_pause=0, silence_timeout=PATIENCE)
"""Tries as often as ever, without pauses."""


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distribution]:
    """CNCF distribution that asks for a password; every test uses repositories of its own."""
    with with_password(tmp_path_factory.mktemp("guarded") / "distribution").running() as started:
        yield started


@pytest.fixture
def proxy(guarded: Distribution) -> Iterator[Proxy]:
    """A proxy before it."""
    with Proxy(guarded.url).running() as started:
        yield started


@pytest.fixture
def client(guarded: Distribution) -> Iterator[Client]:
    """A client of it that needs no proxy."""
    with client_of(guarded.url) as made:
        yield made


@pytest.fixture
def by_proxy(proxy: Proxy) -> Iterator[Client]:
    """A client of it through the proxy."""
    with client_of(proxy.url) as made:
        yield made


def client_of(url: str, source: credentials.Source | None = None, patience: Patience = HASTY) -> Client:
    """A client with the password, unless another credential is given."""
    return Client(address.parse(url), source or credentials.fixed(USERNAME, PASSWORD), patience)


def push(client: Client, repository: str, built: Built, reference: str | None = None) -> None:
    """Push an image with its blobs."""
    for blob in built.blobs:
        client.push_blob(repository, digest_of(blob), len(blob), content(blob))
    client.push_manifest(repository, reference or built.digest, built.manifest, built.media_type)


def content(blob: bytes) -> Content:
    """The bytes of a blob from an offset on."""
    return lambda offset: [blob[offset:]]
