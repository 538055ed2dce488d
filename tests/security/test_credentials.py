"""Every endpoint with every credential that is not good enough: refused by the protocol's own code, and nothing has changed."""

import datetime as dt
import http.client
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from careen import startup
from careen.clock import HOUR, system_now
from careen.console.app import csrf_of
from careen.draining import Draining
from careen.iam import keys, tokens
from careen.pull_through.secrets import Secrets
from careen.registry import console_sessions, identities
from careen.registry.access import Circumstances
from careen.registry.console_sessions import Method
from careen.registry.registry import Registry
from careen.server import Application
from careen.traffic import Traffic
from tests.console.visitor import settings_of
from tests.ecrapi.client import Answer, basic
from tests.security import endpoints
from tests.security.conftest import Guarded
from tests.security.endpoints import BUILT, SIGNED_REGION, Endpoint
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY

ANOTHERS = bytes(32)
"""The master key of another registry."""


def send(
    connection: http.client.HTTPConnection,
    endpoint: Endpoint,
    headers: dict[str, str],
    body: bytes | None = None,
) -> Answer:
    """Ask for something."""
    sent = endpoint.body if body is None else body
    connection.request(endpoint.method, endpoint.path, sent, {**endpoint.headers, **headers})
    response = connection.getresponse()
    fields = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, fields, response.read())


@pytest.fixture
def connection(guarded: Guarded) -> Iterator[http.client.HTTPConnection]:
    """One for many requests."""
    opened = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=60)
    yield opened
    opened.close()


# What OCI clients send: a name and a password


def _token(guarded: Guarded, key_id: str, expires_at: int, master_key: bytes = b"") -> str:
    key = keys.token_key(master_key or guarded.server.master_key())
    return tokens.mint(key, tokens.Authorization(key_id), expires_at)


def _download(guarded: Guarded) -> str:
    key = keys.token_key(guarded.server.master_key())
    return tokens.mint(key, tokens.LayerDownload("another/repository", BUILT.digests[0]), system_now() + HOUR)


BASIC: dict[str, Callable[[Guarded], dict[str, str]]] = {
    "none": lambda _: {},
    "an empty one": lambda _: {"Authorization": ""},
    "no scheme": lambda _: {"Authorization": "Og=="},
    "no base64": lambda _: {"Authorization": "Basic !!!"},
    "no UTF-8": lambda _: {"Authorization": "Basic //79"},
    "no colon": lambda _: {"Authorization": "Basic YWxpY2U="},
    "NUL": lambda _: basic("AKIA\0", "\0"),
    "no scheme that is known": lambda _: {"Authorization": "Negotiate YWxpY2U6YWxpY2U="},
    "a signature": lambda _: {"Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/x"},
    "not ASCII": lambda _: {"Authorization": "Basic \xff\xfe"},
    "a name without a password": lambda _: basic(ACCESS_KEY_ID, ""),
    "a wrong secret": lambda _: basic(ACCESS_KEY_ID, "a-wrong-secret"),
    "an unknown key": lambda _: basic("AKIAUNKNOWNUNKNOWN00"),
    "a deleted key": lambda it: basic(it.keys["leaver"]["AccessKeyId"], it.keys["leaver"]["SecretAccessKey"]),
    "a token of a deleted key": lambda it: basic(
        "AWS", _token(it, it.keys["leaver"]["AccessKeyId"], system_now() + HOUR)
    ),
    "another registry's token": lambda it: basic(
        "AWS", _token(it, ACCESS_KEY_ID, system_now() + HOUR, ANOTHERS)
    ),
    "a token cut short": lambda it: basic("AWS", _token(it, ACCESS_KEY_ID, system_now() + HOUR)[:-2]),
    "a token of another purpose": lambda it: basic("AWS", _download(it)),
    "an expired token": lambda it: basic("AWS", _token(it, ACCESS_KEY_ID, system_now() - 1)),
    "nobody's": lambda it: basic(it.keys["nobody"]["AccessKeyId"], it.keys["nobody"]["SecretAccessKey"]),
}
"""Credentials for which nothing is to be had. The last is good, of somebody who may do nothing."""

NOBODYS = {"none", "an empty one"}
"""Those with which somebody says that he is nobody."""

OPEN = {"GET token", "GET root", "HEAD root"}
"""What somebody may ask for who may do nothing: whether the credential is good."""


