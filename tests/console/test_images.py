"""The list of a repository's images, the page of one, and deleting with a way back."""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from careen.iam.managed import ManagedPolicy
from careen.oci import media_types
from careen.oci.digest import digest_of
from careen.registry import images, layers, lifecycle, pins, reports, repositories
from careen.registry.images import Put
from careen.registry.pins import InUse
from careen.registry.registry import Registry, Transaction
from tests.console.conftest import POLICY
from tests.console.visitor import Visitor, sign_in
from tests.findings.samples import TRIVY, encoded
from tests.iamapi.conftest import allowing
from tests.images import Built, artifact, image, index
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIGNATURE = "application/vnd.cncf.notary.signature"
REPORT = "application/vnd.security.vulnerability.report"
ONE, TWO = image("console one"), image("console two")
BOTH = index(ONE, TWO)

Open = Callable[..., "Page"]


def push(registry: Registry, name: str, built: Built, tag: str | None = None) -> Put:
    """Push an image beside the server; the browser's loop is in this thread, so no other can be begun."""
    target = registry.write_now(repositories.require_for_push, name)
    for data in built.blobs:
        layers.store(registry, target, digest_of(data), data)
    return registry.write_now(images.put, target, built.manifest, tag=tag)


@pytest.fixture
def stocked(registry_of: Callable[[], Registry], request: pytest.FixtureRequest) -> str:
    """A repository of this test's: an image of two platforms with a signature, one with findings, one that nobody tagged."""
    name = "stocked/" + re.sub("[^a-z]+", "-", request.node.name).strip("-")
    registry = registry_of()
    for built, tag in ((ONE, None), (TWO, None), (BOTH, "v1"), (image("old"), "v0"), (image("stray"), None)):
        push(registry, name, built, tag)
    push(registry, name, BOTH, "latest")
    push(registry, name, artifact(SIGNATURE, BOTH))
    registry.write_now(lifecycle.put_policy, name, POLICY)
    registry.write_now(pins.put, "us", 10**12, [InUse(name, image("old").digest, None, "prod/web")])
    return name


def digests(server: Server, name: str) -> set[str]:
    """What the repository has, of any kind."""
    found = server.boto().list_images(repositoryName=name)["imageIds"]
    return {each["imageDigest"] for each in found}


def rows(text: str) -> list[str]:
    """The rows of the list, as text."""
    return re.findall(r'<tr id="row-\d+">.*?</tr>', text, re.DOTALL)


def test_a_row_is_an_image_whatever_it_is_made_of(root: Visitor, stocked: str) -> None:
    """Three rows for six manifests: with platforms that open, a badge for the signature, who uses it, and every fate."""
    found = rows(root.get(f"repositories/{stocked}").text)
    assert len(found) == 3
    stray, old, both = found
    assert "goes on" in stray
    assert "by rule 2" in stray
    assert "in use by prod/web" in old
    assert "2 platforms" in both
    assert "linux/arm64" in both
    assert "signed" in both
    assert ">latest<" in both


FILTERS = {
    "a tag": ({"search": "v0"}, [image("old")]),
    "a digest": ({"search": BOTH.digest[:20]}, [BOTH]),
    "untagged": ({"tagged": "no"}, [image("stray")]),
    "in use": ({"state": "in-use"}, [image("old")]),
    "kept": ({"state": "kept", "sort": "oldest"}, [BOTH, image("old"), image("stray")]),
    "none": ({"age": "365"}, []),
    "nonsense": ({"age": "x", "state": "x", "sort": "x", "page": "x", "tagged": "no"}, [image("stray")]),
    "beyond the last page": ({"page": "7"}, []),
}


@pytest.mark.parametrize(("query", "expected"), FILTERS.values(), ids=FILTERS)
def test_filters_are_addresses(
    query: dict[str, str], expected: list[Built], root: Visitor, stocked: str
) -> None:
    """Every filter works without a script, and what is no choice is passed over."""
    text = root.get(f"repositories/{stocked}", **query).text
    shown = [re.search(r'title="(sha256:[0-9a-f]{64})"', row) for row in rows(text)]
    assert [each and each.group(1) for each in shown] == [each.digest for each in expected]


