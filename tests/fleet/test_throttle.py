"""How fast services are asked: on a clock of the tests' own, no second of which is waited for."""

from hypothesis import given
from hypothesis import strategies as st

from careen.fleet.throttle import BEGIN, BURST, CEILING, FLOOR, QUOTAS, Bucket, Throttle

HERE = ("123456789012", "eu-central-1")


def granted(bucket: Bucket, since: float, until: float) -> int:
    """How many requests one caller, who asks again as soon as it may, makes in a time."""
    now, made = since, 0
    while now < until:
        now += bucket.take(now)
        made += 1
    return made


@given(st.floats(1, 2000), st.floats(1, 20))
def test_no_faster_than_allowed(quota: float, seconds: float) -> None:
    """In any time its rate and what may be taken at once; and not much less."""
    bucket = Bucket(quota, 0.0)
    rate = min(quota, BEGIN)
    made = granted(bucket, 0.0, seconds)
    assert rate * seconds - 1 <= made <= rate * (seconds + BURST) + 2


def test_refusals_halve_it_once() -> None:
    """Sixteen calls that were under way together are one sign; a second later it is another."""
    bucket = Bucket(CEILING, 0.0)
    for _ in range(16):
        bucket.throttled(10.0)
    assert bucket.rate == BEGIN / 2
    bucket.throttled(11.5)
    assert bucket.rate == BEGIN / 4


def test_it_never_stops() -> None:
    """However long it is refused, and from there it recovers."""
    bucket = Bucket(CEILING, 0.0)
    for second in range(100):
        bucket.throttled(2.0 * second)
    assert bucket.rate == FLOOR
    for second in range(200, 400):
        bucket.answered(float(second))
    assert bucket.rate == CEILING


def test_it_grows_slowly() -> None:
    """A twentieth of the ceiling in a second, by however many answers, and no more for a pause."""
    bucket = Bucket(CEILING, 0.0)
    for each in range(101):
        bucket.answered(each / 100)
    assert abs(bucket.rate - BEGIN - CEILING / 20) < 0.01
    bucket.answered(1000.0)
    assert bucket.rate <= BEGIN + CEILING / 10 + 0.01


def test_each_account_region_and_operation_has_its_own() -> None:
    """As AWS counts; published quotas are kept from the beginning."""
    slept: list[float] = []
    throttle = Throttle(now=lambda: 0.0, sleep=slept.append)
    put = int(QUOTAS["ecr:PutImage"] * BURST)
    for _ in range(put):
        throttle.wait(*HERE, "ecr:PutImage")
    assert slept == []
    throttle.wait(*HERE, "ecr:PutImage")
    assert len(slept) == 1
    throttle.wait(HERE[0], "us-east-1", "ecr:PutImage")
    throttle.wait("210987654321", HERE[1], "ecr:PutImage")
    throttle.wait(*HERE, "ecr:DescribeImages")
    assert len(slept) == 1
