"""What is read of headers, addresses and host names."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.upstream import address, challenge
from careen.upstream.address import InvalidAddress
from careen.upstream.challenge import Challenge
from careen.upstream.credentials import AmazonHost, Basic, amazon_host
from careen.upstream.patience import Patience, retry_after

CHALLENGES = {
    "a token server": (
        [
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'
        ],
        [
            Challenge(
                "bearer",
                {
                    "realm": "https://auth.docker.io/token",
                    "service": "registry.docker.io",
                    "scope": "repository:a/b:pull,push",
                },
            )
        ],
    ),
    "Amazon ECR": (
        ['Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"'],
        [
            Challenge(
                "basic",
                {
                    "realm": "https://1.dkr.ecr.eu-west-1.amazonaws.com/",
                    "service": "ecr.amazonaws.com",
                },
            )
        ],
    ),
    "two in one header": (
        ['Basic realm="a, b", Bearer Realm = "c" , service=d'],
        [Challenge("basic", {"realm": "a, b"}), Challenge("bearer", {"realm": "c", "service": "d"})],
    ),
    "two headers": (
        ["Negotiate", 'basic realm="x"'],
        [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"})],
    ),
    "a quoted quotation mark": (
        [r'Basic realm="say \"a\\b\""'],
        [Challenge("basic", {"realm": r'say "a\b"'})],
    ),
    "nothing": ([""], []),
    "noise": (['="x"'], []),
}


@pytest.mark.parametrize(("headers", "expected"), CHALLENGES.values(), ids=CHALLENGES)
def test_challenges_are_read(headers: list[str], expected: list[Challenge]) -> None:
    """Every form of WWW-Authenticate that registries send is read; what is no challenge is none."""
    assert challenge.parse(headers) == expected


@given(st.lists(st.text(alphabet='aB =,"\\\\;\t', max_size=30), max_size=3))
def test_any_header_is_read(headers: list[str]) -> None:
    """Whatever a registry sends, reading it ends, and finds schemes and names in small letters."""
    for scheme, parameters in challenge.parse(headers):
        assert scheme
        assert scheme == scheme.lower()
        assert all(name == name.lower() for name in parameters)


@given(st.text(alphabet="w:/-", max_size=12), st.text(alphabet='aB1,="\\ ', max_size=20))
def test_a_parameter_comes_back_as_it_was(word: str, value: str) -> None:
    """A quoted value is read as it was before it was quoted, whatever stands around it."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    header = f'Basic realm="{quoted}", Bearer realm="{word}"'
    assert challenge.parse([header]) == [
        Challenge("basic", {"realm": value}),
        Challenge("bearer", {"realm": word}),
    ]


ADDRESSES = {
    "registry-1.docker.io": "https://registry-1.docker.io",
    "https://QUAY.io/": "https://quay.io",
    "https://r.example:443": "https://r.example",
    "r.example:5000": "https://r.example:5000",
    "http://127.0.0.1:5000": "http://127.0.0.1:5000",
    "http://[::1]:5000": "http://[::1]:5000",
    "http://registry.lan": "http://registry.lan",
}


@pytest.mark.parametrize(("text", "url"), ADDRESSES.items())
def test_addresses_are_read(text: str, url: str) -> None:
    """An address is HTTPS unless it says otherwise, and is written in one way."""
    assert address.parse(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "ftp://r.example",
        "https://r.example/v2",
        "https://u:p@r.example",
        "https://r.example?x",
        "https://r.example:0x1",
        "r.example:99999",
        "https://r exam.ple",
        "http://[::1",
        "https://-r.example",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Paths, credentials, queries and other schemes are no part of a registry's address."""
    with pytest.raises(InvalidAddress):
        address.parse(text)


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("https://r.example", True),
        ("http://127.0.0.1:1", True),
        ("http://localhost", True),
        ("http://[::1]", True),
        ("http://r.example", False),
        ("http://169.254.169.254", False),
        ("http://127.0.0.1.r.example", False),
    ],
)
def test_plain_http_is_guarded_on_this_machine_alone(text: str, guarded: bool) -> None:
    """Plain HTTP is as good as HTTPS only where no network is between."""
    assert address.parse(text).is_guarded is guarded


HOSTS = {
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": AmazonHost("123456789012", "eu-west-1", False),
    "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com": AmazonHost("123456789012", "us-east-1", True),
    "123456789012.dkr-ecr.us-east-2.on.aws": AmazonHost("123456789012", "us-east-2", False),
    "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": AmazonHost("123456789012", "cn-north-1", False),
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example": None,
    "12345.dkr.ecr.eu-west-1.amazonaws.com": None,
    "public.ecr.aws": None,
}


@pytest.mark.parametrize(("host", "expected"), HOSTS.items())
def test_amazon_hosts_are_known_by_name(host: str, expected: AmazonHost | None) -> None:
    """Only hosts of Amazon's own domains are given Amazon's tokens."""
    assert amazon_host(host) == expected


NOW = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120),
        (" 0 ", 0),
        ("9" * 400, 365 * 86_400),
        ("Mon, 23 Nov 2026 12:01:30 GMT", 90),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("-5", None),
        ("Mon, 23 Nov 9999 12:01:30 GMT", 365 * 86_400),
        ("Mon, 23 Nov 2026 12:01:30 +99999999999999999999", None),
        ("soon", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """Both forms of Retry-After are understood; anything else asks for nothing."""
    assert retry_after(header, NOW) == seconds


def test_pauses_double_and_end() -> None:
    """Pauses grow from the first to the longest, a server's wish goes before, and after the last try there is none."""
    slept: list[float] = []
    patience = Patience(tries=6, first_pause=1, longest_pause=4, sleep=slept.append)
    assert all(patience.pause(failures) for failures in range(1, 6))
    assert not patience.pause(6)
    for pause, longest in zip(slept, (1, 2, 4, 4, 4), strict=True):
        assert longest / 2 <= pause <= longest
    assert patience.pause(1, 3.0)
    assert slept[-1] == 3
    assert not patience.pause(1, 5.0)


def test_a_credential_does_not_show_its_password() -> None:
    """What may be logged names the user alone."""
    assert "hunter2" not in f"{Basic('user', 'hunter2')!r} {[Basic('user', 'hunter2')]}"
