"""Deletes: end-9 and 10 of the distribution specification: tags, manifests, blobs, and what may not go."""

from tests import images
from tests.distribution.client import Client
from tests.distribution.stock import APP, ARM, BILL, BOTH, LARGE, SIGNATURE, SMALL, put_in

SECOND = images.artifact("application/vnd.example.countersignature", SIGNATURE)


def status(client: Client, name: str, reference: str) -> int:
    return client.send("HEAD", f"/v2/{name}/manifests/{reference}").status


def tags(client: Client, name: str) -> list[str]:
    found: list[str] = client.send("GET", f"/v2/{name}/tags/list").json()["tags"]
    return found


def test_deleting_a_tag_takes_the_name_only(client: Client, name: str) -> None:
    """202; the image stays under its other tags and its digest, even without any tag; a second time it is unknown."""
    put_in(client, name)
    for tag, left in (("1.0", ["latest", "multi"]), ("latest", ["multi"])):
        gone = client.send("DELETE", f"/v2/{name}/manifests/{tag}")
        assert (gone.status, gone.body) == (202, b"")
        assert status(client, name, tag) == 404
        assert tags(client, name) == left
        assert status(client, name, APP.digest) == 200
    assert client.send("DELETE", f"/v2/{name}/manifests/latest").code == "MANIFEST_UNKNOWN"


def test_deleting_a_manifest_takes_its_tags_and_referrers(client: Client, name: str) -> None:
    """202; its signature, its bill of materials, and the signature's own signature go with it."""
    for built, reference in (
        (APP, "1.0"),
        (APP, "latest"),
        (ARM, "arm"),
        (SIGNATURE, None),
        (SECOND, None),
        (BILL, "bill"),
    ):
        client.push(name, built, reference)
    assert client.send("DELETE", f"/v2/{name}/manifests/{APP.digest}").status == 202
    assert tags(client, name) == ["arm"]
    for built in (APP, SIGNATURE, SECOND, BILL):
        assert status(client, name, built.digest) == 404
    assert status(client, name, ARM.digest) == 200
    assert client.send("GET", f"/v2/{name}/referrers/{APP.digest}").json()["manifests"] == []
    assert client.send("DELETE", f"/v2/{name}/manifests/{APP.digest}").code == "MANIFEST_UNKNOWN"


def test_what_an_index_lists_stays(client: Client, name: str) -> None:
    """405 UNSUPPORTED with Amazon ECR's sentence; when the index is gone, the image may go."""
    put_in(client, name)
    refused = client.send("DELETE", f"/v2/{name}/manifests/{ARM.digest}")
    assert (refused.status, refused.code) == (405, "UNSUPPORTED")
    assert refused.message == f"Requested image referenced by manifest list: [{BOTH.digest}]"
    assert status(client, name, ARM.digest) == 200
    assert client.send("DELETE", f"/v2/{name}/manifests/{BOTH.digest}").status == 202
    assert client.send("DELETE", f"/v2/{name}/manifests/{ARM.digest}").status == 202


def test_the_tag_of_a_child_may_go(client: Client, name: str) -> None:
    """Only the name does; the index still finds the image."""
    put_in(client, name)
    client.push_manifest(name, ARM, "arm")
    assert client.send("DELETE", f"/v2/{name}/manifests/arm").status == 202
    assert status(client, name, ARM.digest) == 200


def test_a_deleted_image_can_be_pushed_again(client: Client, name: str) -> None:
    """Its blobs are where they were for a while, so the manifest alone is enough; the referrers are gone."""
    for built, reference in ((APP, "1.0"), (SIGNATURE, None)):
        client.push(name, built, reference)
    client.send("DELETE", f"/v2/{name}/manifests/{APP.digest}")
    client.push_manifest(name, APP, "1.0")
    assert client.send("GET", f"/v2/{name}/manifests/1.0").body == APP.manifest
    assert client.send("GET", f"/v2/{name}/referrers/{APP.digest}").json()["manifests"] == []


def test_a_blob_that_an_image_needs_stays(client: Client, name: str) -> None:
    """405 UNSUPPORTED for its layers and its config, until the image is gone."""
    client.push(name, APP, "1.0")
    for digest in APP.digests:
        refused = client.send("DELETE", f"/v2/{name}/blobs/{digest}")
        assert (refused.status, refused.code) == (405, "UNSUPPORTED")
        assert client.send("HEAD", f"/v2/{name}/blobs/{digest}").status == 200
    client.send("DELETE", f"/v2/{name}/manifests/{APP.digest}")
    for digest in APP.digests:
        assert client.send("DELETE", f"/v2/{name}/blobs/{digest}").status == 202


def test_a_blob_goes_from_its_repository_only(client: Client, name: str) -> None:
    """202, then 404 there, and the same bytes elsewhere; pushed again, it is back."""
    for data in (SMALL, LARGE):
        digest = client.push_blob(name, data)
        client.push_blob(f"{name}-other", data)
        assert client.send("DELETE", f"/v2/{name}/blobs/{digest}").status == 202
        assert client.send("GET", f"/v2/{name}/blobs/{digest}").code == "BLOB_UNKNOWN"
        assert client.send("GET", f"/v2/{name}-other/blobs/{digest}").body == data
        client.push_blob(name, data)
        assert client.send("GET", f"/v2/{name}/blobs/{digest}").body == data


def test_a_manifest_is_no_blob(client: Client, name: str) -> None:
    """Neither is deleted by the other's endpoint."""
    client.push(name, APP, "1.0")
    assert client.send("DELETE", f"/v2/{name}/blobs/{APP.digest}").code == "BLOB_UNKNOWN"
    assert client.send("DELETE", f"/v2/{name}/manifests/{APP.digests[0]}").code == "MANIFEST_UNKNOWN"
    assert status(client, name, "1.0") == 200
