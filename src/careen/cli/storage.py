"""``careen storage`` and ``careen gc``: exact bytes, and getting them back."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from careen.cli.data import opened
from careen.cli.output import print_json

if TYPE_CHECKING:
    from careen.registry.gc import Collected, Collection
    from careen.registry.measurements import Sample
    from careen.registry.registry import Limits
    from careen.registry.storage import Storage

app = App()

LISTED = 100
"""How many collections are shown."""

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


@app.default
def storage(
    *,
    repository: Annotated[
        str | None, Parameter(help="Show this repository's images: what each would give back alone.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say what is stored and what it costs, exact to the byte, while the registry serves."""
    from careen.cli.output import fail
    from careen.ecr.errors import EcrError
    from careen.registry.storage import account, of_images

    with opened(data) as registry:
        if repository is None:
            _print_all(account(registry), registry.limits, json=json)
            return
        try:
            images = registry.read(of_images, repository)
        except EcrError as error:
            fail(error.message)
    if json:
        print_json([each._asdict() for each in images])
        return
    print(f"{'unique':>18} {'shared':>18}  image")
    for each in images:
        print(f"{each.unique:>18,} {each.shared:>18,}  {each.digest[:19]}  {', '.join(each.tags) or '-'}")


@app.command
def history(*, days: float = 30, data: Data = None, json: Json = False) -> None:
    """Say what was stored, and what that costs in a month at the prices of now.

    The server measures every hour; of days that are two weeks old it keeps the first time.

    Args:
        days: How far to look back.
    """
    from careen.clock import DAY
    from careen.registry import measurements

    with opened(data) as registry:
        now = registry.clock()
        found = registry.read(measurements.page, now - round(days * DAY), now, now + 1, measurements.ALL)
        limits = registry.limits
    costs = [measurements.dollars(each, limits) for each in found]
    if json:
        print_json([_sample(each) | {"monthlyCost": cost} for each, cost in zip(found, costs, strict=True)])
        return
    if not found:
        print("nothing was measured in that time; the server measures every hour")
        return
    names = ("live", "shared", "archived", "trash", "unneeded", "taken")
    print(
        f"{'measured':<20} {'images':>9} " + " ".join(f"{name:>18}" for name in names) + f" {'a month':>12}"
    )
    for each, cost in zip(found, costs, strict=True):
        sizes = (
            each.live_bytes,
            each.shared_bytes,
            each.archive_bytes,
            each.trash_bytes,
            each.unneeded_bytes,
            each.taken_bytes,
        )
        figures = " ".join(f"{size:>18,}" for size in sizes)
        print(f"{_second(each.sampled_at)} {each.images:>9,} {figures} {f'${cost:,.2f}':>12}")


def _sample(sample: "Sample") -> dict[str, object]:
    from careen.clock import isoformat

    return sample._asdict() | {"sampled_at": isoformat(sample.sampled_at)}


def _second(instant: int) -> str:
    from careen.clock import isoformat

    return f"{isoformat(instant)[:19]}Z"


def _print_all(found: "Storage", limits: "Limits", *, json: bool) -> None:
    if json:
        derived = {"billed_bytes": found.billed_bytes, "disk_bytes": found.disk_bytes, "price": limits.price}
        derived["archive_price"] = limits.archive_price
        listed = [repository._asdict() for repository in found.repositories]
        print_json(found._asdict() | derived | {"repositories": listed})
        return
    for line in describe(found, limits.price, limits.archive_price):
        print(line)
    if found.repositories:
        print(f"\n{'repository':<40} {'images':>8} {'blobs':>8} {'bytes':>18} {'billed by ECR':>18}")
        for each in found.repositories:
            print(f"{each.name:<40} {each.images:>8,} {each.blobs:>8,} {each.size:>18,} {each.billed:>18,}")


def gc(
    *,
    now: Annotated[bool, Parameter(negative="")] = False,
    history: Annotated[bool, Parameter(negative="")] = False,
    grace: float | None = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Collect what no image needs, and say how many bytes came back. The registry may go on serving.

    The server does this by itself every minute.

    Args:
        now: Required: says that you mean it.
        history: Collect nothing; say what each collection of the last 90 days gave back, the server's and yours.
        grace: Seconds to use instead of the registry's grace period. With 0 everything unneeded goes; a push under way
            may have to send a layer again.
    """
    from careen.cli.output import fail
    from careen.clock import SECOND
    from careen.registry import gc as collector
    from careen.registry.storage import account

    if history:
        with opened(data) as registry:
            _print_history(registry.read(collector.history, LISTED), json=json)
        return
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


def _print_history(found: "list[Collection]", *, json: bool) -> None:
    if json:
        from careen.clock import isoformat

        print_json(
            [
                {
                    "kind": each.kind,
                    "startedAt": isoformat(each.started_at),
                    "endedAt": None if each.ended_at is None else isoformat(each.ended_at),
                    "freedBytes": each.freed,
                    "blobs": each.blobs,
                    "orphanFiles": each.orphans,
                    "abandonedUploads": each.uploads,
                    "purgedImages": each.purged,
                }
                for each in found
            ]
        )
        return
    if not found:
        print("no collection has given anything back yet")
        return
    print(
        f"{'started':<20} {'kind':<8} {'bytes':>18} {'blobs':>9} {'files':>7} {'uploads':>8}  {'from the trash':>14}"
    )
    for each in found:
        ended = "" if each.ended_at is not None else "  under way, or its process died"
        print(
            f"{_second(each.started_at)} {each.kind:<8} {each.freed:>18,} {each.blobs:>9,} {each.orphans:>7,}"
            f" {each.uploads:>8,}  {each.purged:>14,}{ended}"
        )


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


def describe(found: "Storage", price: float, archive_price: float) -> list[str]:
    """The accounts, a line each; the prices are those of a GiB for a month, in US dollars."""
    from careen.lifecycle.cost import monthly_dollars

    def cost(size: int, price: float = price) -> str:
        return f"${monthly_dollars(size, price):,.2f} a month at ${price:.2f} per GiB"

    total = cost(found.disk_bytes)
    if found.archive_home_bytes:
        total = f"${found.monthly_dollars(price, archive_price):,.2f} a month, the archive's part at its own price"

    return [
        f"{found.blob_bytes:>18,} bytes in {found.blobs:,} blobs",
        f"{found.row_bytes:>18,}   of these in the database (blobs of up to 64 KiB)",
        f"{found.file_bytes:>18,}   of these in files",
        f"{found.archive_bytes:>18,}   of these that only archived images need",
        f"{found.archive_home_bytes:>18,}   of these in the archive's home: {cost(found.archive_home_bytes, archive_price)}",
        f"{found.trash_bytes:>18,}   of these that only deleted images need: {found.trash_images:,} in the trash",
        f"{found.unneeded_bytes:>18,}   of these that no image needs: the collector's",
        f"{found.manifest_bytes:>18,} bytes in {found.manifests:,} manifests",
        f"{found.upload_bytes:>18,} bytes in uploads under way",
        f"{found.stored_bytes:>18,} bytes in blob files that are there" + _difference(found),
        f"{found.orphan_bytes:>18,}   of these that no row names: left by a crash, for the sweep",
        f"{found.disk_bytes:>18,} bytes taken in all, with {found.database_bytes:,} of the database: {total}",
        f"{found.billed_bytes:>18,} bytes that Amazon ECR would bill, layers once per repository: {cost(found.billed_bytes)}",
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
