"""Public repositories as use cases: what decides on them, how they are named, what their catalogue takes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.ecr.arn import RepositoryArn, parse_repository_arn
from careen.ecr.errors import InvalidParameter, RepositoryCatalogDataNotFound, RepositoryNotFound
from careen.iam.actions import Action, public_twin
from careen.iam.evaluate import Decision, Verdict
from careen.iam.policy import Kind
from careen.registry import access, public, repositories
from careen.registry.public import Catalogue
from careen.registry.registry import Registry

PNG = b"\x89PNG\r\n\x1a\n"
NAMES = st.lists(st.sampled_from(["a0", "public", "x-y", "c_d", "w.v"]), min_size=1, max_size=4).map("/".join)


def decision(verdict: Verdict) -> Decision:
    return Decision(verdict, None, Kind.IDENTITY, frozenset(), frozenset())


@pytest.mark.parametrize(("ecr", "ecr_public"), list(product(Verdict, Verdict)))
def test_one_permission_is_enough_and_one_prohibition(ecr: Verdict, ecr_public: Verdict) -> None:
    """Of ECR's action and ECR Public's; the answer names the one that decided, and of two silent ones ECR Public's."""
    said = {Action.PUT_IMAGE: ecr, Action.PUBLIC_PUT_IMAGE: ecr_public}
    asked, judged = public.judge(Action.PUT_IMAGE, lambda action: decision(said[action]))
    if Verdict.EXPLICIT_DENY in said.values():
        assert judged.verdict is Verdict.EXPLICIT_DENY
    else:
        assert judged.allowed is (Verdict.ALLOWED in said.values())
    assert judged.verdict is said[asked]
    assert judged.allowed or judged.verdict is Verdict.EXPLICIT_DENY or asked is Action.PUBLIC_PUT_IMAGE


def test_what_pulling_asks_for_is_open_and_what_pushing_asks_for_has_a_twin() -> None:
    """So nothing that the data plane asks on a public repository falls between the two."""
    pushing = {
        Action.BATCH_DELETE_IMAGE,
        Action.COMPLETE_LAYER_UPLOAD,
        Action.INITIATE_LAYER_UPLOAD,
        Action.PUT_IMAGE,
        Action.UPLOAD_LAYER_PART,
    }
    assert all(public_twin(action) for action in pushing)
    assert not pushing & public.OPEN


@given(name=NAMES, region=st.sampled_from(["us-east-1", "eu-central-1"]))
def test_an_arn_reads_as_it_is_written(name: str, region: str) -> None:
    """ECR's and ECR Public's, and neither is the other's."""
    for arn, service, other in (
        (RepositoryArn(region, "123456789012", name), "ecr", "ecr-public"),
        (RepositoryArn("", "123456789012", name, service="ecr-public"), "ecr-public", "ecr"),
    ):
        assert parse_repository_arn(str(arn), service) == arn
        with pytest.raises(InvalidParameter):
            parse_repository_arn(str(arn), other)


@pytest.mark.parametrize("name", ["public/tools", "public/public/tools"])
def test_an_arn_leads_back_to_the_repository(registry: Registry, name: str) -> None:
    """From either service's action, so that its policy and its tags are found."""
    tx = registry.single_read()
    for action in (Action.PUT_IMAGE, Action.PUBLIC_PUT_IMAGE):
        assert access.named(tx, access.arn_asked(tx, action, name)) == name


def test_a_row_makes_a_repository_public(registry: Registry) -> None:
    """Not its name; what is not public is not there for these use cases."""
    registry.write_now(repositories.create, "public/private")
    made = registry.write_now(public.create, "public/tools", tags={"team": "web"})
    assert registry.read(public.require, "public/tools") == made
    assert registry.read(repositories.resource_tags, "public/tools") == {"team": "web"}
    assert [registry.read(public.is_public, each) for each in ("public/tools", "public/private", "public/none")] == [
        True, False, False
    ]  # fmt: skip
    with pytest.raises(RepositoryNotFound):
        registry.read(public.require, "public/private")


def test_pages_are_of_one_alias(registry: Registry) -> None:
    """By name, from where the last one ended; other aliases' repositories are passed over."""
    for name in ("open/b", "public/a", "public/c", "public/b", "publicity/x"):
        registry.write_now(public.create, name, tags={})
    first = registry.read(public.page, "public/", "", 2)
    rest = registry.read(public.page, "public/", first[-1].name, 2)
    assert [[each.name for each in page] for page in (first, rest)] == [
        ["public/a", "public/b"],
        ["public/c"],
    ]


def test_a_catalogue_is_kept_as_it_was_put(registry: Registry) -> None:
    """Empty is not the same as none; a logo that is replaced by nothing is gone."""
    registry.write_now(public.create, "public/tools", tags={})
    with pytest.raises(RepositoryCatalogDataNotFound):
        registry.read(public.catalogue_of, "public/tools")
    full = Catalogue("d", ["ARM 64"], ["Linux"], "about", "usage")
    for put, sent in ((full, PNG), (Catalogue(), None), (Catalogue(description=""), b"")):
        described = registry.write_now(public.put_catalogue, "public/tools", put, sent)
        assert registry.read(public.catalogue_of, "public/tools") == described
        assert described.catalogue == put
        logo = registry.read(public.logo, "public/tools")
        assert logo == (("image/png", PNG) if sent else None)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG + b"more", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"<svg/>", None),
        (b"GIF88a", None),
        (b" " + PNG, None),
        (b"", None),
    ],
)
def test_a_logo_is_known_by_its_first_bytes(data: bytes, kind: str | None) -> None:
    """The media types that browsers show and do not run."""
    assert public.logo_type(data) == kind


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["public/aged", "public/hello", "public/tools/greet"]),
        ("HELLO", ["public/hello", "public/tools/greet"]),
        ("hello says", ["public/tools/greet"]),
        ("public", []),
        ("description", []),
        ("100%", ["public/aged"]),
        ("nothing of the kind", []),
    ],
)
def test_a_search_finds_all_words_in_name_or_description(
    registry: Registry, text: str, found: list[str]
) -> None:
    """Whatever their case; never the alias, the catalogue's own words, or what is private."""
    registry.write_now(repositories.create, "public/hello-private")
    for name, said in (("hello", None), ("tools/greet", 'Says "Hello"'), ("aged", "100% old")):
        registry.write_now(
            public.create,
            f"public/{name}",
            tags={},
            catalogue=None if said is None else Catalogue(description=said),
            logo=PNG if said else None,
        )
    shown = registry.read(public.search, "public/", text, "", 10)
    assert [each.name for each in shown] == found
    assert all(each.has_logo is (each.catalogue.description is not None) for each in shown)
    assert [each.name for each in registry.read(public.search, "public/", text, "public/aged", 1)] == [
        name for name in found if name > "public/aged"
    ][:1]
