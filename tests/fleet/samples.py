"""Inventories for tests: small ones by hand, and any by Hypothesis."""

from hypothesis import strategies as st

from careen.fleet.inventory import VERSION, Header
from careen.fleet.scanned import Blob, Image, Refusal, Repository, Scanned, Target, Use
from careen.fleet.selection import Selection
from careen.lifecycle.image import ImageStatus

ACCOUNT, REGION = "123456789012", "eu-central-1"
HERE = Target(ACCOUNT, REGION, "prod")
EVERYTHING = Selection()
NOW = 1_800_000_000_000_000


def header(*targets: Target, selection: Selection = EVERYTHING) -> Header:
    """The head of a scan."""
    return Header(VERSION, NOW, targets or (HERE,), selection, watched=("ecs",))


def repository(name: str, **members: object) -> Repository:
    """A repository of the account."""
    arn, uri = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}", f"{ACCOUNT}.dkr.example/{name}"
    values = {"created_at": NOW, "account_name": "prod", "tags": {}} | members
    return Repository(ACCOUNT, REGION, name, arn, uri, **values)  # type: ignore[arg-type]


def digest(number: int) -> str:
    """A digest."""
    return f"sha256:{number:064x}"


_instants = st.integers(min_value=0, max_value=NOW)
_blobs = st.builds(Blob, st.integers(0, 30).map(digest), st.just(1000))
_several = st.none() | st.lists(_blobs, max_size=5).map(tuple)
_images = st.builds(
    Image,
    digest=st.integers(0, 1000).map(digest),
    tags=st.lists(st.sampled_from(["v1", "v2", "latest", "ünïcode\n"]), unique=True).map(tuple),
    pushed_at=_instants,
    size=st.integers(0, 10**12),
    pulled_at=st.none() | _instants,
    media_type=st.none() | st.just("application/vnd.oci.image.manifest.v1+json"),
    artifact_type=st.none() | st.just("x/y"),
    subject=st.none() | st.just(digest(7)),
    status=st.sampled_from(ImageStatus),
    archived_at=st.none() | _instants,
    activated_at=st.none() | _instants,
    children=_several,
    blobs=_several,
)
_refusals = st.builds(
    Refusal, st.text(max_size=20), st.just(ACCOUNT), st.just(REGION), permission=st.none() | st.just("ecr:X")
)


@st.composite
def _scanned(draw: st.DrawFn, name: str) -> Scanned:
    uses = st.builds(
        Use,
        st.just(name),
        st.sampled_from(["ecs/web", "lambda/f"]),
        st.just("ecs"),
        tag=st.none() | st.just("v1"),
        digest=st.none() | st.just(digest(3)),
        account=st.just(ACCOUNT),
        region=st.just(REGION),
    )
    found = draw(st.lists(_images, max_size=6, unique_by=lambda image: image.digest))
    return Scanned(
        repository(
            name, tags=draw(st.none() | st.just({"owner": "x"})), policy=draw(st.none() | st.just("{}"))
        ),
        tuple(found),
        tuple(dict.fromkeys(draw(st.lists(uses, max_size=3)))),
        tuple(draw(st.lists(_refusals, max_size=2))),
        draw(st.booleans()),
    )


def fleets() -> st.SearchStrategy[list[Scanned]]:
    """Repositories with whatever may be in them."""
    names = st.lists(st.sampled_from(["a", "b/c", "team-a/web", "team-b/api"]), unique=True, max_size=3)
    return names.flatmap(lambda chosen: st.tuples(*map(_scanned, chosen)).map(list))
