"""May somebody do something, and which statement says so?"""

from typing import Any

from starlette.responses import Response

from careen.console.visit import Page, Visit
from careen.console.words import indented
from careen.ecr.common_errors import AccessDenied
from careen.ecr.errors import EcrError
from careen.iam.actions import Action
from careen.iam.evaluate import Verdict

SECTION = "access/explain"


async def show(visit: Visit) -> Response:
    """The question, and its answer if it was asked: it changes nothing, so its address can be handed on."""
    query = visit.query
    verdict: dict[str, Any] | None = None
    refusal: EcrError | None = None
    if query.get("principal"):
        try:
            verdict = await visit.ask(
                "ExplainAccess",
                "careen",
                principal=query["principal"].strip(),
                action=query.get("action", "").strip(),
                resource=query.get("resource", "").strip() or None,
            )
        except AccessDenied:  # to ask, that is: there is no answer to show beside the question
            raise
        except EcrError as error:
            refusal = error
    return visit.page(
        "access/explain.html",
        section=SECTION,
        title="Explain access",
        query=query,
        verdict=verdict,
        is_allowed=verdict is not None and verdict["verdict"] == Verdict.ALLOWED,
        statement=indented(verdict["statementText"]) if verdict and verdict["statementText"] else "",
        refusal=refusal,
        actions=sorted(Action),
        principals=await _principals(visit),
    )


async def _principals(visit: Visit) -> list[str]:
    """Whom one may ask about, as far as one may know of them."""
    found: list[str] = []
    if visit.may("ListUsers", None, "iam"):
        found += [each["UserName"] for each in (await visit.ask("ListUsers", "iam"))["Users"]]
    if visit.may("ListRoles", None, "iam"):
        found += [each["Arn"] for each in (await visit.ask("ListRoles", "iam"))["Roles"]]
    return found


PAGES = {SECTION: Page(show)}
