"""What a run says: figures over the rounds, ratios to the first peer, bars kept or missed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.cases import Case, Unit
from benchmarks.rounds import Failure, Sample

SUBJECT = "careen"
OPEN = "careen-open"
WITH_AUTHENTICATION = 0.85
"""The least part of the rate without authentication that is left with it."""
BAR_PEERS = ("docker-registry", "distribution")
"""Those that ``bar`` is set against; one of them is built by a compiler of years ago, the other by today's."""
LIMIT_SHARE = 0.6
"""The least part of a limit of the machine that is reached."""
HEAD = ("case", "peer", "rate", "±", "CPU", "p50", "p99", "peak", "rate ratio", "CPU ratio", "bar")
LEGEND = (
    "± is the spread of the rounds, CPU the server's processor time for one unit, peak its memory, shared pages counted once; "
    "a ratio says how many times better {} is than the row's peer."
)


@dataclass(frozen=True, slots=True)
class Run:
    """What was measured."""

    cases: Sequence[Case]
    peers: Sequence[str]
    """In the order in which they were named; the first is compared with each of the others."""
    samples: Sequence[Sample]
    failures: Sequence[Failure] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    """The machine, the versions, the limits: whatever else a reader of the JSON needs."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One case on one peer, over the rounds."""

    rate: float
    """Units a second, the median."""
    spread: float
    """Highest less lowest rate, as a part of the median: what the machine's noise did."""
    cpu: float
    """Processor seconds of the server for one unit, the median."""
    client_cores: float
    """Cores that the load generator kept busy: one at its limit is the figure's limit too."""
    peak: int
    """The highest resident memory of any round, in bytes."""
    p50: float | None
    p99: float | None


Figures = Mapping[tuple[str, str], Figure]
"""By the names of case and peer."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better one figure is than another; above 1 is better in both."""

    rate: float
    cpu: float


def figures(samples: Iterable[Sample]) -> dict[tuple[str, str], Figure]:
    """Bring the rounds together."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.case, sample.peer), []).append(sample)
    return {key: figure(group) for key, group in groups.items()}


def figure(samples: Sequence[Sample]) -> Figure:
    """The figure of one case on one peer; it has percentiles only where every round has them."""
    rates = [sample.work.units / sample.work.seconds for sample in samples]
    return Figure(
        rate=median(rates),
        spread=(max(rates) - min(rates)) / median(rates),
        cpu=median(sample.cpu / sample.work.units for sample in samples),
        client_cores=median(sample.client_cpu / sample.work.seconds for sample in samples),
        peak=max(sample.peak for sample in samples),
        p50=_median_if_known([sample.work.p50 for sample in samples]),
        p99=_median_if_known([sample.work.p99 for sample in samples]),
    )


def ratio(own: Figure, other: Figure) -> Ratio:
    """``own`` against ``other``; processor time too short for the kernel's clock is infinitely better."""
    return Ratio(own.rate / other.rate, other.cpu / own.cpu if own.cpu else float("inf"))


def missed(run: Run) -> list[str]:
    """A line for each bar that was not reached; one that has no figures to be judged by is not among them."""
    measured = figures(run.samples)
    lines = []
    for case in run.cases:
        for peer in run.peers:
            own, beside, wanted = (
                measured.get((case.name, SUBJECT)),
                measured.get((case.name, peer)),
                bar(case, peer),
            )
            if wanted and own and beside and (reached := ratio(own, beside).rate) < wanted:
                lines.append(f"{case.name}: {reached:.2f} times the rate of {peer}, {wanted:g} wanted")
            if case.light and own and beside and own.peak > beside.peak and not peer.startswith(SUBJECT):
                lines.append(
                    f"{case.name}: {own.peak / 1e6:.0f} MB, where {peer} needs {beside.peak / 1e6:.0f}"
                )
    return lines + [
        f"{line}, {LIMIT_SHARE:.0%} wanted" for line, share in of_limits(run) if share < LIMIT_SHARE
    ]


