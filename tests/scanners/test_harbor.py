"""Scanner adapters as Harbor asks them: what they are sent, and what comes of answers of every kind."""

import base64
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from careen.findings import formats
from careen.scanners import harbor
from careen.scanners.harbor import HarborScanner
from careen.scanners.scanner import ScanFailed, Stopped, Target, Watch
from tests.ecrapi.client import push
from tests.findings.samples import HARBOR
from tests.images import image
from tests.scanners import adapter as adapters
from tests.scanners.adapter import REPORT_1_0, REPORT_1_1, Adapter, Answer, metadata
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.waiting import PATIENCE

BUILT = image("scanned by an adapter")


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Adapter]:
    """One that asks to be asked again once. Nobody waits."""
    monkeypatch.setattr(harbor, "REFRESH_SECONDS", (0.0, 0.01, 0.01))
    with adapters.running(HARBOR) as running:
        yield running


@pytest.fixture
def target(server: Server, name: str) -> Target:
    """An image of a real server, and a credential for it."""
    push(server.boto(), name, BUILT, "1")
    return Target(server.url, name, BUILT.digest, "1", BUILT.media_type, ACCESS_KEY_ID, SECRET_ACCESS_KEY)


def scan(adapter: Adapter, target: Target, timeout: float = PATIENCE, most: int = 1_000_000) -> bytes:
    """Have the image scanned."""
    return HarborScanner(adapter.url, target.registry, timeout, most).scan(target, Watch(threading.Event()))


def test_an_adapter_scans(adapter: Adapter, target: Target) -> None:
    """It is told what it needs to pull, asked for the better report, and asked again when it says so; never elsewhere."""
    assert len(formats.read(scan(adapter, target)).findings) == 2
    assert adapter.pulled == [BUILT.digest]
    credential = base64.b64encode(f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}".encode()).decode()
    (_, metadata_path, headers, _), (_, scan_path, scan_headers, body), *reports = adapter.requests
    assert (metadata_path, scan_path) == ("/base/api/v1/metadata", "/base/api/v1/scan")
    assert {path for _, path, _, _ in reports} == {"/base/api/v1/scan/a%2Fb/report"}
    assert len(reports) == 2
    assert {headers["Accept"] for _, _, headers, _ in reports} == {REPORT_1_1}
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"user:p@ss").decode()
    assert scan_headers["Content-Type"] == harbor.SCAN_REQUEST
    assert json.loads(body) == {
        "registry": {"url": target.registry, "authorization": f"Basic {credential}"},
        "artifact": {
            "repository": target.repository,
            "digest": BUILT.digest,
            "tag": "1",
            "mime_type": BUILT.media_type,
        },
        "enabled_capabilities": [{"type": "vulnerability", "produces_mime_types": [REPORT_1_1]}],
    }


def test_an_old_adapter_is_asked_for_what_it_makes(adapter: Adapter, target: Target) -> None:
    """The first version of the report, which has the same members that we read."""
    adapter.answers["GET metadata"] = [metadata(REPORT_1_0)]
    scan(adapter, target)
    assert adapter.requests[-1][2]["Accept"] == REPORT_1_0


FAILURES: dict[str, tuple[str, Answer, str]] = {
    "no vulnerabilities": (
        "GET metadata",
        metadata(),
        "The scanner adapter makes no report that is understood here",
    ),
    "no metadata": ("GET metadata", Answer(401), "The scanner adapter does not say what it can do: 401"),
    "metadata of another kind": (
        "GET metadata",
        Answer(200, b"[]"),
        "The scanner adapter answers something else",
    ),
    "metadata without end": ("GET metadata", Answer(200, b" " * 100_000), "answer has more than 65536 bytes"),
    "no such image": (
        "POST scan",
        Answer(422, b'{"error": {"message": "no such image"}}'),
        "The scanner adapter did not accept the image: 422 no such image",
    ),
    "no id": ("POST scan", Answer(202, b"{}"), "The scanner adapter answers something else"),
    "a failed scan": (
        "GET report",
        Answer(500, b'{"error": {"message": "no space left"}}'),
        "The scanner adapter has no report: 500 no space left",
    ),
    "a forgotten scan": ("GET report", Answer(404, b"not JSON"), "The scanner adapter has no report: 404"),
    "a report without end": (
        "GET report",
        Answer(200, b" " * 1_000_001),
        "answer has more than 1000000 bytes",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_an_adapter_that_fails_says_why(adapter: Adapter, target: Target, case: str) -> None:
    """In its own words where it has some."""
    what, answer, reason = FAILURES[case]
    adapter.answers[what] = [answer]
    with pytest.raises(ScanFailed, match=reason):
        scan(adapter, target)


def test_an_adapter_that_is_never_ready_is_given_up(adapter: Adapter, target: Target) -> None:
    """After the time that a scan may take, however long it asks to wait."""
    adapter.answers["GET report"] = lambda: Answer(302, headers={"Refresh-After": "9" * 30})
    with pytest.raises(ScanFailed, match=r"The scanner took longer than 0\.1 seconds"):
        scan(adapter, target, timeout=0.1)


def test_an_adapter_that_is_not_there_fails(target: Target) -> None:
    """As when its container is down."""
    with adapters.running(HARBOR) as gone:
        pass
    with pytest.raises(ScanFailed, match=r"The scanner adapter does not answer: .*refused"):
        scan(gone, target)


def test_a_scan_that_is_stopped_asks_no_more(adapter: Adapter, target: Target) -> None:
    """The worker is told to end while the adapter is still at it."""
    stop = threading.Event()

    def answer() -> Answer:
        stop.set()
        return Answer(302)

    adapter.answers["GET report"] = answer
    made: Any = HarborScanner(adapter.url, target.registry, 30, 1000)
    with pytest.raises(Stopped):
        made.scan(target, Watch(stop))
    assert len(adapter.requests) == 3
