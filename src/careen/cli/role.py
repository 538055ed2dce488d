"""``careen role``: what may be assumed, by whom, and what it may do, in a data folder."""

from typing import Annotated

from cyclopts import App, Parameter

from careen.cli.identity import Data, add_policy_commands, registry_of

app = App(
    name="role", help="Roles: create, update, list, show, delete; what they may do: put-policy, attach, …"
)

TrustFile = Parameter(
    name="--trust",
    allow_leading_hyphen=True,
    help="The file of the policy that says who may assume it; - reads standard input.",
)
Description = Annotated[str | None, Parameter(help="For people.")]
MaxSession = Annotated[int | None, Parameter(help="The most seconds that a session may last: 3600 to 43200.")]


@app.command
def create(
    name: str,
    *,
    trust: Annotated[str, TrustFile],
    path: Annotated[str, Parameter(help="Part of its ARN: / or /team/.")] = "/",
    description: Description = None,
    max_session: MaxSession = None,
    data: Data = None,
) -> None:
    """Make a role, which may do nothing yet.

    Args:
        name: Its name.
    """
    from careen.cli.policy.inputs import read_policy_text
    from careen.registry import identities

    text = read_policy_text(trust, json=False) or ""
    with registry_of(data) as registry:
        made = registry.write_now(
            identities.create_role,
            name,
            text,
            path=path,
            description=description,
            max_session=max_session or identities.DEFAULT_SESSION,
        )
        print(identities.arn_of(registry.id, made))


@app.command
def update(
    name: str,
    *,
    trust: Annotated[str | None, TrustFile] = None,
    description: Description = None,
    max_session: MaxSession = None,
    data: Data = None,
) -> None:
    """Change who may assume a role, its description, or how long its sessions may last.

    Args:
        name: Its name.
    """
    from careen.cli.policy.inputs import read_policy_text
    from careen.registry import identities

    text = read_policy_text(trust, json=False)
    with registry_of(data, NoSuchEntity="`careen role list` says who there is") as registry:
        registry.write_now(
            identities.update_role, name, trust_policy=text, description=description, max_session=max_session
        )


add_policy_commands(app, "role")
