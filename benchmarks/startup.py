"""How long a start takes, beside one of Python alone: ``python -m benchmarks.startup``.

The bars are 0.25 s for ``careen --help`` and 1.5 s for a server of one process until ``/readyz`` answers 200, on a data folder that
it has to make and on one that is there. Each round runs everything in turn, so that what else the machine does meets all of them;
the processor time, of a server with its children, says what the start itself costs. A first round that is not counted leaves byte
code behind, as an installation does.
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.processes import cpu_seconds
from tests.server import FreshServer, clean_environment

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "careen --help": ["-m", "careen", "--help"],
    "careen --version": ["-m", "careen", "--version"],
    "careen policy simulate --help": ["-m", "careen", "policy", "simulate", "--help"],
}
FRESH, EXISTING = "careen serve, no data folder yet", "careen serve, once more"
BARS = {"careen --help": 0.25, FRESH: 1.5, EXISTING: 1.5}
"""Seconds."""


class Took(NamedTuple):
    """One start, in seconds."""

    wall: float
    cpu: float


def main() -> int:
    """Measure, print, and answer whether the bars were kept."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    took = measure(arguments.rounds)
    print(f"{'':32}  wall (quickest)   processor")
    for name, all_of in took.items():
        wall, cpu = (sorted(column) for column in zip(*all_of, strict=True))
        print(f"{name:32} {median(wall):5.2f} s ({wall[0]:.2f} s) {median(cpu):9.2f} s")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(took, indent=1))
    missed = [name for name, bar in BARS.items() if median(each.wall for each in took[name]) > bar]
    for name in missed:
        print(f"{name}: the bar of {BARS[name]} s was missed")
    return 1 if missed else 0


def measure(rounds: int) -> dict[str, list[Took]]:
    """Start everything in turn, ``rounds`` times and once before."""
    took = defaultdict(list)
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory(prefix="careen-bench-") as folder:
            server = FreshServer(Path(folder) / "data", create_on_push=False)
            this = {name: command(arguments) for name, arguments in COMMANDS.items()}
            this |= {FRESH: serve(server), EXISTING: serve(server)}
        if number:
            for name, each in this.items():
                took[name].append(each)
    return took


def command(arguments: list[str]) -> Took:
    """Run Python with these arguments to its end."""
    began, before = time.monotonic(), _cpu_of_children()
    subprocess.run(
        [sys.executable, *arguments], env=clean_environment(), stdout=subprocess.DEVNULL, check=True
    )
    return Took(time.monotonic() - began, _cpu_of_children() - before)


def serve(server: FreshServer) -> Took:
    """Start it until it is ready, and stop it."""
    began = time.monotonic()
    server.start()
    took = Took(time.monotonic() - began, cpu_seconds(server.pid))
    server.stop(signal.SIGTERM)
    return took


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
