"""Replication through ECR's operations: the configuration, the status of images, backfills."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.ecrapi.client import push, refusal
from tests.ecrapi.samples import UPLOAD_ID
from tests.images import image, index
from tests.server import REGION, REGISTRY_ID, Server
from tests.waiting import found, until

THERE = {"region": "eu-west-1", "registryId": REGISTRY_ID}
ALSO = {"region": "us-east-1", "registryId": "210987654321"}
ONE = image("replicated")


def rules(*destinations: dict[str, str], prefix: str | None = None, **others: Any) -> dict[str, Any]:
    """A configuration of one rule."""
    rule: dict[str, Any] = {"destinations": list(destinations)} | others
    if prefix is not None:
        rule["repositoryFilters"] = [{"filter": prefix, "filterType": "PREFIX_MATCH"}]
    return {"rules": [rule]}


@pytest.fixture
def configure(ecr: Any) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Set the configuration, and take it away after the test."""
    yield lambda document: ecr.put_replication_configuration(replicationConfiguration=document)
    ecr.put_replication_configuration(replicationConfiguration={"rules": []})


@pytest.fixture
def unreachable(ecr: Any, server: Server) -> Iterator[None]:
    """Destinations where nobody listens, so that backfills wait; in the end all of them are stopped."""
    (server.data / "replication.toml").write_text(
        "".join(
            f'[[target]]\nregion = "eu-west-{number}"\nregistry_id = "{REGISTRY_ID}"\nurl = "http://127.0.0.1:9"\n'
            for number in range(1, 27)
        )
    )
    yield
    for each in ecr.list_replication_backfills(maxResults=50)["backfills"]:
        if each["status"] in {"PREPARING", "IN_PROGRESS"}:
            ecr.stop_replication_backfill(replicationBackfillId=each["replicationBackfillId"])
    under_way = {"PREPARING", "IN_PROGRESS", "STOPPING"}
    until(
        lambda: all(
            each["status"] not in under_way
            for each in ecr.list_replication_backfills(maxResults=50)["backfills"]
        ),
        "a backfill does not end",
    )
    (server.data / "replication.toml").unlink()


def ended(ecr: Any, backfill: str) -> dict[str, Any]:
    """The results of a backfill, once it has ended."""

    def results() -> dict[str, Any] | None:
        told: dict[str, Any] = ecr.describe_replication_backfill_results(replicationBackfillId=backfill)
        return told if "endedAt" in told else None

    return found(results, "the backfill does not end")


def test_a_configuration_is_described_as_it_was_put(ecr: Any, configure: Any) -> None:
    """With filters and deletions, and without; nobody has set any: no rules."""
    assert ecr.describe_registry()["replicationConfiguration"] == {"rules": []}
    document = {
        "rules": [
            *rules(THERE, ALSO, prefix="team/", deleteReplication={"enabled": True})["rules"],
            *rules(THERE)["rules"],
        ]
    }
    assert configure(document)["replicationConfiguration"] == document
    told = ecr.describe_registry()
    assert (told["registryId"], told["replicationConfiguration"]) == (REGISTRY_ID, document)
    configure({"rules": []})
    assert ecr.describe_registry()["replicationConfiguration"] == {"rules": []}


MANY = [{"region": f"eu-west-{number}", "registryId": REGISTRY_ID} for number in range(1, 27)]


@pytest.mark.parametrize(
    ("document", "constraint"),
    [
        (
            rules({"region": REGION, "registryId": REGISTRY_ID}),
            "Replication destination cannot be the same as the source registry",
        ),
        (rules(*MANY), "Replication configuration can have at most 25 unique destinations"),
        (
            {"rules": rules(THERE)["rules"] * 11},
            "Replication configuration can have at most 10 rules",
        ),
    ],
    ids=["itself", "destinations", "rules"],
)
def test_a_configuration_that_is_refused(
    ecr: Any, configure: Any, document: dict[str, Any], constraint: str
) -> None:
    """In ECR's form, and the old one holds."""
    configure(rules(ALSO))
    refused = refusal(ecr.put_replication_configuration, replicationConfiguration=document)
    assert refused.code == "InvalidParameterException"
    assert refused.message == (
        f"Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: '{constraint}'"
    )
    assert ecr.describe_registry()["replicationConfiguration"] == rules(ALSO)


