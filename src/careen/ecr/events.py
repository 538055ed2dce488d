"""Events as Amazon EventBridge hands them out, and the ones that Amazon does not have, in the same envelope.

What ECR has is here to the letter (ECR user guide, "Amazon ECR events and EventBridge", and "EventBridge events sent for enhanced
scanning"): source ``aws.ecr``, its detail types, its members. What only Careen has (pulls, restores from the trash, repositories,
policy runs) has source ``careen`` and detail types of its own, so that a rule written for ECR never meets it.
"""

import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from careen.clock import SECOND, Instant, isoformat
from careen.ecr.arn import RepositoryArn

Detail = Mapping[str, Any]

_IDS = uuid.UUID("8b6c7f0e-7a55-5d0e-9a4b-2f1f3c0d9e11")
"""The namespace of event ids."""


class DetailType(StrEnum):
    """What kind of event it is: ``detail-type``."""

    IMAGE_ACTION = "ECR Image Action"
    REFERRER_ACTION = "ECR Referrer Action"
    IMAGE_SCAN = "ECR Image Scan"
    REPLICATION_ACTION = "ECR Replication Action"
    PULL_THROUGH_CACHE_ACTION = "ECR Pull Through Cache Action"

    OWN_IMAGE_ACTION = "Careen Image Action"
    OWN_REPOSITORY_ACTION = "Careen Repository Action"
    OWN_POLICY_ACTION = "Careen Lifecycle Policy Action"
    OWN_WEBHOOK_TEST = "Careen Webhook Test"

    @property
    def source(self) -> str:
        """``aws.ecr``, or ``careen`` for what Amazon does not have."""
        return "aws.ecr" if self.startswith("ECR ") else "careen"


_NAMES_REPOSITORY = {
    DetailType.IMAGE_SCAN,
    DetailType.REPLICATION_ACTION,
    DetailType.PULL_THROUGH_CACHE_ACTION,
}
"""Whose ``resources`` name the repository; in Amazon's samples those of all others are empty."""


class Event(NamedTuple):
    """Something that happened."""

    detail_type: DetailType
    detail: Detail

    @property
    def action(self) -> str:
        """Its ``action-type``; empty for the types that have none."""
        return str(self.detail.get("action-type", ""))

    @property
    def repository(self) -> str | None:
        """The repository it is about, if it is about one."""
        return self.detail.get("repository-name")


class Stamped(NamedTuple):
    """An event with what tells it from all others."""

    sequence: int
    """Its place among the registry's events: later ones have higher numbers."""
    recorded_at: Instant
    event: Event


def pushed(repository: str, digest: str, tag: str | None) -> Event:
    """A manifest was put, under a tag or by its digest alone."""
    return _image_action("PUSH", repository, digest, tag)


def deleted(repository: str, digest: str, tag: str | None) -> Event:
    """A tag went, or an image that had none."""
    return _image_action("DELETE", repository, digest, tag)


def _image_action(action: str, repository: str, digest: str, tag: str | None) -> Event:
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": digest,
        "action-type": action,
    }
    return Event(DetailType.IMAGE_ACTION, detail if tag is None else {**detail, "image-tag": tag})


def storage_class_updated(
    repository: str,
    digest: str,
    *,
    media_type: str,
    artifact_type: str | None,
    is_referrer: bool,
    activated_at: Instant | None = None,
) -> Event:
    """An image went to the archive, or came back from it at ``activated_at``."""
    detail = {
        "action-type": "UPDATE_STORAGE_CLASS",
        "target-storage-class": "ARCHIVE" if activated_at is None else "STANDARD",
        "image-digest": digest,
        "repository-name": repository,
        "result": "SUCCESS",
        "manifest-media-type": media_type,
        "artifact-media-type": artifact_type,
        "last-activated-at": None if activated_at is None else isoformat(activated_at),
    }
    kind = DetailType.REFERRER_ACTION if is_referrer else DetailType.IMAGE_ACTION
    return Event(kind, {name: value for name, value in detail.items() if value is not None})


def replicated(repository: str, digest: str, tag: str | None, *, source: str) -> Event:
    """An image was copied here from another registry: ``source`` is its Region and id, as ``us-east-1/123456789012``."""
    source_region, _, source_account = source.partition("/")
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": digest,
        "source-account": source_account,
        "action-type": "REPLICATE",
        "source-region": source_region,
    }
    return Event(DetailType.REPLICATION_ACTION, detail if tag is None else {**detail, "image-tag": tag})


