"""Audit records as AWS CloudTrail writes them (CloudTrail user guide, "CloudTrail record contents", version 1.09).

Members that this registry has nothing for are left out (``sessionContext``, ``tlsDetails``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from careen.clock import SECOND, Instant, isoformat
from careen.ecr.arn import RepositoryArn

VERSION = "1.09"

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What CloudTrail writes in the place of a secret."""

MAX_TEXT = 16 * 1024
"""Longer text is cut: CloudTrail's records have 256 KB at most, and a manifest may have 4 MiB."""

_SECRETS = {
    "authorizationtoken", "newpassword", "oldpassword", "password", "secret", "secretaccesskey", "sessiontoken", "secretstring",
    "tokencode", "webidentitytoken",
}  # fmt: skip

_READING = (
    "BatchCheck", "BatchGet", "Describe", "Diff", "Explain", "Forecast", "Get", "Lint", "List", "Simulate", "Validate",
)  # fmt: skip


def is_read_only(operation: str) -> bool:
    """Whether an operation changes nothing, as its name says."""
    return operation.startswith(_READING)


def presentable(value: Any) -> Any:
    """Parameters or an answer as they may be written down: without secrets, layers' bytes and text of megabytes."""
    match value:
        case Mapping():
            return {
                name: HIDDEN if name.lower() in _SECRETS and inner is not None else presentable(inner)
                for name, inner in value.items()
            }
        case bytes():
            return f"({len(value)} bytes)"
        case str() if len(value) > MAX_TEXT:
            return f"{value[:MAX_TEXT]}… ({len(value)} characters)"
        case str():
            return value
        case Sequence():
            return [presentable(each) for each in value]
    return value


def identity(account: str, arn: str | None, access_key_id: str | None) -> dict[str, str]:
    """``userIdentity``: who called. None: nobody that is known."""
    if arn is None:
        return {"type": "Unknown", **({"accessKeyId": access_key_id} if access_key_id else {})}
    kind, _, name = arn.rpartition(":")[2].partition("/")
    found = {
        "type": {"root": "Root", "user": "IAMUser", "assumed-role": "AssumedRole"}.get(kind, "Unknown"),
        "principalId": name or account,
        "arn": arn,
        "accountId": account,
    }
    if access_key_id:
        found["accessKeyId"] = access_key_id
    if kind == "user":
        found["userName"] = name
    return found


def api_call(
    *,
    account: str,
    region: str,
    event_id: str,
    request_id: str,
    time: Instant,
    service: str,
    name: str,
    user: Mapping[str, str],
    address: str | None,
    user_agent: str | None,
    parameters: Any,
    response: Any,
    repository: str | None,
    error: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """The record of an API call.

    Args:
        account: the registry's id.
        region: the registry's.
        event_id: of this record.
        request_id: of the request.
        time: when it was answered.
        service: the signing name: ``ecr``, ``careen``.
        name: the operation.
        user: :func:`identity`.
        address: the client's; None: not known.
        user_agent: the client's.
        parameters: the request's; None: they could not be read.
        response: what changed; None for calls that change nothing.
        repository: the repository it is about.
        error: code and message, of a call that was refused or failed.
    """
    record: dict[str, Any] = {
        "eventVersion": VERSION,
        "userIdentity": dict(user),
        "eventTime": isoformat(time // SECOND * SECOND),
        "eventSource": service if service == "careen" else f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": address,
        "userAgent": user_agent,
        "requestParameters": presentable(parameters),
        "responseElements": presentable(response),
        "requestID": request_id,
        "eventID": event_id,
        "readOnly": is_read_only(name),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }
    if repository is not None:
        record["resources"] = _resources(account, region, repository)
    if error is not None:
        record["errorCode"], record["errorMessage"] = error
    return record


def console_login(
    *,
    account: str,
    region: str,
    event_id: str,
    time: Instant,
    user: Mapping[str, str],
    method: str,
    address: str | None,
    user_agent: str | None,
    error: str | None = None,
) -> dict[str, Any]:
    """The record of somebody who signed in to the console, or was refused (CloudTrail user guide, "Console sign-in events").

    Args:
        account: the registry's id.
        region: the registry's.
        event_id: of this record.
        time: when it was answered.
        user: :func:`identity`, or :func:`claimed_user` if it was refused.
        method: what was shown: ``Password``, ``AccessKey``, ``Link``.
        address: the client's; None: not known.
        user_agent: the client's.
        error: why it was refused; None: it was not.
    """
    record: dict[str, Any] = {
        "eventVersion": VERSION,
        "userIdentity": dict(user),
        "eventTime": isoformat(time // SECOND * SECOND),
        "eventSource": "signin.amazonaws.com",
        "eventName": "ConsoleLogin",
        "awsRegion": region,
        "sourceIPAddress": address,
        "userAgent": user_agent,
        "requestParameters": None,
        "responseElements": {"ConsoleLogin": "Success" if error is None else "Failure"},
        "additionalEventData": {"MFAUsed": "No", "SignInMethod": method},
        "eventID": event_id,
        "readOnly": False,
        "eventType": "AwsConsoleSignIn",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }
    if error is not None:
        record["errorMessage"] = error
    return record


def claimed_user(account: str, name: str | None) -> dict[str, str]:
    """``userIdentity`` of a sign-in that was refused. A name that nobody has is hidden: it may be a password in the wrong field."""
    return {
        "type": "IAMUser",
        "accountId": account,
        "accessKeyId": "",
        "userName": HIDDEN if name is None else name,
    }


def service_event(
    *, account: str, region: str, event_id: str, time: Instant, name: str, repository: str, details: Any
) -> dict[str, Any]:
    """The record of something that the registry did by itself (ECR user guide, logging-using-cloudtrail)."""
    return {
        "eventVersion": VERSION,
        "userIdentity": {"accountId": account, "invokedBy": "AWS Internal"},
        "eventTime": isoformat(time // SECOND * SECOND),
        "eventSource": "ecr.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": "AWS Internal",
        "userAgent": "AWS Internal",
        "requestParameters": None,
        "responseElements": None,
        "eventID": event_id,
        "readOnly": True,
        "resources": _resources(account, region, repository),
        "eventType": "AwsServiceEvent",
        "managementEvent": True,
        "recipientAccountId": account,
        "serviceEventDetails": details,
        "eventCategory": "Management",
    }


def _resources(account: str, region: str, repository: str) -> list[dict[str, str]]:
    return [
        {
            "accountId": account,
            "type": "AWS::ECR::Repository",
            "ARN": str(RepositoryArn(region, account, repository)),
        }
    ]
