"""The same script over HTTP: ``careen serve`` dies with all its processes at a point, and its client goes on after the restart."""

import http.client
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from botocore.exceptions import BotoCoreError

from careen.faults import Point
from tests.distribution.client import Client
from tests.faults import script
from tests.faults.doors import Http
from tests.faults.model import MOMENT, Journal, assert_tidy, assert_whole, end_leases, reopened, seen
from tests.faults.programs import ForkedServer, Kill
from tests.faults.test_every_point import IN_THE_SCRIPT
from tests.waiting import until

NOT_BY_HTTP = {
    Point.UPLOAD_FLUSHED,  # takes sixteen megabytes
    Point.PULLS_WRITTEN,  # takes five seconds
    Point.SIGN_IN_LINK_MADE,  # made beside the server, by those who can read its folder
    Point.SUMMARIES_KEPT,  # takes a minute
}

SERVED = [point for point in IN_THE_SCRIPT if point not in NOT_BY_HTTP]
QUICK = {Point.BLOB_RENAMED, Point.MANIFEST_PUT, Point.RUN_BATCH}


@pytest.fixture
def served(template: Path, quick_path: Path) -> Iterator[ForkedServer]:
    """A server whose worker does everything several times a second."""
    folder = quick_path / "data"
    shutil.copytree(template, folder)
    often = {"collect_interval": 0.1, "lifecycle_interval": 0.1, "sweep_interval": 0.1}
    served = ForkedServer(
        folder,
        archive_blobs=str(folder / "archive"),
        blob_grace=0.2,
        reserve=0,
        trash_days=MOMENT,
        upload_ttl=3600,
        **often,
    )
    yield served
    served.crash()


def go_until_it_dies(served: ForkedServer, door: Http, journal: Journal) -> None:
    """Go through the script. A worker that has much to do comes to its point when the last step is done."""
    script.go_through(door, journal)
    until(lambda: not served.is_alive(), "nobody passes it")
    raise ConnectionResetError


@pytest.mark.parametrize(
    "point",
    [pytest.param(point, marks=() if point in QUICK else pytest.mark.slow) for point in SERVED],
    ids=lambda point: point.value,
)
def test_a_server_killed_at_a_point(served: ForkedServer, point: Point) -> None:
    """What its clients were told holds, the step that was under way can be asked for again, and the rest of the script works."""
    journal = Journal(served.data.with_name("journal"))
    door = Http(Client(served), served.boto(), served.boto("careen"), served.boto("iam"))
    served.start(Kill((point,)))
    with pytest.raises((OSError, http.client.HTTPException, BotoCoreError, httpx2.TransportError)):
        go_until_it_dies(served, door, journal)
    served.crash()
    step, before, after = script.progress(journal)
    if step > script.POLICY_SET:  # the worker needs no step to run it
        script.STEPS[script.POLICY_RUN].then(after)
    registry = reopened(served.data)
    assert_whole(registry)
    script.assert_between(before, after, seen(registry), is_long=True, is_collected=True)
    registry.close()
    end_leases(served.data)
    served.start()
    script.go_through(door, journal, step)
    served.crash()
    log = served.log.read_text()
    assert "Traceback" not in log, log.replace("\\n", "\n")
    registry = reopened(served.data)
    assert_whole(registry)
    _, before, after = script.progress(journal)
    script.assert_between(before, after, seen(registry), is_long=False, is_collected=True)
    assert_tidy(registry)
    registry.close()
    journal.close()
