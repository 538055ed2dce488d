"""Signature Version 4: who gets in, who does not, and that nothing else can happen."""

import contextlib
import hashlib
from collections.abc import Callable
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.clock import HOUR, SECOND, Instant, isoformat, parse_instant
from careen.ecr.common_errors import (
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)
from careen.ecr.errors import EcrError
from careen.iam.sigv4 import Claimant, Request, Signer, verify

TEMPORARY = "ASIAEXAMPLE"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = b'{"repositoryName":"team/app"}'
TARGET = "AmazonEC2ContainerRegistry_V20150921.CreateRepository"
MINUTE = 60 * SECOND

STAMP = "20261122T120000Z"
NOW = parse_instant(STAMP)


class Client(SigV4Auth):
    """botocore's signer, at a moment that stands still."""

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = STAMP
        super()._modify_request_before_signing(request)  # type: ignore[misc]


class SignsEverything(Client):
    """A client that signs all headers it sends, as some SDKs do; botocore leaves out a few."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers


def signed(
    method: str = "POST",
    target: str = "/",
    body: bytes = BODY,
    *,
    service: str = "ecr",
    region: str = "eu-west-1",
    key: str = KEY,
    secret: str = SECRET,
    token: str | None = None,
    client: type[Client] = Client,
    headers: dict[str, str] | None = None,
) -> Request:
    """A request as botocore signs it, at NOW."""
    given = {
        "Host": "registry.test:5000",
        "X-Amz-Target": TARGET,
        "Content-Type": "application/x-amz-json-1.1",
    }
    request = AWSRequest(
        method, f"http://registry.test:5000{target}", headers=given | (headers or {}), data=body
    )
    client(Credentials(key, secret, token), service, region).add_auth(request)
    on_the_wire = [(name.encode(), value.encode()) for name, value in request.headers.items()]
    return Request(method, target, on_the_wire, body)


def check(request: Request, now: Instant = NOW) -> Signer:
    """Verify for ECR in eu-west-1, where one key exists."""
    return verify(request, service="ecr", region="eu-west-1", secret_for=secret_of, now=now)


def secret_of(claimant: Claimant) -> str | None:
    """There is one key, and one session of another."""
    return {Claimant(KEY): SECRET, Claimant(TEMPORARY, "session"): SECRET}.get(claimant)


def changed(request: Request, name: str, change: Callable[[bytes], bytes]) -> Request:
    """The request with one header's value changed after signing."""
    assert any(key.decode().lower() == name for key, _ in request.headers)
    return request._replace(
        headers=[
            (key, change(value) if key.decode().lower() == name else value) for key, value in request.headers
        ]
    )


def without(request: Request, name: str) -> Request:
    """The request with a header removed after signing."""
    return request._replace(
        headers=[(key, it) for key, it in request.headers if key.decode().lower() != name]
    )


def added(request: Request, name: bytes, value: bytes) -> Request:
    """The request with a header added after signing."""
    return request._replace(headers=[*request.headers, (name, value)])


def unsigned(request: Request, name: bytes) -> Request:
    """The request with a header struck from those it claims to have signed."""
    return changed(
        request, "authorization", lambda it: it.replace(b";" + name, b"").replace(name + b";", b"")
    )


GOOD = {
    "a call": signed(),
    "an empty body": signed(body=b""),
    "a get with a query": signed("GET", "/?b=2&a=1&a=0&empty=&flag", b""),
    "an encoded path and query": signed("GET", "/a%20b/%C3%A9?x=%2F%20", b""),
    "a path with dots": signed("GET", "/a/../b//c", b""),
    "white space in a header": signed(headers={"X-Note": "  a   b  "}),
    "letters beyond ASCII": signed(headers={"X-Note": "é €"}),
    "all headers signed": signed(
        client=SignsEverything, headers={"User-Agent": "Boto3/1 md/x", "TE": "gzip"}
    ),
    "the body's hash in a header": signed(headers={"X-Amz-Content-SHA256": hashlib.sha256(BODY).hexdigest()}),
    "an unsigned header added on the way": added(signed(), b"X-Forwarded-For", b"10.0.0.1"),
    "header names in capitals": signed()._replace(headers=[(k.upper(), v) for k, v in signed().headers]),
}


@pytest.mark.parametrize("request_", GOOD.values(), ids=GOOD.keys())
def test_what_a_client_signed_is_its_own(request_: Request) -> None:
    """The answer is the key, the scope and the time of signing."""
    assert check(request_) == Signer(Claimant(KEY), "eu-west-1", "ecr", NOW)


