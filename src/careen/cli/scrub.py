"""``careen scrub``: read everything that is stored, compare it with its digest, say what is damaged and which images suffer."""

import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from careen.cli.data import opened
from careen.cli.output import fail, plural, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from careen.registry.registry import Registry
    from careen.registry.scrub import Damage, Progress, Report

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]

STOPPED = 130
"""The exit status of a scrub that was stopped, as after Ctrl-C."""


def scrub(
    *,
    rate: int | None = None,
    repository: str | None = None,
    status: Annotated[bool, Parameter(negative="")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Compare everything stored with its digest now, while the registry serves.

    What is damaged is set aside, answered as unknown from then on, and comes back with the next push of an image that has it. One
    that is stopped goes on where it was when it is started again. The exit status is 1 while anything is damaged.

    Args:
        rate: Bytes a second to read at most; 0 for no limit. Without it the setting scrub_rate holds.
        repository: Only what this repository has.
        status: Read nothing; say how far the registry's own scrub is, and what is known to be damaged.
    """
    from careen.registry import scrub as scrubbing

    if rate is not None and rate < 0:
        fail("--rate is a number of bytes a second", "0 for no limit", code=2)
    found: list[Damage] = []
    with opened(data) as registry:
        progress = (
            registry.read(scrubbing.last, scrubbing.PERIODIC)
            if status
            else _run(registry, rate, repository, found.append)
        )
        report = registry.read(scrubbing.report)
    broken = [damage.what for damage in found if not damage.digest]
    if json:
        print_json(
            {
                "scrub": None if progress is None else progress._asdict(),
                "database": broken,
                "blobs": [it._asdict() for it in report.blobs],
                "manifests": [it._asdict() for it in report.manifests],
                "images": [it._asdict() for it in report.images],
            }
        )
    else:
        print("\n".join([*_progress(progress), *(f"database: {what}" for what in broken), *describe(report)]))
    if progress is not None and progress.finished_at is None and not status:
        sys.exit(STOPPED)
    if report.blobs or report.manifests or broken:
        sys.exit(1)


def _run(
    registry: "Registry", rate: int | None, repository: str | None, found: "Callable[[Damage], None]"
) -> "Progress":
    """Scrub until it is through, or until somebody stops it."""
    from careen.ecr.errors import EcrError
    from careen.registry import scrub as scrubbing

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    pace = scrubbing.Pace(registry.limits.scrub_rate if rate is None else rate, stop)
    try:
        return scrubbing.run(registry, pace, scope=scrubbing.COMMAND, repository=repository, found=found)
    except EcrError as error:
        fail(error.message)


def _progress(progress: "Progress | None") -> list[str]:
    from careen.clock import isoformat

    if progress is None:
        return ["nothing was scrubbed yet"]
    done = f"{plural(progress.blobs, 'blob')} and {plural(progress.manifests, 'manifest')}, {progress.size:,} bytes"
    if progress.finished_at is None:
        lines = [
            f"under way since {isoformat(progress.started_at)}, in phase {progress.phase}: {done} so far; it can be gone on with"
        ]
    else:
        lines = [f"{done}, read from {isoformat(progress.started_at)} to {isoformat(progress.finished_at)}"]
    if progress.strays:
        lines.append(
            f"{plural(progress.strays, 'file')} of {progress.stray_size:,} bytes that no row names: the sweep deletes them"
        )
    return lines


def describe(report: "Report") -> list[str]:
    """All damage and the images that suffer from it, a line each."""
    if not report.blobs and not report.manifests:
        return ["nothing is damaged"]
    lines = [f"damaged blob      {it.digest}  {it.what}  {it.size:,} bytes" for it in report.blobs]
    lines += [f"damaged manifest  {it.digest}  {it.what}  in {it.repository}" for it in report.manifests]
    lines += [
        f"affected image    {it.repository}@{it.digest}  {' '.join(it.tags) or '(no tag)'}"
        for it in report.images
    ]
    lines.append(
        "copy these images here again, layer by layer (skopeo does), and they are whole: docs/backup.md"
    )
    return lines
