"""Repositories: the list, and of each its settings, its permissions, its end. Its images and its policy have files of their own."""

from typing import Any

from starlette.responses import Response

from careen.console.visit import Notice, Page, Visit, url
from careen.console.words import indented
from careen.ecr.errors import EcrError, RepositoryPolicyNotFound
from careen.ecr.mutability import Mutability

SECTION = "repositories"

TAB_TITLES = {
    "images": "Images",
    "policy": "Lifecycle policy",
    "rules": "Rules",
    "permissions": "Permissions",
    "settings": "Settings",
}


def address(name: str, tab: str = "", **query: Any) -> str:
    """Where a repository is in the console.

    Args:
        name: the repository's.
        tab: ``policy``, ``settings``, …, or what is below it; empty: its images.
        query: parameters.
    """
    return url(f"repositories/{name}" + (f"/-/{tab}" if tab else ""), **query)


async def describe(visit: Visit, name: str) -> dict[str, Any]:
    """A repository, as DescribeRepositories has it.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none.
    """
    found = await visit.ask("DescribeRepositories", repositoryNames=[name])
    described: dict[str, Any] = found["repositories"][0]
    return described


async def of_repository(visit: Visit, template: str, tab: str, **context: Any) -> Response:
    """A page of the repository that the address names, which is ``repository`` in the template.

    Args:
        visit: this one.
        template: its file, which extends ``repositories/repository.html``.
        tab: of :data:`TAB_TITLES`.
        context: what else :meth:`Visit.page` and the template take.
    """
    name = visit.path("name")
    repository = context.pop("repository", None) or await describe(visit, name)
    tabs = [
        (title, address(name, "" if each == "images" else each), each == tab)
        for each, title in TAB_TITLES.items()
    ]
    return visit.page(
        template,
        section=SECTION,
        title=name,
        repository=repository,
        tabs_of_repository=tabs,
        address=address,
        **context,
    )


COLUMNS = (
    ("name", "Name"),
    ("images", "Images"),
    ("untagged", "Untagged"),
    ("size", "Size"),
    ("pushed", "Pushed"),
    ("pulled", "Pulled"),
)
"""What the list can be sorted by, and the columns' titles."""

ASCENDING = ("name",)
"""What begins with the smallest when it is first sorted by."""

PER_PAGE = 50

ORIGINS = {"REPOSITORY": "own policy", "DEFAULT": "default policy", "NONE": "no policy"}


async def listed(visit: Visit) -> Response:
    """The list, with figures for those who may see them; else the names alone."""
    query = visit.query
    search, token = query.get("search", "").strip(), query.get("token") or None
    sort = query.get("sort", "name")
    sort = sort if sort in dict(COLUMNS) else "name"
    descending = query.get("order", "up" if sort in ASCENDING else "down") == "down"
    has_figures = visit.may("ListRepositorySummaries", service="careen")
    if has_figures:
        found = await visit.ask(
            "ListRepositorySummaries",
            "careen",
            nameContains=search or None,
            sortBy=sort.upper(),
            descending=descending,
            maxResults=PER_PAGE,
            nextToken=token,
        )
    else:
        found = await visit.ask("DescribeRepositories", maxResults=PER_PAGE, nextToken=token)
    return visit.page(
        "repositories/list.html",
        section=SECTION,
        title="Repositories",
        found=found,
        has_figures=has_figures,
        search=search,
        sort=sort,
        descending=descending,
        is_first=token is None,
        columns=COLUMNS,
        ascending=ASCENDING,
        origins=ORIGINS,
        address=address,
    )


