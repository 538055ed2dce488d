"""``careen fleet permissions``."""

from typing import Annotated, Literal

from cyclopts import Parameter

from careen.cli.output import print_json


def permissions(
    what: Literal["read", "preview", "apply", "clean", "protect", "rollback"] = "read",
    /,
    *,
    partition: Annotated[str, Parameter(help="Of AWS: aws, aws-cn, aws-us-gov.")] = "aws",
) -> None:
    """Print the IAM policy that a command needs, no more.

    Args:
        what: read for scan; preview for a plan that asks ECR for previews; the others on top of read; apply is for drift, too.
    """
    from careen.fleet.permissions import document

    print_json(document(what, partition))
