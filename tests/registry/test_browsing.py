"""A repository's images as people look at them: rows, filters, fates, weights, and what a selection would take along."""

import json
import random

import pytest

from careen.clock import DAY
from careen.oci import media_types
from careen.oci.attachments import Kind
from careen.registry import archive, browsing, images, lifecycle, pins, repositories, storage, trash
from careen.registry.browsing import Course, Line, Lines, Order, Selection, Wanted
from careen.registry.pins import InUse
from careen.registry.registry import Registry
from tests.images import Built, artifact, image, index
from tests.registry.steps import TESTER, Hands, cause, digests, push, put, row, with_limits

APP, LIB = "team/app", "team/lib"
SIGNATURE = "application/vnd.cncf.notary.signature"
ONE, TWO = image("base", "one", size=70_000), image("base", "two", size=70_000)
BOTH = index(ONE, TWO)
ALL = Wanted()

POLICY = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 7,
            },
            "action": {"type": "expire"},
        }
    ]
}


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry whose trash keeps images for a week."""
    return with_limits(registry, trash=7 * DAY)


def page(registry: Registry, wanted: Wanted = ALL, **more: object) -> Lines:
    """The first page of the application's images."""
    return registry.read(browsing.page, APP, wanted, 0, 50, **more)  # type: ignore[arg-type]


def listed(registry: Registry, wanted: Wanted = ALL, **more: object) -> list[str]:
    """Their digests."""
    return [line.row.digest for line in page(registry, wanted, **more).lines]


def only(registry: Registry) -> Line:
    """The one image that is listed."""
    (line,) = page(registry).lines
    return line


def select(registry: Registry, *chosen: Built) -> Selection:
    """What would go with these."""
    return registry.read(browsing.select, APP, [each.digest for each in chosen])


def push_both(registry: Registry, tag: str | None = "both") -> None:
    """An image of two platforms."""
    push(registry, APP, ONE)
    push(registry, APP, TWO)
    put(registry, APP, BOTH, tag)


def test_an_image_of_several_platforms_is_one_row(registry: Registry) -> None:
    """Its platforms are parts of it, in the order of the index, and what refers to one of them is attached to the row."""
    push_both(registry)
    push(registry, APP, artifact(SIGNATURE, BOTH))
    push(registry, APP, artifact("application/spdx+json", TWO, b"{}"))
    line = only(registry)
    assert (line.row.digest, line.tags) == (BOTH.digest, ["both"])
    assert [(part.row.digest, part.platform) for part in line.parts] == [
        (ONE.digest, "linux/amd64"),
        (TWO.digest, "linux/arm64"),
    ]
    assert [(each.kind, each.of) for each in line.attached] == [
        (Kind.SIGNATURE, BOTH.digest),
        (Kind.SBOM, TWO.digest),
    ]
    assert line.kinds == [Kind.SIGNATURE, Kind.SBOM]


def test_what_cosign_tags_is_attached(registry: Registry) -> None:
    """A manifest that is tagged with the digest of an image is no row as long as that image is there."""
    push(registry, APP, ONE, "1")
    signature = artifact("application/vnd.example", None)
    push(registry, APP, signature, ONE.digest.replace(":", "-") + ".sig")
    assert [each.kind for each in only(registry).attached] == [Kind.SIGNATURE]
    push(registry, APP, image("other"), TWO.digest.replace(":", "-") + ".sig")
    assert listed(registry) == [image("other").digest, ONE.digest]


def test_what_buildkit_attests_is_no_platform(registry: Registry) -> None:
    """An attestation that an index lists beside its platforms is attached to the one that it describes."""
    attestation = artifact("application/vnd.in-toto+json", None, b"provenance")
    push(registry, APP, ONE)
    push(registry, APP, attestation)
    notes = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": ONE.digest,
    }
    entries = [ONE.descriptor, attestation.descriptor | {"annotations": notes}]
    body = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}
    put(registry, APP, Built(json.dumps(body).encode(), media_types.OCI_INDEX), "1")
    line = only(registry)
    assert [part.row.digest for part in line.parts] == [ONE.digest]
    assert [(each.row.digest, each.kind, each.of) for each in line.attached] == [
        (attestation.digest, Kind.ATTESTATION, ONE.digest)
    ]


