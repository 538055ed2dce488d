"""Scans of images: asked for, done by a worker with the configured scanner, described in ECR's form.

Careen has no scanner of its own. Without one, a scan that is asked for fails and says so; no finding is ever made up. The findings
of the latest scan that completed are kept until another completes. A report that somebody pushed for an image
(``registry/reports.py``) is described like a scan, unless a scan of our own is newer.
"""

import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import structlog

from careen import figures
from careen.clock import DAY, SECOND, Instant, system_now
from careen.db import images as image_rows
from careen.db import jobs, scans
from careen.db import repositories as repository_rows
from careen.db.images import ImageRow
from careen.db.repositories import Repository
from careen.db.scans import Scan
from careen.ecr import errors
from careen.ecr import events as ecr_events
from careen.faults import Point, reach
from careen.findings import finding, formats
from careen.findings.finding import Finding
from careen.findings.report import Report, UnreadableReport
from careen.oci import manifest as manifests
from careen.oci.manifest import Manifest
from careen.registry import callers, events, scanning
from careen.registry.registry import Registry, Transaction
from careen.scanners.scanner import ScanFailed, Target, Watch
from careen.scanners.scanner import Stopped as Stopped

JOB = "scan"

IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"
IMAGE_ARCHIVED = "IMAGE_ARCHIVED"

EVERY = DAY
"""How often an image can be scanned (service model, StartImageScan)."""

SLACK = 60 * SECOND
"""How much longer than a scan may take its credential is good."""

SUCCESS = "The scan was completed successfully."
"""As on Amazon ECR (AWS CLI reference, describe-image-scan-findings)."""

STARTED = "The scan is in progress."

NO_SCANNER = "This registry has no scanner. Its operator can set one (CAREEN_SCANNER); findings can be pushed as a report."

GAVE_UP = "The scan was begun several times and never ended."

log = structlog.get_logger()


class State(NamedTuple):
    """What is known of an image, as ECR describes it."""

    status: str
    description: str
    completed_at: Instant | None
    """When the findings were found; None: there are none yet."""
    source_updated_at: Instant | None
    counts: dict[str, int]
    findings_of: int | None
    """The manifest whose findings they are, the image or a report; None: there are none yet."""


def start(tx: Transaction, row: ImageRow) -> None:
    """Ask a worker to scan an image.

    Raises:
        careen.ecr.errors.ImageArchived: it is not in the standard storage class.
        careen.ecr.errors.UnsupportedImageType: it is an index, or an artifact that is no container image.
        careen.ecr.errors.LimitExceeded: it was scanned within :data:`EVERY`, or is being scanned. A failure does not count.
    """
    if row.status != image_rows.ACTIVE:
        raise errors.ImageArchived(row.digest)
    if not _is_container_image(tx, row):
        raise errors.UnsupportedImageType(row.artifact_type or row.media_type)
    last = scans.of_image(tx.rows, row.id)
    if last is not None and last.status != FAILED and tx.now - last.started_at < EVERY:
        raise errors.LimitExceeded("The scan quota per image has been exceeded. Wait and try again.")
    _begin(tx, row)


def arrived(tx: Transaction, repository: Repository, row: ImageRow, manifest: Manifest) -> None:
    """An image has come: have it scanned if the rules say so."""
    if manifest.is_container_image and scanning.of_repository(tx, repository).scan_on_push:
        _begin(tx, row)


def restored(tx: Transaction, manifest_id: int) -> None:
    """An image has come back from the archive: forget what was found before, and have it scanned if the rules say so.

    As on Amazon ECR (user guide, "Restoring an image").
    """
    scans.forget(tx.rows, manifest_id)
    row = image_rows.by_id(tx.rows, manifest_id)
    repository = None if row is None else repository_rows.by_id(tx.rows, row.repository_id)
    manifest = None if row is None else _manifest(tx, row)
    if row is not None and repository is not None and manifest is not None:
        arrived(tx, repository, row, manifest)


def _begin(tx: Transaction, row: ImageRow) -> None:
    scans.begin(tx.rows, row.id, STARTED, tx.now)
    jobs.enqueue(tx.rows, JOB, str(row.id), tx.now)
    reach(Point.SCAN_BEGUN)


def _is_container_image(tx: Transaction, row: ImageRow) -> bool:
    manifest = _manifest(tx, row)
    return manifest is not None and manifest.is_container_image


def _manifest(tx: Transaction, row: ImageRow) -> Manifest | None:
    """None: its bytes are damaged."""
    content = image_rows.content(tx.rows, row.id)
    return None if content is None else manifests.parse(content, row.media_type)


