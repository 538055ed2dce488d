"""Events and webhooks through boto3, and the feed and the commands that people read them with, against a live server."""

import base64
import contextlib
import http.client
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from careen.cli import feed
from tests import backend, program
from tests.distribution.client import Client
from tests.ecrapi.client import push, refusal, strict
from tests.images import image
from tests.receiver import Receiver
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server
from tests.waiting import PATIENCE, until

ROOT = base64.b64encode(f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}".encode()).decode()


@pytest.fixture
def hook(careen: Any, name: str) -> Iterator[str]:
    """The name of a webhook that this test adds."""
    hook = name.rpartition("/")[2]
    yield hook
    with contextlib.suppress(careen.exceptions.WebhookNotFoundException):
        careen.delete_webhook(webhookName=hook)


def test_events_are_listed_the_latest_first_page_by_page(careen: Any, ecr: Any, repository: str) -> None:
    """With ids that the deliveries have, and the whole event as EventBridge has it; also when the repository is gone."""
    for tag in ("1", "2", "3"):
        push(ecr, repository, image(repository, tag), tag)
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "2"}])
    ecr.delete_repository(repositoryName=repository, force=True)
    backend.current().settle()
    whole = careen.list_events(repositoryName=repository)["events"]
    pages = list(
        careen.get_paginator("list_events").paginate(
            repositoryName=repository, PaginationConfig={"PageSize": 2}
        )
    )
    assert [each for page in pages for each in page["events"]] == whole
    assert len(pages) == 4
    actions = [each["actionType"] for each in whole]
    assert actions == ["DELETE", "DELETE", "DELETE", "DELETE", "PUSH", "PUSH", "PUSH", "CREATE"]
    numbers = [each["sequenceNumber"] for each in whole]
    assert numbers == sorted(numbers, reverse=True)
    event = json.loads(whole[4]["eventText"])
    assert event["id"] == whole[4]["eventId"]
    assert event["detail"]["image-tag"] == "3"
    only = careen.list_events(
        repositoryName=repository, actionTypes=["PUSH", "CREATE"], detailTypes=["ECR Image Action"]
    )["events"]
    assert [each["actionType"] for each in only] == ["PUSH"] * 3
    assert refusal(careen.list_events, nextToken="no token").code == "InvalidParameterException"


def test_a_webhook_through_the_service(careen: Any, ecr: Any, repository: str, hook: str) -> None:
    """Its secret is told once; it hears of a push, and of a test; the worker of the server delivers."""
    with Receiver().running() as receiver:
        added = careen.put_webhook(
            webhookName=hook, url=receiver.url, actionTypes=["PUSH"], repositoryNamePattern=repository
        )
        assert added["secret"].startswith("whsec_")
        again = careen.put_webhook(
            webhookName=hook, url=receiver.url, actionTypes=["PUSH"], repositoryNamePattern=repository
        )
        assert "secret" not in again
        push(ecr, repository, image(repository), "1")
        [pushed] = receiver.wait_for(1)
        assert pushed.is_signed_with(added["secret"])
        assert pushed.action == ("PUSH", "1")
        number = careen.test_webhook(webhookName=hook)["sequenceNumber"]
        receiver.wait_for(2)
        until(lambda: find(careen, hook)["sequenceNumber"] >= number, "it is not written down")
        state = find(careen, hook)
        assert (state["pendingEvents"], state["deadLetters"], state["attempts"]) == (0, 0, 0)
        assert careen.list_dead_letters(webhookName=hook)["deadLetters"] == []
        assert careen.redeliver_dead_letters(webhookName=hook)["redelivering"] == 0
        careen.delete_webhook(webhookName=hook)
        assert refusal(careen.delete_webhook, webhookName=hook).code == "WebhookNotFoundException"


def find(careen: Any, hook: str) -> dict[str, Any]:
    """A webhook as it is listed."""
    pages = careen.get_paginator("list_webhooks").paginate(PaginationConfig={"PageSize": 1})
    found: dict[str, Any] = next(
        each for page in pages for each in page["webhooks"] if each["webhookName"] == hook
    )
    return found


@pytest.mark.parametrize(
    "parameters",
    [
        {"url": "ftp://127.0.0.1/"},
        {"url": "http://user:pass@127.0.0.1/"},
        {"detailTypes": ["Nothing"]},
        {"webhookName": "no name"},
    ],
    ids=str,
)
def test_what_is_no_webhook_is_refused(careen: Any, hook: str, parameters: dict[str, Any]) -> None:
    """In the words of the service."""
    given = {"webhookName": hook, "url": "http://127.0.0.1:9/"} | parameters
    assert refusal(careen.put_webhook, **given).code == "InvalidParameterException"


