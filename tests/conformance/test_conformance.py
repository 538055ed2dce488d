"""The official OCI distribution conformance suite, every workflow of version 1.1, against a live server."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.nginx import behind_nginx, needs_nginx
from tests.seaweed import S3, S3Server, needs_seaweed
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server, clean_environment

SUITE = shutil.which("conformance")
MODULE = "github.com/opencontainers/distribution-spec/conformance"
RESULTS = Path(__file__).parents[2] / "results" / "conformance"


pytestmark = pytest.mark.skipif(
    SUITE is None, reason=f"the conformance suite is not installed: go install {MODULE}@latest"
)


def test_every_check_of_the_suite_passes_and_none_is_skipped(make_server: Callable[..., Server]) -> None:
    """All API and data checks of spec 1.1 that the suite knows, optional ones included, pass without a skip."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    conform(make_server(), RESULTS)


@needs_nginx
def test_they_pass_behind_nginx(tmp_path: Path) -> None:
    """The same checks through nginx with the configuration that we ship."""
    with behind_nginx(tmp_path / "data") as front:
        conform(front, tmp_path)


@needs_seaweed
def test_they_pass_with_blobs_in_a_bucket(s3: S3, tmp_path: Path) -> None:
    """The same checks with every upload in S3, and pulls of large blobs redirected."""
    server = S3Server(tmp_path / "data", s3, "conformance")
    server.start()
    try:
        conform(server, tmp_path)
    finally:
        server.stop()


def conform(server: Server, results: Path) -> None:
    """Run the suite. Every check passes, and none is skipped."""
    environment = clean_environment() | {
        "OCI_REGISTRY": server.host,
        "OCI_TLS": "disabled",
        "OCI_REPO1": "conformance/one",
        "OCI_REPO2": "conformance/two",
        "OCI_VERSION": "1.1",
        "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
        "OCI_USERNAME": ACCESS_KEY_ID,
        "OCI_PASSWORD": SECRET_ACCESS_KEY,
        "OCI_RESULTS_DIR": os.fspath(results),
    }
    done = subprocess.run(
        [os.fspath(SUITE or "")], env=environment, capture_output=True, text=True, check=False, timeout=150
    )
    summary = done.stdout[done.stdout.find("OCI Conformance Result") :]
    (results / "summary.txt").write_text(summary)
    counts = {
        name: int(number) for name, number in re.findall(r"^  (\w+)\.+:\s+(\d+)$", summary, re.MULTILINE)
    }
    assert [counts[name] for name in ("FAIL", "Error", "Skip", "Disabled")] == [0, 0, 0, 0], summary
    assert counts["Pass"] == counts["Total"] > 800
