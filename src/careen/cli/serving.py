"""Serving, by settings that are known: start the registry, and say what to paste."""

import sys
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from careen.apart import apart
from careen.cli.links import base_url, console_url, link_for
from careen.cli.output import fail
from careen.settings import Settings

if TYPE_CHECKING:
    from careen.registry.principals import NewKey
    from careen.startup import Start


class Prepared(NamedTuple):
    """What a start has found out and made."""

    start: "Start"
    """For the processes that serve."""
    key: "NewKey | None"
    """The administrator's, at the first start, to be told once."""
    link: str | None
    """What signs somebody in to the console once; None: nobody would see it, or there is no administrator."""


def serve(settings: Settings) -> NoReturn:
    """Serve until told to stop, and end the program.

    Args:
        settings: how.
    """
    from careen import processes, startup

    try:
        # Migrations take 24 MB of libraries.
        prepared = apart(_prepare, settings, is_watched=sys.stdout.isatty())
        status = processes.serve(
            settings, prepared.start, ready=lambda: print(greeting(settings, prepared), flush=True)
        )
    except startup.CannotStart as error:
        fail(str(error))
    sys.exit(status)


def _prepare(settings: Settings, *, is_watched: bool = False) -> Prepared:
    """Make the data folder ready.

    Args:
        settings: of the registry.
        is_watched: whether somebody looks on. A link that signs an administrator in belongs on a terminal; what is printed
            elsewhere is kept, and read by others. At the first start it goes where the key goes.
    """
    from careen import startup
    from careen.registry import principals

    startup.prepare(settings)
    start = startup.begin(settings)
    registry = startup.open_registry(settings, start=start)
    try:
        key = None
        if registry.root_key is None:
            key = registry.write_now(principals.create_administrator, registry.master_key)
        return Prepared(start, key, link_for(registry) if is_watched or key is not None else None)
    finally:
        registry.close()


def greeting(settings: Settings, prepared: Prepared) -> str:
    """What to paste. The secret is shown at the first start only; `careen key show` shows it again."""
    url, created = base_url(settings), prepared.key
    console = f"careen console --data {settings.data}"
    if settings.port != Settings().port and not settings.public_url:
        console += f" --port {settings.port}"
    at = url.partition("://")[2]
    lines = [f"Careen serves {url}   (data in {settings.data}, health at {url}/readyz)", ""]
    if created is not None:
        lines += [
            "An administrator's access key was made. Paste this into the shell you work in:",
            "",
            f"  export AWS_ENDPOINT_URL_ECR={url} AWS_ENDPOINT_URL_ECR_PUBLIC={url} AWS_ENDPOINT_URL_STS={url}",
            f"  export AWS_ENDPOINT_URL_IAM={url}",
            f"  export AWS_ACCESS_KEY_ID={created.access_key_id} AWS_SECRET_ACCESS_KEY={created.secret_access_key}",
            f"  export AWS_DEFAULT_REGION={settings.region}",
            "",
        ]
    elif settings.access_key_id:
        lines += [f"The access key of the settings, {settings.access_key_id}, may do everything.", ""]
    else:
        lines += [
            f"Your access keys: careen key list --data {settings.data}   (and `careen key show ID` for what to paste)",
            "",
        ]
    if prepared.link is not None:
        lines += [
            f"The console, signed in; the link works once, within a quarter of an hour (`{console}` prints another):",
            "",
            f"  {console_url(settings, prepared.link)}",
            "",
        ]
    else:
        lines += [
            f"The console: {url}/console/   (`{console}` prints a link into it)",
            "",
        ]
    tls = "" if url.startswith("https") else " --tls-verify=false"
    lines += [
        "Log in (docker allows plain HTTP on localhost):",
        "",
        f"  aws ecr get-login-password | docker login --username AWS --password-stdin {at}",
        f"  aws ecr get-login-password | skopeo login{tls} --username AWS --password-stdin {at}",
        "",
        "Then try:",
        "",
        "  1. aws ecr create-repository --repository-name hello",
        f"  2. docker tag alpine {at}/hello:1 && docker push {at}/hello:1",
        "  3. aws ecr put-lifecycle-policy --repository-name hello --lifecycle-policy-text file://examples/keep-ten.json",
        "",
        "Stop with Ctrl-C. See also: careen demo, careen policy simulate --help, careen storage.",
    ]
    return "\n".join(lines)
