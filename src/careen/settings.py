"""Every setting: name, type, default, meaning. The only reader of the environment and of the settings file.

A setting comes from the environment (``CAREEN_PORT=5001``), else from a TOML file (``careen.toml`` in the working folder, or the
one ``CAREEN_CONFIG`` names), else from its default. Command-line options go before all three.
"""

import ipaddress
import os
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

PREFIX = "CAREEN_"

_CENTURY = 100 * 365 * 86_400

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=_CENTURY)]
Interval = Annotated[float, msgspec.Meta(gt=0, le=_CENTURY)]
"""Seconds between two times of something that is done again and again, so never none."""

Connections = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, msgspec.Meta(ge=0)]

MIN_SECRET = 16

_BUCKET_OPTIONS = {"class", "endpoint", "kms", "region", "sse"}
"""What may stand after the ``?`` of a bucket."""
_ALIAS = re.compile(r"[a-z][a-z0-9]+(?:[._-][a-z0-9]+)*")
"""ECR Public's grammar of registry aliases (service model, RegistryAliasName)."""


class InvalidSetting(Exception):
    """A setting has a value that makes no sense. The message names the setting and what it takes."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How this registry runs. Times are seconds, sizes bytes."""

    data: str = "careen-data"
    """The data folder: database, blobs, uploads, master key."""
    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 for every address of the machine."""
    port: Port = 5000
    """The port to listen on."""
    workers: int = 1
    """HTTP worker processes. One fills two cores with transfers; more are for many small requests."""
    registry_id: str = "000000000000"
    """The registry's id, twelve digits, as AWS account ids are."""
    region: str = "us-east-1"
    """The AWS Region that clients must sign for."""
    create_on_push: bool = False
    """Whether every push creates its repository. Else, as on Amazon ECR, a template must say so (see templates.md)."""
    blob_grace: Seconds = 86_400
    """How long an unneeded blob is kept after a client last saw it."""
    lifecycle_interval: Interval = 3_600
    """How often every lifecycle policy is evaluated. Amazon ECR promises once in 24 hours."""
    collect_interval: Interval = 60
    """How often the collector looks for blobs to review."""
    scanners: str = "trivy/, grype/, syft/, clair/, claircore/, snyk, docker-scout"
    """How the User-Agent headers of scanners begin, separated by commas: their pulls do not count as use of an image."""
    scanner: str = ""
    """What scans images: a command with `{image}` in it, or the URL of a Harbor scanner adapter (see scanning.md)."""
    scanner_timeout: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 900
    """How long it may take for one image."""
    pin_grace: Seconds = 2_592_000
    """How long images in use stay pinned after the feed that reported them fell silent; see docs/pins.md."""
    events_days: Annotated[float, msgspec.Meta(gt=0, le=36_500)] = 7
    """How many days events are kept, and those that could not be delivered; see docs/events.md."""
    pull_events: bool = False
    """Whether pulls are events though no webhook asks for them: one per image, principal and five seconds."""
    webhook_timeout: Interval = 10
    """How long a webhook's receiver may take for an event."""
    webhook_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12
    """How often an event is sent before it is a dead letter: after 1, 2, 4, … seconds, an hour at most."""
    off_limits: str = "169.254.0.0/16,fe80::/10,fd00:ec2::/32,100.100.100.200/32,168.63.129.16/32"
    """Addresses and networks, separated by commas, that no webhook, provider or other registry is asked at: see security.md."""
    audit_log: str = ""
    """A file for an audit log in CloudTrail's shape, one JSON document a line; see docs/events.md. Empty: none is written."""
    audit_size: Annotated[int, msgspec.Meta(ge=1024)] = 104_857_600
    """From how many bytes on the audit log is put aside under a name with the time, and a new one begun."""
    sweep_interval: Interval = 86_400
    """How often the whole store is looked through for files without a row and abandoned uploads."""
    measure_interval: Interval = 3_600
    """How often what is stored is measured (`careen storage history`)."""
    trash_days: Annotated[float, msgspec.Meta(ge=0, le=36_500)] = 7
    """How many days a deleted image can be brought back (`careen trash`); 0: not at all."""
    restore_on_pull: bool = False
    """Whether pulling an image that lies in the trash brings it back. Else the answer says how to."""
    scrub_interval: Interval = 2_592_000
    """How often everything stored is read and compared with its digest, from the end of one time to the start of the next."""
    scrub_rate: Annotated[int, msgspec.Meta(ge=0)] = 20_000_000
    """How many bytes a second that reads at most, so that it is not noticed; 0: no limit."""
    upstream_interval: Interval = 86_400
    """How old a cached tag may be before a pull asks its upstream again. Amazon ECR: 24 hours. See pull-through-cache.md."""
    upstream_credentials: str = ""
    """The secrets of pull-through cache rules as JSON: `{"NAME": {"username": "…", "accessToken": "…"}}`; those here go first."""
    secrets: str = ""
    """The folder with the secrets of pull-through cache rules; empty: `secrets` in the data folder."""
    upload_ttl: Seconds = 86_400
    """How long an upload may stand still before it is abandoned."""
    reserve: Bytes = 67_108_864
    """How much of the disk uploads leave free: deleting images and giving their bytes back needs a little."""
    shutdown_timeout: Seconds = 30
    """How long a worker that is told to stop waits for transfers in flight."""
    drain_delay: Seconds = 0
    """How long a node that is told to stop serves on, and says at `/readyz` that it will not for long; see deploy.md."""
    max_connections: Connections = 1000
    """Connections that one HTTP worker process serves. The requests of others are answered 503."""
    head_timeout: Interval = 30
    """How long the head of a request may take, and how long a new connection may be silent."""
    stall_timeout: Interval = 60
    """How long a client may send or take less than 250 bytes a second in the middle of a body."""
    replication_targets: str = ""
    """A TOML file that says where images are replicated to (see replication.md); empty: `replication.toml` in the data folder."""
    tls_certificate: str = ""
    """A PEM file with the certificate chain; empty: plain HTTP."""
    tls_key: str = ""
    """The PEM file of its private key."""
    tls_client_ca: str = ""
    """A PEM file with the authorities of client certificates: who shows none of theirs is refused; empty: nobody is asked."""
    public_url: str = ""
    """What clients call the registry behind a web server, as `https://registry.example.com`; empty: as each client addressed it."""
    public_alias: str = "public"
    """The first part of the names of public repositories: `public/NAME` is what `aws ecr-public` calls `NAME` (see public.md)."""
    public_host: str = ""
    """A second host name of this registry, with its port if it has one, for clients that pull only with a token; see public.md."""
    anonymous_rate: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] = 10
    """How many requests a second one address may make without a credential, of public repositories and of pages; 0: any number."""
    anonymous_burst: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
    """How many of them it may make at once after a rest."""
    proxies: str = ""
    """Addresses and networks, separated by commas, of web servers that are believed their `X-Forwarded-For`; see access.md."""
    database: str = ""
    """The rows: a PostgreSQL server, as `postgresql://user:password@host:5432/careen` (see nodes.md); empty: the data folder."""
    master_key: str = ""
    """A file with the master key, 32 bytes (see nodes.md); empty: `master.key` in the data folder, or a database on a server."""
    node: str = ""
    """What this node is called among several (see nodes.md); empty: the machine's host name."""
    blobs: str = ""
    """A bucket for the blobs, as `s3://bucket/prefix?endpoint=https://…&region=…` (see s3.md); empty: the data folder."""
    archive_blobs: str = ""
    """Where the blobs lie that only archived images need: a folder or a bucket (see archive.md); empty: with the others."""
    s3_redirect: bool = True
    """Whether clients are sent to the bucket for the bytes of a blob; else Careen passes them on."""
    accel: str = ""
    """`nginx`: the nginx in front sends blobs out of the data folder (see behind-nginx.md); empty: Careen sends them."""
    access_key_id: str = ""
    """An administrator's access key id, for set-ups by script. It is stored nowhere; empty: keys of the registry only."""
    secret_access_key: str = ""
    """Its secret: at least 16 characters."""
    clock_file: str = ""
    """For tests and demonstrations: a file with the ISO 8601 time that the registry takes for now. Security ignores it."""
    storage_price: Annotated[float, msgspec.Meta(ge=0)] = 0.10
    """What a GiB of storage costs in a month, in US dollars: Amazon ECR's price, unless you know your own."""
    archive_price: Annotated[float, msgspec.Meta(ge=0)] = 0.10
    """The same for what lies in `archive_blobs`: Amazon ECR's price for its first 150 TB."""
    metrics_open: bool = False
    """Whether `GET /metrics` is answered without a credential; else with any key that may `careen:GetMetrics`."""
    access_log: bool = False
    """Whether every request is a line of the log (see logs.md); answers that could be given again are made anew then."""
    traces: str = ""
    """The address of an OpenTelemetry collector, as `http://localhost:4318`, for a span of each request and job (see logs.md)."""
    slow_request: Seconds = 5
    """From how many seconds on a request is told of in the log as slow; 0: none is. See logs.md."""
    log_level: str = "info"
    """debug, info, warning or error."""


