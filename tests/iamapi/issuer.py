"""A little OpenID Connect provider: a discovery document, a key set, and tokens that its keys sign."""

import contextlib
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.tls import make_certificate

AUDIENCE = "sts.amazonaws.com"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def new_key(kind: str = "ES256") -> Key:
    """A private key for ES256 or RS256."""
    if kind == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(key: Key, kid: str, **more: Any) -> dict[str, Any]:
    """A key's public half, as key sets have it."""
    if isinstance(key, rsa.RSAPrivateKey):
        found = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        found = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {"kid": kid, "use": "sig", **found, **more}


def token(issuer: str, key: Key, kid: str | None = "one", **claims: Any) -> str:
    """A token that is good for some minutes. A claim that is None is left out."""
    now = int(time.time())
    said = {
        "iss": f"https://{issuer}",
        "aud": AUDIENCE,
        "sub": "somebody",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    said = {name: value for name, value in {**said, **claims}.items() if value is not None}
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    return jwt.encode(said, key, algorithm, headers=None if kid is None else {"kid": kid})


class Issuer:
    """A provider on a port of 127.0.0.1, with HTTPS."""

    def __init__(self, port: int) -> None:
        self.name = f"127.0.0.1:{port}"
        """Its URL without ``https://``."""
        self.key = new_key()
        self.documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {
                "issuer": f"https://{self.name}",
                "jwks_uri": f"https://{self.name}/keys",
            },
            "/keys": {"keys": [public(self.key, "one")]},
        }
        """What it answers, by path: a document, one that is compressed, or the address where it is."""
        self.asked: list[str] = []
        """The paths that it was asked for."""

    @property
    def url(self) -> str:
        """As tokens have it."""
        return f"https://{self.name}"

    def token(self, **claims: Any) -> str:
        """A token of its own."""
        return token(self.name, self.key, **claims)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Issuer]:
    """A provider for the length of a ``with`` block; the authority of its certificate is ``folder/authority.crt``."""
    certificate = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            found = issuer.documents.get(self.path)
            if isinstance(found, str):
                self.send_response(302)
                self.send_header("Location", found)
            else:
                self.send_response(200 if found is not None else 404)
            if isinstance(found, bytes):
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(found if isinstance(found, bytes) else json.dumps(found).encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = Issuer(serving.server_port)
    serving.socket = context.wrap_socket(serving.socket, server_side=True)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        serving.shutdown()
        thread.join()
        serving.server_close()
