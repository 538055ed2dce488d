"""A repository's images as people look for them: what is a part of another, or attached to it, is not listed by itself."""

from enum import StrEnum
from typing import NamedTuple

from careen.clock import Instant
from careen.db.engine import Connection


class Order(StrEnum):
    """What a list is sorted by."""

    NEWEST = "newest"
    OLDEST = "oldest"
    PULLED = "pulled"
    """The latest pull first, those that were never pulled at the end."""
    UNPULLED = "unpulled"
    """Those that were not pulled for longest first; never is since the push."""
    LARGEST = "largest"
    SMALLEST = "smallest"


_ORDERS = {
    Order.NEWEST: "m.pushed_at DESC, m.id DESC",
    Order.OLDEST: "m.pushed_at, m.id",
    Order.PULLED: "m.pulled_at IS NULL, m.pulled_at DESC, m.id DESC",
    Order.UNPULLED: "coalesce(m.pulled_at, m.pushed_at), m.id",
    Order.LARGEST: "m.image_size DESC, m.id DESC",
    Order.SMALLEST: "m.image_size, m.id",
}


class Wanted(NamedTuple):
    """Which images."""

    text: str = ""
    """In a tag, case counts; or at the beginning of the digest."""
    tagged: bool | None = None
    status: str | None = None
    pushed_since: Instant | None = None
    pushed_before: Instant | None = None
    pulled_before: Instant | None = None
    """Not pulled since then, nor pushed."""
    order: Order = Order.NEWEST


_TAGGED = "EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id)"

# A manifest that an index lists is a part of it, unless somebody gave it a tag. A referrer belongs to its subject as long as that
# is there, and so does what cosign attaches by a tag (careen.oci.attachments).
_BY_ITSELF = (
    f"(NOT EXISTS (SELECT 1 FROM manifest_children c WHERE c.child_id = m.id) OR {_TAGGED})"
    " AND (m.subject IS NULL OR NOT EXISTS (SELECT 1 FROM manifests s WHERE s.repository_id = m.repository_id"
    " AND s.digest = m.subject))"
    " AND m.id NOT IN (SELECT t.manifest_id FROM tags t JOIN manifests s ON s.repository_id = t.repository_id"
    " AND s.digest = 'sha256:' || substr(t.name, 8, 64) WHERE t.repository_id = :id AND t.name >= 'sha256-'"
    " AND t.name < 'sha256.' AND substr(t.name, 72) IN ('', '.sig', '.sbom', '.att'))"
)


def by_themselves(rows: Connection, repository_id: int, wanted: Wanted) -> list[tuple[int, str]]:
    """``(id, digest)`` of the images that are listed by themselves, in order."""
    conditions = ["m.repository_id = :id", _BY_ITSELF]
    if wanted.text:
        named = "EXISTS (SELECT 1 FROM tags t WHERE t.manifest_id = m.id AND instr(t.name, :text) > 0)"
        conditions.append(f"({named} OR substr(m.digest, 1, length(:text)) = :text)")
    if wanted.tagged is not None:
        conditions.append(_TAGGED if wanted.tagged else f"NOT {_TAGGED}")
    for name, condition in (
        ("status", "m.status = :status"),
        ("pushed_since", "m.pushed_at >= :pushed_since"),
        ("pushed_before", "m.pushed_at < :pushed_before"),
        ("pulled_before", "coalesce(m.pulled_at, m.pushed_at) < :pulled_before"),
    ):
        if getattr(wanted, name) is not None:
            conditions.append(condition)
    return rows.execute(
        f"SELECT m.id, m.digest FROM manifests m WHERE {' AND '.join(conditions)} ORDER BY {_ORDERS[wanted.order]}",
        {"id": repository_id, **wanted._asdict()},
    ).fetchall()
