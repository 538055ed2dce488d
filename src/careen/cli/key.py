"""``careen key``: access keys of the registry in a data folder."""

from typing import TYPE_CHECKING

from cyclopts import App

from careen.cli.data import load_settings, opened
from careen.cli.identity import Data, Json, Managed, managed, registry_of
from careen.cli.links import base_url
from careen.cli.output import fail, print_json

if TYPE_CHECKING:
    from careen.iam.managed import ManagedPolicy
    from careen.registry.principals import NewKey
    from careen.registry.registry import Transaction

app = App(name="key", help="Access keys: create, list, show, switch off and on, delete.")


@app.command
def create(name: str, *, policy: Managed | None = None, data: Data = None, json: Json = False) -> None:
    """Make an access key.

    Args:
        name: The user that holds it; made if there is none.
        policy: What a new user may do: one of the managed policies, FullAccess unless said. One that exists keeps its own.
    """
    from careen.registry import principals

    with registry_of(data) as registry:
        chosen = managed(policy or "FullAccess")
        if policy is not None and registry.read(_lacks, name, chosen):
            fail(
                f"there is a user {name} already, and {policy} is not attached to it",
                f"`careen user attach {name} {policy}`; without --policy a user keeps its own",
            )
        try:
            made = registry.write_now(principals.create_key, registry.master_key, name, chosen)
        except principals.InvalidName as error:
            fail(str(error))
    _print(made, json=json)


@app.command(name="list")
def list_keys(*, data: Data = None, json: Json = False) -> None:
    """List the access keys, without their secrets."""
    from careen.registry import principals

    with opened(data) as registry:
        keys = registry.read(principals.list_keys)
    if json:
        print_json(
            [
                {
                    "accessKeyId": key.access_key_id,
                    "name": key.name,
                    "active": key.active,
                    "policies": list(policies),
                }
                for key, policies in keys
            ]
        )
        return
    for key, policies in keys:
        state = "" if key.active else "  (inactive)"
        print(f"{key.access_key_id}  {key.name}  {', '.join(policies) or 'no managed policy'}{state}")


@app.command
def show(access_key_id: str, *, data: Data = None, json: Json = False) -> None:
    """Show an access key with its secret, as lines to paste.

    Args:
        access_key_id: The key's id: AKIA…
    """
    from careen.registry import principals

    with opened(data) as registry:
        key = registry.read(principals.reveal_key, registry.master_key, access_key_id)
    if key is None:
        fail(f"there is no access key {access_key_id}", "see `careen key list`")
    _print(key, json=json)


@app.command
def delete(access_key_id: str, *, data: Data = None) -> None:
    """Delete an access key; what it signed is refused from now on.

    Args:
        access_key_id: The key's id: AKIA…
    """
    from careen.registry import principals

    with opened(data) as registry:
        if not registry.write_now(principals.delete_key, access_key_id):
            fail(f"there is no access key {access_key_id}", "see `careen key list`")


@app.command
def deactivate(access_key_id: str, *, data: Data = None) -> None:
    """Switch an access key off: what it signs is refused, until it is switched on again.

    Args:
        access_key_id: The key's id: AKIA…
    """
    _switch(access_key_id, data, active=False)


@app.command
def activate(access_key_id: str, *, data: Data = None) -> None:
    """Switch an access key on.

    Args:
        access_key_id: The key's id: AKIA…
    """
    _switch(access_key_id, data, active=True)


def _lacks(tx: "Transaction", name: str, policy: "ManagedPolicy") -> bool:
    """Whether there is a user of that name without that policy."""
    from careen.iam.errors import NoSuchEntity
    from careen.registry import identity_policies
    from careen.registry.identities import Kind

    try:
        return policy not in identity_policies.attached(tx, Kind.USER, name)
    except NoSuchEntity:
        return False


def _switch(access_key_id: str, data: str | None, *, active: bool) -> None:
    from careen.registry import principals

    with registry_of(data, NoSuchEntity="see `careen key list`") as registry:
        registry.write_now(principals.set_active, access_key_id, active=active)


def _print(key: "NewKey", *, json: bool) -> None:
    if json:
        print_json(
            {
                "accessKeyId": key.access_key_id,
                "secretAccessKey": key.secret_access_key,
                "name": key.name,
                "policies": list(key.policies),
            }
        )
        return
    settings = load_settings({})
    url = base_url(settings)
    print(f"# {key.name}, {', '.join(key.policies) or 'no managed policy'}")
    print(f"export AWS_ENDPOINT_URL_ECR={url} AWS_ENDPOINT_URL_ECR_PUBLIC={url} AWS_ENDPOINT_URL_STS={url}")
    print(f"export AWS_ENDPOINT_URL_IAM={url}")
    print(f"export AWS_ACCESS_KEY_ID={key.access_key_id} AWS_SECRET_ACCESS_KEY={key.secret_access_key}")
    print(f"export AWS_DEFAULT_REGION={settings.region}")
