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

_SECRET_LENGTH = 40
_KEY_ID_LENGTH = 16
_UNIQUE_ID_LENGTH = 17

TEMPORARY = "ASIA"
"""How the ids of temporary keys begin (IAM user guide, "Understanding unique ID prefixes")."""


def new_master_key() -> bytes:
    """Fresh random bytes for a registry's master key."""
    return secrets.token_bytes(MASTER_KEY_SIZE)


def new_access_key_id() -> str:
    """A fresh access key id in AWS's form: ``AKIA`` and sixteen characters of base32."""
    return _fresh_id("AKIA", _KEY_ID_LENGTH)


def new_temporary_key_id() -> str:
    """A fresh id for the key of temporary credentials: ``ASIA`` and sixteen characters of base32."""
    return _fresh_id(TEMPORARY, _KEY_ID_LENGTH)


def new_unique_id(prefix: str) -> str:
    """A fresh id for a user (``AIDA``) or a role (``AROA``), which no other will ever have: 21 characters."""
    return _fresh_id(prefix, _UNIQUE_ID_LENGTH)


def secret_access_key(master_key: bytes, access_key_id: str, generation: int) -> str:
    """The secret of an access key: 40 characters of base64, 240 bits, like AWS's.

    Args:
        master_key: the registry's.
        access_key_id: the key's id.
        generation: how often the secret was turned over; from 0.
    """
    derived = _derive(master_key, f"access key {access_key_id} {generation}")
    return base64.b64encode(derived).decode()[:_SECRET_LENGTH]


def temporary_secret(master_key: bytes, access_key_id: str) -> str:
    """The secret of temporary credentials. It opens nothing without the session token that belongs to the key."""
    return base64.b64encode(_derive(master_key, f"temporary key {access_key_id}")).decode()[:_SECRET_LENGTH]


def token_key(master_key: bytes) -> bytes:
    """The key that seals tokens (``careen.iam.tokens``)."""
    return _derive(master_key, "tokens")


def fingerprint(master_key: bytes, text: str) -> str:
    """Stands for a text in rows, so that a copy of the database tells nobody what it was: 64 hexadecimal digits."""
    return hmac.digest(_derive(master_key, "fingerprints"), text.encode(), "sha256").hex()


def webhook_secret(master_key: bytes, webhook_id: int, generation: int) -> bytes:
    """The key that signs what a webhook's receiver is sent.

    Args:
        master_key: the registry's.
        webhook_id: the webhook's, never another's again.
        generation: how often the secret was turned over; from 0.
    """
    return _derive(master_key, f"webhook {webhook_id} {generation}")


def _fresh_id(prefix: str, length: int) -> str:
    # Five bits a character.
    return prefix + base64.b32encode(secrets.token_bytes(length)).decode()[:length]


def _derive(master_key: bytes, purpose: str) -> bytes:
    # HMAC is a pseudo-random function: each purpose has a key that tells nothing of the others.
    return hmac.digest(master_key, purpose.encode(), "sha256")
