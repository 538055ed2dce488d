"""A registry of any size in PostgreSQL, by statements of its own; the same in SQLite, copied.

Every image is its own: a manifest of a configuration (2 KB, a row), a base layer that its repository shares and a layer that
nobody shares, and a tag. Manifests and configurations are what their digests say. The bytes of layers are not there.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.rows import insert
from careen import startup
from careen.clock import DAY, system_now
from careen.settings import Settings

_FUNCTIONS = """
CREATE FUNCTION pg_temp.digest(content text) RETURNS text LANGUAGE sql IMMUTABLE
AS $$ SELECT 'sha256:' || encode(sha256(convert_to(content, 'UTF8')), 'hex') $$;

CREATE FUNCTION pg_temp.config(n bigint, base text, layer text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT '{"architecture":"amd64","os":"linux","created":"2026-11-01T08:00:00Z","config":{"Entrypoint":["/app"],"WorkingDir":"/",'
  '"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Labels":{"org.opencontainers.image.revision":"'
  || md5(n::text) || '"}},"rootfs":{"type":"layers","diff_ids":["' || base || '","' || layer || '"]},"history":['
  || string_agg('{"created":"2026-11-01T08:00:00Z","created_by":"RUN /bin/sh -c make -C /src install VERSION='
    || md5((n * 16 + step)::text) || ' # buildkit","comment":"buildkit.dockerfile.v0","empty_layer":true}', ',')
  || ']}' FROM generate_series(1, 8) step $$;

CREATE FUNCTION pg_temp.manifest(config text, size int, base text, layer text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
SELECT '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":'
  '"application/vnd.oci.image.config.v1+json","digest":"' || config || '","size":' || size || '},"layers":[{"mediaType":'
  '"application/vnd.oci.image.layer.v1.tar+gzip","digest":"' || base || '","size":29000000},{"mediaType":'
  '"application/vnd.oci.image.layer.v1.tar+gzip","digest":"' || layer || '","size":4000000}]}' $$;
"""

_REPOSITORIES = """
INSERT INTO repositories (name, created_at, tag_mutability, tag_mutability_filters, scan_on_push, encryption, lifecycle_policy,
  lifecycle_evaluated_at)
SELECT 'team-' || mod(n, 40) || '/service-' || n, %(now)s, 'MUTABLE', '[]', 0, '{"encryptionType":"AES256"}', %(policy)s, 0
FROM generate_series(1, %(repositories)s) n
"""

_IMAGES = """
CREATE TEMP TABLE image AS
SELECT *, pg_temp.manifest(config, size, base, layer) AS content FROM (
  SELECT *, pg_temp.digest(told) AS config, length(told) AS size FROM (
    SELECT *, pg_temp.config(n, base, layer) AS told FROM (
      SELECT n, spread(n) AS id, 1 + (n - 1) / %(images)s AS repository_id, pg_temp.digest('layer ' || n) AS layer,
        pg_temp.digest('base ' || (n - 1) / %(images)s) AS base,
        %(now)s - (%(total)s - n) %% %(images)s * (%(span)s / %(images)s) AS pushed_at
      FROM generate_series(1, %(total)s) n) a) b) c
"""

# In the order of the foreign keys, which are not looked at meanwhile.
_FILL = """
INSERT INTO blobs (digest, size, generation, created_at)
  SELECT config, size, '', pushed_at FROM image UNION ALL SELECT layer, 4000000, 'elsewhere', pushed_at FROM image
  UNION ALL SELECT base, 29000000, 'elsewhere', min(pushed_at) FROM image GROUP BY base;
INSERT INTO blob_contents (digest, content) SELECT config, convert_to(told, 'UTF8') FROM image;
INSERT INTO repository_blobs (repository_id, digest, seen_at)
  SELECT repository_id, config, pushed_at FROM image UNION ALL SELECT repository_id, layer, pushed_at FROM image
  UNION ALL SELECT repository_id, base, max(pushed_at) FROM image GROUP BY repository_id, base;
INSERT INTO manifests (id, repository_id, digest, media_type, size, image_size, status, pushed_at)
  SELECT id, repository_id, pg_temp.digest(content), 'application/vnd.oci.image.manifest.v1+json', length(content),
    33000000 + size, 'ACTIVE', pushed_at FROM image;
INSERT INTO manifest_contents (manifest_id, content) SELECT id, convert_to(content, 'UTF8') FROM image;
INSERT INTO manifest_blobs (manifest_id, repository_id, digest)
  SELECT id, repository_id, config FROM image UNION ALL SELECT id, repository_id, layer FROM image
  UNION ALL SELECT id, repository_id, base FROM image;
INSERT INTO tags (repository_id, name, manifest_id, tagged_at) SELECT repository_id, 'v1.' || n, id, pushed_at FROM image;
SELECT setval('manifests_id_seq', (SELECT max(n) FROM image));
DROP TABLE image
"""

FILLED = (
    *("repositories", "blobs", "blob_contents", "repository_blobs"),
    *("manifests", "manifest_contents", "manifest_blobs", "tags"),
)


def fill(url: str, repositories: int, images: int, policy: str | None = None) -> None:
    """Fill an empty database.

    Args:
        url: of the database, as somebody who may leave out the checks of foreign keys.
        repositories: how many.
        images: in each of them; pushed one after the other within the last 400 days.
        policy: of each repository.
    """
    numbers = {
        "repositories": repositories,
        "images": images,
        "total": repositories * images,
        "policy": policy,
        "now": system_now(),
        "span": 400 * DAY,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SET session_replication_role = replica; SET synchronous_commit = off; SET work_mem = '256MB'"
        )
        connection.execute(_FUNCTIONS)
        connection.execute(_REPOSITORIES, numbers)
        connection.execute(_IMAGES, numbers)
        for statement in _FILL.split(";"):
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def copy(url: str, data: Path) -> None:
    """Make a data folder whose SQLite database has the rows that :func:`fill` put into ``url``."""
    startup.prepare(Settings(data=str(data)))
    with (
        psycopg.connect(url) as source,
        closing(sqlite3.connect(data / "careen.db")) as target,
        target,
    ):
        target.execute("PRAGMA synchronous=OFF")
        for table in FILLED:
            insert(target, table, _rows(source, table))


def _rows(source: "psycopg.Connection[Any]", table: str) -> Iterator[dict[str, Any]]:
    with source.cursor(name="rows") as cursor:
        cursor.itersize = 10_000
        cursor.execute(f"SELECT * FROM {table} ORDER BY 1".encode())
        assert cursor.description is not None  # noqa: S101 - it is a SELECT
        names = [column.name for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))