def refusal_of(credential: str) -> tuple[int, str]:
    """Status and code of the distribution API's refusal."""
    if credential in {"an expired token", "nobody's"}:
        return 403, "DENIED"
    return 401, ""


@pytest.mark.parametrize("credential", BASIC)
def test_the_distribution_api(
    guarded: Guarded, connection: http.client.HTTPConnection, credential: str
) -> None:
    """401 with a challenge, 403 for who is known; and it is all as it was."""
    headers, before = BASIC[credential](guarded), guarded.state()
    for endpoint in endpoints.distribution(guarded.upload):
        answer = send(connection, endpoint, headers)
        expected = refusal_of(credential)
        if endpoint.name in OPEN and credential == "nobody's":
            expected = 200, ""
        if endpoint.name == "GET token" and credential in NOBODYS:
            expected = 200, ""
        code = endpoints.code_of(endpoint, answer.body)
        if endpoint.method == "HEAD":
            assert (answer.status, answer.body) == (expected[0], b""), endpoint.name
        else:
            assert (answer.status, code) == expected, endpoint.name
        assert ("www-authenticate" in answer.headers) is (answer.status == 401)
        assert BUILT.digest.encode() not in answer.body
    assert guarded.state() == before


@pytest.mark.parametrize("path", ["/metrics", "/events"])
@pytest.mark.parametrize("credential", BASIC)
def test_what_is_beside_the_apis(
    guarded: Guarded, connection: http.client.HTTPConnection, credential: str, path: str
) -> None:
    """The figures and the feed of events ask for the same credentials; whoever is refused with one is in the audit log."""
    before = len(guarded.audited())
    answer = send(connection, Endpoint(path, "GET", path), BASIC[credential](guarded))
    expected = 403 if refusal_of(credential)[0] == 403 else 401
    assert answer.status == (401 if (path, credential) == ("/metrics", "an expired token") else expected)
    written = guarded.audited()[before:]
    if credential in NOBODYS:
        assert written == []
    else:
        [record] = written
        assert record["eventSource"] == "careen"
        assert record["eventName"] == {"/metrics": "GetMetrics", "/events": "ListEvents"}[path]
        assert record["userIdentity"]["type"] == ("IAMUser" if credential == "nobody's" else "Unknown")
        assert record["errorCode"]


# What AWS's clients send: a signature


class Key(NamedTuple):
    """What a request is signed with, and how."""

    id: str = ACCESS_KEY_ID
    secret: str = SECRET_ACCESS_KEY
    session: str | None = None
    region: str | None = None
    service: str | None = None
    off: dt.timedelta = dt.timedelta()


class _Signer(SigV4Auth):
    """botocore's, with a clock of its own."""

    def __init__(self, key: Key, service: str, region: str) -> None:
        super().__init__(Credentials(key.id, key.secret, key.session), service, region)
        self._stamp = (dt.datetime.now(dt.UTC) + key.off).strftime("%Y%m%dT%H%M%SZ")

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._stamp
        super()._modify_request_before_signing(request)  # type: ignore[misc]


def signature(guarded: Guarded, endpoint: Endpoint, key: Key) -> dict[str, str]:
    """The headers of a request that a key signed."""
    headers = {**endpoint.headers, "Host": guarded.server.host}
    request = AWSRequest("POST", f"{guarded.server.url}/", headers=headers, data=endpoint.body)
    service = key.service or endpoint.service
    region = key.region or SIGNED_REGION[endpoint.service]
    _Signer(key, service, region).add_auth(request)
    return dict(request.headers.items())


def _of(key: dict[str, str]) -> Key:
    return Key(key["AccessKeyId"], key["SecretAccessKey"])


def _session(guarded: Guarded, parent: str, *, lasts: int = HOUR, master_key: bytes = b"") -> Key:
    """Temporary credentials of the account, made with a key."""
    master_key = master_key or guarded.server.master_key()
    key_id = keys.new_temporary_key_id()
    now = system_now()
    session = tokens.Session(key_id, "", "", parent, str(now))
    token = tokens.mint(keys.token_key(master_key), session, now + lasts)
    return Key(key_id, keys.temporary_secret(master_key, key_id), token)


