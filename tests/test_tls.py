"""Certificates that are renewed while they are served, and clients that have to show one."""

import contextlib
import http.client
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from careen import processes, tls
from careen.clock import Cautious
from careen.tls import Files, InvalidTls
from tests.clients.client import needs
from tests.images import image, write_layout
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server, serving
from tests.tls import LOOPBACK, Authority, Certificate, needs_openssl
from tests.waiting import PATIENCE, until

pytestmark = needs_openssl

SERVER = "serverAuth"


class Guarded(Server):
    """A server with a certificate, to which its owner, who asks whether it is there, may show one of his own."""

    def __init__(self, data: Path, served: Certificate, owner: Certificate | None, **settings: Any) -> None:
        super().__init__(data, tls_certificate=served.chain, tls_key=served.key, **settings)
        self.served = served
        self.owner = owner

    def context(self) -> ssl.SSLContext:
        """Trusts the server's authority; shows the owner's certificate."""
        return showing(self.served, self.owner)


def showing(served: Certificate, client: Certificate | None) -> ssl.SSLContext:
    """A client that trusts who issued one certificate, and shows another."""
    context = served.context()
    if client is not None:
        context.load_cert_chain(client.chain, client.key)
    return context


def status_of(server: Guarded, client: Certificate | None) -> int | None:
    """What an answer says to who shows a certificate; None: there is none, the connection was refused."""
    context = showing(server.served, client)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=PATIENCE, context=context)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def shown(server: Guarded) -> bytes:
    """The certificate that a new connection is shown."""
    context = server.served.context()
    if server.owner is not None:
        context.load_cert_chain(server.owner.chain, server.owner.key)
    with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", server.port, context=context)) as opened:
        opened.connect()
        return opened.sock.getpeercert(binary_form=True) or b""


def der(certificate: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(certificate.chain.read_text())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who issues all certificates that are good."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def served(authority: Authority, tmp_path: Path) -> Certificate:
    """A server's certificate, in files that may be replaced."""
    made = authority.issue("first", LOOPBACK, SERVER)
    own = Certificate(tmp_path / "server.crt", tmp_path / "server.key", made.authority)
    made.replaces(own)
    return own


def test_a_renewed_certificate_is_shown_to_new_connections(authority: Authority, served: Certificate) -> None:
    """By every process, without a restart; a connection that is open goes on."""
    renewed = authority.issue("renewed", LOOPBACK, SERVER)
    with serving(Guarded(served.chain.parent / "data", served, None, workers=2)) as server:
        assert shown(server) == der(served)
        open_before = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.context())
        open_before.request("GET", "/healthz")
        assert open_before.getresponse().read()
        renewed.replaces(served)
        until(lambda: [shown(server) for _ in range(8)] == [der(renewed)] * 8)
        open_before.request("GET", "/healthz")
        assert open_before.getresponse().status == 200
        open_before.close()


def test_what_does_not_fit_together_is_not_taken(authority: Authority, served: Certificate) -> None:
    """A certificate that comes before its key, or is half written: the server goes on with what it has, and says so once."""
    renewed = authority.issue("renewed", LOOPBACK, SERVER)
    before = der(served)
    with serving(Guarded(served.chain.parent / "data", served, None)) as server:
        served.chain.write_bytes(renewed.chain.read_bytes())
        until(lambda: "goes on with the certificate" in server.log.read_text())
        assert shown(server) == before
        served.key.write_bytes(renewed.key.read_bytes())
        until(lambda: shown(server) == der(renewed))
        assert server.log.read_text().count("goes on with the certificate") == 1


def offered(certificate: tls.Renewing, client: ssl.SSLContext) -> bytes:
    """The certificate that this process would show."""
    asked, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = client.wrap_bio(answered, asked, server_hostname="localhost")
    server = certificate.wrap_bio(asked, answered, server_side=True)
    for side in (caller, server, caller):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return caller.getpeercert(binary_form=True) or b""


def test_the_parent_keeps_up_with_the_certificate(authority: Authority, served: Certificate) -> None:
    """A process that is started again begins with the renewed one, also when the files are unfit by then."""
    renewed = authority.issue("renewed", LOOPBACK, SERVER)
    certificate, over = tls.Renewing(Files(served.chain, served.key)), threading.Event()
    watching = threading.Thread(target=processes._watch, args=([], Cautious(), certificate, over))
    watching.start()
    try:
        assert offered(certificate, served.context()) == der(served)
        renewed.replaces(served)
        until(lambda: offered(certificate, served.context()) == der(renewed))
    finally:
        over.set()
        watching.join()
    served.chain.write_bytes(b"half a certificate")
    certificate.look(tells=False)
    assert offered(certificate, served.context()) == der(renewed)


