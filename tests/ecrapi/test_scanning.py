"""Scanning through ECR's API: with a scanner that is a program, with one that is an adapter, and with none."""

import json
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from careen.clock import SECOND, parse_instant
from careen.registry.scans import NO_SCANNER
from tests.ecrapi.client import oci_get, push, refusal, strict
from tests.findings.samples import HARBOR, SARIF_OF_TRIVY, encoded
from tests.images import Built, artifact, image, index
from tests.scanners import adapter, program
from tests.server import REGION, REGISTRY_ID, Server, running
from tests.waiting import found, until

AWS = Path(sysconfig.get_path("scripts")) / "aws"
QUICKLY = {"Delay": 0.05, "MaxAttempts": 2000}
BUILT = image("scanned")


def command(what: str) -> str:
    """The setting for the scanner of the tests."""
    return f"{shlex.join([sys.executable, program.__file__, what])} {{image}}"


@pytest.fixture(scope="module")
def behaviour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that says what the scanner does."""
    return tmp_path_factory.mktemp("scanner") / "behaviour"


@pytest.fixture(scope="module")
def with_scanner(behaviour: Path) -> Iterator[Server]:
    """A registry whose scanner does what the file says."""
    with running(behaviour.parent / "data", scanner=command(f"as={behaviour}")) as started:
        yield started


@pytest.fixture(autouse=True)
def usual_behaviour(behaviour: Path) -> None:
    """The scanner finds twenty-five things in every image, after it has pulled all of it."""
    behaviour.write_text("trivy=25")


@pytest.fixture(scope="module")
def ecr(with_scanner: Server) -> Any:
    """Its client."""
    return strict(with_scanner.boto())


def wait(ecr: Any, repository: str, tag: str = "1") -> dict[str, Any]:
    """Wait with botocore's own waiter. Returns all findings, page by page."""
    named = {"repositoryName": repository, "imageId": {"imageTag": tag}}
    ecr.get_waiter("image_scan_complete").wait(**named, WaiterConfig=QUICKLY)
    answer: dict[str, Any] = ecr.describe_image_scan_findings(**named)
    del answer["ResponseMetadata"]
    return answer


def failed(ecr: Any, repository: str, tag: str = "1") -> str:
    """Wait for a scan that must fail. Returns why."""
    named = {"repositoryName": repository, "imageId": {"imageTag": tag}}
    with pytest.raises(WaiterError):
        ecr.get_waiter("image_scan_complete").wait(**named, WaiterConfig=QUICKLY)
    status = ecr.describe_image_scan_findings(**named)["imageScanStatus"]
    assert status["status"] == "FAILED"
    return str(status["description"])


def details(ecr: Any, repository: str, built: Built = BUILT) -> dict[str, Any]:
    """What DescribeImages says of an image when it lists all."""
    listed = ecr.describe_images(repositoryName=repository)["imageDetails"]
    [detail] = [each for each in listed if each["imageDigest"] == built.digest]
    return dict(detail)


# Scans.
def test_an_image_is_scanned_on_demand(ecr: Any, repository: str, with_scanner: Server) -> None:
    """Asked for, waited for with the SDK's waiter, described; and the scanner's pulls are no use of the image."""
    push(ecr, repository, BUILT, "1")
    named = {"repositoryName": repository, "imageId": {"imageTag": "1"}}
    image_id = {"imageDigest": BUILT.digest, "imageTag": "1"}
    started = ecr.start_image_scan(**named)
    del started["ResponseMetadata"]
    assert started == {
        "registryId": REGISTRY_ID,
        "repositoryName": repository,
        "imageId": image_id,
        "imageScanStatus": {"status": "IN_PROGRESS"},
    }
    answer = wait(ecr, repository)
    found = answer.pop("imageScanFindings")
    assert answer == {
        "registryId": REGISTRY_ID,
        "repositoryName": repository,
        "imageId": image_id,
        "imageScanStatus": {"status": "COMPLETE", "description": "The scan was completed successfully."},
    }
    assert found["findingSeverityCounts"] == {"CRITICAL": 3, "LOW": 22}
    assert found["findings"][0] == {
        "name": "CVE-2026-0000",
        "severity": "CRITICAL",
        "attributes": [{"key": "package_version", "value": "1.2"}, {"key": "package_name", "value": "musl"}],
    }
    detail = details(ecr, repository)
    assert detail["imageScanStatus"] == answer["imageScanStatus"]
    assert detail["imageScanFindingsSummary"] == {
        "imageScanCompletedAt": found["imageScanCompletedAt"],
        "findingSeverityCounts": {"CRITICAL": 3, "LOW": 22},
    }
    [described] = ecr.describe_images(repositoryName=repository, imageIds=[image_id])["imageDetails"]
    assert described["imageScanFindingsSummary"] == detail["imageScanFindingsSummary"]
    oci_get(with_scanner, repository, "1")
    careen = with_scanner.boto("careen")

    def pulls() -> int:
        [pulled] = careen.describe_pulls(repositoryName=repository)["images"]
        return int(pulled.get("pullCount", 0))

    until(lambda: pulls() > 0)
    assert pulls() == 1


