"""A registry that a team has used for a while: pushed by several clients, never cleaned, and then broken here and there."""

import http.client
import os
import shutil
import subprocess
from pathlib import Path

from careen.oci.digest import digest_of
from tests.images import Built, artifact, image, index, write_layout
from tests.upstream.distribution import Distribution
from tests.waiting import PATIENCE

PROGRAMS = ["registry", "docker-registry"]
"""Version 3, and Debian's 2.8: their folders are the same, and they fill them in their own ways."""

APP = "team/app"
WEB = "team/web-2.x/0/odd__na---me"
"""As odd as a name may be."""
SHORT = "x"
"""One letter: distribution takes it, ECR does not."""
BROKEN = "team/broken"

ONE, TWO, MOVED = image("base", "one", size=90_000), image("base", "two"), image("base", "moved")
ARM = image("base arm", "one arm")
BOTH = index(ONE, ARM)
SIGNATURE = artifact("application/vnd.dev.cosign.artifact.sig.v1+json", BOTH)
GONE = image("base", "gone", size=90_000)
"""Is deleted by its digest; its layer stays until a collection."""
DAMAGED, LOST, CUT = (image("base", each, size=90_000) for each in ("damaged", "lost", "cut"))
BUNDLE = index(image("base", "whole"), LOST)


class Store:
    """A registry's folder, and what serves it.

    Args:
        served: the registry, running.
        home: where clients keep their files.
    """

    def __init__(self, served: Distribution, home: Path) -> None:
        self.served = served
        self.data = served.folder / "data"
        self.host = served.host
        self._home = home

    @property
    def root(self) -> Path:
        """The folder of the storage driver's tree."""
        return self.data / "docker" / "registry" / "v2"

    def run(self, *command: str) -> str:
        """Run a client. Returns what it prints."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._home), "DOCKER_CONFIG": str(self._home)}
        done = subprocess.run(
            command,
            env=environment,
            cwd=self._home,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def layout(self, *built: Built) -> Path:
        """A layout with images, the last of which is tagged 1."""
        folder = self._home / built[-1].digest[7:]
        for each in built:
            write_layout(folder, each, "1")
        return folder

    def send(self, method: str, path: str, body: bytes = b"", kind: str = "") -> http.client.HTTPResponse:
        """One request that no client would make."""
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def push(self, repository: str, built: Built, reference: str | None = None) -> None:
        """Push an image by itself, without a client."""
        for blob in built.blobs:
            begun = self.send("POST", f"/v2/{repository}/blobs/uploads/")
            location = begun.headers["Location"]
            join = "&" if "?" in location else "?"
            path = location.partition(self.host)[2] or location
            assert (
                self.send(
                    "PUT", f"{path}{join}digest={digest_of(blob)}", blob, "application/octet-stream"
                ).status
                == 201
            )
        target = f"/v2/{repository}/manifests/{reference or built.digest}"
        assert self.send("PUT", target, built.manifest, built.media_type).status == 201

    def blob(self, data: bytes) -> Path:
        """Where a blob lies."""
        hexadecimal = digest_of(data)[7:]
        return self.root / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal / "data"

    def fill(self) -> None:
        """Push as a team does, with three clients."""
        plain = f"{self.host}/{APP}"
        self.run("regctl", "registry", "set", "--tls", "disabled", self.host)
        self.run("regctl", "image", "copy", f"ocidir://{self.layout(ONE, ARM, BOTH)}:1", f"{plain}:1.0")
        for built in (TWO, MOVED):
            self.run("crane", "push", "--insecure", str(self.layout(built)), f"{plain}:latest")
        self.run("crane", "copy", "--insecure", f"{plain}:1.0", f"{self.host}/{WEB}:1.0")
        self.push(APP, SIGNATURE)
        (self._home / "sbom.json").write_text("{}")
        attach = ("--artifact-type", "application/spdx+json", "--plain-http", f"{plain}:1.0", "sbom.json")
        self.run("oras", "attach", *attach)
        self.push(SHORT, TWO, "1")

    def neglect(self) -> None:
        """Leave behind what a registry gathers: a deleted image, a deleted tag, an upload that broke off."""
        self.push(APP, GONE, "old")
        assert self.send("DELETE", f"/v2/{APP}/manifests/{GONE.digest}").status == 202
        begun = self.send("POST", f"/v2/{APP}/blobs/uploads/").headers["Location"]
        path = begun.partition(self.host)[2] or begun
        assert self.send("PATCH", path, b"half a layer", "application/octet-stream").status == 202

    def break_it(self) -> None:
        """Damage blobs behind the registry's back, as bad disks and hasty administrators do."""
        for tag, built in {
            "damaged": DAMAGED,
            "lost": LOST,
            "cut": CUT,
            "whole": image("base", "whole"),
        }.items():
            self.push(BROKEN, built, tag)
        self.push(BROKEN, BUNDLE, "bundle")
        damaged = self.blob(DAMAGED.blobs[-1])
        damaged.write_bytes(bytes([damaged.read_bytes()[0] ^ 1]) + damaged.read_bytes()[1:])
        self.blob(LOST.blobs[-1]).unlink()
        with self.blob(CUT.blobs[-1]).open("r+b") as file:
            file.truncate(1000)
        shutil.rmtree(
            self.root
            / "repositories"
            / BROKEN
            / "_manifests"
            / "revisions"
            / "sha256"
            / image("base", "whole").digest[7:]
        )
        old = self.root / "repositories" / BROKEN / "_manifests" / "tags" / "first" / "current"
        old.mkdir(parents=True)
        schema_1 = b'{"schemaVersion": 1, "name": "team/broken", "tag": "first", "fsLayers": [], "history": [], "signatures": []}'
        self.blob(schema_1).parent.mkdir(parents=True)
        self.blob(schema_1).write_bytes(schema_1)
        (old / "link").write_text(digest_of(schema_1))
        revision = (
            self.root
            / "repositories"
            / BROKEN
            / "_manifests"
            / "revisions"
            / "sha256"
            / digest_of(schema_1)[7:]
        )
        revision.mkdir()
        (revision / "link").write_text(digest_of(schema_1))
