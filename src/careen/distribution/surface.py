"""What the handlers of this surface share: the registry, its fresh answers, its pull times, and the questions all of them ask."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from careen.distribution.again import Again
from careen.distribution.exchange import Exchange, Header
from careen.ecr.arn import RepositoryArn
from careen.oci import names
from careen.oci.errors import OciError
from careen.pull_through.importer import Importer
from careen.registry import access, repositories
from careen.registry.access import Action, Principal
from careen.registry.fresh import MAX_WEIGHT, Fresh
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry
from careen.registry.repositories import Repository

MAX_PAGE = 10_000
"""The most names or tags in one answer; a Link header leads on."""


REPLICA_OF = b"careen-replica-of"
"""The header with which a registry that replicates to here says which it is: ``eu-west-1/123456789012``. Ours alone."""

_REGISTRY = re.compile(r"[0-9a-z-]{2,25}/[0-9]{12}")

Listing = tuple[list[Header], bytes]
"""The headers and the body of a list."""

_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Surface:
    """The distribution API of one registry, in one worker process."""

    registry: Registry
    fresh: Fresh
    pulls: PullTimes
    again: Again
    importer: Importer

    def require(self, principal: Principal, action: Action, name: str | None) -> None:
        """Let the call pass, or raise ECR's refusal. ``name`` is the repository; None asks for the whole registry."""
        if not access.may(principal, action):
            resource = (
                "*" if name is None else str(RepositoryArn(self.registry.region, self.registry.id, name))
            )
            access.require(principal, action, resource)

    def may(self, principal: Principal, action: Action, name: str) -> bool:
        """Whether the call may pass, for a repository that the client only proposes."""
        return names.is_repository_name(name) and access.may(principal, action)

    def repository(self, name: str) -> Repository:
        """The repository of that name, or NAME_INVALID or NAME_UNKNOWN."""
        check_name(name)
        return self.fresh.get(("repository", name), lambda: self.registry.read(repositories.require, name))

    def replica_of(self, exchange: Exchange, principal: Principal, name: str) -> str | None:
        """The registry that replicates something to here by this request; None: somebody pushes or deletes.

        What is replicated to here goes no further, and its repository is made if there is none (ECR user guide, "replication").
        """
        source = exchange.header(REPLICA_OF)
        if source is None or _REGISTRY.fullmatch(source) is None:
            return None
        self.require(principal, Action.REPLICATE_IMAGE, name)
        return source

    async def repository_for_push(
        self, principal: Principal, name: str, *, is_replica: bool = False
    ) -> Repository:
        """The repository to push to; made now if the registry creates on push, or for replicas, and the caller may create."""
        check_name(name)
        self.fresh.renew()  # a body may have come in since the request began
        found = self.fresh.get(("for push", name), lambda: self.registry.read(repositories.find, name))
        if found is not None:
            return found
        if self.registry.limits.create_on_push or is_replica:
            self.require(principal, Action.CREATE_REPOSITORY, name)
        return await self.registry.write(repositories.require_for_push, name, is_replica=is_replica)


def check_name(name: str) -> None:
    """Refuse what is no repository's name."""
    if not names.is_repository_name(name):
        raise OciError("NAME_INVALID", f"'{name}' is not a repository name")


def page_size(exchange: Exchange) -> int:
    """The ``n`` of a listing, at most :data:`MAX_PAGE`."""
    text = exchange.parameter("n")
    if text is None:
        return MAX_PAGE
    if _NUMBER.fullmatch(text) is None:
        raise OciError("PAGINATION_NUMBER_INVALID", f"n is a number of entries, not '{text}'")
    return min(int(text), MAX_PAGE)


def in_a_file(surface: Surface, body: bytes) -> IO[bytes]:
    """A file with the bytes, without a name. A client that takes its time then holds none of them in memory."""
    file = surface.registry.scratch()
    file.write(body)
    file.flush()
    return file


async def respond_listing(surface: Surface, exchange: Exchange, build: Callable[[], Listing]) -> None:
    """Answer 200 with what ``build`` makes in a thread; a light answer may be given again, as it is.

    A heavy body leaves by way of a file, which the thread writes too.
    """
    asked = surface.fresh.version

    def built() -> tuple[list[Header], bytes, IO[bytes] | None, int]:
        headers, body = build()
        if exchange.method == "HEAD" or len(body) <= MAX_WEIGHT:
            return headers, body, None, len(body)
        return headers, b"", in_a_file(surface, body), len(body)

    headers, body, file, size = await surface.registry.in_thread(built)
    if file is None:
        response = await exchange.respond(200, headers, body)
        if (
            surface.fresh.version == asked
        ):  # else what the thread read may be older than what is remembered now
            surface.again.keep(exchange, response)
        return
    with file:
        await exchange.respond_file(
            200, [*headers, (b"content-length", b"%d" % size)], file.fileno(), 0, size
        )


def encoded(text: str) -> bytes:
    """A header value made of names we have checked."""
    return text.encode("ascii")
