"""Whether an inventory says well enough what runs, for those who delete or untag what does not."""

from careen.clock import HOUR, Instant
from careen.fleet.errors import Conflict
from careen.fleet.inventory import Inventory

LONGEST = 24 * HOUR
"""How old an inventory may be: what was started since then, it does not know."""


def require(inventory: Inventory, now: Instant, longest: Instant = LONGEST) -> None:
    """Refuse an inventory that is too old, or of a scan that did not see all that it asked for.

    Raises:
        Conflict: it is; the message says why.
    """
    require_fresh(inventory, now, longest)
    missing = gaps(inventory)
    if missing:
        raise Conflict(
            f"the scan did not see all that runs: {missing}",
            "allow it and scan again, or say that it does not matter: --accept-unseen",
        )


def require_fresh(inventory: Inventory, now: Instant, longest: Instant = LONGEST) -> None:
    """Refuse an inventory that is too old.

    Raises:
        Conflict: it is.
    """
    age = now - inventory.header.began_at
    if age > longest:
        raise Conflict(
            f"the inventory is {age / HOUR:,.0f} hours old, and knows nothing of what was started since",
            f"careen fleet scan, or --max-age {age // HOUR + 1}",
        )


def gaps(inventory: Inventory) -> str | None:
    """What a scan could not see of what runs; None if it saw all that it asked for.

    An account that could not be entered counts: what runs there may run images from here.
    """
    if not inventory.header.watched:
        return "it asked nobody"
    if inventory.refusals:
        first, *others = inventory.refusals
        more = f", and {len(others):,} more" if others else ""
        return f"{first.reason}{more}"
    return None