SIGNED: dict[str, tuple[Callable[[Guarded], Key | dict[str, str]], str]] = {
    "none": (lambda _: {}, "MissingAuthenticationToken"),
    "a password": (lambda _: basic(), "IncompleteSignature"),
    "half a signature": (
        lambda _: {"Authorization": "AWS4-HMAC-SHA256 Credential=x"},
        "IncompleteSignature",
    ),
    "a wrong secret": (lambda _: Key(secret="a-wrong-secret"), "InvalidSignature"),
    "an unknown key": (lambda _: Key("AKIAUNKNOWNUNKNOWN00"), "UnrecognizedClient"),
    "an odd key": (lambda _: Key("AKIA\u00e9"), "UnrecognizedClient"),
    "a deleted key": (lambda it: _of(it.keys["leaver"]), "UnrecognizedClient"),
    "a late signature": (lambda _: Key(off=dt.timedelta(minutes=-16)), "InvalidSignature"),
    "an early signature": (lambda _: Key(off=dt.timedelta(minutes=16)), "InvalidSignature"),
    "for another Region": (lambda _: Key(region="ap-south-2"), "InvalidSignature"),
    "for another service": (lambda _: Key(service="s3"), "InvalidSignature"),
    "expired credentials": (lambda it: _session(it, ACCESS_KEY_ID, lasts=-1), "ExpiredToken"),
    "credentials of a deleted key": (
        lambda it: _session(it, it.keys["leaver"]["AccessKeyId"]),
        "UnrecognizedClient",
    ),
    "another registry's credentials": (
        lambda it: _session(it, ACCESS_KEY_ID, master_key=ANOTHERS),
        "UnrecognizedClient",
    ),
    "a session without its token": (
        lambda it: _session(it, ACCESS_KEY_ID)._replace(session=None),
        "UnrecognizedClient",
    ),
    "nobody's": (lambda it: _of(it.keys["nobody"]), "AccessDenied"),
}
"""Signatures for which nothing is to be had, and what the refusal is called."""

CODES = {
    "AccessDenied": ("AccessDeniedException", "AccessDenied", 403),
    "ExpiredToken": ("ExpiredTokenException", "ExpiredToken", 403),
    "IncompleteSignature": ("IncompleteSignatureException", "IncompleteSignature", 400),
    "InvalidSignature": ("InvalidSignatureException", "SignatureDoesNotMatch", 403),
    "MissingAuthenticationToken": ("MissingAuthenticationTokenException", "MissingAuthenticationToken", 403),
    "UnrecognizedClient": ("UnrecognizedClientException", "InvalidClientTokenId", 403),
}
"""What it is called in JSON, whose status is 400, and in the query protocol, with its status there."""

NEEDS_NO_PERMISSION = {"sts.GetCallerIdentity", "sts.GetSessionToken"}
"""STS API reference: "No permissions are required"."""

UNSIGNED = "sts.AssumeRoleWithWebIdentity"
"""Proves who asks by a token of its own."""


@pytest.mark.parametrize("credential", SIGNED)
def test_the_apis_of_aws(guarded: Guarded, connection: http.client.HTTPConnection, credential: str) -> None:
    """Every operation of all five services refuses in its protocol's words, before it looks at what is asked."""
    make, name = SIGNED[credential]
    made, before = make(guarded), guarded.state()
    for endpoint in endpoints.called():
        headers = made if isinstance(made, dict) else signature(guarded, endpoint, made)
        answer = send(connection, endpoint, headers)
        in_json, in_xml, status = CODES[name]
        expected = (400, in_json) if endpoints.is_json(endpoint) else (status, in_xml)
        if endpoint.name == UNSIGNED:
            expected = 400, "InvalidIdentityToken"
        elif endpoint.name in NEEDS_NO_PERMISSION and credential == "nobody's":
            expected = 200, ""
        assert (answer.status, endpoints.code_of(endpoint, answer.body)) == expected, endpoint.name
        assert BUILT.digest.encode() not in answer.body or credential == "nobody's"
    assert guarded.state() == before


# What browsers send: a cookie


def _begin(registry: Registry, user: str | None, now: int) -> str:
    row = None if user is None else registry.read(identities.find, identities.Kind.USER, user)
    return registry.write_now(console_sessions.begin, registry, row, Method.LINK, Circumstances(now))


def _cookie(secret: str) -> dict[str, str]:
    return {"Cookie": f"careen-session={secret}"}


