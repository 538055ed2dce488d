"""What a request leaves behind it: nothing, so that memory does not grow with how much is asked."""

import gc
from collections.abc import Iterator

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from careen import counting, server, settings, startup
from careen.draining import Draining
from careen.oci.digest import digest_of
from careen.protocol import Protocol
from tests.distribution.client import Client, answer
from tests.ecrapi.client import signed
from tests.images import image
from tests.server import Server, here
from tests.waiting import until

APP = "team/app"
BUILT = image("app")
BLOB = b"not a layer of it"
TIMES = 20
ALIVE = 3
"""The connection's last request and that before it, and one of the server's own."""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A caller of an application as an HTTP process has it, in this process, whose objects can be counted."""
    place = Server(tmp_path_factory.mktemp("here") / "data")
    loaded = settings.load(environ=place.environment())
    own = counting._own
    startup.prepare(loaded)
    application = server.application(loaded, startup.begin(loaded), Draining())
    http = uvicorn.Server(uvicorn.Config(application, http=Protocol, lifespan="on", log_config=None))
    client = Client(place)
    try:
        with here(http, place.port):
            client.push(APP, BUILT, "1")
            yield client
    finally:
        counting._own = own


REQUESTS: dict[str, tuple[str, str, bytes]] = {
    "a manifest": ("GET", f"/v2/{APP}/manifests/1", b""),
    "a manifest's head": ("HEAD", f"/v2/{APP}/manifests/{BUILT.digest}", b""),
    "a blob": ("GET", f"/v2/{APP}/blobs/{BUILT.digests[0]}", b""),
    "what is not there": ("GET", f"/v2/{APP}/manifests/2", b""),
    "a list": ("GET", f"/v2/{APP}/tags/list", b""),
    "an upload": ("POST", f"/v2/{APP}/blobs/uploads/?digest={digest_of(BLOB)}", BLOB),
    "a token": ("GET", "/v2/token?service=careen", b""),
    "a probe": ("GET", "/readyz", b""),
    "no path of ours": ("GET", "/nothing", b""),
    "an operation": ("POST", "DescribeRegistry", b"{}"),
    "an operation that is refused": ("POST", "ListImages", b'{"repositoryName":"not/there"}'),
}
"""Method, path or operation, and body. A page is not among them: templates make cycles of their own."""


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_it_is_freed_with_its_answer(client: Client, request_: tuple[str, str, bytes]) -> None:
    """Not when the garbage collector comes by: until then a hundred connections leave megabytes of it."""
    method, path, body = request_
    connection = client.open()
    gc.collect()
    before = alive()  # of servers that other tests had in this process
    gc.disable()
    try:
        for number in range(TIMES):
            if path.startswith("/"):
                headers = {
                    "Authorization": client.authorization,
                    "X-Number": str(number),
                }  # so that none is answered again
                connection.request(method, path, body, headers)
            else:
                connection.request(method, "/", body, signed(client.server, path, body))
            answer(connection)
        until(lambda: alive() - before <= ALIVE, f"{alive() - before} requests of {TIMES} are there yet")
    finally:
        gc.enable()
        connection.close()


def alive() -> int:
    """How many requests are in memory."""
    return sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())
