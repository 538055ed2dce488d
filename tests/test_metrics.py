"""What Prometheus is told, by a server, to whom."""

import asyncio
import datetime as dt
import itertools
import sys
import time
from collections.abc import Callable
from types import FrameType

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from careen.metrics import MetricsApp
from careen.registry.registry import Registry
from tests.distribution.client import Answer, Client
from tests.distribution.test_auth import basic, token
from tests.ecrapi.client import push
from tests.images import image
from tests.server import Server
from tests.waiting import until

AFTER_THE_GRACE = dt.datetime(2026, 1, 1, 2, tzinfo=dt.UTC)


def samples(answer: Answer) -> dict[tuple[str, str], float]:
    """Each sample's value by its name and the kind it is of."""
    assert answer.status == 200, answer
    return {
        (sample.name, sample.labels.get("kind", "")): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def test_a_collection_shows(make_server: Callable[..., Server]) -> None:
    """What a deleted image gave back, to the byte, whichever process is asked; the jobs wait for their time."""
    # A standing clock, so that no collector is quicker than the manifest, however busy the machine is.
    server = make_server("2026-01-01T00:00:00Z", workers=2, blob_grace=3600, trash_days=0)
    built = image("layer", size=70_000)
    push(server.boto(), "team/app", built, "1")
    server.boto().batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "1"}])
    client = Client(server)
    minutes = itertools.count(0)
    freed, runs = (
        ("careen_collector_freed_bytes_total", "collect"),
        ("careen_collector_runs_total", "collect"),
    )
    waiting, overdue = ("careen_jobs_waiting", "sweep"), ("careen_jobs_overdue_seconds", "sweep")

    def told() -> dict[tuple[str, str], float]:
        return samples(client.send("GET", "/metrics"))

    def is_collected() -> bool:
        """After the grace; later and later, as a run that the clock was set in asks for the next one from then on."""
        server.set_time((AFTER_THE_GRACE + dt.timedelta(minutes=next(minutes))).isoformat())
        return told().get(freed) == built.size

    until(is_collected, "nothing is collected")
    until(lambda: told()[runs] >= 1, "the collection does not end")
    until(lambda: told()[waiting] == 1 and told()[overdue] == 0, "the sweep does not wait for its time")
    found = told()
    assert found["careen_collector_blobs_total", "collect"] == 2
    assert found["careen_collector_last_end_timestamp_seconds", "collect"] <= time.time()
    assert found["careen_collector_reviews", ""] == found["careen_trash_images", ""] == 0


def test_requests_are_counted_whichever_process_answers(make_server: Callable[..., Server]) -> None:
    """Both the request and the question how many there were."""
    server = make_server(workers=2)
    client = Client(server)
    for _ in range(20):
        client.send("GET", "/v2/")

    def roots() -> float:
        families = text_string_to_metric_families(client.send("GET", "/metrics").body.decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "careen_http_requests_total" and sample.labels["operation"] == "root"
        )

    # The last is counted when its answer has been sent, and another process may be asked meanwhile.
    until(lambda: roots() == 20)
    assert {roots() for _ in range(6)} == {20}


@pytest.mark.parametrize(
    ("policy", "status"),
    [("PullOnly", 403), ("ReadOnly", 200), ("FullAccess", 200)],
)
def test_who_may_look(
    server: Server, key_of: Callable[[str], dict[str, str]], policy: str, status: int
) -> None:
    """The figures tell nobody's names, and still they are for those who may look at images."""
    key = key_of(policy)
    answer = Client(server, key["accessKeyId"], key["secretAccessKey"]).send("GET", "/metrics")
    assert answer.status == status
    if status == 403:
        assert b"is not authorized to perform: careen:GetMetrics on resource: *" in answer.body


@pytest.mark.parametrize(
    "credential", ["", "Basic bm9ib2R5Om5vdGhpbmc=", "Bearer x"], ids=["none", "wrong", "no Basic"]
)
def test_strangers_are_asked_who_they_are(server: Server, credential: str) -> None:
    """Without a good credential the answer is a challenge."""
    answer = Client(server).send("GET", "/metrics", None, {"Authorization": credential})
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="metrics"'


def test_a_setting_opens_it_to_everybody(make_server: Callable[..., Server]) -> None:
    """For a network where only the monitoring system gets in."""
    answer = Client(make_server(metrics_open="true")).send("GET", "/metrics", None, {"Authorization": ""})
    assert samples(answer)["careen_collector_reviews", ""] == 0


def test_the_format_is_the_one_asked_for(server: Server) -> None:
    """OpenMetrics if the scraper takes it, as Prometheus does."""
    plain = Client(server).send("GET", "/metrics")
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    open_metrics = Client(server).send("GET", "/metrics", None, wanted)
    assert plain.headers["content-type"].startswith("text/plain")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.body.endswith(b"# EOF\n")


def refused(server: Server, surface: str, reason: str) -> float:
    """How many requests a surface refused for a reason."""
    families = text_string_to_metric_families(Client(server).send("GET", "/metrics").body.decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "careen_refusals_total"
        and (sample.labels["surface"], sample.labels["reason"]) == (surface, reason)
    )


@pytest.mark.parametrize(("surface", "path"), [("oci", "/v2/"), ("events", "/events")])
@pytest.mark.parametrize(
    ("reason", "status"), [("expired credential", 403), ("denied", 403), ("wrong credential", 401)]
)
def test_why_somebody_was_refused(
    server: Server, key_of: Callable[[str], dict[str, str]], surface: str, path: str, reason: str, status: int
) -> None:
    """Every surface says it in the same words: a token that is over, a policy that does not allow it, a stranger."""
    key = key_of("PullOnly")
    credential = {
        "expired credential": basic(f"AWS:{token(server, lives=-1)}"),
        "denied": basic(f"{key['accessKeyId']}:{key['secretAccessKey']}"),
        "wrong credential": basic("AKIAX:y"),
    }[reason]
    asked = "/v2/_catalog" if (surface, reason) == ("oci", "denied") else path
    before = refused(server, surface, reason)
    answer = Client(server).send("GET", asked, None, {"Authorization": credential})
    assert answer.status == status, answer
    assert refused(server, surface, reason) == before + 1


def test_nobody_waits_while_it_is_told(registry: Registry) -> None:
    """The event loop answers others: neither the disk is asked there, nor the rows, nor is the text made there."""
    ran = set[str]()

    def note(frame: FrameType, event: str, called: object) -> None:
        ran.add(getattr(called, "__name__", "") if event == "c_call" else frame.f_code.co_name)

    async def answer() -> bytes:
        sys.setprofile(note)  # of this thread alone
        try:
            scope = {"type": "http", "method": "GET", "path": "/metrics", "headers": []}
            return bytes((await MetricsApp(registry, is_open=True).answer(Request(scope))).body)
        finally:
            sys.setprofile(None)

    assert b"careen_disk_free_bytes" in asyncio.run(answer())
    assert "answer" in ran
    assert not ran & {"statvfs", "measure", "totals", "generate_latest"}