def test_an_empty_repository_says_how_to_push(root: Visitor, house: Server) -> None:
    """With commands that name this repository."""
    house.boto().create_repository(repositoryName="nothing/here")
    text = root.get("repositories/nothing/here").text
    assert "No images" in text
    assert f"docker push {house.host}/nothing/here:latest" in text


def test_who_may_only_look_is_offered_no_more(reader: Visitor, stocked: str, house: Server) -> None:
    """No boxes and no buttons, and what is sent all the same is refused as by the API."""
    page = f"repositories/{stocked}/-/images/{BOTH.digest}"
    for text in (reader.get(f"repositories/{stocked}").text, reader.get(page).text):
        assert "images/delete" not in text
        assert 'name="do"' not in text
    form: dict[str, Any] = {"digest": BOTH.digest, "confirmed": "yes"}
    refused = reader.post(f"repositories/{stocked}/-/images/delete", form)
    assert (refused.status_code, "is not authorized to perform: ecr:BatchDeleteImage" in refused.text) == (
        403,
        True,
    )
    refused = reader.post(page, {"do": "tag", "tag": "mine"})
    assert refused.status_code == 403
    assert "is not authorized to perform: ecr:PutImage" in refused.text
    assert len(digests(house, stocked)) == 6


def test_who_may_not_look_learns_nothing_from_a_refusal(house: Server, stocked: str) -> None:
    """Neither which digests are there nor which tags they have: the answer is the same."""
    blind = sign_in(house, "blind")
    house.boto("iam").detach_user_policy(UserName="blind", PolicyArn=ManagedPolicy.READ_ONLY.arn)
    there, not_there = image("old").digest, image("never pushed").digest
    for form in ({"do": "untag", "tag": "v0"}, {"do": "tag", "tag": "v0"}, {"do": "archive"}):
        pages = [
            blind.post(f"repositories/{name}/-/images/{digest}", form)
            for name, digest in ((stocked, there), (stocked, not_there), ("no/such", there))
        ]
        assert [page.status_code for page in pages] == [403, 403, 403]


def test_who_may_not_ask_the_rules_is_not_told_that_there_are_none(house: Server, stocked: str) -> None:
    """The page is silent about them."""
    visitor = sign_in(house, "no-rules")
    iam = house.boto("iam")
    iam.detach_user_policy(UserName="no-rules", PolicyArn=ManagedPolicy.READ_ONLY.arn)
    document = allowing("ecr:DescribeRepositories", "ecr:DescribeImages")
    iam.put_user_policy(UserName="no-rules", PolicyName="look", PolicyDocument=document)
    text = visitor.get(f"repositories/{stocked}/-/images/v0").text
    assert "What it is" in text
    assert "no lifecycle rule holds" not in text


def test_before_deleting_it_says_what_that_frees(root: Visitor, stocked: str, house: Server) -> None:
    """Exactly, with what goes along; a part of what stays is refused, and nothing has happened yet."""
    before = digests(house, stocked)
    path = f"repositories/{stocked}/-/images/delete"
    text = root.post(path, {"digest": [BOTH.digest, image("old").digest]}).text
    assert "Delete 2 images?" in text
    assert "5 manifests" in text
    assert "prod/web" in text
    text = root.post(path, {"digest": ONE.digest}).text
    assert "1 image cannot be deleted" in text
    assert "confirmed" not in text
    assert "not here any more" in root.post(path, {"digest": image("never").digest}).text
    assert digests(house, stocked) == before


