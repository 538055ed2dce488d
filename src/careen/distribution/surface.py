"""What the handlers of this surface share: the registry, its fresh answers, its pull times, and the questions all of them ask."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from careen.circumstances import circumstances_of
from careen.distribution.again import Again
from careen.distribution.allowance import Allowance
from careen.distribution.exchange import Exchange, Header
from careen.oci import names
from careen.oci.errors import OciError
from careen.pull_through.importer import Importer
from careen.registry import access, public, repositories
from careen.registry.access import Action, Decision
from careen.registry.callers import Principal
from careen.registry.fresh import MAX_WEIGHT, TOO_HEAVY, Fresh
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
    allowance: Allowance
    """Of those who do not say who they are."""

    def is_public(self, name: str) -> bool:
        """Whether anybody may pull from the repository."""
        return name.startswith(self.registry.public_prefix) and self.fresh.get(
            ("public", name), lambda: public.is_public(self.registry.single_read(), name), _weight_of_public
        )

    def require(self, exchange: Exchange, principal: Principal, action: Action, name: str) -> None:
        """Let the call pass, or raise ECR's refusal.

        Args:
            exchange: asks.
            principal: who asks.
            action: what for.
            name: the repository, or ``access.EVERY_REPOSITORY``.
        """
        if self._is_open(action, name):
            return
        asked, decision = self._judgement(exchange, principal, action, name)
        if not decision.allowed:
            raise access.denied(principal, asked, self._arn(asked, name), decision)

    def may(self, exchange: Exchange, principal: Principal, action: Action, name: str) -> bool:
        """Whether the call may pass, for a repository that the client only proposes."""
        if not names.is_repository_name(name):
            return False
        return self._is_open(action, name) or self._judgement(exchange, principal, action, name)[1].allowed

    def _is_open(self, action: Action, name: str) -> bool:
        """Whether nobody needs to be allowed this."""
        return action in public.OPEN and self.is_public(name)

    def _judgement(
        self, exchange: Exchange, principal: Principal, action: Action, name: str
    ) -> tuple[Action, Decision]:
        """The decision, with the action that it is about: on a public repository it may be ECR Public's."""
        if self.is_public(name):
            return public.judge(action, lambda each: self._decision(exchange, principal, each, name))
        return action, self._decision(exchange, principal, action, name)

    def _decision(self, exchange: Exchange, principal: Principal, action: Action, name: str) -> Decision:
        """The decision, remembered while no row has changed, unless it is of this request alone."""
        key = ("access", principal.access_key_id, action, name)
        remembered: Decision | None = self.fresh.find(key)
        if remembered is not None:
            return remembered
        circumstances = circumstances_of(self.registry, exchange.scope, {})
        judged = self.registry.read(access.judge, principal, action, self._arn(action, name), circumstances)
        if judged.keeps:
            self.fresh.keep(key, judged.decision, 0)
        elif judged.decision.is_this_requests_alone:
            exchange.is_judged_alone = True
        return judged.decision

    def _arn(self, action: Action, name: str) -> str:
        return access.arn_asked(self.registry.single_read(), action, name)

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
        self.require(exchange, principal, Action.REPLICATE_IMAGE, name)
        return source

    async def repository_for_push(
        self, exchange: Exchange, principal: Principal, name: str, *, is_replica: bool = False
    ) -> Repository:
        """The repository to push to; made now if pushes create, or for replicas, and the caller may create."""
        check_name(name)
        self.fresh.renew()  # a body may have come in since the request began
        found = self.fresh.get(("for push", name), lambda: self.registry.read(repositories.find, name))
        if found is not None:
            return found
        if is_replica or self.registry.read(repositories.creates_on_push, name):
            self.require(exchange, principal, Action.CREATE_REPOSITORY, name)
        return await self.registry.write(repositories.require_for_push, name, is_replica=is_replica)


def _weight_of_public(is_public: bool) -> int:
    """What is not public is not remembered: a stranger could fill the memory with names."""
    return 0 if is_public else TOO_HEAVY


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

    def built() -> tuple[list[Header], bytes, IO[bytes] | None, int]:
        headers, body = build()
        if exchange.method == "HEAD" or len(body) <= MAX_WEIGHT:
            return headers, body, None, len(body)
        return headers, b"", in_a_file(surface, body), len(body)

    headers, body, file, size = await surface.registry.in_thread(built)
    if file is None:
        surface.again.keep(exchange, await exchange.respond(200, headers, body))
        return
    with file:
        await exchange.respond_file(
            200, [*headers, (b"content-length", b"%d" % size)], file.fileno(), 0, size
        )


def encoded(text: str) -> bytes:
    """A header value made of names we have checked."""
    return text.encode("ascii")
