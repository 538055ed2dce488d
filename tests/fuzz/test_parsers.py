"""Whatever bytes come, a parser reads them or refuses them as it says, and does nothing else.

``CAREEN_FUZZ_INPUTS=1000000 pytest -s -m slow tests/fuzz`` lets them read a million together, and says what took longest.
"""

import os
import resource
import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import mutation
from tests.fuzz.mutation import Edit
from tests.fuzz.parsers import CORPUS, PARSERS, check, seeds

INPUTS = int(os.environ.get("CAREEN_FUZZ_INPUTS", "20000"))
"""Of the campaign, for all parsers together."""

READ_OR_NOTHING = {"content-range", "header", "image-config", "names", "pattern", "query", "range", "token"}
"""Parsers whose good answer may be None or False."""


def test_every_parser_has_a_corpus() -> None:
    """And every corpus a parser."""
    assert {path.name for path in CORPUS.iterdir()} == PARSERS.keys()
    assert all(len(seeds(name)) >= 2 for name in PARSERS)


@pytest.mark.parametrize("name", sorted(PARSERS.keys() - READ_OR_NOTHING))
def test_what_real_clients_send_is_read(name: str) -> None:
    """The corpus is of good messages: what is made from them is wrong in one place and right in the others."""
    assert all(check(name, seed) is not None for seed in seeds(name))


@pytest.mark.parametrize("name", PARSERS)
@given(number=st.integers(0, 1000), edits=mutation.edits)
@settings(max_examples=60)
def test_a_message_with_something_wrong(name: str, number: int, edits: list[Edit]) -> None:
    """A real message with a few changes, by bytes and by members."""
    corpus = seeds(name)
    check(name, mutation.changed(corpus[number % len(corpus)], edits, corpus))


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.binary(max_size=100))
@settings(max_examples=30)
def test_any_bytes(name: str, data: bytes) -> None:
    """Bytes that are nothing at all."""
    check(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", PARSERS)
def test_a_campaign(name: str) -> None:
    """Many more of the same, from a seed that is another each day unless it is given."""
    random = Random(os.environ.get("CAREEN_FUZZ_SEED", time.strftime("%F")) + name)  # noqa: S311 to be repeated
    corpus = seeds(name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    slowest, what = 0.0, b""
    for _ in range(INPUTS // len(PARSERS)):
        data = mutation.changed(random.choice(corpus), mutation.some(random), corpus)
        began = time.process_time()
        try:
            check(name, data)
        except Exception as error:
            raise AssertionError(f"{name} fails with {error!r} on {data!r}") from error
        took = time.process_time() - began
        if took > slowest:
            slowest, what = took, data
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{name}: slowest {slowest * 1000:.1f} ms, {len(what)} bytes; {grown} KiB more memory")  # noqa: T201
