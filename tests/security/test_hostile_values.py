"""What no page and no client of ours sends: values that are none, in every field of every form, query and call."""

import base64
import http.client
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_from_bytes

import pytest

import careen
from careen import startup
from careen.clock import system_now
from careen.console.app import csrf_of
from careen.registry import console_sessions
from careen.registry.access import Circumstances
from careen.registry.console_sessions import Method
from tests.console.visitor import settings_of
from tests.ecrapi.client import basic
from tests.security import endpoints
from tests.security.conftest import Guarded, fill
from tests.security.endpoints import BUILT, NAME
from tests.security.test_credentials import FORM, send
from tests.server import running

SOURCES = [*Path(careen.__file__).parent.joinpath("console").rglob("*.py")]
TEMPLATES = [*Path(careen.__file__).parent.joinpath("console").rglob("*.html")]

DEEP = b"[" * 5_000

VALUES: dict[str, bytes] = {
    "nothing": b"",
    "NUL": b"a\0b",
    "a lone surrogate": b"\xed\xa0\x80",
    "no UTF-8": b"\xff\xfe",
    "a digit that is no number": "²".encode(),
    "digits of another script": "١٢".encode(),
    "less than nothing": b"-1",
    "more than a row's number": b"9" * 19,
    "more than Python reads": b"9" * 5_000,
    "no number": b"NaN",
    "up": b"../../../../etc/passwd",
    "a long text": b"a" * 100_000,
    "lines": b"a\r\nSet-Cookie: a=b",
    "markup": b"<script>alert(1)</script>{{7*7}}",
    "right to left": "\u202efdp.exe".encode(),
    "no JSON": b'{"',
    "another JSON": b'[{"a": null}]',
    "deep JSON": DEEP,
    "deep JSON, packed": base64.b64encode(DEEP),
    "a date that is none": b"2026-02-31T25:61",
    "a URL that is none": b"http://[::1",
    "a pattern that is none": b"(((((",
}


def fields() -> set[str]:
    """Every name that a template gives a field, or that a page asks a form or a query for."""
    found = set()
    for path in TEMPLATES:
        found |= set(re.findall(r'\bname="([\w-]+)"', path.read_text()))
    for path in SOURCES:
        asked = r'\b(?:form|query|sent)(?:\.get|\.getlist)?[\[(]"([\w-]+)"'
        found |= set(re.findall(asked, path.read_text()))
    return found - {"csrf"}


class Open(NamedTuple):
    """A server for anything, and the account itself signed in to it."""

    guarded: Guarded
    connection: http.client.HTTPConnection
    secret: str


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """One that may be broken as far as its owner can."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    with running(data, lifecycle_interval=86_400, webhook_timeout=0.1, webhook_attempts=1) as server:
        guarded = fill(server)
        registry = startup.open_registry(settings_of(server))
        began = Circumstances(system_now())
        secret = registry.write_now(console_sessions.begin, registry, None, Method.LINK, began)
        registry.close()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        yield Open(guarded, connection, secret)
        connection.close()


def test_the_fields_are_found() -> None:
    """The tests below leave none out."""
    assert len(fields()) > 90
    assert {"mutability", "policy", "run", "letter", "state", "search", "after"} <= fields()


def assert_no_failure(opened: Open, status: int, where: str) -> None:
    """It was answered, and nothing is in the log that only a failure leaves there."""
    assert status < 500, where
    assert "Traceback" not in opened.guarded.server.log.read_text(), where


def form(opened: Open, values: Mapping[str, bytes]) -> bytes:
    """A form of the account's own session."""
    named = "".join(f"&{name}={quote_from_bytes(value)}" for name, value in values.items())
    return f"csrf={csrf_of(opened.secret)}{named}".encode()


def mixed(turn: int) -> dict[str, bytes]:
    """Every field with some value, each turn with another."""
    values = [*VALUES.values(), b"1", b"on", b"guarded"]
    return {name: values[(place * 7 + turn) % len(values)] for place, name in enumerate(sorted(fields()))}


FORMS: dict[str, Mapping[str, bytes]] = {
    "no fields": {},
    "empty fields": dict.fromkeys(fields(), b""),
    "NUL": dict.fromkeys(fields(), b"a\0b"),
    "a name with NUL": {"a\0b": b"a"},
    **{f"turn {turn}": mixed(turn) for turn in range(6)},
}


