"""The official OCI distribution conformance suite, every workflow of version 1.1, against a live server."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY, Server, clean_environment

SUITE = shutil.which("conformance")
MODULE = "github.com/opencontainers/distribution-spec/conformance"
RESULTS = Path(__file__).parents[2] / "results" / "conformance"


@pytest.mark.skipif(
    SUITE is None, reason=f"the conformance suite is not installed: go install {MODULE}@latest"
)
def test_every_check_of_the_suite_passes_and_none_is_skipped(make_server: Callable[..., Server]) -> None:
    """All API and data checks of spec 1.1 that the suite knows, optional ones included, pass without a skip."""
    server = make_server()
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    environment = clean_environment() | {
        "OCI_REGISTRY": server.host,
        "OCI_TLS": "disabled",
        "OCI_REPO1": "conformance/one",
        "OCI_REPO2": "conformance/two",
        "OCI_VERSION": "1.1",
        "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
        "OCI_USERNAME": ACCESS_KEY_ID,
        "OCI_PASSWORD": SECRET_ACCESS_KEY,
        "OCI_RESULTS_DIR": os.fspath(RESULTS),
    }
    done = subprocess.run(
        [os.fspath(SUITE or "")], env=environment, capture_output=True, text=True, check=False, timeout=150
    )
    summary = done.stdout[done.stdout.find("OCI Conformance Result") :]
    (RESULTS / "summary.txt").write_text(summary)
    counts = {
        name: int(number) for name, number in re.findall(r"^  (\w+)\.+:\s+(\d+)$", summary, re.MULTILINE)
    }
    assert [counts[name] for name in ("FAIL", "Error", "Skip", "Disabled")] == [0, 0, 0, 0], summary
    assert counts["Pass"] == counts["Total"] > 800
