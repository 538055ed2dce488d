"""Findings that somebody pushed for an image: a referrer that is a report, such as SARIF or CycloneDX.

A worker reads it after the push, once and bounded, and keeps what it says of its subject as it keeps a scan of our own. What cannot
be read is an artifact like any other.
"""

import structlog

from careen.db import images as image_rows
from careen.db import jobs, layers, scans
from careen.db import repositories as repository_rows
from careen.db.images import ImageRow
from careen.db.layers import Blob
from careen.db.scans import Scan
from careen.faults import Point, reach
from careen.findings import formats
from careen.findings.report import MAX_BYTES, Report, UnreadableReport
from careen.oci import manifest as manifests
from careen.oci.manifest import Descriptor, Manifest
from careen.registry.registry import Registry, Transaction
from careen.registry.scans import COMPLETE, compressed, described

JOB = "report"

log = structlog.get_logger()


def arrived(tx: Transaction, row: ImageRow, manifest: Manifest) -> None:
    """A manifest has come: have a worker read it if it is a report on another."""
    if _layer(manifest) is not None:
        jobs.enqueue(tx.rows, JOB, str(row.id), tx.now)


def _layer(manifest: Manifest) -> Descriptor | None:
    """The layer that has the report; None: the manifest is none, or refers to nothing."""
    if manifest.subject is None or manifest.is_container_image:
        return None
    if formats.may_be_report(manifest.artifact_type):
        return next(iter(manifest.layers), None)
    return next((layer for layer in manifest.layers if formats.may_be_report(layer.media_type)), None)


def read(registry: Registry, manifest_id: int) -> None:
    """A worker's part: read a report, keep what it says. Nothing is done if the manifest is gone, or the report damaged."""
    found = registry.read(_find, manifest_id)
    if found is None:
        return
    row, blob = found
    try:
        report = formats.read(_content(registry, blob))
    except UnreadableReport as error:
        log.info("a report that was pushed cannot be read", digest=row.digest, reason=str(error))
    except FileNotFoundError:  # collected, or lost, which the scrub tells
        pass
    else:
        registry.write_now(_keep, row, report)


def _find(tx: Transaction, manifest_id: int) -> tuple[ImageRow, Blob] | None:
    row = image_rows.by_id(tx.rows, manifest_id)
    content = None if row is None else image_rows.content(tx.rows, row.id)
    repository = None if row is None else repository_rows.by_id(tx.rows, row.repository_id)
    if row is None or content is None or repository is None:
        return None
    layer = _layer(manifests.parse(content, row.media_type))
    blob = None if layer is None else layers.linked(tx.rows, repository.name, layer.digest)
    return None if blob is None else (row, blob)


def _content(registry: Registry, blob: Blob) -> bytes:
    """At most one byte more than a report may have, which is refused for it."""
    if blob.content is not None:
        return blob.content
    return b"".join(registry.blobs.pieces(blob.digest, blob.generation, min(blob.size, MAX_BYTES + 1)))


def _keep(tx: Transaction, row: ImageRow, report: Report) -> None:
    if image_rows.by_id(tx.rows, row.id) is None:
        return
    began = Scan(row.id, COMPLETE, "", row.pushed_at, None, None, None)
    description = f"The findings are those of a report of {report.scanner} that was pushed: {row.digest}"
    scans.put_report(tx.rows, described(began, report, description, row.pushed_at), compressed(report))
    reach(Point.SCAN_KEPT)
