"""Who we are at another registry: nobody, a name with a password, or a holder of Amazon's keys."""

import base64
import binascii
import re
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from careen.clock import SECOND, Clock, Instant, system_now
from careen.upstream.errors import Denied, Unavailable

_AMAZON = re.compile(
    r"(?P<account>[0-9]{12})\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)"
)

EARLY: Instant = 300 * SECOND
"""How long before its end a password of Amazon's is no longer used: a transfer that begins now may last."""


class Basic(NamedTuple):
    """A name and a password, or what stands for one: an access token, an Amazon authorization token."""

    username: str
    password: str

    def __repr__(self) -> str:
        """The name alone: a value that is logged must not tell the password."""
        return f"Basic({self.username!r})"


Source = Callable[[], Basic | None]
"""Answers the credential that is good now; None: none is needed. It may ask another service, and raise its errors."""


def anonymous() -> Basic | None:
    """The source for registries that let anyone read."""
    return None


def fixed(username: str, password: str) -> Source:
    """The source for a name and a password that do not change."""
    credential = Basic(username, password)
    return lambda: credential


class AmazonHost(NamedTuple):
    """What the name of a private registry of Amazon ECR tells."""

    account: str
    region: str
    is_fips: bool


def amazon_host(host: str) -> AmazonHost | None:
    """Read ``<account>.dkr.ecr.<region>.amazonaws.com`` and its dual-stack, FIPS and China forms; None: not such a name.

    Source: the Amazon ECR user guide, "Making requests to Amazon ECR".
    """
    found = _AMAZON.fullmatch(host)
    return found and AmazonHost(found["account"], found["region"], found["fips"] is not None)


class AmazonTokens:
    """Passwords of a private registry of Amazon ECR, got by GetAuthorizationToken and kept until shortly before their end.

    If none are given, the keys are those that AWS's tools find: environment, profile, the machine's or the container's role.

    Args:
        region: whose registry.
        is_fips: whether to ask the FIPS endpoint.
        role_arn: the role to take on first, as another account's registry asks for; None: none.
        keys: an access key; None: the one that AWS's tools find.
        endpoint_url: another endpoint of the AWS APIs; empty: Amazon's, whatever the environment says of endpoints, as that
            may well lead to ourselves.
        clock: the system's clock.
    """

    def __init__(
        self,
        region: str,
        *,
        is_fips: bool = False,
        role_arn: str | None = None,
        keys: Basic | None = None,
        endpoint_url: str = "",
        clock: Clock = system_now,
    ) -> None:
        self._region = region
        self._is_fips = is_fips
        self._role_arn = role_arn
        self._keys = keys
        self._endpoint_url = endpoint_url
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: Basic | None = None
        self._until: Instant = 0

    def __call__(self) -> Basic:
        """The password that is good now.

        Raises:
            Denied: there are no keys, or they do not allow it.
            Unavailable: Amazon ECR could not be asked.
        """
        with self._lock:
            if self._kept is None or self._clock() >= self._until:
                self._kept, self._until = self._ask()
            return self._kept

    def _ask(self) -> tuple[Basic, Instant]:
        try:
            client = self._client("ecr", **self._keys_of_role())
            answer = client.get_authorization_token()["authorizationData"][0]
        except ClientError as error:
            status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            kind = Unavailable if status >= 500 or status == 429 else Denied
            raise kind(str(error), status=status) from None
        except BotoCoreError as error:
            kind = Denied if "redential" in type(error).__name__ else Unavailable
            raise kind(str(error)) from None
        return _decoded(answer["authorizationToken"]), (int(answer["expiresAt"].timestamp() * SECOND) - EARLY)

    def _keys_of_role(self) -> dict[str, str]:
        """The keys of the role; without one those that we have."""
        if self._role_arn is None:
            return keys_of(self._keys)
        asked = self._client("sts", **keys_of(self._keys))
        taken = asked.assume_role(RoleArn=self._role_arn, RoleSessionName="careen")["Credentials"]
        return {
            "aws_access_key_id": taken["AccessKeyId"],
            "aws_secret_access_key": taken["SecretAccessKey"],
            "aws_session_token": taken["SessionToken"],
        }

    def _client(self, service: str, **keys: str) -> Any:
        return aws_client(service, self._region, self._endpoint_url, keys, is_fips=self._is_fips)


def keys_of(access_key: Basic | None) -> dict[str, str]:
    """An access key as botocore takes it; none if there is none, and then it finds one."""
    if access_key is None:
        return {}
    return {"aws_access_key_id": access_key.username, "aws_secret_access_key": access_key.password}


def aws_client(
    service: str, region: str, endpoint_url: str, keys: dict[str, str], *, is_fips: bool = False
) -> Any:
    """A client of an AWS API; without an endpoint it is Amazon's, whatever the environment says of endpoints."""
    # Four megabytes that only those need who ask Amazon.
    import botocore.session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    session = botocore.session.get_session()
    session.set_config_variable("ignore_configured_endpoint_urls", True)
    create: Any = session.create_client
    return create(
        service,
        region_name=region,
        endpoint_url=endpoint_url or None,
        config=Config(use_fips_endpoint=is_fips or None),
        **keys,
    )


def _decoded(token: str) -> Basic:
    try:
        username, _, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Unavailable("GetAuthorizationToken answered no token that can be read") from None
    return Basic(username, password)
