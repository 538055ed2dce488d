"""``careen key``: access keys of the registry in a data folder."""

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from careen.cli.data import load_settings, opened
from careen.cli.output import fail, print_json

if TYPE_CHECKING:
    from careen.registry.principals import NewKey

app = App(name="key", help="Access keys: create, list, show, delete.")

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Policy = Literal[
    "PullOnly",
    "ReadOnly",
    "PowerUser",
    "FullAccess",
    "PinReporter",
    "Replicator",
    "PublicReadOnly",
    "PublicPowerUser",
    "PublicFullAccess",
]


@app.command
def create(name: str, *, policy: Policy = "FullAccess", data: Data = None, json: Json = False) -> None:
    """Make an access key.

    Args:
        name: The principal that holds it; made if there is none.
        policy: What a new principal may do: one of the managed policies of Amazon ECR or ECR Public, or only report images in
            use, or only replicate to here.
    """
    from careen.iam.managed import ManagedPolicy
    from careen.registry import principals

    with opened(data) as registry:
        # PublicFullAccess ends in FullAccess, too, and is longer.
        chosen = min((each for each in ManagedPolicy if each.endswith(policy)), key=len)
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
            [{"accessKeyId": key.access_key_id, "name": key.name, "policy": key.policy} for key in keys]
        )
        return
    for key in keys:
        print(f"{key.access_key_id}  {key.name}  {key.policy}")


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


def _print(key: "NewKey", *, json: bool) -> None:
    if json:
        print_json(
            {
                "accessKeyId": key.access_key_id,
                "secretAccessKey": key.secret_access_key,
                "name": key.name,
                "policy": key.policy,
            }
        )
        return
    from careen.cli.serve import base_url

    settings = load_settings({})
    url = base_url(settings)
    print(f"# {key.name}, {key.policy}")
    print(f"export AWS_ENDPOINT_URL_ECR={url} AWS_ENDPOINT_URL_ECR_PUBLIC={url} AWS_ENDPOINT_URL_STS={url}")
    print(f"export AWS_ACCESS_KEY_ID={key.access_key_id} AWS_SECRET_ACCESS_KEY={key.secret_access_key}")
    print(f"export AWS_DEFAULT_REGION={settings.region}")
