"""Access keys whose secrets are derived, not stored.

Verifying a signature takes the secret itself, so a hash of it will not do. Instead of keeping secrets,
encrypted or not, the registry keeps one master key and derives each secret from the key's id and generation:
a copy of the database gives no one a key, and turning a key over is counting its generation up. The master
key is the crown: keep it in a file that only the registry's user can read.
"""

import base64
import hmac
import secrets

MASTER_KEY_SIZE = 32

_ID_BYTES = 10
_SECRET_LENGTH = 40


def new_master_key() -> bytes:
    """Fresh random bytes for a registry's master key."""
    return secrets.token_bytes(MASTER_KEY_SIZE)


def new_access_key_id() -> str:
    """A fresh access key id in AWS's form: ``AKIA`` and sixteen characters of base32."""
    return "AKIA" + base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode()


def secret_access_key(master_key: bytes, access_key_id: str, generation: int) -> str:
    """The secret of an access key: 40 characters of base64, 240 bits, like AWS's.

    Args:
        master_key: the registry's.
        access_key_id: the key's id.
        generation: how often the secret was turned over; from 0.
    """
    derived = _derive(master_key, f"access key {access_key_id} {generation}")
    return base64.b64encode(derived).decode()[:_SECRET_LENGTH]


def token_key(master_key: bytes) -> bytes:
    """The key that seals tokens (``careen.iam.tokens``)."""
    return _derive(master_key, "tokens")


def webhook_secret(master_key: bytes, webhook_id: int, generation: int) -> bytes:
    """The key that signs what a webhook's receiver is sent.

    Args:
        master_key: the registry's.
        webhook_id: the webhook's, never another's again.
        generation: how often the secret was turned over; from 0.
    """
    return _derive(master_key, f"webhook {webhook_id} {generation}")


def _derive(master_key: bytes, purpose: str) -> bytes:
    # HMAC is a pseudo-random function: each purpose has a key that tells nothing of the others.
    return hmac.digest(master_key, purpose.encode(), "sha256")
