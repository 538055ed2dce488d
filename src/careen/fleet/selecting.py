"""Which of the repositories that a file names are selected: a plan's, a journal's."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from careen.fleet import clients, scan
from careen.fleet.errors import BadInput, Refused
from careen.fleet.scanned import Target
from careen.fleet.selection import Selection
from careen.fleet.targets import Fleet
from careen.fleet.together import together

GONE = "RepositoryNotFoundException"

T = TypeVar("T")


class Place(NamedTuple):
    """A repository."""

    target: Target
    name: str
    arn: str | None = None
    """None: the file does not say."""


def narrowed(
    fleet: Fleet, some: Iterable[T], place: Callable[[T], Place], selection: Selection
) -> Sequence[T]:
    """Those that are selected, in their order.

    Args:
        fleet: the ways to them; also says what accounts are called, where the file does not.
        some: what a file has, each of one repository.
        place: that repository.
        selection: which; tags are those of now, and a repository that is gone has none.

    Raises:
        BadInput: there are some, and none of them is selected.
        FleetError: tags cannot be read.
    """
    names = {target.account: target.name for target in fleet.targets}
    given = [(each, place(each)) for each in some]
    chosen = [
        (each, at)
        for each, at in given
        if selection.has_account(at.target.account, at.target.name or names.get(at.target.account))
        and selection.has_region(at.target.region)
        and selection.has_repository(at.name)
    ]
    if selection.tags:
        places = {at for _, at in chosen}
        tagged = dict(together(lambda at: (at, selection.has_tags(_tags(fleet, at))), places))
        chosen = [(each, at) for each, at in chosen if tagged[at]]
    if given and not chosen:
        raise BadInput("there is no repository that is selected", "without selectors, for all of them")
    return [each for each, _ in chosen]


def _tags(fleet: Fleet, place: Place) -> dict[str, str]:
    ecr = fleet.client(place.target, "ecr")
    try:
        arn = place.arn
        if arn is None:
            found = clients.call(ecr, "describe_repositories", repositoryNames=[place.name])
            arn = found["repositories"][0]["repositoryArn"]
        return scan.tags_of(ecr, arn)
    except Refused as error:
        if error.code == GONE:
            return {}
        raise
