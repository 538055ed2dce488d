"""Work that is done in a process of its own, so that what it imports and opens is given back with the process."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def apart(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do something in a process that is forked for it, and return or raise what it does.

    Args:
        work: what to do; what it returns or raises is pickled.
        args: positional arguments.
        kwargs: arguments by name.

    Raises:
        BrokenProcessPool: the process was killed.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        return pool.submit(work, *args, **kwargs).result()
