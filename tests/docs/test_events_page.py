"""The receiver that docs/events.md shows takes what is signed, and nothing else."""

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from careen.clock import SECOND, system_now
from careen.iam import standard_webhooks
from tests.server import free_port
from tests.waiting import PATIENCE, found

PAGE = Path(__file__).parents[2] / "docs" / "events.md"
SECRET = b"s" * 32
BODY = b'{"detail":{"action-type":"PUSH"}}'


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the page's program listens, copied as it stands but for the port."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) <= 24
    port = free_port()
    program = found[1].replace("8000", str(port))
    environment = os.environ | {"WEBHOOK_SECRET": standard_webhooks.secret_text(SECRET)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stderr=subprocess.DEVNULL
    ) as started:
        yield port
        started.kill()


def post(port: int, headers: dict[str, str], body: bytes = BODY) -> int:
    """What the program answers."""

    def status() -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("POST", "/", body, headers)
            return connection.getresponse().status
        except ConnectionRefusedError:
            return 0
        finally:
            connection.close()

    return found(status, "the program does not listen")


@pytest.mark.parametrize(
    ("secrets", "age", "body", "status"),
    [
        ([SECRET], 0, BODY, 204),
        ([b"new", SECRET], 0, BODY, 204),
        ([b"another"], 0, BODY, 400),
        ([SECRET], 3600, BODY, 400),
        ([SECRET], 0, BODY + b" ", 400),
    ],
    ids=["signed", "signed with two secrets", "with another secret", "an hour old", "changed"],
)
def test_the_receiver_of_the_page(
    port: int, secrets: list[bytes], age: int, body: bytes, status: int
) -> None:
    """Signed now, with a secret of ours, and unchanged."""
    headers = standard_webhooks.headers(secrets, "message", system_now() // SECOND - age, BODY)
    assert post(port, headers, body) == status
