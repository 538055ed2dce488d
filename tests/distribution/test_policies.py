"""Repository policies where images are pushed and pulled: from the next request on, and never remembered for too long."""

import datetime as dt
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.distribution.client import Client, answer
from tests.distribution.stock import APP, SMALL, put_in
from tests.images import image
from tests.server import REGION, REGISTRY_ID, Server
from tests.waiting import until

PULLER = {"AWS": f"arn:aws:iam::{REGISTRY_ID}:user/has-PullOnly"}
POWER = {"AWS": f"arn:aws:iam::{REGISTRY_ID}:user/has-PowerUser"}

SetPolicy = Callable[..., None]


@pytest.fixture
def set_policy(client: Client) -> SetPolicy:
    """Put a policy of these statements on a repository, as the root, by ECR's API."""
    ecr = client.server.boto()

    def set_(repository: str, *statements: dict[str, Any]) -> None:
        text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        ecr.set_repository_policy(repositoryName=repository, policyText=text)

    return set_


def statement(effect: str, action: str | list[str], principal: Any = "*", **members: Any) -> dict[str, Any]:
    """A statement of a repository policy."""
    return {"Effect": effect, "Principal": principal, "Action": action} | members


def test_a_deny_holds_from_the_next_pull_on(
    client: Client, name: str, as_holder: Callable[[str], Client], set_policy: SetPolicy
) -> None:
    """Also for whom the answer was remembered, by tag and by digest; and no longer than the policy is there."""
    stocked, puller = put_in(client, name), as_holder("PullOnly")
    paths = [
        f"/v2/{name}/manifests/1.0",
        f"/v2/{name}/manifests/{APP.digest}",
        stocked.fill("/v2/{name}/blobs/{small}"),
    ]
    connection = puller.open()

    def statuses() -> list[int]:
        found = []
        for path in paths * 2:
            connection.request("GET", path, headers={"Authorization": puller.authorization})
            found.append(answer(connection).status)
        return found

    assert statuses() == [200] * 6
    set_policy(name, statement("Deny", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], PULLER))
    assert statuses() == [403] * 6
    assert client.send("GET", paths[0]).status == 200
    client.server.boto().delete_repository_policy(repositoryName=name)
    assert statuses() == [200] * 6
    connection.close()


def test_a_refusal_says_where_it_is_written(
    client: Client, name: str, as_holder: Callable[[str], Client], set_policy: SetPolicy
) -> None:
    """In AWS's sentence; which statement it is, only administrators learn."""
    put_in(client, name)
    set_policy(name, statement("Deny", "ecr:BatchGetImage", PULLER, Sid="secret"))
    got = as_holder("PullOnly").send("GET", f"/v2/{name}/manifests/1.0")
    assert (got.status, got.code) == (403, "DENIED")
    assert got.message == (
        f"User: {PULLER['AWS']} is not authorized to perform: ecr:BatchGetImage on resource:"
        f" arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{name} with an explicit deny in a resource-based policy"
    )


def test_a_policy_lets_somebody_push(
    client: Client, name: str, as_holder: Callable[[str], Client], set_policy: SetPolicy
) -> None:
    """The actions of ECR's documentation for a push are the ones that a push takes."""
    client.push_blob(name, SMALL)
    push = [
        "ecr:BatchCheckLayerAvailability", "ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload",
        "ecr:PutImage", "ecr:UploadLayerPart",
    ]  # fmt: skip
    set_policy(name, statement("Allow", push, PULLER))
    puller, built = as_holder("PullOnly"), image(f"pushed to {name}")
    puller.push(name, built, "1.0")
    assert puller.send("HEAD", f"/v2/{name}/blobs/{built.digests[0]}").status == 200
    assert puller.send("GET", f"/v2/{name}/tags/list").status == 403
    assert client.send("GET", f"/v2/{name}/tags/list").json()["tags"] == ["1.0"]


