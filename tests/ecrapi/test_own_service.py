"""Our own service through boto3 and the AWS CLI, with the model that the package carries."""

import datetime as dt
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from careen.ecr import model
from careen.ecr.model import OWN_MODELS
from careen.ecrapi.operations import CAREEN_OPERATIONS
from careen.iam.actions import action_of
from tests import program
from tests.ecrapi.client import push, refusal
from tests.ecrapi.samples import ABSENT, DIGEST
from tests.ecrapi.test_aws_cli import AWS
from tests.images import image
from tests.server import REGION, REGISTRY_ID, Server, clean_environment
from tests.waiting import found


def policy(number: int, **selection: Any) -> str:
    """Keep so many images."""
    counted = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number} | selection
    return json.dumps({"rules": [{"rulePriority": 1, "selection": counted, "action": {"type": "expire"}}]})


UNPULLED = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "any",
                    "countType": "sinceImagePulled",
                    "countUnit": "days",
                    "countNumber": 90,
                },
                "action": {"type": "expire"},
            }
        ]
    },
    separators=(",", ":"),
)
RELEASES = '{"rules":[{"name":"releases","anyTagPattern":["v*"]}]}'

_THERE = {"repositoryName": ABSENT}
_WEBHOOK = {"webhookName": "never-added"}
_PATTERN = {"repositoryNamePattern": "never/*"}
_IN_USE = {"source": "a-feed", "ttlSeconds": 60, "images": [_THERE | {"imageTag": "v1", "consumer": "web"}]}

SAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "ApplyLifecyclePolicy": ("apply_lifecycle_policy", _THERE | {"lifecyclePolicyText": policy(1)}),
    "DeleteDefaultLifecyclePolicy": ("delete_default_lifecycle_policy", _PATTERN),
    "DeleteExtensionRules": ("delete_extension_rules", _THERE),
    "DeleteImagePins": ("delete_image_pins", {"source": "nobody"}),
    "DeleteProtectionRules": ("delete_protection_rules", _THERE),
    "DeleteWebhook": ("delete_webhook", _WEBHOOK),
    "DescribeDefaultLifecyclePolicies": ("describe_default_lifecycle_policies", {}),
    "DescribeDeletions": ("describe_deletions", {}),
    "DescribeLifecycleRun": ("describe_lifecycle_run", _THERE | {"runId": 1}),
    "DescribePinFeeds": ("describe_pin_feeds", {}),
    "DescribePulls": ("describe_pulls", _THERE),
    "DiffLifecyclePolicy": ("diff_lifecycle_policy", _THERE | {"lifecyclePolicyText": policy(1)}),
    "EmptyTrash": ("empty_trash", {}),
    "ExplainAccess": ("explain_access", {"principal": "root", "action": "ecr:PutImage"}),
    "ExplainImage": ("explain_image", _THERE | {"imageIds": [{"imageDigest": DIGEST}]}),
    "ForecastLifecyclePolicy": ("forecast_lifecycle_policy", _THERE),
    "GetEffectiveLifecyclePolicy": ("get_effective_lifecycle_policy", _THERE),
    "GetExtensionRules": ("get_extension_rules", _THERE),
    "GetProtectionRules": ("get_protection_rules", _THERE),
    "LintLifecyclePolicy": ("lint_lifecycle_policy", _THERE),
    "ListImagePins": ("list_image_pins", {}),
    "ListDeadLetters": ("list_dead_letters", _WEBHOOK),
    "ListEvents": ("list_events", {}),
    "ListRepositorySummaries": ("list_repository_summaries", {}),
    "ListStorageSamples": ("list_storage_samples", {}),
    "ListLifecycleRuns": ("list_lifecycle_runs", _THERE),
    "ListTrash": ("list_trash", {}),
    "ListWebhooks": ("list_webhooks", {}),
    "PutDefaultLifecyclePolicy": (
        "put_default_lifecycle_policy",
        _PATTERN | {"lifecyclePolicyText": policy(1)},
    ),
    "PutExtensionRules": ("put_extension_rules", _THERE | {"extensionRulesText": UNPULLED}),
    "PutImagePins": ("put_image_pins", _IN_USE | {"source": "a-person"}),
    "PutProtectionRules": ("put_protection_rules", _THERE | {"protectionRulesText": RELEASES}),
    "PutWebhook": ("put_webhook", {"webhookName": "off", "url": "http://127.0.0.1:9/", "enabled": False}),
    "RedeliverDeadLetters": ("redeliver_dead_letters", _WEBHOOK),
    "ReportImagesInUse": ("report_images_in_use", _IN_USE | {"complete": False}),
    "RestoreImages": ("restore_images", {"runId": 2**40}),
    "RunLifecyclePolicy": ("run_lifecycle_policy", _THERE),
    "SimulateLifecyclePolicy": ("simulate_lifecycle_policy", _THERE),
    "TestWebhook": ("test_webhook", _WEBHOOK),
}
"""Operation to boto3's method and parameters."""

