"""Counting in shared memory: what several processes count, whoever reads it."""

import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from careen import counting
from careen.counting import Counter, Gauge, Histogram, Page

RUNS = Counter("test_runs", "Runs.", ("kind",))
OPEN = Gauge("test_open", "Open.")
SECONDS = Histogram("test_seconds", "Seconds.", (), (0.1, 1.0))

_fork = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def _own_row() -> Iterator[None]:
    """Whatever a test counts is forgotten."""
    before = counting._own
    yield
    counting._own = before


def in_a_child(page: Page, row: int, work: Callable[..., None], *arguments: Any) -> None:
    """Let a process count in a row."""

    def run() -> None:
        counting.begin(page, row, [OPEN])
        work(*arguments)

    child = _fork.Process(target=run)
    child.start()
    child.join(30)
    assert child.exitcode == 0


def count_more() -> None:
    """One series that others count too, and one that they do not."""
    RUNS.add("ours", amount=2)
    RUNS.add("theirs")


def count_each() -> None:
    """One of each kind."""
    RUNS.add("a")
    OPEN.series().add(5)
    SECONDS.observe(value=2)


def test_what_processes_count_adds_up() -> None:
    """Whoever reads sees the sum of all rows, series by series, also those that it has never counted itself."""
    page = Page(3)
    counting.begin(page, 0, [OPEN])
    RUNS.add("ours")
    in_a_child(page, 1, count_more)
    in_a_child(page, 2, lambda: SECONDS.observe(value=0.5))
    assert counting.totals() == {
        ("test_runs", ("ours",)): [3],
        ("test_runs", ("theirs",)): [1],
        ("test_seconds", ()): [0, 1, 0, 0.5],
    }


def test_a_process_that_is_started_again_goes_on() -> None:
    """Counters stand where they stood; what was open when the first died is not."""
    page = Page(1)
    for _ in range(2):
        in_a_child(page, 0, count_each)
    counting.begin(page, 0, [])
    assert counting.totals() == {
        ("test_runs", ("a",)): [2],
        ("test_open", ()): [5],
        ("test_seconds", ()): [0, 0, 2, 4],
    }


@pytest.mark.parametrize(("value", "bucket"), [(0.0, 0), (0.1, 0), (0.11, 1), (1.0, 1), (1.01, 2)])
def test_a_bound_belongs_to_its_bucket(value: float, bucket: int) -> None:
    """As Prometheus has it: ``le`` is "less or equal"."""
    counting.begin(Page(1), 0, [])
    SECONDS.observe(value=value)
    (values,) = counting.totals().values()
    assert values[bucket] == 1
    assert sum(values[:3]) == 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.text(max_size=20), st.integers(0, 1000)), max_size=50))
def test_labels_come_back_as_they_were(counts: list[tuple[str, str, int]]) -> None:
    """Whatever text a label is, of any length: sums are kept apart."""
    counting.begin(Page(1), 0, [])
    families = {name: Counter(name, "", ("label",)) for name in "ab"}
    wanted: dict[tuple[str, tuple[str, ...]], list[float]] = {}
    for name, label, amount in counts:
        families[name].add(label, amount=amount)
        wanted.setdefault((name, (label,)), [0])[0] += amount
    assert counting.totals() == wanted


def test_a_full_row_counts_on_what_it_has() -> None:
    """Beyond the room there is, new series are not counted, which is told once; the others are, and nothing is overwritten."""
    counting.begin(Page(2), 0, [])
    RUNS.add("first")
    with capture_logs() as logs:
        for number in range(counting.ROW_BYTES // 40):
            RUNS.add(f"{number:040}")
    RUNS.add("first")
    totals = counting.totals()
    assert totals["test_runs", ("first",)] == [2]
    assert {value for (value,) in totals.values()} == {1, 2}
    assert [line["event"] for line in logs] == [
        "there is no room for more metrics; new series are not counted"
    ]
