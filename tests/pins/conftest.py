"""Fixtures: a registry's images to run, `careen pin` on it, and a cluster to look through."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests import program
from tests.ecrapi.client import push, strict
from tests.images import image
from tests.server import Server

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def careen(server: Server) -> Any:
    """boto3's client of our own service, checking every answer against the model."""
    return strict(server.boto("careen"))


@pytest.fixture
def images(server: Server, name: str) -> dict[str, str]:
    """Four images of a repository: tag to digest."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    return {tag: push(ecr, name, image(f"{name} {tag}", size=100), tag) for tag in ("v1", "v2", "v3", "v4")}


@pytest.fixture
def run(server: Server) -> Run:
    """Run `careen pin …`, led to the registry as `careen serve` says."""

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return program.run("pin", *arguments, env=server.aws_environment() | environment)

    return run


@pytest.fixture
def pinned(careen: Any) -> Callable[[str], set[tuple[str, str]]]:
    """The digest and the consumer of everything that is pinned in a repository."""

    def pinned(repository: str) -> set[tuple[str, str]]:
        pages = careen.get_paginator("list_image_pins").paginate(
            repositoryName=repository, PaginationConfig={"PageSize": 2}
        )
        found = pages.build_full_result()["pins"]
        return {(each["imageDigest"], each["consumer"]) for each in found}

    return pinned


def said(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """The JSON that a command printed."""
    document: dict[str, Any] = json.loads(done.stdout)
    return document
