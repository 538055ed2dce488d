"""`careen pin` by hand and from lists, on a live registry; and the service under it."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests import program
from tests.ecrapi.client import push, refusal
from tests.images import image
from tests.pins.conftest import Run, said
from tests.server import Server
from tests.waiting import PATIENCE, until

Pinned = Callable[[str], set[tuple[str, str]]]

KEEP_ONE = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},'
    '"action":{"type":"expire"}}]}'
)


def test_by_hand(run: Run, careen: Any, name: str, images: dict[str, str]) -> None:
    """Pinned, listed, given as the reason by simulate and explain, removed."""
    done = run("add", f"{name}:v1", f"{name}@{images['v2']}", "--for", "the audit", "--lasting", "2 weeks")
    assert (done.returncode, done.stdout) == (0, "2 images pinned for the audit\n")
    listed = run("list", "--repository", name).stdout.splitlines()
    assert [line.split()[0] for line in listed if "the audit" in line] in (
        [f"{name}:v1", name],
        [name, f"{name}:v1"],
    )
    assert all(", ends " in line for line in listed if "the audit" in line)
    found = careen.simulate_lifecycle_policy(repositoryName=name, lifecyclePolicyText=KEEP_ONE)
    kept = {
        each["imageDigest"]: each["reason"] for each in found["decisions"] if each["action"] == "PROTECTED"
    }
    assert kept.keys() == {images["v1"], images["v2"]}
    assert "but it is in use by the audit, seen 20" in kept[images["v1"]]
    [explained] = careen.explain_image(
        repositoryName=name, imageIds=[{"imageTag": "v1"}], lifecyclePolicyText=KEEP_ONE
    )["explanations"]
    [use] = explained["protection"]["uses"]
    assert (use["consumer"], use["source"]) == ("the audit", "people")
    assert run("remove", "--repository", name, "--for", "the audit").stdout == "2 pins removed\n"
    assert run("list", "--repository", name, "--source", "people").stdout.endswith("nothing is pinned\n")


@pytest.mark.usefixtures("images")
def test_what_is_not_there(run: Run, name: str) -> None:
    """Is said, with an exit status; what is there is pinned all the same."""
    done = run("add", f"{name}:v1", f"{name}:v9", "--for", "x")
    assert (done.returncode, done.stdout) == (2, "1 image pinned for x\n")
    assert "no image has the tag v9" in done.stderr
    assert run("add", "sha256:" + "a" * 64, "--for", "x").returncode == 2
    assert "no image is named" in run("add", "--for", "x").stderr
    assert run("add", f"{name}:v1", "--for", "x", "--lasting", "soon").returncode == 2


def test_a_feed_that_fell_silent(
    make_server: Callable[..., Server], run: Run, name: str, tmp_path: Path
) -> None:
    """Is listed as stale, with what to do; its pins are kept until somebody forgets it."""
    server = make_server(time="2026-01-01T00:00:00Z")
    led = server.aws_environment()
    push(server.boto(), name, image(name), "v1")
    file = tmp_path / "images.txt"
    file.write_text(f"{server.host}/{name}:v1 web\n")
    assert run("sync", "list", str(file), "--source", "list/x", "--ttl", "0.2h", **led).returncode == 0
    assert "feed list/x: ok, 1 pin, last complete report 2026-01-01T00:00:00\n" in run("list", **led).stdout
    server.set_time("2026-01-01T00:40:00Z")
    listed = run("list", **led).stdout
    assert "feed list/x: STALE, 1 pin" in listed
    assert "careen pin remove --source list/x" in listed
    assert f"{name}:v1" in listed
    assert run("remove", "--source", "list/x", **led).stdout == "1 pin removed\n"
    assert run("list", **led).stdout == "nothing is pinned\n"


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "neither digest nor tag": (
        "put_image_pins",
        {"source": "s", "ttlSeconds": 60, "images": [{"repositoryName": "aa", "consumer": "x"}]},
        "neither imageDigest nor imageTag",
    ),
    "a digest that is none": (
        "report_images_in_use",
        {
            "source": "s",
            "ttlSeconds": 60,
            "complete": True,
            "images": [{"repositoryName": "aa", "imageDigest": "sha256:1", "consumer": "x"}],
        },
        "sha256:1 is no digest",
    ),
    "a consumer that is short only in characters": (
        "put_image_pins",
        {
            "source": "s",
            "ttlSeconds": 60,
            "images": [{"repositoryName": "aa", "imageTag": "1", "consumer": "\u00e9" * 513}],
        },
        "a consumer has more than 1024 bytes in UTF-8",
    ),
    "all pins at once": ("delete_image_pins", {}, "say which pins"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_service_refuses(careen: Any, case: str) -> None:
    """With the reason."""
    operation, parameters, message = WRONG[case]
    refused = refusal(getattr(careen, operation), **parameters)
    assert refused.code == "InvalidParameterException"
    assert message in refused.message


def test_a_list_in_a_file(
    run: Run, server: Server, pinned: Pinned, name: str, images: dict[str, str], tmp_path: Path
) -> None:
    """Tags are resolved, comments and other registries' images left out, consumers named or not."""
    file = tmp_path / "images.txt"
    file.write_text(
        f"# what we run\n{server.host}/{name}:v1 batch/nightly\n\n{server.host}/{name}@{images['v2']}  # by digest\n"
        f"docker.io/library/redis:7\n{server.host}/{name}:v9\n"
    )
    done = run("sync", "list", str(file), "--source", f"list/{name}", "--json")
    assert done.returncode == 0
    found = said(done)
    assert (found["complete"], found["pinned"], found["ofOtherRegistries"]) == (True, 2, 1)
    assert found["missing"] == [f"list/{name}: no image has the tag v9"]
    assert pinned(name) == {(images["v1"], "batch/nightly"), (images["v2"], f"list/{name}")}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """The files of a folder, by HTTP."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_a_list_at_an_address(
    run: Run, pinned: Pinned, web: str, name: str, images: dict[str, str], tmp_path: Path
) -> None:
    """Under the names that the registry goes by there; an address that fails ends nothing and says so."""
    (tmp_path / "images").write_text(f"registry.shop.example/{name}:v3 web\n")
    options = ("--source", f"list/{name}", "--host", "*.shop.example")
    assert run("sync", "list", f"{web}/images", *options).returncode == 0
    done = run("sync", "list", f"{web}/gone", *options)
    assert done.returncode == 3
    assert "not seen" in done.stderr
    assert "404" in done.stderr
    assert pinned(name) == {(images["v3"], "web")}


@pytest.mark.usefixtures("images")
def test_again_and_again(server: Server, careen: Any, name: str, tmp_path: Path) -> None:
    """`--every` goes on reporting, through what goes wrong meanwhile, until it is stopped."""
    file = tmp_path / "images.txt"
    file.write_text(f"{server.host}/{name}:v1 web\n")
    command = ["sync", "list", str(file), "--source", f"list/{name}", "--every", "0.2"]
    looping = subprocess.Popen(
        [*program.COMMAND, "pin", *command],
        env=server.aws_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: len(_pins(careen, name)) == 1)
        file.unlink()
        time.sleep(0.5)
        file.write_text(f"{server.host}/{name}:v1 web\n{server.host}/{name}:v2 web\n")
        until(lambda: len(_pins(careen, name)) == 2)
        assert looping.poll() is None
    finally:
        looping.terminate()
        looping.wait(PATIENCE)


def _pins(careen: Any, repository: str) -> list[Any]:
    found: list[Any] = careen.list_image_pins(repositoryName=repository)["pins"]
    return found


def test_more_images_than_a_call_takes(
    run: Run, server: Server, pinned: Pinned, name: str, images: dict[str, str], tmp_path: Path
) -> None:
    """Go in parts, of which the last says that this was all."""
    file = tmp_path / "images.txt"
    file.write_text("".join(f"{server.host}/{name}:v1 job/{number}\n" for number in range(2300)))
    done = run("sync", "list", str(file), "--source", f"list/{name}", "--json")
    assert (said(done)["complete"], said(done)["pinned"]) == (True, 2300)
    assert pinned(name) == {(images["v1"], f"job/{number}") for number in range(2300)}


@pytest.mark.usefixtures("images")
def test_a_reporter_s_key_is_enough(run: Run, server: Server, name: str, tmp_path: Path) -> None:
    """And lets a feed do nothing else."""
    key = server.key("feed", "PinReporter")
    account = {
        "AWS_ACCESS_KEY_ID": key["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["secretAccessKey"],
    }
    file = tmp_path / "images.txt"
    file.write_text(f"{server.host}/{name}:v1\n")
    assert run("sync", "list", str(file), **account).returncode == 0
    assert run("list", **account).returncode == 0
    assert "AccessDenied" in run("remove", "--repository", name, "--json", **account).stdout
