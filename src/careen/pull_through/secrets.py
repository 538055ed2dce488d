"""The secrets that rules name, which on Amazon lie in Secrets Manager and here in files or in a setting.

A rule carries ``arn:aws:secretsmanager:<region>:<account>:secret:ecr-pullthroughcache/<name>``. Here that is the file
``ecr-pullthroughcache/<name>.json`` below the folder of secrets, with what Amazon's secret has in it:
``{"username": "…", "accessToken": "…"}``. It is read whenever it is needed, so that a new one counts at once.

Whoever may make rules says where a secret is sent to. One with a member more, ``registry``, goes there and nowhere else.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from careen.ecr import errors
from careen.upstream import address
from careen.upstream.address import Address, InvalidAddress
from careen.upstream.credentials import Basic

PREFIX = "ecr-pullthroughcache/"

_SUFFIX = 7
"""Secrets Manager ends its ARNs with a hyphen and six characters of its own, which are no part of the name."""

MAX_BYTES = 64 * 1024
"""Secrets Manager's own limit."""


class _Secret(msgspec.Struct, rename="camel"):
    username: str
    access_token: str
    registry: str = ""
    """Where it may be sent: ``registry-1.docker.io``; empty: where rules say."""


class Secrets:
    """The secrets of one registry.

    Args:
        folder: where the files are.
        given: JSON from the settings, name to secret; those go first. Empty: none.
    """

    def __init__(self, folder: Path, given: str = "") -> None:
        self._folder = folder
        self._given: Mapping[str, _Secret] = (
            msgspec.json.decode(given, type=dict[str, _Secret]) if given else {}
        )

    def read(self, credential_arn: str, upstream: Address) -> Basic:
        """The secret that an ARN names; a rule may give the ARN with Secrets Manager's suffix or without.

        Args:
            credential_arn: names it.
            upstream: where it shall be sent.

        Raises:
            careen.ecr.errors.SecretNotFound: it is nowhere.
            careen.ecr.errors.UnableToAccessSecret: its file cannot be read, or it is for another registry.
            careen.ecr.errors.UnableToDecryptSecretValue: it is not a user name with an access token.
        """
        for name in _names(credential_arn):
            if name in self._given:
                return _credential(self._given[name], credential_arn, upstream)
            try:
                data = self._content(name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise errors.UnableToAccessSecret(credential_arn, error.strerror or str(error)) from None
            try:
                secret = msgspec.json.decode(data, type=_Secret)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise errors.UnableToDecryptSecretValue(credential_arn) from None
            return _credential(secret, credential_arn, upstream)
        raise errors.SecretNotFound(credential_arn)

    def _content(self, name: str) -> bytes:
        with (self._folder / PREFIX / f"{name}.json").open("rb") as file:
            return file.read(MAX_BYTES)


def _names(credential_arn: str) -> Iterator[str]:
    """What the secret may be called. A name is a path below the folder, and never leads out of it."""
    name = credential_arn.partition(f":secret:{PREFIX}")[2]
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return
    yield name
    if len(name) > _SUFFIX and name[-_SUFFIX] == "-":
        yield name[:-_SUFFIX]


def _credential(secret: _Secret, credential_arn: str, upstream: Address) -> Basic:
    try:
        is_for = address.parse(secret.registry) if secret.registry else upstream
    except InvalidAddress:
        raise errors.UnableToDecryptSecretValue(credential_arn) from None
    if is_for != upstream:
        raise errors.UnableToAccessSecret(credential_arn, f"it is for {is_for.url} alone")
    return Basic(secret.username, secret.access_token)
