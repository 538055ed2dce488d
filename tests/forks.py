"""Processes that run commands or may die, forked from one that has imported everything: a life costs milliseconds.

It is multiprocessing's fork server. A process has one, whatever contexts are made of it, and it imports what it was told last: so
it is told here, once.
"""

import multiprocessing
import pkgutil

import careen.cli

COMMANDS = [each.name for each in pkgutil.walk_packages(careen.cli.__path__, "careen.cli.")]

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "__main__",
        *COMMANDS,
        "careen.processes",
        "boto3",
        "tests.faults.programs",
        "tests.faults.script",
        "tests.faults.hands",
        "tests.registry.killed",
    ]
)
