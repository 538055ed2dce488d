"""What a policy run tells CloudTrail, compared with the sample of the ECR user guide and with records seen in the wild."""

import pytest

from careen.clock import DAY, parse_instant
from careen.lifecycle import policy as policies
from careen.lifecycle import trail
from careen.lifecycle.image import Image
from careen.lifecycle.trail import Deed

TEXT = (
    '{"rules":[{"rulePriority":1,"description":"remove all images > 2","selection":{"tagStatus":"any",'
    '"countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}'
)
POLICY = policies.parse(TEXT)
DIGEST = "sha256:ddba4d27a7ffc3f86dd6c2f92041af252a1f23a8e742c90e6e1297bfa1bc0c45"


def image(number: int, tags: int = 1) -> Image:
    """An image of the sample's time."""
    pushed_at = parse_instant("2020-03-12T19:53:33Z") + number * DAY
    return Image(f"sha256:{number:064x}", tuple(f"tag-{tag}" for tag in range(tags)), pushed_at)


def test_the_sample_of_the_user_guide() -> None:
    """One image expired, one that a manifest list needs."""
    expired = Image(DIGEST, ("alpine",), parse_instant("2020-03-12T19:53:33Z"))
    blocked = Image(f"sha256:{1:064x}", (), parse_instant("2020-03-12T19:54:02Z"))
    reason = f"Requested image referenced by manifest list: [{DIGEST}]"
    failure = ("ImageReferencedByManifestList", reason)
    [details] = trail.details("testrepo", POLICY, TEXT, 0, [Deed(expired, 1), Deed(blocked, 1, failure)])
    policy_id = details["lifecycleEventPolicy"].pop("policyId")
    assert len(policy_id) == 36
    assert details == {
        "repositoryName": "testrepo",
        "lifecycleEventPolicy": {
            "lifecycleEventRules": [
                {
                    "rulePriority": 1,
                    "description": "remove all images > 2",
                    "lifecycleEventSelection": {
                        "tagStatus": "Any",
                        "tagPrefixList": [],
                        "tagPatternList": [],
                        "countType": "Image count more than",
                        "countNumber": 2,
                    },
                    "action": "expire",
                }
            ],
            "lastEvaluatedAt": 0,
            "policyVersion": 1,
        },
        "lifecycleEventImageActions": [
            {
                "lifecycleEventImage": {
                    "digest": DIGEST,
                    "tagStatus": "Tagged",
                    "tagList": ["alpine"],
                    "pushedAt": 1584042813000,
                },
                "rulePriority": 1,
            }
        ],
        "lifecycleEventFailureDetails": [
            {
                "lifecycleEventImage": {
                    "digest": blocked.digest,
                    "tagStatus": "Untagged",
                    "tagList": [],
                    "pushedAt": 1584042842000,
                },
                "rulePriority": 1,
                "failureCode": "ImageReferencedByManifestList",
                "failureReason": reason,
            }
        ],
    }


@pytest.mark.parametrize(("images", "events"), [(0, 1), (1, 1), (9, 1), (10, 2), (18, 2), (19, 3)])
def test_ten_images_or_more_are_several_events(images: int, events: int) -> None:
    """Every image is in exactly one of them."""
    deeds = [Deed(image(number), 1) for number in range(images)]
    found = list(trail.details("testrepo", POLICY, TEXT, 0, deeds))
    assert len(found) == events
    told = [
        each["lifecycleEventImage"]["digest"]
        for details in found
        for each in details["lifecycleEventImageActions"]
    ]
    assert told == [deed.image.digest for deed in deeds]
    assert len({details["lifecycleEventPolicy"]["policyId"] for details in found}) == 1


def test_an_image_has_a_hundred_tags_at_most() -> None:
    """As on Amazon."""
    [details] = trail.details("testrepo", POLICY, TEXT, 0, [Deed(image(1, tags=101), 1)])
    [action] = details["lifecycleEventImageActions"]
    assert len(action["lifecycleEventImage"]["tagList"]) == 100


def test_an_age_has_its_unit() -> None:
    """In the words of a record that Amazon wrote in 2025."""
    text = (
        '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days",'
        '"countNumber":365},"action":{"type":"expire"}}]}'
    )
    [details] = trail.details("testrepo", policies.parse(text), text, 1741782216108000, [])
    shown = details["lifecycleEventPolicy"]
    assert shown["lastEvaluatedAt"] == 1741782216108
    assert shown["lifecycleEventRules"][0]["lifecycleEventSelection"] == {
        "tagStatus": "Untagged",
        "tagPrefixList": [],
        "tagPatternList": [],
        "countType": "Time since image pushed",
        "countUnit": "Days",
        "countNumber": 365,
    }
    assert "description" not in shown["lifecycleEventRules"][0]
