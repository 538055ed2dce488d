"""Imports: images of other registries, asked for here, on their way in.

An image is stored as a push would store it: layers first, each verified, then the manifest, an index after all that it lists. So
what can be read is whole, at every moment, whatever breaks off in between; what came in before the break is not fetched again.

The event loop does the bookkeeping. Whatever waits for another registry waits in threads of its own, so that pushes and pulls
never wait for a thread; and bytes go to the store a megabyte at a time, as those of an upload do.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import structlog

from careen import figures
from careen.clock import SECOND, Instant
from careen.ecr import errors
from careen.ecr.errors import EcrError
from careen.oci import manifest as manifests
from careen.oci import media_types
from careen.oci.manifest import Descriptor, InvalidManifest, Manifest
from careen.pull_through import registries
from careen.pull_through.secrets import Secrets
from careen.pull_through.turns import Turns
from careen.registry import layers, pull_through
from careen.registry.access import Action
from careen.registry.pull_through import Rule, Standing, Upstream
from careen.registry.registry import Registry
from careen.registry.repositories import Repository
from careen.registry.trouble import trouble
from careen.upstream import credentials
from careen.upstream.address import Address
from careen.upstream.errors import Denied, Invalid, NotFound, Unavailable, UpstreamError
from careen.upstream.patience import Patience

if TYPE_CHECKING:
    from careen.upstream.client import Client, Fetched

P = ParamSpec("P")
T = TypeVar("T")

May = Callable[[Action], bool]
"""Whether the caller may do something with the repository."""

IMPORTS = 8
"""How many images are imported at a time in one process; others wait for their turn."""

BLOBS = 3
"""How many blobs of one image are fetched at a time, as Docker does."""

PORTION_BYTES = 1024 * 1024
"""How much of a blob is gathered before it is written."""

DEPTH = 4
"""How deep an index may lie in others. No builder makes more than two levels."""

CALLS = 64
"""How many calls of other registries, and so threads, are under way in one process."""

AWAY: Instant = 30 * SECOND
"""How long an upstream that did not answer is not asked about what is cached: one client waited for it, not all."""

TRIES = 3
"""How often an import begins anew when what it had stored is gone before the manifest that needs it."""

IMPORTING = Patience(silence_timeout=20)
CHECKING = Patience(tries=2, connect_timeout=5, silence_timeout=10)
"""While there is an image to give, a silent upstream is not waited for long."""

_STOPPED = "this registry is being stopped"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Task:
    """One import: from where to where."""

    client: "Client"
    rule: Rule
    source: str
    """The repository's name upstream."""
    repository: Repository


def count(rule: Rule, outcome: str) -> None:
    """Count what was done for a pull under a rule. Upstreams that ECR has no name for are one to the figures."""
    figures.PULL_THROUGH.add(rule.upstream_registry or "other", outcome)


