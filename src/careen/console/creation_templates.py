"""Repository creation templates: how repositories begin that nobody creates by name."""

from typing import Any

from starlette.responses import Response

from careen.console import confirmation, repositories
from careen.console.visit import Notice, Page, Visit, url
from careen.console.words import indented
from careen.ecr.errors import EcrError, TemplateNotFound

SECTION = "templates"

OCCASIONS = (
    ("CREATE_ON_PUSH", "Somebody pushes to a name that is not there"),
    ("PULL_THROUGH_CACHE", "The cache fetches the first image of a name"),
    ("REPLICATION", "An image arrives from another registry"),
)


def address(prefix: str) -> str:
    """Where a template is in the console."""
    return url(f"templates/{prefix}/-/edit")


async def listed(visit: Visit) -> Response:
    """All templates."""
    found = await visit.every("DescribeRepositoryCreationTemplates", "repositoryCreationTemplates")
    return visit.page(
        "creation_templates/list.html",
        section=SECTION,
        title="Creation templates",
        templates=found,
        occasions=dict(OCCASIONS),
        address=address,
    )


async def new(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The form for another one."""
    return _form(visit, "Add a template", _sent(visit), refusal, prefix=None)


async def create(visit: Visit) -> Response:
    """Make it."""
    prefix = visit.form.get("prefix", "").strip()
    given = {name: value for name, value in _sent(visit).items() if value not in ("", [])}
    given.setdefault("appliedFor", [])  # required, though it may be empty
    try:
        await visit.ask("CreateRepositoryCreationTemplate", prefix=prefix, **given)
    except EcrError as refusal:
        return await new(visit, refusal)
    return visit.go(
        url(SECTION), Notice(f"Repositories that begin with {prefix} begin like this from now on.")
    )


async def edit(visit: Visit, refusal: EcrError | None = None) -> Response:
    """A template."""
    prefix = visit.path("prefix")
    found = await visit.ask("DescribeRepositoryCreationTemplates", prefixes=[prefix])
    if not found["repositoryCreationTemplates"]:
        raise TemplateNotFound(prefix, visit.registry.id)
    (template,) = found["repositoryCreationTemplates"]
    for document in ("lifecyclePolicy", "repositoryPolicy"):
        if template[document]:
            template[document] = indented(template[document])
    return _form(visit, prefix, _sent(visit) if refusal else template, refusal, prefix=prefix)


async def put(visit: Visit) -> Response:
    """Change it, or delete it."""
    prefix = visit.path("prefix")
    try:
        if visit.form.get("do") != "delete":
            changed = _sent(visit)
            changed["imageTagMutabilityExclusionFilters"] = (
                changed["imageTagMutabilityExclusionFilters"] or None
            )
            await visit.ask("UpdateRepositoryCreationTemplate", prefix=prefix, **changed)
            return visit.go(url(SECTION), Notice("Saved. Repositories that are there stay as they are."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                f"Delete the template {prefix}?",
                consequence="Repositories that it made stay as they are. Pushes to names that no other template has are refused.",
                button="Delete the template",
                back=address(prefix),
                section=SECTION,
            )
        await visit.ask("DeleteRepositoryCreationTemplate", prefix=prefix)
    except EcrError as refusal:
        if visit.form.get("do") == "delete":
            raise
        return await edit(visit, refusal)
    return visit.go(url(SECTION), Notice(f"The template {prefix} is deleted."))


def _form(
    visit: Visit, title: str, shown: dict[str, Any], refusal: EcrError | None, *, prefix: str | None
) -> Response:
    return visit.page(
        "creation_templates/edit.html",
        section=SECTION,
        title=title,
        prefix=prefix,
        sent_prefix=visit.form.get("prefix", ""),
        shown=shown,
        filters=", ".join(each["filter"] for each in shown["imageTagMutabilityExclusionFilters"] or ()),
        tags="\n".join(f"{tag['Key']}={tag['Value']}" for tag in shown["resourceTags"] or ()),
        occasions=OCCASIONS,
        mutabilities=repositories.MUTABILITIES,
        refusal=refusal,
    )


def _sent(visit: Visit) -> dict[str, Any]:
    """A template as the form has it, by the model's names; what is empty takes a setting away."""
    form = visit.form
    return {
        "description": form.get("description", "").strip(),
        "appliedFor": form.getlist("occasion"),
        "imageTagMutability": form.get("mutability", "MUTABLE"),
        "imageTagMutabilityExclusionFilters": repositories.filters_of(form.get("filters", "")) or [],
        "resourceTags": repositories.tags_of(form.get("tags", "")),
        "lifecyclePolicy": form.get("lifecycle", "").strip(),
        "repositoryPolicy": form.get("policy", "").strip(),
        "customRoleArn": form.get("role", "").strip(),
    }


PAGES = {
    "templates": Page(listed),
    "templates/new": Page(new, create),
    "templates/{prefix:path}/-/edit": Page(edit, put),
}
