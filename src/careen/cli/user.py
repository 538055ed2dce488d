"""``careen user``: who may sign, and what each may do, in a data folder."""

from typing import Annotated

from cyclopts import App, Parameter

from careen.cli.identity import Data, Managed, add_policy_commands, managed, registry_of

app = App(name="user", help="Users: create, list, show, delete; what they may do: put-policy, attach, …")


@app.command
def create(
    name: str,
    *,
    path: Annotated[str, Parameter(help="Part of its ARN: / or /team/.")] = "/",
    attach: Annotated[Managed | None, Parameter(help="A managed policy to begin with.")] = None,
    data: Data = None,
) -> None:
    """Make a user, who may do nothing unless a policy is attached. `careen key create` gives it a key.

    Args:
        name: Its name.
    """
    from careen.registry import identities, identity_policies
    from careen.registry.identities import Kind
    from careen.registry.registry import Transaction

    def make(tx: Transaction) -> str:
        made = identities.create_user(tx, name, path)
        if attach is not None:
            identity_policies.attach(tx, Kind.USER, name, managed(attach).arn)
        return identities.arn_of(tx.registry_id, made)

    with registry_of(data) as registry:
        print(registry.write_now(make))


add_policy_commands(app, "user")
