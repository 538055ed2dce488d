"""The three rules of ``lifecycle_images.three_rules`` in SQL: what a database would answer without our evaluator.

Each statement is written for these rules, down to which rule shields from which; a translation of any policy would
have to generate it.
"""

import sqlite3
from collections.abc import Sequence

from benchmarks.lifecycle_images import ANY_DAYS, KEPT, UNTAGGED_DAYS
from careen.clock import DAY, Instant
from careen.lifecycle.image import Image

_SCHEMA = """
CREATE TABLE images (
    digest TEXT NOT NULL,
    tag TEXT,
    pushed_at INTEGER NOT NULL,
    rule INTEGER NOT NULL GENERATED ALWAYS AS
        (CASE WHEN tag IS NULL THEN 1 WHEN tag GLOB 'v*' THEN 2 ELSE 3 END) STORED
);
CREATE INDEX by_rule ON images (rule, pushed_at, digest);
"""

WINDOW = """
WITH ranked AS (
    SELECT digest, rule, pushed_at,
        row_number() OVER (PARTITION BY rule ORDER BY pushed_at DESC, digest DESC) AS rank
    FROM images
)
SELECT digest FROM ranked WHERE
    CASE rule WHEN 1 THEN pushed_at < :untagged WHEN 2 THEN rank > :kept ELSE pushed_at < :any END
"""
"""One pass over all images."""

INDEXED = """
SELECT digest FROM images WHERE rule = 1 AND pushed_at < :untagged
UNION ALL
SELECT digest FROM
    (SELECT digest FROM images WHERE rule = 2 ORDER BY pushed_at DESC, digest DESC LIMIT -1 OFFSET :kept)
UNION ALL
SELECT digest FROM images WHERE rule = 3 AND pushed_at < :any
"""
"""One range of the index for each rule: the work is that of what is found."""


def table(images: Sequence[Image]) -> sqlite3.Connection:
    """The images as rows in memory, with the rule that claims each and an index that covers the statements."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(_SCHEMA)
    connection.executemany(
        "INSERT INTO images (digest, tag, pushed_at) VALUES (?, ?, ?)",
        [(image.digest, image.tags[0] if image.tags else None, image.pushed_at) for image in images],
    )
    connection.execute("ANALYZE")
    return connection


def expired(rows: sqlite3.Connection, statement: str, now: Instant) -> list[str]:
    """The digests of the images that go, in no order."""
    limits = {"untagged": now - UNTAGGED_DAYS * DAY, "kept": KEPT, "any": now - ANY_DAYS * DAY}
    return [digest for (digest,) in rows.execute(statement, limits)]
