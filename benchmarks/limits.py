"""What the machine itself can do: the figures beside which a server's are to be judged."""

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.uploads import Payload
from benchmarks.wire import DRAIN, send_file

TRIES = 3


def measure(payload: Payload, folder: Path) -> dict[str, float]:
    """Bytes a second of hashing, durable writing and the loopback: one stream each, the median of three.

    Args:
        payload: the bytes to move.
        folder: the disk to write on, the servers' own.
    """
    data = payload.plain.read_bytes()
    tries: dict[str, Callable[[], object]] = {
        "sha256": lambda: hashlib.sha256(data),
        "write and fsync": lambda: _write_durably(data, folder / "limit"),
        "loopback, sendfile": lambda: _loopback(payload),
    }
    return {name: len(data) / median(_seconds(run) for _ in range(TRIES)) for name, run in tries.items()}


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _write_durably(data: bytes, path: Path) -> None:
    with path.open("wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    path.unlink()


def _loopback(payload: Payload) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = threading.Thread(target=_serve_once, args=(listener, payload))
        sender.start()
        with socket.create_connection(listener.getsockname()) as sock:
            buffer = bytearray(DRAIN)
            while sock.recv_into(buffer, DRAIN, socket.MSG_TRUNC):
                pass
        sender.join()


def _serve_once(listener: socket.socket, payload: Payload) -> None:
    sock, _ = listener.accept()
    with sock:
        send_file(sock, payload.plain)
