"""``careen user``: who may sign, and what each may do, in a data folder."""

import getpass
import sys
from typing import Annotated

from cyclopts import App, Parameter

from careen.cli.identity import Data, Managed, add_policy_commands, managed, registry_of
from careen.cli.output import fail

app = App(
    name="user", help="Users: create, list, show, delete, password; what they may do: put-policy, attach, …"
)


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


@app.command
def password(
    name: str,
    *,
    generate: Annotated[bool, Parameter(negative="", help="Make one, and print it.")] = False,
    once: Annotated[
        bool, Parameter(negative="", help="It is good for one sign-in, which asks for another.")
    ] = False,
    remove: Annotated[bool, Parameter(negative="", help="Take the password away.")] = False,
    data: Data = None,
) -> None:
    """Give a user a password for the console. Whoever is signed in as that user is signed out.

    It is asked for twice, or read from standard input if that is no terminal.

    Args:
        name: The user's name.
    """
    from careen.iam import passwords
    from careen.registry import identities, login_profiles
    from careen.registry.identities import Kind

    if generate and remove:
        fail("--generate and --remove do not go together", code=2)
    hints = {
        "NoSuchEntity": "see `careen user list`",
        "PasswordPolicyViolation": "`--generate` makes a good one",
    }
    with registry_of(data, **hints) as registry:
        if remove:
            registry.write_now(login_profiles.delete, name)
            return
        registry.read(identities.require, Kind.USER, name)
        chosen = passwords.generated() if generate else _asked(name)
        passwords.check(chosen, name)
        registry.write_now(login_profiles.set_password, name, passwords.hashed(chosen), reset_required=once)
    if generate:
        print(chosen)


def _asked(name: str) -> str:
    """A password from the terminal, or from a script."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    chosen = getpass.getpass(f"New password of {name}: ")
    if getpass.getpass("Once more: ") != chosen:
        fail("the two are not the same")
    return chosen


add_policy_commands(app, "user")
