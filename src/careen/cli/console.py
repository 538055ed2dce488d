"""``careen console``: a link into the console, for whoever may read the data folder."""

from typing import TYPE_CHECKING

from careen.cli.data import load_settings
from careen.cli.identity import Data, registry_of
from careen.cli.output import fail

if TYPE_CHECKING:
    from careen.registry.registry import Registry


def console(name: str | None = None, *, data: Data = None, port: int | None = None) -> None:
    """Print a link that signs somebody in to the console, once, within a quarter of an hour.

    Works on the data folder, and asks no policy.

    Args:
        name: The user; the administrator of the first start if not given, or the account itself if the settings have a key.
        port: That of `careen serve`, if its settings do not say.
    """
    from careen.cli.serve import console_url

    with registry_of(data, NoSuchEntity="see `careen user list`") as registry:
        link = link_for(registry, name)
    if link is None:
        fail("there is no user administrator any more", "`careen console NAME`; see `careen user list`")
    print(console_url(load_settings({"data": data, "port": port}), link))


def link_for(registry: "Registry", name: str | None = None) -> str | None:
    """What a new link has.

    Args:
        registry: the registry.
        name: the user's; None: the administrator of the first start, or the account itself if the settings have a key.

    Returns:
        None: there is no such administrator.

    Raises:
        NoSuchEntity: there is no such user.
    """
    from careen.clock import system_now
    from careen.registry import console_sessions, identities, principals
    from careen.registry.identities import Kind

    user = None
    if name is not None:
        user = registry.read(identities.require, Kind.USER, name)
    elif registry.root_key is None:
        user = registry.read(identities.find, Kind.USER, principals.ADMINISTRATOR)
        if user is None:
            return None
    return registry.write_now(console_sessions.make_link, user, system_now())
