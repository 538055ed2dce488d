"""The feeds of ECS and Lambda, against moto's server: the real API's shapes through the real botocore."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from careen.pins import ecs as ecs_feed
from careen.pins import functions as lambda_feed
from careen.pins.sighting import Sighting, Use
from tests.pins.conftest import Run, said
from tests.server import Server

Pinned = Callable[[str], set[tuple[str, str]]]

REGION = "eu-central-1"
ACCOUNT = "123456789012"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """An account in Amazon's cloud, empty."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def service(aws: str) -> Callable[[str], Any]:
    """Clients of the account's services."""
    return lambda name: boto3.client(
        name, endpoint_url=aws, region_name=REGION, aws_access_key_id="a", aws_secret_access_key="b"
    )


def environment(aws: str) -> dict[str, str]:
    """What leads the feeds to the account, beside what leads them to the registry."""
    return {f"AWS_ENDPOINT_URL_{name}": aws for name in ("ECS", "LAMBDA", "STS")}


@pytest.fixture
def shop(service: Callable[[str], Any], server: Server, name: str) -> str:
    """A cluster with a service that was at v1 and v2 and is at v3, and a task of its own that is at v2. Returns its name."""
    ecs, subnets = service("ecs"), service("ec2").describe_subnets()["Subnets"]
    called = name.replace("/", "-")
    network = {"awsvpcConfiguration": {"subnets": [subnets[0]["SubnetId"]], "securityGroups": []}}
    ecs.create_cluster(clusterName=called)
    for tag in ("v1", "v2", "v3"):
        containers = [
            {"name": "app", "image": f"{server.host}/{name}:{tag}", "memory": 100},
            {"name": "proxy", "image": "public.ecr.aws/envoy:1", "memory": 100},
        ]
        ecs.register_task_definition(
            family=called,
            containerDefinitions=containers,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
        )
    running = {"cluster": called, "launchType": "FARGATE", "networkConfiguration": network}
    ecs.create_service(serviceName="web", taskDefinition=f"{called}:3", desiredCount=1, **running)
    ecs.run_task(taskDefinition=f"{called}:2", group="family:migration", **running)
    return called


def test_ecs(run: Run, aws: str, shop: str, pinned: Pinned, name: str, images: dict[str, str]) -> None:
    """The service's image and those it may go back to, and the task's; Amazon's own are left out."""
    done = run("sync", "ecs", "--cluster", shop, "--revisions", "2", "--json", **environment(aws))
    found = said(done)
    assert (done.returncode, found["complete"], found["problems"]) == (0, True, [])
    assert found["source"] == f"ecs/{ACCOUNT}/{REGION}[{shop}]"
    assert found["ofOtherRegistries"] > 0
    web, migration = (f"ecs/{ACCOUNT}/{REGION}/{shop}/{each}" for each in ("web", "migration"))
    assert pinned(name) == {(images["v3"], web), (images["v2"], web), (images["v2"], migration)}


def test_the_digest_that_a_task_runs(
    service: Callable[[str], Any], server: Server, shop: str, name: str
) -> None:
    """Is noted beside the tag it was asked for by. moto's tasks do not say it: the answer is completed as ECS writes it."""
    client, digest = service("ecs"), "sha256:" + "d" * 64

    def complete(parsed: dict[str, Any], **_: Any) -> None:
        for task in parsed["tasks"]:
            for container in task["containers"]:
                container["imageDigest"] = digest

    client.meta.events.register("after-call.ecs.DescribeTasks", complete)
    seen = Sighting([server.host])
    ecs_feed.look(client, "ecs/test", seen, clusters=[shop], revisions=1)
    assert Use(name, "v2", digest, f"ecs/test/{shop}/migration") in seen.uses


