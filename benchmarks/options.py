"""What the command line of the benchmark asks for."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.cases import CASES, Case
from benchmarks.peers import DEFAULT, PEERS, Peer


@dataclass(frozen=True, slots=True)
class Options:
    cases: Sequence[Case]
    peers: Sequence[Peer]
    rounds: int
    seconds: int
    repeats: int
    small: int
    listed: int
    folder: Path | None
    json: Path | None


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; a wrong one ends the program with a line that says why."""
    given = _parser().parse_args(arguments)
    rounds, seconds, repeats = (1, 1, 2) if given.quick else (given.rounds, given.seconds, given.repeats)
    return Options(
        cases=tuple(case for case in CASES if case.name in given.cases),
        peers=_peers(given.peers, {"distribution": given.distribution, "zot": given.zot}),
        rounds=rounds,
        seconds=seconds,
        repeats=repeats,
        small=100 if given.quick else 1000,
        listed=500 if given.quick else given.listed,
        folder=given.folder,
        json=given.json,
    )


def _parser() -> argparse.ArgumentParser:
    cases, peers = [case.name for case in CASES], [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Careen beside other registries."
    )
    add = parser.add_argument
    add(
        "--peers",
        type=_some_of(peers),
        default=DEFAULT,
        metavar="A,B",
        help=f"the first is compared with each: {peers}",
    )
    add("--cases", type=_some_of(cases), default=cases, metavar="A,B", help=f"{cases}")
    add("--rounds", type=int, default=3, help="windows of each case on each peer (default 3)")
    add("--seconds", type=int, default=2, help="length of a window of small requests (default 2)")
    add(
        "--repeats", type=int, default=4, help="downloads on each of the four streams of a window (default 4)"
    )
    add("--listed", type=int, default=10_000, help="tags and repositories that are listed (default 10,000)")
    add("--quick", action="store_true", help="one round of short windows, to see that all works")
    add("--distribution", metavar="PATH", help="the registry program of CNCF distribution 3, if not on PATH")
    add("--zot", metavar="PATH", help="the zot program, if not on PATH")
    add(
        "--folder", type=Path, help="where the servers keep their data: the disk that uploads are measured on"
    )
    add("--json", type=Path, metavar="FILE", help="write every figure and every window there")
    return parser


def _some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    def names(value: str) -> list[str]:
        chosen = value.split(",")
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
        return chosen

    return names


def _peers(names: Sequence[str], programs: dict[str, str | None]) -> tuple[Peer, ...]:
    """The peers in the order in which they were named, with the programs that the command line gives them."""
    known = {peer.name: replace(peer, program=programs.get(peer.name) or peer.program) for peer in PEERS}
    return tuple(known[name] for name in names)
