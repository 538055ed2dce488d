"""The lifecycle policy that holds for a repository: in words and as JSON, run now, deleted, put back."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from careen.console import policy_form, policy_preview
from careen.console.repositories import address, of_repository
from careen.console.visit import Notice, Page, Undo, Visit, number
from careen.console.words import indented, plural
from careen.ecr.errors import EcrError, LifecyclePolicyNotFound, PlanChanged

TAB = "policy"


@dataclass(frozen=True)
class Standing:
    """What holds for a repository."""

    text: str | None
    """The policy; None: there is none."""
    origin: str
    """``REPOSITORY``, ``DEFAULT`` or ``NONE``."""
    pattern: str | None = None
    """Of the default policy that holds."""
    evaluated_at: int | None = None
    has_extension: bool = False
    """Whether rules beyond ECR's act beside it."""
    has_protection: bool = False
    """Whether rules keep images from it."""

    @property
    def own(self) -> str | None:
        """The repository's own policy."""
        return self.text if self.origin == "REPOSITORY" else None

    @property
    def can_act(self) -> bool:
        """Whether there is anything that could act on an image."""
        return self.text is not None or self.has_extension


async def standing(visit: Visit, name: str) -> Standing:
    """What holds for a repository, as far as the visitor may see it.

    Raises:
        careen.ecr.errors.EcrError: as the operations do.
    """
    if not visit.may("GetEffectiveLifecyclePolicy", name, "careen"):
        try:
            found = await visit.ask("GetLifecyclePolicy", repositoryName=name)
        except LifecyclePolicyNotFound:
            return Standing(None, "NONE")
        return Standing(found["lifecyclePolicyText"], "REPOSITORY", None, found["lastEvaluatedAt"] or None)
    holds = await visit.ask("GetEffectiveLifecyclePolicy", "careen", repositoryName=name)
    evaluated_at = None
    if holds["origin"] == "REPOSITORY" and visit.may("GetLifecyclePolicy", name):
        found = await visit.ask("GetLifecyclePolicy", repositoryName=name)
        evaluated_at = found["lastEvaluatedAt"] or None
    return Standing(
        holds["lifecyclePolicyText"],
        str(holds["origin"]),
        holds["repositoryNamePattern"],
        evaluated_at,
        holds["extensionRulesText"] is not None,
        holds["protectionRulesText"] is not None,
    )


async def shown(visit: Visit) -> Response:
    """The policy that holds, one line for each rule, and its text."""
    name = visit.path("name")
    holds = await standing(visit, name)
    text = holds.text
    return await of_repository(
        visit,
        "policy/shown.html",
        TAB,
        holds=holds,
        rules=[] if text is None else policy_form.sentences(text),
        text="" if text is None else indented(text),
    )


async def ask_run(visit: Visit, refusal: EcrError | None = None) -> Response:
    """What a run would do now, before it does."""
    name = visit.path("name")
    holds = await standing(visit, name)
    preview = None
    if holds.can_act:
        preview = await policy_preview.look(visit, name, holds.text, visit.query.get("after"))
    return await of_repository(
        visit,
        "policy/run.html",
        TAB,
        holds=holds,
        preview=preview,
        draft=None,
        refusal=refusal,
    )


async def run(visit: Visit) -> Response:
    """Do what the page showed, and nothing else."""
    name, form = visit.path("name"), visit.form
    is_confirmed = form.get("typed", "") == name
    plan = {"planHash": form.get("plan")} if is_confirmed or form.get("breaches") == "none" else {}
    try:
        ran = await visit.ask("RunLifecyclePolicy", "careen", repositoryName=name, **plan)
    except EcrError as refusal:
        return await ask_run(visit, refusal)
    undo = _undo(name, {}, restorable(visit, ran))
    return visit.go(address(name, TAB), Notice(f"The policy was run: {in_words(ran)}.", undo))


async def delete(visit: Visit) -> Response:
    """Take the policy away. Nothing is deleted by that; what a default policy says may hold then."""
    name = visit.path("name")
    gone = await visit.ask("DeleteLifecyclePolicy", repositoryName=name)
    undo = undo_of(visit, name, gone["lifecyclePolicyText"])
    return visit.go(address(name, TAB), Notice("The policy is deleted. No image is touched by that.", undo))


async def undo(visit: Visit) -> Response:
    """Put back the policy that stood before, and what the run deleted."""
    name, form = visit.path("name"), visit.form
    told = []
    if "policy" in form:
        await put_back(visit, name, form["policy"] or None)
        told.append("The policy is as it was before.")
    run_id = number(form.get("run", ""))
    if run_id is not None:
        restored = await visit.ask("RestoreImages", "careen", runId=run_id)
        told.append(f"{plural(len(restored['images']), 'image')} came back.")
    return visit.go(address(name, TAB), Notice(" ".join(told)))


async def put_back(visit: Visit, name: str, text: str | None) -> None:
    """Make a repository's policy what it was: a text, or none.

    Raises:
        careen.ecr.errors.EcrError: as the operations do.
    """
    if text is not None:
        await visit.ask("PutLifecyclePolicy", repositoryName=name, lifecyclePolicyText=text)
        return
    try:
        await visit.ask("DeleteLifecyclePolicy", repositoryName=name)
    except LifecyclePolicyNotFound:
        return


def in_words(ran: dict[str, Any]) -> str:
    """What RunLifecyclePolicy or ApplyLifecyclePolicy did: ``2 images deleted, 1 image protected``."""
    counts = [
        (ran["expired"], "deleted"),
        (ran["archived"], "archived"),
        (ran["untagged"], "untagged"),
        (ran["protected"], "protected"),
        (ran["blocked"], "held by an index"),
        (ran["skipped"], "left alone, as they changed meanwhile"),
    ]
    return (
        ", ".join(f"{plural(count, 'image')} {what}" for count, what in counts if count)
        or "nothing to do now"
    )


def restorable(visit: Visit, ran: dict[str, Any]) -> int | None:
    """The run whose deletions the visitor may take back; None: there are none, or they may not."""
    run_id: int | None = ran["runId"]
    return run_id if ran["expired"] and visit.may("RestoreImages", None, "careen") else None


def undo_of(visit: Visit, name: str, former: str | None, run_id: int | None = None) -> Undo | None:
    """What takes a change of policy back, if the visitor may.

    Args:
        visit: this one.
        name: the repository's.
        former: the policy that stood before; None: there was none.
        run_id: of the run whose deletions come back.
    """
    operation = "DeleteLifecyclePolicy" if former is None else "PutLifecyclePolicy"
    if not visit.may(operation, name):
        return None
    return _undo(name, {"policy": former or ""}, run_id)


def _undo(name: str, fields: dict[str, str], run_id: int | None) -> Undo | None:
    if run_id is not None:
        fields = fields | {"run": str(run_id)}
    return Undo(f"repositories/{name}/-/policy/undo", fields) if fields else None


def is_outdated(refusal: EcrError | None) -> bool:
    """Whether something was refused because the images are others than when it was looked at."""
    return isinstance(refusal, PlanChanged)


PAGES = {
    "repositories/{name:path}/-/policy": Page(shown),
    "repositories/{name:path}/-/policy/run": Page(ask_run, run),
    "repositories/{name:path}/-/policy/delete": Page(post=delete),
    "repositories/{name:path}/-/policy/undo": Page(post=undo),
}