def test_what_the_model_does_not_allow_is_refused(ecr: Any, server: Server) -> None:
    """A region, an account, a filter that are none, and a filter of another type."""
    from botocore.config import Config

    unchecked = server.boto(config=Config(parameter_validation=False))
    documents: list[dict[str, Any]] = [
        rules({"region": "Nowhere!", "registryId": REGISTRY_ID}),
        rules({"region": "eu-west-1", "registryId": "12"}),
        rules(THERE, prefix="Team"),
        rules(THERE, repositoryFilters=[{"filter": "team", "filterType": "WILDCARD"}]),
        rules(THERE, repositoryFilters=[]),
        {"rules": [{}]},
    ]
    for document in documents:
        refused = refusal(unchecked.put_replication_configuration, replicationConfiguration=document)
        assert refused.code == "InvalidParameterException"
    assert ecr.describe_registry()["replicationConfiguration"] == {"rules": []}


def test_25_destinations_and_10_rules_are_taken(configure: Any) -> None:
    """The same destination in two rules counts once."""
    configure(rules(*MANY[:25]))
    configure({"rules": rules(*MANY[:25])["rules"] * 10})


def test_the_status_of_an_image(ecr: Any, configure: Any, repository: str) -> None:
    """One for each destination, by tag and by digest; nobody has said where they are, and that is the code."""
    configure(rules(THERE, ALSO, prefix=repository))
    push(ecr, repository, ONE, "v1")
    for image_id in ({"imageTag": "v1"}, {"imageDigest": ONE.digest}):
        ask = functools.partial(
            ecr.describe_image_replication_status, repositoryName=repository, imageId=image_id
        )
        until(functools.partial(all_failed, ask))
        told = ask()
        assert (told["repositoryName"], told["imageId"]) == (repository, image_id)
        assert told["replicationStatuses"] == [
            {**to, "status": "FAILED", "failureCode": "DESTINATION_NOT_CONFIGURED"} for to in (THERE, ALSO)
        ]


def all_failed(ask: Callable[[], dict[str, Any]]) -> bool:
    """Whether an image's replications have."""
    return {each["status"] for each in ask()["replicationStatuses"]} == {"FAILED"}


def test_an_image_that_goes_nowhere_has_no_status(ecr: Any, repository: str) -> None:
    """An empty list, as there is no destination."""
    push(ecr, repository, ONE, "v1")
    told = ecr.describe_image_replication_status(repositoryName=repository, imageId={"imageTag": "v1"})
    assert told["replicationStatuses"] == []


@pytest.mark.parametrize(
    ("image_id", "code"),
    [
        ({"imageTag": "none"}, "ImageNotFoundException"),
        ({"imageDigest": f"sha256:{0:064x}"}, "ImageNotFoundException"),
        ({"imageDigest": ONE.digest, "imageTag": "v2"}, "ImageNotFoundException"),
        ({}, "InvalidParameterException"),
    ],
    ids=["no such tag", "no such digest", "a tag of another", "neither"],
)
def test_the_status_of_no_image(ecr: Any, repository: str, image_id: dict[str, str], code: str) -> None:
    """It is refused as any operation on an image refuses it."""
    push(ecr, repository, ONE, "v1")
    refused = refusal(ecr.describe_image_replication_status, repositoryName=repository, imageId=image_id)
    assert refused.code == code


