"""``python -m benchmarks``: start the servers, fill them, measure them in turns, print the table."""

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import limits, listings, options, report
from benchmarks.cases import Plan
from benchmarks.content import Content
from benchmarks.peers import PeerError, Server, running
from benchmarks.rounds import Failure, Sample, rounds
from benchmarks.wire import WireError


def main() -> int:
    """Run what the command line asks for.

    Returns:
        0, or 1 where a window failed or a bar was missed, or 2 where nothing could be measured.
    """
    asked = options.parse()
    if shutil.which("wrk") is None:
        _say("wrk, which makes the small requests, was not found (Debian's package wrk)")
        return 2
    run = _measure(asked)
    if run is None:
        return 2
    _print(run)
    if asked.json:
        asked.json.write_text(json.dumps(report.document(run), indent=1) + "\n")
    return 1 if run.failures or report.missed(run) else 0


def _measure(asked: options.Options) -> report.Run | None:
    with (
        tempfile.TemporaryDirectory(prefix="careen-benchmark-", dir=asked.folder) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        content = Content(folder)
        bounds = limits.measure(content.payload, folder)
        plan = Plan(content, folder, asked.seconds, asked.repeats, asked.small, asked.listed)
        servers, skipped = _start(asked, plan, stack)
        outcomes = list(_told(rounds(asked.cases, servers, plan, asked.rounds)))
    if not outcomes:
        return None
    return report.Run(
        asked.cases,
        [server.peer.name for server in servers],
        samples=[outcome for outcome in outcomes if isinstance(outcome, Sample)],
        failures=[outcome for outcome in outcomes if isinstance(outcome, Failure)],
        about=_about(servers, skipped, bounds),
    )


def _start(asked: options.Options, plan: Plan, stack: ExitStack) -> tuple[list[Server], dict[str, str]]:
    """Bring up and fill the servers that can be; the second part says why the others were left out."""
    servers: list[Server] = []
    skipped: dict[str, str] = {}
    lists = any(case.lists for case in asked.cases)
    for peer in asked.peers:
        try:
            server = stack.enter_context(running(peer, plan.folder / peer.name))
            plan.content.seed(server.origin)
            plan.content.verify(server.origin)
            if lists:
                _say(f"{peer.name}: {plan.listed:,} tags and {plan.listed:,} repositories")
                listings.seed(server.origin, plan.listed)
        except (PeerError, WireError, OSError) as error:
            skipped[peer.name] = str(error)
            _say(f"{peer.name} is skipped: {error}")
        else:
            servers.append(server)
            _say(f"{peer.name} is up: {server.version}")
    return servers, skipped


def _told(outcomes: Iterable[Sample | Failure]) -> Iterator[Sample | Failure]:
    """Say each outcome as it comes."""
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            _say(f"{outcome.case}, {outcome.peer}: failed: {outcome.reason}")
        else:
            _say(f"{outcome.case}, {outcome.peer}: {outcome.work.units / outcome.work.seconds:,.0f} a second")
        yield outcome


def _about(
    servers: Sequence[Server], skipped: Mapping[str, str], bounds: Mapping[str, float]
) -> dict[str, Any]:
    return {
        "machine": {
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "limits": bounds,
        "peers": {
            server.peer.name: {"version": server.version, "authentication": bool(server.origin.authorization)}
            for server in servers
        },
        "skipped": skipped,
    }


def _print(run: report.Run) -> None:
    bounds = ", ".join(f"{name} {rate / 1e9:.2f} GB/s" for name, rate in run.about["limits"].items())
    print(f"On this machine, {run.about['machine']['cores']} cores: {bounds}.")
    for name, peer in run.about["peers"].items():
        print(f"{name}: {peer['version']}, {'with' if peer['authentication'] else 'without'} authentication.")
    for name, reason in run.about["skipped"].items():
        print(f"{name}: skipped, {reason}.")
    print(report.table(run))
    for line, _ in report.of_limits(run):
        print(f"{line}.")
    for line in report.missed(run):
        print(f"Missed: {line}.")
    for failure in run.failures:
        print(f"Failed: {failure.case} on {failure.peer}: {failure.reason}.")


def _say(line: str) -> None:
    """Progress goes to standard error, the report to standard output."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