def test_the_digest_that_a_deployment_resolved(
    service: Callable[[str], Any], server: Server, shop: str, name: str
) -> None:
    """Is what the next task starts from. moto knows no revisions of services: its answers are completed as ECS writes them."""
    client, digest = service("ecs"), "sha256:" + "e" * 64
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service-revision/{shop}/web/1"

    def name_revision(parsed: dict[str, Any], **_: Any) -> None:
        for each in parsed["services"]:
            each["currentServiceRevisions"] = [{"arn": arn, "runningTaskCount": 0}]

    def describe(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
        assert json.loads(params["body"]) == {"serviceRevisionArns": [arn]}
        image = {"containerName": "app", "image": f"{server.host}/{name}:v3", "imageDigest": digest}
        return SimpleNamespace(status_code=200), {"serviceRevisions": [{"containerImages": [image]}]}

    client.meta.events.register("after-call.ecs.DescribeServices", name_revision)
    client.meta.events.register("before-call.ecs.DescribeServiceRevisions", describe)
    seen = Sighting([server.host])
    ecs_feed.look(client, "ecs/test", seen, clusters=[shop], revisions=1)
    assert Use(name, "v3", digest, f"ecs/test/{shop}/web") in seen.uses


def test_a_cluster_that_is_not_there(
    service: Callable[[str], Any], server: Server, shop: str, name: str
) -> None:
    """Is a problem, and what the others have is seen all the same."""
    seen = Sighting([server.host])
    ecs_feed.look(service("ecs"), "ecs/test", seen, clusters=["no-such", shop])
    assert [each for each in seen.problems if "no-such" in each] == seen.problems != []
    assert {use.tag for use in seen.uses if use.repository == name} == {"v1", "v2", "v3"}


def test_every_cluster(service: Callable[[str], Any], server: Server, shop: str, name: str) -> None:
    """Is looked at if none is named."""
    assert shop
    seen = Sighting([server.host])
    ecs_feed.look(service("ecs"), "ecs/test", seen)
    assert {use.tag for use in seen.uses if use.repository == name} == {"v1", "v2", "v3"}


def test_lambda(
    run: Run, aws: str, service: Callable[[str], Any], pinned: Pinned, name: str, images: dict[str, str]
) -> None:
    """Every published version's image, by its tag and by the digest it was resolved to."""
    functions = service("lambda")
    role = service("iam").create_role(RoleName=name.replace("/", "-"), AssumeRolePolicyDocument="{}")["Role"][
        "Arn"
    ]
    called = name.replace("/", "-")
    uri = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}"
    functions.create_function(
        FunctionName=called, Role=role, PackageType="Image", Code={"ImageUri": f"{uri}:v1"}
    )
    functions.publish_version(FunctionName=called)
    resolved = functions.get_function(FunctionName=called, Qualifier="1")["Code"][
        "ResolvedImageUri"
    ].partition("@")[2]
    done = run("sync", "lambda", "--host", "*.dkr.ecr.*.amazonaws.com", "--json", **environment(aws))
    assert (done.returncode, said(done)["complete"]) == (0, True)
    consumers = {f"lambda/{ACCOUNT}/{REGION}/{called}:{version}" for version in ("$LATEST", "1")}
    assert pinned(name) == {
        (digest, consumer) for digest in (images["v1"], resolved) for consumer in consumers
    }


def test_an_account_that_refuses(run: Run, server: Server) -> None:
    """Is no empty account: nothing is reported as complete."""
    nowhere = {"AWS_ENDPOINT_URL_LAMBDA": f"{server.url}/v2/", "AWS_MAX_ATTEMPTS": "1"}
    done = run("sync", "lambda", "--source", "lambda/refusing", "--json", **nowhere)
    assert (done.returncode, said(done)["complete"]) == (3, False)
    assert said(done)["problems"][0].startswith("functions: ")


def test_a_function_that_cannot_be_read(service: Callable[[str], Any], server: Server) -> None:
    """Is a problem of its own."""
    functions = service("lambda")
    role = service("iam").create_role(RoleName="reader", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    for called in ("gone", "there"):
        functions.create_function(
            FunctionName=called,
            Role=role,
            PackageType="Image",
            Code={"ImageUri": f"{server.host}/fn/{called}:1"},
        )

    def vanish(params: dict[str, Any], **_: Any) -> None:
        if params["FunctionName"] == "gone":
            params["FunctionName"] = "gone-by-now"

    functions.meta.events.register("provide-client-params.lambda.GetFunction", vanish)
    seen = Sighting([server.host])
    lambda_feed.look(functions, "lambda/test", seen)
    assert {use.repository for use in seen.uses} >= {"fn/there"}
    assert [each.startswith("gone:") for each in seen.problems] == [True]
