"""The gallery: what is public here, for anybody, signed in or not."""

from typing import Any

from starlette.responses import Response

from careen.console.visit import Page, Visit, url
from careen.ecr.arn import repository_uri
from careen.ecr.errors import RepositoryCatalogDataNotFound
from careen.registry import public
from careen.registry.public import Catalogue, Described
from careen.registry.registry import Transaction

SECTION = "gallery"

PAGE = 50
"""Repositories of a page, and tags."""

LATEST = 10
"""Tags beside the text of a repository."""


def address(name: str, tab: str = "", **query: Any) -> str:
    """Where a public repository is in the gallery, by its short name."""
    return url(f"gallery/{name}" + (f"/-/{tab}" if tab else ""), **query)


async def found(visit: Visit) -> Response:
    """What is public, or what of it a search finds."""
    text, after = visit.query.get("q", ""), visit.query.get("after", "")
    prefix = visit.registry.public_prefix
    asked = prefix, text, f"{prefix}{after}" if after else "", PAGE + 1
    shown = await visit.registry.read_in_thread(public.search, *asked)
    return _page(
        visit,
        "gallery/list.html",
        title=visit.registry.read(public.display_name) or "Public gallery",
        repositories=[(each.name.removeprefix(prefix), each) for each in shown[:PAGE]],
        asked=text,
        further=shown[PAGE - 1].name.removeprefix(prefix) if len(shown) > PAGE else None,
    )


async def repository(visit: Visit) -> Response:
    """What is said of a repository, how to pull from it, and its latest tags."""
    name = visit.path("name")
    described = visit.registry.read(_described, _whole(visit, name))
    latest = await visit.registry.read_in_thread(public.tagged_last, _whole(visit, name), LATEST)
    preferred = next((each.tag for each in latest if each.tag == "latest"), None)
    tag = preferred or (latest[0].tag if latest else "")
    return _of_repository(visit, "gallery/repository.html", name, described, latest=latest, tag=tag)


async def tags(visit: Visit) -> Response:
    """All tags of a repository, by name."""
    name, after = visit.path("name"), visit.query.get("after", "")
    described = visit.registry.read(_described, _whole(visit, name))
    shown = await visit.registry.read_in_thread(public.tagged, _whole(visit, name), after, PAGE + 1)
    further = shown[PAGE - 1].tag if len(shown) > PAGE else None
    return _of_repository(visit, "gallery/tags.html", name, described, tags=shown[:PAGE], further=further)


def _described(tx: Transaction, name: str) -> Described:
    try:
        return public.catalogue_of(tx, name)
    except RepositoryCatalogDataNotFound:
        return Described(Catalogue(), has_logo=False)


def _whole(visit: Visit, name: str) -> str:
    return visit.registry.public_prefix + name


def _of_repository(visit: Visit, template: str, name: str, described: Described, **context: Any) -> Response:
    host = visit.registry.public_host or visit.host
    whole = _whole(visit, name)
    return _page(
        visit,
        template,
        title=name,
        name=name,
        uri=repository_uri(host, whole),
        catalogue=described.catalogue,
        logo=f"{public.LOGOS}{whole}" if described.has_logo else None,
        **context,
    )


def _page(visit: Visit, template: str, **context: Any) -> Response:
    return visit.page(template, section=SECTION, address=address, logos=public.LOGOS, **context)


PAGES = {
    "gallery": Page(found, is_open=True),
    "gallery/{name:path}/-/tags": Page(tags, is_open=True),
    "gallery/{name:path}": Page(repository, is_open=True),
}