@pytest.mark.parametrize("sent", FORMS)
def test_a_form_with_anything_in_its_fields(opened: Open, sent: str) -> None:
    """Is done, or refused with a page that says so: also to the account itself no form is answered 500."""
    body = form(opened, FORMS[sent])
    for endpoint in endpoints.pages():
        if endpoint.method == "POST" and "sign-" not in endpoint.name:
            headers = {"Cookie": f"careen-session={opened.secret}", **FORM}
            answer = send(opened.connection, endpoint, headers, body)
            assert_no_failure(opened, answer.status, f"{endpoint.name}: {sent}")
            if "NUL" in sent:
                assert answer.status == 400


@pytest.mark.parametrize("turn", range(3))
def test_a_query_with_anything_in_its_parameters(opened: Open, turn: int) -> None:
    """Nor a page, whatever stands behind its address; the longest that a head takes."""
    short = {name: value[:500] for name, value in mixed(turn).items()}
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in short.items())
    for endpoint in endpoints.pages():
        if endpoint.method == "GET":
            asked = endpoint._replace(path=f"{endpoint.path}?{query}")
            answer = send(opened.connection, asked, {"Cookie": f"careen-session={opened.secret}"})
            assert_no_failure(opened, answer.status, f"{endpoint.name}: turn {turn}")


TARGETS = {
    "GET tags": ("/v2/{}/tags/list", f"/v2/{NAME}/tags/list?n={{}}", f"/v2/{NAME}/tags/list?n=1&last={{}}"),
    "GET catalog": ("/v2/_catalog?n={}", "/v2/_catalog?last={}"),
    "GET referrers": (
        f"/v2/{NAME}/referrers/{{}}",
        f"/v2/{NAME}/referrers/{BUILT.digest}?artifactType={{}}",
    ),
    "GET manifests": (f"/v2/{NAME}/manifests/{{}}", "/v2/{}/manifests/1"),
    "PUT manifests": (f"/v2/{NAME}/manifests/{{}}", "/v2/{}/manifests/1"),
    "DELETE manifests": (f"/v2/{NAME}/manifests/{{}}",),
    "GET blobs": (f"/v2/{NAME}/blobs/{{}}", f"/v2/{NAME}/blobs/{BUILT.digests[0]}?token={{}}"),
    "DELETE blobs": (f"/v2/{NAME}/blobs/{{}}",),
    "POST uploads": (
        f"/v2/{NAME}/blobs/uploads/?digest={{}}",
        f"/v2/{NAME}/blobs/uploads/?mount={{}}",
        f"/v2/{NAME}/blobs/uploads/?mount={{}}&from={NAME}",
        f"/v2/{NAME}/blobs/uploads/?mount={BUILT.digests[0]}&from={{}}",
        "/v2/{}/blobs/uploads/",
    ),
    "GET upload": (f"/v2/{NAME}/blobs/uploads/{{}}",),
    "PATCH upload": (f"/v2/{NAME}/blobs/uploads/{{}}",),
    "PUT upload": (
        f"/v2/{NAME}/blobs/uploads/{{}}?digest={BUILT.digests[0]}",
        f"/v2/{NAME}/blobs/uploads/{endpoints.UPLOAD_ID}?digest={{}}",
    ),
    "DELETE upload": (f"/v2/{NAME}/blobs/uploads/{{}}",),
    "GET token": ("/v2/token?service={}&scope={}",),
    "GET logo": ("/v2/_logos/{}",),
    "GET events": (
        "/events?after={}",
        "/events?after=x&repository={}&action={}&detail-type={}",
    ),
}
"""Where a text of the client's stands in a target."""


@pytest.mark.parametrize("value", [name for name, value in VALUES.items() if len(value) < 20_000])
def test_a_target_with_anything_in_it(opened: Open, value: str) -> None:
    """Every name, reference and parameter of the distribution API and of the feed is an answer, or a refusal of its own."""
    text = quote_from_bytes(VALUES[value], safe="")
    for name, targets in TARGETS.items():
        for target in targets:
            asked = endpoints.Endpoint(name, name.partition(" ")[0], target.replace("{}", text), b"a")
            if (asked.name, value) == ("GET events", "nothing"):
                continue  # that is a feed without an end
            answer = send(opened.connection, asked, basic())
            assert_no_failure(opened, answer.status, f"{asked.method} {target}: {value}")