@pytest.fixture
def from_two_addresses(as_holder: Callable[[str], Client]) -> Iterator[Callable[[str], list[int]]]:
    """Ask for a path from 127.0.0.1 and 127.0.0.2 in turns, four times, each over one connection, with one credential."""
    puller = as_holder("PullOnly")
    with ExitStack() as stack:
        connections = []
        for address in ("127.0.0.1", "127.0.0.2"):
            opened = http.client.HTTPConnection(
                "127.0.0.1", puller.server.port, timeout=60, source_address=(address, 0)
            )
            stack.callback(opened.close)
            connections.append(opened)

        def ask(path: str) -> list[int]:
            statuses = []
            for connection in connections * 4:
                connection.request("GET", path, headers={"Authorization": puller.authorization})
                statuses.append(answer(connection).status)
            return statuses

        yield ask


@pytest.mark.parametrize("path", ["/v2/{name}/manifests/1.0", "/v2/{name}/blobs/{small}"])
def test_an_address_is_asked_of_every_request(
    client: Client,
    name: str,
    set_policy: SetPolicy,
    from_two_addresses: Callable[[str], list[int]],
    path: str,
) -> None:
    """What was decided for one address is not remembered for another, whichever asked first."""
    stocked = put_in(client, name)
    pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    not_there = {"NotIpAddress": {"aws:SourceIp": "127.0.0.1/32"}}
    set_policy(name, statement("Deny", pull, PULLER, Condition=not_there))
    assert from_two_addresses(stocked.fill(path)) == [200, 403] * 4
    there = {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}
    set_policy(name, statement("Deny", pull, PULLER, Condition=there))
    assert from_two_addresses(stocked.fill(path)) == [403, 200] * 4


def test_clients_are_told_apart_behind_a_web_server(make_server: Callable[..., Server], name: str) -> None:
    """Over one connection and with one credential, as a web server passes them on, if the settings believe it."""
    client = Client(make_server(proxies="127.0.0.1"))
    put_in(client, name)
    inside = {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    deny = statement("Deny", "ecr:BatchGetImage", Condition=inside)
    text = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    client.server.boto().set_repository_policy(repositoryName=name, policyText=text)
    connection, statuses = client.open(), []
    for address in ["10.1.2.3", "192.0.2.7", "10.1.2.3, 192.0.2.7", "192.0.2.7, 10.1.2.3"] * 2:
        headers = {"Authorization": client.authorization, "X-Forwarded-For": address}
        connection.request("GET", f"/v2/{name}/manifests/1.0", headers=headers)
        statuses.append(answer(connection).status)
    connection.close()
    assert statuses == [200, 403, 403, 200] * 2


def test_a_permission_ends_with_its_time(
    client: Client, name: str, as_holder: Callable[[str], Client], set_policy: SetPolicy
) -> None:
    """Nothing is written at that moment, so nothing else would make the registry look again."""
    put_in(client, name)
    end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)
    late = {"DateGreaterThan": {"aws:CurrentTime": end.isoformat()}}
    set_policy(name, statement("Deny", "ecr:BatchGetImage", PULLER, Condition=late))
    puller, connection = as_holder("PullOnly"), client.open()

    def status() -> int:
        headers = {"Authorization": puller.authorization}
        connection.request("GET", f"/v2/{name}/manifests/1.0", headers=headers)
        return answer(connection).status

    until(lambda: status() != 200, "the permission does not end")
    assert dt.datetime.now(dt.UTC) >= end
    assert status() == 403
    connection.close()


@pytest.mark.parametrize("source", ["&from={name}/source", ""], ids=["named", "open"])
def test_a_mount_takes_the_right_to_download_there(
    client: Client, name: str, as_holder: Callable[[str], Client], set_policy: SetPolicy, source: str
) -> None:
    """Who may push here and not read there sends the blob; with the right it is linked."""
    digest = client.push_blob(f"{name}/source", name.encode())
    client.push_blob(f"{name}/target", SMALL)
    power = as_holder("PowerUser")
    path = f"/v2/{name}/target/blobs/uploads/?mount={digest}{source.format(name=name)}"
    set_policy(f"{name}/source", statement("Deny", "ecr:GetDownloadUrlForLayer", POWER))
    assert power.send("POST", path).status == 202
    assert power.send("GET", f"/v2/{name}/target/blobs/{digest}").status == 404
    set_policy(f"{name}/source", statement("Deny", "ecr:PutImage", POWER))
    assert power.send("POST", path).status == 201
    assert power.send("GET", f"/v2/{name}/target/blobs/{digest}").body == name.encode()
