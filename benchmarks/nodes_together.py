"""Processes that begin at the same moment."""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_processes = multiprocessing.get_context("spawn")

Wait = Callable[[], None]
"""What a process calls when it is ready; it comes back when all may go."""


@contextmanager
def together(
    work: Callable[..., Any], arguments: Sequence[Sequence[Any]]
) -> Iterator[tuple[Callable[[], None], Callable[[], list[Any]]]]:
    """Run ``work`` in a process for each of the arguments, after a :data:`Wait`.

    Yields:
        What lets them go once all are ready, and what waits for their results, which come as they end.
    """
    gate = _processes.Barrier(len(arguments) + 1)
    results: Any = _processes.Queue()
    started = [_processes.Process(target=_run, args=(work, gate, results, each)) for each in arguments]
    for process in started:
        process.start()
    try:
        while gate.n_waiting < len(started) and results.empty():
            time.sleep(0.01)
        yield (lambda: _pass(gate)), (lambda: [_result(results) for _ in started])
    finally:
        gate.abort()
        for process in started:
            process.join()


def _result(results: Any) -> Any:
    found = results.get()
    if isinstance(found, BaseException):
        raise found
    return found


def _pass(gate: Any) -> None:
    gate.wait()


def _run(work: Callable[..., Any], gate: Any, results: Any, arguments: Sequence[Any]) -> None:
    try:
        results.put(work(lambda: _pass(gate), *arguments))
    except Exception as error:  # noqa: BLE001 it is raised where the result is asked for
        gate.abort()
        results.put(RuntimeError(repr(error)))
