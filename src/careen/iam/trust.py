"""Whom a role's trust policy admits.

A trust policy is a policy of a resource, and decides more than others do: what it does not admit, no policy of the caller's can.
Whom it names is admitted by that; whom it names by the account alone needs a policy of its own that allows ``sts:AssumeRole``
(IAM user guide, "IAM roles: Methods to assume a role").
"""

from careen.iam.evaluate import Request
from careen.iam.policy import Document, Effect, Reach


def admits(document: Document, request: Request) -> Reach:
    """How a trust policy means the caller; ``Reach.NONE`` if it does not admit it, or denies it.

    Args:
        document: the trust policy.
        request: to assume the role. Of a web identity the caller is its provider, by ARN.
    """
    found = Reach.NONE
    for statement in document.statements:
        if request.action not in statement.actions:
            continue
        reach = statement.reach(request.caller, request.resource, request.context)
        if reach is not Reach.NONE and statement.effect is Effect.DENY:
            return Reach.NONE
        found = max(found, reach)
    return found