def of_limits(run: Run) -> list[tuple[str, float]]:
    """How much of the machine's own limits was reached: a line and the share, for each case that has one."""
    measured, limits = figures(run.samples), run.about.get("limits", {})
    return [
        (f"{case.name}: {share:.0%} of the machine's {case.limit}", share)
        for case in run.cases
        if case.limit in limits and (own := measured.get((case.name, SUBJECT)))
        for share in (own.rate / limits[case.limit],)
    ]


def bar(case: Case, peer: str) -> float | None:
    """The least ratio to this peer's rate that is promised; None if none is."""
    if peer == OPEN:
        return WITH_AUTHENTICATION
    if peer.startswith(SUBJECT):
        return None
    return case.bar if case.bar and peer in BAR_PEERS else case.every_bar


def table(run: Run) -> str:
    """A Markdown table with a row for each case and peer, and how to read it."""
    measured = figures(run.samples)
    reasons = {(failure.case, failure.peer): failure.reason for failure in run.failures}
    rows: list[Sequence[str]] = [HEAD]
    for case in run.cases:
        for peer in run.peers:
            key = (case.name, peer)
            if key in reasons:
                rows.append([*key, "failed", *[""] * (len(HEAD) - 3)])
            elif key in measured:
                rows.append(
                    [*key, *_cells(case, measured[key]), *_compared(case, run.peers[0], peer, measured)]
                )
    return f"{aligned(rows)}\n\n{LEGEND.format(run.peers[0])}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table that also reads well as plain text; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ruled = [rows[0], ["-" * width for width in widths], *rows[1:]]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in ruled]
    return "\n".join(f"| {line} |" for line in lines)


def document(run: Run) -> dict[str, Any]:
    """Everything of a run in JSON's own types."""
    measured = figures(run.samples)
    first, *others = run.peers
    return {
        **run.about,
        "figures": [
            {"case": case, "peer": peer, **asdict(value)} for (case, peer), value in measured.items()
        ],
        "ratios": [
            {
                "case": case.name,
                "peer": first,
                "other": other,
                **asdict(ratio(measured[key], measured[beside])),
            }
            for case in run.cases
            for other in others
            if (key := (case.name, first)) in measured and (beside := (case.name, other)) in measured
        ],
        "missed": missed(run),
        "samples": [asdict(sample) for sample in run.samples],
        "failures": [asdict(failure) for failure in run.failures],
    }


def _cells(case: Case, value: Figure) -> list[str]:
    match case.unit:
        case Unit.BYTES:
            rate, cpu = f"{value.rate / 1e9:.2f} GB/s", f"{value.cpu * 1e9:.2f} s/GB"
        case Unit.IMAGES:
            rate, cpu = f"{value.rate:,.2f} /s", f"{value.cpu * 1e3:,.0f} ms"
        case Unit.ENTRIES:
            rate, cpu = f"{value.rate / 1e3:,.0f} k/s", f"{value.cpu * 1e9:,.0f} ns"
        case _:
            rate, cpu = f"{value.rate:,.0f} /s", f"{value.cpu * 1e6:,.0f} µs"
    return [rate, f"{value.spread:.0%}", cpu, _ms(value.p50), _ms(value.p99), f"{value.peak / 1e6:.0f} MB"]


def _compared(case: Case, first: str, peer: str, measured: Figures) -> list[str]:
    own = measured.get((case.name, first))
    if peer == first or own is None:
        return ["", "", ""]
    value = ratio(own, measured[case.name, peer])
    verdict = ""
    wanted = bar(case, peer)
    if wanted and first == SUBJECT:
        verdict = f"≥ {wanted:g}x {'kept' if value.rate >= wanted else 'MISSED'}"
    return [f"{value.rate:.2f}x", f"{value.cpu:.2f}x", verdict]


def _ms(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.2f} ms"


def _median_if_known(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known and len(known) == len(values) else None
