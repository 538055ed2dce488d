"""The upstream registries that Amazon ECR knows by name, and all the others.

Source: the service model's documentation of CreatePullThroughCacheRule, ``upstreamRegistryUrl``. Amazon ECR takes these alone; any
other registry that speaks the OCI distribution API is taken here too.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from careen.ecr import errors
from careen.upstream import address
from careen.upstream.address import Address, InvalidAddress
from careen.upstream.credentials import amazon_host

HOSTS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "ecr-public": re.compile(r"public\.ecr\.aws"),
        "docker-hub": re.compile(r"registry-1\.docker\.io"),
        "github-container-registry": re.compile(r"ghcr\.io"),
        "gitlab-container-registry": re.compile(r"registry\.gitlab\.com"),
        "k8s": re.compile(r"registry\.k8s\.io"),
        "azure-container-registry": re.compile(r"[a-z0-9-]+\.azurecr\.(io|cn|us)"),
        "chainguard": re.compile(r"cgr\.dev"),
        "quay": re.compile(r"quay\.io"),
    }
)
"""ECR's name of a registry to its hosts; beside them ``ecr`` itself, whose hosts are :func:`amazon_host`'s."""

_ALMOST = frozenset({"docker.io", "index.docker.io", "hub.docker.com", "www.docker.com"})
"""What people write for Docker Hub; none of them is its registry."""


def recognise(url: str, name: str | None = None) -> str | None:
    """ECR's name for an upstream registry; None if it has none.

    Args:
        url: as the rule gives it: ``registry-1.docker.io``, ``https://registry.example.com:5000``.
        name: what the rule says it is.

    Raises:
        careen.ecr.errors.UnsupportedUpstreamRegistry: not the address of a registry, not safe to read from, or not what
            ``name`` says.
    """
    at = parse(url)
    if at.host in _ALMOST:
        raise errors.UnsupportedUpstreamRegistry(
            f"The registry of Docker Hub is registry-1.docker.io, not {at.host}"
        )
    if not at.is_guarded:
        raise errors.UnsupportedUpstreamRegistry(
            f"The upstream registry {url} is plain HTTP, which is for registries on this machine alone"
        )
    known = "ecr" if amazon_host(at.host) else None
    known = next((each for each, host in HOSTS.items() if host.fullmatch(at.host)), known)
    if name is not None and name != known:
        raise errors.UnsupportedUpstreamRegistry(f"The upstream registry {url} is not {name}")
    return known


def parse(url: str) -> Address:
    """Where an upstream registry is.

    Raises:
        careen.ecr.errors.UnsupportedUpstreamRegistry: not the address of one.
    """
    try:
        return address.parse(url)
    except InvalidAddress as error:
        raise errors.UnsupportedUpstreamRegistry(f"The upstream registry is not supported: {error}") from None
