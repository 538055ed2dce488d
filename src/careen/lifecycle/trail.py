"""What a policy run or a preview did, as ECR tells CloudTrail: the ``serviceEventDetails`` of PolicyExecutionEvent and DryRunEvent.

The shape is that of the ECR user guide's sample (logging-using-cloudtrail) and of records seen in the wild, which have
``tagPatternList`` and ``lifecycleEventFailureDetails`` besides. ECR's words for pulls and transitions have not been seen; ours
follow those for pushes.
"""

import itertools
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from careen.clock import Instant
from careen.lifecycle.image import Image
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.rule import CountType, Rule, StorageClass

MAX_IMAGES = 9
"""Of one event: "for lifecycle policy actions where 10 or more images are expired, Amazon ECR sends multiple events"."""

MAX_TAGS = 100
"""Of one image in an event."""

_COUNTED = {
    CountType.IMAGE_COUNT_MORE_THAN: "Image count more than",
    CountType.SINCE_IMAGE_PUSHED: "Time since image pushed",
    CountType.SINCE_IMAGE_PULLED: "Time since image pulled",
    CountType.SINCE_IMAGE_TRANSITIONED: "Time since image transitioned",
}

_IDS = uuid.UUID("5b0c1b1e-6a0a-5cf6-8f4e-7b7f6f1f6c55")
"""The namespace of policy ids."""


class Deed(NamedTuple):
    """What became of one image."""

    image: Image
    rule_priority: int
    failure: tuple[str, str] | None = None
    """Code and reason of ECR, if nothing did; None: it was acted on."""


def details(
    repository: str, policy: LifecyclePolicy, text: str, last_evaluated_at: Instant, deeds: Iterable[Deed]
) -> Iterator[dict[str, Any]]:
    """The details of one event after the other: one at least, more if there are many images.

    Args:
        repository: its name.
        policy: the one that was evaluated.
        text: the same as it is kept; its id follows from it.
        last_evaluated_at: of the evaluation before; 0: none.
        deeds: what became of which image, in order.
    """
    shown = {
        "lifecycleEventRules": [_rule(rule) for rule in policy.rules],
        "lastEvaluatedAt": last_evaluated_at // 1000,
        "policyVersion": 1,
        "policyId": str(uuid.uuid5(_IDS, f"{repository} {text}")),
    }
    left = iter(deeds)
    some = list(itertools.islice(left, MAX_IMAGES))
    while True:
        yield {
            "repositoryName": repository,
            "lifecycleEventPolicy": shown,
            "lifecycleEventImageActions": [_action(deed) for deed in some if deed.failure is None],
            "lifecycleEventFailureDetails": [
                _action(deed) | {"failureCode": deed.failure[0], "failureReason": deed.failure[1]}
                for deed in some
                if deed.failure is not None
            ],
        }
        some = list(itertools.islice(left, MAX_IMAGES))
        if not some:
            return


def _rule(rule: Rule) -> dict[str, Any]:
    selection = rule.selection
    shown: dict[str, Any] = {
        "tagStatus": selection.tag_status.capitalize(),
        "tagPrefixList": list(selection.tag_prefix_list or ()),
        "tagPatternList": list(selection.tag_pattern_list or ()),
        "countType": _COUNTED.get(selection.count_type, selection.count_type),
    }
    if rule.storage_class is StorageClass.ARCHIVE:
        shown["storageClass"] = "Archive"
    if selection.count_unit is not None:
        shown["countUnit"] = selection.count_unit.capitalize()
    described = {} if rule.description is None else {"description": rule.description}
    return {
        "rulePriority": rule.rule_priority,
        **described,
        "lifecycleEventSelection": shown | {"countNumber": selection.count_number},
        "action": rule.action.type.value,
    }


def _action(deed: Deed) -> dict[str, Any]:
    image = deed.image
    return {
        "lifecycleEventImage": {
            "digest": image.digest,
            "tagStatus": "Tagged" if image.tags else "Untagged",
            "tagList": list(image.tags[:MAX_TAGS]),
            "pushedAt": image.pushed_at // 1000,
        },
        "rulePriority": deed.rule_priority,
    }
