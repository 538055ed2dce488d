"""Processes that may die, forked from one that has imported everything (multiprocessing's fork server): a life costs milliseconds.

A process has one such server, whatever contexts are made of it, and it imports what it was told last: so it is told here, once.
"""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "__main__",
        "tests.faults.programs",
        "tests.faults.script",
        "tests.faults.hands",
        "tests.registry.killed",
    ]
)
