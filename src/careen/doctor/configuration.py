"""The settings: names that are none, and values that contradict each other."""

import difflib
import shlex
import shutil
from collections.abc import Iterator, Mapping

from careen.doctor.finding import Finding, ok, warning
from careen.settings import PREFIX, Settings

ELSEWHERE = frozenset({"CONFIG"})
"""Names in the environment that are no settings of the registry, and are read all the same."""


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings. That each value is one that its setting takes, whoever has read them knows."""
    found = [*_unknown_names(environ), *_contradictions(settings)]
    yield from found
    if not found:
        yield ok("settings", "every name is a setting's, and none contradicts another")


def _unknown_names(environ: Mapping[str, str]) -> Iterator[Finding]:
    known = {name.upper() for name in Settings.__struct_fields__} | ELSEWHERE
    for name in sorted(environ):
        bare = name.removeprefix(PREFIX)
        if not name.startswith(PREFIX) or bare in known:
            continue
        close = difflib.get_close_matches(bare, known, 1)
        advice = f"did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md has every setting"
        yield warning("settings", f"{name} in the environment is no setting and is not read", advice)


def _contradictions(settings: Settings) -> Iterator[Finding]:
    if settings.access_log and settings.log_level in {"warning", "error"}:
        yield warning(
            "settings",
            f"access_log is on and log_level is {settings.log_level}, so no request is told of",
            "set log_level to info, or access_log to false",
        )
    if settings.clock_file:
        yield warning(
            "settings",
            f"the registry takes its time from {settings.clock_file}: policies go by that, and not by the present",
            "clock_file is for tests; remove it",
        )
    if settings.tls_certificate and settings.public_url.startswith("http:"):
        yield warning(
            "settings",
            f"there is a TLS certificate, and public_url is {settings.public_url}",
            "let public_url begin with https:",
        )
    if settings.public_url and not settings.proxies and not settings.tls_certificate:
        yield warning(
            "settings",
            "public_url says that a web server stands in front, and proxies does not say where: all clients have its address,"
            " in policies, in the audit log and in the limits of anonymous callers",
            "set proxies to the web server's address",
        )
    if settings.metrics_open and settings.public_url:
        yield warning(
            "settings",
            "GET /metrics answers everybody who reaches the registry",
            "set metrics_open to false and give the monitoring system a key (docs/metrics.md)",
        )
    if settings.accel and settings.blobs:
        yield warning(
            "settings",
            "accel lets nginx send files, and the blobs are in a bucket",
            "remove accel, or see s3_redirect",
        )
    if settings.scanner and not settings.scanner.startswith(("http://", "https://")):
        program = shlex.split(settings.scanner)[0]
        if shutil.which(program) is None:
            yield warning(
                "settings",
                f"the scanner {program} is not installed, or not in the PATH: every scan fails",
                "install it, or name it with its whole path in scanner",
            )
