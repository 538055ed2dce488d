"""What ``careen user`` and ``careen role`` have in common: lists, and the policies of one."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from careen.cli.data import opened
from careen.cli.output import fail, print_json

if TYPE_CHECKING:
    from careen.iam.managed import ManagedPolicy
    from careen.registry.identities import Kind
    from careen.registry.registry import Registry, Transaction

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Force = Annotated[bool, Parameter(negative="", help="Though there are keys and policies, which go with it.")]
PolicyName = Annotated[str, Parameter(name="--name", help="The document's name.")]
Document = Annotated[
    str, Parameter(name="--document", allow_leading_hyphen=True, help="Its file; - reads standard input.")
]
Managed = Literal[
    "PullOnly",
    "ReadOnly",
    "PowerUser",
    "FullAccess",
    "PinReporter",
    "Replicator",
    "PublicReadOnly",
    "PublicPowerUser",
    "PublicFullAccess",
    "AdministratorAccess",
]
"""Managed policies by the ends of their names."""


@contextlib.contextmanager
def registry_of(data: str | None, **hints: str) -> "Iterator[Registry]":
    """The registry of a data folder; what IAM would refuse ends the command in IAM's sentence.

    Args:
        data: the data folder.
        hints: what to try, by the refusal's code.
    """
    from careen.ecr.errors import EcrError

    with opened(data) as registry:
        try:
            yield registry
        except EcrError as refusal:
            fail(refusal.message, hints.get(refusal.code))


def managed(policy: Managed) -> "ManagedPolicy":
    """The managed policy whose name ends so."""
    from careen.iam.managed import ManagedPolicy

    # PublicFullAccess ends in FullAccess, too, and is longer.
    return min((each for each in ManagedPolicy if each.endswith(policy)), key=len)


def describe(tx: "Transaction", kind: "Kind", name: str) -> dict[str, Any]:
    """A user or role with all that belongs to it, as JSON has it."""
    from careen.clock import isoformat
    from careen.registry import identities, identity_policies, principals
    from careen.registry.identities import Kind

    found = identities.require(tx, kind, name)
    described: dict[str, Any] = {
        "name": found.name,
        "arn": identities.arn_of(tx.registry_id, found),
        "id": found.unique_id,
        "createdAt": isoformat(found.created_at),
        "attachedPolicies": [str(each) for each in identity_policies.attached(tx, kind, name)],
        "policies": {each.name: each.document for each in identity_policies.inline(tx, kind, name)},
    }
    if kind is Kind.USER:
        described["accessKeys"] = [
            {"accessKeyId": key.access_key_id, "active": key.active} for key in principals.keys_of(tx, name)
        ]
    else:
        described["description"] = found.description
        described["maxSessionSeconds"] = found.max_session
        described["trustPolicy"] = found.trust_policy
    return described


def list_all(kind: "Kind", data: str | None, *, json: bool) -> None:
    """Print all users or roles."""
    from careen.registry import identities

    with registry_of(data) as registry:
        found = registry.read(identities.every, kind)
    listed = [(identities.arn_of(registry.id, each), each) for each in found]
    width = max((len(each.name) for each in found), default=0)
    if json:
        print_json([{"name": each.name, "arn": arn, "id": each.unique_id} for arn, each in listed])
        return
    for arn, each in listed:
        print(f"{each.name:{width}}  {arn}")
    if not listed:
        print(f"there is no {kind}")


def add_policy_commands(app: App, kind_name: str) -> None:
    """Give the command tree of users, or of roles, what they have in common."""

    def kind() -> "Kind":
        from careen.registry.identities import Kind

        return Kind(kind_name)

    who = f"`careen {kind_name} list` says who there is"

    def what(name: str) -> str:
        return f"`careen {kind_name} show {name}` says what it has"

    @app.command(name="list")
    def list_(*, data: Data = None, json: Json = False) -> None:
        """List them."""
        list_all(kind(), data, json=json)

    @app.command
    def show(name: str, *, data: Data = None, json: Json = False) -> None:
        """Show one, with its policies."""
        with registry_of(data, NoSuchEntity=who) as registry:
            described = registry.read(describe, kind(), name)
        if json:
            print_json(described)
            return
        documents = described.pop("policies")
        for title, value in described.items():
            print(f"{title}: {_for_people(value)}")
        for title, document in documents.items():
            print(f"policy {title}:\n{document}")

    @app.command
    def delete(name: str, *, force: Force = False, data: Data = None) -> None:
        """Delete one. What it signed is refused from now on."""
        from careen.registry import identities

        more = "--force deletes what belongs to it, too"
        with registry_of(data, NoSuchEntity=who, DeleteConflict=more) as registry:
            registry.write_now(identities.delete, kind(), name, force=force)

    @app.command
    def put_policy(name: str, /, *, policy: PolicyName, document: Document, data: Data = None) -> None:
        """Let it do what a document says; replaces the document of that name."""
        from careen.cli.policy.inputs import read_policy_text
        from careen.registry import identity_policies
        from careen.registry.identity_policies import Inline

        new = Inline(policy, read_policy_text(document, json=False) or "")
        with registry_of(data, NoSuchEntity=who) as registry:
            registry.write_now(identity_policies.put, kind(), name, new)

    @app.command
    def delete_policy(name: str, /, *, policy: PolicyName, data: Data = None) -> None:
        """Take a document away from it."""
        from careen.registry import identity_policies

        with registry_of(data, NoSuchEntity=what(name)) as registry:
            registry.write_now(identity_policies.delete, kind(), name, policy)

    @app.command
    def attach(name: str, policy: Managed, *, data: Data = None) -> None:
        """Let it do what a managed policy allows."""
        from careen.registry import identity_policies

        with registry_of(data, NoSuchEntity=who) as registry:
            registry.write_now(identity_policies.attach, kind(), name, managed(policy).arn)

    @app.command
    def detach(name: str, policy: Managed, *, data: Data = None) -> None:
        """Take a managed policy away from it."""
        from careen.registry import identity_policies

        with registry_of(data, NoSuchEntity=what(name)) as registry:
            registry.write_now(identity_policies.detach, kind(), name, managed(policy).arn)


def _for_people(value: Any) -> str:
    match value:
        case [dict(), *_]:
            return ", ".join(
                f"{each['accessKeyId']}{'' if each['active'] else ' (inactive)'}" for each in value
            )
        case list():
            return ", ".join(value) or "none"
        case None:
            return "none"
    return str(value)
