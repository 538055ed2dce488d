"""Public repositories: which there are, what their catalogue says, and their end. Their images are among all the others."""

import base64
from typing import Any

from starlette.responses import Response

from careen.console import gallery, repositories
from careen.console.visit import Notice, Page, Visit, url
from careen.ecr.errors import EcrError, RepositoryCatalogDataNotFound
from careen.registry import public

SECTION = "public"
SERVICE = "ecr-public"

PAGE = 50
"""Repositories of a page."""

ARCHITECTURES = ("x86-64", "ARM 64", "x86", "ARM")
OPERATING_SYSTEMS = ("Linux", "Windows")
"""What Amazon's gallery knows, of both."""


def address(name: str, tab: str, **query: Any) -> str:
    """Where a public repository is administered, by its short name."""
    return url(f"public/{name}/-/{tab}", **query)


async def listed(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The list, and what the registry calls itself."""
    found = await visit.ask(
        "DescribeRepositories", SERVICE, maxResults=PAGE, nextToken=visit.query.get("next")
    )
    name = None
    if visit.may("GetRegistryCatalogData", service=SERVICE):
        catalogue = await visit.ask("GetRegistryCatalogData", SERVICE)
        name = catalogue["registryCatalogData"]["displayName"] or ""
    return visit.page(
        "public/list.html",
        section=SECTION,
        title="Public repositories",
        repositories=found["repositories"],
        further=found["nextToken"],
        display_name=visit.form.get("display", "") if refusal else name,
        private=lambda each: repositories.address(visit.registry.public_prefix + each),
        address=address,
        in_gallery=gallery.address,
        refusal=refusal,
    )


async def put_display_name(visit: Visit) -> Response:
    """Say what the registry calls itself in public."""
    try:
        await visit.ask("PutRegistryCatalogData", SERVICE, displayName=visit.form.get("display", "").strip())
    except EcrError as refusal:
        return await listed(visit, refusal)
    return visit.go(url(SECTION), Notice("Saved."))


async def new(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The form for another one."""
    return _form(visit, "public/new.html", refusal, title="Create a public repository", said=_sent(visit))


async def create(visit: Visit) -> Response:
    """Make it, for anybody to pull from."""
    name = visit.form.get("name", "").strip()
    try:
        await visit.ask(
            "CreateRepository",
            SERVICE,
            repositoryName=name,
            catalogData=_sent(visit) | {"logoImageBlob": visit.form.get("logo") or None},
        )
    except EcrError as refusal:
        return await new(visit, refusal)
    return visit.go(gallery.address(name), Notice(f"{name} is there, for anybody to pull from."))


async def edit(visit: Visit, refusal: EcrError | None = None) -> Response:
    """What the catalogue says."""
    name = visit.path("name")
    try:
        said = (await visit.ask("GetRepositoryCatalogData", SERVICE, repositoryName=name))["catalogData"]
    except RepositoryCatalogDataNotFound:
        said = _sent(visit)  # of no form: nothing
    return _form(
        visit,
        "public/edit.html",
        refusal,
        title=name,
        name=name,
        logo=f"{public.LOGOS}{visit.registry.public_prefix}{name}" if said.get("logoUrl") else None,
        said=_sent(visit) if refusal else said,
    )


async def put(visit: Visit) -> Response:
    """Say something else. An operation that puts a catalogue takes the old logo away: it is sent again unless it is to go."""
    name = visit.path("name")
    logo = visit.form.get("logo")
    if not logo and visit.form.get("logo-goes") != "on":
        standing = visit.registry.read(public.logo, visit.registry.public_prefix + name)
        logo = None if standing is None else base64.b64encode(standing[1]).decode()
    try:
        await visit.ask(
            "PutRepositoryCatalogData",
            SERVICE,
            repositoryName=name,
            catalogData=_sent(visit) | {"logoImageBlob": logo or None},
        )
    except EcrError as refusal:
        return await edit(visit, refusal)
    return visit.go(gallery.address(name), Notice("Saved."))


async def ask_delete(visit: Visit, refusal: EcrError | None = None) -> Response:
    """What would go with the repository, and the field for its name."""
    name = visit.path("name")
    await visit.ask("DescribeRepositories", SERVICE, repositoryNames=[name])
    return visit.page(
        "public/delete.html",
        section=SECTION,
        title=f"Delete {name}",
        name=name,
        refusal=refusal,
    )


async def delete(visit: Visit) -> Response:
    """Delete it with its images."""
    name = visit.path("name")
    if visit.form.get("typed", "") != name:
        return visit.go(address(name, "delete"), Notice("The name was another.", is_good=False))
    try:
        await visit.ask("DeleteRepository", SERVICE, repositoryName=name, force=True)
    except EcrError as refusal:
        return await ask_delete(visit, refusal)
    return visit.go(url(SECTION), Notice(f"{name} is deleted."))


def _form(visit: Visit, template: str, refusal: EcrError | None, **context: Any) -> Response:
    return visit.page(
        template,
        section=SECTION,
        sent=visit.form,
        architectures=ARCHITECTURES,
        operating_systems=OPERATING_SYSTEMS,
        address=address,
        refusal=refusal,
        **context,
    )


def _sent(visit: Visit) -> dict[str, Any]:
    """``catalogData`` of a form, without the logo."""
    form = visit.form
    return {
        "description": form.get("description", "").strip(),
        "architectures": form.getlist("architecture"),
        "operatingSystems": form.getlist("system"),
        "aboutText": form.get("about", ""),
        "usageText": form.get("usage", ""),
    }


PAGES = {
    "public": Page(listed, put_display_name),
    "public/new": Page(new, create),
    "public/{name:path}/-/edit": Page(edit, put),
    "public/{name:path}/-/delete": Page(ask_delete, delete),
}
