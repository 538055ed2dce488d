"""Amazon's own host names lead here, so nothing tells a client that this is not Amazon ECR.

Its credential helper serves no other names, and docker verifies certificates for any address but 127.0.0.0/8: both are tried
on a machine of their own, whose /etc/hosts has the names and whose port 443 is the registry's.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.clients.engine import docker_engine
from tests.clients.namespace import Namespace, ShellInside, TlsServerInside
from tests.images import image, write_layout
from tests.server import ACCESS_KEY_ID, REGION, REGISTRY_ID, SECRET_ACCESS_KEY, serving
from tests.tls import TlsServer, needs_openssl

pytestmark = [needs_openssl, needs("nsenter", "ip"), pytest.mark.sqlite, pytest.mark.disk]
# From their network no other server can be reached.

API = f"api.ecr.{REGION}.amazonaws.com"
REGISTRY = f"{REGISTRY_ID}.dkr.ecr.{REGION}.amazonaws.com"
PLAIN_NAME = "registry.example"

HELPER = "docker-credential-ecr-login"
NOT_FOUND = "credentials not found in native keychain"


def helpers() -> list[Path]:
    """Every credential helper on the path: Debian's is of 2021, and a newer one may be beside it."""
    found = {Path(folder, HELPER).resolve() for folder in os.get_exec_path() if Path(folder, HELPER).exists()}
    return sorted(found)


