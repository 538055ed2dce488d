"""What a client is told about layers can be relied on; in process, with a clock to move and limits to set."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from careen.clock import DAY, HOUR, system_now
from careen.ecr import errors
from careen.ecrapi import layers
from careen.ecrapi.call import Call
from careen.iam.managed import ManagedPolicy, documents
from careen.oci.digest import digest_of
from careen.pull_through.importer import Importer
from careen.pull_through.secrets import Secrets
from careen.registry import gc
from careen.registry.access import Circumstances
from careen.registry.callers import Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry
from tests.registry.steps import Hands, blob, stored_bytes, upload, with_limits

APP = "team/app"
DATA = b"x" * 100_000


@pytest.fixture
def clock() -> Hands:
    """The registry's clock."""
    return Hands()


@pytest.fixture
def patient(registry: Registry, clock: Hands) -> Registry:
    """A registry with a grace period of a day."""
    return with_limits(dataclasses.replace(registry, clock=clock), grace=DAY)


def call(
    registry: Registry,
    operation: Callable[[Call, dict[str, Any]], Awaitable[dict[str, Any]]],
    **parameters: Any,
) -> dict[str, Any]:
    """Call an operation as somebody who may do everything."""
    caller = Principal(registry.id, "alice", "AKIA", documents(ManagedPolicy.FULL_ACCESS))

    async def run() -> dict[str, Any]:
        importer = Importer(registry, Secrets(registry.scratch_folder))
        asked = Call(
            registry,
            PullTimes(registry),
            importer,
            caller,
            "http://localhost:5000",
            Circumstances(system_now()),
        )
        return await operation(asked, {"repositoryName": APP, **parameters})

    return asyncio.run(run())


def push_again(registry: Registry) -> None:
    """A whole upload, at the end of which the client is told that the layer is there."""
    upload_id = call(registry, layers.initiate_layer_upload)["uploadId"]
    part = {"partFirstByte": 0, "partLastByte": len(DATA) - 1, "layerPartBlob": DATA}
    call(registry, layers.upload_layer_part, uploadId=upload_id, **part)
    with pytest.raises(errors.LayerAlreadyExists):
        call(registry, layers.complete_layer_upload, uploadId=upload_id, layerDigests=[digest_of(DATA)])


def ask(registry: Registry) -> None:
    """BatchCheckLayerAvailability."""
    [layer] = call(registry, layers.batch_check_layer_availability, layerDigests=[digest_of(DATA)])["layers"]
    assert layer["layerAvailability"] == "AVAILABLE"


@pytest.mark.parametrize("told", [push_again, ask])
def test_a_layer_that_a_client_was_told_of_stays(
    patient: Registry, clock: Hands, told: Callable[[Registry], None]
) -> None:
    """For a grace period from then on, in which the manifest can come."""
    digest = upload(patient, APP, DATA)
    clock.forward(DAY - HOUR)
    told(patient)
    clock.forward(2 * HOUR)
    gc.collect(patient)
    assert blob(patient, APP, digest) == DATA
    clock.forward(DAY)
    gc.collect(patient)
    assert stored_bytes(patient) == 0


def test_a_layer_has_a_largest_size(patient: Registry) -> None:
    """The part that would go beyond is refused, and what was within stays."""
    small = with_limits(patient, max_blob_bytes=10)
    upload_id = call(small, layers.initiate_layer_upload)["uploadId"]

    def send(first: int, data: bytes) -> dict[str, Any]:
        part = {"partFirstByte": first, "partLastByte": first + len(data) - 1, "layerPartBlob": data}
        return call(small, layers.upload_layer_part, uploadId=upload_id, **part)

    send(0, b"012345")
    with pytest.raises(errors.LimitExceeded):
        send(6, b"67890")
    assert send(6, b"6789")["lastByteReceived"] == 9
    done = call(
        small, layers.complete_layer_upload, uploadId=upload_id, layerDigests=[digest_of(b"0123456789")]
    )
    assert done["layerDigest"] == digest_of(b"0123456789")
