"""Webhooks: what is sent, in which order, signed how, how often, and what becomes of what nobody takes."""

import threading
from collections.abc import Callable, Iterator

import pytest

from careen import deliveries
from careen.clock import DAY
from careen.ecr import errors
from careen.iam import standard_webhooks
from careen.registry import events, webhooks
from careen.registry.events import Filter
from careen.registry.registry import Registry
from careen.settings import networks
from tests import waiting
from tests.images import image
from tests.receiver import Delivery, Receiver
from tests.registry.steps import Hands, noted, push, put, settle, with_limits

ONE = image("one")
EVERYTHING = Filter()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes everything."""
    with Receiver().running() as started:
        yield started


@pytest.fixture
def delivering() -> Iterator[Callable[[Registry], None]]:
    """Start a worker's deliveries, with waits of a hundredth of a second at first."""
    stop, threads = threading.Event(), list[threading.Thread]()

    def start(registry: Registry) -> None:
        thread = threading.Thread(target=deliveries.run, args=(registry, noted(registry), stop, 0.01))
        thread.start()
        threads.append(thread)

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def add(registry: Registry, receiver: Receiver, wanted: Filter = EVERYTHING, name: str = "hook") -> str:
    """Add a webhook. Returns its secret."""
    row, is_new = registry.write_now(webhooks.put, name, receiver.url, wanted)
    assert is_new
    return standard_webhooks.secret_text(webhooks.secrets(registry, row)[0])


def state(registry: Registry, name: str = "hook") -> webhooks.State:
    """How a webhook does."""
    return next(each for each in registry.read(webhooks.states) if each.webhook.name == name)


def until(registry: Registry, holds: Callable[[webhooks.State], bool], name: str = "hook") -> webhooks.State:
    """Wait until something holds for a webhook."""

    def ask() -> webhooks.State | None:
        told = state(registry, name)
        return told if holds(told) else None

    return waiting.found(ask, "the webhook does not come that far")


def actions(deliveries: list[Delivery]) -> list[tuple[str, str | None]]:
    """What came, in short."""
    return [delivery.action for delivery in deliveries]


