"""A report as CSV: one table for each of its parts, for spreadsheets and data warehouses."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

from careen.clock import Instant, isoformat
from careen.fleet.errors import BadInput
from careen.fleet.report import Cost, Report, Row

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula (OWASP, CSV Injection). Whoever may tag a repository writes such cells."""

_COST = (
    "repositories",
    "images",
    "bytes",
    "dollars_per_month",
    "untagged_images",
    "untagged_bytes",
    "stale_images",
    "stale_bytes",
    "exact",
)

Cell = str | int | float | bool | None
Sheet = tuple[Sequence[str], Sequence[Sequence[Cell]]]


def sheets(report: Report) -> Mapping[str, Sheet]:
    """Every table by its name: the names of its columns, and its rows."""
    place = ("account", "region", "repository")
    return {
        "repositories": (
            (
                *place,
                "account_name",
                *_COST[1:],
                "policy",
                "findings",
                "in_use_expiring",
                "last_pushed_at",
                "last_pulled_at",
                "tags",
            ),
            [_repository(row) for row in report.repositories],
        ),
        "accounts": (("account", *_COST), [(each.name, *_cost(each.cost)) for each in report.accounts]),
        "regions": (("region", *_COST), [(each.name, *_cost(each.cost)) for each in report.regions]),
        "tags": (("key", "value", *_COST), list(_tags(report))),
        "savings": (
            (*place, "images", "bytes", "dollars_per_month", "in_use"),
            [
                (*_place(row), row.saves.expired, row.saves.freed, row.saves.dollars, row.saves_in_use)
                for row in report.savings
            ],
        ),
        "in-use": (
            (*place, "digest", "tags", "consumers", "day", "reason"),
            [
                (
                    *_place(row),
                    each.digest,
                    " ".join(each.tags),
                    " ".join(each.consumers),
                    each.day,
                    each.reason,
                )
                for row, each in report.ending
            ],
        ),
        "findings": (
            (*place, "severity", "code", "rule", "sentence", "advice"),
            [
                (*_place(row), each.severity.value, each.code, each.rule_priority, each.sentence, each.advice)
                for row in report.repositories
                for each in row.findings
            ],
        ),
        "duplicates": (
            ("digest", "bytes", "repositories", "extra_bytes", "some"),
            [
                (each.digest, each.size, each.repositories, each.extra, " ".join(each.named))
                for each in report.duplicates
            ],
        ),
    }


def write(path: Path, report: Report) -> tuple[Path, ...]:
    """Write the tables into a folder, one file each; or that of repositories into a file, if the path ends with ``.csv``.

    Returns:
        The files.

    Raises:
        BadInput: one cannot be written.
    """
    found = sheets(report)
    files = (
        {path: found["repositories"]}
        if path.suffix == ".csv"
        else {path / f"{name}.csv": sheet for name, sheet in found.items()}
    )
    try:
        for file, sheet in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text(sheet), "utf-8", newline="")
    except OSError as error:
        raise BadInput(f"{error.filename or path} cannot be written: {error.strerror}") from None
    return tuple(files)


def text(sheet: Sheet) -> str:
    """A table as CSV (RFC 4180)."""
    names, rows = sheet
    written = StringIO()
    writer = csv.writer(written)
    writer.writerow(names)
    writer.writerows([_cell(each) for each in row] for row in rows)
    return written.getvalue()


def _cell(value: Cell) -> Cell:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _place(row: Row) -> tuple[str, str, str]:
    return row.account, row.region, row.name


def _cost(of: Cost) -> tuple[Cell, ...]:
    return (
        of.repositories,
        of.images,
        of.bytes,
        of.dollars,
        of.untagged_images,
        of.untagged_bytes,
        of.stale_images,
        of.stale_bytes,
        of.is_exact,
    )


def _repository(row: Row) -> tuple[Cell, ...]:
    return (
        *_place(row),
        row.account_name,
        *_cost(row.cost)[1:],
        {True: "yes", False: "none", None: "unknown"}[row.has_policy],
        len(row.findings),
        len(row.ends),
        _time(row.last_pushed_at),
        _time(row.last_pulled_at),
        " ".join(f"{key}={value}" for key, value in sorted(row.tags.items())),
    )


def _tags(report: Report) -> Iterator[tuple[Cell, ...]]:
    for each in report.tags:
        for group in each.groups:
            yield each.key, group.name, *_cost(group.cost)
        if each.without.repositories:
            yield each.key, None, *_cost(each.without)


def _time(instant: Instant | None) -> str | None:
    return None if instant is None else isoformat(instant)