NOTHING_THERE = {
    "RepositoryNotFoundException",
    "DefaultLifecyclePolicyNotFoundException",
    "ImageNotInTrashException",
    "WebhookNotFoundException",
}

READS = {
    "DescribeDefaultLifecyclePolicies",
    "DescribeDeletions",
    "DescribeLifecycleRun",
    "DescribePinFeeds",
    "DescribePulls",
    "DiffLifecyclePolicy",
    "ExplainImage",
    "ForecastLifecyclePolicy",
    "GetEffectiveLifecyclePolicy",
    "GetExtensionRules",
    "GetProtectionRules",
    "LintLifecyclePolicy",
    "ListEvents",
    "ListImagePins",
    "ListRepositorySummaries",
    "ListStorageSamples",
    "ListLifecycleRuns",
    "ListTrash",
    "SimulateLifecyclePolicy",
}

REPORTS = {"DescribePinFeeds", "ListImagePins", "ReportImagesInUse"}
"""What a feed may do."""


@pytest.fixture
def images(ecr: Any, repository: str) -> dict[str, str]:
    """Four images, the oldest first: tag to digest."""
    return {
        tag: push(ecr, repository, image(f"{repository} {tag}", size=500), tag)
        for tag in ("v1", "pr-1", "pr-2", "v2")
    }


def test_every_operation_of_the_model_is_served() -> None:
    """Nothing is promised that is not there."""
    assert set(model.careen().model.operation_names) == CAREEN_OPERATIONS.keys() == SAMPLES.keys()


