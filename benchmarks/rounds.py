"""Runs the cases on the servers, round after round, and keeps what each window did and cost.

Within a round every case visits the servers one after the other, and the next round visits them in the
opposite order, so that neither a slow minute of the machine nor the place in the order favours one of them.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.cases import Case, Plan
from benchmarks.load import Work
from benchmarks.peers import Server
from benchmarks.processes import cpu_seconds, peak_bytes, reset_peak


@dataclass(frozen=True, slots=True)
class Sample:
    """One window of one case on one server."""

    case: str
    peer: str
    work: Work
    cpu: float
    """Processor seconds of the server's processes."""
    client_cpu: float
    """Processor seconds of the load generator."""
    peak: int
    """Peak resident bytes of the server's processes within the window."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A window that gave no figure."""

    case: str
    peer: str
    reason: str


def rounds(
    cases: Sequence[Case], servers: Sequence[Server], plan: Plan, count: int
) -> Iterator[Sample | Failure]:
    """Measure everything ``count`` times, window by window; what failed once is not tried again."""
    failed: set[tuple[str, str]] = set()
    for number in range(count):
        order = servers if number % 2 == 0 else servers[::-1]
        for case, server in ((case, server) for case in cases for server in order):
            if (case.name, server.peer.name) in failed:
                continue
            outcome = _window(case, server, plan)
            if isinstance(outcome, Failure):
                failed.add((case.name, server.peer.name))
            yield outcome


def _window(case: Case, server: Server, plan: Plan) -> Sample | Failure:
    cpu, client_cpu = cpu_seconds(server.pid), _client_cpu()
    try:
        reset_peak(server.pid)
        work = case.window(server, plan)
    except Exception as error:  # noqa: BLE001 - whatever went wrong voids this figure and no other
        return Failure(
            case.name,
            server.peer.name,
            f"{type(error).__name__}: {error}; the server's log: {server.last_line()}",
        )
    return Sample(
        case.name,
        server.peer.name,
        work,
        cpu=cpu_seconds(server.pid) - cpu,
        client_cpu=_client_cpu() - client_cpu,
        peak=peak_bytes(server.pid),
    )


def _client_cpu() -> float:
    """Of this process and of the generators it ran and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
