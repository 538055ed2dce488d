"""``careen fleet permissions``."""

from typing import Annotated, Literal

from cyclopts import Parameter

from careen.cli.output import print_json


def permissions(
    what: Literal["read", "preview", "apply", "clean", "protect"] = "read",
    /,
    *,
    partition: Annotated[str, Parameter(help="Of AWS: aws, aws-cn, aws-us-gov.")] = "aws",
) -> None:
    """Print the IAM policy that a command needs, no more.

    Args:
        what: read for scan; preview for a plan that asks ECR for previews; apply, clean and protect come on top of read.
    """
    from careen.fleet.permissions import document

    print_json(document(what, partition))
