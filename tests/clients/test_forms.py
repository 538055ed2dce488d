"""Every form of image, copied by every client that copies: in and out, nothing is changed on the way."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.clients.forms import FORMS, Form, assert_is_there, push
from tests.distribution.client import Client
from tests.server import Server


def by_skopeo(shell: Shell, source: str, target: str) -> None:
    plain = (*shell.reach("--src-tls-verify=false"), *shell.reach("--dest-tls-verify=false"))
    files = ("--src-authfile", "config.json", "--dest-authfile", "config.json")
    options = ("--all", "--preserve-digests", *files, *plain)
    shell.run("skopeo", "copy", *options, f"docker://{source}", f"docker://{target}")


def by_crane(shell: Shell, source: str, target: str) -> None:
    shell.run("crane", *shell.reach("--insecure"), "copy", source, target)


def by_regctl(shell: Shell, source: str, target: str) -> None:
    trust = ("--tls", "disabled") if shell.authority is None else ("--cacert", shell.authority.read_text())
    shell.run("regctl", "registry", "set", *trust, shell.host)
    shell.run("regctl", "image", "copy", source, target)


def by_oras(shell: Shell, source: str, target: str) -> None:
    reach = (
        *shell.reach("--from-plain-http", "--from-ca-file"),
        *shell.reach("--to-plain-http", "--to-ca-file"),
    )
    shell.run("oras", "copy", *reach, source, target)


CLIENTS = [
    pytest.param(by_skopeo, id="skopeo", marks=needs("skopeo")),
    pytest.param(by_crane, id="crane", marks=needs("crane")),
    pytest.param(by_regctl, id="regctl", marks=needs("regctl")),
    pytest.param(by_oras, id="oras", marks=needs("oras")),
]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("copy", CLIENTS)
def test_a_copy_is_the_same_to_the_byte(
    server: Server, tmp_path: Path, name: str, copy: Callable[[Shell, str, str], None], form: Form
) -> None:
    """Manifests, config and layers, and the children of an index, arrive in another repository as they were."""
    shell = Shell(server, tmp_path, ca_variable="SSL_CERT_FILE" if copy is by_crane else None)
    client, built = Client.of(server), form(name)
    push(client, name, built, "1")
    copy(shell, f"{shell.host}/{name}:1", f"{shell.host}/{name}/copy:2")
    assert_is_there(client, f"{name}/copy", built, "2")
