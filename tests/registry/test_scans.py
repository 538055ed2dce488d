"""Scans and reports through the use cases: when they are asked for, what is kept, and what is described of an image."""

import dataclasses
import json
import shlex
import threading
from pathlib import Path
from typing import Any

import pytest

from careen import worker
from careen.clock import DAY, HOUR
from careen.db.jobs import LEASE
from careen.ecr import errors
from careen.findings.finding import Finding
from careen.oci import media_types
from careen.registry import archive, images, jobs, repositories, scanning, scans, trash
from careen.registry.registry import Registry
from careen.registry.scanning import Rule
from careen.registry.scans import State
from careen.scanners.command import CommandScanner
from careen.scanners.scanner import Target, Watch
from tests.findings.samples import CYCLONEDX, GRYPE, HARBOR, SARIF_OF_TRIVY, SPDX, TRIVY, encoded
from tests.images import Built, artifact, image, index
from tests.registry.steps import TESTER, Hands, push, with_limits
from tests.registry.steps import delete as delete_image

APP = "team/app"
BUILT = image("scanned")
BUSY = State(scans.IN_PROGRESS, scans.STARTED, None, None, {}, None)


def with_report(registry: Registry, folder: Path, report: Any) -> Registry:
    """The registry with a scanner that always says the same."""
    path = folder / "report.json"
    path.write_bytes(report if isinstance(report, bytes) else encoded(report))
    command = shlex.join(["sh", "-c", 'cat "$0"', str(path), "{image}"])
    return dataclasses.replace(
        registry, scanner=CommandScanner(command, "http://127.0.0.1:9", 30, 10_000_000)
    )


def work(registry: Registry) -> int:
    """Do all that is due. Returns how many jobs that were."""
    done = 0
    scanning_thread = worker.image_scans(threading.Event(), "scans")
    while worker.run_one(registry, "test") or worker.run_one(registry, "scans", scanning_thread):
        done += 1
        assert done < 100, "the worker is kept busy by its own doing"
    return done


def start(registry: Registry, built: Built = BUILT, repository: str = APP) -> None:
    """Ask for a scan."""
    found = registry.read(repositories.require, repository)
    row = registry.read(images.find, found, digest=built.digest)
    assert row is not None
    registry.write_now(scans.start, row)


def state(registry: Registry, built: Built = BUILT, repository: str = APP) -> State | None:
    """What is known of an image."""
    found = registry.read(repositories.require, repository)
    row = registry.read(images.find, found, digest=built.digest)
    assert row is not None
    return registry.read(scans.state, row)


def names(registry: Registry, built: Built = BUILT) -> list[str]:
    """The names of an image's findings."""
    known = state(registry, built)
    return [] if known is None else [each.name for each in registry.read(scans.findings, known)]


def report(data: Any, kind: str = "application/sarif+json", subject: Built = BUILT) -> Built:
    """A report on an image, as ``oras attach`` pushes it."""
    return artifact(kind, subject, data if isinstance(data, bytes) else encoded(data))


def scan_on_push(registry: Registry, *, scan: bool = True, repository: str = APP) -> None:
    """Set a repository's own setting."""
    registry.write_now(repositories.require_for_push, repository)
    registry.write_now(scanning.put_repository, repository, scan_on_push=scan)


# Scans.
def test_a_scan_is_done_by_a_worker_and_kept(registry: Registry, tmp_path: Path) -> None:
    """In progress until then; the findings are all there, with their counts, and come back as they were."""
    scanned = with_report(registry, tmp_path, GRYPE)
    push(scanned, APP, BUILT)
    assert state(scanned) is None
    start(scanned)
    assert state(scanned) == BUSY
    assert work(scanned) == 1
    known = state(scanned)
    assert known is not None
    assert (known.status, known.description) == ("COMPLETE", "The scan was completed successfully.")
    assert known.counts == {"CRITICAL": 1, "INFORMATIONAL": 1}
    assert known.source_updated_at is not None
    first, _ = scanned.read(scans.findings, known)
    assert isinstance(first, Finding)
    assert (first.name, first.attributes["package_name"]) == ("CVE-2019-14697", "musl")


def test_without_a_scanner_a_scan_fails_and_says_so(registry: Registry) -> None:
    """And nothing is found that nobody looked for."""
    push(registry, APP, BUILT)
    start(registry)
    work(registry)
    assert state(registry) == State("FAILED", scans.NO_SCANNER, None, None, {}, None)
    assert names(registry) == []


