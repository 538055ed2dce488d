"""What the benchmark reads from ``/proc`` and wrk, what it pushes, what it makes of the rounds and prints."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path

import pytest

from benchmarks import cases, load, options, processes, report, uploads, wire
from benchmarks.content import digest_of
from benchmarks.rounds import Failure, Sample

MANIFEST = cases.Case("manifest", cases.Unit.REQUESTS, lambda _server, _plan: load.Work(1, 1), bar=5)
UPLOAD = cases.Case("upload", cases.Unit.BYTES, lambda _server, _plan: load.Work(1, 1))


def sample(
    case: str = "manifest",
    peer: str = "careen",
    *,
    units: float = 100,
    cpu: float = 0.5,
    p50: float | None = None,
) -> Sample:
    """One window of one second."""
    return Sample(case, peer, load.Work(units, 1.0, p50, p50), cpu=cpu, client_cpu=0.25, peak=int(units))


STATS = {
    "plain": ("42 (registry) S 7 42 42 0 -1 4194560 9 0 0 0 150 50 3 1 20 0 9 0 77", (42, 7, 204)),
    "spaces in the name": ("42 (a b) S 7 42 42 0 -1 4194560 9 0 0 0 1 2 0 0 20 0", (42, 7, 3)),
    "parentheses in the name": ("42 (x) S 9 (y)) R 7 42 42 0 -1 4194560 9 0 0 0 1 2 4 8 20 0", (42, 7, 15)),
}


@pytest.mark.parametrize(("text", "stat"), STATS.values(), ids=STATS)
def test_stat_is_read_whatever_the_program_is_called(text: str, stat: tuple[int, int, int]) -> None:
    """Pid, parent and ticks come from their fields, also where the program's name looks like fields."""
    assert processes.parse_stat(text) == stat


def test_peak_is_the_high_water_mark_less_what_others_share() -> None:
    """The kernel counts in KiB; a process that has ended has none."""
    status = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t 1024 kB\n"
    assert processes.parse_peak(status, "Rss:  1024 kB\nPss:  1024 kB\nPss_Dirty: 1 kB\n") == 2_097_152
    assert processes.parse_peak(status, "Rss:  1024 kB\nPss:   512 kB\nPss_Dirty: 1 kB\n") == 1_572_864
    assert processes.parse_peak("Name:\tx\nState:\tZ (zombie)\n", "") == 0


def test_descendants_are_the_whole_tree_and_nothing_beside_it() -> None:
    """Children of children belong to a server, its siblings and its parent do not."""
    assert processes.descendants(10, {10: 1, 11: 10, 12: 11, 20: 1, 21: 20}) == {10, 11, 12}


def test_accounting_reads_the_running_kernel() -> None:
    """A process that had a lot of memory and gave it back shows it in its peak until the reset, and has spent time."""
    program = "import sys; x = bytearray(64_000_000); del x; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        before = processes.peak_bytes(child.pid)
        processes.reset_peak(child.pid)
        assert 0 < processes.peak_bytes(child.pid) < before - 50_000_000
        assert processes.cpu_seconds(child.pid) > 0
        child.communicate()


def test_wrk_output_becomes_work_in_seconds() -> None:
    """The script's line holds requests, and microseconds."""
    output = "Running 2s test\nmeasured 4000 2000000 1500 9000 0\nRequests/sec: 2000\n"
    assert load.parse_wrk(output) == load.Work(4000, 2.0, 0.0015, 0.009)


@pytest.mark.parametrize("line", ["measured 4000 2000000 1500 9000 1", "measured 0 2000000 0 0 0"])
def test_wrk_output_with_a_failed_request_is_no_figure(line: str) -> None:
    """A server that refuses, or does not answer at all, must not look fast."""
    with pytest.raises(wire.WireError):
        load.parse_wrk(line)


def test_figure_takes_medians_of_the_rounds() -> None:
    """One slow round moves neither rate nor processor time, and shows in the spread."""
    figure = report.figure([sample(units=100), sample(units=50), sample(units=120)])
    assert (figure.rate, figure.spread, figure.cpu, figure.peak) == (100, 0.7, 0.005, 120)


def test_figure_has_percentiles_only_if_every_round_has() -> None:
    """A median of some rounds would be another statistic than that of its neighbours."""
    assert report.figure([sample(p50=1.0), sample(p50=3.0), sample(p50=2.0)]).p50 == 2.0
    assert report.figure([sample(p50=1.0), sample()]).p50 is None


def test_ratio_above_one_is_better_in_rate_and_in_processor_time() -> None:
    """Twice the rate at half the time for each unit is 2 and 2."""
    own, other = report.figure([sample(units=200, cpu=0.5)]), report.figure([sample(units=100, cpu=0.5)])
    assert report.ratio(own, other) == report.Ratio(rate=2.0, cpu=2.0)


