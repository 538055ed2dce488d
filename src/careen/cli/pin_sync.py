"""``careen pin sync``: report the images that run somewhere.

The exit status of a single report: 0 it was whole, 3 it was not (nothing is lost by that, and nothing ends), 1 there was none.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

from cyclopts import App, Parameter

from careen.cli.output import fail, plural, print_json
from careen.cli.policy.inputs import Json, refuse

if TYPE_CHECKING:
    from botocore.session import Session

    from careen.pins.sighting import Sighting

app = App(
    name="sync",
    help="Report the images that run somewhere, now or again and again."
    " What a complete report has no more stays pinned for a day; a feed that stops reporting keeps its pins for the grace.",
)

IN_PART = 3
"""The exit status where not all could be seen."""


@Parameter(name="*")
@dataclass(frozen=True)
class Reporting:
    """How to report."""

    source: Annotated[
        str | None,
        Parameter(help="The feed's name, one for each cluster, account or list; there is a default."),
    ] = None
    host: Annotated[
        tuple[str, ...],
        Parameter(
            negative="",
            help="A name by which workloads know the registry, * for anything; can be given again. Without: its endpoint's.",
        ),
    ] = ()
    ttl: Annotated[str, Parameter(help="How long what is not seen any more stays pinned: 12h, 2 days.")] = (
        "1 day"
    )
    every: Annotated[
        float | None, Parameter(help="Report again and again, with so many seconds between.")
    ] = None
    registry_profile: Annotated[
        str | None, Parameter(help="The profile of the AWS configuration that leads to the registry.")
    ] = None
    json: Json = False


Revisions = Annotated[
    int, Parameter(help="How many of the latest revisions of a workload may be gone back to.")
]
AwsProfile = Annotated[
    str | None, Parameter(help="The profile of the AWS configuration that leads to the account to look at.")
]
AwsRegion = Annotated[str | None, Parameter(help="Its Region.")]

ONCE = Reporting()


@app.command
def kubernetes(
    *,
    context: Annotated[str | None, Parameter(help="Of kubeconfig.")] = None,
    namespace: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Where to look; can be given again. Without: everywhere."),
    ] = (),
    revisions: Revisions = 3,
    reporting: Reporting = ONCE,
) -> None:
    """Report what runs in a Kubernetes cluster, and what a rollback or a CronJob would start.

    The cluster is that of the context; without one that which this runs in, or kubeconfig's current one.
    """
    try:
        from careen.pins import kubernetes as feed
    except ImportError:
        fail("lightkube is not installed", "pip install 'careen[kubernetes]'")
    try:
        configured = feed.configuration(context)
    except feed.NoCluster as error:
        refuse("NoCluster", str(error), "name a context with --context", reporting.json)
    if reporting.source is None and configured.context_name == "default":
        # As every cluster calls itself from within. Two of one name would end each other's pins.
        refuse(
            "NoSource", "nothing says what the cluster is called", "--source kubernetes/prod", reporting.json
        )
    consumers = reporting.source or f"kubernetes/{configured.context_name}"
    _run(
        reporting,
        _named(reporting, consumers, namespace),
        lambda seen: feed.look(configured, consumers, seen, namespaces=namespace, revisions=revisions),
    )


@app.command
def ecs(
    *,
    cluster: Annotated[
        tuple[str, ...], Parameter(negative="", help="A name or ARN; can be given again. Without: all.")
    ] = (),
    revisions: Revisions = 3,
    aws_profile: AwsProfile = None,
    aws_region: AwsRegion = None,
    reporting: Reporting = ONCE,
) -> None:
    """Report what runs on Amazon ECS: tasks, services, and what services may go back to."""
    from careen.pins import ecs as feed

    session = _aws(aws_profile)
    consumers = reporting.source or _account("ecs", session, aws_region, reporting)
    client = session.create_client("ecs", aws_region)
    _run(
        reporting,
        _named(reporting, consumers, cluster),
        lambda seen: feed.look(client, consumers, seen, clusters=cluster, revisions=revisions),
    )


@app.command(name="lambda")
def functions(
    *, aws_profile: AwsProfile = None, aws_region: AwsRegion = None, reporting: Reporting = ONCE
) -> None:
    """Report the images of AWS Lambda's functions, of all published versions."""
    from careen.pins import functions as feed

    session = _aws(aws_profile)
    source = reporting.source or _account("lambda", session, aws_region, reporting)
    client = session.create_client("lambda", aws_region)
    _run(reporting, source, lambda seen: feed.look(client, source, seen))


