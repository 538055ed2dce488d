"""What the machine itself can do: the figures beside which a server's are to be judged."""

import getpass
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.load import STREAMS, downloads
from benchmarks.uploads import Payload
from benchmarks.wire import DRAIN, Origin, send_file

TRIES = 3
DURABLE = "hash, write, fsync"
"""What an upload cannot do without, for as many streams at once as are uploaded."""


def measure(payload: Payload, folder: Path) -> dict[str, float]:
    """Bytes a second of hashing, durable writing and the loopback, one stream each, of all an upload needs, and of nginx.

    The median of three tries each.

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
    bounds = {name: len(data) / median(_seconds(run) for _ in range(TRIES)) for name, run in tries.items()}
    durable = median(_seconds(lambda: _hash_and_write(data, folder)) for _ in range(TRIES))
    return bounds | {DURABLE: STREAMS * len(data) / durable} | _nginx(payload, folder)


def _hash_and_write(data: bytes, folder: Path) -> None:
    """Side by side, a megabyte at a time: what remains of uploads when nothing comes over a connection."""

    def stream(number: int) -> None:
        hasher, path = hashlib.sha256(), folder / f"limit-{number}"
        with path.open("wb", buffering=0) as file:
            for start in range(0, len(data), DRAIN):
                piece = memoryview(data)[start : start + DRAIN]
                hasher.update(piece)
                file.write(piece)
            os.fdatasync(file.fileno())
        path.unlink()

    with ThreadPoolExecutor(STREAMS) as pool:
        list(pool.map(stream, range(STREAMS)))


NGINX = """
user {user}; worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{}}
http {{
  access_log off; sendfile on; tcp_nopush on; types {{}} default_type application/octet-stream;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi; scgi_temp_path {folder}/nginx-scgi;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


def _nginx(payload: Payload, folder: Path) -> dict[str, float]:
    """Bytes a second of the web server that people know, four streams of the same file; nothing if it is not installed."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        return {}
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    configuration = NGINX.format(folder=folder, port=port, root=payload.plain.parent, user=getpass.getuser())
    (folder / "nginx.conf").write_text(configuration)
    process = subprocess.Popen((program, "-p", str(folder), "-c", str(folder / "nginx.conf")))
    try:
        origin, path = Origin("127.0.0.1", port), f"/{payload.plain.name}"
        _await(port)
        downloads(origin, path, repeats=1)
        works = [downloads(origin, path, repeats=4) for _ in range(TRIES)]
        return {"nginx, sendfile": median(work.units / work.seconds for work in works)}
    finally:
        process.terminate()
        process.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.02)


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
