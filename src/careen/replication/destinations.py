"""The way to a destination: its address and credential from the file of targets, and a client of what is there."""

import contextlib
from collections.abc import Callable, Iterator

from careen.registry.registry import Registry
from careen.registry.replication import Destination
from careen.replication import targets
from careen.replication.ecr import EcrApi
from careen.replication.transfer import Transfer
from careen.upstream import address
from careen.upstream.credentials import (
    AmazonHost,
    AmazonTokens,
    Basic,
    Source,
    amazon_host,
    anonymous,
    fixed,
)
from careen.upstream.errors import UpstreamError
from careen.upstream.patience import Patience

PATIENCE = Patience(tries=2)
"""A transfer tries little by itself: the job is tried again, and its place in the queue is free meanwhile."""


@contextlib.contextmanager
def connected(registry: Registry, to: Destination, beat: Callable[[], None]) -> Iterator[Transfer]:
    """The way to a destination, for the length of a ``with`` block.

    Raises:
        careen.replication.targets.TargetsInvalid: nobody has said where it is, or it cannot be used as it is said.
        careen.upstream.errors.UpstreamError: there are no keys for its ECR API.
    """
    path = registry.targets_file
    target = targets.read(path).get(to)
    if target is None:
        raise targets.TargetsInvalid(
            f"{path} has no target with region {to.region} and registry_id {to.registry_id}"
        )
    who, at = targets.credential(path, target), address.parse(target.url)
    amazon = amazon_host(at.host)
    api = EcrApi(to.region, target.api_url, who) if amazon or target.api_url else None
    source = _source(amazon, who)
    headers = {"Careen-Replica-Of": f"{registry.region}/{registry.id}"}
    from careen.upstream.client import Client  # noqa: PLC0415 ten megabytes for those who replicate

    with Client(at, source, PATIENCE, headers, registry.limits.off_limits) as client:
        yield Transfer(registry, client, api, beat)


def _source(amazon: AmazonHost | None, who: Basic | None) -> Source:
    if amazon is not None:
        return AmazonTokens(amazon.region, is_fips=amazon.is_fips, keys=who)
    return anonymous if who is None else fixed(*who)


def trouble_with(registry: Registry, to: Destination) -> str | None:
    """Why nothing can be replicated to a destination as things are; None: it is there and lets us in."""
    try:
        with connected(registry, to, lambda: None) as transfer:
            transfer.client.ping()
    except (targets.TargetsInvalid, UpstreamError) as error:
        return str(error)
    return None
