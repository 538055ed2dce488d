"""Signatures of webhooks as the Standard Webhooks specification has them, 1.0.0: symmetric, ``v1``.

What is signed is the message's id, the time of the attempt and the body, so that nobody can send an old message again as a new
one (https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, "Signature scheme").
"""

import base64
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"


def secret_text(secret: bytes) -> str:
    """The secret as people and libraries take it: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(secrets: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers that a receiver verifies.

    Args:
        secrets: one signature for each: while a secret is being turned over, the old one signs beside the new.
        message_id: the same at every attempt.
        timestamp: of this attempt, in seconds; a receiver refuses what is five minutes off.
        body: as it is sent.
    """
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
    signatures = (
        "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