def test_a_header_sent_in_latin_1_was_signed_as_text() -> None:
    """http.client sends what botocore signed as UTF-8 in Latin-1."""
    request = signed(headers={"X-Note": "café"})
    assert check(changed(request, "x-note", lambda it: it.decode().encode("latin-1"))).claimant == Claimant(
        KEY
    )


PUBLISHED = {
    "get-vanilla": ("GET", "/", b"", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-vanilla-query-order-key-case": (
        "GET",
        "/?Param2=value2&Param1=value1",
        b"",
        [],
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "post-vanilla": (
        "POST",
        "/",
        b"",
        [],
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        "POST",
        "/",
        b"Param1=value1",
        [(b"Content-Type", b"application/x-www-form-urlencoded")],
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize(
    ("method", "target", "body", "more", "signature"), PUBLISHED.values(), ids=PUBLISHED.keys()
)
def test_signatures_that_aws_published_verify(
    method: str, target: str, body: bytes, more: list[tuple[bytes, bytes]], signature: str
) -> None:
    """Requests of AWS's Signature Version 4 test suite, which no code of ours or botocore's made."""
    headers = [(b"Host", b"example.amazonaws.com"), (b"X-Amz-Date", b"20150830T123600Z"), *more]
    names = ";".join(sorted(name.decode().lower() for name, _ in headers))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    signer = verify(
        Request(method, target, [*headers, (b"Authorization", authorization.encode())], body),
        service="service",
        region="us-east-1",
        secret_for=secret_of,
        now=parse_instant("20150830T124000Z"),
    )
    assert isoformat(signer.signed_at) == "2015-08-30T12:36:00Z"


MISMATCH = "The request signature we calculated does not match the signature you provided."
NOT_A_CLIENT = "The security token included in the request is invalid."

REFUSED: dict[str, tuple[Request, type[EcrError], str]] = {
    "no credentials": (without(signed(), "authorization"), MissingAuthenticationToken, "Request is missing"),
    "wrong secret": (signed(secret="wrong"), InvalidSignature, MISMATCH),
    "unknown key": (signed(key="AKIANOBODY"), UnrecognizedClient, NOT_A_CLIENT),
    "unknown key with a known key's secret": (signed(key="AKIDOTHER"), UnrecognizedClient, NOT_A_CLIENT),
    "a key id no database should see": (signed(key="' OR 1=1 --"), UnrecognizedClient, NOT_A_CLIENT),
    "a session token with a key that is none of it": (
        signed(token="session"),
        UnrecognizedClient,
        NOT_A_CLIENT,
    ),
    "a session's key without its token": (signed(key=TEMPORARY), UnrecognizedClient, NOT_A_CLIENT),
    "a session's key with another token": (
        signed(key=TEMPORARY, token="no"),
        UnrecognizedClient,
        NOT_A_CLIENT,
    ),
    "a session token added later": (
        added(signed(key=TEMPORARY), b"X-Amz-Security-Token", b"session"),
        InvalidSignature,
        "'x-amz-security-token' must be a",
    ),
    "another body": (signed()._replace(body=BODY + b" "), InvalidSignature, MISMATCH),
    "another method": (signed()._replace(method="PUT"), InvalidSignature, MISMATCH),
    "another path": (signed()._replace(target="/x"), InvalidSignature, MISMATCH),
    "another query": (signed(target="/?a=1")._replace(target="/?a=2"), InvalidSignature, MISMATCH),
    "a fragment": (signed()._replace(target="/#x"), InvalidSignature, "The request target is not"),
    "no path": (signed()._replace(target="*"), InvalidSignature, "The request target is not"),
    "another operation": (
        changed(signed(), "x-amz-target", lambda it: it.replace(b"Create", b"Delete")),
        InvalidSignature,
        MISMATCH,
    ),
    "another host": (changed(signed(), "host", lambda _: b"evil.test"), InvalidSignature, MISMATCH),
    "a signed header gone": (without(signed(), "content-type"), InvalidSignature, MISMATCH),
    "a signed header twice": (added(signed(), b"X-Amz-Target", b"x"), InvalidSignature, MISMATCH),
    "an unsigned target": (unsigned(signed(), b"x-amz-target"), InvalidSignature, "'x-amz-target' must be a"),
    "an unsigned host": (unsigned(signed(), b"host"), InvalidSignature, "'host' must be a 'SignedHeader'"),
    "an x-amz header added": (added(signed(), b"X-Amz-Meta", b"1"), InvalidSignature, "'x-amz-meta' must be"),
    "a hash that is not the body's": (
        signed(headers={"X-Amz-Content-SHA256": "0" * 64}),
        InvalidSignature,
        "The value of 'X-Amz-Content-Sha256'",
    ),
    "a body not signed at all": (
        signed(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}),
        InvalidSignature,
        "The value of 'X-Amz-Content-Sha256'",
    ),
    "another region": (
        signed(region="us-east-1"),
        InvalidSignature,
        "Credential should be scoped to a valid region, not 'us-east-1'. ",
    ),
    "another service": (
        signed(service="s3"),
        InvalidSignature,
        "Credential should be scoped to correct service: 'ecr'. ",
    ),
    "another day in the scope": (
        changed(
            signed(), "authorization", lambda it: it.replace(KEY.encode() + b"/20", KEY.encode() + b"/19")
        ),
        InvalidSignature,
        "Date in Credential scope does not match",
    ),
    "a signature that is not ASCII": (
        changed(signed(), "authorization", lambda it: it[:-64] + "é".encode() * 32),
        InvalidSignature,
        MISMATCH,
    ),
    "a signature cut short": (
        changed(signed(), "authorization", lambda it: it[:-1]),
        InvalidSignature,
        MISMATCH,
    ),
    "two authorizations": (
        added(signed(), b"Authorization", b"x"),
        IncompleteSignature,
        "Authorization header takes only the parameters",
    ),
    "another scheme": (
        changed(signed(), "authorization", lambda _: b"Basic QVdTOng="),
        IncompleteSignature,
        "Unsupported AWS 'algorithm': 'Basic'.",
    ),
    "a bare algorithm": (
        changed(signed(), "authorization", lambda _: b"AWS4-HMAC-SHA256"),
        IncompleteSignature,
        " ".join(f"Authorization header requires '{it}' parameter." for it in ("Credential", "Signature")),
    ),
    "a scope of four": (
        changed(signed(), "authorization", lambda it: it.replace(b"/ecr/", b"/")),
        IncompleteSignature,
        "Credential must have exactly 5 slash-delimited elements",
    ),
    "a scope of another kind": (
        changed(signed(), "authorization", lambda it: it.replace(b"aws4_request", b"aws5_request")),
        IncompleteSignature,
        "Credential must have exactly 5 slash-delimited elements",
    ),
    "no date": (
        without(signed(), "x-amz-date"),
        IncompleteSignature,
        "Authorization header requires existence",
    ),
    "a date in words": (
        changed(signed(), "x-amz-date", lambda _: b"yesterday"),
        IncompleteSignature,
        "Date must be in ISO-8601 'basic format'. Got 'yesterday'.",
    ),
    "a date that is none": (
        changed(signed(), "x-amz-date", lambda _: b"20260631T000000Z"),
        IncompleteSignature,
        "Date must be in ISO-8601 'basic format'.",
    ),
    "a date in other digits": (
        changed(signed(), "x-amz-date", lambda _: "\N{FULLWIDTH DIGIT TWO}0261122T000000Z".encode()),
        IncompleteSignature,
        "Date must be in ISO-8601 'basic format'.",
    ),
    "two dates": (added(signed(), b"X-Amz-Date", b"x"), IncompleteSignature, "Date must be in ISO-8601"),
}


@pytest.mark.parametrize(("request_", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_anything_else_is_refused(request_: Request, error: type[EcrError], message: str) -> None:
    """With AWS's code and, where it is known, AWS's sentence."""
    with pytest.raises(error) as refused:
        check(request_)
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize("way", [-1, 1], ids=["slow", "fast"])
def test_a_clock_may_be_off_by_a_quarter_of_an_hour(way: int) -> None:
    """To the instant."""
    assert check(signed(), NOW + way * 15 * MINUTE).claimant == Claimant(KEY)
    with pytest.raises(InvalidSignature, match=r"Signature (expired|not yet current): "):
        check(signed(), NOW + way * (15 * MINUTE + 1))


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        (1, "expired: 20261122T120000Z is now earlier than 20261122T124500Z (20261122T130000Z - 15 min.)"),
        (
            -1,
            "not yet current: 20261122T120000Z is still later than 20261122T111500Z (20261122T110000Z + 15 min.)",
        ),
    ],
)
def test_a_signature_of_another_time_is_refused(hours: int, message: str) -> None:
    """The message names both clocks, so that a user sees which of them is wrong."""
    with pytest.raises(InvalidSignature) as refused:
        check(signed(), NOW + hours * HOUR)
    assert refused.value.message == f"Signature {message}"


@pytest.mark.parametrize("key", ["a" * 129, "AKIA\0", "Ä", "' OR 1=1 --"])
def test_a_key_id_of_another_form_is_not_looked_up(key: str) -> None:
    """Nothing but letters, digits and underscores reaches whoever keeps the keys."""
    asked: list[Claimant] = []
    with pytest.raises(UnrecognizedClient):
        verify(signed(key=key), service="ecr", region="eu-west-1", secret_for=asked.append, now=NOW)
    assert asked == []


def test_the_secret_of_the_claimed_key_is_asked_for_once() -> None:
    """One look-up per request, of the key id that the request names."""
    asked: list[Claimant] = []
    with pytest.raises(UnrecognizedClient):
        verify(
            signed(key="AKIANOBODY"),
            service="ecr",
            region="eu-west-1",
            secret_for=asked.append,
            now=NOW,
        )
    assert asked == [Claimant("AKIANOBODY")]


def test_a_session_signs_with_its_token() -> None:
    """The token is part of what is signed, and of what the secret is looked up by."""
    assert check(signed(key=TEMPORARY, token="session")).claimant == Claimant(TEMPORARY, "session")
    with pytest.raises(InvalidSignature):
        check(signed(key=TEMPORARY, token="session", secret="wrong"))


@pytest.mark.parametrize(
    ("region", "also", "good"),
    [
        ("eu-west-1", "us-east-1", True),
        ("us-east-1", "us-east-1", True),
        ("us-east-2", "us-east-1", False),
        ("us-east-1", "", False),
        ("", "", False),
    ],
)
def test_a_service_without_regions_is_signed_for_one_by_convention(
    region: str, also: str, good: bool
) -> None:
    """IAM's requests come signed for us-east-1 wherever they go; for a third region they are refused."""
    request = signed(service="iam", region=region)
    expected = contextlib.nullcontext() if good else pytest.raises(InvalidSignature, match="valid region")
    with expected:
        signer = verify(
            request, service="iam", region="eu-west-1", secret_for=secret_of, now=NOW, global_region=also
        )
        assert signer.region == region


NAMES = st.sampled_from(
    [b"authorization", b"x-amz-date", b"host", b"x-amz-target", b"x-amz-content-sha256", b"x"]
)
NEAR = st.sampled_from([value for _, value in signed().headers])
ODD = NEAR | st.binary(max_size=20)


@settings(max_examples=300, deadline=None)
@given(
    headers=st.lists(st.tuples(NAMES | st.binary(max_size=5), ODD), max_size=8),
    target=st.just("/") | st.text(max_size=5),
)
def test_no_bytes_raise_anything_but_a_refusal(headers: list[tuple[bytes, bytes]], target: str) -> None:
    """Headers made of anything are refused, never a failure of ours."""
    with pytest.raises(
        (MissingAuthenticationToken, IncompleteSignature, InvalidSignature, UnrecognizedClient)
    ):
        check(Request("POST", target, headers, BODY + b"?"))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_signature_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    """There is no slack in what is signed: not in a header, not in the body."""
    request = signed()
    part = data.draw(st.integers(0, len(list(request.headers))))
    byte = data.draw(st.binary(min_size=1, max_size=1).filter(lambda it: not it.isspace()))
    pieces = [value for _, value in request.headers] + [request.body]
    position = data.draw(st.integers(0, len(pieces[part]) - 1))
    piece = pieces[part][:position] + byte + pieces[part][position + 1 :]
    if piece == pieces[part] or pieces[part][position : position + 1].isspace():
        return
    pieces[part] = piece
    headers = [(name, value) for (name, _), value in zip(request.headers, pieces, strict=False)]
    with pytest.raises((IncompleteSignature, InvalidSignature, UnrecognizedClient)):
        check(Request(request.method, request.target, headers, pieces[-1]))


@settings(max_examples=60, deadline=None)
@given(
    path=st.lists(
        st.sampled_from(["", ".", "..", "a", "a.b", "%20", "%2F", "~", "é", "a+b", ";x", ":"]), max_size=6
    ),
    query=st.lists(st.tuples(st.text("ab%20é&= +", max_size=4), st.text("ab/é", max_size=3)), max_size=4),
    note=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=10),
    body=st.binary(max_size=30),
)
def test_whatever_a_client_signs_verifies(
    path: list[str], query: list[tuple[str, str]], note: str, body: bytes
) -> None:
    """Odd paths, queries, headers and bodies, as long as botocore can sign them."""
    target = "/" + quote("/".join(path), safe="/~%+;:.")
    text = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query)
    assert check(signed("POST", f"{target}?{text}", body, headers={"X-Note": note})).claimant == Claimant(KEY)