def test_findings_come_in_pages(ecr: Any, repository: str) -> None:
    """In one order, each once, and the last page without a token; of another scan a token is refused."""
    push(ecr, repository, BUILT, "1")
    named = {"repositoryName": repository, "imageId": {"imageDigest": BUILT.digest}}
    ecr.start_image_scan(**named)
    whole = [each["name"] for each in wait(ecr, repository)["imageScanFindings"]["findings"]]
    pages = list(
        ecr.get_paginator("describe_image_scan_findings").paginate(**named, PaginationConfig={"PageSize": 10})
    )
    assert [len(page["imageScanFindings"]["findings"]) for page in pages] == [10, 10, 5]
    assert [each["name"] for page in pages for each in page["imageScanFindings"]["findings"]] == whole
    refused = refusal(ecr.describe_image_scan_findings, **named, nextToken="bm9uZQ==")
    assert refused.code == "InvalidParameterException"


def test_what_cannot_be_scanned_is_refused(ecr: Any, repository: str) -> None:
    """Each with the error that ECR models for it."""
    built = image("amd64")
    push(ecr, repository, built, "1")
    push(ecr, repository, index(built), "index")
    by_tag = {"repositoryName": repository, "imageId": {"imageTag": "1"}}
    never = refusal(ecr.describe_image_scan_findings, **by_tag)
    assert never.code == "ScanNotFoundException"
    assert never.message == (
        "Image scan does not exist for the image with '{imageDigest:'null', imageTag:'1'}' in the repository with name"
        f" '{repository}' in the registry with id '{REGISTRY_ID}'"
    )
    unsupported = refusal(ecr.start_image_scan, repositoryName=repository, imageId={"imageTag": "index"})
    assert unsupported.code == "UnsupportedImageTypeException"
    for call in (ecr.start_image_scan, ecr.describe_image_scan_findings):
        for image_id in ({"imageTag": "none"}, {}):
            assert refusal(call, repositoryName=repository, imageId=image_id).code == "ImageNotFoundException"
    ecr.start_image_scan(**by_tag)
    again = refusal(ecr.start_image_scan, **by_tag)
    assert (again.code, again.message) == (
        "LimitExceededException",
        "The scan quota per image has been exceeded. Wait and try again.",
    )
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "index"}])
    ecr.update_image_storage_class(**by_tag, targetStorageClass="ARCHIVE")
    assert refusal(ecr.start_image_scan, **by_tag).code == "ImageArchivedException"
    archived = ecr.describe_image_scan_findings(**by_tag)
    assert archived["imageScanStatus"]["status"] == "IMAGE_ARCHIVED"
    assert "imageScanFindings" not in archived


def test_an_image_is_scanned_on_push(ecr: Any, repository: str) -> None:
    """When the repository says so, in either of the two ways to say it."""
    answer = ecr.put_image_scanning_configuration(
        repositoryName=repository, imageScanningConfiguration={"scanOnPush": True}
    )
    assert (answer["registryId"], answer["imageScanningConfiguration"]) == (REGISTRY_ID, {"scanOnPush": True})
    [described] = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    assert described["imageScanningConfiguration"] == {"scanOnPush": True}
    push(ecr, repository, BUILT, "1")
    assert wait(ecr, repository)["imageScanFindings"]["findings"]
    created = f"{repository}-2"
    ecr.create_repository(repositoryName=created, imageScanningConfiguration={"scanOnPush": True})
    push(ecr, created, BUILT, "1")
    assert wait(ecr, created)["imageScanFindings"]["findings"]


