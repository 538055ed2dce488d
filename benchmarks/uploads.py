"""Blobs to push, as many as a run needs and each new to its server, and the ways in which clients push them.

A server may skip the work for a blob it has. So the large payload is one file whose last 16 bytes are changed
for every upload: the hash of what precedes them is taken once, and a fresh digest costs microseconds instead
of a pass over 100 MB.
"""

import hashlib
import os
import random
import socket
from dataclasses import dataclass
from pathlib import Path

from benchmarks.wire import Answer, Client, send_file

REPOSITORY = "bench/image"
TAIL = 16
CHUNK = 32 * 1024
"""The piece in which Go's ``io.Copy`` moves bytes, and so the HTTP chunk that clients written in Go send."""
OCTETS = {"Content-Type": "application/octet-stream"}


class Payload:
    """``size`` bytes, of which all but the last 16 lie in a file, plain and framed in HTTP chunks."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size = size
        self.plain = folder / "payload"
        self.framed = folder / "payload.chunked"
        data = random.Random(size).randbytes(size - TAIL)
        self._hash = hashlib.sha256(data)
        self.plain.write_bytes(data)
        with self.framed.open("wb") as file:
            for start in range(0, len(data), CHUNK):
                piece = data[start : start + CHUNK]
                file.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def upload(self, tail: bytes | None = None) -> "Upload":
        """The payload ending in ``tail``, or in bytes that no upload had before."""
        tail = os.urandom(TAIL) if tail is None else tail
        whole = self._hash.copy()
        whole.update(tail)
        return Upload(self, tail, f"sha256:{whole.hexdigest()}")


@dataclass(frozen=True, slots=True)
class Upload:
    """One blob to push: a payload with last bytes of its own."""

    payload: Payload
    tail: bytes
    digest: str

    @property
    def size(self) -> int:
        return self.payload.size

    def send_plain(self, sock: socket.socket) -> None:
        """Write the body of a request with Content-Length."""
        send_file(sock, self.payload.plain)
        sock.sendall(self.tail)

    def send_chunked(self, sock: socket.socket) -> None:
        """Write the body of a request with Transfer-Encoding: chunked, framed beforehand in a file."""
        send_file(sock, self.payload.framed)
        sock.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.tail), self.tail))


def push_bytes(client: Client, data: bytes, digest: str, repository: str = REPOSITORY) -> None:
    """POST, then PUT with the whole body, of a blob that is at hand."""
    begun = _begin(client, repository)
    client.call("PUT", client.location(begun, digest=digest), expect=201, headers=OCTETS, body=data)


def push_monolithic(client: Client, upload: Upload) -> None:
    """POST, then PUT with the whole body and its Content-Length (distribution spec, "POST then PUT")."""
    target = client.location(_begin(client), digest=upload.digest)
    client.send(
        "PUT", target, upload.send_plain, expect=201, headers=OCTETS | {"Content-Length": str(upload.size)}
    )


def push_streamed(client: Client, upload: Upload) -> None:
    """POST, PATCH with a body in HTTP chunks, PUT without one: what docker, podman and skopeo do."""
    headers = OCTETS | {"Transfer-Encoding": "chunked"}
    patched = client.send(
        "PATCH", client.location(_begin(client)), upload.send_chunked, expect=202, headers=headers
    )
    client.call("PUT", client.location(patched, digest=upload.digest), expect=201)


def _begin(client: Client, repository: str = REPOSITORY) -> Answer:
    return client.call("POST", f"/v2/{repository}/blobs/uploads/", expect=202)
