"""What users and roles have in common on the wire: documents of their own, attached policies, and what is not kept here."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from careen.ecr.pages import Listing
from careen.iam.errors import InvalidInput
from careen.iam.managed import ManagedPolicy
from careen.iamapi.call import Call, Parameters, Result, page
from careen.registry import identity_policies
from careen.registry.identities import Kind
from careen.registry.identity_policies import Inline

Operation = Callable[[Call, Parameters], Awaitable[Result]]

_NOT_KEPT = {
    "PermissionsBoundary": "permissions boundaries",
    "ProvidedContexts": "contexts of others",
    "SerialNumber": "second factors",
    "SourceIdentity": "source identities",
    "Tags": "tags of users, roles, providers and sessions",
    "TokenCode": "second factors",
}


def refuse_what_is_not_kept(parameters: Parameters) -> None:
    """Refuse what would be lost in silence.

    Raises:
        InvalidInput: the call has some of it.
    """
    for member, noun in _NOT_KEPT.items():
        if parameters.get(member):
            raise InvalidInput(f"This registry keeps no {noun}.")


def written(document: str) -> str:
    """A document as IAM's answers have it: percent-encoded (RFC 3986), which SDKs undo."""
    return quote(document, safe="")


def operations(kind: Kind) -> dict[str, Operation]:
    """The operations on the policies of users, or of roles: they differ in a word."""
    noun = kind.capitalize()
    member = f"{noun}Name"

    async def put(call: Call, parameters: Parameters) -> Result:
        new = Inline(parameters["PolicyName"], parameters["PolicyDocument"])
        await call.registry.write(identity_policies.put, kind, parameters[member], new)
        return {}

    async def get(call: Call, parameters: Parameters) -> Result:
        name = parameters[member]
        found = call.registry.read(identity_policies.get, kind, name, parameters["PolicyName"])
        return {member: name, "PolicyName": found.name, "PolicyDocument": written(found.document)}

    async def list_names(call: Call, parameters: Parameters) -> Result:
        name = parameters[member]
        listing: Listing[str, str] = Listing(f"List{noun}Policies {name}", str, str)
        found = [each.name for each in call.registry.read(identity_policies.inline, kind, name)]
        return page("PolicyNames", listing, listing.of(found), str, parameters)

    async def delete(call: Call, parameters: Parameters) -> Result:
        await call.registry.write(
            identity_policies.delete, kind, parameters[member], parameters["PolicyName"]
        )
        return {}

    async def attach(call: Call, parameters: Parameters) -> Result:
        await call.registry.write(identity_policies.attach, kind, parameters[member], parameters["PolicyArn"])
        return {}

    async def detach(call: Call, parameters: Parameters) -> Result:
        await call.registry.write(identity_policies.detach, kind, parameters[member], parameters["PolicyArn"])
        return {}

    async def list_attached(call: Call, parameters: Parameters) -> Result:
        name, prefix = parameters[member], parameters.get("PathPrefix", "/")
        listing: Listing[str, ManagedPolicy] = Listing(f"ListAttached{noun}Policies {name}", str, str)
        found = call.registry.read(identity_policies.attached, kind, name) if prefix == "/" else []
        return page(
            "AttachedPolicies",
            listing,
            listing.of(found),
            lambda policy: {"PolicyName": str(policy), "PolicyArn": policy.arn},
            parameters,
        )

    return {
        f"Put{noun}Policy": put,
        f"Get{noun}Policy": get,
        f"List{noun}Policies": list_names,
        f"Delete{noun}Policy": delete,
        f"Attach{noun}Policy": attach,
        f"Detach{noun}Policy": detach,
        f"ListAttached{noun}Policies": list_attached,
    }