@pytest.mark.parametrize("wrong", [b"nonsense", SPDX, {"bomFormat": "CycloneDX", "components": []}])
def test_a_report_that_is_none_fails_the_scan(registry: Registry, tmp_path: Path, wrong: Any) -> None:
    """An SBOM is no scan."""
    scanned = with_report(registry, tmp_path, wrong)
    push(scanned, APP, BUILT)
    start(scanned)
    work(scanned)
    known = state(scanned)
    assert known is not None
    assert known.status == "FAILED"
    assert known.description.startswith("The scanner's report cannot be read: it is ")


def test_an_image_is_scanned_once_a_day(registry: Registry, tmp_path: Path, clock: Hands) -> None:
    """Also while the scan is under way. What failed may be tried again at once."""
    scanned = with_report(registry, tmp_path, TRIVY)
    push(scanned, APP, BUILT)
    start(scanned)
    for _ in range(2):
        with pytest.raises(errors.LimitExceeded, match="The scan quota per image has been exceeded"):
            start(scanned)
        work(scanned)
    clock.forward(DAY - HOUR)
    with pytest.raises(errors.LimitExceeded):
        start(scanned)
    clock.forward(HOUR)
    broken = with_report(registry, tmp_path, b"")
    for _ in range(2):
        start(broken)
        work(broken)


def test_findings_stay_until_another_scan_completes(registry: Registry, tmp_path: Path, clock: Hands) -> None:
    """While it is under way, and if it fails, they are those of the last."""
    scanned = with_report(registry, tmp_path, TRIVY)
    push(scanned, APP, BUILT)
    start(scanned)
    work(scanned)
    before, known = names(scanned), state(scanned)
    clock.forward(DAY)
    start(scanned)
    assert names(scanned) == before
    assert known is not None
    assert state(scanned) == known._replace(status="IN_PROGRESS", description=scans.STARTED)
    work(with_report(registry, tmp_path, b""))
    assert names(scanned) == before
    start(scanned)
    work(with_report(registry, tmp_path, GRYPE | {"matches": []}))
    assert names(scanned) == []


UNSCANNABLE = {
    "an index": index(image("amd64"), image("arm64")),
    "an artifact": artifact("application/vnd.example", None),
    "a signature of cosign": Built(
        json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_types.OCI_MANIFEST,
                "config": json.loads(image("amd64").manifest)["config"],
                "layers": [
                    json.loads(artifact("a", None).manifest)["layers"][0]
                    | {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json"}
                ],
            }
        ).encode(),
        media_types.OCI_MANIFEST,
        (*image("amd64").blobs, *artifact("a", None).blobs),
    ),
}


@pytest.mark.parametrize("kind", UNSCANNABLE)
def test_only_container_images_are_scanned(registry: Registry, kind: str) -> None:
    """The images of an index are, each for itself; scanning on push leaves out what cannot be scanned."""
    scan_on_push(registry)
    for each in (image("amd64"), image("arm64")):
        push(registry, APP, each)
    work(registry)
    push(registry, APP, UNSCANNABLE[kind])
    assert work(registry) == 0
    assert state(registry, UNSCANNABLE[kind]) is None
    with pytest.raises(errors.UnsupportedImageType):
        start(registry, UNSCANNABLE[kind])


# When images are scanned.
def test_a_repository_scans_on_push_if_it_says_so(registry: Registry) -> None:
    """A new image, not one that was pushed again; and not any more when it is told not to."""
    scan_on_push(registry)
    push(registry, APP, BUILT)
    assert state(registry) == BUSY
    work(registry)
    push(registry, APP, BUILT, "again")
    assert work(registry) == 0
    scan_on_push(registry, scan=False)
    push(registry, APP, image("another"))
    assert state(registry, image("another")) is None


NAMES = ("prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo")
FILTERS = {
    "prod": (True, True, True, True, True),
    "*prod": (True, True, False, False, False),
    "prod*": (True, False, True, False, True),
    "*prod*": (True, True, True, True, True),
    "prod*repo": (False, False, True, False, True),
}
"""The table of ECR's user guide, "Filters to choose which repositories are scanned"."""


@pytest.mark.parametrize("text", FILTERS)
def test_filters_mean_what_they_do_on_amazon(registry: Registry, text: str) -> None:
    """A filter without a wildcard is a part of the name."""
    registry.write_now(scanning.put_registry, "BASIC", [Rule("SCAN_ON_PUSH", (text,))])
    made = [registry.write_now(repositories.create, name) for name in NAMES]
    found = [registry.read(scanning.of_repository, repository) for repository in made]
    assert tuple(each.scan_on_push for each in found) == FILTERS[text]
    assert [each.filters for each in found] == [[text] if matches else [] for matches in FILTERS[text]]