def test_parts_with_tags_and_referrers_to_nothing_are_rows(registry: Registry) -> None:
    """Whoever tagged a platform looks for it; and a signature of what is not here belongs to nobody."""
    push_both(registry)
    put(registry, APP, ONE, "amd64")
    lonely = artifact(SIGNATURE, image("elsewhere"))
    push(registry, APP, lonely)
    assert set(listed(registry)) == {BOTH.digest, ONE.digest, lonely.digest}


def test_filters_and_orders(registry: Registry, clock: Hands) -> None:
    """By tag, digest, age, pull, state; each way to sort."""
    old, large, young = image("old"), image("large", size=9000), image("young")
    push(registry, APP, old, "v1.0")
    clock.forward(40 * DAY)
    push(registry, APP, large, "main-7")
    clock.forward(2 * DAY)
    push(registry, APP, young)
    now = clock.now
    stored = row(registry, APP, old)
    assert stored is not None
    registry.write_now(images.record_pulls, [(stored.id, now + 1, 3)])
    o, m, y = old.digest, large.digest, young.digest
    filters = {
        Wanted(text="v1"): [o],
        Wanted(text="V1"): [],
        Wanted(text="in-"): [m],
        Wanted(text="%"): [],
        Wanted(text=y[:14]): [y],
        Wanted(tagged=True): [m, o],
        Wanted(tagged=False): [y],
        Wanted(pushed_since=now - DAY): [y],
        Wanted(pushed_before=now - 30 * DAY): [o],
        Wanted(pulled_before=now - DAY): [m],
        Wanted(status="ARCHIVED"): [],
        Wanted(order=Order.NEWEST): [y, m, o],
        Wanted(order=Order.OLDEST): [o, m, y],
        Wanted(order=Order.PULLED): [o, y, m],
        Wanted(order=Order.UNPULLED): [m, y, o],
        Wanted(order=Order.LARGEST): [m],
        Wanted(order=Order.SMALLEST): [m],
    }
    for wanted, expected in filters.items():
        found = listed(registry, wanted)
        if wanted.order is Order.LARGEST:
            found = found[:1]
        elif wanted.order is Order.SMALLEST:
            found = found[-1:]
        assert found == expected, wanted
    registry.write_now(archive.archive, stored)
    assert listed(registry, Wanted(status="ARCHIVED")) == [o]


def test_pages_know_how_many_there_are(registry: Registry) -> None:
    """A page is a part of the list, and says how long that is."""
    for number in range(5):
        push(registry, APP, image(f"layer {number}"))
    found = registry.read(browsing.page, APP, Wanted(), 3, 2)
    assert [line.row.digest for line in found.lines] == listed(registry)[3:5]
    assert (found.total, found.manifests) == (5, 5)


def test_rules_are_asked_where_that_is_cheap(registry: Registry, clock: Hands) -> None:
    """Up to so many manifests, or if they decide what is listed; the fates are the engine's explanations."""
    push(registry, APP, ONE, "1")
    push(registry, APP, TWO)
    assert not page(registry, evaluate_up_to=100).has_rules
    registry.write_now(lifecycle.put_policy, APP, json.dumps(POLICY))
    assert page(registry, evaluate_up_to=1).fates is None
    fates = page(registry, evaluate_up_to=2).fates
    assert fates is not None
    assert fates[TWO.digest].eligible_at is not None
    assert fates[ONE.digest].rule is None
    assert listed(registry, course=Course.GOES) == []
    clock.forward(8 * DAY)
    assert listed(registry, course=Course.GOES) == [TWO.digest]
    assert listed(registry, course=Course.KEPT) == [ONE.digest]
    registry.write_now(pins.put, "us", DAY, [InUse(APP, TWO.digest, None, "web")])
    assert listed(registry, course=Course.HELD) == [TWO.digest]


