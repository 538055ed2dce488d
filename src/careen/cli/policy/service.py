"""The commands of ``careen policy`` on a registry: they ask its ``careen`` service, as the AWS configuration leads there.

Endpoint, region, profile and keys are found as the AWS CLI finds them. ``AWS_ENDPOINT_URL_CAREEN`` names the registry; where
only ECR's endpoint is configured, that is taken, as both are served at one address.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from careen.cli.policy.inputs import refuse

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from botocore.session import Session

_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")

HINT = "set AWS_ENDPOINT_URL_ECR, AWS_DEFAULT_REGION and keys as `careen serve` prints them (`careen policy` also takes --images)"


def ask(operation: str, json: bool, **parameters: Any) -> dict[str, Any]:
    """Call an operation; pages are put together.

    Args:
        operation: boto3's name of it, ``explain_image``.
        json: how errors are printed.
        parameters: by the model's names; what is None is left out.

    Returns:
        The answer as the files' commands have it: times are text.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    with refusing(json):
        return call(careen(json), operation, **given)


def call(client: "BaseClient", operation: str, **parameters: Any) -> dict[str, Any]:
    """Call an operation of any service; pages are put together, times are text."""
    if client.can_paginate(operation):
        answer = client.get_paginator(operation).paginate(**parameters).build_full_result()
    else:
        answer = getattr(client, operation)(**parameters)
    answer.pop("ResponseMetadata", None)
    document: dict[str, Any] = _as_text(answer)
    return document


def ecr() -> "BaseClient":
    """A client of ECR's API, Amazon's or a registry's."""
    import botocore.session

    return botocore.session.get_session().create_client("ecr")


@contextmanager
def refusing(json: bool) -> Iterator[None]:
    """End the program in its own words when a service refuses, or is not reached."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as refused:
        answer: dict[str, Any] = dict(refused.response)
        error, plan = answer["Error"], answer.get("planHash")
        hint = plan and f"look through it with `careen policy diff`, then --accept {plan}"
        if error["Code"] == "WebhookNotFoundException":
            hint = "`careen webhook list` says which there are"
        refuse(error["Code"], error["Message"], hint, json)
    except ParamValidationError as wrong:
        refuse("InvalidInput", str(wrong.kwargs["report"]), None, json)
    except (BotoCoreError, ValueError) as failed:  # the latter: an address that is none
        refuse("NotReached", str(failed), HINT, json)


def careen(json: bool, profile: str | None = None) -> "BaseClient":
    """A client of a registry's own service; the profile is one of the AWS configuration."""
    import botocore.session

    from careen.ecr.model import OWN_MODELS

    session = botocore.session.Session(profile=profile)
    session.get_component("data_loader").search_paths.append(str(OWN_MODELS))
    return session.create_client("careen", endpoint_url=_endpoint(session, json))


def _endpoint(session: "Session", json: bool) -> str:
    """The first that is configured; AWS has no such service, so its own address is none."""
    urls = (session.create_client(service).meta.endpoint_url for service in ("careen", "ecr"))
    found: str | None = next((url for url in urls if not url.endswith(_AMAZON)), None)
    return found or refuse(
        "NotReached", "no registry is configured, and Amazon ECR does not answer this", HINT, json
    )


def _as_text(value: Any) -> Any:
    from careen.clock import from_datetime, isoformat

    match value:
        case dict():
            return {name: _as_text(each) for name, each in value.items()}
        case list():
            return [_as_text(each) for each in value]
        case dt.datetime():
            return isoformat(from_datetime(value))
    return value
