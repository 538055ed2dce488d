"""What scanners found in images, and what reports that were pushed say of their subjects."""

from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection

SCAN, REPORT = "SCAN", "REPORT"
"""Where findings come from: a scan of the image itself, or the manifest, which is a report on its subject."""


class Scan(NamedTuple):
    """A row of ``scans``."""

    manifest_id: int
    """Of the image; of a report, the report's own."""
    status: str
    """Of the latest scan."""
    description: str
    started_at: Instant
    """Of the latest scan; of a report, when it was pushed."""
    completed_at: Instant | None
    """Of the latest scan that completed. Its findings are kept until another completes."""
    source_updated_at: Instant | None
    counts: str | None
    """JSON ``findingSeverityCounts``."""


_COLUMNS = ", ".join(f"s.{field}" for field in Scan._fields)


def of_image(rows: Connection, manifest_id: int) -> Scan | None:
    """The scan of an image."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM scans s WHERE s.manifest_id = :id AND s.origin = 'SCAN'", {"id": manifest_id}
    ).fetchone()
    return None if row is None else Scan._make(row)


def latest_report(rows: Connection, repository_id: int, subject: str) -> Scan | None:
    """The active report on an image that was pushed last."""
    row = rows.execute(
        f"SELECT {_COLUMNS} FROM manifests m JOIN scans s ON s.manifest_id = m.id AND s.origin = 'REPORT'"
        " WHERE m.repository_id = :repository_id AND m.subject = :subject AND m.status = 'ACTIVE'"
        " ORDER BY coalesce(s.completed_at, 0) DESC, m.id DESC LIMIT 1",
        {"repository_id": repository_id, "subject": subject},
    ).fetchone()
    return None if row is None else Scan._make(row)


def begin(rows: Connection, manifest_id: int, description: str, now: Instant) -> None:
    """A scan of an image begins. The findings of the last one stay until it completes."""
    rows.execute(
        "INSERT INTO scans (manifest_id, origin, status, description, started_at)"
        " VALUES (:id, 'SCAN', 'IN_PROGRESS', :description, :now) ON CONFLICT (manifest_id) DO UPDATE"
        " SET status = excluded.status, description = excluded.description, started_at = excluded.started_at",
        {"id": manifest_id, "description": description, "now": now},
    )


def fail(rows: Connection, scan: Scan, description: str) -> bool:
    """A scan ended without findings. False if it is not this one that is under way."""
    statement = (
        "UPDATE scans SET status = 'FAILED', description = :description"
        " WHERE manifest_id = :id AND started_at = :started_at AND status = 'IN_PROGRESS'"
    )
    parameters = {"id": scan.manifest_id, "started_at": scan.started_at, "description": description}
    return rows.execute(statement, parameters).rowcount > 0


def complete(rows: Connection, scan: Scan, content: bytes) -> bool:
    """A scan ended with findings, which take the place of earlier ones. False if it is not this one that is under way."""
    found = rows.execute(
        "UPDATE scans SET status = 'COMPLETE', description = :description, completed_at = :completed_at,"
        " source_updated_at = :source_updated_at, counts = :counts"
        " WHERE manifest_id = :manifest_id AND started_at = :started_at AND status = 'IN_PROGRESS'",
        scan._asdict(),
    ).rowcount
    if found:
        _put_findings(rows, scan.manifest_id, content)
    return found > 0


def put_report(rows: Connection, scan: Scan, content: bytes) -> None:
    """Keep what a report says of its subject; a report that was read before says the same."""
    rows.execute(
        "INSERT INTO scans (manifest_id, origin, status, description, started_at, completed_at, source_updated_at, counts)"
        " VALUES (:manifest_id, 'REPORT', :status, :description, :started_at, :completed_at, :source_updated_at, :counts)"
        " ON CONFLICT (manifest_id) DO NOTHING",
        scan._asdict(),
    )
    _put_findings(rows, scan.manifest_id, content)


def _put_findings(rows: Connection, manifest_id: int, content: bytes) -> None:
    rows.execute(
        "INSERT INTO scan_findings (manifest_id, content) VALUES (:id, :content)"
        " ON CONFLICT (manifest_id) DO UPDATE SET content = excluded.content",
        {"id": manifest_id, "content": content},
    )


def findings(rows: Connection, manifest_id: int) -> bytes | None:
    """The findings of the latest scan that completed, as they were put."""
    row = rows.execute(
        "SELECT content FROM scan_findings WHERE manifest_id = :id", {"id": manifest_id}
    ).fetchone()
    return None if row is None else bytes(row[0])


def forget(rows: Connection, manifest_id: int) -> None:
    """Forget the scan of an image, and its findings."""
    rows.execute("DELETE FROM scans WHERE manifest_id = :id AND origin = 'SCAN'", {"id": manifest_id})