def state(tx: Transaction, row: ImageRow) -> State | None:
    """What is known of an image; None: nobody has scanned it, and no report on it was pushed."""
    own = scans.of_image(tx.rows, row.id)
    report = scans.latest_report(tx.rows, row.repository_id, row.digest)
    shown = _shown(own, report)
    if shown is None:
        return None
    if row.status != image_rows.ACTIVE:
        return State(IMAGE_ARCHIVED, "The image is archived.", None, None, {}, None)
    counts = msgspec.json.decode(shown.counts, type=dict[str, int]) if shown.counts else {}
    known = None if shown.completed_at is None else shown.manifest_id
    return State(shown.status, shown.description, shown.completed_at, shown.source_updated_at, counts, known)


def _shown(own: Scan | None, report: Scan | None) -> Scan | None:
    """The one with the newer findings; but a scan that is under way is waited for."""
    if own is None or report is None:
        return own or report
    is_newer = own.status == IN_PROGRESS or (own.completed_at or 0) > (report.completed_at or 0)
    return own if is_newer else report


def findings(tx: Transaction, found: State) -> Sequence[Finding]:
    """The findings of an image, the worst first."""
    content = None if found.findings_of is None else scans.findings(tx.rows, found.findings_of)
    return () if content is None else msgspec.json.decode(zlib.decompress(content), type=tuple[Finding, ...])


def run(
    registry: Registry, manifest_id: int, stop: threading.Event, keep: Callable[[], bool] = lambda: True
) -> None:
    """A worker's part of a scan: hand the image to the scanner, keep what it finds. Nothing is done if no scan is asked for.

    Args:
        registry: the registry, with its scanner.
        manifest_id: the image.
        stop: set by whoever wants the worker to end.
        keep: asked every half minute whether the scan is still ours.

    Raises:
        Stopped: before there was a report. The scan is still asked for.
    """
    found = registry.read(_asked, manifest_id)
    if found is None:
        return
    scan, row, repository, tag = found
    scanner = registry.scanner
    if scanner is None:
        registry.write_now(_fail, scan, NO_SCANNER)
        return
    lifetime = round(scanner.timeout * SECOND) + SLACK
    target = Target(
        scanner.registry,
        repository,
        row.digest,
        tag,
        row.media_type,
        callers.TOKEN_USER,
        callers.mint_pull(registry, repository, system_now() + lifetime),
    )
    try:
        report = formats.read(scanner.scan(target, Watch(stop, keep)))
    except ScanFailed as error:
        figures.SCANS.add("failed")
        registry.write_now(_fail, scan, str(error))
    except UnreadableReport as error:
        figures.SCANS.add("unreadable")
        log.warning("the scanner's report cannot be read", image=target.reference, reason=str(error))
        registry.write_now(_fail, scan, f"The scanner's report cannot be read: {error}")
    else:
        figures.SCANS.add("complete")
        registry.write_now(_complete, scan, report)


def _asked(tx: Transaction, manifest_id: int) -> tuple[Scan, ImageRow, str, str | None] | None:
    """The scan that is under way, its image, the repository's name and a tag; None: the image is gone, or no scan is asked for."""
    scan = scans.of_image(tx.rows, manifest_id)
    row = image_rows.by_id(tx.rows, manifest_id)
    if scan is None or scan.status != IN_PROGRESS or row is None:
        return None
    repository = repository_rows.by_id(tx.rows, row.repository_id)
    tags = image_rows.tags_of(tx.rows, row.id)
    return None if repository is None else (scan, row, repository.name, tags[0] if tags else None)


def _complete(tx: Transaction, scan: Scan, report: Report) -> None:
    completed = described(scan, report, SUCCESS, tx.now)
    scans.complete(tx.rows, completed, compressed(report))
    _tell(tx, scan, COMPLETE, finding.counts(report.findings))
    reach(Point.SCAN_KEPT)


def _fail(tx: Transaction, scan: Scan, why: str) -> None:
    scans.fail(tx.rows, scan, why)
    _tell(tx, scan, FAILED, {})
    reach(Point.SCAN_KEPT)


def _tell(tx: Transaction, scan: Scan, status: str, severities: Mapping[str, int]) -> None:
    """An event for the end of a scan, if its image is still there."""
    if (named := image_rows.named(tx.rows, scan.manifest_id)) is not None:
        tags = image_rows.tags_of(tx.rows, scan.manifest_id)
        events.record(tx, ecr_events.scanned(*named, tags, status, severities))


def give_up(tx: Transaction, manifest_id: int) -> None:
    """The worker has tried often enough."""
    asked = _asked(tx, manifest_id)
    if asked is not None:
        _fail(tx, asked[0], GAVE_UP)


def described(scan: Scan, report: Report, description: str, now: Instant) -> Scan:
    """A scan that completed with a report."""
    return scan._replace(
        status=COMPLETE,
        description=description,
        completed_at=now,
        source_updated_at=report.source_updated_at,
        counts=msgspec.json.encode(finding.counts(report.findings)).decode(),
    )


def compressed(report: Report) -> bytes:
    """The findings as they are kept: most of their text is in thousands of images, and packs to a tenth."""
    return zlib.compress(msgspec.json.encode(report.findings))
