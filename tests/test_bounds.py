"""How slow is too slow, and what a body may hold of the memory."""

import pytest

from careen.bounds import BODY_BYTES, MIN_RATE, PIECE_BYTES, SMALLEST_PIECE, Pace, piece_bytes

TRANSFERS: dict[str, tuple[list[tuple[float, int]], bool]] = {
    "nothing, not yet": ([(9.9, 0)], False),
    "nothing": ([(10, 0)], True),
    "a byte a second": ([(second, second) for second in range(1, 11)], True),
    "just enough": ([(9, 10 * MIN_RATE)], False),
    "just enough, and then nothing, not yet": ([(9, 10 * MIN_RATE), (18.9, 10 * MIN_RATE)], False),
    "just enough, and then nothing": ([(9, 10 * MIN_RATE), (19, 10 * MIN_RATE)], True),
    "much at once does not buy time": ([(1, 10**9), (11, 10**9)], True),
    "the slowest rate": ([(second, second * MIN_RATE) for second in range(1, 100)], False),
    "below the slowest rate": ([(second, second * (MIN_RATE - 1)) for second in range(1, 100)], True),
}


@pytest.mark.parametrize(("seen", "lost"), TRANSFERS.values(), ids=TRANSFERS.keys())
def test_a_transfer_has_to_get_on(seen: list[tuple[float, int]], lost: bool) -> None:
    """In each ten seconds, counted from when it last had, as many bytes as the slowest rate makes in ten seconds."""
    pace = Pace(10)
    assert any(pace.is_lost(now, count) for now, count in seen) is lost


@pytest.mark.parametrize("requests", [0, 1, 16, 17, 100, 256, 1000, 100_000])
def test_many_bodies_share_the_memory_of_a_few(requests: int) -> None:
    """A piece is a megabyte where few are on their way; together they stay within their part until each is at its smallest."""
    piece = piece_bytes(requests)
    assert SMALLEST_PIECE <= piece <= PIECE_BYTES
    assert piece * requests <= BODY_BYTES or piece == SMALLEST_PIECE
    assert piece == PIECE_BYTES or requests > BODY_BYTES // PIECE_BYTES
