"""Reading what `aws ecr describe-images` prints."""

import json
from typing import Any

import pytest

from careen.clock import parse_instant
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.image_details import InvalidImageDetails, read

PUSHED = parse_instant("2026-11-08T00:00:00Z")
SHORTEST = {"imageDigest": "sha256:a", "imagePushedAt": 1793923200}


def written(*details: Any) -> bytes:
    """The command's output."""
    return json.dumps({"imageDetails": details}).encode()


def test_every_member() -> None:
    """Every member that lifecycle rules depend on is read; others are ignored."""
    detail = {
        "registryId": "123456789012",
        "repositoryName": "team/app",
        "imageDigest": "sha256:a",
        "imageTags": ["v1", "latest"],
        "imageSizeInBytes": 12_345,
        "imagePushedAt": "2026-11-08T00:00:00+00:00",
        "imageManifestMediaType": "application/vnd.oci.image.index.v1+json",
        "imageStatus": "ACTIVATING",
        "lastRecordedPullTime": "2026-11-08T01:00:00.5+01:00",
        "lastArchivedAt": "2026-11-08T00:00:00Z",
        "lastActivatedAt": 1794096000.0,
        "subjectManifestDigest": "sha256:b",
        "imageReferences": ["sha256:c", "sha256:d"],
        "artifactMediaType": "application/spdx+json",
        "imageLabels": {"team": "a"},
        "imageAnnotations": {"keep": "yes"},
        "imageInUseBy": ["ecs"],
        "imageScanStatus": {"status": "COMPLETE"},
    }
    assert read(written(detail)) == [
        Image(
            digest="sha256:a",
            tags=("v1", "latest"),
            pushed_at=PUSHED,
            pulled_at=PUSHED + 500_000,
            archived_at=PUSHED,
            activated_at=parse_instant(1794096000),
            status=ImageStatus.ACTIVATING,
            size=12_345,
            media_type="application/vnd.oci.image.index.v1+json",
            references=("sha256:c", "sha256:d"),
            subject="sha256:b",
            artifact_type="application/spdx+json",
            labels={"team": "a"},
            annotations={"keep": "yes"},
            in_use_by=("ecs",),
        )
    ]


@pytest.mark.parametrize(
    "document",
    [
        written(SHORTEST),
        json.dumps([SHORTEST]).encode(),
        b"\n  " + json.dumps([SHORTEST]).encode(),
        written(SHORTEST | dict.fromkeys(["imageTags", "imageSizeInBytes", "lastRecordedPullTime"])),
    ],
    ids=["object", "list", "indented list", "nulls"],
)
def test_forms(document: bytes) -> None:
    """The object that the command prints and the bare list mean the same; what is not there takes its default."""
    assert read(document) == [Image("sha256:a", (), parse_instant(1793923200))]


BAD = {
    "no json": (b"imageDetails", "JSON is malformed"),
    "no text": (b"\xff\xfe", "JSON is malformed"),
    "text that is not UTF-8": (b'[{"imageDigest": "\xff"}]', "utf-8"),
    "nothing": (b"", "Input data was truncated"),
    "another document": (b'{"rules": []}', "missing required field `imageDetails`"),
    "no digest": (
        written({"imagePushedAt": 1}),
        "missing required field `imageDigest` - at `$.imageDetails[0]`",
    ),
    "no push time": (written({"imageDigest": "a"}), "missing required field `imagePushedAt`"),
    "no such status": (written(SHORTEST | {"imageStatus": "GONE"}), "Invalid enum value 'GONE'"),
    "no such time": (written(SHORTEST | {"lastArchivedAt": "soon"}), "image sha256:a: "),
    "a time without a date": (written(SHORTEST | {"imagePushedAt": 1e300}), "image sha256:a: "),
    "the same image twice": (written(SHORTEST, SHORTEST), "image sha256:a is described twice"),
}


@pytest.mark.parametrize(("document", "expected"), BAD.values(), ids=BAD)
def test_bad_documents(document: bytes, expected: str) -> None:
    """What does not describe images is refused, with the place and what is wrong there."""
    with pytest.raises(InvalidImageDetails) as refused:
        read(document)
    assert expected in str(refused.value)