@pytest.mark.parametrize("operation", sorted(SAMPLES))
@pytest.mark.parametrize("held", ["PullOnly", "ReadOnly", "PowerUser", "FullAccess", "PinReporter"])
def test_permissions(as_holder: Callable[..., Any], held: str, operation: str) -> None:
    """Who may read policies may ask what they do; only who owns the registry may write; a feed reports."""
    method, parameters = SAMPLES[operation]
    may = {"PullOnly": set(), "PinReporter": REPORTS, "FullAccess": set(SAMPLES)}.get(held, READS)
    allowed = operation in may
    try:
        getattr(as_holder(held, "careen"), method)(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not allowed:
            resource = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{ABSENT}"
            where = resource if "repositoryName" in parameters else "*"
            message = error.response["Error"]["Message"]
            assert f"perform: {action_of(operation, 'careen')} on resource: {where}" in message
        assert (code == "AccessDeniedException") is not allowed
        assert allowed is (code in NOTHING_THERE)
    else:
        assert allowed
        assert "repositoryName" not in parameters


@pytest.mark.parametrize(
    "operation", sorted(name for name in SAMPLES if "repositoryName" in SAMPLES[name][1])
)
def test_a_repository_that_does_not_exist(careen: Any, operation: str) -> None:
    """Is refused by name, in ECR's sentence."""
    method, parameters = SAMPLES[operation]
    refused = refusal(getattr(careen, method), **parameters)
    assert refused.code == "RepositoryNotFoundException"
    assert f"'{ABSENT}'" in refused.message


def test_explain(careen: Any, ecr: Any, repository: str, images: dict[str, str]) -> None:
    """By tag and by digest, with the repository's policy or one to try; what is not there is a failure."""
    ids = [{"imageTag": "v1"}, {"imageDigest": images["v2"]}, {"imageTag": "gone"}]
    refused = refusal(careen.explain_image, repositoryName=repository, imageIds=ids)
    assert refused.code == "LifecyclePolicyNotFoundException"
    answer = careen.explain_image(repositoryName=repository, imageIds=ids, lifecyclePolicyText=policy(3))
    first, second = answer["explanations"]
    assert (first["imageDigest"], first["action"]) == (images["v1"], "EXPIRE")
    assert first["reason"] == "expires: rule 1 (any), 4th youngest of 4, keeps 3"
    assert (second["imageTags"], second["newerImagesNeeded"]) == (["v2"], 3)
    assert second["rules"][0]["rank"] == 1
    assert [each["imageId"] for each in answer["failures"]] == [{"imageTag": "gone"}]
    ecr.put_lifecycle_policy(
        repositoryName=repository,
        lifecyclePolicyText=policy(14, countType="sinceImagePushed", countUnit="days"),
    )
    [found] = careen.explain_image(repositoryName=repository, imageIds=ids[:1])["explanations"]
    days = (found["eligibleAt"] - answer["now"]).total_seconds() / 86_400
    assert 13.9 < days < 14.1
    mixed = [{"imageTag": "v1", "imageDigest": images["v2"]}]
    assert len(careen.explain_image(repositoryName=repository, imageIds=mixed)["failures"]) == 1


def test_an_age_beyond_the_calendar_has_no_date(careen: Any, repository: str, images: dict[str, str]) -> None:
    """Rather than one that no client can read."""
    text = policy(2_000_000_000, countType="sinceImagePushed", countUnit="days")
    [found] = careen.explain_image(
        repositoryName=repository, imageIds=[{"imageTag": "v1"}], lifecyclePolicyText=text
    )["explanations"]
    assert "eligibleAt" not in found
    assert found["imageDigest"] == images["v1"]


def test_simulate(careen: Any, repository: str, images: dict[str, str]) -> None:
    """A decision for every image, page by page; or only for those of some actions."""
    pages = careen.get_paginator("simulate_lifecycle_policy").paginate(
        repositoryName=repository, lifecyclePolicyText=policy(3), PaginationConfig={"PageSize": 1}
    )
    found = pages.build_full_result()
    assert {each["imageDigest"]: each["action"] for each in found["decisions"]} == {
        digest: "EXPIRE" if tag == "v1" else "KEEP" for tag, digest in images.items()
    }
    assert found["summary"]["EXPIRE"]["images"] == 1
    expiring = careen.simulate_lifecycle_policy(
        repositoryName=repository, lifecyclePolicyText=policy(3), filter={"actions": ["EXPIRE"]}
    )
    assert [each["rule"] for each in expiring["decisions"]] == ["rule 1 (any)"]
    assert expiring["planHash"] == found["planHash"]


def test_lint(careen: Any, ecr: Any, repository: str, images: dict[str, str]) -> None:
    """A policy alone, a policy with a repository's images, and the repository's own."""
    assert len(images) == 4
    wrong = policy(1, tagStatus="tagged", tagPrefixList=["v*"])
    [found] = careen.lint_lifecycle_policy(lifecyclePolicyText=wrong)["findings"]
    assert (found["code"], found["severity"], found["rulePriority"]) == ("wildcard-in-prefix", "error", 1)
    misses = policy(1, tagStatus="tagged", tagPatternList=["dev*"])
    assert careen.lint_lifecycle_policy(lifecyclePolicyText=misses)["findings"] == []
    [found] = careen.lint_lifecycle_policy(lifecyclePolicyText=misses, repositoryName=repository)["findings"]
    assert found["code"] == "matches-nothing"
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=misses)
    assert careen.lint_lifecycle_policy(repositoryName=repository)["findings"] == [found]
    assert refusal(careen.lint_lifecycle_policy).code == "InvalidParameterException"


def test_forecast(careen: Any, repository: str, images: dict[str, str]) -> None:
    """Every day with exact bytes, what is lost, and the pushes that were replayed."""
    parameters = {"repositoryName": repository, "lifecyclePolicyText": policy(2), "days": 3}
    answer = careen.forecast_lifecycle_policy(**parameters)
    assert [day["day"] for day in answer["days"]] == [0, 1, 2, 3]
    assert (answer["expired"], answer["exactBytes"], answer["losses"]) == (2, True, [])
    assert answer["days"][0]["freedBytes"] == answer["freedBytes"] > 1000
    assert "streams" not in answer
    [loss] = careen.forecast_lifecycle_policy(**parameters | {"lifecyclePolicyText": policy(1)})["losses"]
    assert (loss["family"], loss["day"], loss["imageDigest"]) == ("pr-*", 0, images["pr-2"])
    replayed = careen.forecast_lifecycle_policy(**parameters, replay=True)
    assert replayed["streams"] == [
        {"families": ["pr-*"], "pushesPerDay": 1.0},
        {"families": ["v*"], "pushesPerDay": 1.0},
    ]
    assert sum(day["arrived"] for day in replayed["days"]) == 6


