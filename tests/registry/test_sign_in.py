"""Who is signed in, for how long, and what ends it; how often one may be wrong."""

import asyncio
import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen import worker
from careen.clock import DAY, SECOND, Instant, system_now
from careen.iam import passwords
from careen.iam.errors import PasswordPolicyViolation, TooManyAttempts
from careen.iam.managed import ManagedPolicy
from careen.registry import (
    callers,
    console_sessions,
    identities,
    identity_policies,
    jobs,
    login_profiles,
    principals,
    sign_in,
    sign_in_attempts,
)
from careen.registry.access import Circumstances
from careen.registry.console_sessions import IDLE, LASTS, LINK_LASTS, NOTED_EVERY, SignedIn
from careen.registry.identities import Kind
from careen.registry.registry import Registry, RootKey
from careen.registry.sign_in import PasswordExpired, SignInRefused
from tests.registry.steps import dump_of

NOW = 1_800_000_000 * SECOND
GOOD, BETTER = "correct horse battery staple", "Tr0ub4dor&3"
ROOT = RootKey("AKIAROOT", "the-root-secret-of-a-test")


@pytest.fixture(scope="session")
def hashed() -> str:
    """Of :data:`GOOD`: a hash takes its time."""
    return passwords.hashed(GOOD)


@pytest.fixture
def alice(registry: Registry, hashed: str) -> Registry:
    """A registry with a user who has a password."""
    registry.write_now(identities.create_user, "alice", "/team/")
    registry.write_now(login_profiles.create, "alice", hashed)
    return registry


def at(now: Instant, address: str = "192.0.2.7") -> Circumstances:
    """A request at an instant."""
    return Circumstances(now, address, user_agent="a browser")


def by_password(registry: Registry, password: str, now: Instant = NOW, new: str | None = None) -> str:
    """Alice signs in."""
    return asyncio.run(sign_in.by_password(registry, "alice", password, at(now), new))


def signed_in(registry: Registry, secret: str, now: Instant = NOW) -> SignedIn | None:
    """Who is signed in with a cookie."""
    return registry.read(console_sessions.caller, registry, secret, now)


def begin(registry: Registry, now: Instant = NOW) -> str:
    """A session of alice's, by a link."""
    user = registry.read(identities.require, Kind.USER, "alice")
    link = registry.write_now(console_sessions.make_link, user, now)
    return asyncio.run(sign_in.by_link(registry, link, at(now)))


def test_a_password_signs_in_as_the_user_with_the_policies_of_now(alice: Registry) -> None:
    """What the user may do is read at each request; nothing of the cookie or the password is in the database."""
    secret = by_password(alice, GOOD)
    found = signed_in(alice, secret)
    assert found is not None
    assert found.principal.arn == f"arn:aws:iam::{alice.id}:user/team/alice"
    assert (found.principal.policies, found.principal.access_key_id) == ((), "")
    alice.write_now(identity_policies.attach, Kind.USER, "alice", ManagedPolicy.READ_ONLY.arn)
    again = signed_in(alice, secret)
    assert again is not None
    assert again.principal.policies != ()
    dump = dump_of(alice)
    assert secret not in dump
    assert GOOD not in dump