class Importer:
    """Imports images into one registry. Belongs to the event loop.

    Args:
        registry: where to.
        secrets: who we are upstream.
    """

    def __init__(self, registry: Registry, secrets: Secrets) -> None:
        self.secrets = secrets
        self._registry = registry
        self._turns = Turns(registry.scratch_folder / "imports.lock")
        self._stop = threading.Event()
        self._places = asyncio.Semaphore(IMPORTS)
        self._calls = asyncio.Semaphore(CALLS)
        self._away: dict[str, Instant] = {}
        """Of a rule's prefix: until when its upstream is taken for unavailable."""
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._clients: dict[tuple[str, Patience], tuple[Rule, Client]] = {}

    def break_off(self) -> None:
        """End what is under way, as the process does; what came in stays, and the next pull goes on from there."""
        self._stop.set()
        for task in self._under_way.values():
            task.cancel()

    async def close(self) -> None:
        """:meth:`break_off`, and let go of everything."""
        self.break_off()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        for _, client in self._clients.values():
            client.close()
        self._turns.close()

    async def refresh(self, standing: Standing, name: str, reference: str, may: May) -> None:
        """Import an image that a pull asks for, or compare it with its upstream, if it is due and the caller may.

        However many ask for the same at the same time, in whatever process: the upstream is asked once, and all wait for that.

        Args:
            standing: how the reference stands.
            name: the repository, a valid name.
            reference: a tag or a digest.
            may: what the caller may do.

        Raises:
            UpstreamError: there was nothing here, and the upstream did not give it either. Where something was, its failure is
                logged and that stays.
        """
        if self._is_for(standing, may):
            await self._once(standing, (name, reference), lambda: self._refresh(name, reference))

    async def refresh_referrers(self, standing: Standing, name: str, subject: str, may: May) -> None:
        """The same for what refers to an image, such as its signatures.

        Raises:
            UpstreamError: the upstream could not be asked.
        """
        if self._is_for(standing, may):
            key = name, f"referrers of {subject}"
            await self._once(standing, key, lambda: self._refresh_referrers(name, subject))

    async def validate(self, rule: Rule) -> str | None:
        """Try a rule: its secret, and whether its upstream lets us in. Returns what is wrong, or None."""
        try:
            await self._call(self._client(rule, CHECKING).ping)
        except UpstreamError as error:
            return str(error)
        return None

    def _is_for(self, standing: Standing, may: May) -> bool:
        return (
            standing.is_due(self._registry.clock())
            and may(Action.BATCH_IMPORT_UPSTREAM_IMAGE)
            and (standing.has_repository or may(Action.CREATE_REPOSITORY))
        )

    async def _once(
        self, standing: Standing, key: tuple[str, str], work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._in_turn(key, work))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        # Whoever goes away goes alone: the others wait on, and what was begun is of use to the next.
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled() and self._stop.is_set():
                raise Unavailable(_STOPPED) from None
            raise
        except Exception as error:
            if standing.digest is None or trouble(error) is None:
                raise
            # A disk that cannot be written to keeps nobody from what is there.
            log.warning(
                "the disk is in trouble; the cached image is given", repository=key[0], error=repr(error)
            )

    def _end(self, key: tuple[str, str], done: "asyncio.Task[None]") -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # it was logged; that nobody waits for it any more is no news

    async def _in_turn(self, key: tuple[str, str], work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with self._turns.of(" ".join(key)):
            await work()

    async def _refresh(self, name: str, reference: str) -> None:
        standing = self._registry.read(pull_through.standing, name, reference)
        if standing.upstream is None or not standing.is_due(self._registry.clock()):
            return  # whoever had the turn before has done it
        rule, repository = standing.upstream
        try:
            if standing.digest is not None:
                self._check_away(rule)
                held = await self._call(self._client(rule, CHECKING).resolve, repository, reference)
                if held.digest == standing.digest:
                    await self._registry.write(pull_through.confirm, name, reference, held.digest)
                    count(rule, "confirmed")
                    return
            await self._import(standing.upstream, name, reference)
            count(rule, "imported")
        except Exception as error:
            if not _is_foreseen(error):
                raise
            self._note_away(rule, error)
            is_absent = isinstance(error, NotFound)
            count(rule, "stale" if standing.digest is not None else "absent" if is_absent else "failed")
            _tell(error, standing.upstream, reference, is_cached=standing.digest is not None)
            if not isinstance(error, NotFound):
                await self._registry.write(pull_through.fail, name, rule, reference, str(error))
            if standing.digest is None:
                raise
            await self._registry.write(pull_through.postpone, name, reference, standing.digest)

    def _check_away(self, rule: Rule) -> None:
        if self._registry.clock() < self._away.get(rule.prefix, 0):
            raise Unavailable("it did not answer a moment ago")

    def _note_away(self, rule: Rule, error: Exception) -> None:
        if isinstance(error, Unavailable):
            self._away[rule.prefix] = self._registry.clock() + AWAY

    async def _import(self, upstream: Upstream, name: str, reference: str) -> None:
        client = self._client(upstream.rule, IMPORTING)
        fetched = await self._call(client.manifest, upstream.repository, reference)
        _parsed(fetched)  # no repository is made for what is no image
        async with self._places:
            await self._take(client, upstream, name, fetched, tag=None if ":" in reference else reference)
        log.info(
            "imported",
            repository=name,
            reference=reference,
            digest=fetched.digest,
            upstream=client.address.url,
        )

    async def _refresh_referrers(self, name: str, subject: str) -> None:
        standing = self._registry.read(pull_through.referrers_standing, name, subject)
        if standing.upstream is None or not standing.is_due(self._registry.clock()):
            return
        rule, repository = standing.upstream
        client = self._client(rule, IMPORTING)
        try:
            self._check_away(rule)
            for found in await self._call(self._client(rule, CHECKING).referrers, repository, subject):
                if found.media_type in media_types.MANIFESTS and not self._is_here(name, found.digest):
                    fetched = await self._call(client.manifest, repository, found.digest)
                    async with self._places:
                        await self._take(client, standing.upstream, name, fetched)
        except Exception as error:
            if not _is_foreseen(error):
                raise
            self._note_away(rule, error)
            _tell(error, standing.upstream, subject, is_cached=True)
            await self._registry.write(pull_through.postpone, name, subject, subject)
            raise
        await self._registry.write(pull_through.confirm, name, subject, subject)

    async def _take(
        self, client: "Client", upstream: Upstream, name: str, fetched: "Fetched", *, tag: str | None = None
    ) -> None:
        """Store an image with all that it needs. Without a grace period a collection may take some of it away meanwhile."""
        for left in reversed(range(TRIES)):
            repository = await self._registry.write(pull_through.repository_for, name)
            try:
                await self._take_tree(
                    _Task(client, upstream.rule, upstream.repository, repository), fetched, tag, DEPTH
                )
            except (errors.LayersNotFound, errors.ReferencedImagesNotFound):
                if not left:
                    raise
            else:
                return

    async def _take_tree(self, task: _Task, fetched: "Fetched", tag: str | None, depth: int) -> None:
        manifest = _parsed(fetched)
        blobs = list(manifest.blobs())
        for child in manifest.children:
            if child.media_type not in media_types.MANIFESTS:
                blobs.append(child)
            elif not self._is_here(task.repository.name, child.digest):
                if not depth:
                    raise Invalid(f"{fetched.digest} is an index in an index in an index, and so on")
                lower = await self._call(task.client.manifest, task.source, child.digest)
                await self._take_tree(task, lower, None, depth - 1)
        await self._take_blobs(task, blobs)
        await self._registry.write(
            pull_through.keep,
            task.repository,
            fetched.data,
            media_type=manifest.media_type,
            digest=fetched.digest,
            tag=tag,
            rule=task.rule if depth == DEPTH else None,
        )

    async def _take_blobs(self, task: _Task, blobs: Iterable[Descriptor]) -> None:
        places = asyncio.Semaphore(BLOBS)

        async def take(blob: Descriptor) -> None:
            async with places:
                await self._take_blob(task, blob)

        taking = [asyncio.create_task(take(blob)) for blob in blobs]
        try:
            await asyncio.gather(*taking)
        finally:
            for each in taking:
                each.cancel()
            await asyncio.gather(*taking, return_exceptions=True)

    async def _take_blob(self, task: _Task, blob: Descriptor) -> None:
        registry, repository = self._registry, task.repository
        found = registry.read(layers.find, repository.name, blob.digest)
        if found is not None and await layers.lease(registry, found):
            return
        # A blob of another repository is not linked: what an upstream says of a digest must not open what lies elsewhere here.
        upload_id = await layers.begin(registry, repository)
        async with layers.held(registry, repository, upload_id) as upload:
            try:
                pieces = task.client.blob(task.source, blob.digest, blob.size)
                await layers.append(registry, upload, self._portions(pieces))
                await layers.complete(registry, repository, upload, blob.digest)
            except layers.BlobTooLarge:
                raise Invalid(f"{blob.digest} has {blob.size} bytes, more than this registry takes") from None
            finally:
                await layers.abort(registry, upload)  # nothing happens if it was completed

    async def _portions(self, pieces: Generator[bytes, None, None]) -> AsyncIterator[list[bytes]]:
        stream = _Stream(pieces, self._stop)
        try:
            while portion := await self._call(stream.portion):
                yield portion
        finally:
            _in_a_thread(stream.close)

    def _is_here(self, name: str, digest: str) -> bool:
        return self._registry.read(pull_through.is_here, name, digest)

    async def _call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something that waits for another registry."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(how: Callable[[], None]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                loop.call_soon_threadsafe(lambda: None if done.done() else how())

        def run() -> None:
            try:
                result = work(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                settle(partial(done.set_exception, error))
            else:
                settle(partial(done.set_result, result))

        async with self._calls:
            _in_a_thread(run)
            return await done

    def _client(self, rule: Rule, patience: Patience) -> "Client":
        """A client of a rule's upstream; the same one, as long as the rule is the same."""
        known, client = self._clients.get((rule.prefix, patience), (None, None))
        if client is None or known != rule:
            # Ten megabytes with all that it needs: a registry without such rules is spared them.
            from careen.upstream.client import Client  # noqa: PLC0415

            client = Client(
                registries.parse(rule.upstream_url),
                self._source(rule),
                patience,
                off_limits=self._registry.limits.off_limits,
            )
            self._clients[rule.prefix, patience] = rule, client
        return client

    def _source(self, rule: Rule) -> credentials.Source:
        """Who we are at a rule's upstream."""
        arn, at = rule.credential_arn, registries.parse(rule.upstream_url)
        if arn is not None:
            return lambda: self._secret(arn, at)
        host = credentials.amazon_host(at.host)
        if host is not None:
            return credentials.AmazonTokens(host.region, is_fips=host.is_fips, role_arn=rule.custom_role_arn)
        return credentials.anonymous

    def _secret(self, credential_arn: str, at: Address) -> credentials.Basic:
        try:
            return self.secrets.read(credential_arn, at)
        except EcrError as error:
            raise Denied(error.message, code=error.code) from None


def _in_a_thread(work: Callable[[], None]) -> None:
    """A thread that the end of the process does not wait for, as it would for one of a pool: an upstream may be silent for long.

    To start one costs a tenth of a millisecond, and what is done in it takes many.
    """
    threading.Thread(target=work, name="careen-upstream", daemon=True).start()


class _Stream:
    """A blob that comes, as portions. Threads read it, one at a time."""

    def __init__(self, pieces: Generator[bytes, None, None], stop: threading.Event) -> None:
        self._pieces = pieces
        self._stop = stop
        self._lock = threading.Lock()

    def portion(self) -> list[bytes]:
        """The next pieces, a megabyte of them; none at the end."""
        portion, size = list[bytes](), 0
        with self._lock:
            for piece in self._pieces:
                if self._stop.is_set():
                    raise Unavailable(_STOPPED)
                portion.append(piece)
                size += len(piece)
                if size >= PORTION_BYTES:
                    break
        return portion

    def close(self) -> None:
        """Let go of the connection, though the blob may not have come to its end."""
        with self._lock:
            self._pieces.close()


def _parsed(fetched: "Fetched") -> Manifest:
    try:
        return manifests.parse(fetched.data, fetched.media_type or None)
    except InvalidManifest as error:
        raise Invalid(f"{fetched.digest} is no image that this registry takes: {error}") from None


def _is_foreseen(error: Exception) -> bool:
    """Whether an import may fail so: by its upstream, by what holds for its repository, by the disk."""
    return isinstance(error, UpstreamError | EcrError) or trouble(error) is not None


def _tell(error: Exception, upstream: Upstream, reference: str, *, is_cached: bool) -> None:
    """One line per failure; that something is not there is no failure."""
    tell = log.info if isinstance(error, NotFound) else log.warning
    tell(
        "an image was not imported; the cached one is given" if is_cached else "an image was not imported",
        upstream=upstream.rule.upstream_url,
        repository=upstream.repository,
        reference=reference,
        error=str(error),
    )
