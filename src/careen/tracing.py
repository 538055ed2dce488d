"""Traces, for those who have a collector of OpenTelemetry's: a span for each request and each job of a process.

Off unless the setting ``traces`` says where to; else nothing of OpenTelemetry is imported. All but the address is its own to
say, by the variables that its SDKs have in common: ``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_TRACES_SAMPLER``,
``OTEL_EXPORTER_OTLP_HEADERS`` … (OpenTelemetry specification, "Environment Variables"). Names of attributes are those of its
semantic conventions; ours begin with ``careen.``.
"""

import contextlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span

PACKAGES = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

PATH = "/v1/traces"
"""Where a collector takes traces by HTTP (OTLP specification, "OTLP/HTTP Request")."""


class NotInstalled(Exception):
    """What traces need is not there. The message says what to install."""


def check() -> None:
    """See that there is what traces need.

    Raises:
        NotInstalled: there is not.
    """
    try:
        missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    except ModuleNotFoundError:  # of a package above
        missing = list(PACKAGES)
    if missing:
        raise NotInstalled("the setting traces needs OpenTelemetry: pip install 'careen[traces]'")


class _Spans:
    """What makes and sends the spans of this process."""

    def __init__(self, place: str, version: str, instance: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        ours = {"service.name": "careen", "service.version": version, "service.instance.id": instance}
        resource = Resource(ours).merge(OTELResourceDetector().detect())  # the environment's word counts
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=place.rstrip("/") + PATH)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("careen", version)
        self._kinds, self._codes = SpanKind, StatusCode
        self._propagator = TraceContextTextMapPropagator()

    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> "Span":
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in headers
            if name in {b"traceparent", b"tracestate"}
        }
        above = self._propagator.extract(carrier)
        return self._tracer.start_span(method, context=above, kind=self._kinds.SERVER)

    def job(self, kind: str) -> "Span":
        return self._tracer.start_span(
            f"job {kind}", kind=self._kinds.CONSUMER, attributes={"careen.job": kind}
        )

    def fail(self, span: "Span", error: str) -> None:
        span.set_attribute("error.type", error)
        span.set_status(self._codes.ERROR)

    def end(self) -> None:
        self._provider.shutdown()


_spans: _Spans | None = None
"""A process has one way out for its spans, as it has one log; None: it makes none."""


def begin(place: str, instance: str) -> None:
    """Make spans in this process from now on: once, after the fork, because sending has a thread of its own.

    Args:
        place: the collector's address, such as ``http://localhost:4318``; empty: none are made.
        instance: what tells this node from others.
    """
    global _spans  # noqa: PLW0603 see above
    if place:
        from importlib.metadata import version  # noqa: PLC0415 only for those who trace

        _spans = _Spans(place, version("careen"), instance)


def end() -> None:
    """Send what was not sent yet, some seconds long at most, and make no more."""
    global _spans
    if _spans is not None:
        spans, _spans = _spans, None
        spans.end()


def is_on() -> bool:
    """Whether spans are made."""
    return _spans is not None


def begin_request(method: str, headers: Iterable[tuple[bytes, bytes]]) -> "Span | None":
    """The span of a request, below the one that its ``traceparent`` names (W3C Trace Context); None: there are no traces."""
    return None if _spans is None else _spans.request(method, headers)


def end_request(span: "Span", name: str, attributes: Mapping[str, Any], status: int) -> None:
    """End the span of a request.

    Args:
        span: of :func:`begin_request`.
        name: the method and the operation; never a name that a client chose, of which there may be any number.
        attributes: by the names of the semantic conventions.
        status: of the answer; 0: the client went away before there was one. A fault of ours is an error.
    """
    span.update_name(name)
    span.set_attributes({key: value for key, value in attributes.items() if value is not None})
    if _spans is not None and (status >= 500 or not status):
        _spans.fail(span, str(status or "gone"))
    span.end()


@contextlib.contextmanager
def job(kind: str) -> Iterator[None]:
    """The span of a job; its failure is the span's."""
    spans = _spans
    if spans is None:
        yield
        return
    span = spans.job(kind)
    try:
        yield
    except BaseException as error:
        spans.fail(span, type(error).__name__)
        raise
    finally:
        span.end()