@pytest.fixture(scope="module")
def amazon(place: Namespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    place.name(API, REGISTRY, PLAIN_NAME)
    names = tuple(f"DNS:{name}" for name in (API, REGISTRY, PLAIN_NAME))
    data = tmp_path_factory.mktemp("amazon") / "data"
    with serving(TlsServerInside(data, place, REGISTRY, names=names, port=443)) as server:
        yield server


@pytest.fixture
def shell(amazon: TlsServer, place: Namespace, tmp_path: Path) -> ShellInside:
    """A shell whose clients ask the credential helper, which has the names and no endpoint."""
    opened = ShellInside(amazon, tmp_path, place, ca_variable="SSL_CERT_FILE")
    opened.set(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true")
    asked = json.dumps({"credHelpers": {REGISTRY: "ecr-login"}})
    for file in ("config.json", "auth.json"):
        (tmp_path / file).write_text(asked)
    return opened


@pytest.fixture(scope="module")
def engine(place: Namespace, amazon: TlsServer) -> Iterator[str]:
    """An engine inside, which is told of the authority by /etc/docker/certs.d, as docker's documentation has it."""
    place.write({f"docker/certs.d/{REGISTRY}/ca.crt": amazon.authority.read_text()})
    with docker_engine(place.within()) as host:
        yield host


@pytest.fixture(
    params=[
        pytest.param(helper, id=str(helper), marks=needs(HELPER)) for helper in helpers() or [Path(HELPER)]
    ]
)
def helper(request: pytest.FixtureRequest) -> Path:
    """Each of them."""
    found: Path = request.param
    return found


def assert_opens(shell: Shell, name: str, password: str) -> None:
    """The registry takes a push with the password that the helper handed out."""
    source = write_layout(shell.folder / "in", image(name), "1")
    shell.run("skopeo", "copy", "--dest-creds", f"AWS:{password}", source, f"docker://{REGISTRY}/{name}:1")


@needs("skopeo")
def test_the_helper_gets_a_password_that_opens_the_registry(shell: Shell, name: str, helper: Path) -> None:
    """By the names alone: it calls api.ecr, is told where the registry is, and the registry takes what it got."""
    got = json.loads(shell.run(helper, "get", stdin=REGISTRY))
    assert got["Username"] == "AWS"
    assert_opens(shell, name, got["Secret"])


@needs("skopeo")
def test_one_name_is_enough_with_an_endpoint(shell: Shell, name: str, helper: Path, place: Namespace) -> None:
    """AWS_ENDPOINT_URL_ECR may be the registry's own name: api.ecr need not lead here. Version 0.6.0 does not read it."""
    hosts = (place.etc / "hosts").read_text()
    (shell.folder / "hosts").write_text(hosts.replace(API, "nobody.example"))
    (shell.folder / "ask").write_text(f"mount --bind hosts /etc/hosts && exec {helper} get")
    shell.set(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="false", AWS_ENDPOINT_URL_ECR=f"https://{REGISTRY}")
    asked = shell.attempt("unshare", "--mount", "sh", "ask", stdin=REGISTRY)
    if "0.6.0" in shell.run(helper, "-v"):
        assert asked.stdout.strip() == NOT_FOUND
    else:
        assert_opens(shell, name, json.loads(asked.stdout)["Secret"])


def test_the_helper_serves_no_other_name(shell: Shell, helper: Path) -> None:
    """A registry of another name is none of its business, and it does not believe an endpoint of another name."""
    refused = shell.attempt(helper, "get", stdin=PLAIN_NAME)
    assert (refused.returncode, refused.stdout.strip()) == (1, NOT_FOUND)
    if "0.6.0" not in shell.run(helper, "-v"):
        shell.set(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="false", AWS_ENDPOINT_URL_ECR=f"https://{PLAIN_NAME}")
        refused = shell.attempt(helper, "get", stdin=REGISTRY)
        assert (refused.returncode, refused.stdout.strip()) == (1, NOT_FOUND)


@needs("crane", HELPER)
def test_crane_asks_the_helper(shell: Shell, name: str) -> None:
    """Push, list, validate; nobody logged in."""
    write_layout(shell.folder / "in", image(name, size=120_000), "1")
    shell.run("crane", "push", shell.folder / "in", f"{REGISTRY}/{name}:1")
    assert shell.run("crane", "ls", f"{REGISTRY}/{name}") == "1"
    assert "PASS" in shell.run("crane", "validate", "--remote", f"{REGISTRY}/{name}:1")


@needs("skopeo", HELPER)
def test_skopeo_asks_the_helper(shell: Shell, name: str) -> None:
    """Copy in, copy out, inspect; nobody logged in."""
    source = write_layout(shell.folder / "in", built := image(name, size=120_000), "1")
    shell.run("skopeo", "copy", source, f"docker://{REGISTRY}/{name}:1")
    shell.run("skopeo", "copy", f"docker://{REGISTRY}/{name}:1", f"oci:{shell.folder}/out:1")
    assert shell.json("skopeo", "inspect", f"docker://{REGISTRY}/{name}:1")["Digest"] == built.digest


@needs("docker", "dockerd", "containerd", "runc", "crane", HELPER)
def test_docker_asks_the_helper(shell: Shell, engine: str, name: str) -> None:
    """An engine pulls and pushes; nobody logged in."""
    shell.set(DOCKER_HOST=engine)
    write_layout(shell.folder / "in", built := image(name, size=120_000), "1")
    shell.run("crane", "push", shell.folder / "in", f"{REGISTRY}/{name}:1")
    assert f"Digest: {built.digest}" in shell.run("docker", "pull", f"{REGISTRY}/{name}:1")
    shell.run("docker", "tag", f"{REGISTRY}/{name}:1", f"{REGISTRY}/{name}:2")
    shell.run("docker", "push", f"{REGISTRY}/{name}:2")
    assert shell.run("crane", "ls", f"{REGISTRY}/{name}").split() == ["1", "2"]


@needs("docker", "dockerd", "containerd", "runc", "crane")
def test_an_engine_trusts_whom_it_is_told_to(
    shell: Shell, engine: str, amazon: TlsServer, place: Namespace, name: str
) -> None:
    """Without a file in /etc/docker/certs.d the engine refuses the certificate; with it, no restart, it pushes and pulls."""
    shell.set(DOCKER_HOST=engine)
    login = ("docker", "login", "--username", ACCESS_KEY_ID, "--password-stdin", PLAIN_NAME)
    refused = shell.attempt(*login, stdin=SECRET_ACCESS_KEY)
    assert refused.returncode
    assert "certificate signed by unknown authority" in refused.stderr
    place.write({f"docker/certs.d/{PLAIN_NAME}/ca.crt": amazon.authority.read_text()})
    assert "Succeeded" in shell.run(*login, stdin=SECRET_ACCESS_KEY)
    write_layout(shell.folder / "in", image(name, size=120_000), "1")
    target = f"{PLAIN_NAME}/{name}"
    shell.run("crane", "push", shell.folder / "in", f"{target}:1")
    shell.run("docker", "pull", f"{target}:1")
    shell.run("docker", "tag", f"{target}:1", f"{target}:2")
    shell.run("docker", "push", f"{target}:2")
    assert shell.run("crane", "ls", target).split() == ["1", "2"]


@needs("docker", "crane", HELPER)
def test_docker_pushes_a_list_over_tls(shell: Shell, name: str) -> None:
    """``docker manifest`` needs no engine, and takes the authority from SSL_CERT_FILE."""
    target = f"{REGISTRY}/{name}"
    for architecture in ("amd64", "arm64"):
        folder = shell.folder / architecture
        write_layout(folder, image(f"{name} {architecture}"), "1")
        shell.run("crane", "push", folder, f"{target}:{architecture}")
    shell.run("docker", "manifest", "create", f"{target}:1", f"{target}:amd64", f"{target}:arm64")
    shell.run("docker", "manifest", "annotate", f"{target}:1", f"{target}:arm64", "--arch", "arm64")
    shell.run("docker", "manifest", "push", f"{target}:1")
    listed = json.loads(shell.run("crane", "manifest", f"{target}:1"))
    assert [child["platform"]["architecture"] for child in listed["manifests"]] == ["amd64", "arm64"]