def test_a_backfill_from_its_start_to_its_results(ecr: Any, configure: Any, repository: str) -> None:
    """Prepared, in progress, ended; nobody has said where the destination is, so every replication fails."""
    both = index(ONE)
    push(ecr, repository, ONE, "v1")
    push(ecr, repository, both, "v2")
    configure(rules(THERE, prefix=repository))
    started = ecr.start_replication_backfill(destination=THERE)
    backfill_id = started["replicationBackfillId"]
    assert (started["status"], started["destination"], started["registryId"]) == (
        "PREPARING",
        THERE,
        REGISTRY_ID,
    )
    told = ended(ecr, backfill_id)
    assert (told["status"], told["failureCode"]) == ("FAILED", "REPLICATION_FAILURES")
    assert told["startedAt"] <= told["endedAt"]
    assert told["progress"] == {
        "totalReplicationCount": 2,
        "completedReplicationCount": 0,
        "failedReplicationCount": 2,
        "failureCodes": ["DESTINATION_NOT_CONFIGURED"],
    }
    assert {each["imageId"]["imageTag"] for each in told["results"]} == {"v1", "v2"}
    pages = list(
        ecr.get_paginator("describe_replication_backfill_results").paginate(
            replicationBackfillId=backfill_id, resultStatusFilter="FAILED", PaginationConfig={"PageSize": 1}
        )
    )
    assert [len(page["results"]) for page in pages] == [1, 1]
    complete = ecr.describe_replication_backfill_results(
        replicationBackfillId=backfill_id, resultStatusFilter="COMPLETE"
    )
    assert complete["results"] == []
    again = ecr.start_replication_backfill(destination=THERE)["replicationBackfillId"]
    listed = [
        each["replicationBackfillId"]
        for page in ecr.get_paginator("list_replication_backfills").paginate(PaginationConfig={"PageSize": 1})
        for each in page["backfills"]
    ]
    assert listed[:2] == [again, backfill_id]
    summary = ecr.list_replication_backfills(maxResults=2)["backfills"][1]
    assert summary == {name: told[name] for name in summary}
    assert (summary["destination"], summary["status"]) == (THERE, "FAILED")
    ended(ecr, again)  # one at a time to a Region: the next test starts another


@pytest.mark.usefixtures("unreachable")
def test_backfills_that_are_refused(ecr: Any, configure: Any, repository: str) -> None:
    """To where no rule leads, a second one to a Region, an eleventh; stopping one that has ended, or is none."""
    refused = refusal(ecr.start_replication_backfill, destination=THERE)
    assert refused.code == "ValidationException"
    assert refused.message == (
        f"The destination with region 'eu-west-1' and registryId '{REGISTRY_ID}' is not in the replication"
        f" configuration of the registry with id '{REGISTRY_ID}'"
    )
    push(ecr, repository, ONE, "v1")
    others = MANY[1:24]
    configure(rules(THERE, {**THERE, "registryId": "210987654321"}, *others, prefix=repository))
    started = [ecr.start_replication_backfill(destination=THERE)["replicationBackfillId"]]
    refused = refusal(ecr.start_replication_backfill, destination={**THERE, "registryId": "210987654321"})
    assert refused[:2] == (
        "ReplicationBackfillInProgressException",
        "A replication backfill is already in progress for destination region 'eu-west-1'",
    )
    started += [ecr.start_replication_backfill(destination=to)["replicationBackfillId"] for to in others[:9]]
    refused = refusal(ecr.start_replication_backfill, destination=others[9])
    assert refused.code == "LimitExceededException"
    assert "at most 10" in refused.message
    stopped = ecr.stop_replication_backfill(replicationBackfillId=started[0].upper())
    assert stopped["status"] == "STOPPING"
    until(
        lambda: (
            ecr.describe_replication_backfill_results(replicationBackfillId=started[0])["status"] == "STOPPED"
        ),
        "the backfill does not stop",
    )
    refused = refusal(ecr.stop_replication_backfill, replicationBackfillId=started[0])
    assert refused.code == "ReplicationBackfillInvalidStatusException"
    assert refused.message == (
        f"The replication backfill with id '{started[0]}' is STOPPED; only one that is PREPARING or IN_PROGRESS"
        " can be stopped"
    )
    for call in (ecr.stop_replication_backfill, ecr.describe_replication_backfill_results):
        refused = refusal(call, replicationBackfillId=UPLOAD_ID)
        assert refused[:2] == (
            "ReplicationBackfillNotFoundException",
            f"The replication backfill with id '{UPLOAD_ID}' does not exist in the registry with id '{REGISTRY_ID}'",
        )