def test_dead_letters_are_listed_and_sent_again(make_server: Callable[..., Server]) -> None:
    """Of a server that tries once."""
    server = make_server(webhook_attempts=1)
    careen, ecr = strict(server.boto("careen")), server.boto()
    with Receiver().running() as receiver:
        receiver.answer = lambda _: 503
        careen.put_webhook(webhookName="hook", url=receiver.url, detailTypes=["ECR Image Action"])
        ecr.create_repository(repositoryName="team/app")
        for tag in ("1", "2", "3"):
            push(ecr, "team/app", image(tag), tag)
        receiver.wait_for(3)
        until(lambda: find(careen, "hook")["deadLetters"] == 3, "they are not given up")
        pages = careen.get_paginator("list_dead_letters").paginate(PaginationConfig={"PageSize": 2})
        letters = [each for page in pages for each in page["deadLetters"]]
        assert [json.loads(each["event"]["eventText"])["detail"]["image-tag"] for each in letters] == [
            "1", "2", "3",
        ]  # fmt: skip
        assert {(each["attempts"], each["lastError"], each["redelivering"]) for each in letters} == {
            (1, "the receiver answered 503", False)
        }
        told = Client(server).send("GET", "/metrics").body
        assert b"\ncareen_webhook_dead_letters 3.0\n" in told
        assert b"\ncareen_webhooks_failing 1.0\n" in told
        receiver.answer = lambda _: 200
        numbers = [letters[2]["event"]["sequenceNumber"]]
        assert careen.redeliver_dead_letters(webhookName="hook", sequenceNumbers=numbers)["redelivering"] == 1
        assert receiver.wait_for(4)[3].action == ("PUSH", "3")
        assert careen.redeliver_dead_letters(webhookName="hook")["redelivering"] >= 2
        actions = [each.action for each in receiver.wait_for(6)[4:6]]
        assert actions == [("PUSH", "1"), ("PUSH", "2")]


# The feed.


