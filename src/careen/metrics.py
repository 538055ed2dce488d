"""``GET /metrics``, in Prometheus's format: what the database knows, and what the processes of this node have counted.

The first is read when it is asked for, so it is the same from every node, and counts go on where they were after a restart. The
second (``careen.figures``) is this node's alone, and the same whichever of its processes answers.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from careen import counting, figures
from careen.circumstances import circumstances_of
from careen.clock import SECOND, system_now
from careen.counting import Gauge, Histogram, Labels
from careen.ecr.common_errors import AccessDenied, ExpiredToken, UnrecognizedClient
from careen.ecrapi.trail import Trail
from careen.iam import basic
from careen.iam.tokens import TokenExpired
from careen.registry import access, callers, metrics
from careen.registry.access import Action
from careen.registry.callers import Principal
from careen.registry.metrics import Metrics
from careen.registry.registry import Registry
from careen.traffic import served


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
        encode, content_type = exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(await self._registry.in_thread(self._tell, encode), media_type=content_type)

    def _tell(self, encode: Callable[[CollectorRegistry], bytes]) -> bytes:
        """All figures as they stand. Takes tens of milliseconds, and a disk that is far away may take its time."""
        measured = self._registry.read(metrics.measure)
        return encode(_families(measured, os.statvfs(self._registry.scratch_folder)))

    def _refusal(self, request: Request) -> Response | None:
        """The answer to somebody who may not see the figures, written to the audit log; None: to whom they are told."""
        trail = Trail(self._registry, request, served(request.scope).id)
        trail.service, trail.operation = "careen", "GetMetrics"
        circumstances = circumstances_of(self._registry, request.scope, {})
        try:
            principal = trail.principal = served(request.scope).principal = self._caller(request)
            self._registry.read(access.require, principal, Action.GET_METRICS, "*", circumstances)
        except (UnrecognizedClient, ExpiredToken) as refusal:
            is_told = bool(request.headers.get("authorization"))
            served(request.scope).refusal = "wrong credential" if is_told else "no credential"
            if is_told:  # else nobody is refused: he is only asked who he is
                trail.end(b"", refusal)
            challenge = {"www-authenticate": 'Basic realm="metrics"'}
            return Response("a credential is needed: an access key's id and its secret\n", 401, challenge)
        except AccessDenied as refusal:
            served(request.scope).refusal = "denied"
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
            found = registry.read(callers.by_password, registry, sent.user, sent.password, system_now())
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


def _families(measured: Metrics, disk: os.statvfs_result) -> CollectorRegistry:
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
                *_disk(disk),
                *_counted(),
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


def _disk(disk: os.statvfs_result) -> Iterator[Metric]:
    free, size = (blocks * disk.f_frsize for blocks in (disk.f_bavail, disk.f_blocks))
    yield GaugeMetricFamily(
        "careen_disk_free_bytes", "Bytes that the data folder's disk has left for this node.", free
    )
    yield GaugeMetricFamily("careen_disk_size_bytes", "Bytes that it has in all.", size)
    yield GaugeMetricFamily("careen_disk_free_files", "Files that it has room for.", disk.f_favail)


def _counted() -> Iterator[Metric]:
    """What the processes counted. A family is there from the beginning, and what has no labels is 0 until it is counted."""
    totals: dict[str, dict[Labels, list[float]]] = defaultdict(dict)
    for (name, labels), values in counting.totals().items():
        totals[name][labels] = values
    for family in figures.EVERY:
        series = totals[family.name]
        if not family.labels:
            series.setdefault((), [0.0])
        if isinstance(family, Histogram):
            yield _histogram(family, series)
            continue
        kind = GaugeMetricFamily if isinstance(family, Gauge) else CounterMetricFamily
        told = kind(family.name, family.meaning, labels=family.labels)
        for labels, (value,) in series.items():
            told.add_metric(labels, value)
        yield told


def _histogram(family: Histogram, series: dict[Labels, list[float]]) -> Metric:
    told = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    bounds = [*(str(float(bound)) for bound in family.bounds), "+Inf"]
    for labels, (*counts, total) in series.items():
        told.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
    return told