def test_documents(careen: Any, ecr: Any, repository: str, images: dict[str, str]) -> None:
    """Put, get, effective, delete; a protected image survives what the policy says."""
    named = {"repositoryName": repository}
    careen.put_protection_rules(**named, protectionRulesText=RELEASES)
    careen.put_extension_rules(**named, extensionRulesText=UNPULLED)
    ecr.put_lifecycle_policy(**named, lifecyclePolicyText=policy(1))
    assert careen.get_protection_rules(**named)["protectionRulesText"] == RELEASES
    assert careen.get_extension_rules(**named)["extensionRulesText"] == UNPULLED
    effective = careen.get_effective_lifecycle_policy(**named)
    assert (effective["origin"], effective["protectionRulesText"]) == ("REPOSITORY", RELEASES)
    assert effective["extensionRulesText"] == UNPULLED
    found = {each["imageDigest"]: each for each in careen.simulate_lifecycle_policy(**named)["decisions"]}
    assert found[images["v1"]]["action"] == "PROTECTED"
    assert found[images["v1"]]["reason"].endswith("but protection rule releases keeps it")
    [explained] = careen.explain_image(**named, imageIds=[{"imageTag": "v1"}])["explanations"]
    assert explained["protection"] == {"rule": "releases", "reason": "protection rule releases keeps it"}
    assert [each["extension"] for each in explained["rules"]] == [False, True]
    careen.delete_protection_rules(**named)
    careen.delete_extension_rules(**named)
    assert refusal(careen.get_protection_rules, **named).code == "ProtectionRulesNotFoundException"
    assert refusal(careen.get_extension_rules, **named).code == "ExtensionRulesNotFoundException"


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("put_protection_rules", {"protectionRulesText": '{"rules":[{"name":"x"}]}'}),
        ("put_extension_rules", {"extensionRulesText": '{"rule":[]}'}),
        ("simulate_lifecycle_policy", {"lifecyclePolicyText": "x" * 100}),
        ("diff_lifecycle_policy", {"lifecyclePolicyText": "x" * 100}),
        ("forecast_lifecycle_policy", {"lifecyclePolicyText": "x" * 100}),
        ("apply_lifecycle_policy", {"lifecyclePolicyText": "x" * 100}),
        ("lint_lifecycle_policy", {"lifecyclePolicyText": "x" * 100}),
        ("explain_image", {"lifecyclePolicyText": "x" * 100, "imageIds": [{"imageTag": "a"}]}),
    ],
)
def test_what_is_no_document(careen: Any, repository: str, method: str, parameters: dict[str, Any]) -> None:
    """Is refused with the reason, whichever operation it is sent to."""
    refused = refusal(getattr(careen, method), repositoryName=repository, **parameters)
    assert refused.code == "InvalidParameterException"


def test_default_policies(careen: Any, ecr: Any, repository: str) -> None:
    """Hold where there is none, show as what holds, and are invisible to ECR's own operations."""
    pattern = f"{repository[:-1]}*"
    careen.put_default_lifecycle_policy(repositoryNamePattern=pattern, lifecyclePolicyText=policy(5))
    listed = careen.get_paginator("describe_default_lifecycle_policies").paginate().build_full_result()
    assert pattern in {each["repositoryNamePattern"] for each in listed["defaultLifecyclePolicies"]}
    effective = careen.get_effective_lifecycle_policy(repositoryName=repository)
    assert (effective["origin"], effective["repositoryNamePattern"]) == ("DEFAULT", pattern)
    assert (
        refusal(ecr.get_lifecycle_policy, repositoryName=repository).code
        == "LifecyclePolicyNotFoundException"
    )
    careen.delete_default_lifecycle_policy(repositoryNamePattern=pattern)
    assert careen.get_effective_lifecycle_policy(repositoryName=repository)["origin"] == "NONE"
    gone = refusal(careen.delete_default_lifecycle_policy, repositoryNamePattern=pattern)
    assert gone.code == "DefaultLifecyclePolicyNotFoundException"