def pulled_through(
    repository: str,
    prefix: str,
    upstream: str,
    *,
    tag: str | None,
    digest: str | None,
    status: str,
    failure: str | None = None,
) -> Event:
    """A pull through cache rule fetched an image, or tried to.

    Args:
        repository: the repository of the copy.
        prefix: the rule's, ``docker-hub``.
        upstream: the upstream registry's host.
        tag: the tag that was asked for.
        digest: what it named.
        status: ``SUCCESS`` or ``FAILURE``.
        failure: why not, for the latter.
    """
    detail = {
        "rule-version": "1",
        "sync-status": status,
        "ecr-repository-prefix": prefix,
        "repository-name": repository,
        "upstream-registry-url": upstream,
        "image-tag": tag,
        "image-digest": digest,
        "failure-reason": failure,
    }
    return Event(
        DetailType.PULL_THROUGH_CACHE_ACTION,
        {name: value for name, value in detail.items() if value is not None},
    )


def scanned(
    repository: str, digest: str, tags: Sequence[str], status: str, severities: Mapping[str, int]
) -> Event:
    """A basic scan ended: ``COMPLETE`` with the findings of each severity that has any, or ``FAILED``."""
    detail = {
        "scan-status": status,
        "repository-name": repository,
        "finding-severity-counts": dict(severities),
        "image-digest": digest,
        "image-tags": list(tags),
    }
    return Event(DetailType.IMAGE_SCAN, detail)


def pulled(repository: str, digest: str, tags: Sequence[str], principal: str, pulls: int) -> Event:
    """Somebody pulled an image, so often within a few seconds. ``tags`` are those that it has."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": digest,
        "action-type": "PULL",
        "image-tags": list(tags),
        "principal": principal,
        "pull-count": pulls,
    }
    return Event(DetailType.OWN_IMAGE_ACTION, detail)


def restored(repository: str, digest: str, tags: Sequence[str], principal: str) -> Event:
    """A deleted image came back, with these of its tags."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "image-digest": digest,
        "action-type": "RESTORE",
        "image-tags": list(tags),
        "principal": principal,
    }
    return Event(DetailType.OWN_IMAGE_ACTION, detail)


def repository_created(repository: str) -> Event:
    """A repository was created."""
    return _repository_action("CREATE", repository)


def repository_deleted(repository: str) -> Event:
    """A repository was deleted; a DELETE of each of its images comes before this."""
    return _repository_action("DELETE", repository)


def _repository_action(action: str, repository: str) -> Event:
    detail = {"result": "SUCCESS", "repository-name": repository, "action-type": action}
    return Event(DetailType.OWN_REPOSITORY_ACTION, detail)


def policy_run(repository: str, run_id: int, evaluated_at: Instant, outcomes: Mapping[str, int]) -> Event:
    """A lifecycle policy was carried out; ``outcomes`` says how many images each outcome had. What went has its own events."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository,
        "action-type": "RUN",
        "run-id": run_id,
        "evaluated-at": isoformat(evaluated_at),
        "outcomes": dict(outcomes),
    }
    return Event(DetailType.OWN_POLICY_ACTION, detail)


def webhook_test(webhook: str) -> Event:
    """Somebody wants to see whether a webhook's receiver is reached."""
    return Event(DetailType.OWN_WEBHOOK_TEST, {"action-type": "TEST", "webhook-name": webhook})


def event_id(stamped: Stamped, account: str) -> str:
    """The event's id, always the same: a receiver that sees it twice has seen the event twice.

    The instant is part of it: a registry that was restored from a backup numbers on from there.
    """
    return str(uuid.uuid5(_IDS, f"{account} {stamped.sequence} {stamped.recorded_at}"))


def envelope(stamped: Stamped, *, account: str, region: str) -> dict[str, Any]:
    """The event as EventBridge hands it to a target."""
    kind, detail = stamped.event
    named = stamped.event.repository if kind in _NAMES_REPOSITORY else None
    return {
        "version": "0",
        "id": event_id(stamped, account),
        "detail-type": kind,
        "source": kind.source,
        "account": account,
        "time": isoformat(stamped.recorded_at // SECOND * SECOND),
        "region": region,
        "resources": [] if named is None else [str(RepositoryArn(region, account, named))],
        "detail": detail,
    }