def test_scanning_on_push_beats_a_manual_rule(registry: Registry) -> None:
    """Where both mean a repository; an empty configuration means none."""
    rules = [Rule("MANUAL", ("*",)), Rule("SCAN_ON_PUSH", ("team/*",))]
    repository = registry.write_now(repositories.create, APP)
    registry.write_now(scanning.put_registry, "BASIC", rules)
    assert registry.read(scanning.of_repository, repository) == (True, ["*", "team/*"])
    registry.write_now(scanning.put_registry, "BASIC", rules[:1])
    assert registry.read(scanning.of_repository, repository) == (False, ["*"])
    registry.write_now(scanning.put_registry, "BASIC", [])
    assert registry.read(scanning.of_repository, repository) == (False, [])


def test_an_image_that_comes_back_from_the_archive_is_scanned_anew(
    registry: Registry, tmp_path: Path
) -> None:
    """Archived it has no findings to show; what was found before is forgotten, by a restore as by a push."""
    scanned = with_report(registry, tmp_path, TRIVY)
    row = push(scanned, APP, BUILT).image.row
    start(scanned)
    work(scanned)
    scanned.write_now(archive.archive_with_referrers, row)
    assert state(scanned) == State("IMAGE_ARCHIVED", "The image is archived.", None, None, {}, None)
    with pytest.raises(errors.ImageArchived):
        start(scanned)
    scanned.write_now(archive.begin_restore, row._replace(status="ARCHIVED"))
    work(scanned)
    assert state(scanned) is None
    start(scanned)
    work(scanned)
    scan_on_push(scanned)
    scanned.write_now(archive.archive_with_referrers, row)
    push(scanned, APP, BUILT)
    assert state(scanned) == BUSY


def test_an_image_that_is_deleted_takes_its_findings_along(registry: Registry, tmp_path: Path) -> None:
    """Also while it is being scanned; restored from the trash, it is as if it were new."""
    kept = with_limits(with_report(registry, tmp_path, TRIVY), trash=7 * DAY)
    scan_on_push(kept)
    push(kept, APP, BUILT, "1")
    work(kept)
    assert names(kept)
    push(kept, APP, image("under way"))
    delete_image(kept, APP, BUILT)
    delete_image(kept, APP, image("under way"))
    work(kept)
    assert kept.read(lambda tx: tx.rows.execute("SELECT count(*) FROM scan_findings").fetchone()) == (0,)
    kept.write_now(trash.restore, APP, BUILT.digest, TESTER)
    assert state(kept) == BUSY


class _Interrupted:
    """A scanner that is told to stop when it has begun, and at whose second scan nobody does."""

    registry, timeout = "http://127.0.0.1:9", 60.0

    def __init__(self, stop: threading.Event, then: CommandScanner) -> None:
        self._stop = stop
        self._then = then

    def scan(self, target: Target, watch: Watch) -> bytes:
        if not self._stop.is_set():
            self._stop.set()
            watch.wait(0)
        return self._then.scan(target, Watch(threading.Event()))


def test_a_scan_that_is_stopped_is_done_by_the_next_worker(registry: Registry, tmp_path: Path) -> None:
    """At once: it does not wait for the lease of the one that ended."""
    stop = threading.Event()
    scanned = with_report(registry, tmp_path, TRIVY)
    assert isinstance(scanned.scanner, CommandScanner)
    interrupted = dataclasses.replace(scanned, scanner=_Interrupted(stop, scanned.scanner))
    push(interrupted, APP, BUILT)
    start(interrupted)
    assert worker.run_one(interrupted, "first", worker.image_scans(stop, "first"))
    assert state(interrupted) == BUSY
    assert worker.run_one(interrupted, "second", worker.image_scans(threading.Event(), "second"))
    assert names(interrupted)


def test_a_scan_that_workers_die_of_is_given_up(registry: Registry, tmp_path: Path, clock: Hands) -> None:
    """Each time its lease has to end first."""
    scanned = with_report(registry, tmp_path, TRIVY)
    push(scanned, APP, BUILT)
    start(scanned)
    for _ in range(worker.MAX_ATTEMPTS):
        assert scanned.write_now(jobs.claim, [scans.JOB], "dies") is not None
        clock.forward(LEASE)
    work(scanned)
    assert state(scanned) == State("FAILED", scans.GAVE_UP, None, None, {}, None)


