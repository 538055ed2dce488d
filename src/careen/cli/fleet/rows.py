"""What the texts of reports and plans have in common.

Lines are whole, however narrow the terminal is: names of repositories are long, and are searched for.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from careen.cli.output import plural

if TYPE_CHECKING:
    from careen.fleet.plan import InUse

LISTED = 10
"""How many of anything a text lists."""


def lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table: columns to the right, and the last one, which is a name, to the left."""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header) - 1)]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in table
    ]


def in_use(place: str, of: "InUse") -> list[str]:
    """When an image goes that is in use, what it is, who uses it; and why it goes."""
    from careen.cli.policy.tables import short

    when = "now" if of.day == 0 else f"day {of.day}"
    image = of.tags[0] if of.tags else short(of.digest)
    others = len(of.consumers) - 1
    users = of.consumers[0] + (f" and {plural(others, 'other')}" if others else "")
    return [f"  {when}: {place}, {image}, used by {users}", f"    {of.reason}"]


def repositories(number: int) -> str:
    """``1 repository``, ``1,204 repositories``."""
    return "1 repository" if number == 1 else f"{number:,} repositories"
