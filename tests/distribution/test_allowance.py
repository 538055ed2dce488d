"""How much an address may ask: by a clock that the test moves."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.distribution import allowance
from careen.distribution.allowance import Allowance


class Clock:
    """Seconds that go forward when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


def taken(bucket: Allowance, source: str, times: int) -> int:
    """How many of ``times`` requests may pass."""
    return sum(bucket.take(source) == 0 for _ in range(times))


def test_a_rested_address_may_ask_in_a_burst_and_then_at_the_rate(clock: Clock) -> None:
    """Whoever is told to wait for so long may ask then, and not a moment before."""
    bucket = Allowance(rate=2, burst=5, clock=clock)
    assert taken(bucket, "a", 8) == 5
    wait = bucket.take("a")
    assert wait == pytest.approx(0.5)
    clock.now += wait - 0.01
    assert bucket.take("a") > 0
    clock.now += 0.01
    assert taken(bucket, "a", 2) == 1
    clock.now += 3600
    assert taken(bucket, "a", 8) == 5


def test_each_address_has_its_own(clock: Clock) -> None:
    """One that has used up its own leaves the others theirs."""
    bucket = Allowance(rate=1, burst=2, clock=clock)
    assert [taken(bucket, source, 3) for source in ("a", "b")] == [2, 2]


def test_a_rate_of_nothing_is_no_limit(clock: Clock) -> None:
    """The setting 0."""
    assert taken(Allowance(rate=0, burst=1, clock=clock), "a", 1000) == 1000


@given(processes=st.integers(1, 40), rate=st.floats(0.1, 100), burst=st.integers(1, 50))
def test_processes_share_what_one_would_give(processes: int, rate: float, burst: int) -> None:
    """Asked of all of them at once, an address has the burst, or one token of each; in the long run it has the rate."""
    clock = Clock()
    buckets = [Allowance(rate, burst, clock) for _ in range(processes)]
    for bucket in buckets:
        bucket.share(processes)
    at_once = sum(taken(bucket, "a", burst + 1) for bucket in buckets)
    assert burst - processes <= at_once <= max(burst, processes)
    later = 0
    for _ in range(100):
        clock.now += processes / rate
        later += sum(taken(bucket, "a", 5) for bucket in buckets)
    assert later == pytest.approx(100 * processes, abs=2 * processes)


@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 10), max_size=60),
)
def test_no_more_pass_than_the_burst_and_the_rate_give(rate: float, burst: int, pauses: list[float]) -> None:
    """Whatever the pauses, in all the time that has passed; and being refused costs nothing."""
    clock = Clock()
    bucket = Allowance(rate, burst, clock)
    passed = refused = 0
    for pause in pauses:
        clock.now += pause
        wait = bucket.take("a")
        passed += wait == 0
        refused += wait > 0
        assert wait <= 1 / rate + 1e-6
    assert passed <= burst + rate * (clock.now - 1000) + 1e-6
    assert not refused or passed >= burst


def full(sources: int) -> Callable[[Allowance], None]:
    def fill(bucket: Allowance) -> None:
        for number in range(sources):
            bucket.take(str(number))

    return fill


def test_addresses_that_have_rested_are_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the memory of them has a size; those that ask often are remembered."""
    monkeypatch.setattr(allowance, "MAX_SOURCES", 10)
    bucket = Allowance(rate=1, burst=2, clock=clock)
    full(9)(bucket)
    clock.now += 1.5
    assert taken(bucket, "often", 3) == 2
    assert bucket.take("new") == 0
    assert bucket.take("often") > 0
    full(40)(bucket)
    assert len(bucket._full_at) <= 10