def test_the_aws_cli_waits_for_a_scan(with_scanner: Server, ecr: Any, repository: str) -> None:
    """`aws ecr start-image-scan`, `aws ecr wait image-scan-complete`, `aws ecr describe-image-scan-findings`."""
    push(ecr, repository, BUILT, "1")
    for words in (["start-image-scan"], ["wait", "image-scan-complete"], ["describe-image-scan-findings"]):
        done = subprocess.run(
            [AWS, "ecr", *words, "--repository-name", repository, "--image-id", "imageTag=1"],
            env=with_scanner.aws_environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert json.loads(done.stdout)["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 3, "LOW": 22}


def test_a_report_that_was_pushed_is_described(server: Server, name: str) -> None:
    """On a registry without a scanner, whose own scan has failed."""
    ecr = strict(server.boto())
    ecr.create_repository(repositoryName=name, imageScanningConfiguration={"scanOnPush": True})
    push(ecr, name, BUILT, "1")
    assert failed(ecr, name) == NO_SCANNER
    push(ecr, name, artifact("application/sarif+json", BUILT, encoded(SARIF_OF_TRIVY)))
    until(lambda: details(ecr, name)["imageScanStatus"]["status"] == "COMPLETE")
    answer = wait(ecr, name)
    assert "a report of Trivy that was pushed: sha256:" in answer["imageScanStatus"]["description"]
    assert answer["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1, "MEDIUM": 1}


# Scanners.
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("fail", "The scanner ended with status 3: FATAL cannot open the database"),
        ("garbage", "The scanner's report cannot be read: it is no JSON object: "),
        ("elsewhere=OTHER", "The scanner ended with status 1: refused with 403"),
    ],
)
def test_a_scanner_that_fails_fails_the_scan(
    ecr: Any, repository: str, behaviour: Path, what: str, reason: str
) -> None:
    """The reason is in the status; its credential opens no other repository."""
    behaviour.write_text(what.replace("OTHER", f"{repository}/other"))
    push(ecr, f"{repository}/other", BUILT, "1")
    push(ecr, repository, BUILT, "1")
    ecr.start_image_scan(repositoryName=repository, imageId={"imageTag": "1"})
    assert failed(ecr, repository).startswith(reason)


def test_an_adapter_scans(tmp_path: Path) -> None:
    """The registry tells it where the image is and how to get in, and reads its report."""
    with adapter.running(HARBOR) as scanner, running(tmp_path / "data", scanner=scanner.url) as server:
        ecr = strict(server.boto())
        ecr.create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
        push(ecr, "team/app", BUILT, "1")
        assert wait(ecr, "team/app")["imageScanFindings"]["findingSeverityCounts"] == {
            "CRITICAL": 1,
            "LOW": 1,
        }
        assert scanner.pulled == [BUILT.digest]


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_scan_goes_on_after_a_restart(tmp_path: Path, how: signal.Signals) -> None:
    """The scanner ends with the server, however that ends; the next one scans at once."""
    server = Server(tmp_path / "data", scanner=command(f"wait={tmp_path}"))
    server.start()
    try:
        ecr = strict(server.boto())
        ecr.create_repository(repositoryName="team/app", imageScanningConfiguration={"scanOnPush": True})
        push(ecr, "team/app", BUILT, "1")
        first = _begun(tmp_path)
        server.stop(how)
        until(lambda: not Path(f"/proc/{first}").exists(), "the scanner goes on")
        (tmp_path / "begun").unlink()
        server.start()
        assert details(ecr, "team/app")["imageScanStatus"]["status"] == "IN_PROGRESS"
        assert _begun(tmp_path) != first
        (tmp_path / "go").touch()
        assert len(wait(ecr, "team/app")["imageScanFindings"]["findings"]) == 1
    finally:
        server.stop()


def _begun(folder: Path) -> int:
    """Wait until the scanner has begun. Returns its process."""
    begun = folder / "begun"
    return int(found(lambda: begun.read_text() if begun.exists() else "", "the scanner does not begin"))


# Configuration.
def test_a_registry_has_rules(ecr: Any, name: str, behaviour: Path) -> None:
    """None at first; what was put is answered, holds for repositories by their names, and for those to come."""
    behaviour.write_text("grype")
    meant, other = f"{name}/meant", f"{name}/other"
    before = ecr.get_registry_scanning_configuration()
    none = {"scanType": "BASIC", "rules": []}
    assert (before["registryId"], before["scanningConfiguration"]) == (REGISTRY_ID, none)
    filters = [{"filter": f"{name}/m*", "filterType": "WILDCARD"}]
    rules = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": filters}]
    wanted = {"scanType": "BASIC", "rules": rules}
    assert ecr.put_registry_scanning_configuration(**wanted)["registryScanningConfiguration"] == wanted
    assert ecr.get_registry_scanning_configuration()["scanningConfiguration"] == wanted
    for repository in (meant, other):
        push(ecr, repository, BUILT, "1")
    answer = ecr.batch_get_repository_scanning_configuration(repositoryNames=[meant, other, "none"])
    assert answer["scanningConfigurations"] == [
        {
            "repositoryArn": f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/{repository}",
            "repositoryName": repository,
            "scanOnPush": on_push,
            "scanFrequency": "SCAN_ON_PUSH" if on_push else "MANUAL",
            "appliedScanFilters": filters if on_push else [],
        }
        for repository, on_push in ((meant, True), (other, False))
    ]
    reason = f"The repository with name 'none' does not exist in the registry with id '{REGISTRY_ID}'"
    assert answer["failures"] == [
        {"repositoryName": "none", "failureCode": "REPOSITORY_NOT_FOUND", "failureReason": reason}
    ]
    found = wait(ecr, meant)["imageScanFindings"]
    assert [each["name"] for each in found["findings"]] == ["CVE-2026-1"]
    assert found["vulnerabilitySourceUpdatedAt"].timestamp() == parse_instant("2026-11-01T00:00:00Z") / SECOND
    assert "imageScanStatus" not in details(ecr, other)
    put = ecr.put_registry_scanning_configuration()
    assert put["registryScanningConfiguration"] == none


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"scanType": "ENHANCED"}, "This registry offers BASIC scanning. ENHANCED"),
        (
            {"rules": [{"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": []}]},
            "The scan frequency CONTINUOUS_SCAN goes with ENHANCED scanning only",
        ),
    ],
)
def test_enhanced_scanning_is_refused(ecr: Any, wanted: dict[str, Any], sentence: str) -> None:
    """It is Amazon Inspector's, and what it answers nobody here could find out."""
    refused = refusal(ecr.put_registry_scanning_configuration, **wanted)
    assert refused.code == "ValidationException"
    assert refused.message.startswith(sentence)
