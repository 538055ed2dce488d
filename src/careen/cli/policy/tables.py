"""Decisions for people. Everything is made from documents, so that files and a registry read alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Document = dict[str, Any]

LISTED = 100
"""How many images a table shows: more nobody reads, and a hundred thousand rows take a minute to lay out."""

SHORT = 12
"""Characters of a digest that people compare."""

ACTIONS = {
    "EXPIRE": "to expire",
    "TRANSITION": "to the archive",
    "CASCADE": "following their subject",
    "UNTAG": "losing tags",
    "BLOCKED": "blocked",
    "PROTECTED": "protected",
    "KEEP": "kept",
}


def console() -> "Console":
    """Prints text as it is."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def short(digest: str) -> str:
    """The characters of a digest that people compare."""
    return digest.removeprefix("sha256:")[:SHORT]


def size(count: int) -> str:
    """Bytes, as people say them: multiples of 1000."""
    from rich.filesize import decimal

    return decimal(count)


def dollars(amount: float) -> str:
    """US dollars: cents, of little amounts more digits."""
    from careen import charts

    return charts.written(amount, charts.Unit.DOLLARS)


def grid(*, header: bool = False) -> "Table":
    """A table without lines."""
    from rich.table import Table

    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=header)


def decisions(some: Sequence[Document]) -> "Table":
    """Images with what happens to them and why."""
    table = grid(header=True)
    table.add_column("image", no_wrap=True)
    table.add_column("tags", overflow="fold", max_width=24)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what and why", ratio=1)
    for each in some:
        tags = "\n".join(each["imageTags"]) or "-"
        table.add_row(short(each["imageDigest"]), tags, size(each["imageSizeInBytes"]), each["reason"])
    return table


def print_decisions(out: "Console", some: Sequence[Document], total: int | None = None) -> None:
    """The first of them, and how many there are besides.

    Args:
        out: where to.
        some: the decisions.
        total: how many there are, if those are not all.
    """
    out.print(decisions(some[:LISTED]))
    more = (len(some) if total is None else total) - min(len(some), LISTED)
    if more:
        out.print(f"and {more:,} more; --json lists all")
