"""Imports into a registry in this process: what the disk, the collector and an upstream that is away do to them."""

import asyncio
import dataclasses
import errno
import threading
from collections.abc import Awaitable, Callable

import pytest

from careen.clock import DAY, Instant
from careen.pull_through.importer import AWAY, Importer
from careen.pull_through.secrets import Secrets
from careen.registry import gc, images, pull_through
from careen.registry.pull_through import RETRY
from careen.registry.registry import Registry
from careen.upstream.client import Client as Upstream
from careen.upstream.errors import NotFound, Unavailable, UpstreamError
from tests.images import image, index
from tests.pull_through.conftest import SECRET, arn
from tests.registry import steps
from tests.upstream.conftest import push
from tests.upstream.distribution import needs_distribution
from tests.upstream.proxy import Fault, Proxy, Seen
from tests.waiting import PATIENCE

pytestmark = needs_distribution

DOWN = Fault(status=503, headers={"Retry-After": "3600"})


class Hands:
    """A clock that a test moves."""

    def __init__(self, now: Instant) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now


@pytest.fixture
def hands(registry: Registry) -> Hands:
    """The clock of :func:`cached`."""
    return Hands(registry.clock())


@pytest.fixture
def cached(registry: Registry, hands: Hands, proxy: Proxy) -> Registry:
    """A registry with a rule for everything below ``cache/``."""
    timed = dataclasses.replace(registry, clock=hands)
    timed.write_now(pull_through.create_rule, "cache", proxy.url, credential_arn=arn("upstream"))
    return timed


def pull(registry: Registry, *references: tuple[str, str]) -> list[bytes | None]:
    """What pulls of names and references find, one after the other."""

    async def work(importer: Importer) -> list[bytes | None]:
        return [await pulled(registry, importer, name, reference) for name, reference in references]

    return run(registry, work)


def run(registry: Registry, work: Callable[[Importer], Awaitable[list[bytes | None]]]) -> list[bytes | None]:
    """Do something with an importer."""

    async def running() -> list[bytes | None]:
        importer = Importer(registry, Secrets(registry.scratch_folder, f'{{"upstream": {SECRET}}}'))
        try:
            return await work(importer)
        finally:
            await importer.close()

    return asyncio.run(running())


async def pulled(registry: Registry, importer: Importer, name: str, reference: str) -> bytes | None:
    """One pull, as a surface does it."""
    standing = registry.read(pull_through.standing, name, reference)
    await importer.refresh(standing, name, reference, lambda _: True)
    found = registry.read(images.pullable, name, reference)
    return None if found is None else found.content


async def until(condition: Callable[[], object]) -> None:
    """The same as :func:`tests.waiting.until`, in an event loop."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it is another thread's doing
            await asyncio.sleep(0.01)


@pytest.mark.disk
def test_on_a_full_disk_the_cached_image_is_given(
    upstream: Upstream, cached: Registry, hands: Hands, name: str
) -> None:
    """A new image that finds no room is an error of the disk; one that should take another's place leaves that."""
    old, new = image("base", "old", size=100_000), image("base", "new", size=100_000)
    push(upstream, name, old, "1.0")
    assert pull(cached, (f"cache/{name}", "1.0")) == [old.manifest]
    push(upstream, name, new, "1.0")
    push(upstream, name, new, "2.0")
    hands.now += DAY
    cached.blobs._reserve = 1 << 60  # type: ignore[attr-defined]
    assert pull(cached, (f"cache/{name}", "1.0")) == [old.manifest]
    with pytest.raises(OSError, match="No space left") as caught:
        pull(cached, (f"cache/{name}", "2.0"))
    assert caught.value.errno == errno.ENOSPC
    cached.blobs._reserve = 0  # type: ignore[attr-defined]
    hands.now += RETRY
    assert pull(cached, (f"cache/{name}", "1.0"), (f"cache/{name}", "2.0")) == [new.manifest, new.manifest]


def test_an_upstream_that_is_away_is_waited_for_once(
    upstream: Upstream, proxy: Proxy, cached: Registry, hands: Hands, name: str
) -> None:
    """After one pull found that the upstream does not answer, the next half minute's get what is cached at once."""
    built = image("base")
    tags = ("1.0", "1.1", "1.2")
    references = [(f"cache/{name}", tag) for tag in tags]
    for tag in tags:
        push(upstream, name, built, tag)
    pull(cached, *references)
    hands.now += DAY
    proxy.always("/v2/", DOWN)
    proxy.seen.clear()

    async def work(importer: Importer) -> list[bytes | None]:
        found = [await pulled(cached, importer, *reference) for reference in references[:2]]
        assert len(proxy.seen) == 1
        hands.now += AWAY
        found.append(await pulled(cached, importer, *references[2]))
        assert len(proxy.seen) == 2
        return found

    assert run(cached, work) == [built.manifest] * 3


