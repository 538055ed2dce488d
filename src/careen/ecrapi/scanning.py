"""Scanning: what is scanned when, scans by hand, and what was found."""

from collections.abc import Sequence
from typing import Any

from careen.ecr import errors
from careen.ecr.pages import Listing
from careen.ecrapi.call import Call
from careen.ecrapi.images import require_image, scan_status, scan_summary
from careen.findings.finding import Finding
from careen.registry import repositories, scanning, scans
from careen.registry.images import ImageRow
from careen.registry.registry import Transaction
from careen.registry.scanning import Configured, Rule
from careen.registry.scans import State

Parameters = dict[str, Any]
Result = dict[str, Any]


async def put_image_scanning_configuration(call: Call, parameters: Parameters) -> Result:
    """PutImageScanningConfiguration, of a repository."""
    name = parameters["repositoryName"]
    wanted = parameters["imageScanningConfiguration"].get("scanOnPush", False)
    changed = await call.registry.write(scanning.put_repository, name, scan_on_push=wanted)
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "imageScanningConfiguration": {"scanOnPush": bool(changed.scan_on_push)},
    }


async def put_registry_scanning_configuration(call: Call, parameters: Parameters) -> Result:
    """PutRegistryScanningConfiguration. What the request leaves out is as if nothing had ever been set."""
    rules = [
        Rule(rule["scanFrequency"], tuple(each["filter"] for each in rule["repositoryFilters"]))
        for rule in parameters.get("rules", [])
    ]
    put = await call.registry.write(scanning.put_registry, parameters.get("scanType", scanning.BASIC), rules)
    return {"registryScanningConfiguration": _registry_configuration(put)}


async def get_registry_scanning_configuration(call: Call, _: Parameters) -> Result:
    """GetRegistryScanningConfiguration."""
    rules = call.registry.read(scanning.get_registry)
    return {"registryId": call.registry.id, "scanningConfiguration": _registry_configuration(rules)}


async def batch_get_repository_scanning_configuration(call: Call, parameters: Parameters) -> Result:
    """BatchGetRepositoryScanningConfiguration. Repositories that are not there are told apart, not refused."""
    found = call.registry.read(_configurations, parameters["repositoryNames"])
    return {
        "scanningConfigurations": [
            {
                "repositoryArn": call.arn(name),
                "repositoryName": name,
                "scanOnPush": configured.scan_on_push,
                "scanFrequency": scanning.SCAN_ON_PUSH if configured.scan_on_push else scanning.MANUAL,
                "appliedScanFilters": _written(configured.filters),
            }
            for name, configured in found.items()
            if configured is not None
        ],
        "failures": [
            {
                "repositoryName": name,
                "failureCode": "REPOSITORY_NOT_FOUND",
                "failureReason": str(errors.RepositoryNotFound(name, call.registry.id)),
            }
            for name, configured in found.items()
            if configured is None
        ],
    }


def _configurations(tx: Transaction, names: Sequence[str]) -> dict[str, Configured | None]:
    found = {name: repositories.find(tx, name) for name in names}
    return {
        name: None if repository is None else scanning.of_repository(tx, repository)
        for name, repository in found.items()
    }


def _registry_configuration(rules: Sequence[Rule]) -> Result:
    return {
        "scanType": scanning.BASIC,
        "rules": [
            {"scanFrequency": rule.frequency, "repositoryFilters": _written(rule.filters)} for rule in rules
        ],
    }


def _written(filters: Sequence[str]) -> list[dict[str, str]]:
    return [{"filter": text, "filterType": "WILDCARD"} for text in filters]


async def start_image_scan(call: Call, parameters: Parameters) -> Result:
    """StartImageScan: a worker scans; ask DescribeImageScanFindings."""
    name, image_id = parameters["repositoryName"], parameters["imageId"]
    row = await call.registry.write(_start, name, image_id)
    return _answer(call, name, row, image_id, imageScanStatus={"status": scans.IN_PROGRESS})


def _start(tx: Transaction, name: str, image_id: dict[str, str]) -> ImageRow:
    row = require_image(tx, repositories.require(tx, name), image_id)
    scans.start(tx, row)
    return row


async def describe_image_scan_findings(call: Call, parameters: Parameters) -> Result:
    """DescribeImageScanFindings. While another scan is under way the findings are those of the last that completed."""
    name, image_id = parameters["repositoryName"], parameters["imageId"]
    row, state, found = await call.registry.read_in_thread(_read, name, image_id)
    scope = f"DescribeImageScanFindings {name} {row.digest} {state.findings_of} {state.completed_at}"
    listing: Listing[int, tuple[int, Finding]] = Listing(scope, int, lambda numbered: numbered[0])
    page = listing.page(
        listing.of(list(enumerate(found, start=1))),
        next_token=parameters.get("nextToken"),
        max_results=parameters.get("maxResults"),
    )
    known = {**scan_summary(state), "findings": [_finding(each) for _, each in page.items]}
    return _answer(
        call,
        name,
        row,
        image_id,
        imageScanStatus=scan_status(state),
        imageScanFindings=None if state.completed_at is None else known,
        nextToken=page.next_token,
    )


def _read(tx: Transaction, name: str, image_id: dict[str, str]) -> tuple[ImageRow, State, Sequence[Finding]]:
    """The image, and status and findings of one and the same scan."""
    row = require_image(tx, repositories.require(tx, name), image_id)
    state = scans.state(tx, row)
    if state is None:
        raise errors.ScanNotFound(
            name, tx.registry_id, digest=image_id.get("imageDigest"), tag=image_id.get("imageTag")
        )
    return row, state, scans.findings(tx, state)


def _finding(found: Finding) -> Result:
    return {
        "name": found.name,
        "description": found.description,
        "uri": found.uri,
        "severity": found.severity.value,
        "attributes": [{"key": key, "value": value} for key, value in found.attributes.items()],
    }


def _answer(call: Call, name: str, row: ImageRow, image_id: dict[str, str], **members: Any) -> Result:
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "imageId": {"imageDigest": row.digest, "imageTag": image_id.get("imageTag")},
        **members,
    }
