"""``careen access``: who may do what, and why; what is wrong with a policy; and the way in when a policy has shut everybody out."""

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from careen.cli.output import fail, print_json
from careen.cli.policy.inputs import BAD_INPUT, Json, read_policy_text, refuse

app = App(
    name="access",
    help="Permissions: say why somebody may or may not, check a policy, open again what one has shut.",
)

Context = Annotated[
    tuple[str, ...],
    Parameter(
        name="--context",
        negative="",
        help="What the request says, as KEY=VALUE: aws:SourceIp=10.0.0.7. May be repeated, also with the same key.",
    ),
]
PolicyFile = Annotated[str, Parameter(allow_leading_hyphen=True)]
Kind = Literal["repository", "registry", "identity"]


@app.command
def explain(
    principal: str, action: str, resource: str = "*", *, context: Context = (), json: Json = False
) -> None:
    """Say whether a principal may do something, and which statement of which policy decides.

    The registry is the one that the AWS configuration names. Asking takes an administrator's key.

    Args:
        principal: A user's name, or an ARN: a user's, a role's, or that of a session as a refusal names it.
        action: Such as ecr:PutImage.
        resource: A repository's name, an ARN, or * for what is on no repository.
    """
    from careen.cli.policy.service import ask

    entries: dict[str, list[str]] = {}
    for given in context:
        key, equals, value = given.partition("=")
        if not equals:
            refuse("InvalidInput", f"'{given}' is no KEY=VALUE", "--context aws:SourceIp=10.0.0.7", json)
        entries.setdefault(key, []).append(value)
    found = ask(
        "explain_access",
        json,
        principal=principal,
        action=action,
        resource=resource,
        contextEntries=[{"key": key, "values": values} for key, values in entries.items()] or None,
    )
    if json:
        print_json(found)
    else:
        _print(found)


@app.command
def check(file: PolicyFile, *, kind: Kind, json: Json = False) -> None:
    """Say what is wrong with a policy document. Amazon ECR, and so this registry's API, only says that something is.

    Args:
        file: The document's; - reads standard input.
        kind: Where it shall stand.
    """
    from careen.iam import policy

    text = read_policy_text(file, json) or ""
    try:
        document = policy.parse(text, policy.Kind[kind.upper()])
    except policy.InvalidPolicy as invalid:
        refuse("InvalidPolicy", invalid.reason, invalid.advice, json)
    if json:
        print_json({"kind": kind, "statements": len(document.statements)})
    else:
        print(
            f"this is a policy for {'a principal' if kind == 'identity' else f'the {kind}'}:\n{document.text}"
        )


@app.command
def unlock(
    repository: str | None = None,
    *,
    registry: Annotated[
        bool, Parameter(name="--registry", negative="", help="The registry's own policy.")
    ] = False,
    data: Annotated[str | None, Parameter(help="The data folder.")] = None,
) -> None:
    """Take away a policy that has shut everybody out, and print it. Works on the data folder, and asks no policy.

    Args:
        repository: The repository whose policy it is.
    """
    from careen.cli.data import opened
    from careen.ecr.errors import EcrError
    from careen.registry import policies

    if (repository is None) is not registry:
        fail("whose policy?", "a repository's name, or --registry", BAD_INPUT)
    with opened(data) as store:
        try:
            removed = (
                store.write_now(policies.delete_registry_policy)
                if repository is None
                else store.write_now(policies.delete_repository_policy, repository)
            )
        except EcrError as refused:
            fail(refused.message)
    print(removed)


def _print(found: dict[str, Any]) -> None:
    """The verdict, why, the statement, and what it depends on."""
    import msgspec

    words = {"allowed": "may", "explicitDeny": "must not", "implicitDeny": "may not"}
    print(f"{found['principalArn']} {words[found['verdict']]} {found['action']} on {found['resource']}")
    print(found["reason"])
    if "statementText" in found:
        sid = f" ({found['statementId']})" if "statementId" in found else ""
        place = (
            f"statement {found['statementNumber']}{sid} of the {found['policyType']} {found['policyName']}"
        )
        print(f"\n{place}:\n{msgspec.json.format(found['statementText'], indent=2)}")
    else:
        considered = ", ".join(
            f"{each['policyType']} {each['policyName']}" for each in found["consideredPolicies"]
        )
        print(f"\nno statement applies, of: {considered or 'no policy at all'}")
    if found["askedKeys"]:
        print(f"\nstatements ask {', '.join(found['askedKeys'])}")
    for key in found["absentKeys"]:
        print(f"{key} has no value here: --context {key}=…")
