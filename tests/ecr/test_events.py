"""Events in EventBridge's envelope, compared with the samples of the ECR user guide (ecr-eventbridge)."""

from typing import Any

import pytest

from careen.clock import parse_instant
from careen.ecr import events
from careen.ecr.events import DetailType, Event, Stamped

DIGEST = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd1234"

SAMPLES: dict[str, tuple[Event, str, str, list[str], dict[str, Any]]] = {
    "a completed image push": (
        events.pushed("my-repository-name", DIGEST, "latest"),
        "ECR Image Action",
        "aws.ecr",
        [],
        {
            "result": "SUCCESS",
            "repository-name": "my-repository-name",
            "image-digest": DIGEST,
            "action-type": "PUSH",
            "image-tag": "latest",
        },
    ),
    "an image deletion": (
        events.deleted("my-repository-name", DIGEST, "latest"),
        "ECR Image Action",
        "aws.ecr",
        [],
        {
            "result": "SUCCESS",
            "repository-name": "my-repository-name",
            "image-digest": DIGEST,
            "action-type": "DELETE",
            "image-tag": "latest",
        },
    ),
    "an image archival": (
        events.storage_class_updated(
            "ubuntu",
            DIGEST,
            media_type="application/vnd.oci.image.manifest.v1+json",
            artifact_type="application/vnd.oci.image.config.v1+json",
            is_referrer=False,
        ),
        "ECR Image Action",
        "aws.ecr",
        [],
        {
            "action-type": "UPDATE_STORAGE_CLASS",
            "target-storage-class": "ARCHIVE",
            "image-digest": DIGEST,
            "repository-name": "ubuntu",
            "result": "SUCCESS",
            "manifest-media-type": "application/vnd.oci.image.manifest.v1+json",
            "artifact-media-type": "application/vnd.oci.image.config.v1+json",
        },
    ),
    "a referrer restore": (
        events.storage_class_updated(
            "sbom",
            DIGEST,
            media_type="application/vnd.cncf.oras.artifact.manifest.v1+json",
            artifact_type="text/sbom+json",
            is_referrer=True,
            activated_at=parse_instant("2025-10-10T19:13:02.740Z"),
        ),
        "ECR Referrer Action",
        "aws.ecr",
        [],
        {
            "action-type": "UPDATE_STORAGE_CLASS",
            "target-storage-class": "STANDARD",
            "image-digest": DIGEST,
            "repository-name": "sbom",
            "result": "SUCCESS",
            "manifest-media-type": "application/vnd.cncf.oras.artifact.manifest.v1+json",
            "artifact-media-type": "text/sbom+json",
            "last-activated-at": "2025-10-10T19:13:02.740000Z",
        },
    ),
    "a completed image replication": (
        events.replicated(
            "docker-hub/alpine",
            DIGEST,
            "3.17.2",
            source="us-west-2/123456789012",
        ),
        "ECR Replication Action",
        "aws.ecr",
        ["arn:aws:ecr:us-east-1:123456789012:repository/docker-hub/alpine"],
        {
            "result": "SUCCESS",
            "repository-name": "docker-hub/alpine",
            "image-digest": DIGEST,
            "source-account": "123456789012",
            "action-type": "REPLICATE",
            "source-region": "us-west-2",
            "image-tag": "3.17.2",
        },
    ),
    "a pull through cache action": (
        events.pulled_through(
            "docker-hub/alpine",
            "docker-hub",
            "public.ecr.aws",
            tag="3.17.2",
            digest=DIGEST,
            status="SUCCESS",
        ),
        "ECR Pull Through Cache Action",
        "aws.ecr",
        ["arn:aws:ecr:us-east-1:123456789012:repository/docker-hub/alpine"],
        {
            "rule-version": "1",
            "sync-status": "SUCCESS",
            "ecr-repository-prefix": "docker-hub",
            "repository-name": "docker-hub/alpine",
            "upstream-registry-url": "public.ecr.aws",
            "image-tag": "3.17.2",
            "image-digest": DIGEST,
        },
    ),
    "a completed basic scan": (
        events.scanned("my-repository-name", DIGEST, [], "COMPLETE", {"CRITICAL": 10, "MEDIUM": 9}),
        "ECR Image Scan",
        "aws.ecr",
        ["arn:aws:ecr:us-east-1:123456789012:repository/my-repository-name"],
        {
            "scan-status": "COMPLETE",
            "repository-name": "my-repository-name",
            "finding-severity-counts": {"CRITICAL": 10, "MEDIUM": 9},
            "image-digest": DIGEST,
            "image-tags": [],
        },
    ),
    "a pull, which Amazon does not tell of": (
        events.pulled("team/app", DIGEST, ["1"], "arn:aws:iam::123456789012:user/node", 7),
        "Careen Image Action",
        "careen",
        [],
        {
            "result": "SUCCESS",
            "repository-name": "team/app",
            "image-digest": DIGEST,
            "action-type": "PULL",
            "image-tags": ["1"],
            "principal": "arn:aws:iam::123456789012:user/node",
            "pull-count": 7,
        },
    ),
}


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_an_event_is_as_in_the_user_guide(
    sample: tuple[Event, str, str, list[str], dict[str, Any]],
) -> None:
    """Every member of the envelope and of the detail, and no other."""
    event, kind, source, resources, detail = sample
    stamped = Stamped(41, parse_instant("2019-11-16T01:54:34.500Z"), event)
    assert events.envelope(stamped, account="123456789012", region="us-east-1") == {
        "version": "0",
        "id": events.event_id(stamped, "123456789012"),
        "detail-type": kind,
        "source": source,
        "account": "123456789012",
        "time": "2019-11-16T01:54:34Z",
        "region": "us-east-1",
        "resources": resources,
        "detail": detail,
    }


def test_an_event_has_one_id_and_no_other_event_has_it() -> None:
    """Also where the numbers begin anew, as after a restore from a backup."""
    event = events.repository_created("team/app")
    first, again, later, other = (
        Stamped(sequence, instant, event) for sequence, instant in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert events.event_id(first, "0") == events.event_id(again, "0")
    assert len({events.event_id(each, "0") for each in (first, later, other)}) == 3
    assert events.event_id(first, "0") != events.event_id(first, "1")


def test_only_what_amazon_has_comes_from_amazon() -> None:
    """A rule for ``aws.ecr`` never meets an event that it cannot know."""
    own = {kind for kind in DetailType if kind.source == "careen"}
    assert own == {kind for kind in DetailType if kind.startswith("Careen ")}
    assert {kind.source for kind in set(DetailType) - own} == {"aws.ecr"}
