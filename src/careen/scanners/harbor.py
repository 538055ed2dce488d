"""A scanner behind Harbor's scanner adapter API (pluggable-scanner-spec 1.2): Trivy, Clair, Anchore and others have adapters.

An adapter is asked what reports it makes, told what to scan, and asked for the report until it is there. It pulls the image by
itself, from wherever it runs, with the credential that the request carries.
"""

import base64
import contextlib
import http.client
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import quote, unquote, urlsplit

import msgspec

from careen.scanners.scanner import ScanFailed, Target, Watch

API = "/api/v1"

REPORTS = (
    "application/vnd.security.vulnerability.report; version=1.1",
    "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0",
)
"""The reports that we read, the better first."""

SCAN_REQUEST = "application/vnd.scanner.adapter.scan.request+json; version=1.0"

ANSWER_SECONDS = 20
"""How long an adapter may be silent in the middle of an answer; none of them waits for the scan."""

REFRESH_SECONDS = (1.0, 5.0, 60.0)
"""When to ask again: at the earliest, if it does not say, and at the latest."""

_SMALL = 64 * 1024
"""Bytes of an answer that is no report."""

_PIECE = 64 * 1024

_S = TypeVar("_S", bound=msgspec.Struct)


class _Capability(msgspec.Struct):
    type: str = "vulnerability"
    produces_mime_types: list[str] = []


class _Metadata(msgspec.Struct):
    capabilities: list[_Capability] = []


class _Accepted(msgspec.Struct):
    id: str


class _Message(msgspec.Struct):
    message: str = ""


class _Error(msgspec.Struct):
    error: _Message = msgspec.field(default_factory=_Message)


class _Answer(NamedTuple):
    status: int
    refresh: str | None
    body: bytes


class HarborScanner:
    """Asks a scanner adapter.

    Args:
        url: of the adapter, without the API's path; may hold a user and a password.
        registry: where images are, seen from the adapter.
        timeout: seconds for a whole scan.
        max_bytes: the most that a report may have.
    """

    def __init__(self, url: str, registry: str, timeout: float, max_bytes: int) -> None:
        parts = urlsplit(url)
        self.registry = registry
        self.timeout = timeout
        self.max_bytes = max_bytes
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port
        self.path = parts.path.rstrip("/") + API
        self.headers = {"User-Agent": "careen"}
        if parts.username is not None:
            credential = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self.headers["Authorization"] = f"Basic {base64.b64encode(credential.encode()).decode()}"

    def scan(self, target: Target, watch: Watch) -> bytes:
        """Have one image scanned; the report."""
        exchange = _Exchange(self, watch, time.monotonic() + self.timeout)
        media_type = exchange.report_type()
        scan_id = exchange.begin(_request(target, media_type))
        return exchange.report(scan_id, media_type)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the adapter."""
        if self._is_tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=ANSWER_SECONDS, context=context
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_SECONDS)


class _Exchange:
    """The requests of one scan."""

    def __init__(self, scanner: HarborScanner, watch: Watch, deadline: float) -> None:
        self._scanner = scanner
        self._watch = watch
        self._deadline = deadline

    def report_type(self) -> str:
        """The better of the reports that the adapter makes and we read."""
        answer = self._ask("GET", "/metadata", "application/json")
        if answer.status != http.client.OK:
            raise _refused("does not say what it can do", answer)
        made = {
            "".join(each.lower().split())
            for capability in _decode(answer.body, _Metadata).capabilities
            if capability.type == "vulnerability"
            for each in capability.produces_mime_types
        }
        for each in REPORTS:
            if each.replace(" ", "") in made:
                return each
        raise ScanFailed("The scanner adapter makes no report that is understood here")

    def begin(self, body: bytes) -> str:
        """Ask for a scan; its id."""
        accepted = self._ask("POST", "/scan", SCAN_REQUEST, body=body)
        if accepted.status != http.client.ACCEPTED:
            raise _refused("did not accept the image", accepted)
        return _decode(accepted.body, _Accepted).id

    def report(self, scan_id: str, media_type: str) -> bytes:
        """Wait for the report."""
        path = f"/scan/{quote(scan_id, safe='')}/report"
        while True:
            answer = self._ask("GET", path, media_type, self._scanner.max_bytes)
            if answer.status == http.client.OK:
                return answer.body
            if answer.status != http.client.FOUND:
                raise _refused("has no report", answer)
            self._pause(_refresh(answer.refresh))

    def _pause(self, seconds: float) -> None:
        if time.monotonic() + seconds >= self._deadline:
            raise ScanFailed(f"The scanner took longer than {self._scanner.timeout:g} seconds")
        self._watch.wait(seconds)

    def _ask(
        self, method: str, path: str, media_type: str, most: int = _SMALL, *, body: bytes | None = None
    ) -> _Answer:
        """One request. A redirect is an answer here: it says that the report is not ready."""
        kind = "Accept" if body is None else "Content-Type"
        headers = self._scanner.headers | {kind: media_type}
        data = bytearray()
        with contextlib.closing(self._scanner.connect()) as connection:
            try:
                connection.request(method, self._scanner.path + path, body, headers)
                response = connection.getresponse()
                while piece := response.read1(_PIECE):
                    data += piece
                    if len(data) > most:
                        raise ScanFailed(f"The scanner adapter's answer has more than {most} bytes")
                    self._pause(0)
            except (OSError, http.client.HTTPException) as error:
                said = str(error) or type(error).__name__
                raise ScanFailed(f"The scanner adapter does not answer: {said}") from None
        return _Answer(response.status, response.headers.get("Refresh-After"), bytes(data))


def _request(target: Target, media_type: str) -> bytes:
    credential = base64.b64encode(f"{target.user}:{target.password}".encode()).decode()
    artifact: Mapping[str, str] = {
        "repository": target.repository,
        "digest": target.digest,
        "mime_type": target.media_type,
        **({"tag": target.tag} if target.tag else {}),
    }
    return msgspec.json.encode(
        {
            "registry": {"url": target.registry, "authorization": f"Basic {credential}"},
            "artifact": artifact,
            "enabled_capabilities": [{"type": "vulnerability", "produces_mime_types": [media_type]}],
        }
    )


def _decode(data: bytes, kind: type[_S]) -> _S:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ScanFailed(f"The scanner adapter answers something else than its API says: {error}") from None


def _refused(what: str, answer: _Answer) -> ScanFailed:
    try:
        said = msgspec.json.decode(answer.body, type=_Error).error.message
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = ""
    return ScanFailed(f"The scanner adapter {what}: {answer.status} {said[:300]}".rstrip())


def _refresh(text: str | None) -> float:
    least, usual, most = REFRESH_SECONDS
    return min(max(float(text), least), most) if text and text.isdecimal() else usual