@pytest.mark.parametrize(
    ("used", "later", "is_in"),
    [
        pytest.param([], IDLE - 1, True, id="within an hour"),
        pytest.param([], IDLE, False, id="an hour unused"),
        pytest.param([IDLE - 1], 2 * IDLE - 2, True, id="used meanwhile"),
        pytest.param([n * IDLE // 2 for n in range(1, 25)], LASTS - 1, True, id="used for twelve hours"),
        pytest.param([n * IDLE // 2 for n in range(1, 25)], LASTS, False, id="used for longer"),
    ],
)
def test_a_session_ends_by_itself(alice: Registry, used: list[int], later: int, is_in: bool) -> None:
    """An hour after its last use, and twelve after it began."""
    secret = begin(alice)
    for since in used:
        found = signed_in(alice, secret, NOW + since)
        if found is not None:
            asyncio.run(console_sessions.note_use(alice, found.session, NOW + since))
    assert (signed_in(alice, secret, NOW + later) is not None) is is_in


def test_use_is_noted_now_and_then(alice: Registry) -> None:
    """Not at every request: each commit makes all processes forget what they remember."""
    found = signed_in(alice, begin(alice))
    assert found is not None
    before = alice.database.version()
    asyncio.run(console_sessions.note_use(alice, found.session, NOW + NOTED_EVERY - 1))
    assert alice.database.version() == before
    asyncio.run(console_sessions.note_use(alice, found.session, NOW + NOTED_EVERY))
    assert alice.database.version() != before


def delete_user(registry: Registry) -> None:
    registry.write_now(identities.delete, Kind.USER, "alice", force=True)


def change_password(registry: Registry) -> None:
    registry.write_now(login_profiles.update, "alice", password="another hash")


def delete_password(registry: Registry) -> None:
    registry.write_now(login_profiles.delete, "alice")


def sign_out_everywhere(registry: Registry) -> None:
    user = registry.read(identities.require, Kind.USER, "alice")
    registry.write_now(console_sessions.end_all, user.id)


@pytest.mark.parametrize("end", [delete_user, change_password, delete_password, sign_out_everywhere])
def test_sessions_and_links_end_with_what_they_stand_on(
    alice: Registry, end: Callable[[Registry], None]
) -> None:
    """All of the user's at once, and nobody else's; a user made again under the name is somebody else."""
    first, second = begin(alice), begin(alice)
    link = alice.write_now(
        console_sessions.make_link, alice.read(identities.require, Kind.USER, "alice"), NOW
    )
    alice.write_now(identities.create_user, "bob")
    bobs = alice.write_now(
        console_sessions.begin,
        alice,
        alice.read(identities.require, Kind.USER, "bob"),
        console_sessions.Method.LINK,
        at(NOW),
    )
    end(alice)
    if alice.read(identities.find, Kind.USER, "alice") is None:
        alice.write_now(identities.create_user, "alice")
    assert signed_in(alice, first) is signed_in(alice, second) is None
    with pytest.raises(SignInRefused):
        asyncio.run(sign_in.by_link(alice, link, at(NOW)))
    assert signed_in(alice, bobs) is not None


def test_signing_out_ends_one_session(alice: Registry) -> None:
    """The other goes on."""
    first, second = begin(alice), begin(alice)
    assert alice.write_now(console_sessions.end, first)
    assert not alice.write_now(console_sessions.end, first)
    assert signed_in(alice, first) is None
    assert signed_in(alice, second) is not None


def test_a_session_ends_with_the_key_that_began_it(alice: Registry) -> None:
    """Switched off or deleted; switched on again, the session stays ended. One begun otherwise goes on."""
    other = begin(alice)
    for end in ("switch", "delete"):
        key = alice.write_now(principals.create_key, alice.master_key, "alice")
        secret = asyncio.run(sign_in.by_access_key(alice, key.access_key_id, key.secret_access_key, at(NOW)))
        found = signed_in(alice, secret)
        assert found is not None
        assert found.principal.access_key_id == key.access_key_id
        if end == "switch":
            alice.write_now(principals.set_active, key.access_key_id, active=False)
            alice.write_now(principals.set_active, key.access_key_id, active=True)
        else:
            alice.write_now(principals.delete_key, key.access_key_id)
        assert signed_in(alice, secret) is None
    assert signed_in(alice, other) is not None


def test_the_account_itself_signs_in_with_the_settings_key(registry: Registry) -> None:
    """Until the settings have another key, or another secret of it."""
    ours = dataclasses.replace(registry, root_key=ROOT)
    by_key = asyncio.run(sign_in.by_access_key(ours, ROOT.access_key_id, ROOT.secret_access_key, at(NOW)))
    link = ours.write_now(console_sessions.make_link, None, NOW)
    by_link = asyncio.run(sign_in.by_link(ours, link, at(NOW)))
    for secret in (by_key, by_link):
        found = signed_in(ours, secret)
        assert found is not None
        assert found.principal == callers.root(ours, ROOT.access_key_id)
        for other in (None, RootKey(ROOT.access_key_id, "new"), RootKey("AKIANEW", ROOT.secret_access_key)):
            assert signed_in(dataclasses.replace(registry, root_key=other), secret) is None


@pytest.mark.parametrize(
    ("key", "secret"),
    [("AKIAROOT", "wrong"), ("AKIANOBODY", "wrong"), ("", ""), ("AWS", "a token of docker login")],
)
def test_a_wrong_key_signs_nobody_in(registry: Registry, key: str, secret: str) -> None:
    """The same sentence for all."""
    ours = dataclasses.replace(registry, root_key=ROOT)
    with pytest.raises(SignInRefused, match=r"^The access key or its secret is wrong\.$"):
        asyncio.run(sign_in.by_access_key(ours, key, secret, at(NOW)))


def test_a_link_works_once_and_for_a_quarter_of_an_hour(alice: Registry) -> None:
    """Looking at it does not use it."""
    user = alice.read(identities.require, Kind.USER, "alice")
    link = alice.write_now(console_sessions.make_link, user, NOW)
    for later in (0, LINK_LASTS - 1):
        holder = alice.read(console_sessions.holder_of_link, alice, link, NOW + later)
        assert holder is not None
        assert holder.name == "alice"
    assert alice.read(console_sessions.holder_of_link, alice, link, NOW + LINK_LASTS) is None
    with pytest.raises(SignInRefused):
        asyncio.run(sign_in.by_link(alice, link, at(NOW + LINK_LASTS)))
    assert signed_in(alice, asyncio.run(sign_in.by_link(alice, link, at(NOW)))) is not None
    with pytest.raises(SignInRefused, match="has been used"):
        asyncio.run(sign_in.by_link(alice, link, at(NOW)))


def test_a_password_that_is_good_once_asks_for_another(alice: Registry) -> None:
    """Nobody is signed in before there is one, which is no permission's business; then the old one is wrong."""
    alice.write_now(login_profiles.update, "alice", reset_required=True)
    with pytest.raises(PasswordExpired):
        by_password(alice, GOOD)
    for bad in (GOOD, "short"):
        with pytest.raises(PasswordPolicyViolation):
            by_password(alice, GOOD, new=bad)
    secret = by_password(alice, GOOD, new=BETTER)
    assert signed_in(alice, secret) is not None
    with pytest.raises(SignInRefused):
        by_password(alice, GOOD)
    by_password(alice, BETTER, new="it is not asked for and does nothing")
    by_password(alice, BETTER)


@pytest.mark.parametrize("name", ["alice", "bob", "nobody"])
def test_whoever_is_wrong_waits_longer_and_longer(
    alice: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users, users without a password and names of nobody alike, in the same sentences."""
    monkeypatch.setattr(passwords, "matches", lambda *_: False)
    alice.write_now(identities.create_user, "bob")

    def attempt(now: Instant) -> str:
        with pytest.raises((SignInRefused, TooManyAttempts)) as refused:
            asyncio.run(sign_in.by_password(alice, name, GOOD, at(now)))
        return str(refused.value)

    wrong = "The user name or the password is wrong."
    assert [attempt(NOW) for _ in range(5)] == [wrong] * 5
    assert attempt(NOW) == "Too many attempts. Try again in 1 second."
    assert attempt(NOW + SECOND) == wrong
    assert attempt(NOW + SECOND) == "Too many attempts. Try again in 2 seconds."
    assert attempt(NOW + 3 * SECOND) == wrong
    assert attempt(NOW + 3 * SECOND) == "Too many attempts. Try again in 4 seconds."


def test_a_right_password_takes_the_count_back(alice: Registry) -> None:
    """Of the name; the address keeps what others' attempts have added."""
    attempt = sign_in_attempts.attempt_of(alice, "alice", at(NOW))
    other = sign_in_attempts.attempt_of(alice, "bob", at(NOW))
    for _ in range(4):
        alice.write_now(sign_in_attempts.count, attempt, NOW)
        alice.write_now(sign_in_attempts.count, other, NOW)
    by_password(alice, GOOD)
    for _ in range(5):
        alice.write_now(sign_in_attempts.count, attempt, NOW)
    with pytest.raises(TooManyAttempts):
        alice.write_now(sign_in_attempts.count, attempt, NOW)
    with pytest.raises(TooManyAttempts):  # nor may it be the right one
        by_password(alice, GOOD)


def test_an_address_that_tries_many_names_waits(registry: Registry) -> None:
    """After twenty; of IPv6 a network counts as one. Another address does not wait, and neither does this one a day later."""

    def attempt(number: int, address: str, now: Instant = NOW) -> None:
        counted = sign_in_attempts.attempt_of(registry, f"name-{number}", at(now, address))
        registry.write_now(sign_in_attempts.count, counted, now)

    for number in range(20):
        attempt(number, f"2001:db8::{number + 1:x}")
    with pytest.raises(TooManyAttempts):
        attempt(20, "2001:db8::ffff")
    attempt(20, "2001:db8:0:1::1")
    attempt(21, "2001:db8::1", NOW + DAY)


def test_attempts_at_the_same_moment_are_counted_one_by_one(registry: Registry) -> None:
    """Each before it is judged: of fifty five are looked at."""
    attempt = sign_in_attempts.attempt_of(registry, "alice", at(NOW))

    async def all_at_once() -> list[BaseException | None]:
        tries = [registry.write(sign_in_attempts.count, attempt, NOW) for _ in range(50)]
        return await asyncio.gather(*tries, return_exceptions=True)

    assert sum(each is None for each in asyncio.run(all_at_once())) == sign_in_attempts.FREE_FOR_NAME


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_waits_grow_and_have_an_end(wrong: int, free: int) -> None:
    """None within the free ones; never shorter than before, never longer than a quarter of an hour."""
    wait, before = (sign_in_attempts.wait_after(each, free) for each in (wrong, max(wrong - 1, 0)))
    assert before <= wait <= sign_in_attempts.LONGEST_WAIT
    assert (wait == 0) is (wrong < free)


def test_a_clock_that_was_ahead_keeps_nobody_out(registry: Registry) -> None:
    """What it noted is further off than any wait is."""
    attempt = sign_in_attempts.attempt_of(registry, "alice", at(NOW))
    for _ in range(5):
        registry.write_now(sign_in_attempts.count, attempt, NOW + 365 * DAY)
    registry.write_now(sign_in_attempts.count, attempt, NOW)


def test_what_is_over_is_forgotten(alice: Registry) -> None:
    """Rows of sessions, links and attempts go with the sweep; those that count stay."""
    begin(alice)
    user = alice.read(identities.require, Kind.USER, "alice")
    alice.write_now(console_sessions.make_link, user, NOW)
    alice.write_now(sign_in_attempts.count, sign_in_attempts.attempt_of(alice, "x", at(NOW)), NOW)

    def forget(now: Instant) -> int:
        gone: int = alice.write_now(console_sessions.forget, now) + alice.write_now(
            sign_in_attempts.forget, now
        )
        return gone

    assert forget(NOW) == 0
    assert forget(NOW + 2 * DAY) == 4


def test_the_sweep_forgets_them(alice: Registry) -> None:
    """By the system's clock, whatever the registry's says."""
    user = alice.read(identities.require, Kind.USER, "alice")
    alice.write_now(console_sessions.make_link, user, system_now() - DAY)
    alice.write_now(console_sessions.make_link, user, system_now())
    alice.write_now(jobs.schedule)
    job = alice.write_now(jobs.claim, {"sweep"}, "a worker")
    assert job is not None
    worker.JOBS["sweep"](alice, job)
    with alice.database.read() as rows:
        assert rows.execute("SELECT count(*) FROM sign_in_links").fetchone() == (1,)
