"""Why a principal may do something or not: for those who write policies, and for those who are asked why."""

from typing import NamedTuple

from careen.db import policies as rows
from careen.ecr import errors
from careen.iam.policy import NamedDocument
from careen.oci import names
from careen.registry import access, callers
from careen.registry.access import Action, Circumstances, Decision
from careen.registry.registry import Registry, Transaction


class Explanation(NamedTuple):
    """A decision, and what it rests on."""

    principal_arn: str
    action: Action
    resource: str
    decision: Decision
    considered: tuple[NamedDocument, ...]
    """All policies that were looked at: the principal's, the repository's, the registry's."""


def explain(
    tx: Transaction, registry: Registry, called: str, action: str, resource: str, circumstances: Circumstances
) -> Explanation:
    """Decide a request that nobody made, as :func:`careen.registry.access.require` would.

    Args:
        tx: where principals and policies are read.
        registry: whose principals.
        called: the principal's ARN or name.
        action: such as ``ecr:PutImage``, in any letters.
        resource: an ARN, a repository's name, or ``*``.
        circumstances: of the request.

    Raises:
        careen.ecr.errors.InvalidParameter: there is no such principal or action here, or the resource is none of the three.
    """
    principal = callers.principal_called(tx, registry, called)
    if principal is None:
        raise errors.InvalidParameter("principal", f"There is no principal '{called}' in this registry")
    wanted = next((each for each in Action if each.lower() == action.lower()), None)
    if wanted is None:
        raise errors.InvalidParameter("action", f"There is no action '{action}'")
    if names.is_repository_name(resource):
        resource = access.arn_asked(tx, wanted, resource)
    elif resource != "*" and not resource.startswith("arn:"):
        raise errors.InvalidParameter("resource", f"'{resource}' is no ARN, no repository's name and not *")
    name = access.named(tx, resource)
    standing = rows.standing(tx.rows, name)
    documents = access.standing_on(tx, wanted, name, standing)
    decision = access.judge_by(
        tx, principal, wanted, resource, circumstances, documents, standing.repository_id
    )
    return Explanation(principal.arn, wanted, resource, decision, (*principal.documents, *documents))
