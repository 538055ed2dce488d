"""``careen provider``: whose tokens may assume roles, in a data folder."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from careen.cli.identity import Data, Json, registry_of
from careen.cli.output import fail, print_json

if TYPE_CHECKING:
    from careen.registry.providers import Provider

app = App(
    name="provider", help="OpenID Connect providers, whose tokens may assume roles: create, list, delete."
)


@app.command
def create(
    url: str,
    *,
    client_id: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Whom its tokens may be for (aud); can be given again."),
    ] = ("sts.amazonaws.com",),
    keys: Annotated[
        str | None,
        Parameter(
            help="A file with its JSON Web Key Set. Without, the provider is asked for it when needed."
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Register a provider.

    Args:
        url: Its URL as tokens have it in `iss`: https://token.actions.githubusercontent.com
    """
    from careen.ecr.arn import provider_arn
    from careen.registry import providers

    found = None if keys is None else _key_set(keys)
    with registry_of(data, InvalidInput="https://HOST/PATH, as its tokens have it in iss") as registry:
        made = registry.write_now(providers.create, url, client_id, (), found)
        print(provider_arn(registry.id, made.issuer))


@app.command(name="list")
def list_(*, data: Data = None, json: Json = False) -> None:
    """List the providers."""
    from careen.registry import providers

    with registry_of(data) as registry:
        found = registry.read(providers.every)
    if json:
        print_json([_described(each) for each in found])
        return
    for each in found:
        print(
            f"https://{each.issuer}  {', '.join(each.audiences)}{'' if each.keys is None else '  (keys given)'}"
        )
    if not found:
        print("there is no provider")


@app.command
def delete(url: str, *, data: Data = None) -> None:
    """Forget a provider. Its tokens assume no role any more.

    Args:
        url: Its URL.
    """
    from careen.ecr.arn import provider_arn
    from careen.registry import providers

    with registry_of(data, NoSuchEntity="see `careen provider list`") as registry:
        registry.write_now(providers.delete, provider_arn(registry.id, url.removeprefix("https://")))


def _key_set(file: str) -> dict[str, Any]:
    import msgspec

    from careen.cli.policy.inputs import read_policy_text
    from careen.issuers import is_key_set

    try:
        found = msgspec.json.decode(read_policy_text(file, json=False) or "")
    except msgspec.DecodeError:
        found = None
    if not is_key_set(found):
        fail(f"{file} is no JSON Web Key Set", 'it begins with {"keys": [', code=2)
    keys: dict[str, Any] = found
    return keys


def _described(provider: "Provider") -> dict[str, Any]:
    return {
        "url": f"https://{provider.issuer}",
        "clientIds": list(provider.audiences),
        "keys": provider.keys,
    }
