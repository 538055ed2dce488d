"""Many repositories at the same time, as many as there may be calls."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from careen.fleet import clients

_ITEM = TypeVar("_ITEM")
_RESULT = TypeVar("_RESULT")


def together(do: Callable[[_ITEM], _RESULT], items: Iterable[_ITEM]) -> Iterator[_RESULT]:
    """Do something with each, in threads. Results come as they are ready.

    Items are taken as there is room, so that a long file of them is never in memory. Whoever stops reading, or meets an error,
    leaves: what is under way is waited for, and nothing more is begun.

    Raises:
        Exception: what ``do`` raises.
    """
    more = iter(items)
    pool = ThreadPoolExecutor(clients.THREADS, thread_name_prefix="fleet")
    try:
        running = {pool.submit(do, each) for each in islice(more, 2 * clients.THREADS)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                running.update(pool.submit(do, item) for item in islice(more, 1))
                yield each.result()
    finally:
        pool.shutdown(cancel_futures=True)