def test_diff_then_apply(careen: Any, ecr: Any, repository: str, images: dict[str, str]) -> None:
    """A policy that takes a family's last image is applied only by its reviewed hash, and does what was reviewed."""
    named = {"repositoryName": repository}
    ecr.put_lifecycle_policy(**named, lifecyclePolicyText=policy(3))
    keep_releases = policy(1, tagStatus="tagged", tagPatternList=["pr-*"])
    found = careen.diff_lifecycle_policy(**named, lifecyclePolicyText=keep_releases)
    assert [each["imageDigest"] for each in found["doomed"]] == [images["pr-1"]]
    assert [each["imageDigest"] for each in found["saved"]] == [images["v1"]]
    assert (found["images"], found["share"], found["breaches"]) == (4, 0.25, [])
    all_pr = policy(1, tagStatus="any")
    found = careen.diff_lifecycle_policy(**named, lifecyclePolicyText=all_pr)
    assert [each["code"] for each in found["breaches"]] == ["LAST_OF_FAMILY"]
    refused = refusal(careen.apply_lifecycle_policy, **named, lifecyclePolicyText=all_pr)
    assert refused.code == "BlastRadiusExceededException"
    assert "pr-*" in refused.message
    assert refused.members["planHash"] == found["planHash"]
    push(ecr, repository, image("later"), "v3")
    accepted = {"lifecyclePolicyText": all_pr, "planHash": found["planHash"]}
    assert refusal(careen.apply_lifecycle_policy, **named, **accepted).code == "PlanChangedException"
    assert json.loads(ecr.get_lifecycle_policy(**named)["lifecyclePolicyText"]) == json.loads(policy(3))
    again = careen.diff_lifecycle_policy(**named, lifecyclePolicyText=all_pr)
    applied = careen.apply_lifecycle_policy(**named, lifecyclePolicyText=all_pr, planHash=again["planHash"])
    assert (applied["expired"], applied["skipped"]) == (4, 0)
    assert json.loads(ecr.get_lifecycle_policy(**named)["lifecyclePolicyText"]) == json.loads(all_pr)
    assert [each["imageTag"] for each in ecr.list_images(**named)["imageIds"]] == ["v3"]


def test_runs(careen: Any, ecr: Any, repository: str, images: dict[str, str]) -> None:
    """A run of what holds does what was reviewed, is kept with every decision, and is taken back by its number."""
    named = {"repositoryName": repository}
    assert refusal(careen.run_lifecycle_policy, **named).code == "LifecyclePolicyNotFoundException"
    assert careen.list_lifecycle_runs(**named)["runs"] == []
    ecr.put_lifecycle_policy(**named, lifecyclePolicyText=policy(2))
    outdated = refusal(careen.run_lifecycle_policy, **named, planHash=f"sha256:{'0' * 64}")
    assert outdated.code == "PlanChangedException"
    reviewed = careen.simulate_lifecycle_policy(**named)["planHash"]
    ran = careen.run_lifecycle_policy(**named, planHash=reviewed)
    assert (ran["expired"], ran["planHash"]) == (2, reviewed)
    again = careen.run_lifecycle_policy(**named)
    assert (again["expired"], "runId" in again) == (0, False)
    ecr.put_lifecycle_policy(**named, lifecyclePolicyText=policy(1))
    refused = refusal(careen.run_lifecycle_policy, **named)
    assert refused.code == "BlastRadiusExceededException"
    accepted = {"planHash": refused.members["planHash"], "lifecyclePolicyText": policy(1)}
    second = careen.apply_lifecycle_policy(**named, **accepted)

    listed = careen.get_paginator("list_lifecycle_runs").paginate(**named, PaginationConfig={"PageSize": 1})
    found = listed.build_full_result()["runs"]
    assert [each["runId"] for each in found] == [second["runId"], ran["runId"]]
    assert found[1]["outcomes"]["EXPIRED"]["images"] == 2
    assert (found[1]["images"], found[1]["repositoryName"]) == (4, repository)
    assert ran["runId"] in {each["runId"] for each in careen.list_lifecycle_runs()["runs"]}

    one = {"repositoryName": repository, "runId": ran["runId"]}
    described = careen.get_paginator("describe_lifecycle_run").paginate(
        **one, PaginationConfig={"PageSize": 1}
    )
    actions = described.build_full_result()["actions"]
    assert [each["imageDigest"] for each in actions] == [images["v1"], images["pr-1"]]
    assert actions[0]["reason"] == "expires: rule 1 (any), 4th youngest of 4, keeps 2"
    assert {each["outcome"] for each in actions} == {"EXPIRED"}
    assert careen.describe_lifecycle_run(**one)["run"] == found[1]
    unknown = refusal(careen.describe_lifecycle_run, repositoryName=repository, runId=2**40)
    assert unknown.code == "LifecycleRunNotFoundException"

    restored = careen.restore_images(runId=ran["runId"])["images"]
    assert {each["imageDigest"] for each in restored} == {images["v1"], images["pr-1"]}


