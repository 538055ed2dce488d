"""``careen policy forecast``."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from careen.cli.output import plural, print_json
from careen.cli.policy.inputs import (
    ExtensionFile,
    ImagesFile,
    Json,
    Now,
    PolicyFile,
    ProtectionFile,
    RepositoryName,
    read_beyond,
    read_policy_text,
    read_world,
    refuse,
    require_repository,
)
from careen.cli.policy.tables import Document, console, dollars, grid, short, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from careen.lifecycle.beyond import Beyond

Days = Annotated[
    int, Parameter(name="--days", validator=Number(gte=1, lte=366), help="How many days to look ahead.")
]
Replay = Annotated[
    bool,
    Parameter(
        name="--replay", negative="", help="Let images be pushed on as they were up to now, family by family."
    ),
]


def forecast(
    *,
    policy: PolicyFile | None = None,
    images: ImagesFile | None = None,
    days: Days = 30,
    replay: Replay = False,
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    repository: RepositoryName = None,
    now: Now = None,
    json: Json = False,
) -> None:
    """Show what a policy will have done in a month: images, bytes and dollars by day, and what is lost on the way."""
    if images is None:
        name = require_repository(repository, json, extension=extension, protection=protection, now=now)
        found = _ask(name, read_policy_text(policy, json), days, replay, json)
    else:
        beyond = read_beyond(extension, protection, repository, json)
        found = _look_ahead(policy, images, days, replay, beyond, now, json)
    if json:
        print_json(found)
    else:
        _print(found)


def _ask(repository: str, text: str | None, days: int, replay: bool, json: bool) -> Document:
    from careen.cli.policy.service import ask

    parameters = {"repositoryName": repository, "lifecyclePolicyText": text, "days": days, "replay": replay}
    return ask("forecast_lifecycle_policy", json, **parameters)


def _look_ahead(
    policy: str | None, images: str, days: int, replay: bool, beyond: "Beyond", now: str | None, json: bool
) -> Document:
    from careen.clock import isoformat
    from careen.lifecycle import documents
    from careen.lifecycle.arrivals import TooManyArrivals, arrivals, streams
    from careen.lifecycle.forecast import forecast

    rules, world, at, _ = read_world(policy, images, now, json, beyond)
    try:
        coming = arrivals(world, at, days) if replay else []
    except TooManyArrivals as error:
        refuse("TooManyArrivals", str(error), "forecast without --replay", json)
    found = forecast(rules, world, at, beyond, days=days, arrivals=coming)
    return documents.forecast(found, isoformat, streams(world, at) if replay else None)


def _print(found: Document) -> None:
    out = console()
    days = found["days"]
    out.print(_table(days))
    total = f"{plural(found['expired'], 'image')} deleted by {_date(days[-1]['at'])}"
    freed = f"{'' if found['exactBytes'] else 'at most '}{size(found['freedBytes'])} freed"
    out.print(f"\n{total}, {freed}, {dollars(found['freedDollarsPerMonth'])} a month", soft_wrap=True)
    for stream in found.get("streams", ()):
        names = " and ".join(stream["families"]) or "fixed tags and untagged images"
        out.print(f"replayed: {names}, {stream['pushesPerDay']:.2g} pushes a day", soft_wrap=True)
    for text in _warnings(found):
        out.print(text, soft_wrap=True)


def _table(days: "Sequence[Document]") -> "Table":
    """The days on which something happens, the first and the last."""
    table = grid(header=True)
    for name in ("day", "date"):
        table.add_column(name, no_wrap=True)
    for name in ("pushed", "deleted", "archived", "freed", "left", "bytes", "a month"):
        table.add_column(name, justify="right", no_wrap=True)
    for day in days:
        if day["arrived"] or day["expired"] or day["archived"] or day in (days[0], days[-1]):
            table.add_row(
                str(day["day"]),
                _date(day["at"]),
                *(f"{day[name]:,}" if day[name] else "-" for name in ("arrived", "expired", "archived")),
                size(day["freedBytes"]) if day["freedBytes"] else "-",
                f"{day['storedImages']:,}",
                size(day["storedBytes"]),
                dollars(day["storedDollarsPerMonth"]),
            )
    return table


def _warnings(found: Document) -> "list[str]":
    lost = [
        f"{_day(each)}: the last image tagged {each['family']} {each['reason']}" for each in found["losses"]
    ]
    used = [
        f"{_day(each)}: {_name(each)}, in use or pulled lately, {each['reason']}" for each in found["risks"]
    ]
    lists = ("\nLost on the way:", lost), ("\nUsed until now:", used)
    return [line for title, lines in lists if lines for line in (title, *lines)]


def _name(of: Document) -> str:
    return of["imageTags"][0] if of["imageTags"] else short(of["imageDigest"])


def _day(of: Document) -> str:
    return f"  day {of['day']}, {_date(of['at'])}"


def _date(time: str) -> str:
    return time[:10]