@pytest.fixture(scope="module")
def guarded(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A server for those with a certificate of the authority."""
    folder = tmp_path_factory.mktemp("guarded")
    certificate = authority.issue("guarded", LOOPBACK, SERVER)
    owner = authority.issue("owner")
    shutil.copy(authority.certificate, folder / "clients.crt")
    with serving(
        Guarded(folder / "data", certificate, owner, tls_client_ca=folder / "clients.crt")
    ) as server:
        yield server


def test_who_shows_no_certificate_is_refused(guarded: Guarded, authority: Authority, tmp_path: Path) -> None:
    """Nor is who shows one of another authority, or one that is for servers; whoever shows a good one is answered."""
    clients: dict[str, Certificate | None] = {
        "none": None,
        "another authority's": Authority(tmp_path).issue("stranger"),
        "a server's": authority.issue("a-server", LOOPBACK, SERVER),
        "a good one": authority.issue("client"),
    }
    answers = {name: status_of(guarded, client) for name, client in clients.items()}
    assert answers == {"none": None, "another authority's": None, "a server's": None, "a good one": 200}


def test_other_authorities_are_taken_without_a_restart(
    authority: Authority, served: Certificate, tmp_path: Path
) -> None:
    """Whose clients were let in are refused once their authority's certificate is no more in the file."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    trusted = tmp_path / "clients.crt"
    shutil.copy(authority.certificate, trusted)
    mine, its = authority.issue("mine"), other.issue("its")
    with serving(Guarded(tmp_path / "data", served, mine, tls_client_ca=trusted)) as server:
        assert (status_of(server, mine), status_of(server, its)) == (200, None)
        trusted.write_bytes(authority.certificate.read_bytes() + other.certificate.read_bytes())
        until(lambda: status_of(server, its) == 200)
        assert status_of(server, mine) == 200
        trusted.write_bytes(other.certificate.read_bytes())
        until(lambda: status_of(server, mine) is None)
        assert status_of(server, its) == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: apt-get install curl")
def test_curl(guarded: Guarded) -> None:
    """Is answered with its owner's certificate, and not without."""
    assert guarded.owner is not None
    address = f"https://127.0.0.1:{guarded.port}/healthz"
    ask: list[str | Path] = ["curl", "-sS", "--cacert", guarded.served.authority, address]
    mine: list[str | Path] = ["--cert", guarded.owner.chain, "--key", guarded.owner.key]
    assert subprocess.run(ask, capture_output=True, check=False, timeout=PATIENCE).returncode
    assert b"ok" in subprocess.run([*ask, *mine], capture_output=True, check=True, timeout=PATIENCE).stdout


@needs("skopeo")
def test_skopeo(guarded: Guarded, tmp_path: Path) -> None:
    """Pushes with the certificate in its ``--cert-dir``, and not without."""
    assert guarded.owner is not None
    folder = tmp_path / "certs"
    folder.mkdir()
    shutil.copy(guarded.served.authority, folder / "ca.crt")
    source = write_layout(tmp_path / "in", image("mutual", size=3000), "1")
    who = ("--dest-creds", f"{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}", "--dest-cert-dir", folder)
    push: list[str | Path] = ["skopeo", "copy", *who, source, f"docker://127.0.0.1:{guarded.port}/mutual:1"]
    refused = subprocess.run(push, capture_output=True, text=True, check=False, timeout=120)
    assert refused.returncode
    # Not by an answer: the server hangs up, and Go has many words for that.
    assert f'Get \\"https://127.0.0.1:{guarded.port}/v2/\\": ' in refused.stderr
    shutil.copy(guarded.owner.chain, folder / "client.cert")
    shutil.copy(guarded.owner.key, folder / "client.key")
    done = subprocess.run(push, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


UNFIT: dict[str, tuple[Callable[[Certificate, Path], Files], str]] = {
    "no certificate": (
        lambda it, folder: Files(folder / "none.crt", it.key),
        "none.crt cannot be read: No such file",
    ),
    "no key": (
        lambda it, folder: Files(it.chain, folder / "none.key"),
        "none.key cannot be read: No such file",
    ),
    "a folder": (lambda it, folder: Files(folder, it.key), "cannot be read: Is a directory"),
    "another's key": (
        lambda it, _: Files(it.chain, it.authority.with_suffix(".key")),
        "no certificate and its key",
    ),
    "no PEM": (lambda it, folder: Files(_written(folder / "x", b"x"), it.key), "no certificate and its key"),
    "a locked key": (
        lambda it, folder: Files(it.chain, _locked(it.key, folder)),
        "no certificate and its key",
    ),
    "no authorities": (
        lambda it, folder: Files(*it[:2], _written(folder / "x", b"")),
        "x has no certificates",
    ),
}


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _locked(key: Path, folder: Path) -> Path:
    made = folder / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", made], check=True
    )
    return made


@pytest.mark.parametrize(("files", "says"), UNFIT.values(), ids=UNFIT.keys())
def test_files_that_are_no_certificate(
    authority: Authority, tmp_path: Path, files: Callable[[Certificate, Path], Files], says: str
) -> None:
    """The refusal names the file; a passphrase is not asked for."""
    certificate = authority.issue("unfit", LOOPBACK, SERVER)
    assert tls.load(Files(*certificate[:2])).minimum_version is ssl.TLSVersion.TLSv1_2
    with pytest.raises(InvalidTls) as refused:
        tls.load(files(certificate, tmp_path))
    assert says in str(refused.value)


def test_a_server_without_its_certificate_does_not_start(tmp_path: Path, served: Certificate) -> None:
    """It says why, and nothing else."""
    served.key.unlink()
    server = Server(tmp_path / "data", tls_certificate=served.chain, tls_key=served.key)
    done = server.careen("serve")
    assert done.returncode == 1
    assert f"{served.key} cannot be read: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
