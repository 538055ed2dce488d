"""HTTP Basic credentials, as an ``Authorization`` header carries them (RFC 7617).

What ECR hands out, ``AWS:<token>`` in base64, clients of ECR Public send as Bearer: the scheme makes no difference here.
"""

import base64
from typing import NamedTuple


class Basic(NamedTuple):
    """A user name and a password; nothing says yet that they are good."""

    user: str
    password: str


def parse(header: str) -> Basic | None:
    """The credential in a header's value; None if it has none of this kind, or one that is malformed.

    Args:
        header: ``Basic`` or ``Bearer`` and the base64 of ``user:password`` in UTF-8.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() not in {"basic", "bearer"}:
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # not ASCII, not base64, not UTF-8
        return None
    return Basic(user, password) if colon else None
