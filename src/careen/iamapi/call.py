"""One call of an operation of IAM or STS."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from careen.ecr.common_errors import MissingAuthenticationToken
from careen.ecr.errors import InvalidParameter
from careen.ecr.pages import Listing
from careen.iam.errors import ValidationError
from careen.issuers import Issuers
from careen.registry.access import Circumstances
from careen.registry.callers import Principal
from careen.registry.registry import Registry

Parameters = dict[str, Any]
Result = dict[str, Any]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """What every operation is handed beside its parameters."""

    registry: Registry
    issuers: Issuers
    principal: Principal | None
    """Who signed; None where an operation goes unsigned."""
    circumstances: Circumstances
    """What the conditions of policies ask beside who, what and where."""

    @property
    def signer(self) -> Principal:
        """Who signed.

        Raises:
            MissingAuthenticationToken: nobody did.
        """
        if self.principal is None:
            raise MissingAuthenticationToken
        return self.principal


def page(
    member: str,
    listing: Listing[str, T],
    fetch: Callable[[str | None, int], Sequence[T]],
    write: Callable[[T], Any],
    parameters: Parameters,
) -> Result:
    """One page of a listing: ``Marker`` and ``MaxItems`` in, ``Marker`` and ``IsTruncated`` out.

    Args:
        member: what the items are called in the answer.
        listing: how it is paged.
        fetch: reads items.
        write: an item as the answer has it.
        parameters: of the call.

    Raises:
        ValidationError: the marker is not one of this listing's.
    """
    try:
        found = listing.page(
            fetch, next_token=parameters.get("Marker"), max_results=parameters.get("MaxItems")
        )
    except InvalidParameter:
        raise ValidationError("Invalid Marker.") from None
    return {
        member: [write(item) for item in found.items],
        "IsTruncated": found.next_token is not None,
        "Marker": found.next_token,
    }
