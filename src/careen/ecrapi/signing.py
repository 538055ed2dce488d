"""Signing: the registry's configuration, and whether an image is signed."""

from collections.abc import Sequence
from typing import Any

from careen.ecrapi.call import Call
from careen.ecrapi.images import require_image
from careen.registry import repositories, signing
from careen.registry.images import ImageRow
from careen.registry.registry import Transaction
from careen.registry.signing import Rule

Parameters = dict[str, Any]
Result = dict[str, Any]

UNSIGNED = (
    "SignatureNotFound",
    "No signature of this image was pushed, and this registry does not sign images itself.",
)
"""Failure code and reason. FAILED rather than IN_PROGRESS: whoever waits for a signature of ours waits in vain."""


async def put_signing_configuration(call: Call, parameters: Parameters) -> Result:
    """PutSigningConfiguration."""
    rules = tuple(_rule(rule) for rule in parameters["signingConfiguration"]["rules"])
    return {"signingConfiguration": _configuration(await call.registry.write(signing.put, rules))}


async def get_signing_configuration(call: Call, _: Parameters) -> Result:
    """GetSigningConfiguration."""
    rules = call.registry.read(signing.get)
    return {"registryId": call.registry.id, "signingConfiguration": _configuration(rules)}


async def delete_signing_configuration(call: Call, _: Parameters) -> Result:
    """DeleteSigningConfiguration."""
    rules = await call.registry.write(signing.delete)
    return {"registryId": call.registry.id, "signingConfiguration": _configuration(rules)}


async def describe_image_signing_status(call: Call, parameters: Parameters) -> Result:
    """DescribeImageSigningStatus: one status for each profile that should sign; whose a signature is, is not told apart."""
    name, image_id = parameters["repositoryName"], parameters["imageId"]
    row, profiles, is_signed = call.registry.read(_read, name, image_id)
    code, reason = UNSIGNED
    state = (
        {"status": "COMPLETE"}
        if is_signed
        else {"status": "FAILED", "failureCode": code, "failureReason": reason}
    )
    return {
        "registryId": call.registry.id,
        "repositoryName": name,
        "imageId": {"imageDigest": row.digest, "imageTag": image_id.get("imageTag")},
        "signingStatuses": [{"signingProfileArn": profile, **state} for profile in profiles],
    }


def _read(tx: Transaction, name: str, image_id: dict[str, str]) -> tuple[ImageRow, list[str], bool]:
    repository = repositories.require(tx, name)
    row = require_image(tx, repository, image_id)
    return row, signing.profiles(tx, repository), signing.is_signed(tx, row)


def _rule(sent: Parameters) -> Rule:
    filters = sent.get("repositoryFilters")
    return Rule(
        sent["signingProfileArn"], None if filters is None else tuple(each["filter"] for each in filters)
    )


def _configuration(rules: Sequence[Rule]) -> Result:
    return {
        "rules": [
            {
                "signingProfileArn": rule.profile,
                "repositoryFilters": None
                if rule.filters is None
                else [{"filter": text, "filterType": "WILDCARD_MATCH"} for text in rule.filters],
            }
            for rule in rules
        ]
    }
