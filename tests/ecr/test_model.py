"""The service model: what we stand on, and that we hear when it moves."""

import subprocess
import sys
from pathlib import Path

import pytest

from careen.ecr.common_errors import UnknownOperation
from careen.ecr.model import ecr, operation, service

LIGHT = [
    *(f"ecr.{name}" for name in ("arn", "common_errors", "errors", "mutability", "pages")),
    *(f"iam.{name}" for name in ("actions", "keys", "managed", "tokens")),
]


def test_ecr_speaks_json_and_nothing_else() -> None:
    """The day ECR's model declares another protocol (CBOR, say), this build says so."""
    assert ecr().model.metadata["protocols"] == ["json"]
    assert ecr().model.metadata["jsonVersion"] == "1.1"


def test_ecr_is_served_and_signed_under_its_names() -> None:
    """The target prefix and signing name are the model's."""
    assert (ecr().target_prefix, ecr().signing_name) == ("AmazonEC2ContainerRegistry_V20150921", "ecr")


def test_a_target_names_an_operation() -> None:
    """X-Amz-Target leads to the operation, and the same operation is the same object."""
    found = ecr().targeted("AmazonEC2ContainerRegistry_V20150921.PutImage")
    assert found.name == "PutImage"
    assert found is operation("PutImage")


@pytest.mark.parametrize(
    "target",
    [
        "",
        "PutImage",
        "AmazonEC2ContainerRegistry_V20150921.",
        "AmazonEC2ContainerRegistry_V20150921.Nothing",
        "AmazonEC2ContainerRegistry_V20150921.__class__",
        "SpencerFrontendService.PutImage",
    ],
)
def test_any_other_target_is_an_unknown_operation(target: str) -> None:
    """Another prefix, an unknown name or no name at all is UnknownOperationException."""
    with pytest.raises(UnknownOperation):
        ecr().targeted(target)


def test_a_model_of_our_own_is_a_service_like_ecr() -> None:
    """Any model in the same format can be served."""
    metadata = {"targetPrefix": "Careen_20261122", "endpointPrefix": "careen", "protocol": "json"}
    ours = service(
        {"metadata": metadata, "operations": {"ListTrash": {"name": "ListTrash"}}, "shapes": {}}, "careen"
    )
    assert ours.targeted("Careen_20261122.ListTrash").name == "ListTrash"
    assert ours.signing_name == "careen"


def test_models_in_the_operators_home_are_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `aws configure add-model` put into somebody's home does not change the registry."""
    script = "from careen.ecr.model import ecr; print(len(ecr().description['operations']))"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    folder = tmp_path / ".aws/models/ecr/2015-09-21"
    folder.mkdir(parents=True)
    (folder / "service-2.json").write_text('{"metadata": {}, "operations": {}, "shapes": {}}')
    assert _run(script) == str(len(ecr().description["operations"]))


def test_only_the_wire_and_signatures_need_botocore() -> None:
    """Errors, names, pages, tokens and policies import without it."""
    imports = "; ".join(f"import careen.{name}" for name in LIGHT)
    assert _run(f"import sys; {imports}; print('botocore' in sys.modules)") == "False"


def test_the_model_needs_no_session() -> None:
    """The session, client and credentials of botocore stay unimported."""
    heavy = "{'botocore.session', 'botocore.client', 'botocore.credentials'}"
    assert (
        _run(f"import sys, careen.ecr.wire, careen.ecr.model; print({heavy} & sys.modules.keys())") == "set()"
    )


def _run(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip()