def test_events_come_in_order_signed_and_once(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """Those from before the webhook do not."""
    push(registry, "team/app", ONE, "before")
    secret = add(registry, receiver)
    delivering(registry)
    for number in range(5):
        put(registry, "team/app", ONE, str(number))
    came = receiver.wait_for(5)
    assert actions(came) == [("PUSH", str(number)) for number in range(5)]
    assert all(delivery.is_signed_with(secret) for delivery in came)
    assert not any(delivery.is_signed_with("whsec_b3RoZXI=") for delivery in came)
    assert {delivery.headers["content-type"] for delivery in came} == {"application/json"}
    assert [delivery.headers["webhook-id"] for delivery in came] == [each.event["id"] for each in came]
    found = until(registry, lambda each: each.pending == 0)
    assert (found.webhook.attempts, found.webhook.error, found.dead_letters) == (0, None, 0)
    assert len(receiver.deliveries) == 5


def test_a_webhook_gets_what_it_asks_for(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """Among many events that it does not ask for."""
    add(registry, receiver, Filter(["ECR Image Action"], ["PUSH"], "team/*"))
    delivering(registry)
    push(registry, "other/app", ONE, "1")
    for number in range(2 * webhooks.LOOK_AHEAD):
        put(registry, "other/app", ONE, str(number))
    push(registry, "team/app", ONE, "2")
    came = receiver.wait_for(1)
    put(registry, "team/app", ONE, "3")
    came = receiver.wait_for(2)
    assert actions(came) == [("PUSH", "2"), ("PUSH", "3")]


def test_a_receiver_that_refuses_is_asked_again_with_the_same_id(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """And what comes after that waits for it."""
    refusals = iter([500, 302, 404])
    receiver.answer = lambda _: next(refusals, 204)
    add(registry, receiver, Filter(actions=["PUSH"]))
    push(registry, "team/app", ONE, "1")
    put(registry, "team/app", ONE, "2")
    delivering(registry)
    came = receiver.wait_for(5)
    assert actions(came) == [("PUSH", "1")] * 4 + [("PUSH", "2")]
    assert {delivery.path for delivery in came} == {"/hook"}  # no redirect is followed
    ids = [delivery.headers["webhook-id"] for delivery in came]
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0]


def test_what_nobody_takes_becomes_a_dead_letter_and_can_be_sent_again(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """After so many attempts; the next event has its turn then."""
    registry = with_limits(registry, webhook_attempts=3)
    receiver.answer = lambda delivery: 500 if delivery.action == ("PUSH", "bad") else 200
    add(registry, receiver, Filter(actions=["PUSH"]))
    push(registry, "team/app", ONE, "bad")
    put(registry, "team/app", ONE, "good")
    delivering(registry)
    receiver.wait_for(4)
    until(registry, lambda each: each.pending == 0 and each.dead_letters == 1)
    [letter] = registry.read(webhooks.letters, "hook", (0, 0), 10)
    assert (letter.webhook, letter.letter.attempts, letter.letter.error) == (
        "hook",
        3,
        "the receiver answered 500",
    )
    assert letter.event.event.detail["image-tag"] == "bad"

    assert registry.write_now(webhooks.redeliver, "hook", [letter.letter.event_id]) == 1
    receiver.wait_for(5)  # it is refused once more
    until(registry, lambda _: registry.read(webhooks.letters, "hook", (0, 0), 10)[0].letter.attempts == 4)
    receiver.answer = lambda _: 200
    assert registry.write_now(webhooks.redeliver, "hook", None) == 1
    until(registry, lambda each: each.dead_letters == 0)
    assert actions(receiver.deliveries)[-2:] == [("PUSH", "bad")] * 2
    assert registry.write_now(webhooks.redeliver, "hook", None) == 0


def test_a_slow_receiver_holds_up_itself_alone(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """It is given up after its time; the other webhook has everything by then."""
    registry = with_limits(registry, webhook_timeout=0.3)
    patience = threading.Event()
    with Receiver().running() as slow:
        slow.answer = lambda _: 204 if patience.wait(waiting.PATIENCE) else 500
        add(registry, slow, name="slow")
        add(registry, receiver, name="quick")
        delivering(registry)
        push(registry, "team/app", ONE, "1")
        put(registry, "team/app", ONE, "2")
        # On a busy machine it may miss the time once itself, and is asked again.
        waiting.until(lambda: len(set(actions(receiver.deliveries))) == 3)
        assert list(dict.fromkeys(actions(receiver.deliveries)))[1:] == [("PUSH", "1"), ("PUSH", "2")]
        told = until(registry, lambda each: each.webhook.attempts > 0, "slow")
        assert told.webhook.error == "no answer within 0.3 seconds"
        assert told.pending == 3
        patience.set()
        until(registry, lambda each: each.pending == 0, "slow")


def test_a_restart_goes_on_where_it_was(registry: Registry, receiver: Receiver) -> None:
    """What was not taken when the worker stopped is sent by the next one, and nothing twice that was."""
    add(registry, receiver, Filter(actions=["PUSH"]))
    push(registry, "team/app", ONE, "1")
    for number, tag in enumerate(("2", "3"), start=1):
        stop = threading.Event()
        thread = threading.Thread(target=deliveries.run, args=(registry, noted(registry), stop))
        thread.start()
        receiver.wait_for(number)
        until(registry, lambda each: each.pending == 0)
        stop.set()
        thread.join()
        put(registry, "team/app", ONE, tag)
    assert actions(receiver.deliveries) == [("PUSH", "1"), ("PUSH", "2")]
    assert state(registry).pending == 1


def test_a_receiver_that_cannot_be_reached_is_tried_again_when_its_address_is_set(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """At once, however long the wait has become."""
    registry.write_now(webhooks.put, "hook", "http://127.0.0.1:1/", Filter(actions=["PUSH"]))
    push(registry, "team/app", ONE, "1")
    delivering(registry)
    found = until(registry, lambda each: each.webhook.attempts >= 5)
    assert found.webhook.error is not None
    assert found.webhook.error.startswith("ConnectError")
    _, is_new = registry.write_now(webhooks.put, "hook", receiver.url, Filter(actions=["PUSH"]))
    assert not is_new
    assert actions(receiver.wait_for(1)) == [("PUSH", "1")]


def test_a_webhook_to_an_address_that_is_off_limits_is_told_so(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """Whatever name leads there: nothing is sent."""
    registry = with_limits(registry, off_limits=networks("127.0.0.0/8"))
    add(registry, receiver)
    delivering(registry)
    push(registry, "team/app", ONE, "1")
    found = until(registry, lambda each: each.webhook.error is not None)
    assert "127.0.0.1 is off limits" in str(found.webhook.error)
    assert receiver.deliveries == []


def test_a_secret_that_is_turned_over_signs_beside_the_new_one(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """So a receiver may change to the new one within a day without losing an event."""
    old = add(registry, receiver, Filter(actions=["PUSH"]))
    row, is_new = registry.write_now(
        webhooks.put, "hook", receiver.url, Filter(actions=["PUSH"]), rotate=True
    )
    new = standard_webhooks.secret_text(webhooks.secrets(registry, row)[0])
    assert is_new
    assert new != old
    delivering(registry)
    push(registry, "team/app", ONE, "1")
    [came] = receiver.wait_for(1)
    assert came.is_signed_with(old)
    assert came.is_signed_with(new)
    later = row._replace(rotated_at=row.rotated_at - webhooks.ROTATION)
    assert len(webhooks.secrets(registry, later)) == 1


def test_a_test_reaches_one_webhook_whatever_it_asks_for(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """And no other."""
    with Receiver().running() as other:
        add(registry, receiver, Filter(actions=["DELETE"]))
        add(registry, other, name="other")
        delivering(registry)
        registry.write_now(webhooks.test, "hook")
        [came] = receiver.wait_for(1)
        assert came.event["detail-type"] == "Careen Webhook Test"
        assert came.event["detail"]["webhook-name"] == "hook"
        put_after = push(registry, "team/app", ONE, "1")
        assert put_after.created
        assert [each.event["detail-type"] for each in other.wait_for(2)] == [
            "Careen Repository Action",
            "ECR Image Action",
        ]
        assert len(receiver.deliveries) == 1


def test_a_disabled_webhook_gets_nothing_and_begins_anew(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """With what happens after it was enabled again."""
    add(registry, receiver, Filter(actions=["PUSH"]))
    registry.write_now(webhooks.put, "hook", receiver.url, Filter(actions=["PUSH"]), enabled=False)
    delivering(registry)
    push(registry, "team/app", ONE, "1")
    settle(registry)
    with pytest.raises(errors.InvalidParameter, match="disabled"):
        registry.write_now(webhooks.test, "hook")
    registry.write_now(webhooks.put, "hook", receiver.url, Filter(actions=["PUSH"]))
    put(registry, "team/app", ONE, "2")
    assert actions(receiver.wait_for(1)) == [("PUSH", "2")]


def test_a_webhook_that_is_removed_is_forgotten(
    registry: Registry, receiver: Receiver, delivering: Callable[[Registry], None]
) -> None:
    """With its dead letters; another of its name has another secret."""
    registry = with_limits(registry, webhook_attempts=1)
    receiver.answer = lambda _: 500
    old = add(registry, receiver, Filter(actions=["PUSH"]))
    delivering(registry)
    push(registry, "team/app", ONE, "1")
    until(registry, lambda each: each.dead_letters == 1)
    registry.write_now(webhooks.delete, "hook")
    with pytest.raises(errors.WebhookNotFound):
        registry.write_now(webhooks.delete, "hook")
    assert registry.read(webhooks.letters, None, (0, 0), 10) == []
    assert add(registry, receiver) != old


def test_what_waits_for_too_long_becomes_a_dead_letter(registry: Registry, clock: Hands) -> None:
    """The log does not grow without an end for a receiver that is gone; after as long again the letters go, too."""
    registry.write_now(webhooks.put, "gone", "http://127.0.0.1:1/", Filter(actions=["PUSH"]))
    push(registry, "team/app", ONE, "1")
    clock.forward(4 * DAY)
    put(registry, "team/app", ONE, "2")
    clock.forward(4 * DAY)
    assert webhooks.prune(registry) == 1
    assert events.prune(registry) == 1  # the repository, which it did not ask for
    [letter] = registry.read(webhooks.letters, "gone", (0, 0), 10)
    assert letter.letter.error == "it waited for 7 days; the last attempt: none"
    assert state(registry, "gone").pending == 1
    clock.forward(8 * DAY)
    assert webhooks.prune(registry) == 1
    assert events.prune(registry) == 1
    assert [
        each.event.event.detail["image-tag"] for each in registry.read(webhooks.letters, "gone", (0, 0), 9)
    ] == ["2"]


@pytest.mark.parametrize(
    ("name", "url", "wanted"),
    [
        ("", "http://a/", EVERYTHING),
        ("-a", "http://a/", EVERYTHING),
        ("a b", "http://a/", EVERYTHING),
        ("a" * 65, "http://a/", EVERYTHING),
        ("hook", "ftp://a/", EVERYTHING),
        ("hook", "http://", EVERYTHING),
        ("hook", "http:///path", EVERYTHING),
        ("hook", "http://user:secret@a/", EVERYTHING),
        ("hook", "http://a/#there", EVERYTHING),
        ("hook", "http://a:b/", EVERYTHING),
        ("hook", "http://[a/", EVERYTHING),
        ("hook", "http://a/ b", EVERYTHING),
        ("hook", "http://a/\r\nb: c", EVERYTHING),
        ("hook", "http://ä/", EVERYTHING),
        ("hook", "http://a/", Filter(["ECR Image Actions"])),
    ],
)
def test_what_is_no_webhook_is_refused(registry: Registry, name: str, url: str, wanted: Filter) -> None:
    """Names, addresses and kinds of events outside the grammar."""
    with pytest.raises(errors.InvalidParameter):
        registry.write_now(webhooks.put, name, url, wanted)
    assert registry.read(webhooks.states) == []


def test_there_are_so_many_webhooks_and_no_more(registry: Registry) -> None:
    """One that is there can be changed all the same."""
    for number in range(webhooks.MAX_WEBHOOKS):
        registry.write_now(webhooks.put, str(number), "http://127.0.0.1:1/", EVERYTHING)
    with pytest.raises(errors.LimitExceeded):
        registry.write_now(webhooks.put, "more", "http://127.0.0.1:1/", EVERYTHING)
    registry.write_now(webhooks.put, "7", "http://127.0.0.1:2/", EVERYTHING)
    assert state(registry, "7").webhook.url == "http://127.0.0.1:2/"
