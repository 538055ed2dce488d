"""Traces: what a collector is sent of requests and jobs, what never, and that nobody waits for it."""

import gzip
import http.server
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from careen import tracing
from tests.distribution.client import Client
from tests.ecrapi.samples import KEEP_ONE
from tests.images import image
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server, free_port
from tests.waiting import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
ABOVE = "b7ad6b7169203331"


class Collector:
    """Takes what is sent to it, as OpenTelemetry's does by HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: list[dict[str, str]] = []
        self.sent = b""
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                collector.take(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def take(self, body: bytes) -> None:
        """Keep what was sent."""
        self.sent += body
        for each in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(_plain(each.resource.attributes))
            self.spans += [span for scope in each.scope_spans for span in scope.spans]

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that takes everything."""
    collector = Collector()
    yield collector
    collector.close()


def test_requests_and_jobs_are_spans(make_server: Callable[..., Server], collector: Collector) -> None:
    """Below the caller's own span, with what the access log has, and without a secret; a pull from memory is one, too."""
    server = make_server(traces=collector.url, create_on_push=True, collect_interval=1)
    client, built = Client(server), image("traced")
    client.push("team/app", built, "1")
    traced = {"Traceparent": f"00-{TRACE}-{ABOVE}-01", "Accept": built.media_type}
    for _ in range(3):
        assert client.send("GET", "/v2/team/app/manifests/1", headers=traced).status == 200
    assert client.send("GET", "/v2/team/app/manifests/none?secret=in-the-query").status == 404
    ecr = server.boto()
    ecr.put_lifecycle_policy(repositoryName="team/app", lifecyclePolicyText=KEEP_ONE)
    client.send("DELETE", f"/v2/team/app/manifests/{built.digest}")
    until(lambda: any(span.name.startswith("job ") for span in collector.spans))
    assert server.stop() == 0
    by_name: dict[str, list[Span]] = {}
    for span in collector.spans:
        by_name.setdefault(span.name, []).append(span)
    pulls = [span for span in by_name["GET manifests"] if span.trace_id.hex() == TRACE]
    assert len(pulls) == 3
    for pull in pulls:
        assert (pull.parent_span_id.hex(), pull.kind) == (ABOVE, Span.SPAN_KIND_SERVER)
        told = _plain(pull.attributes)
        assert told["url.path"] == "/v2/team/app/manifests/1"
        assert told["http.response.status_code"] == 200
        assert told["careen.surface"] == "oci"
        assert told["enduser.id"].endswith(":root")
        assert told["careen.request_id"]
    (refused,) = (
        each for each in by_name["GET manifests"] if "none" in str(_plain(each.attributes)["url.path"])
    )
    assert refused.status.code == Status.STATUS_CODE_UNSET  # the client's mistake is no fault of the server
    assert "POST PutLifecyclePolicy" in by_name
    assert not [
        name for name in by_name if "ready" in name or "health" in name
    ]  # the server was asked until it was ready
    assert all(each["service.name"] == "careen" for each in collector.resources)
    for secret in (SECRET_ACCESS_KEY, "in-the-query"):
        assert secret.encode() not in collector.sent
    assert ACCESS_KEY_ID.encode() not in collector.sent


def test_a_collector_that_is_away_holds_nobody_up(make_server: Callable[..., Server]) -> None:
    """Requests are answered, and the end is orderly."""
    server = make_server(traces=f"http://127.0.0.1:{free_port()}", shutdown_timeout=60)
    client = Client(server)
    client.push("team/app", image("untraced"), "1")
    assert client.send("GET", "/v2/team/app/manifests/1").status == 200
    assert server.stop() == 0


def test_who_traces_nothing_imports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the setting there is no span, and what a start says names the packages that are missing."""
    assert not tracing.is_on()
    assert tracing.begin_request("GET", []) is None
    with tracing.job("collect"):
        pass
    monkeypatch.setattr(tracing, "PACKAGES", ("opentelemetry.no_such_package",))
    with pytest.raises(tracing.NotInstalled, match=r"pip install 'careen\[traces\]'"):
        tracing.check()


def test_a_failed_job_is_a_failed_span(collector: Collector) -> None:
    """With the error's name, not its words, which may have anything in them."""
    tracing.begin(collector.url, "here")
    try:
        with pytest.raises(ZeroDivisionError), tracing.job("collect"):
            raise ZeroDivisionError("not for everybody")
    finally:
        tracing.end()
    (span,) = collector.spans
    assert (span.name, span.status.code) == ("job collect", Status.STATUS_CODE_ERROR)
    assert _plain(span.attributes) == {"careen.job": "collect", "error.type": "ZeroDivisionError"}
    assert b"not for everybody" not in collector.sent