def test_what_is_chosen_can_be_deleted_and_come_back(open_page: Open, stocked: str, house: Server) -> None:
    """Select all, look, delete, undo: exactly the same images with the same tags, on the keyboard's way."""
    before = house.boto().list_images(repositoryName=stocked)["imageIds"]
    page = open_page(f"repositories/{stocked}")
    button = page.get_by_role("button", name="Delete")
    assert button.is_disabled()
    page.get_by_label("Select all of this page").check()
    assert button.text_content() == " Delete (3) …"
    button.press("Enter")
    page.get_by_role("heading", name="Delete 3 images?").wait_for()
    asked = Axe().run(page)
    assert asked.violations_count == 0, asked.generate_report()
    page.get_by_role("button", name="Delete 3 images").click()
    assert "3 images deleted." in (page.get_by_role("status").text_content() or "")
    assert digests(house, stocked) == set()
    said = Axe().run(page)
    assert said.violations_count == 0, said.generate_report()
    page.get_by_role("button", name="Undo").click()
    assert "All of it came back" in (page.get_by_role("status").text_content() or "")
    after = house.boto().list_images(repositoryName=stocked)["imageIds"]
    assert sorted(after, key=str) == sorted(before, key=str)


def test_what_is_not_in_the_trash_does_not_come_back(root: Visitor, stocked: str) -> None:
    """An undo that was used, or came too late, says so."""
    answered = root.post(f"repositories/{stocked}/-/images/undo", {"batch": "no-such-batch"})
    assert answered.status_code == 303
    assert root.get(f"repositories/{stocked}/-/images/delete").status_code == 303


def test_filtering_exchanges_the_list_alone(open_page: Open, stocked: str) -> None:
    """As one types, with an address to share; the field keeps the cursor."""
    page = open_page(f"repositories/{stocked}")
    page.get_by_label("Tag or digest").press_sequentially("v0")
    page.wait_for_url("**search=v0**")
    assert page.locator("tr[id^=row-]").count() == 1
    assert page.evaluate("document.activeElement.id") == "search"


def test_a_large_repository_asks_the_rules_after_the_page(
    open_page: Open, root: Visitor, registry_of: Callable[[], Registry]
) -> None:
    """The page is there at once, with a link in place of the fates; a script follows it by itself."""
    registry = registry_of()
    push(registry, "stocked/large", ONE)
    registry.write_now(_multiply, "stocked/large", ONE, 1_000)
    registry.write_now(lifecycle.put_policy, "stocked/large", POLICY)
    sent = root.get("repositories/stocked/large").text
    assert "Ask the lifecycle rules" in sent
    assert "goes on" not in sent
    assert "goes on" in root.get("repositories/stocked/large", rules="yes").text
    page = open_page("repositories/stocked/large")
    page.get_by_text("goes on").first.wait_for()
    assert page.get_by_text("Ask the lifecycle rules").count() == 0
    one = root.get(f"repositories/stocked/large/-/images/{ONE.digest}").text
    assert "Ask the lifecycle rules" in one


def _multiply(tx: Transaction, name: str, built: Built, times: int) -> None:
    """Put a manifest so many times more, each time with another annotation."""
    repository = repositories.require(tx, name)
    for number in range(times):
        body = json.loads(built.manifest) | {"annotations": {"number": str(number)}}
        images.put(tx, repository, json.dumps(body).encode())


def test_an_image_tells_all_that_is_known(root: Visitor, stocked: str) -> None:
    """Its parts, what refers to it, why it stays, who uses it, how to pull it, its bytes."""
    text = root.get(f"repositories/{stocked}/-/images/latest").text
    for told in (
        BOTH.digest,
        "linux/arm64",
        SIGNATURE,
        "does not identify it",
        f"{stocked}:latest",
        f"{stocked}@{BOTH.digest}",
        "&#34;manifests&#34;: [",
    ):
        assert told in text
    text = root.get(f"repositories/{stocked}/-/images/{ONE.digest}").text
    assert "linux/amd64" in text
    assert "layers=console one" in text
    assert f"images/{BOTH.digest}" in text
    assert "prod/web" in root.get(f"repositories/{stocked}/-/images/v0").text
    signature = artifact(SIGNATURE, BOTH).digest
    assert "Refers to" in root.get(f"repositories/{stocked}/-/images/{signature}").text
    assert root.get(f"repositories/{stocked}/-/images/{image('never').digest}").status_code == 404
    assert root.get(f"repositories/{stocked}/-/images/no-such-tag").status_code == 404


