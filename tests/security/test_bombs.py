"""Small requests that ask for much work: each is refused, or costs what its own bytes cost.

Deep JSON is in the tests of each parser ("nested without end"), heads and bodies without end in tests/distribution/test_hostile.py.
"""

import gzip
import json

import pytest

from careen.iam.patterns import MAX_REMEMBERED, Pattern, _remembered
from careen.oci.manifest import MAX_BYTES
from tests.distribution.client import Client
from tests.distribution.stock import LARGE
from tests.ecrapi.client import signed
from tests.images import image, index
from tests.server import Server

DEPTH = 60


@pytest.fixture
def client(server: Server) -> Client:
    return Client(server)


def test_an_index_of_indexes(client: Client, server: Server, name: str) -> None:
    """Sixty deep: it is pushed, told about, deleted and brought back like any other."""
    built = image(name, size=500)
    client.push(name, built, "leaf")
    for _ in range(DEPTH):
        built = index(built)
        client.push_manifest(name, built)
    client.push_manifest(name, built, "deep")
    ecr, careen = server.boto(), server.boto("careen")
    explained = careen.explain_image(
        repositoryName=name,
        imageIds=[{"imageTag": "deep"}],
        lifecyclePolicyText=json.dumps(
            {
                "rules": [
                    {
                        "rulePriority": 1,
                        "selection": {
                            "tagStatus": "any",
                            "countType": "imageCountMoreThan",
                            "countNumber": 1,
                        },
                        "action": {"type": "expire"},
                    }
                ]
            }
        ),
    )
    assert explained["explanations"]
    deleted = ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": built.digest}])
    assert deleted["failures"] == []
    careen.restore_images(repositoryName=name, imageIds=[{"imageDigest": built.digest}])
    assert client.send("GET", f"/v2/{name}/manifests/{built.digest}").status == 200


def test_the_widest_index(client: Client, name: str) -> None:
    """Four megabytes of children that are not there: the refusal names some, and is no megabyte itself."""
    client.push(name, image(name, size=500), "1")
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1}
    count = MAX_BYTES // (len(json.dumps({**child, "digest": f"sha256:{0:064x}"})) + 4)
    children = [{**child, "digest": f"sha256:{number:064x}"} for number in range(count)]
    media_type = "application/vnd.oci.image.index.v1+json"
    body = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": children}).encode()
    assert 0.9 * MAX_BYTES < len(body) <= MAX_BYTES
    got = client.send("PUT", f"/v2/{name}/manifests/wide", body, {"Content-Type": media_type})
    assert (got.status, got.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert len(got.body) < 64 * 1024


def test_what_is_packed_stays_packed(client: Client, server: Server, name: str) -> None:
    """No request is inflated, whatever its head says: a hundred megabytes of zeros are a hundred kilobytes that are no JSON."""
    packed = gzip.compress(bytes(100 * 1024 * 1024), 9)
    client.push(name, image(name, size=500), "1")
    how = {"Content-Encoding": "gzip", "Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    got = client.send("PUT", f"/v2/{name}/manifests/zeros", packed, how)
    assert (got.status, got.code) == (400, "MANIFEST_INVALID")
    headers = signed(server, "DescribeRepositories", packed) | {"Content-Encoding": "gzip"}
    refused = client.send("POST", "/", packed, headers)
    assert (refused.status, refused.json()["__type"]) == (400, "SerializationException")


def test_many_ranges_are_none(client: Client, name: str) -> None:
    """Ten thousand parts of a blob are the whole of it, once."""
    digest = client.push_blob(name, LARGE)
    many = "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 20_000, 2))
    assert len(many) > 60_000
    got = client.send("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": many[:50_000]})
    assert (got.status, got.body) == (200, LARGE)


@pytest.mark.parametrize("bomb", ["*a" * 5_000 + "b", "a*" * 5_000 + "b", "?*" * 5_000 + "b"])
def test_a_pattern_of_a_policy_takes_no_longer_than_its_text(bomb: str) -> None:
    """Where a backtracking matcher would never end; and a long one is not kept in memory."""
    before = _remembered.cache_info().currsize
    pattern = Pattern.read(bomb, wildcards=True, variables=False)
    assert len(bomb) > MAX_REMEMBERED
    assert not pattern.matches("a" * 2_000, {})
    assert _remembered.cache_info().currsize == before


def test_a_regular_expression_of_a_rule(server: Server, client: Client, name: str) -> None:
    """RE2 matches what others would try for ever; what takes too much memory is refused."""
    client.push(name, image(name, size=500), "a" * 128)
    careen = server.boto("careen")
    rules = {"rules": [{"name": "r", "anyTagRegex": ["(a+)+(a+)+(a+)+b", "(a|aa)*c"]}]}
    careen.put_protection_rules(repositoryName=name, protectionRulesText=json.dumps(rules))
    assert careen.simulate_lifecycle_policy(
        repositoryName=name,
        lifecyclePolicyText=json.dumps(
            {
                "rules": [
                    {
                        "rulePriority": 1,
                        "selection": {
                            "tagStatus": "any",
                            "countType": "sinceImagePushed",
                            "countUnit": "days",
                            "countNumber": 1,
                        },
                        "action": {"type": "expire"},
                    }
                ]
            }
        ),
    )
    large = {"rules": [{"name": "r", "anyTagRegex": ["((a{1,1000}){1,1000}){1,1000}"]}]}
    with pytest.raises(careen.exceptions.InvalidParameterException):
        careen.put_protection_rules(repositoryName=name, protectionRulesText=json.dumps(large))
