"""Settings → stores → registry."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from careen import clock
from careen.audit import AuditLog
from careen.clock import DAY, SECOND, Clock
from careen.db import engine
from careen.findings.report import MAX_BYTES
from careen.registry.registry import Limits, Registry, RootKey
from careen.scanners.command import CommandScanner
from careen.scanners.harbor import HarborScanner
from careen.scanners.scanner import Scanner
from careen.settings import Settings, networks
from careen.startup.node import Start, begin, check_served
from careen.startup.stores import blobs_of, database_place

THREADS = 8
"""How many hash and write at a time: more than the disks and processors of one machine take."""

REMOTE_THREADS = 48
"""The same where most of them wait for another server."""


def open_registry(
    settings: Settings, system: Clock = clock.system_now, start: Start | None = None
) -> Registry:
    """The registry of a prepared data folder. Any number of processes may have it open.

    Args:
        settings: how.
        system: the system's clock, or a cautious reading of it: files are aged by it, and rows unless there is a clock file.
        start: what this process has in common with others of its node; found out here if it is alone.

    Raises:
        CannotStart: the master key is not whole, or the rows were moved away.
    """
    start = start or begin(settings)
    data = Path(settings.data)
    blobs = blobs_of(settings, system)
    database = engine.opened(database_place(settings))
    if not settings.database:
        # A move may have begun since this start was prepared. None begins from here on: this process has the file open. One from a
        # server sees our sessions, and gives up.
        check_served(database)
    root_key = RootKey(settings.access_key_id, settings.secret_access_key) if settings.access_key_id else None
    return Registry(
        id=settings.registry_id,
        region=settings.region,
        database=database,
        blobs=blobs,
        threads=ThreadPoolExecutor(THREADS, "careen-rows"),
        bytes_threads=ThreadPoolExecutor(REMOTE_THREADS if blobs.is_remote else THREADS, "careen-bytes"),
        scratch_folder=data,
        targets_file=Path(settings.replication_targets or data / "replication.toml"),
        clock=clock.file_clock(Path(settings.clock_file)) if settings.clock_file else system,
        master_key=start.master_key,
        node=start.node,
        root_key=root_key,
        audit=AuditLog(Path(settings.audit_log), settings.audit_size) if settings.audit_log else None,
        scanner=_scanner(settings),
        public_url=settings.public_url.rstrip("/"),
        public_prefix=f"{settings.public_alias}/",
        public_host=settings.public_host,
        proxies=networks(settings.proxies),
        limits=Limits(
            create_on_push=settings.create_on_push,
            grace=round(settings.blob_grace * SECOND),
            lifecycle_every=round(settings.lifecycle_interval * SECOND),
            collect_every=round(settings.collect_interval * SECOND),
            sweep_every=round(settings.sweep_interval * SECOND),
            measure_every=round(settings.measure_interval * SECOND),
            trash=round(settings.trash_days * DAY),
            price=settings.storage_price,
            archive_price=settings.archive_price,
            has_archive=bool(settings.archive_blobs),
            restore_on_pull=settings.restore_on_pull,
            scrub_every=round(settings.scrub_interval * SECOND),
            scrub_rate=settings.scrub_rate,
            upstream_every=round(settings.upstream_interval * SECOND),
            upload_ttl=round(settings.upload_ttl * SECOND),
            events=round(settings.events_days * DAY),
            pull_events=settings.pull_events,
            webhook_timeout=settings.webhook_timeout,
            webhook_attempts=settings.webhook_attempts,
            pin_grace=round(settings.pin_grace * SECOND),
            anonymous_rate=settings.anonymous_rate,
            anonymous_burst=settings.anonymous_burst,
            scanners=tuple(each.strip().lower() for each in settings.scanners.split(",") if each.strip()),
        ),
    )


def _scanner(settings: Settings) -> Scanner | None:
    """What the settings say; it finds the images where a program on this machine does, an adapter where clients do."""
    if not settings.scanner:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 compared, not bound
    scheme = "https" if settings.tls_certificate else "http"
    here, public = f"{scheme}://{host}:{settings.port}", settings.public_url.rstrip("/")
    if settings.scanner.startswith(("http://", "https://")):
        return HarborScanner(settings.scanner, public or here, settings.scanner_timeout, MAX_BYTES)
    # A certificate is for a name that clients know, not for a loopback address.
    registry = public if public and settings.tls_certificate else here
    return CommandScanner(settings.scanner, registry, settings.scanner_timeout, MAX_BYTES)