@app.command(name="list")
def listed(where: str, *, reporting: Reporting = ONCE) -> None:
    """Report the images of a list that somebody else keeps: one to a line, and after it what uses it.

    Args:
        where: A file, or an http:// or https:// address.
    """
    from careen.pins import listed as feed

    source = reporting.source or f"list/{where}"
    _run(reporting, source, lambda seen: feed.look(where, source, seen))


def _named(reporting: Reporting, whole: str, parts: tuple[str, ...]) -> str:
    """The feed's name: one that looks at a part only must not speak for the whole, and end what others report."""
    return whole if reporting.source or not parts else f"{whole}[{','.join(sorted(parts))}]"


def _aws(profile: str | None) -> "Session":
    import botocore.session

    return botocore.session.Session(profile=profile)


def _account(service: str, session: "Session", region: str | None, reporting: Reporting) -> str:
    """``ecs/123456789012/eu-central-1``."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client: Any = session.create_client("sts", region)
        return f"{service}/{client.get_caller_identity()['Account']}/{client.meta.region_name}"
    except (BotoCoreError, ClientError) as error:
        refuse(
            "NotReached",
            f"nothing says whose account it is: {error}",
            "name the feed: --source",
            reporting.json,
        )


def _run(reporting: Reporting, source: str, look: Callable[["Sighting"], None]) -> None:
    """Report once, and end with the status that this has; or for ever."""
    from careen.cli.policy.service import careen
    from careen.clock import SECOND
    from careen.lifecycle.policy_fixture import InvalidPolicyTest, duration

    try:
        ttl = duration(reporting.ttl) // SECOND
    except InvalidPolicyTest as wrong:
        refuse("InvalidInput", str(wrong), None, reporting.json)
    client = careen(reporting.json, reporting.registry_profile)
    hosts = reporting.host or (urlsplit(client.meta.endpoint_url).netloc,)
    while True:
        status = _once(reporting, client, source, ttl, hosts, look)
        if reporting.every is None:
            sys.exit(status)
        sys.stdout.flush()
        time.sleep(reporting.every)


def _once(
    reporting: Reporting,
    client: Any,
    source: str,
    ttl: int,
    hosts: tuple[str, ...],
    look: Callable[["Sighting"], None],
) -> int:
    from botocore.exceptions import BotoCoreError, ClientError

    from careen.pins.report import report
    from careen.pins.sighting import Sighting

    seen = Sighting(hosts)
    look(seen)
    for problem in seen.problems:
        print(f"not seen: {problem}", file=sys.stderr)
    try:
        found = report(client, source, ttl, seen)
    except (BotoCoreError, ClientError) as error:
        print(f"error: not reported: {error}", file=sys.stderr)
        return 1
    if reporting.json:
        print_json(
            {
                "source": source,
                "complete": found.is_whole,
                "pinned": found.pinned,
                "ended": found.ended,
                "ofOtherRegistries": seen.foreign,
                "missing": found.missing,
                "problems": seen.problems,
            }
        )
    else:
        for each in found.missing:
            print(f"runs, but is not in the registry: {each}", file=sys.stderr)
        how = "all" if found.is_whole else "a part: nothing ends by it"
        print(
            f"{source}: {plural(found.pinned, 'image')} in use, {plural(found.ended, 'pin')} ended,"
            f" {seen.foreign:,} of other registries ({how})"
        )
    return 0 if found.is_whole else IN_PART
