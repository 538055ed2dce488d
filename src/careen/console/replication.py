"""Replication: where images go, whether they get there, and what was here before."""

from typing import Any

from starlette.responses import Response

from careen.console import confirmation, repositories
from careen.console.visit import Notice, Page, Visit, url
from careen.ecr import replication as configurations
from careen.ecr.errors import EcrError, InvalidParameter
from careen.registry import replication

SECTION = "replication"

SHOWN = 50
"""Images and deletions that are not done, of each the first so many; results of a backfill on a page."""

BACKFILLS = 10

_PER_IMAGE = "DescribeImageReplicationStatus"


async def configured(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The rules, and the backfills."""
    rules = (await visit.ask("DescribeRegistry"))["replicationConfiguration"]["rules"]
    listed = None
    if visit.may("ListReplicationBackfills"):
        token = visit.query.get("next")
        listed = await visit.ask("ListReplicationBackfills", maxResults=BACKFILLS, nextToken=token)
    destinations = sorted({_place(each) for rule in rules for each in rule["destinations"]})
    is_rules = "destinations" in visit.form
    return visit.page(
        "replication/replication.html",
        refusal=refusal,
        section=SECTION,
        title="Replication",
        rules=_sent(visit) if refusal and is_rules else [_text(each) for each in rules],
        most=configurations.MAX_RULES,
        destinations=destinations,
        backfills=listed,
        place=_place,
        sees_standing=visit.may(_PER_IMAGE, "*"),
        refused_rules=refusal if is_rules else None,
        refused_backfill=None if is_rules else refusal,
    )


async def put(visit: Visit) -> Response:
    """Set the rules."""
    try:
        rules = [_rule(*each) for each in _sent(visit)]
        await visit.ask("PutReplicationConfiguration", replicationConfiguration={"rules": rules})
    except EcrError as refusal:
        return await configured(visit, refusal)
    said = "Saved. What is pushed from now on goes by these rules." if rules else "Nothing is replicated."
    return visit.go(url(SECTION), Notice(said))


async def standing(visit: Visit) -> Response:
    """How many images are at each destination, and which are not, and why."""
    await visit.ask("DescribeRegistry")
    if not visit.may(_PER_IMAGE, "*"):
        return visit.go(url(SECTION), Notice("You may not see how images stand.", is_good=False))
    read = visit.registry.read_in_thread
    return visit.page(
        "replication/standing.html",
        section=SECTION,
        title="How it stands",
        standings=await read(replication.standings),
        images=await read(replication.unfinished, SHOWN),
        deletions=await read(replication.deletions, SHOWN),
        shown=SHOWN,
        sees_reasons=visit.may("PutReplicationConfiguration"),  # they name files of the server
        address=repositories.address,
    )


async def start(visit: Visit) -> Response:
    """Send what was here before to a destination."""
    try:
        to = _destination(visit.form.get("to", ""))
        begun = await visit.ask("StartReplicationBackfill", destination=to)
    except EcrError as refusal:
        return await configured(visit, refusal)
    return visit.go(url(f"replication/backfills/{begun['replicationBackfillId']}"), Notice("It has begun."))


async def backfill(visit: Visit) -> Response:
    """How far a backfill is; when it has ended, what came of each image."""
    status = visit.query.get("status", "")
    found = await visit.ask(
        "DescribeReplicationBackfillResults",
        replicationBackfillId=visit.path("id"),
        resultStatusFilter=status or None,
        maxResults=SHOWN,
        nextToken=visit.query.get("next"),
    )
    return visit.page(
        "replication/backfill.html",
        section=SECTION,
        title=f"Backfill to {_place(found['destination'])}",
        backfill=found,
        chosen=status,
        address=repositories.address,
    )


async def stop(visit: Visit) -> Response:
    """End a backfill before it is done."""
    wanted = visit.path("id")
    if not confirmation.is_given(visit):
        return confirmation.ask(
            visit,
            "Stop the backfill?",
            consequence="What it copied stays there. Another backfill goes on with what is missing.",
            button="Stop it",
            back=url(f"replication/backfills/{wanted}"),
            section=SECTION,
        )
    await visit.ask("StopReplicationBackfill", replicationBackfillId=wanted)
    return visit.go(url(f"replication/backfills/{wanted}"), Notice("It is stopped."))


def _sent(visit: Visit) -> list[tuple[str, str, bool]]:
    """The rules of the form as it has them; one without a destination is none."""
    form = visit.form
    texts = zip(form.getlist("destinations"), form.getlist("prefixes"), strict=False)
    ticked = set(form.getlist("deletes"))
    return [
        (destinations, prefixes, str(number) in ticked)
        for number, (destinations, prefixes) in enumerate(texts, start=1)
        if destinations.strip()
    ]


def _rule(destinations: str, prefixes: str, deletes: bool) -> dict[str, Any]:
    rule: dict[str, Any] = {"destinations": [_destination(each) for each in destinations.split()]}
    if prefixes.split():
        rule["repositoryFilters"] = [
            {"filter": each, "filterType": "PREFIX_MATCH"} for each in prefixes.split()
        ]
    if deletes:
        rule["deleteReplication"] = {"enabled": True}
    return rule


def _text(rule: dict[str, Any]) -> tuple[str, str, bool]:
    """A rule as the form has it."""
    filters = rule.get("repositoryFilters") or ()
    deletes = (rule.get("deleteReplication") or {}).get("enabled", False)
    places = "\n".join(_place(each) for each in rule["destinations"])
    return places, "\n".join(each["filter"] for each in filters), deletes


def _place(destination: dict[str, str]) -> str:
    return f"{destination['region']}/{destination['registryId']}"


def _destination(place: str) -> dict[str, str]:
    """A destination as people write it.

    Raises:
        careen.ecr.errors.InvalidParameter: it has no slash.
    """
    region, slash, registry_id = place.partition("/")
    if not slash:
        raise InvalidParameter("destinations", f"{place} is not written as REGION/ACCOUNT")
    return {"region": region, "registryId": registry_id}


PAGES = {
    "replication": Page(configured, put),
    "replication/standing": Page(standing),
    "replication/backfills": Page(post=start),
    "replication/backfills/{id}": Page(backfill),
    "replication/backfills/{id}/stop": Page(post=stop),
}
