"""Settings: where each comes from, which are refused, and with what words."""

from pathlib import Path
from typing import Any

import pytest

from careen.settings import InvalidSetting, Settings, load

SECRET = "sixteen letters!"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder of one's own, so that no careen.toml of the developer's is read."""
    monkeypatch.chdir(tmp_path)


def test_nothing_is_needed() -> None:
    """Without any setting there are the defaults."""
    assert load(environ={}) == Settings()


def test_options_go_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    """Each source names two settings; the one that two name comes from the one that goes first."""
    (tmp_path / "careen.toml").write_text('port = 5001\nregion = "eu-west-1"\nhost = "0.0.0.0"\n')
    environ = {"CAREEN_PORT": "5002", "CAREEN_REGION": "eu-west-2"}
    settings = load({"port": 5003, "data": None}, environ)
    assert (settings.port, settings.region, settings.host) == (5003, "eu-west-2", "0.0.0.0")  # noqa: S104 never bound
    assert settings.data == "careen-data"


def test_the_file_may_lie_anywhere(tmp_path: Path) -> None:
    """CAREEN_CONFIG names it; then the one in the working folder is not read."""
    (tmp_path / "careen.toml").write_text("port = 1")
    named = tmp_path / "named.toml"
    named.write_text("workers = 3")
    settings = load(environ={"CAREEN_CONFIG": str(named)})
    assert (settings.port, settings.workers) == (5000, 3)


ENVIRONMENT: dict[str, tuple[str, str, Any]] = {
    "a number": ("CAREEN_PORT", "5001", 5001),
    "a fraction": ("CAREEN_BLOB_GRACE", "0.5", 0.5),
    "no time at all": ("CAREEN_UPLOAD_TTL", "0", 0),
    "yes": ("CAREEN_CREATE_ON_PUSH", "true", True),
    "one": ("CAREEN_CREATE_ON_PUSH", "1", True),
    "no": ("CAREEN_CREATE_ON_PUSH", "false", False),
    "text that is a number": ("CAREEN_REGISTRY_ID", "000000000001", "000000000001"),
    "empty is not set": ("CAREEN_PORT", "", 5000),
}


@pytest.mark.parametrize(("variable", "text", "value"), ENVIRONMENT.values(), ids=ENVIRONMENT.keys())
def test_the_environment_is_text(variable: str, text: str, value: object) -> None:
    """And each setting reads it as what it is."""
    assert getattr(load(environ={variable: text}), variable.removeprefix("CAREEN_").lower()) == value


def test_other_variables_are_none_of_ours() -> None:
    """Nor are ours in lower case."""
    assert (
        load(environ={"PORT": "1", "CAREEN_HOME": "/", "careen_port": "1", "CAREENPORT": "1"}) == Settings()
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "traces that go nowhere": ({"traces": "localhost:4318"}, "traces is an address"),
    "no number": ({"port": "http"}, "`$.port`"),
    "port 0": ({"port": 0}, "`$.port`"),
    "port 65536": ({"port": 65_536}, "`$.port`"),
    "no worker": ({"workers": 0}, "workers is at least 1"),
    "no truth": ({"create_on_push": "perhaps"}, "`$.create_on_push`"),
    "a negative time": ({"blob_grace": -1}, "`$.blob_grace`"),
    "no time between rounds": ({"collect_interval": 0}, "`$.collect_interval`"),
    "a time that is no number": ({"lifecycle_interval": "nan"}, "`$.lifecycle_interval`"),
    "for ever": ({"upload_ttl": "inf"}, "`$.upload_ttl`"),
    "eleven digits": ({"registry_id": "12345678901"}, "registry_id is twelve digits, not '12345678901'"),
    "twelve letters": ({"registry_id": "a" * 12}, "registry_id is twelve digits"),
    "twelve digits of another script": ({"registry_id": "٣" * 12}, "registry_id is twelve digits"),
    "a certificate without its key": (
        {"tls_certificate": "c.pem"},
        "tls_certificate and tls_key go together",
    ),
    "a key without its certificate": ({"tls_key": "k.pem"}, "tls_certificate and tls_key go together"),
    "an access key without its secret": ({"access_key_id": "AKIA"}, "access_key_id and secret_access_key"),
    "a secret without its access key": ({"secret_access_key": SECRET}, "access_key_id and secret_access_key"),
    "a short secret": ({"access_key_id": "AKIA", "secret_access_key": SECRET[:-1]}, "at least 16 characters"),
    "a level that is none": ({"log_level": "loud"}, "log_level is debug, info, warning or error, not 'loud'"),
    "no such setting": ({"prot": 5000}, "`prot`"),
    "blobs in no bucket": ({"blobs": "s3:///prefix"}, "blobs is s3://bucket/prefix"),
    "no scanner": ({"scanner": "trivy image"}, "scanner is a command with {image} where the image belongs"),
    "a scanner with an open quote": (
        {"scanner": "sh -c 'trivy {image}"},
        "scanner is no command: No closing quotation",
    ),
    "a scanner's program that is the image": ({"scanner": "{image}"}, "scanner is a command with {image}"),
    "an adapter without a host": ({"scanner": "http://"}, "scanner is the address of a scanner adapter"),
    "an adapter with a query": (
        {"scanner": "https://adapter/?a=b"},
        "scanner is the address of a scanner adapter",
    ),
    "blobs elsewhere": ({"blobs": "gs://bucket"}, "blobs is s3://bucket/prefix"),
    "blobs with a secret": (
        {"blobs": "s3://bucket?key=k"},
        "class, endpoint, kms, region, sse after its '?', not key",
    ),
    "blobs with a key that nothing is encrypted with": (
        {"blobs": "s3://bucket?kms=alias/careen"},
        "the kms of blobs is the key of AWS KMS for sse=aws:kms",
    ),
    "an endpoint without a scheme": ({"blobs": "s3://bucket?endpoint=s3.example.com"}, "begins with http"),
    "a web server that is none": ({"accel": "apache"}, "accel is nginx or empty, not 'apache'"),
    "a web server without an address": (
        {"proxies": "127.0.0.1, nginx"},
        "proxies is addresses and networks, separated by commas: 'nginx'",
    ),
    "upstream credentials that are no JSON": (
        {"upstream_credentials": "hub=me:token"},
        "upstream_credentials is not JSON as",
    ),
    "an upstream credential without a token": (
        {"upstream_credentials": '{"hub": {"username": "me"}}'},
        "upstream_credentials of hub is not JSON as",
    ),
    "a public URL with a path": (
        {"public_url": "https://example.com/registry"},
        "public_url is http or https",
    ),
    "a public URL without a scheme": ({"public_url": "registry.example.com"}, "public_url is http or https"),
    "an alias that is none": ({"public_alias": "Public/all"}, "public_alias is 2 to 50 small letters"),
    "an alias of one letter": ({"public_alias": "p"}, "public_alias is 2 to 50 small letters"),
    "a public host that is a URL": ({"public_host": "https://public.example"}, "public_host is a host"),
    "a public host in capitals": ({"public_host": "Public.example"}, "public_host is a host"),
    "a burst of none": ({"anonymous_burst": 0}, "anonymous_burst"),
    "a public URL that breaks a header": ({"public_url": 'https://a"b'}, "public_url is http or https"),
}


@pytest.mark.parametrize(("options", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_setting_that_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    """The message names it."""
    with pytest.raises(InvalidSetting) as refused:
        load(options, {})
    assert words in str(refused.value)


FILES = {
    "not TOML": b"port 5000",
    "not UTF-8": b'region = "\xff"',
    "a setting that is none": b"prot = 5000",
    "a table": b"[server]\nport = 5000",
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes) -> None:
    """A typing error in it must not become a default."""
    (tmp_path / "careen.toml").write_bytes(content)
    with pytest.raises(InvalidSetting):
        load(environ={})


@pytest.mark.parametrize("named", ["missing.toml", "."])
def test_a_file_that_is_named_must_be_there(named: str) -> None:
    """The message names it, too."""
    with pytest.raises(InvalidSetting, match=rf"^{named}: "):
        load(environ={"CAREEN_CONFIG": named})


def test_a_secret_is_taken_from_sixteen_letters_on() -> None:
    """To the letter."""
    settings = load({"access_key_id": "AKIA", "secret_access_key": SECRET}, {})
    assert settings.secret_access_key == SECRET


def test_the_credential_of_an_upstream_may_say_which_it_is_for() -> None:
    """Beside what it must have."""
    given = '{"hub": {"username": "me", "accessToken": "token", "registry": "registry-1.docker.io"}}'
    assert load({"upstream_credentials": given}, {}).upstream_credentials == given