def test_the_aws_cli_learns_the_service(
    server: Server, repository: str, images: dict[str, str], tmp_path: Path
) -> None:
    """By `aws configure add-model` with the file that the package carries, or by a path to it; then `aws careen …`."""
    environment = server.aws_environment() | {"HOME": str(tmp_path), "AWS_ENDPOINT_URL_CAREEN": server.url}
    source = OWN_MODELS / "careen" / "2026-11-23" / "service-2.json"

    def aws(*command: str) -> Any:
        done = subprocess.run(
            [AWS, *command], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    aws("configure", "add-model", "--service-model", f"file://{source}", "--service-name", "careen")
    named = ("--repository-name", repository, "--lifecycle-policy-text", policy(3))
    found = aws("careen", "explain-image", *named, "--image-ids", "imageTag=v1")
    assert found["explanations"][0]["imageDigest"] == images["v1"]
    printed = program.run("model", env=clean_environment())
    environment |= {"AWS_DATA_PATH": printed.stdout.strip(), "HOME": str(tmp_path / "another")}
    assert aws("careen", "explain-image", *named, "--image-ids", "imageTag=v1") is not None


def test_repositories_at_a_glance(careen: Any, ecr: Any, repository: str, images: dict[str, str]) -> None:
    """Found by a part of the name, with what is in it, what it costs, and where its policy comes from."""
    assert images
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "pr-1"}])
    push(ecr, repository, image(f"{repository} loose", size=500))
    found = careen.list_repository_summaries(nameContains=repository, publicRepositories=False)
    (listed,) = found["repositories"]
    sizes = {blob for tag in ("v1", "pr-2", "v2") for blob in image(f"{repository} {tag}", size=500).blobs}
    sizes |= set(image(f"{repository} loose", size=500).blobs)
    assert found["repositoryCount"] == 1
    assert (listed["repositoryName"], listed["policyOrigin"], listed["publicRepository"]) == (
        repository,
        "NONE",
        False,
    )
    assert (listed["imageCount"], listed["untaggedImageCount"]) == (4, 1)
    assert listed["sizeInBytes"] == sum(map(len, sizes))
    assert listed["monthlyCost"] == pytest.approx(listed["sizeInBytes"] / 2**30 * 0.1)
    assert listed["lastPushedAt"] >= listed["createdAt"]
    assert "lastPulledAt" not in listed


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("column", ["NAME", "CREATED", "SIZE", "PULLED"])
def test_repositories_in_pages(careen: Any, ecr: Any, column: str, *, descending: bool) -> None:
    """The paginator goes through all of them, whatever they are sorted by; a token is good for its own order alone."""
    part = f"glance-{column.lower()}-{descending}".lower()
    names = [f"{part}/{each}" for each in "abc"]
    for name in names:
        ecr.create_repository(repositoryName=name)
    asked = {"nameContains": part, "sortBy": column, "descending": descending}
    pages = careen.get_paginator("list_repository_summaries").paginate(
        **asked, PaginationConfig={"PageSize": 2}
    )
    found = [each["repositoryName"] for page in pages for each in page["repositories"]]
    assert sorted(found) == names
    if column in {"NAME", "CREATED"}:
        assert found == sorted(names, reverse=descending)
    token = careen.list_repository_summaries(**asked, maxResults=1)["nextToken"]
    other = asked | {"descending": not descending, "nextToken": token}
    assert refusal(careen.list_repository_summaries, **other).code == "InvalidParameterException"


def test_storage_over_time(careen: Any) -> None:
    """The registry measures when it starts; what it found is there by hour, the latest first, within any time."""
    samples = found(lambda: careen.list_storage_samples()["samples"], "nothing is measured")
    latest = samples[0]
    assert latest["takenBytes"] > 0
    assert latest["monthlyCost"] == pytest.approx(latest["takenBytes"] / 2**30 * 0.1)
    at = latest["sampledAt"]
    assert careen.list_storage_samples(startTime=at, endTime=at)["samples"] == [latest]
    assert careen.list_storage_samples(endTime=at - dt.timedelta(seconds=1))["samples"] == samples[1:]
    assert careen.list_storage_samples(startTime=at + dt.timedelta(seconds=1))["samples"] == []
