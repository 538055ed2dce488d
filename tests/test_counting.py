"""Counting in shared memory: what several processes count, whoever reads it."""

import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from careen import counting
from careen.counting import Counter, Gauge, Histogram, Page
from tests.waiting import PATIENCE

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
    child.join(PATIENCE)
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


def test_a_process_that_nobody_gave_a_row_counts_for_itself() -> None:
    """Also when it was forked from one that counts, as commands are where they are started from a warm process."""
    RUNS.add("before the fork")
    child = _fork.Process(target=RUNS.add, args=("in the child",))
    child.start()
    child.join()
    assert child.exitcode == 0
    counted = {labels for name, labels in counting.totals() if name == RUNS.name}
    assert ("before the fork",) in counted
    assert ("in the child",) not in counted


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


@pytest.fixture
def _many_switches() -> Iterator[None]:
    """Threads take turns a thousand times as often as they would."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_many_switches")
def test_threads_append_one_after_the_other() -> None:
    """The loop asks for series while others count from their threads: each series has a place of its own, and no count is lost."""
    others = Counter("test_others", "Others.", ("kind",))
    each = range(2500)

    def count(begin: threading.Barrier) -> None:
        begin.wait()
        for number in each:
            others.add(f"t{number}")

    for _ in range(10):  # without turns, two of three go wrong
        counting.begin(Page(1), 0, [])
        together = threading.Barrier(3)
        threads = [threading.Thread(target=count, args=(together,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        together.wait()
        for number in each:
            RUNS.series(f"l{number}").add()
            others.series(f"t{number}")
        for thread in threads:
            thread.join()
        assert counting.totals() == {
            **{("test_runs", (f"l{number}",)): [1] for number in each},
            **{("test_others", (f"t{number}",)): [2] for number in each},
        }


BROKEN = {
    "a key that is none": (16, b"\xff" * 4),
    "a series beyond the end": (8, b"\xff\xff\xff\x7f"),
    "an end beyond the row": (0, b"\xff" * 8),
}
"""Where in a row, and what is there."""


@pytest.mark.parametrize(("at", "what"), BROKEN.values(), ids=BROKEN)
def test_a_broken_row_stops_nobody(at: int, what: bytes) -> None:
    """The figures of the others are told, and who is started again in the row counts from zero; the log has both."""
    page = Page(2)
    in_a_child(page, 0, count_more)
    in_a_child(page, 1, count_each)
    page._part(1)[at : at + len(what)] = what
    counting.begin(page, 0, [])
    rest = {("test_runs", ("ours",)): [2], ("test_runs", ("theirs",)): [1]}
    with capture_logs() as logs:
        assert counting.totals() == rest
        counting.begin(page, 1, [OPEN])
        SECONDS.observe(value=0.5)
        assert counting.totals() == rest | {("test_seconds", ()): [0, 1, 0, 0.5]}
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("what a process has counted cannot be read", "error"),
        ("what a process has counted cannot be read; it begins at zero", "error"),
    ]
