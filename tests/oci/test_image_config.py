"""Configurations of images, as Docker and others write them."""

import json
from typing import Any

import pytest

from careen.oci.image_config import Execution, built, read

DOCKERS = {
    "architecture": "arm64",
    "os": "linux",
    "variant": "v8",
    "created": "2026-11-25T10:11:12Z",
    "config": {
        "Env": ["A=1"],
        "Entrypoint": None,
        "Cmd": ["run"],
        "WorkingDir": "/app",
        "ExposedPorts": {"80/tcp": {}},
        "OnBuild": None,
        "ArgsEscaped": True,
    },
    "history": [
        {"created_by": "ADD rootfs.tar /"},
        {"created_by": "ENV A=1", "empty_layer": True},
        {"created_by": "COPY . /app"},
    ],
    "rootfs": {"type": "layers", "diff_ids": []},
}

UNREADABLE: dict[str, bytes] = {
    "no JSON": b"\xff\x00",
    "a list": b"[]",
    "an environment of numbers": json.dumps({"config": {"Env": [1]}}).encode(),
    "deep": b'{"a":' * 100_000,
}


def parsed(document: Any) -> Any:
    """What is read of a document."""
    return read(json.dumps(document).encode())


def test_what_docker_writes_is_read() -> None:
    """Nulls are nothing, and members that nobody asks for are passed over."""
    found = parsed(DOCKERS)
    assert found.platform == "linux/arm64/v8"
    assert found.config == Execution(
        env=["A=1"], cmd=["run"], working_dir="/app", exposed_ports={"80/tcp": {}}
    )


def test_steps_know_their_layers() -> None:
    """Steps that made no layer are passed over in the count."""
    assert [each.layer for each in built(parsed(DOCKERS))] == [0, None, 1]
    assert built(parsed({})) == []


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_configuration_is_none(data: bytes) -> None:
    """An artifact's configuration may be anything, and nothing is raised for it."""
    assert read(data) is None