async def new(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The form for another one."""
    return visit.page(
        "repositories/new.html",
        section=SECTION,
        title="Create a repository",
        sent=visit.form,
        mutabilities=MUTABILITIES,
        refusal=refusal,
    )


async def create(visit: Visit) -> Response:
    """Make it."""
    form = visit.form
    name = form.get("name", "").strip()
    try:
        await visit.ask(
            "CreateRepository",
            repositoryName=name,
            imageTagMutability=form.get("mutability", "MUTABLE"),
            imageTagMutabilityExclusionFilters=filters_of(form.get("filters", "")),
            imageScanningConfiguration={"scanOnPush": form.get("scan") == "on"},
            tags=tags_of(form.get("tags", "")) or None,
        )
    except EcrError as refusal:
        return await new(visit, refusal)
    return visit.go(address(name), Notice(f"{name} is there. Push to it with the commands below."))


async def settings(visit: Visit, refusal: EcrError | None = None) -> Response:
    """What can be set, and the way out."""
    name = visit.path("name")
    repository = await describe(visit, name)
    return await of_repository(
        visit,
        "repositories/settings.html",
        "settings",
        repository=repository,
        mutabilities=MUTABILITIES,
        filters=", ".join(each["filter"] for each in repository["imageTagMutabilityExclusionFilters"] or ()),
        tags=await _tags_of(visit, repository),
        refusal=refusal,
    )


async def put_settings(visit: Visit) -> Response:
    """Change what the form has otherwise; one operation for each, so that each needs its own permission alone."""
    name, form = visit.path("name"), visit.form
    repository = await describe(visit, name)
    try:
        if "mutability" in form:
            await visit.ask(
                "PutImageTagMutability",
                repositoryName=name,
                imageTagMutability=form["mutability"],
                imageTagMutabilityExclusionFilters=filters_of(form.get("filters", "")),
            )
        elif "scanning" in form:
            await visit.ask(
                "PutImageScanningConfiguration",
                repositoryName=name,
                imageScanningConfiguration={"scanOnPush": form.get("scan") == "on"},
            )
        elif "tags" in form:
            await _put_tags(visit, repository)
    except EcrError as refusal:
        return await settings(visit, refusal)
    return visit.go(address(name, "settings"), Notice("Saved."))


async def permissions(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The policy that stands on the repository."""
    name = visit.path("name")
    try:
        text = indented((await visit.ask("GetRepositoryPolicy", repositoryName=name))["policyText"])
    except RepositoryPolicyNotFound:
        text = ""
    return await of_repository(
        visit,
        "repositories/permissions.html",
        "permissions",
        text=text if refusal is None else visit.form.get("policy", ""),
        has_policy=bool(text),
        refusal=refusal,
    )


async def put_permissions(visit: Visit) -> Response:
    """Set the policy, or take it away."""
    name, form = visit.path("name"), visit.form
    try:
        if form.get("do") == "delete":
            await visit.ask("DeleteRepositoryPolicy", repositoryName=name)
            said = "The policy is deleted: identities' own policies decide alone."
        else:
            await visit.ask(
                "SetRepositoryPolicy",
                repositoryName=name,
                policyText=form.get("policy", ""),
                force=form.get("force") == "on",
            )
            said = "The policy stands."
    except EcrError as refusal:
        return await permissions(visit, refusal)
    return visit.go(address(name, "permissions"), Notice(said))


async def ask_delete(visit: Visit, refusal: EcrError | None = None) -> Response:
    """What would go with the repository, and the field for its name."""
    return await of_repository(visit, "repositories/delete.html", "settings", refusal=refusal)


async def delete(visit: Visit) -> Response:
    """Delete it with its images, which can be brought back for as long as the trash keeps them."""
    name = visit.path("name")
    if visit.form.get("typed", "") != name:
        return visit.go(address(name, "delete"), Notice("The name was another.", is_good=False))
    try:
        await visit.ask("DeleteRepository", repositoryName=name, force=True)
    except EcrError as refusal:
        return await ask_delete(visit, refusal)
    return visit.go(url(SECTION), Notice(f"{name} is deleted."))


MUTABILITIES = (
    (Mutability.MUTABLE.value, "Tags can be moved to other images"),
    (Mutability.IMMUTABLE.value, "A tag stays where it was first put"),
    (Mutability.MUTABLE_WITH_EXCLUSION.value, "Tags can be moved, but for those below"),
    (Mutability.IMMUTABLE_WITH_EXCLUSION.value, "Tags stay, but for those below"),
)


def filters_of(text: str) -> list[dict[str, str]] | None:
    """``imageTagMutabilityExclusionFilters``, as people write them: with commas or spaces between."""
    return [{"filterType": "WILDCARD", "filter": each} for each in text.replace(",", " ").split()] or None


def tags_of(text: str) -> list[dict[str, str]]:
    """Resource tags, one ``key=value`` a line."""
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    return [{"Key": key.strip(), "Value": value.strip()} for key, _, value in pairs]


async def _tags_of(visit: Visit, repository: dict[str, Any]) -> str | None:
    """Resource tags as :func:`tags_of` reads them; None: they are not to be seen."""
    if not visit.may("ListTagsForResource", repository["repositoryName"]):
        return None
    found = await visit.ask("ListTagsForResource", resourceArn=repository["repositoryArn"])
    return "\n".join(f"{tag['Key']}={tag['Value']}" for tag in found["tags"])


async def _put_tags(visit: Visit, repository: dict[str, Any]) -> None:
    arn, wanted = repository["repositoryArn"], tags_of(visit.form["tags"])
    before = tags_of(await _tags_of(visit, repository) or "")
    gone = [tag["Key"] for tag in before if tag["Key"] not in {each["Key"] for each in wanted}]
    changed = [tag for tag in wanted if tag not in before]
    if gone:
        await visit.ask("UntagResource", resourceArn=arn, tagKeys=gone)
    if changed:
        await visit.ask("TagResource", resourceArn=arn, tags=changed)


PAGES = {
    "repositories": Page(listed),
    "repositories/new": Page(new, create),
    "repositories/{name:path}/-/settings": Page(settings, put_settings),
    "repositories/{name:path}/-/permissions": Page(permissions, put_permissions),
    "repositories/{name:path}/-/delete": Page(ask_delete, delete),
}