def test_whoever_uses_a_platform_uses_the_image(registry: Registry) -> None:
    """A pin of a part is told on the row of the index, and that something was restored is no use of it."""
    push_both(registry)
    push(registry, APP, other := image("other"), "other")
    registry.write_now(pins.put, "us", DAY, [InUse(APP, TWO.digest, None, "web")])
    registry.write_now(pins.put, trash.RESTORED, DAY, [InUse(APP, other.digest, None, TESTER)])
    used = {line.row.digest: [pin.consumer for pin in line.pins] for line in page(registry).lines}
    assert used == {BOTH.digest: ["web"], other.digest: []}
    assert BOTH.digest in listed(registry, in_use=True)


def test_a_part_of_what_stays_cannot_be_chosen(registry: Registry) -> None:
    """It is refused with the index that lists it; with that it goes."""
    push_both(registry)
    refused = select(registry, ONE)
    assert [(line.row.digest, by) for line, by in refused.refused] == [(ONE.digest, [BOTH.digest])]
    assert (refused.lines, refused.manifests, refused.weight) == ([], 0, storage.Weight(0, 0))
    chosen = select(registry, ONE, BOTH)
    assert chosen.refused == []
    assert sorted(chosen.digests) == sorted(digests(registry, APP))


def test_a_part_that_is_needed_elsewhere_stays(registry: Registry) -> None:
    """By its own tag, or by another index; what is gone already is told."""
    push_both(registry)
    put(registry, APP, index(TWO), "other")
    put(registry, APP, ONE, "amd64")
    chosen = select(registry, BOTH, image("never"))
    assert chosen.digests == [BOTH.digest]
    assert chosen.gone == [image("never").digest]
    assert chosen.weight.unique == 0


@pytest.mark.parametrize("seed", range(8))
def test_what_a_selection_frees_is_what_comes_back(registry: Registry, seed: int) -> None:
    """Over stores made at random: what goes and its bytes are just what is foretold, and agree with the account of all blobs."""
    source = random.Random(seed)  # noqa: S311 the same stores every time
    built = [image(*source.sample("abcdef", source.randint(1, 3)), f"own {n % 9}") for n in range(12)]
    for n, each in enumerate(built):
        push(registry, source.choice([APP, APP, LIB]), each, f"t{n}" if source.random() < 0.5 else None)
    here = [each for each in built if row(registry, APP, each)]
    for n in range(3):
        put(registry, APP, several := index(*source.sample(here, 2)), f"index-{n}")
        here.append(several)
    for subject in source.sample(here, 3):
        push(registry, APP, signature := artifact(SIGNATURE, subject, subject.manifest[:20]))
        push(registry, APP, image("attached", signature.digest[-3:], subject=signature))
    chosen = select(registry, *source.sample(here, 5))
    before, found = digests(registry, APP), registry.read(repositories.require, APP)
    trashed = storage.account(registry).trash_bytes

    for digest in chosen.digests:
        registry.write_now(images.delete_by_digest, found, digest, cause())
    gone = before - digests(registry, APP)
    assert len(gone) == chosen.manifests
    assert set(chosen.digests) <= gone
    assert storage.account(registry).trash_bytes - trashed == chosen.weight.unique


def test_configurations_are_read_within_bounds(registry: Registry) -> None:
    """From rows and files; not of artifacts, nor what says that it is large."""
    push(registry, APP, ONE)
    look = registry.read(browsing.look, APP, ONE.digest)
    assert look is not None
    assert look.manifest is not None
    config = browsing.configuration(registry, APP, look.manifest)
    assert config is not None
    assert config.platform == "linux/amd64"
    push(registry, APP, helm := artifact("application/vnd.cncf.helm.config.v1+json", None))
    look = registry.read(browsing.look, APP, helm.digest)
    assert look is not None
    assert look.manifest is not None
    assert browsing.configuration(registry, APP, look.manifest) is None


def test_layers_know_who_shares_them(registry: Registry) -> None:
    """Other images of the repository, and those of others."""
    for each in (ONE, TWO):
        push(registry, APP, each)
    push(registry, LIB, ONE)
    look = registry.read(browsing.look, APP, ONE.digest)
    assert look is not None
    assert [(each.images_here, each.images_elsewhere) for each in look.layers] == [(1, 1), (0, 1)]
    assert registry.read(browsing.look, APP, image("never").digest) is None