@pytest.mark.parametrize("is_cached", [False, True], ids=["it is new here", "it followed its upstream"])
def test_a_tag_that_is_pushed_while_it_is_imported(
    upstream: Upstream, proxy: Proxy, cached: Registry, hands: Hands, name: str, *, is_cached: bool
) -> None:
    """It is ours from then on: the image that comes from the upstream does not take it away."""
    old, new, ours = (image("base", each, size=100_000) for each in ("old", "new", "ours"))
    target, reference = f"cache/{name}", (f"cache/{name}", "1.0")
    if is_cached:
        push(upstream, name, old, "1.0")
        pull(cached, reference)
        hands.now += DAY
    push(upstream, name, new, "1.0")

    def push_now(seen: Seen) -> Fault | None:
        if "/blobs/" in seen.path:
            proxy.heal()
            steps.push(cached, target, ours, "1.0")
        return None

    proxy.faults.append(push_now)
    assert pull(cached, reference, reference, (target, new.digest)) == [ours.manifest] * 2 + [new.manifest]
    hands.now += DAY
    assert pull(cached, reference) == [ours.manifest]


def test_a_collection_in_the_middle_costs_another_fetch(
    upstream: Upstream, proxy: Proxy, cached: Registry, name: str
) -> None:
    """Without a grace period the collector takes a layer before its manifest is there: it is fetched again, and all is whole."""
    built = image("one", "two", size=100_000)
    push(upstream, name, built, "1.0")
    hold = threading.Event()
    proxy.once(built.digests[2], Fault(hold=hold))

    async def work(importer: Importer) -> list[bytes | None]:
        pulling = asyncio.create_task(pulled(cached, importer, f"cache/{name}", "1.0"))
        await until(lambda: proxy.gets(built.digests[1]) and proxy.gets(built.digests[2]))
        await until(lambda: gc.collect(cached).freed > 100_000)  # the layer, not only the configuration
        hold.set()
        return [await pulling]

    assert run(cached, work) == [built.manifest]
    assert proxy.gets(built.digests[1]) >= 2


def test_nobody_waits_for_those_who_went_away(
    upstream: Upstream, proxy: Proxy, cached: Registry, name: str
) -> None:
    """A client that breaks off leaves the import to those who still wait, and to those who come."""
    built = image("base", size=100_000)
    push(upstream, name, built, "1.0")
    hold = threading.Event()
    proxy.once(built.digests[1], Fault(hold=hold))

    async def work(importer: Importer) -> list[bytes | None]:
        first, second = (
            asyncio.create_task(pulled(cached, importer, f"cache/{name}", "1.0")) for _ in range(2)
        )
        await until(lambda: proxy.gets(built.digests[1]))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        hold.set()
        return [await second]

    assert run(cached, work) == [built.manifest]
    assert proxy.gets(built.digests[1]) == 1


def test_an_index_without_one_of_its_images_is_not_kept(
    upstream: Upstream, proxy: Proxy, cached: Registry, name: str
) -> None:
    """An upstream that has lost what its index lists gives no index; what it has of it may be pulled by digest."""
    here, lost = image("here"), image("lost")
    for child in (here, lost):
        push(upstream, name, child)
    push(upstream, name, index(here, lost), "1.0")
    proxy.always(lost.digest, Fault(status=404))
    with pytest.raises(NotFound):
        pull(cached, (f"cache/{name}", "1.0"))
    assert pull(cached, (f"cache/{name}", here.digest)) == [here.manifest]
    proxy.heal()
    assert pull(cached, (f"cache/{name}", "1.0")) == [index(here, lost).manifest]


def test_a_missing_secret_is_a_refusal(cached: Registry, name: str) -> None:
    """A rule whose secret has gone is told as the credential's matter, with the secret's own error."""
    cached.write_now(pull_through.update_rule, "cache", arn("vanished"), None)
    with pytest.raises(UpstreamError) as caught:
        pull(cached, (f"cache/{name}", "1.0"))
    assert caught.value.code == "SecretNotFoundException"
    assert not isinstance(caught.value, Unavailable)
