"""What runs on AWS App Runner: the image of every service."""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from careen.pins.sighting import Watcher


def look(client: Any, consumers: str, seen: Watcher) -> None:
    """Look through an account's services.

    Args:
        client: botocore's, of App Runner.
        consumers: what the names of consumers begin with, such as ``apprunner/123456789012/eu-west-1``.
        seen: where to note what is there, and what could not be read.
    """
    for service in _services(client, seen):
        name = service["ServiceName"]
        try:
            found = client.describe_service(ServiceArn=service["ServiceArn"])["Service"]
        except (ClientError, BotoCoreError) as error:
            seen.miss(name, error)
            continue
        image = found["SourceConfiguration"].get("ImageRepository", {}).get("ImageIdentifier")
        if image is not None and found["Status"] != "DELETED":
            seen.see(image, f"{consumers}/{name}")


def _services(client: Any, seen: Watcher) -> Iterator[dict[str, Any]]:
    # botocore has no paginator for this.
    token: dict[str, str] = {}
    try:
        while True:
            page = client.list_services(**token)
            yield from page["ServiceSummaryList"]
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}
    except (ClientError, BotoCoreError) as error:
        seen.miss("services", error)
