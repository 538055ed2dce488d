"""The policies that stand on repositories and on the registry: set, read, taken away.

Whoever may set one may shut everybody out, so a repository's is refused if its author could not set another; ``force`` says that
this is meant. The registry's has no such question on Amazon; ``careen access remove-policy`` opens again what was shut.
"""

import structlog

from careen.db import policies as rows
from careen.db.policies import Standing
from careen.ecr import errors
from careen.faults import Point, reach
from careen.iam import policy
from careen.iam.policy import Document, InvalidPolicy, Kind
from careen.registry import access, repositories
from careen.registry.access import V1_ACTIONS, Action, Circumstances, Scope
from careen.registry.callers import Principal
from careen.registry.registry import Transaction
from careen.registry.repositories import Repository

log = structlog.get_logger()


def set_repository_policy(
    tx: Transaction,
    name: str,
    text: str,
    principal: Principal,
    circumstances: Circumstances,
    *,
    force: bool = False,
    action: Action = Action.SET_REPOSITORY_POLICY,
) -> str:
    """Set a repository's policy. Returns it as ECR answers it.

    Args:
        tx: the transaction.
        name: the repository's.
        text: the policy.
        principal: who sets it.
        circumstances: of its request.
        force: set it even if ``principal`` could not set another then.
        action: by which it would set another: ECR's or ECR Public's.

    Raises:
        careen.ecr.errors.RepositoryNotFound: there is none of that name.
        careen.ecr.errors.InvalidPolicyText: it is no repository policy, or one that locks its author out.
    """
    repository = repositories.require(tx, name)
    document = _read(text, Kind.REPOSITORY)
    if not force:
        _check_that_it_can_be_set_again(tx, repository, document, principal, circumstances, action)
    rows.set_of_repository(tx.rows, repository.id, document.text)
    reach(Point.ACCESS_POLICY_SET)
    return document.text


def get_repository_policy(tx: Transaction, name: str) -> str:
    """A repository's policy.

    Raises:
        careen.ecr.errors.RepositoryPolicyNotFound: it has none.
    """
    found = rows.of_repository(tx.rows, repositories.require(tx, name).id)
    if found is None:
        raise errors.RepositoryPolicyNotFound(name, tx.registry_id)
    return found


def delete_repository_policy(tx: Transaction, name: str) -> str:
    """Remove a repository's policy. Returns what :func:`get_repository_policy` would have answered."""
    found = get_repository_policy(tx, name)
    rows.set_of_repository(tx.rows, repositories.require(tx, name).id, None)
    reach(Point.ACCESS_POLICY_SET)
    return found


def put_registry_policy(tx: Transaction, text: str) -> str:
    """Set the registry's policy. Returns it as ECR answers it.

    Raises:
        careen.ecr.errors.InvalidPolicyText: it is no registry policy, or one about actions that scope V1 does not know.
    """
    document = _read(text, Kind.REGISTRY)
    check_scope(document, access.registry_policy_scope(tx))
    rows.set_of_registry(tx.rows, document.text)
    reach(Point.ACCESS_POLICY_SET)
    return document.text


def get_registry_policy(tx: Transaction) -> str:
    """The registry's policy.

    Raises:
        careen.ecr.errors.RegistryPolicyNotFound: it has none.
    """
    found = rows.of_registry(tx.rows)
    if found is None:
        raise errors.RegistryPolicyNotFound(tx.registry_id)
    return found


def delete_registry_policy(tx: Transaction) -> str:
    """Remove the registry's policy. Returns what :func:`get_registry_policy` would have answered."""
    found = get_registry_policy(tx)
    rows.set_of_registry(tx.rows, None)
    reach(Point.ACCESS_POLICY_SET)
    return found


def check_scope(document: Document, scope: Scope) -> None:
    """Refuse a registry policy about actions for which its scope would never ask it.

    Raises:
        careen.ecr.errors.InvalidPolicyText: the scope is V1, and there are others than its three.
    """
    if scope is Scope.V1 and any(not each.actions <= V1_ACTIONS for each in document.statements):
        log.info("policy refused", kind=Kind.REGISTRY.value, why="there are actions beyond scope V1")
        raise errors.InvalidPolicyText("registry")


def check_standing_scope(tx: Transaction) -> None:
    """Refuse a scope for which the registry's policy says too much.

    Raises:
        careen.ecr.errors.InvalidPolicyText: as :func:`check_scope`.
    """
    standing = rows.of_registry(tx.rows)
    if standing is not None:
        check_scope(policy.parse(standing, Kind.REGISTRY), access.registry_policy_scope(tx))


def _read(text: str, kind: Kind) -> Document:
    try:
        return policy.parse(text, kind)
    except InvalidPolicy as invalid:
        log.info("policy refused", kind=kind.value, why=f"{invalid.reason} {invalid.advice}")
        raise errors.InvalidPolicyText(kind.value.removesuffix(" policy")) from None


def _check_that_it_can_be_set_again(
    tx: Transaction,
    repository: Repository,
    document: Document,
    principal: Principal,
    circumstances: Circumstances,
    action: Action,
) -> None:
    resource = access.arn_asked(tx, action, repository.name)
    standing = Standing(repository.id, document.text, rows.of_registry(tx.rows))
    documents = access.standing_on(tx, action, repository.name, standing)
    decision = access.judge_by(tx, principal, action, resource, circumstances, documents, repository.id)
    if not decision.allowed:
        reason = f"The policy would lock {principal.arn} out of setting another, {decision.sentence(action)}"
        raise errors.InvalidParameter("PolicyText", f"{reason}; force sets it nevertheless")
