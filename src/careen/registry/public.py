"""Public repositories: anybody may pull from them, and a catalogue says what is in them (docs/adr/0027).

A public repository is a repository like any other whose name begins with the registry's alias, and that has a row saying so.
The functions here take that whole name; ECR Public's operations leave the alias out of it.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from careen.db import images as image_rows
from careen.db import public as rows
from careen.db.images import TaggedImage as TaggedImage
from careen.db.repositories import Repository
from careen.ecr import errors
from careen.faults import Point, reach
from careen.iam.actions import Action, public_twin
from careen.iam.evaluate import Decision, Verdict
from careen.registry import repositories
from careen.registry.registry import Transaction

LOGOS = "/v2/_logos/"
"""Where clients find logos; the repository's name follows."""

LOGO_TYPES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
"""What logos begin with. No other kind is taken: what browsers would run, such as SVG, must not come from this address."""

MAX_WORDS = 8
"""Words of a search: each is looked for in every repository."""

OPEN = frozenset(
    {
        Action.BATCH_CHECK_LAYER_AVAILABILITY,
        Action.BATCH_GET_IMAGE,
        Action.GET_DOWNLOAD_URL_FOR_LAYER,
        Action.LIST_IMAGES,
    }
)
"""What pulling asks for: on a public repository nobody needs to be allowed it."""


class Catalogue(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """What people say of a public repository."""

    description: str | None = None
    architectures: Sequence[str] | None = None
    operating_systems: Sequence[str] | None = None
    about_text: str | None = None
    usage_text: str | None = None


class Found(msgspec.Struct, frozen=True):
    """A public repository, as a list for people has it."""

    name: str
    catalogue: Catalogue
    """Empty if nobody described it."""
    has_logo: bool


class Described(msgspec.Struct, frozen=True):
    """A public repository's catalogue, and whether it has a logo."""

    catalogue: Catalogue
    has_logo: bool


def is_public(tx: Transaction, name: str) -> bool:
    """Whether there is such a repository, and anybody may pull from it. One statement."""
    return rows.is_public(tx.rows, name)


def judge(action: Action, decide: Callable[[Action], Decision]) -> tuple[Action, Decision]:
    """Decide on a public repository: ECR's permission is enough, or ECR Public's, and what forbids either forbids it.

    Args:
        action: of ECR. Those of :data:`OPEN` need no decision.
        decide: decides one action on the repository.

    Returns:
        The action that decided, and how.
    """
    twin = public_twin(action)
    found = [(each, decide(each)) for each in (twin, action) if each is not None]
    forbidding = (each for each in found if each[1].verdict is Verdict.EXPLICIT_DENY)
    allowing = (each for each in found if each[1].allowed)
    return next(forbidding, next(allowing, found[0]))


def require(tx: Transaction, name: str) -> Repository:
    """The public repository of that name.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none, or it is not public.
    """
    repository = rows.by_name(tx.rows, name)
    if repository is None:
        raise errors.RepositoryNotFound(name, tx.registry_id)
    return repository


def page(tx: Transaction, prefix: str, after: str, limit: int) -> list[Repository]:
    """Up to ``limit`` public repositories whose names begin with ``prefix`` and follow ``after``."""
    return rows.page(tx.rows, prefix, after, limit)


def search(tx: Transaction, prefix: str, text: str, after: str, limit: int) -> list[Found]:
    """Public repositories in whose name or description all the words of a text are.

    Args:
        tx: the transaction.
        prefix: their names begin with it.
        text: of words, whatever their case; the first :data:`MAX_WORDS` count. Empty: every repository is found.
        after: their names follow it.
        limit: how many are answered.
    """
    words = text.lower().split()[:MAX_WORDS]
    return [
        Found(each.name, _read(each.catalogue), each.has_logo)
        for each in rows.search(tx.rows, prefix, words, after, limit)
    ]


def describe(tx: Transaction, wanted: Sequence[str]) -> list[Repository]:
    """The public repositories of these names, in their order; one unknown name fails the whole call.

    Raises:
        careen.ecr.errors.RepositoryNotFound: a name has no public repository.
    """
    return [require(tx, name) for name in wanted]


def create(
    tx: Transaction,
    name: str,
    *,
    tags: Mapping[str, str],
    catalogue: Catalogue | None = None,
    logo: bytes | None = None,
) -> Repository:
    """Create a public repository.

    Raises:
        careen.ecr.errors.EcrError: as :func:`careen.registry.repositories.create` and :func:`put_catalogue`. A repository that
            was made as a private one keeps its name: nothing becomes public that was not made so.
    """
    repository = repositories.create(tx, name, tags=dict(tags))
    rows.insert(tx.rows, repository.id)
    reach(Point.REPOSITORY_PUBLISHED)
    if catalogue is not None:
        put_catalogue(tx, name, catalogue, logo)
    return repository


def put_catalogue(tx: Transaction, name: str, catalogue: Catalogue, logo: bytes | None) -> Described:
    """Describe a public repository, in place of what was said of it before.

    Args:
        tx: the transaction.
        name: the repository.
        catalogue: what to say.
        logo: an image; None or empty: none.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such public repository.
        careen.ecr.errors.InvalidParameter: the logo is none of :data:`LOGO_TYPES`.
    """
    repository = require(tx, name)
    if logo and logo_type(logo) is None:
        raise errors.InvalidParameter("logoImageBlob", "must be a PNG, JPEG or GIF image")
    rows.describe(tx.rows, repository.id, msgspec.json.encode(catalogue).decode(), logo or None)
    reach(Point.CATALOGUE_PUT)
    return Described(catalogue, has_logo=bool(logo))


def catalogue_of(tx: Transaction, name: str) -> Described:
    """What is said of a public repository.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such public repository.
        careen.ecr.errors.RepositoryCatalogDataNotFound: nothing is.
    """
    found = rows.described(tx.rows, require(tx, name).id)
    if found.catalogue is None:
        raise errors.RepositoryCatalogDataNotFound(name, tx.registry_id)
    return Described(_read(found.catalogue), found.has_logo)


def _read(catalogue: str | None) -> Catalogue:
    return Catalogue() if catalogue is None else msgspec.json.decode(catalogue, type=Catalogue)


def logo(tx: Transaction, name: str) -> tuple[str, bytes] | None:
    """Media type and bytes of a public repository's logo, if it has one."""
    data = rows.logo(tx.rows, name)
    kind = None if data is None else logo_type(data)
    return None if data is None or kind is None else (kind, data)


def logo_type(data: bytes) -> str | None:
    """The media type of an image that may be a logo, by its first bytes."""
    return next((kind for start, kind in LOGO_TYPES.items() if data.startswith(start)), None)


def tagged(tx: Transaction, name: str, after: str, limit: int) -> list[TaggedImage]:
    """Up to ``limit`` tags of a public repository's active images that follow ``after``, with their images.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such public repository.
    """
    return image_rows.tagged(tx.rows, require(tx, name).id, after, limit)


def tagged_last(tx: Transaction, name: str, limit: int) -> list[TaggedImage]:
    """Up to ``limit`` tags of a public repository's active images, those that were put last first.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is no such public repository.
    """
    return image_rows.tagged_last(tx.rows, require(tx, name).id, limit)


def display_name(tx: Transaction) -> str | None:
    """What the registry calls itself in public."""
    return rows.display_name(tx.rows)


def put_display_name(tx: Transaction, name: str | None) -> None:
    """Set or remove what the registry calls itself in public."""
    rows.set_display_name(tx.rows, name or None)
    reach(Point.CATALOGUE_PUT)
