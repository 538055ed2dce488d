"""``GET /metrics``: the collector, the trash and the jobs, in Prometheus's format.

Every figure is read from the database when it is asked for, so it is the same whichever process answers, and counts go on where
they were after a restart.
"""

import uuid
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from careen.circumstances import circumstances_of
from careen.clock import SECOND, system_now
from careen.ecr.common_errors import AccessDenied, ExpiredToken, UnrecognizedClient
from careen.ecrapi.trail import Trail
from careen.iam import basic
from careen.iam.tokens import TokenExpired
from careen.registry import access, metrics
from careen.registry.access import Action, Principal
from careen.registry.metrics import Metrics
from careen.registry.registry import Registry


class MetricsApp:
    """Answers ``GET /metrics``."""

    def __init__(self, registry: Registry, *, is_open: bool) -> None:
        """``is_open``: whether it is answered without a credential."""
        self._registry = registry
        self._is_open = is_open

    async def answer(self, request: Request) -> Response:
        """200 with the figures; 401 without a good credential, 403 if its policy does not allow ``careen:GetMetrics``."""
        if not self._is_open:
            refused = self._refusal(request)
            if refused is not None:
                return refused
        measured = await self._registry.read_in_thread(metrics.measure)
        encode, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(encode(_families(measured)), media_type=content_type)

    def _refusal(self, request: Request) -> Response | None:
        """The answer to somebody who may not see the figures, written to the audit log; None: to whom they are told."""
        trail = Trail(self._registry, request, str(uuid.uuid4()))
        trail.service, trail.operation = "careen", "GetMetrics"
        circumstances = circumstances_of(self._registry, request.scope, {})
        try:
            principal = trail.principal = self._caller(request)
            self._registry.read(access.require, principal, Action.GET_METRICS, "*", circumstances)
        except (UnrecognizedClient, ExpiredToken) as refusal:
            if request.headers.get("authorization"):  # else nobody is refused: he is only asked who he is
                trail.end(b"", refusal)
            challenge = {"www-authenticate": 'Basic realm="metrics"'}
            return Response("a credential is needed: an access key's id and its secret\n", 401, challenge)
        except AccessDenied as refusal:
            trail.end(b"", refusal)
            return Response(f"{refusal.message}\n", 403)
        return None

    def _caller(self, request: Request) -> Principal:
        """Who asks.

        Raises:
            UnrecognizedClient: nobody that is known.
            ExpiredToken: somebody whose time is over.
        """
        sent = basic.parse(request.headers.get("authorization", ""))
        if sent is None:
            raise UnrecognizedClient
        registry = self._registry
        try:
            found = registry.read(access.by_password, registry, sent.user, sent.password, system_now())
        except TokenExpired:
            raise ExpiredToken from None
        if found is None:
            raise UnrecognizedClient
        return found


class _Measured(Collector):
    """What was measured, as a source of families."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families


def _families(measured: Metrics) -> CollectorRegistry:
    """The figures with their names, in the base units that Prometheus asks for: seconds, bytes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        _Measured(
            [
                *_collections(measured),
                *_backlog(measured),
                *_jobs(measured),
                *_webhooks(measured),
                *_nodes(measured),
            ]
        )
    )
    return registry


def _collections(measured: Metrics) -> Iterator[Metric]:
    runs = CounterMetricFamily(
        "careen_collector_runs",
        "Collections that ended: collect goes by what happened, sweep by what is stored.",
        labels=["kind"],
    )
    busy = CounterMetricFamily(
        "careen_collector_busy_seconds", "What collections took, their rests included.", labels=["kind"]
    )
    ended = GaugeMetricFamily(
        "careen_collector_last_end_timestamp_seconds", "When the last collection ended.", labels=["kind"]
    )
    blobs = CounterMetricFamily("careen_collector_blobs", "Blobs that collections removed.", labels=["kind"])
    freed = CounterMetricFamily(
        "careen_collector_freed_bytes", "Bytes that collections gave back.", labels=["kind"]
    )
    for total in measured.collections:
        label = [total.kind]
        runs.add_metric(label, total.runs)
        busy.add_metric(label, total.busy / SECOND)
        if total.ended_at:
            ended.add_metric(label, total.ended_at / SECOND)
        blobs.add_metric(label, total.blobs)
        freed.add_metric(label, total.freed)
    yield from (runs, busy, ended, blobs, freed)
    every = measured.collections
    yield CounterMetricFamily(
        "careen_collector_orphans",
        "Files that no row named, removed.",
        value=sum(total.orphans for total in every),
    )
    yield CounterMetricFamily(
        "careen_collector_abandoned_uploads",
        "Uploads that stood still for too long, removed.",
        value=sum(total.uploads for total in every),
    )
    yield CounterMetricFamily(
        "careen_trash_purged_images",
        "Deleted images whose time in the trash was over.",
        value=sum(total.purged for total in every),
    )


def _backlog(measured: Metrics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "careen_trash_images", "Deleted images that can come back.", measured.trash_images
    )
    yield GaugeMetricFamily(
        "careen_collector_reviews", "Blobs that wait for the collector to look.", measured.reviews
    )
    yield GaugeMetricFamily(
        "careen_collector_due_reviews",
        "Blobs whose review is due: a number that stays high says that the collector does not keep up.",
        measured.due_reviews,
    )
    yield GaugeMetricFamily(
        "careen_collector_condemned_bytes",
        "Bytes of blobs that are gone and whose files are about to go; a backup holds them up.",
        measured.condemned_bytes,
    )


def _jobs(measured: Metrics) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("careen_jobs_waiting", "Jobs that no worker has taken.", labels=["kind"])
    overdue = GaugeMetricFamily(
        "careen_jobs_overdue_seconds",
        "For how long the first of them has been due: the worker is behind, or is not there.",
        labels=["kind"],
    )
    for each in measured.jobs:
        waiting.add_metric([each.kind], each.count)
        overdue.add_metric([each.kind], each.overdue / SECOND)
    yield from (waiting, overdue)


def _webhooks(measured: Metrics) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "careen_webhooks_failing", "Webhooks whose last attempt was in vain.", measured.failing_webhooks
    )
    yield GaugeMetricFamily(
        "careen_webhook_dead_letters", "Events that could not be delivered.", measured.dead_letters
    )


def _nodes(measured: Metrics) -> Iterator[Metric]:
    labels = ["node", "id", "version"]
    processes = GaugeMetricFamily(
        "careen_node_processes",
        "Processes of a node that answer requests; there is a node for each.",
        labels=labels,
    )
    offset = GaugeMetricFamily(
        "careen_node_clock_offset_seconds",
        "How far a node's clock is ahead of the database's; beyond a minute the node does no jobs.",
        labels=labels,
    )
    for node in measured.nodes:
        processes.add_metric([node.name, node.id, node.version], node.processes)
        offset.add_metric([node.name, node.id, node.version], node.clock_offset / SECOND)
    yield from (processes, offset)
