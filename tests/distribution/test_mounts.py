"""Mounts: end-11 of the distribution specification: a blob of another repository, without sending it again."""

import pytest

from careen.oci.digest import digest_of
from tests.distribution.client import Client
from tests.distribution.stock import LARGE, SMALL

MISSES = {
    "a repository that has it not": "mount={digest}&from={other}",
    "no such repository": "mount={digest}&from=no/such",
    "a malformed repository": "mount={digest}&from=../etc",
    "nowhere at all": "mount={digest}",
    "a malformed digest": "mount=sha256:0&from={source}",
    "no digest": "mount=&from={source}",
    "a source without a digest": "from={source}",
}


@pytest.mark.parametrize("source", ["&from={source}", "", "&from={source}&origin=elsewhere"])
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["row", "file"])
def test_a_blob_is_mounted(client: Client, name: str, data: bytes, source: str) -> None:
    """201 with location and digest, from a repository that is named or from any, and the blob can be read."""
    digest = client.push_blob(f"{name}/source", data)
    query = f"mount={digest}{source.format(source=f'{name}/source')}"
    mounted = client.send("POST", f"/v2/{name}/target/blobs/uploads/?{query}")
    assert mounted.status == 201
    assert mounted.headers["location"] == f"/v2/{name}/target/blobs/{digest}"
    assert mounted.headers["docker-content-digest"] == digest
    assert client.send("GET", mounted.headers["location"]).body == data


@pytest.mark.parametrize("query", MISSES.values(), ids=MISSES.keys())
def test_what_cannot_be_mounted_is_uploaded(client: Client, name: str, query: str) -> None:
    """202 with the location of an upload, which goes on as ever."""
    client.push_blob(f"{name}/source", SMALL)
    client.push_blob(f"{name}/other", b"something else")
    data = f"of {name} alone".encode()
    filled = query.format(digest=digest_of(data), source=f"{name}/source", other=f"{name}/other")
    begun = client.send("POST", f"/v2/{name}/target/blobs/uploads/?{filled}")
    assert begun.status == 202
    done = client.send("PUT", f"{begun.headers['location']}?digest={digest_of(data)}", data)
    assert done.status == 201


def test_a_mount_may_bring_the_blob_in_case(client: Client, name: str) -> None:
    """``mount`` and ``digest`` in one POST: what cannot be mounted is taken from the body."""
    digest = digest_of(name.encode())
    query = f"mount={digest}&from=no/such&digest={digest}"
    assert client.send("POST", f"/v2/{name}/blobs/uploads/?{query}", name.encode()).status == 201
    assert client.send("GET", f"/v2/{name}/blobs/{digest}").body == name.encode()


def test_a_mounted_blob_outlives_its_source(client: Client, name: str) -> None:
    """Deleted where it came from, it is still where it was mounted."""
    digest = client.push_blob(f"{name}/source", LARGE)
    client.send("POST", f"/v2/{name}/target/blobs/uploads/?mount={digest}&from={name}/source")
    assert client.send("DELETE", f"/v2/{name}/source/blobs/{digest}").status == 202
    assert client.send("GET", f"/v2/{name}/source/blobs/{digest}").code == "BLOB_UNKNOWN"
    assert client.send("GET", f"/v2/{name}/target/blobs/{digest}").body == LARGE
