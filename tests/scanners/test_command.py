"""Scanners that are commands: what they are handed, and that none of them, however it behaves, harms or outlives its scan."""

import json
import shlex
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from careen.scanners import command
from careen.scanners.command import CommandScanner
from careen.scanners.scanner import ScanFailed, Stopped, Target, Watch
from tests.scanners import program
from tests.waiting import PATIENCE, until

TARGET = Target(
    "http://127.0.0.1:5000",
    "team/app",
    f"sha256:{0:064x}",
    "1.4",
    "application/vnd.oci.image.manifest.v1+json",
    "AWS",
    "a-token",
)


def scanner(what: str, **limits: float) -> CommandScanner:
    """The program of the tests, told to do one thing."""
    words = shlex.join([sys.executable, program.__file__, what])
    return CommandScanner(
        f"{words} {{image}}",
        TARGET.registry,
        limits.get("timeout", PATIENCE),
        int(limits.get("max_bytes", 1_000_000)),
    )


def scan(
    made: CommandScanner, stop: threading.Event | None = None, keep: Callable[[], bool] = lambda: True
) -> bytes:
    """Scan, and see that no folder is left."""
    try:
        return made.scan(TARGET, Watch(stop or threading.Event(), keep))
    finally:
        assert list(Path(tempfile.gettempdir()).glob("careen-scan-*")) == []


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary folders are made in the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of it until its parent asks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_scanner_finds_the_credential_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the image's credential where scanners look, an empty folder to be in, and its own settings; not Careen's."""
    monkeypatch.setenv("CAREEN_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("TRIVY_SEVERITY", "HIGH")
    environment = json.loads(scan(scanner("environment")))
    assert "hidden" not in environment.values()
    assert environment["TRIVY_SEVERITY"] == "HIGH"
    assert (environment["GRYPE_REGISTRY_AUTH_USERNAME"], environment["TRIVY_PASSWORD"]) == ("AWS", "a-token")
    assert environment["DOCKER_CONFIG"] == environment["PWD"]
    assert environment["PWD"].startswith(str(tmp_path))


def test_an_image_is_one_word_whatever_it_is_called() -> None:
    """There is no shell, and the reference stands where the command says."""
    made = CommandScanner("echo --image={image} '$HOME;' `id`", TARGET.registry, PATIENCE, 1000)
    assert scan(made).decode() == f"--image={TARGET.reference} $HOME; `id`\n"


FAILURES: dict[str, tuple[str, dict[str, float], str]] = {
    "exit status and last words": (
        "fail",
        {},
        "The scanner ended with status 3: FATAL cannot open the database",
    ),
    "a credential in the last words": ("tell", {}, "The scanner ended with status 1: DEBUG password …"),
    "too much": ("huge", {"max_bytes": 300_000}, "The scanner printed more than 300000 bytes"),
    "no end": ("hang", {"timeout": 0.3}, "The scanner took longer than 0.3 seconds"),
    "no end after the report": ("linger", {}, "The scanner printed its report and did not end"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_scanner_that_misbehaves_fails_with_a_reason(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    """The reason tells the operator what to look at, and nobody the credential."""
    what, limits, reason = FAILURES[case]
    monkeypatch.setattr(command, "GRACE_SECONDS", 0.5 if what == "linger" else PATIENCE)
    with pytest.raises(ScanFailed) as failed:
        scan(scanner(what, **limits))
    assert str(failed.value) == reason


def test_a_scanner_that_is_not_there_fails_with_a_reason() -> None:
    """As after a typing error in the setting."""
    with pytest.raises(ScanFailed, match="The scanner cannot be started: no-such-scanner: No such file"):
        scan(CommandScanner("no-such-scanner {image}", TARGET.registry, PATIENCE, 1000))


def test_a_scan_that_is_stopped_ends_the_scanner_and_all_it_started(tmp_path: Path) -> None:
    """Also a child that holds the output open."""
    stop, ended = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            scanner(f"children={tmp_path}").scan(TARGET, Watch(stop))
        except Stopped as stopped:
            ended.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    child = tmp_path / "child"
    until(lambda: child.exists() and child.read_text() != "")
    stop.set()
    thread.join(PATIENCE)
    assert len(ended) == 1
    until(lambda: not is_alive(int(child.read_text())))


def test_a_scan_that_is_somebody_elses_by_now_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker asks now and then whether the job is still its own."""
    monkeypatch.setattr("careen.scanners.scanner.KEEP_SECONDS", 0.05)
    with pytest.raises(Stopped):
        scan(scanner("hang"), keep=lambda: False)