def test_findings_are_a_table(root: Visitor, stocked: str, registry_of: Callable[[], Registry]) -> None:
    """Of a report that was pushed: severities on the row, names, packages and links on the page."""
    registry = registry_of()
    pushed = push(registry, stocked, artifact(REPORT, image("old"), encoded(TRIVY)))
    reports.read(registry, pushed.image.row.id)
    assert "1 critical" in root.get(f"repositories/{stocked}", search="v0").text
    text = root.get(f"repositories/{stocked}/-/images/v0").text
    assert "CVE-2019-14697" in text
    assert "musl" in text
    assert 'href="https://avd.aquasec.com/nvd/cve-2019-14697"' in text


def test_tags_come_and_go(root: Visitor, stocked: str, house: Server) -> None:
    """Another tag by putting the manifest again; one fewer, but never the last one, without which ECR deletes the image."""
    page = f"repositories/{stocked}/-/images/{BOTH.digest}"

    def tags() -> set[str]:
        found = house.boto().describe_images(repositoryName=stocked, imageIds=[{"imageDigest": BOTH.digest}])
        return set(found["imageDetails"][0]["imageTags"])

    assert root.post(page, {"do": "tag", "tag": "v1.2"}).status_code == 303
    assert tags() == {"latest", "v1", "v1.2"}
    refused = root.post(page, {"do": "tag", "tag": "v1.2"})
    assert (refused.status_code, "already exists" in refused.text) == (400, True)
    assert root.post(page, {"do": "tag", "tag": "no tag"}).status_code == 400
    for tag in ("v1.2", "v1", "latest"):
        root.post(page, {"do": "untag", "tag": tag})
    assert tags() == {"latest"}


def test_the_archive_takes_an_image_with_its_platforms(root: Visitor, stocked: str, house: Server) -> None:
    """To the archive, where the list finds it by its state, and back."""
    page = f"repositories/{stocked}/-/images/{BOTH.digest}"
    filters = {"imageStatus": "ARCHIVED"}
    root.post(page, {"do": "archive"})
    archived = house.boto().list_images(repositoryName=stocked, filter=filters)["imageIds"]
    assert {each["imageDigest"] for each in archived} >= {BOTH.digest, ONE.digest, TWO.digest}
    assert len(rows(root.get(f"repositories/{stocked}", state="archived").text)) == 1
    assert "Restore" in root.get(page).text
    assert root.post(page, {"do": "restore"}).status_code == 303
    assert house.boto().list_images(repositoryName=stocked, filter=filters)["imageIds"] == []
    assert root.post(page, {"do": "nonsense"}).status_code == 303


def test_an_artifact_is_shown_as_what_it_is(root: Visitor, registry_of: Callable[[], Registry]) -> None:
    """A chart has no configuration to show, and an index that lists nothing no platforms."""
    name = "stocked/artifacts"
    registry = registry_of()
    push(registry, name, artifact("application/vnd.cncf.helm.config.v1+json", None), "chart")
    body = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []}
    push(registry, name, Built(json.dumps(body).encode(), media_types.OCI_INDEX), "nothing")
    text = root.get(f"repositories/{name}").text
    assert "application/vnd.cncf.helm.config.v1+json" in text
    assert "there are no rules" in text
    for tag, pull in (("chart", "helm pull --plain-http oci://"), ("nothing", "docker pull ")):
        answered = root.get(f"repositories/{name}/-/images/{tag}")
        assert answered.status_code == 200
        assert pull in answered.text
        assert "no lifecycle rule holds" in answered.text