# Reports.
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/sarif+json", SARIF_OF_TRIVY),
        ("application/vnd.cyclonedx+json", CYCLONEDX),
        ("application/vnd.security.vulnerability.report; version=1.1", HARBOR),
    ],
)
def test_a_report_that_was_pushed_is_described(registry: Registry, kind: str, data: Any) -> None:
    """Without a scanner, and without anybody having asked for a scan."""
    push(registry, APP, BUILT)
    pushed = push(registry, APP, report(data, kind)).image.row
    work(registry)
    known = state(registry)
    assert known is not None
    assert (known.status, known.completed_at) == ("COMPLETE", pushed.pushed_at)
    assert known.description.endswith(f"that was pushed: {pushed.digest}")
    assert names(registry)[0] == "CVE-2019-14697"
    assert state(registry, report(data, kind)) is None


def test_a_report_may_come_before_its_image_and_be_a_file(registry: Registry) -> None:
    """As the referrers API allows; a layer of any size that can be read."""
    push(registry, APP, report(encoded(SARIF_OF_TRIVY) + b" " * 100_000))
    work(registry)
    push(registry, APP, BUILT)
    assert names(registry) == ["CVE-2019-14697", "GHSA-aaaa-bbbb-cccc"]


@pytest.mark.parametrize("data", [b"no report", SPDX, CYCLONEDX | {"vulnerabilities": []}])
def test_what_says_nothing_of_vulnerabilities_is_an_artifact(registry: Registry, data: Any) -> None:
    """An SBOM does not make an image one without vulnerabilities."""
    push(registry, APP, BUILT)
    push(registry, APP, report(data, "application/vnd.cyclonedx+json"))
    assert work(registry) == 1
    assert state(registry) is None


def test_the_newer_of_scan_and_report_is_described(registry: Registry, tmp_path: Path, clock: Hands) -> None:
    """A scan that failed gives way to any report, one that is under way to none."""
    scanned = with_report(registry, tmp_path, GRYPE | {"matches": []})
    push(scanned, APP, BUILT)
    push(scanned, APP, report(SARIF_OF_TRIVY))
    work(scanned)
    start(scanned)
    assert state(scanned) == BUSY
    work(with_report(registry, tmp_path, b""))
    assert len(names(scanned)) == 2
    scanned = with_report(registry, tmp_path, GRYPE | {"matches": []})
    start(scanned)
    work(scanned)
    assert names(scanned) == []
    clock.forward()
    push(scanned, APP, report(CYCLONEDX))
    work(scanned)
    assert len(names(scanned)) == 2
    delete_image(scanned, APP, report(CYCLONEDX))
    assert names(scanned) == []


def test_a_report_outlives_its_images_time_in_the_archive(registry: Registry) -> None:
    """What a scan found is forgotten then; a report is still there."""
    row = push(registry, APP, BUILT).image.row
    push(registry, APP, report(SARIF_OF_TRIVY))
    work(registry)
    found = names(registry)
    assert found
    registry.write_now(archive.archive_with_referrers, row)
    assert names(registry) == []
    registry.write_now(archive.begin_restore, row._replace(status="ARCHIVED"))
    work(registry)
    assert names(registry) == found


def test_findings_outlast_a_failure_and_an_older_report(
    registry: Registry, tmp_path: Path, clock: Hands
) -> None:
    """The newest findings there are; the status says that the last scan failed."""
    scanned = with_report(registry, tmp_path, GRYPE | {"matches": GRYPE["matches"][:1]})
    push(scanned, APP, BUILT)
    push(scanned, APP, report(SARIF_OF_TRIVY))
    work(scanned)
    start(scanned)
    work(scanned)
    clock.forward()
    start(scanned)
    work(with_report(registry, tmp_path, b""))
    known = state(scanned)
    assert known is not None
    assert (known.status, len(names(scanned))) == ("FAILED", 1)


def test_a_report_of_another_image_says_nothing_of_this_one(registry: Registry) -> None:
    """Nor does one in another repository, or one without a subject."""
    push(registry, APP, BUILT)
    push(registry, APP, report(SARIF_OF_TRIVY, subject=image("another")))
    push(registry, "team/lib", report(SARIF_OF_TRIVY))
    push(registry, APP, artifact("application/sarif+json", None, encoded(SARIF_OF_TRIVY)))
    assert work(registry) == 2
    assert state(registry) is None
