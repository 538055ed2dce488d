"""The editor of a lifecycle policy: a form and its JSON in step, what it would do beside it, and doing just that."""

from typing import Any

from starlette.responses import Response

from careen.console import policy, policy_form, policy_preview
from careen.console.policy_form import CHANGES_ROWS, Draft
from careen.console.repositories import address, of_repository
from careen.console.visit import Notice, Page, Visit
from careen.ecr.errors import EcrError, LifecyclePolicyNotFound

EDITED = "policy-edited"
PREVIEWED = "policy-previewed"
"""What the page's parts listen for: events of htmx's HX-Trigger."""


class NotConfirmed(EcrError):
    """A plan goes beyond the limits, and nobody typed that it may."""

    code = "NotConfirmed"


async def edit(visit: Visit) -> Response:
    """The editor, with what holds or nothing."""
    holds = await policy.standing(visit, visit.path("name"))
    return await _page(visit, policy_form.draft_of_policy(holds.text))


async def put(visit: Visit) -> Response:
    """Whatever was done in the editor: a change, a look, or the end of it."""
    name = visit.path("name")
    deed, _, which = visit.form.get("do", "").partition(":")
    draft = policy_form.read(visit.form)
    if deed in CHANGES_ROWS and deed != "rows":
        draft = policy_form.change(draft, deed, which or visit.form.get("template", ""))
    refusal = None
    if deed in {"apply", "save"} and draft.policy is not None:
        try:
            return await (_apply if deed == "apply" else _save)(visit, name, draft)
        except EcrError as error:
            refusal = error
    is_part = "hx-request" in visit.request.headers
    wanted = (
        {"forecast"} if deed == "forecast" else {"preview"} if deed in {"preview", "apply", "save"} else set()
    )
    if wanted and not is_part:  # what htmx asks for by and by
        wanted = {"preview", "forecast"}
    response = await _page(visit, draft, wanted, refusal, which if deed == "preview" else "")
    if is_part and deed != "forecast":
        response.headers["hx-trigger"] = PREVIEWED if deed == "preview" else EDITED
    return response


async def _apply(visit: Visit, name: str, draft: Draft) -> Response:
    """Set the policy and run it: exactly the plan that the page showed."""
    former = await _former(visit, name)
    ran = await visit.ask(
        "ApplyLifecyclePolicy",
        "careen",
        repositoryName=name,
        lifecyclePolicyText=draft.canonical,
        **_accepted(visit, name),
    )
    undo = policy.undo_of(visit, name, former, policy.restorable(visit, ran))
    notice = Notice(f"The policy stands: {policy.in_words(ran)}.", undo)
    return visit.go(address(name, policy.TAB), notice)


async def _save(visit: Visit, name: str, draft: Draft) -> Response:
    """Set the policy, and leave it to the next round to run it."""
    former = await _former(visit, name)
    may_compare = visit.may("DiffLifecyclePolicy", name, "careen")
    if may_compare and visit.form.get("typed", "") != name:
        found = await visit.ask(
            "DiffLifecyclePolicy",
            "careen",
            repositoryName=name,
            lifecyclePolicyText=draft.canonical,
            maxResults=1,
        )
        if found["breaches"]:
            raise NotConfirmed(
                "The next round would do what is below. Type the repository's name to want that."
            )
    await visit.ask("PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=draft.canonical)
    notice = Notice("The policy stands. The next round runs it.", policy.undo_of(visit, name, former))
    return visit.go(address(name, policy.TAB), notice)


def _accepted(visit: Visit, name: str) -> dict[str, Any]:
    """The plan that was looked at; none, if it takes a typed name and that is another."""
    form = visit.form
    is_confirmed = form.get("breaches", "") == "none" or form.get("typed", "") == name
    return {"planHash": form["plan"]} if form.get("plan") and is_confirmed else {}


async def _former(visit: Visit, name: str) -> str | None:
    """The repository's own policy, for whoever takes the change back."""
    try:
        found: str = (await visit.ask("GetLifecyclePolicy", repositoryName=name))["lifecyclePolicyText"]
    except LifecyclePolicyNotFound:
        return None
    return found


async def _page(
    visit: Visit,
    draft: Draft,
    parts: set[str] | frozenset[str] = frozenset(),
    refusal: EcrError | None = None,
    after: str = "",
) -> Response:
    name, preview, outlook, trouble = visit.path("name"), None, None, ""
    try:
        if draft.policy is not None and "preview" in parts:
            preview = await policy_preview.look(visit, name, draft.canonical, after)
        if draft.policy is not None and "forecast" in parts:
            outlook = await policy_preview.look_ahead(visit, name, draft.canonical)
    except EcrError as error:  # a part of the page shows it: who writes a policy does not lose it
        trouble = error.message
    return await of_repository(
        visit,
        "policy/edit.html",
        policy.TAB,
        draft=draft,
        preview=preview,
        outlook=outlook,
        trouble=trouble,
        refusal=refusal,
        is_outdated=policy.is_outdated(refusal),
        deeds=policy_form.DEEDS,
        looks_at=policy_form.LOOKS_AT,
        templates=policy_form.TEMPLATES,
        events={"edited": EDITED, "previewed": PREVIEWED},
    )


PAGES = {"repositories/{name:path}/-/policy/edit": Page(edit, put)}