class Reading:
    """A reader of the feed, on a thread of its own."""

    def __init__(self, server: Server, last: int | None = None, credential: str = ROOT, **query: Any) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        headers = {"Authorization": f"Basic {credential}"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        self.connection.request("GET", f"/events?{urlencode(query, doseq=True)}", headers=headers)
        self.response = self.connection.getresponse()
        self.events: list[tuple[int, dict[str, Any]]] = []
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        if self.response.status == 200:
            assert self.response.readline() == b"retry: 1000\n"  # from now on nothing is missed
            self._thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for each in feed.parse(iter(self.response.readline, b"")):
                with self._came:
                    self.events.append(each)
                    self._came.notify_all()
        with self._came:
            self.has_ended = True
            self._came.notify_all()

    has_ended = False

    def wait_for(self, count: int) -> list[tuple[str, str]]:
        """Action and tag of each event, when there are so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.events) >= count, PATIENCE), self.events
        details = [event["detail"] for _, event in self.events]
        return [(detail["action-type"], detail.get("image-tag", "")) for detail in details]

    def wait_for_the_end(self) -> None:
        """Until the server has ended the feed."""
        with self._came:
            assert self._came.wait_for(lambda: self.has_ended, PATIENCE)
        self.close()

    def close(self) -> None:
        """End it."""
        if self.connection.sock is not None:
            with contextlib.suppress(OSError):
                self.connection.sock.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)
        self.response.close()
        self.connection.close()


@pytest.fixture
def reading(server: Server) -> Iterator[Callable[..., Reading]]:
    """Read the feed of the shared server, or of another."""
    readers: list[Reading] = []

    def read(of: Server = server, **how: Any) -> Reading:
        readers.append(Reading(of, **how))
        return readers[-1]

    yield read
    for reader in readers:
        reader.close()


def test_the_feed_tells_what_happens_and_goes_on_where_it_was(
    ecr: Any, repository: str, reading: Callable[..., Reading]
) -> None:
    """Each event once, in order, whichever connection reads it."""
    first = reading(repository=repository)
    assert first.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    push(ecr, repository, image(repository), "1")
    assert first.wait_for(1) == [("PUSH", "1")]
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "1"}])
    assert first.wait_for(2) == [("PUSH", "1"), ("DELETE", "1")]
    number = first.events[0][0]
    again = reading(repository=repository, last=number)
    assert again.wait_for(1) == [("DELETE", "1")]
    everything = reading(repository=repository, after=0)
    assert everything.wait_for(3) == [("CREATE", ""), ("PUSH", "1"), ("DELETE", "1")]
    only = reading(repository="*" + repository[-5:], after=0, action=["CREATE", "DELETE"])
    assert only.wait_for(2) == [("CREATE", ""), ("DELETE", "1")]
    assert [event["id"] for _, event in everything.events[1:]] == [event["id"] for _, event in first.events]


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"credential": "bm9ib2R5Om5vdGhpbmc="}, 401),
        ({"after": "x"}, 400),
        ({"after": "9" * 30}, 400),
        ({"last": -1}, 400),
    ],
    ids=str,
)
def test_a_feed_is_refused(reading: Callable[..., Reading], how: dict[str, Any], status: int) -> None:
    """To strangers, and to who asks for what makes no sense."""
    assert reading(**how).response.status == status


def test_a_feed_needs_its_permission(
    key_of: Callable[[str], dict[str, str]], reading: Callable[..., Reading]
) -> None:
    """Who may only pull is refused; who may read is not."""
    for policy, status in (("PullOnly", 403), ("ReadOnly", 200)):
        key = key_of(policy)
        pair = f"{key['accessKeyId']}:{key['secretAccessKey']}"
        answer = reading(credential=base64.b64encode(pair.encode()).decode()).response
        assert answer.status == status


def test_a_feed_ends_with_the_key_that_reads_it(
    server: Server, ecr: Any, repository: str, reading: Callable[..., Reading]
) -> None:
    """At the next commit, and not when the reader likes."""
    made = server.key("feeder", "ReadOnly")
    pair = f"{made['accessKeyId']}:{made['secretAccessKey']}"
    reader = reading(credential=base64.b64encode(pair.encode()).decode(), repository=repository)
    push(ecr, repository, image(repository), "1")
    assert reader.wait_for(1) == [("PUSH", "1")]
    assert server.careen("key", "delete", made["accessKeyId"]).returncode == 0
    reader.wait_for_the_end()


def test_feeds_end_when_the_server_stops(
    make_server: Callable[..., Server], reading: Callable[..., Reading]
) -> None:
    """At once, of every process, and the server does not wait for its time-out."""
    server = make_server(workers=2, shutdown_timeout=300)
    readers = [reading(server) for _ in range(4)]
    server.boto().create_repository(repositoryName="team/app")
    for reader in readers:
        assert reader.wait_for(1) == [("CREATE", "")]
    assert server.stop() == 0
    for reader in readers:
        reader.wait_for_the_end()


# The commands.


@pytest.fixture
def run(server: Server) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``careen …`` as somebody does whose AWS configuration leads to the registry."""

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return program.run(*command, env=server.aws_environment())

    return run


def test_careen_events(
    ecr: Any, repository: str, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A line for each, the latest last, without colours where no terminal is; whole events with --json."""
    built = image(repository)
    push(ecr, repository, built, "1")
    backend.current().settle()
    lines = run("events", "--repository", repository).stdout.splitlines()
    assert [line.split()[1] for line in lines] == ["CREATE", "PUSH"]
    assert lines[1].split()[2:4] == [f"{repository}:1", built.digest[:19]]
    assert "\033" not in "".join(lines)
    [whole] = run("events", "--repository", repository, "--action", "PUSH", "--json").stdout.splitlines()
    assert json.loads(whole)["detail"]["image-digest"] == built.digest


def test_careen_events_follow(server: Server, ecr: Any, repository: str) -> None:
    """What was, then what happens, until it is interrupted."""
    command = [*program.COMMAND, "events", "--follow", "--repository", repository]
    with subprocess.Popen(command, env=server.aws_environment(), stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline().split()[1] == "CREATE"
        push(ecr, repository, image(repository), "1")
        assert reader.stdout.readline().split()[1:3] == ["PUSH", f"{repository}:1"]
        reader.send_signal(signal.SIGINT)
        assert reader.wait(PATIENCE) == 130


def test_careen_webhook(
    repository: str, hook: str, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Add, test, list and remove one; a receiver that is not there is told of."""
    with Receiver().running() as receiver:
        added = run("webhook", "add", hook, receiver.url, "--action", "PUSH", "--repository", repository)
        told, secret = added.stdout.splitlines()
        assert told == f"{hook} is told of PUSH in {repository}"
        assert run("webhook", "test", hook).stdout == f"{hook} took the event\n"
        assert receiver.wait_for(1)[0].is_signed_with(secret.removeprefix("secret: "))
    failed = run("webhook", "test", hook)
    assert failed.returncode == 1
    assert f"error: {hook}: ConnectError" in failed.stderr
    assert f"{hook}  {receiver.url}  PUSH in {repository}\n  FAILING" in run("webhook", "list").stdout
    assert run("webhook", "dead-letters", hook).stdout == "everything was delivered\n"
    assert run("webhook", "redeliver", hook).stdout == "0 dead letters on the way\n"
    assert run("webhook", "remove", hook).stdout == f"{hook} removed\n"
    gone = run("webhook", "test", hook)
    assert (gone.returncode, "does not exist" in gone.stderr) == (2, True)
