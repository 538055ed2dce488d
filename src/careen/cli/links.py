"""Where a registry is reached, and the links into its console."""

from typing import TYPE_CHECKING

from careen.settings import Settings

if TYPE_CHECKING:
    from careen.registry.registry import Registry


def base_url(settings: Settings) -> str:
    """``http://localhost:5000``: where clients reach the registry, by its public URL or else on this machine."""
    host = "localhost" if settings.host in {"127.0.0.1", "0.0.0.0", "::1", "::"} else settings.host  # noqa: S104 compared
    own = f"{'https' if settings.tls_certificate else 'http'}://{host}:{settings.port}"
    return settings.public_url.rstrip("/") or own


def console_url(settings: Settings, link: str) -> str:
    """Where a link into the console leads that has this secret."""
    return f"{base_url(settings)}/console/sign-in?link={link}"


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
