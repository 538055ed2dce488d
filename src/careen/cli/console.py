"""``careen console``: a link into the console, for whoever may read the data folder."""

from careen.cli.data import load_settings
from careen.cli.identity import Data, registry_of
from careen.cli.links import console_url, link_for
from careen.cli.output import fail


def console(name: str | None = None, *, data: Data = None, port: int | None = None) -> None:
    """Print a link that signs somebody in to the console, once, within a quarter of an hour.

    Works on the data folder, and asks no policy.

    Args:
        name: The user; the administrator of the first start if not given, or the account itself if the settings have a key.
        port: That of `careen serve`, if its settings do not say.
    """
    with registry_of(data, NoSuchEntity="see `careen user list`") as registry:
        link = link_for(registry, name)
    if link is None:
        fail("there is no user administrator any more", "`careen console NAME`; see `careen user list`")
    print(console_url(load_settings({"data": data, "port": port}), link))
