"""Signing: which repositories' images should be signed, and with which profile."""

from typing import Any

from starlette.responses import Response

from careen.console import confirmation
from careen.console.visit import Notice, Page, Visit, url
from careen.ecr.errors import EcrError, SigningConfigurationNotFound

SECTION = "signing"

MOST = 10
"""Rules that a configuration may have (service model)."""


async def shown(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The configuration."""
    try:
        rules = (await visit.ask("GetSigningConfiguration"))["signingConfiguration"]["rules"]
        is_configured = True
    except SigningConfigurationNotFound:
        rules, is_configured = [], False
    return visit.page(
        "signing/signing.html",
        section=SECTION,
        title="Signing",
        rules=[_text(each) for each in (_sent(visit) if refusal else rules)],
        most=MOST,
        is_configured=is_configured,
        refusal=refusal,
    )


async def put(visit: Visit) -> Response:
    """Set the configuration, or delete it."""
    try:
        if visit.form.get("do") != "delete":
            await visit.ask("PutSigningConfiguration", signingConfiguration={"rules": _sent(visit)})
            return visit.go(url(SECTION), Notice("Saved."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                "Delete the signing configuration?",
                consequence="Images are not expected to be signed any more. Signatures stay with their images.",
                button="Delete the configuration",
                back=url(SECTION),
                section=SECTION,
            )
        await visit.ask("DeleteSigningConfiguration")
    except EcrError as refusal:
        return await shown(visit, refusal)
    return visit.go(url(SECTION), Notice("The configuration is deleted."))


def _sent(visit: Visit) -> list[dict[str, Any]]:
    """The rules of the form; one without a profile is none."""
    pairs = zip(visit.form.getlist("profile"), visit.form.getlist("filters"), strict=False)
    return [_rule(profile.strip(), filters.split()) for profile, filters in pairs if profile.strip()]


def _rule(profile: str, filters: list[str]) -> dict[str, Any]:
    if not filters:
        return {"signingProfileArn": profile}
    written = [{"filter": text, "filterType": "WILDCARD_MATCH"} for text in filters]
    return {"signingProfileArn": profile, "repositoryFilters": written}


def _text(rule: dict[str, Any]) -> tuple[str, str]:
    """A rule as the form has it."""
    filters = rule.get("repositoryFilters") or ()
    return rule["signingProfileArn"], "\n".join(each["filter"] for each in filters)


PAGES = {"signing": Page(shown, put)}