@pytest.fixture(scope="module")
def cookies(guarded: Guarded) -> dict[str, str]:
    """Cookies of sessions that are over, and of one of somebody who may do nothing."""
    registry = startup.open_registry(settings_of(guarded.server))
    try:
        now = system_now()
        ended = _begin(registry, None, now)
        registry.write_now(console_sessions.end, ended)
        return {
            "expired": _begin(registry, None, now - 13 * HOUR),
            "idle": _begin(registry, None, now - 2 * HOUR),
            "ended": ended,
            "nobody's": _begin(registry, "nobody", now),
        }
    finally:
        registry.close()


COOKIES = {"none": "", "odd": "\xff'\"<>", "of nobody": "A" * 43, "without end": "A" * 20_000}
"""Those that are none."""


@pytest.mark.parametrize("credential", [*COOKIES, "expired", "idle", "ended"])
def test_the_console(
    guarded: Guarded, connection: http.client.HTTPConnection, cookies: dict[str, str], credential: str
) -> None:
    """Whoever is not signed in is led to the sign-in page by every page and every form."""
    secret = COOKIES.get(credential) or cookies.get(credential, "")
    before = guarded.state()
    for endpoint in endpoints.pages():
        if endpoint.name == "POST sign-in (open)":
            continue  # counts who was wrong: tests/console/test_sign_in.py
        answer = send(connection, endpoint, _cookie(secret))
        if not endpoint.name.endswith("(open)"):
            assert answer.status == 303, endpoint.name
            assert answer.headers["location"].startswith("/console/sign-in"), endpoint.name
        assert answer.status < 500, endpoint.name
        assert BUILT.digest.encode() not in answer.body, endpoint.name
    assert guarded.state() == before


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "origin", [{}, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_form_comes_from_a_page_of_its_session(
    guarded: Guarded, connection: http.client.HTTPConnection, cookies: dict[str, str], origin: dict[str, str]
) -> None:
    """Without the page's token, or from another site even with it, no form does anything, whoever is signed in."""
    secret, before = cookies["nobody's"], guarded.state()
    body = f"csrf={csrf_of(secret)}".encode() if origin else b"csrf=" + b"0" * 64
    for endpoint in endpoints.pages():
        if endpoint.method == "POST":
            answer = send(connection, endpoint, {**_cookie(secret), **FORM, **origin}, body)
            assert answer.status == 403, endpoint.name
    assert guarded.state() == before


def test_who_is_signed_in_and_may_do_nothing(
    guarded: Guarded, connection: http.client.HTTPConnection, cookies: dict[str, str]
) -> None:
    """Sees nothing that is guarded on any page, and changes nothing by any form."""
    secret, before = cookies["nobody's"], guarded.state()
    body = f"csrf={csrf_of(secret)}".encode()
    for endpoint in endpoints.pages():
        if endpoint.name in {"POST sign-in (open)", "POST sign-out (open)"}:
            continue
        sent = body if endpoint.method == "POST" else b""
        answer = send(connection, endpoint, {**_cookie(secret), **FORM}, sent)
        assert answer.status in {200, 303, 400, 403, 404}, endpoint.name
        assert BUILT.digest.encode() not in answer.body, endpoint.name
    assert guarded.state() == before


# What anybody may ask


ROUTED = {
    ("/", "GET, HEAD"),
    ("/", "POST"),
    ("/healthz", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
}
"""What else is answered: the front page, which names the others; the APIs of AWS; probes; figures."""


def test_nothing_else_is_served(registry: Registry, guarded: Guarded) -> None:
    """A route that this module does not know is an endpoint without a test."""
    traffic = Traffic(registry, slow=0, has_access_log=False)
    application = Application(registry, Secrets(registry.scratch_folder, ""), Draining(), traffic)
    routes = application._router.routes
    assert {(each.path, ", ".join(sorted(each.methods))) for each in routes} == ROUTED  # type: ignore[attr-defined]
    connection = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=60)
    for path in ("/", "/healthz", "/readyz"):
        answer = send(connection, Endpoint(path, "GET", path), {})
        assert answer.status == 200
        assert b"guarded" not in answer.body
    for method, path in (("GET", "/v3/"), ("PUT", "/"), ("POST", "/healthz"), ("DELETE", "/metrics")):
        assert send(connection, Endpoint(path, method, path), basic()).status in {404, 405}
    connection.close()
