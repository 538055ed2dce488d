"""``careen storage`` and ``careen gc``: exact bytes, and getting them back."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from careen.cli.data import opened
from careen.cli.output import print_json

if TYPE_CHECKING:
    from careen.registry.gc import Collected
    from careen.registry.storage import Storage

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


def storage(*, data: Data = None, json: Json = False) -> None:
    """Say what is stored, exact to the byte, while the registry serves."""
    from careen.registry.storage import account

    with opened(data) as registry:
        found = account(registry)
    if json:
        print_json(
            found._asdict() | {"repositories": [repository._asdict() for repository in found.repositories]}
        )
        return
    for line in describe(found):
        print(line)
    if found.repositories:
        print(f"\n{'repository':<40} {'images':>8} {'blobs':>8} {'bytes':>18}")
        for repository in found.repositories:
            print(
                f"{repository.name:<40} {repository.images:>8,} {repository.blobs:>8,} {repository.size:>18,}"
            )


def gc(
    *,
    now: Annotated[bool, Parameter(negative="")] = False,
    grace: float | None = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Collect what no image needs, and say how many bytes came back. The registry may go on serving.

    The server does this by itself every minute.

    Args:
        now: Required: says that you mean it.
        grace: Seconds to use instead of the registry's grace period. With 0 everything unneeded goes; a push under way
            may have to send a layer again.
    """
    from careen.cli.output import fail
    from careen.clock import SECOND
    from careen.registry import gc as collector
    from careen.registry.storage import account

    if not now:
        fail("nothing was collected", "add --now; `careen storage` shows what is unneeded")
    with opened(data) as registry:
        before = account(registry)
        collected = collector.collect(registry, grace=None if grace is None else round(grace * SECOND))
        swept = collector.sweep(registry)
        after = account(registry)
    total = collected.plus(swept)
    if json:
        print_json(total._asdict() | {"before": _bytes(before), "after": _bytes(after)})
        return
    print(f"before: {before.blob_bytes:>15,} bytes in {before.blobs:,} blobs")
    print(f"after:  {after.blob_bytes:>15,} bytes in {after.blobs:,} blobs")
    print(outcome(total))


def outcome(total: "Collected") -> str:
    """One paragraph on a collection."""
    lines = [
        f"freed {total.freed:,} bytes: {total.blobs:,} blobs, {total.orphans:,} stray files, {total.uploads:,} uploads"
    ]
    if total.waiting:
        lines.append(
            f"{total.waiting:,} unneeded blobs wait for the end of their grace period, so that no push under way loses a layer;"
            " --grace 0 does not wait"
        )
    return "\n".join(lines)


def describe(found: "Storage") -> list[str]:
    """The accounts, a line each."""
    return [
        f"{found.blob_bytes:>18,} bytes in {found.blobs:,} blobs",
        f"{found.row_bytes:>18,}   of these in the database (blobs of up to 64 KiB)",
        f"{found.file_bytes:>18,}   of these in files",
        f"{found.unneeded_bytes:>18,}   of these that no image needs: the collector's",
        f"{found.manifest_bytes:>18,} bytes in {found.manifests:,} manifests",
        f"{found.upload_bytes:>18,} bytes in uploads under way",
        f"{found.stored_bytes:>18,} bytes in blob files that are there" + _difference(found),
    ]


def _difference(found: "Storage") -> str:
    beyond = found.stored_bytes - found.file_bytes
    return (
        " (the same, to the byte)"
        if beyond == 0
        else f" ({beyond:+,}: on their way out or in, or stray; see careen gc)"
    )


def _bytes(found: "Storage") -> dict[str, int]:
    return {"blobs": found.blobs, "blobBytes": found.blob_bytes, "storedBytes": found.stored_bytes}
