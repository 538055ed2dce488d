"""``careen serve``: how to serve, from options, environment and file. :mod:`careen.cli.main` goes on with that."""

from typing import Annotated

from cyclopts import Parameter

from careen.cli.data import load_settings
from careen.settings import Settings


def serve(
    *,
    data: str | None = None,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    create_on_push: Annotated[bool | None, Parameter(negative="--no-create-on-push")] = None,
) -> Settings:
    """Start the registry.

    Every setting may also be given as CAREEN_<NAME> in the environment or in careen.toml.

    Args:
        data: The data folder; made if it does not exist.
        host: The address to listen on; 0.0.0.0 for all.
        port: The port to listen on.
        workers: HTTP worker processes.
        create_on_push: Whether a push to a repository that does not exist creates it.
    """
    return load_settings(
        {"data": data, "host": host, "port": port, "workers": workers, "create_on_push": create_on_push}
    )
