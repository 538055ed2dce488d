"""``careen fleet report``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from careen.cli.fleet.options import ANYWHERE, HERE, Files, Json, Price, Where, refusing
from careen.cli.fleet.rows import LISTED, in_use, lines, repositories
from careen.cli.output import plural, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from careen.fleet.report import Cost, Group, Report


def report(
    *,
    where: Where = ANYWHERE,
    files: Files = HERE,
    by_tag: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="A tag of repositories to tell costs by; can be given again. Without: all there are.",
        ),
    ] = (),
    stale_days: Annotated[
        int, Parameter(validator=Number(gte=1), help="From when on an image counts as stale.")
    ] = 90,
    price: Price = 0.10,
    saving_policy: Annotated[
        Path | None,
        Parameter(
            help="The policy to tell savings by, merged into those that are there; without: a sensible one."
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        Parameter(help="A folder for all tables as CSV, or a file.csv for that of repositories."),
    ] = None,
    html: Annotated[Path | None, Parameter(help="A file for the report as one page, charts and all.")] = None,
    json: Json = False,
) -> None:
    """Show what the fleet costs, what is wasted, and what its policies do: as text, JSON, CSV or a page.

    Reads the inventory of the last scan, and asks nobody. Exits 4 if the policies of today take images in use within 30 days.
    """
    from careen.fleet import inventory, page, sheets
    from careen.fleet import report as reports
    from careen.fleet.status import Status
    from careen.fleet.wishes import Mode, from_policy

    with refusing(json):
        saving = reports.SAVING if saving_policy is None else from_policy(saving_policy, Mode.MERGE)
        asked = reports.Asked(where.selection(), by_tag, stale_days, price, saving)
        made = reports.report(inventory.read(files.inventory_file), asked)
        written = [] if csv is None else list(sheets.write(csv, made))
        if html is not None:
            _write(html, page.page(made))
            written.append(html)
    if json:
        print_json(document(made))
    else:
        _print(made)
        for each in written:
            print(f"written: {each}")
    sys.exit(Status.DIFFERENT if made.ending else Status.DONE)


def _write(file: Path, text: str) -> None:
    from careen.fleet.errors import BadInput

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}") from None


def document(of: "Report") -> dict[str, Any]:
    """A report for programs; times as text."""
    import msgspec

    from careen.clock import isoformat

    built: dict[str, Any] = msgspec.to_builtins(of)
    built["evaluatedAt"] = isoformat(of.evaluated_at)
    for each in built["repositories"]:
        for key in ("lastPushedAt", "lastPulledAt"):
            each[key] = None if each[key] is None else isoformat(each[key])
    return built


def _print(made: "Report") -> None:
    from careen.cli.policy.tables import console, dollars, size
    from careen.clock import isoformat

    out, total = console(), made.total
    out.print(
        f"{repositories(total.repositories)}, {plural(total.images, 'image')}, {_about(total)}{size(total.bytes)},"
        f" {_about(total)}{dollars(total.dollars)} a month, on {isoformat(made.evaluated_at)}",
        soft_wrap=True,
    )
    if not total.is_exact:
        out.print(
            "≤: where layers were not read, bytes are sums of image sizes; ECR bills a layer once for a repository"
        )
    _waste(out, made)
    _ending(out, made)
    _savings(out, made)
    _costs(out, "account", made.accounts)
    _costs(out, "Region", made.regions)
    for tag in made.tags[:3]:
        _costs(out, f"tag {tag.key}", tag.groups, tag.without)
    _largest(out, made)
    _policies(out, made)
    _duplicates(out, made)
    for refusal in made.refusals[:LISTED]:
        place = "/".join(filter(None, (refusal.account, refusal.region, refusal.repository)))
        print(f"not seen: {place}: {refusal.reason}", file=sys.stderr)
    if len(made.refusals) > LISTED:
        print(f"not seen: {len(made.refusals) - LISTED:,} more; --json lists all", file=sys.stderr)


def _waste(out: "Console", made: "Report") -> None:
    from careen.cli.policy.tables import size

    total = made.total
    for name, images, freed in (
        ("untagged", total.untagged_images, total.untagged_bytes),
        (f"stale for {made.stale_days} days", total.stale_images, total.stale_bytes),
    ):
        out.print(
            f"{name}: {plural(images, 'image')}, {size(freed)}, {_share(freed, total.bytes)} of the bytes",
            soft_wrap=True,
        )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "0%"


def _ending(out: "Console", made: "Report") -> None:
    if not made.ending:
        return
    out.print(
        f"\nin use, and the policies of today take them within 30 days: {plural(len(made.ending), 'image')}"
    )
    for row, each in made.ending[:LISTED]:
        for line in in_use(row.place, each):
            out.print(line, soft_wrap=True)
    _more(out, len(made.ending))


def _savings(out: "Console", made: "Report") -> None:
    from careen.cli.policy.tables import dollars, size
    from careen.fleet import wording

    saves, at_most = made.saves, "" if made.is_saving_exact else "≤ "
    out.print(
        f"\n{made.saving.name}, merged into what is there, would save {at_most}{dollars(saves.dollars)} a month now"
        f" ({plural(saves.expired, 'image')}, {at_most}{size(saves.freed)}):",
        soft_wrap=True,
    )
    for rule in made.saving.rules.rules:
        out.print(f"  {wording.sentence(rule)}", soft_wrap=True)
    rows = [
        (
            f"{_about(row.cost)}{dollars(row.saves.dollars)}",
            f"{_about(row.cost)}{size(row.saves.freed)}",
            f"{row.saves.expired:,}",
            f"{row.saves_in_use:,}" if row.saves_in_use else "-",
            row.place,
        )
        for row in made.savings[:LISTED]
    ]
    if rows:
        _lines(out, ("a month", "freed", "images", "in use", "repository"), rows)
    _more(out, len(made.savings))


def _costs(out: "Console", noun: str, groups: "Sequence[Group]", without: "Cost | None" = None) -> None:
    rows = [(each.name, each.cost) for each in groups]
    if without is not None and without.repositories:
        rows.append(("without", without))
    out.print(f"\nby {noun}:")
    _table(out, rows[:LISTED])
    _more(out, len(rows))


def _largest(out: "Console", made: "Report") -> None:
    out.print("\nby repository:")
    _table(out, [(row.place, row.cost) for row in made.repositories[:LISTED]])
    _more(out, len(made.repositories))


def _table(out: "Console", rows: "Sequence[tuple[str, Cost]]") -> None:
    from careen.cli.policy.tables import dollars, size

    cells = [
        (
            f"{_about(cost)}{dollars(cost.dollars)}",
            f"{_about(cost)}{size(cost.bytes)}",
            f"{cost.images:,}",
            _share(cost.untagged_bytes, cost.bytes),
            _share(cost.stale_bytes, cost.bytes),
            name,
        )
        for name, cost in rows
    ]
    _lines(out, ("a month", "bytes", "images", "untagged", "stale", ""), cells)


def _lines(out: "Console", header: "Sequence[str]", rows: "Sequence[Sequence[str]]") -> None:
    for line in lines(header, rows):
        out.print(line, soft_wrap=True)


def _about(cost: "Cost") -> str:
    """What stands before bytes and dollars that are at most so much."""
    return "" if cost.is_exact else "≤ "


def _policies(out: "Console", made: "Report") -> None:
    from careen.cli.policy.tables import dollars

    without = made.without_policy
    out.print(f"\nwithout a policy: {repositories(without.repositories)}, {dollars(without.dollars)} a month")
    for row in [row for row in made.repositories if row.has_policy is False][:LISTED]:
        out.print(f"  {row.place}", soft_wrap=True)
    _more(out, without.repositories)
    if made.policies_unknown:
        out.print(f"policy not readable: {repositories(made.policies_unknown)}")
    if made.findings:
        out.print("\nthe linter on the policies of today:")
    for each in made.findings:
        out.print(
            f"  {each.severity}: {each.code}, in {repositories(each.repositories)}; {each.example}: {each.sentence}",
            soft_wrap=True,
        )


def _duplicates(out: "Console", made: "Report") -> None:
    from careen.cli.policy.tables import dollars, short, size

    if not made.duplicate_layers:
        return
    out.print(
        f"\nlayers in several repositories: {made.duplicate_layers:,},"
        f" {size(made.duplicate_bytes)} beyond the first copies, {dollars(made.duplicate_dollars)} a month",
        soft_wrap=True,
    )
    for each in made.duplicates[:3]:
        out.print(f"  {short(each.digest)}: {size(each.size)} in {repositories(each.repositories)}")


def _more(out: "Console", number: int) -> None:
    if number > LISTED:
        out.print(f"and {number - LISTED:,} more; --json, --csv and --html have them")
