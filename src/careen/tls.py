"""TLS of the server: a certificate that may be renewed while it is served, and clients that must show one of their own.

A renewal is noticed by the files alone. What renews certificates (certbot, cert-manager, a mounted secret) always writes files; not
all of it can send a signal, and where it can, there is one more thing to set up and to forget.
"""

import ssl
from pathlib import Path
from typing import NamedTuple, Self

import structlog

log = structlog.get_logger()


class InvalidTls(Exception):
    """The files do not make a server. The message says which, and why."""


class Files(NamedTuple):
    """PEM files."""

    certificate: Path
    """The chain, the server's own certificate first."""
    key: Path
    """Its private key, without a passphrase."""
    client_ca: Path | None = None
    """Authorities, one of which must have issued a client's certificate; None: clients are asked for none."""


def load(files: Files) -> ssl.SSLContext:
    """What the files say, for connections of TLS 1.2 and 1.3.

    Raises:
        InvalidTls: one cannot be read or is no PEM, or the key is another certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for path in filter(None, files):
            path.read_bytes()  # OpenSSL's own error does not say which file it is
    except OSError as error:
        raise InvalidTls(f"{error.filename} cannot be read: {error.strerror}") from None
    try:
        # Without a passphrase given, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(files.certificate, files.key, lambda: "")
    except (OSError, ValueError) as error:
        raise InvalidTls(
            f"{files.certificate} and {files.key} are no certificate and its key: {error}"
        ) from None
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (OSError, ValueError) as error:
            raise InvalidTls(f"{files.client_ca} has no certificates of authorities: {error}") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Renewing(ssl.SSLContext):
    """A context whose new connections go by the files as they are now. :meth:`look` is to be called every second or so.

    Connections that are open go on as they began.
    """

    _files: Files
    _current: ssl.SSLContext
    _seen: object

    def __new__(cls, files: Files) -> Self:
        """Read the files.

        Raises:
            InvalidTls: as :func:`load`.
        """
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._files, made._seen = files, _stamps(files)
        made._current = load(files)
        return made

    def __init__(self, files: Files) -> None:
        """As ``ssl.SSLContext``, all of it is done by then."""

    def look(self, *, tells: bool = True) -> None:
        """Read the files again if one has changed. Until they fit together, it goes on with what it has.

        Args:
            tells: whether the log hears of it. A process that serves nobody keeps up for those that are forked from it, and
                leaves that to them.
        """
        seen = _stamps(self._files)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._current = load(self._files)
        except InvalidTls as error:
            if tells:
                log.warning("TLS goes on with the certificate that it has", error=str(error))
            return
        if tells:
            log.info("TLS goes on with another certificate", certificate=str(self._files.certificate))

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection, as event loops do."""
        return self._current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _stamps(files: Files) -> object:
    """What changes when a file is written, or another takes its name; also through links, as Kubernetes swaps them."""
    return [_stamp(path) for path in files if path is not None]


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
