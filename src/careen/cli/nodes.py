"""``careen nodes``: who works on a database that several nodes share."""

from typing import Annotated

from cyclopts import Parameter

from careen.cli.data import opened
from careen.cli.output import print_json


def nodes(
    *,
    data: Annotated[str | None, Parameter(help="The data folder.")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> None:
    """List the nodes that are at work, the oldest first. One that was killed is listed for half a minute more.

    Needs a database on a server: where the rows are in a data folder there is one node, and it is not noted.
    """
    from careen.clock import SECOND, isoformat
    from careen.registry import nodes as registered

    with opened(data) as registry:
        found = registry.read(registered.every)
    if json:
        print_json(
            [
                {
                    "name": node.name,
                    "id": node.id,
                    "version": node.version,
                    "schema": node.schema,
                    "processes": node.processes,
                    "startedAt": isoformat(node.started_at),
                    "seenAt": isoformat(node.seen_at),
                    "clockOffsetSeconds": node.clock_offset / SECOND,
                }
                for node in found
            ]
        )
        return
    for node in found:
        off = (
            ""
            if abs(node.clock_offset) <= registered.SUSPECT
            else f"  CLOCK {node.clock_offset / SECOND:+.1f} s"
        )
        print(
            f"{node.name}  {node.id}  Careen {node.version} (schema {node.schema})  {node.processes} HTTP"
            f"  since {isoformat(node.started_at - node.started_at % SECOND)}{off}"
        )
