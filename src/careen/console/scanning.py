"""Scanning: which images are scanned when they are pushed, and whose pulls are no use of an image."""

from typing import Any

from starlette.responses import Response

from careen.console.visit import Notice, Page, Visit, url
from careen.ecr.errors import EcrError

SECTION = "scanning"

FREQUENCIES = ("SCAN_ON_PUSH", "MANUAL")


async def shown(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The registry's rules, the scanner, and the principals whose pulls do not count."""
    found = await visit.ask("GetRegistryScanningConfiguration")
    rules = found["scanningConfiguration"]["rules"]
    exclusions = None
    if visit.may("ListPullTimeUpdateExclusions"):
        exclusions = await visit.every("ListPullTimeUpdateExclusions", "pullTimeUpdateExclusions")
    return visit.page(
        "scanning/scanning.html",
        refusal=refusal,
        section=SECTION,
        title="Scanning",
        patterns={each: visit.form.get(each) or "\n".join(_filters(rules, each)) for each in FREQUENCIES},
        sent_principal=visit.form.get("principal", ""),
        timeout=None if visit.registry.scanner is None else int(visit.registry.scanner.timeout),
        scanners=visit.registry.limits.scanners,
        exclusions=exclusions,
        refused_rules=refusal if refusal and "principal" not in visit.form else None,
        refused_principal=refusal if refusal and "principal" in visit.form else None,
    )


async def put(visit: Visit) -> Response:
    """Set the registry's rules."""
    patterns = {each: visit.form.get(each, "").split() for each in FREQUENCIES}
    rules = [
        {
            "scanFrequency": each,
            "repositoryFilters": [{"filter": text, "filterType": "WILDCARD"} for text in patterns[each]],
        }
        for each in FREQUENCIES
        if patterns[each]
    ]
    try:
        await visit.ask("PutRegistryScanningConfiguration", scanType="BASIC", rules=rules)
    except EcrError as refusal:
        return await shown(visit, refusal)
    return visit.go(url(SECTION), Notice("Saved. What is pushed from now on is scanned by these rules."))


async def exclude(visit: Visit) -> Response:
    """Let a principal's pulls count no more, or count again."""
    principal = visit.form.get("principal", "").strip()
    counts = visit.form.get("do") == "include"
    try:
        if counts:
            await visit.ask("DeregisterPullTimeUpdateExclusion", principalArn=principal)
        else:
            await visit.ask("RegisterPullTimeUpdateExclusion", principalArn=principal)
    except EcrError as refusal:
        return await shown(visit, refusal)
    return visit.go(url(SECTION), Notice("Its pulls count again." if counts else "Its pulls count no more."))


def _filters(rules: list[dict[str, Any]], frequency: str) -> list[str]:
    return [
        each["filter"]
        for rule in rules
        if rule["scanFrequency"] == frequency
        for each in rule["repositoryFilters"]
    ]


PAGES = {
    "scanning": Page(shown, put),
    "scanning/exclusions": Page(post=exclude),
}