def secret_named(name: str, environ: Mapping[str, str] | None = None) -> str | None:
    """A secret that a file names by its variable in the environment; None: there is no such variable."""
    return (os.environ if environ is None else environ).get(name)


def load(options: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        options: from the command line; None values are no options.
        environ: the environment; the process's own if not given.

    Raises:
        InvalidSetting: a name that is no setting, or a value it does not take.
    """
    environ = os.environ if environ is None else environ
    known = set(Settings.__struct_fields__)
    values = _from_file(environ)
    values |= {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() in known and value != ""
    }
    values |= {name: value for name, value in (options or {}).items() if value is not None}
    try:
        settings = msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSetting(str(error)) from None
    _check(settings)
    return settings


def networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """Addresses and networks, separated by commas.

    Raises:
        ValueError: one is neither.
    """
    return tuple(ipaddress.ip_network(each.strip(), strict=False) for each in text.split(",") if each.strip())


def _from_file(environ: Mapping[str, str]) -> dict[str, Any]:
    named = environ.get(f"{PREFIX}CONFIG")
    path = Path(named or "careen.toml")
    if not path.exists() and not named:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # not there, not UTF-8, not TOML
        raise InvalidSetting(f"{path}: {error}") from None


def _check(settings: Settings) -> None:
    if re.fullmatch("[0-9]{12}", settings.registry_id) is None:
        raise InvalidSetting(f"registry_id is twelve digits, not '{settings.registry_id}'")
    if settings.workers < 1:
        raise InvalidSetting("workers is at least 1")
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise InvalidSetting("tls_certificate and tls_key go together")
    if settings.tls_client_ca and not settings.tls_certificate:
        raise InvalidSetting(
            "tls_client_ca needs a tls_certificate: without TLS nobody can show a certificate"
        )
    if settings.accel not in {"", "nginx"}:
        raise InvalidSetting(f"accel is nginx or empty, not '{settings.accel}'")
    if settings.database and not settings.database.startswith(("postgresql://", "postgres://")):
        raise InvalidSetting(
            "database is postgresql://user:password@host:port/database, or empty for the data folder"
        )
    if settings.blobs:
        _check_bucket("blobs", settings.blobs)
    if settings.archive_blobs:
        _check_archive(settings)
    if settings.scanner:
        _check_scanner(settings.scanner)
    if settings.public_url and re.fullmatch(r"https?://[^/?#@\s\"]+/?", settings.public_url) is None:
        raise InvalidSetting(
            f"public_url is http or https, a host and perhaps a port, not '{settings.public_url}'"
        )
    if not 2 <= len(settings.public_alias) <= 50 or not _ALIAS.fullmatch(settings.public_alias):
        raise InvalidSetting(
            "public_alias is 2 to 50 small letters and digits, begins with a letter and may have single . _ - between them,"
            f" not '{settings.public_alias}'"
        )
    if settings.public_host and re.fullmatch(r"[a-z0-9.-]+(?::[0-9]+)?", settings.public_host) is None:
        raise InvalidSetting(
            f"public_host is a host in small letters and perhaps a port, not '{settings.public_host}'"
        )
    if settings.traces and not settings.traces.startswith(("http://", "https://")):
        raise InvalidSetting("traces is an address of OTLP over HTTP, such as http://localhost:4318")
    for name in ("proxies", "off_limits"):
        try:
            networks(getattr(settings, name))
        except ValueError as error:
            raise InvalidSetting(f"{name} is addresses and networks, separated by commas: {error}") from None
    if bool(settings.access_key_id) != bool(settings.secret_access_key):
        raise InvalidSetting("access_key_id and secret_access_key go together")
    if settings.access_key_id and len(settings.secret_access_key) < MIN_SECRET:
        raise InvalidSetting(f"secret_access_key has at least {MIN_SECRET} characters")
    if settings.upstream_credentials:
        _check_credentials(settings.upstream_credentials)
    if settings.log_level not in {"debug", "info", "warning", "error"}:
        raise InvalidSetting(f"log_level is debug, info, warning or error, not '{settings.log_level}'")


def _check_archive(settings: Settings) -> None:
    if is_bucket(settings.archive_blobs):
        _check_bucket("archive_blobs", settings.archive_blobs)
        ours, archive = urlsplit(settings.blobs), urlsplit(settings.archive_blobs)
        mine, its = (f"{each.path.strip('/')}/".lstrip("/") for each in (ours, archive))
        if ours.netloc == archive.netloc and (mine.startswith(its) or its.startswith(mine)):
            raise InvalidSetting("blobs and archive_blobs lie in one another: give each a prefix of its own")
        return
    data, folder = Path(settings.data).resolve(), Path(settings.archive_blobs).resolve()
    if folder == data or folder.is_relative_to(data / "blobs") or data.is_relative_to(folder / "blobs"):
        raise InvalidSetting("archive_blobs is a folder of its own, not the data folder")


def is_bucket(place: str) -> bool:
    """Whether a place for blobs is a bucket; else it is a folder."""
    return "://" in place


def _check_scanner(scanner: str) -> None:
    if scanner.startswith(("http://", "https://")):
        parts = urlsplit(scanner)
        if not parts.hostname or parts.query or parts.fragment:
            raise InvalidSetting("scanner is the address of a scanner adapter without a query")
        return
    try:
        words = shlex.split(scanner)
    except ValueError as error:
        raise InvalidSetting(f"scanner is no command: {error}") from None
    if not any("{image}" in word for word in words[1:]):
        raise InvalidSetting("scanner is a command with {image} where the image belongs, or begins with http")


def _check_credentials(text: str) -> None:
    try:
        given = msgspec.json.decode(text, type=dict[str, dict[str, str]])
    except (msgspec.DecodeError, UnicodeDecodeError):
        given = {"": {}}
    for name, secret in given.items():
        if secret.keys() - {"registry"} != {"username", "accessToken"}:
            of = f" of {name}" if name else ""
            raise InvalidSetting(  # and not what was given: it has passwords in it
                f'upstream_credentials{of} is not JSON as {{"NAME": {{"username": "…", "accessToken": "…"}}}}'
            )


def _check_bucket(name: str, url: str) -> None:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != "s3" or re.fullmatch("[a-zA-Z0-9._-]{3,63}", parts.netloc) is None or parts.fragment:
        raise InvalidSetting(f"{name} is s3://bucket/prefix, or empty, not '{url}'")
    if unknown := sorted(set(options) - _BUCKET_OPTIONS):
        raise InvalidSetting(
            f"{name} takes {', '.join(sorted(_BUCKET_OPTIONS))} after its '?', not {unknown[0]}"
        )
    if options.get("class") in {"GLACIER", "DEEP_ARCHIVE"}:
        raise InvalidSetting(
            f"the class of {name} is one that is read at once, such as GLACIER_IR or STANDARD_IA"
        )
    if options.get("sse", "AES256") not in {"AES256", "aws:kms"}:
        raise InvalidSetting(
            f"the sse of {name} is AES256 or aws:kms: no other key is asked for or kept here"
        )
    if "kms" in options and (options.get("sse") != "aws:kms" or not options["kms"]):
        raise InvalidSetting(f"the kms of {name} is the key of AWS KMS for sse=aws:kms")
    if not options.get("endpoint", "https://").startswith(("http://", "https://")):
        raise InvalidSetting(f"the endpoint of {name} begins with http:// or https://")