def measured(careen: float) -> report.Run:
    """A run in which Careen does so many manifests a second, and Debian's registry 100."""
    samples = [sample(units=careen), sample(peer="docker-registry"), sample("upload", units=2e9)]
    failures = [Failure("upload", "docker-registry", "WireError: 500")]
    return report.Run((MANIFEST, UPLOAD), ("careen", "docker-registry"), samples, failures)


@pytest.mark.parametrize(("careen", "verdict", "lines"), [(500, "kept", 0), (499, "MISSED", 1)])
def test_bar_is_judged_by_the_ratio_of_rates(careen: float, verdict: str, lines: int) -> None:
    """The bar itself is good enough; a case without a bar, or with nothing to compare, is not judged."""
    run = measured(careen)
    assert len(report.missed(run)) == lines
    assert report.table(run).count(verdict) == 1


def test_table_has_a_row_for_each_case_and_peer_in_aligned_columns() -> None:
    """Figures have the unit of their case, a failed window says so, and no row is longer than another."""
    lines = [line for line in report.table(measured(1000)).splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert [row[:5] for row in cells] == [
        ["manifest", "careen", "1,000 /s", "0%", "500 µs"],
        ["manifest", "docker-registry", "100 /s", "0%", "5,000 µs"],
        ["upload", "careen", "2.00 GB/s", "0%", "0.25 s/GB"],
        ["upload", "docker-registry", "failed", "", ""],
    ]
    assert cells[1][8:] == ["10.00x", "10.00x", "≥ 5x kept"]


def test_document_is_json_and_keeps_every_window() -> None:
    """What is written to a file holds figures, ratios, failures and the single rounds."""
    run = measured(1000)
    document = json.loads(json.dumps(report.document(run)))
    assert document["ratios"] == [
        {"case": "manifest", "peer": "careen", "other": "docker-registry", "rate": 10.0, "cpu": 10.0}
    ]
    assert len(document["samples"]) == 3
    assert document["failures"][0]["reason"] == "WireError: 500"


def test_options_name_peers_in_order_and_give_them_programs() -> None:
    """The first peer named is the one that is compared, and a program may lie beside PATH."""
    asked = options.parse(["--peers", "zot,careen", "--zot", "/opt/zot", "--cases", "blob-10k", "--quick"])
    assert [peer.name for peer in asked.peers] == ["zot", "careen"]
    assert asked.peers[0].program == "/opt/zot"
    assert ([case.name for case in asked.cases], asked.rounds) == (["blob-10k"], 1)


def test_options_refuse_a_case_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name must not quietly measure nothing."""
    with pytest.raises(SystemExit):
        options.parse(["--cases", "blob-10kb"])
    assert "blob-10kb: not one of" in capsys.readouterr().err


def received(send: Callable[[socket.socket], None]) -> bytes:
    """What a server would read."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours)
        ours.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: theirs.recv(1 << 16), b""))


def unchunked(body: bytes) -> bytes:
    """Take the HTTP chunks of a whole body apart (RFC 9112, 7.1)."""
    data = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        piece, end, body = body[: int(size, 16)], body[int(size, 16) :][:2], body[int(size, 16) + 2 :]
        assert end == b"\r\n"
        data += piece
    return data


@pytest.mark.parametrize("size", [uploads.TAIL + 1, uploads.CHUNK + uploads.TAIL, 80_000])
def test_uploads_are_new_blobs_that_match_their_digests(tmp_path: Path, size: int) -> None:
    """Two uploads of a payload differ; plain or in chunks, each sends the bytes that its digest names."""
    payload = uploads.Payload(tmp_path, size)
    first, second = payload.upload(), payload.upload()
    assert first.digest != second.digest
    for upload in (first, second):
        plain = received(upload.send_plain)
        assert (len(plain), digest_of(plain)) == (size, upload.digest)
        assert unchunked(received(upload.send_chunked)) == plain


LOCATIONS = {
    "absolute": ("http://127.0.0.1:5000/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1?digest=d"),
    "relative": ("/v2/a/blobs/uploads/1", "/v2/a/blobs/uploads/1?digest=d"),
    "with a query": ("/v2/a/blobs/uploads/1?_state=x%3D", "/v2/a/blobs/uploads/1?_state=x%3D&digest=d"),
}


@pytest.mark.parametrize(("location", "path"), LOCATIONS.values(), ids=LOCATIONS)
def test_location_keeps_its_query(location: str, path: str) -> None:
    """A server may keep state in the query of an upload's Location; the client only adds to it."""
    headers = HTTPMessage()
    headers["Location"] = location
    client = wire.Client(wire.Origin("127.0.0.1", 5000))
    assert client.location(wire.Answer(202, headers, b""), digest="d") == path
