"""What runs: whose registry an image is of, and feeds that only a fleet asks."""

import base64
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials

from careen.fleet.in_use import Seen, is_amazons, look_at_cluster, sort
from careen.fleet.scanned import Target, Use
from careen.pins import batch
from careen.pins.sighting import Sighting
from careen.pins.sighting import Use as Pinned
from tests.fleet.amazon import ACCOUNT, REGION, Amazon
from tests.pins.cluster import ADMIN, Cluster, needs_kubernetes

HERE, US, LOCAL = Target(ACCOUNT, REGION), Target(ACCOUNT, "us-east-1"), Target("111111111111", "local")
AMAZON = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
D, E = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def use(tag: str | None, digest: str | None = None, target: Target | None = HERE) -> Use:
    """A use of the repository team/web."""
    place = (None, None) if target is None else (target.account, target.region)
    return Use("team/web", "web", "ecs", tag, digest, *place)


IMAGES: dict[str, tuple[tuple[str, str | None], set[Use]]] = {
    "Amazon's": ((f"{AMAZON}/team/web:v1", None), {use("v1")}),
    "its dual-stack name": ((f"{ACCOUNT}.dkr-ecr.{REGION}.on.aws/team/web:v1", None), {use("v1")}),
    "its FIPS name": (
        (f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com/team/web:v1", None),
        {use("v1", None, US)},
    ),
    "with what runs": ((f"{AMAZON}/team/web:v1", D), {use("v1", D)}),
    "an index, and what was taken out of it": ((f"{AMAZON}/team/web@{D}", E), {use(None, D), use(None, E)}),
    "another account's": ((f"999999999999.dkr.ecr.{REGION}.amazonaws.com/team/web:v1", None), set()),
    "another Region's": ((f"{ACCOUNT}.dkr.ecr.eu-west-3.amazonaws.com/team/web:v1", None), set()),
    "a registry's own name": (("localhost:5000/team/web:v1", None), {use("v1", None, LOCAL)}),
    "a name that was told": (("images.example.com/team/web:v1", None), {use("v1", None, None)}),
    "Docker Hub's": (("team/web:v1", None), set()),
    "somebody's": (("ghcr.io/team/web:v1", None), set()),
}


@pytest.mark.parametrize("case", IMAGES)
def test_whose_an_image_is(case: str) -> None:
    """By the host; where that says only that it is one of the fleet's, it is every registry's that has the repository."""
    (image, running), uses = IMAGES[case]
    seen = Seen("ecs", HERE, "ecs")
    seen.see(image, "web", running)
    hosts = {"localhost:5000": {LOCAL}, AMAZON: {HERE}}
    assert set(sort([seen], (HERE, US, LOCAL), hosts, ["*.example.com"])) == uses


@pytest.mark.parametrize(
    ("endpoint", "is_theirs"),
    [
        ("https://api.ecr.eu-west-1.amazonaws.com", True),
        ("https://api.ecr.cn-north-1.amazonaws.com.cn", True),
        ("https://ecr.eu-west-1.api.aws", True),
        ("http://127.0.0.1:5000", False),
        ("https://registry.example.com/amazonaws.com", False),
    ],
)
def test_amazons_addresses(endpoint: str, is_theirs: bool) -> None:
    """Are told from others."""
    assert is_amazons(endpoint) is is_theirs


JOBS: dict[str, dict[str, Any]] = {
    "containers": {"containerProperties": {"image": "h.x/a:1"}},
    "several nodes": {"nodeProperties": {"nodeRangeProperties": [{"container": {"image": "h.x/a:1"}}]}},
    "tasks of ECS": {"ecsProperties": {"taskProperties": [{"containers": [{"image": "h.x/a:1"}]}]}},
    "pods of EKS": {"eksProperties": {"podProperties": {"initContainers": [{"image": "h.x/a:1"}]}}},
    "tasks on nodes": {
        "nodeProperties": {
            "nodeRangeProperties": [
                {
                    "ecsProperties": {
                        "taskProperties": [{"containers": [{"image": "h.x/a:1"}, {"name": "none"}]}]
                    }
                }
            ]
        }
    },
}


@pytest.mark.parametrize("case", JOBS)
def test_forms_of_jobs(amazon: Amazon, case: str) -> None:
    """Batch has several, and each names its images elsewhere. moto knows the first: its answers are completed."""
    client = amazon.boto("batch")

    def complete(parsed: dict[str, Any], **_: Any) -> None:
        parsed["jobDefinitions"] = [{"jobDefinitionName": "job", "revision": 3, "type": "x", **JOBS[case]}]

    client.meta.events.register("after-call.batch.DescribeJobDefinitions", complete)
    seen = Sighting(["h.x"])
    batch.look(client, "batch/here", seen)
    assert list(seen.uses) == [Pinned("a", "1", None, "batch/here/job:3")]


def test_a_context_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Is a refusal, and no end of the scan."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    seen = look_at_cluster("prod")
    assert [each.reason.startswith("kubernetes: prod: ") for each in seen.refusals] == [True]


def session() -> botocore.session.Session:
    """With keys, and a Region."""
    made = botocore.session.Session()
    made.set_credentials("AKIDEXAMPLE", "secret")
    assert isinstance(made.get_credentials(), Credentials)
    return made


def test_the_token_of_a_cluster() -> None:
    """Is a question to STS that is signed for one cluster, as `aws eks get-token` makes it."""
    from careen.pins import eks

    kind, _, encoded = eks.token(session(), REGION, "prod").partition(".")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    assert kind == "k8s-aws-v1"
    assert url.startswith(
        f"https://sts.{REGION}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-"
    )
    assert "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id" in url
    assert "X-Amz-Expires=60" in url


@needs_kubernetes
def test_clusters_of_eks(
    amazon: Amazon, cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Are found in the account and asked themselves; one that does not know us is a refusal, one that does tells what runs."""
    from careen.pins import eks

    client = amazon.boto("eks")
    client.create_cluster(
        name="prod", roleArn=f"arn:aws:iam::{ACCOUNT}:role/r", resourcesVpcConfig={"subnetIds": []}
    )
    authority = base64.b64encode((cluster.folder / "certificates" / "apiserver.crt").read_bytes()).decode()

    def complete(parsed: dict[str, Any], **_: Any) -> None:
        parsed["cluster"] |= {"endpoint": cluster._url, "certificateAuthority": {"data": authority}}

    client.meta.events.register("after-call.eks.DescribeCluster", complete)
    stranger = Seen("eks", HERE, "eks")
    eks.look(client, session(), "eks/here", stranger)
    assert stranger.named == {}
    assert any("Unauthorized" in each.reason for each in stranger.refusals)
    namespace = cluster.namespace(name.replace("/", "-"))
    cluster.pod(namespace, "web", {"containers": [{"name": "app", "image": f"{AMAZON}/team/web:v1"}]})
    monkeypatch.setattr(eks, "token", lambda *_: ADMIN)
    known = Seen("eks", HERE, "eks")
    eks.look(client, session(), "eks/here", known)
    assert known.refusals == {}
    assert f"eks/here/prod/{namespace}/web" in {each.consumer for each in known.named}
