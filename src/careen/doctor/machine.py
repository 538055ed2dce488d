"""The machine: the data folder and who may read it, its disk, the clock, the certificate."""

import contextlib
import os
import ssl
import stat
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

from careen import tls
from careen.doctor.finding import Finding, ok, problem, warning
from careen.iam.keys import MASTER_KEY_SIZE
from careen.settings import Settings
from careen.tls import Files, InvalidTls

LOW = 0.1
"""The part of a disk, of its bytes or of its files, that should be free."""

SOON = 21 * 86_400
"""Seconds before its end from which a certificate is told of."""

ASTRAY = 60
"""Seconds that a clock may be off."""


def look(settings: Settings) -> Iterator[Finding]:
    """The findings. Nothing more is looked at where there is no data folder."""
    data = Path(settings.data)
    try:
        is_there = data.is_dir()
    except PermissionError:  # of a folder above
        yield _not_ours(data)
        return
    if not is_there:
        yield problem(
            "data folder",
            f"there is no folder {data}",
            "name it with --data or CAREEN_DATA, or make a registry with `careen serve`",
        )
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield _not_ours(data)
        return
    yield from _permissions(settings, data)
    yield from _disk(settings, data)
    yield from _clock(data)
    if settings.tls_certificate:
        yield _certificate(settings)


def _not_ours(data: Path) -> Finding:
    owner = ""
    with contextlib.suppress(PermissionError):
        owner = f", which is user {data.stat().st_uid}'s"
    return problem(
        "data folder",
        f"user {os.getuid()} may not read and write {data}{owner}",
        "run Careen, and this command, as the folder's owner, or give the folder to who runs them",
    )


def _permissions(settings: Settings, data: Path) -> Iterator[Finding]:
    found: list[Finding] = []
    key = Path(settings.master_key or data / "master.key")
    if key.exists():
        found += _key(key)
    elif settings.master_key or not settings.database:
        found.append(
            problem(
                "master key",
                f"there is no {key}: no access key and no token of this registry works without it",
                "restore it from a backup",
            )
        )
    yield from found
    if not found:
        yield ok("data folder", f"{data} is ours to read and write, and the master key nobody else's")


def _key(key: Path) -> Iterator[Finding]:
    described = key.stat()
    if described.st_size != MASTER_KEY_SIZE:
        yield problem(
            "master key",
            f"{key} has {described.st_size} bytes instead of {MASTER_KEY_SIZE}",
            "restore it from a backup",
        )
    if described.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield warning(
            "master key",
            f"others than its owner may use {key} (mode {stat.S_IMODE(described.st_mode):o}): whoever reads it can be anybody here",
            f"chmod 600 {key}",
        )


def _disk(settings: Settings, data: Path) -> Iterator[Finding]:
    disk = os.statvfs(data)
    free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    if free <= settings.reserve:
        yield problem(
            "disk",
            f"{free:,} bytes are free, not more than the reserve of {settings.reserve:,}: no push is taken",
            "make room: docs/runbook.md, “The disk is full”",
        )
    elif free < LOW * size:
        yield warning(
            "disk",
            f"{free / size:.0%} of the disk is free ({free:,} bytes)",
            "`careen storage` says what takes the room; `careen fleet scan` what no policy takes care of",
        )
    else:
        yield ok("disk", f"{free / size:.0%} of the disk is free ({free:,} bytes)")
    if disk.f_files and disk.f_favail < LOW * disk.f_files:
        yield warning(
            "disk",
            f"{disk.f_favail:,} more files fit on the disk, of {disk.f_files:,}: a blob is a file",
            "move the data folder to a file system with more inodes",
        )


def _clock(data: Path) -> Iterator[Finding]:
    """Compare the clock with what was written: nothing is of the future."""
    newest = 0.0
    for path in data.iterdir():
        with contextlib.suppress(FileNotFoundError):  # a server at work makes and removes some
            if path.is_file():
                newest = max(newest, path.stat().st_mtime)
    if newest > time.time() + ASTRAY:
        yield problem(
            "clock",
            f"something was written at {formatdate(newest, usegmt=True)}, and it is {formatdate(usegmt=True)} by this clock",
            "set the clock, and look at the time service: policies delete by age (docs/runbook.md, “The clock”)",
        )
    else:
        yield ok("clock", f"it is {formatdate(usegmt=True)}, and nothing here is of the future")


def _certificate(settings: Settings) -> Finding:
    where, client_ca = settings.tls_certificate, settings.tls_client_ca
    try:
        served = tls.load(Files(Path(where), Path(settings.tls_key), Path(client_ca) if client_ca else None))
        ends = _end_of(where, served)
    except InvalidTls as error:
        return problem(
            "certificate",
            f"nothing can be served with it: {error}",
            "put a certificate chain and its own private key there, both PEM, the key without a passphrase",
        )
    except ssl.SSLCertVerificationError as error:
        return problem(
            "certificate",
            f"clients refuse {where}: {error.verify_message}",
            "renew it: the server takes the new files by itself",
        )
    if ends - time.time() < SOON:
        return warning(
            "certificate",
            f"{where} ends at {formatdate(ends, usegmt=True)}",
            "renew it: the server takes the new files by itself",
        )
    return ok("certificate", f"{where} is good until {formatdate(ends, usegmt=True)}")


def _end_of(chain: str, served: ssl.SSLContext) -> float:
    """When a certificate ends, in seconds since 1970.

    Python reads no certificate from a file, only one that a peer has shown, and that it trusts. So this shows it to itself.

    Raises:
        ssl.SSLCertVerificationError: it has ended, say.
    """
    served.verify_mode = ssl.CERT_NONE  # we show none of our own
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.check_hostname = False
    theirs.load_verify_locations(chain)
    theirs.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # who issued it does not matter here
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.wrap_bio(to_server, to_client, server_side=True)
    client = theirs.wrap_bio(to_client, to_server)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    shown = client.getpeercert()
    assert shown is not None  # noqa: S101 it was verified
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))
