"""Requests that are not what the model asks for, and what ECR answers to them."""

import json
import re
from typing import Any, NamedTuple

import pytest
from botocore.model import Shape
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.ecr import wire
from careen.ecr.common_errors import Serialization
from careen.ecr.constraints import _LINEAR, Refused, checks
from careen.ecr.errors import EcrError, InvalidParameter
from careen.ecr.model import ecr, operation, service
from tests.ecr.shapes import input_of

PRINCIPAL_ARN = ecr().model.shape_for("PrincipalArn").metadata["pattern"]
NAME = ecr().model.shape_for("RepositoryName").metadata["pattern"]
LAYER_DIGEST = ecr().model.shape_for("LayerDigest").metadata["pattern"]


class Bad(NamedTuple):
    operation: str
    body: Any
    at: str
    constraint: str


CONSTRAINTS = {
    "a required member is missing": Bad("DeleteRepository", {}, "repositoryName", "must not be null"),
    "null is missing": Bad(
        "DeleteRepository", {"repositoryName": None}, "repositoryName", "must not be null"
    ),
    "any other member says so in full": Bad(
        "PutImage", {"repositoryName": "app"}, "imageManifest", "Member must not be null"
    ),
    "a text with a NUL": Bad(
        "TagResource",
        {"resourceArn": "arn", "tags": [{"Key": "a", "Value": "\0"}]},
        "tags.1.member.value",
        r"Member must satisfy regular expression pattern: [^\x00]*",
    ),
    "a name too short": Bad(
        "CreateRepository",
        {"repositoryName": "a"},
        "repositoryName",
        "must have length greater than or equal to 2",
    ),
    "a name too long": Bad(
        "CreateRepository",
        {"repositoryName": "a" * 257},
        "repositoryName",
        "must have length less than or equal to 256",
    ),
    "a name in capitals": Bad(
        "CreateRepository",
        {"repositoryName": "Team/App"},
        "repositoryName",
        f"must satisfy regular expression '{NAME}'",
    ),
    "a name and a line feed": Bad(
        "CreateRepository",
        {"repositoryName": "app\n"},
        "repositoryName",
        f"must satisfy regular expression '{NAME}'",
    ),
    "a policy text too short": Bad(
        "PutLifecyclePolicy",
        {"repositoryName": "app", "lifecyclePolicyText": "file://policy.json"},
        "lifecyclePolicyText",
        "Member must have length greater than or equal to 100",
    ),
    "too many results": Bad(
        "DescribeRepositories",
        {"maxResults": 1001},
        "maxResults",
        "Member must have value less than or equal to 1000",
    ),
    "no results": Bad(
        "DescribeRepositories",
        {"maxResults": 0},
        "maxResults",
        "Member must have value greater than or equal to 1",
    ),
    "an unknown mutability": Bad(
        "PutImageTagMutability",
        {"repositoryName": "app", "imageTagMutability": "SOMETIMES"},
        "imageTagMutability",
        "Member must satisfy enum value set: "
        "[MUTABLE, IMMUTABLE, IMMUTABLE_WITH_EXCLUSION, MUTABLE_WITH_EXCLUSION]",
    ),
    "a member of a structure": Bad(
        "CreateRepository",
        {"repositoryName": "app", "encryptionConfiguration": {"encryptionType": "ROT13"}},
        "encryptionConfiguration.encryptionType",
        "Member must satisfy enum value set: [AES256, KMS, KMS_DSSE]",
    ),
    "a member of a structure in a list": Bad(
        "CreateRepository",
        {"repositoryName": "app", "tags": [{"Key": "a", "Value": "b"}, {"Value": "prod"}]},
        "tags.2.member.key",
        "Member must not be null",
    ),
    "an item of a list": Bad(
        "GetAuthorizationToken",
        {"registryIds": ["123456789012", "mine"]},
        "registryIds",
        "Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]{12}]",
    ),
    "an item that is null": Bad(
        "UntagResource",
        {"resourceArn": "arn", "tagKeys": [None]},
        "tagKeys",
        "Member must satisfy constraint: [Member must not be null]",
    ),
    "a list too short": Bad(
        "BatchDeleteImage",
        {"repositoryName": "app", "imageIds": []},
        "imageIds",
        "Member must have length greater than or equal to 1",
    ),
    "a list too long": Bad(
        "BatchDeleteImage",
        {"repositoryName": "app", "imageIds": [{"imageTag": "t"}] * 101},
        "imageIds",
        "Member must have length less than or equal to 100",
    ),
    "a letter beyond ASCII": Bad(
        "RegisterPullTimeUpdateExclusion",
        {"principalArn": "arn:aws:iam::123456789012:user/Åsa"},
        "principalArn",
        f"Member must satisfy regular expression pattern: {PRINCIPAL_ARN}",
    ),
    "a digest": Bad(
        "GetDownloadUrlForLayer",
        {"repositoryName": "app", "layerDigest": "sha256"},
        "layerDigest",
        f"Member must satisfy regular expression pattern: {LAYER_DIGEST}",
    ),
}


@pytest.mark.parametrize("case", CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
def test_a_failed_constraint_is_reported_as_ecr_reports_it(case: Bad) -> None:
    """InvalidParameterException says where, and which constraint."""
    with pytest.raises(InvalidParameter) as refused:
        wire.parse(operation(case.operation), json.dumps(case.body).encode())
    expected = f"Invalid parameter at '{case.at}' failed to satisfy constraint: '{case.constraint}'"
    assert refused.value.message == expected


LAYER_PART = {
    "repositoryName": "app",
    "uploadId": "0" * 8 + "-0000-0000-0000-" + "0" * 12,
    "partFirstByte": 0,
}

MALFORMED = {
    "a list for the parameters": ("DescribeRegistry", [], "Start of list found where not expected"),
    "a string for the parameters": (
        "DescribeRegistry",
        "x",
        "STRING_VALUE can not be converted to a Structure",
    ),
    "a number for a string": (
        "DeleteRepository",
        {"repositoryName": 5},
        "NUMBER_VALUE can not be converted to a String at 'repositoryName'",
    ),
    "a boolean for a number": (
        "DescribeRepositories",
        {"maxResults": True},
        "TRUE_VALUE can not be converted to an Integer at 'maxResults'",
    ),
    "a fraction for a number": (
        "DescribeRepositories",
        {"maxResults": 1.5},
        "NUMBER_VALUE can not be converted to an Integer at 'maxResults'",
    ),
    "a number beyond 32 bits": (
        "DescribeRepositories",
        {"maxResults": 2**31},
        "NUMBER_VALUE can not be converted to an Integer at 'maxResults'",
    ),
    "a number beyond 64 bits": (
        "UploadLayerPart",
        LAYER_PART | {"partLastByte": 2**63, "layerPartBlob": ""},
        "NUMBER_VALUE can not be converted to a Long at 'partLastByte'",
    ),
    "a string for a boolean": (
        "DeleteRepository",
        {"repositoryName": "app", "force": "true"},
        "STRING_VALUE can not be converted to a Boolean at 'force'",
    ),
    "a string for a list": (
        "DescribeRepositories",
        {"repositoryNames": "app"},
        "STRING_VALUE can not be converted to a List at 'repositoryNames'",
    ),
    "an object for a string": (
        "DeleteRepository",
        {"repositoryName": {}},
        "Start of structure or map found where not expected at 'repositoryName'",
    ),
    "a list for a structure": (
        "PutImageScanningConfiguration",
        {"repositoryName": "app", "imageScanningConfiguration": []},
        "Start of list found where not expected at 'imageScanningConfiguration'",
    ),
    "a blob that is not base64": (
        "UploadLayerPart",
        LAYER_PART | {"partLastByte": 1, "layerPartBlob": "YQ=?"},
        "STRING_VALUE is not base64 at 'layerPartBlob'",
    ),
}


@pytest.mark.parametrize(("name", "body", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_value_of_another_type_is_a_serialization_error(name: str, body: Any, message: str) -> None:
    """SerializationException tells what was found and where."""
    with pytest.raises(Serialization) as refused:
        wire.parse(operation(name), json.dumps(body).encode())
    assert refused.value.message == message


@pytest.mark.parametrize("text", ["YWI=\n", "Y WI=", "YWI", "YWI==", "YW-_", "é"])
def test_a_blob_is_strict_base64(text: str) -> None:
    """No white space, no missing or second padding, no other alphabet."""
    body = LAYER_PART | {"partLastByte": 1, "layerPartBlob": text}
    with pytest.raises(Serialization, match="STRING_VALUE is not base64 at 'layerPartBlob'"):
        wire.parse(operation("UploadLayerPart"), json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b'{"a":NaN}', b'{"repositoryName":"\\ud800"}', b"{} {}", b"[" * 200_000, b"1" * 10_000],
    ids=["cut", "not UTF-8", "NaN", "half a character", "two documents", "deep", "long number"],
)
def test_what_is_not_json_is_a_serialization_error(body: bytes) -> None:
    """No body, however made, gets further than SerializationException."""
    with pytest.raises(Serialization):
        wire.parse(operation("DescribeRepositories"), body)


def test_an_empty_body_is_an_empty_object() -> None:
    """Some clients send nothing where there is nothing to say."""
    assert wire.parse(operation("DescribeRepositories"), b"") == {}


def test_unknown_members_are_ignored() -> None:
    """A client with a newer model than ours is understood as far as we can."""
    assert wire.parse(operation("DeleteRepository"), b'{"repositoryName":"app","soon":1}') == {
        "repositoryName": "app"
    }


def test_a_layer_part_is_bytes_up_to_its_limit() -> None:
    """The blob is decoded, and measured after decoding."""
    most = ecr().model.shape_for("LayerPartBlob").metadata["max"]
    assert most == 20_971_520
    (check,) = [
        one for one in checks(ecr().model.shape_for("LayerPartBlob")) if refuses(one, bytes(most + 1))
    ]
    check(bytes(most))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["repositoryName", "imageIds", "filter", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(ecr().model.operation_names)), body=JSON.map(json.dumps) | st.text())
def test_any_body_is_parameters_or_a_refusal(name: str, body: str) -> None:
    """Nothing a client can send raises anything but ECR's errors."""
    try:
        parameters = wire.parse(operation(name), body.encode())
    except EcrError as error:
        assert error.status == 400  # noqa: PT017 - a refusal is one of the two outcomes
    else:
        assert set(parameters) <= set(input_of(name).members)


# --- timestamps, maps and numbers, which ECR's inputs have not but a model of ours may have

OURS = service(
    {
        "metadata": {"targetPrefix": "Ours", "endpointPrefix": "ours", "protocol": "json"},
        "operations": {
            "Do": {"name": "Do", "input": {"shape": "In"}, "output": {"shape": "In"}},
            "Rest": {"name": "Rest"},
        },
        "shapes": {
            "In": {
                "type": "structure",
                "members": {
                    "at": {"shape": "Time"},
                    "labels": {"shape": "Labels"},
                    "share": {"shape": "Share"},
                },
            },
            "Time": {"type": "timestamp"},
            "Labels": {"type": "map", "key": {"shape": "Label"}, "value": {"shape": "Label"}, "max": 1},
            "Label": {"type": "string", "min": 1},
            "Share": {"type": "double", "max": 1},
        },
    },
    "ours",
)


@pytest.mark.parametrize(
    ("sent", "instant"),
    [("0", 0), ("1.5e9", 1_500_000_000_000_000), ("1700000000.123", 1_700_000_000_123_000)],
)
def test_a_timestamp_is_an_instant(sent: str, instant: int) -> None:
    """Epoch seconds become microseconds."""
    assert wire.parse(OURS.operation("Do"), f'{{"at":{sent}}}'.encode()) == {"at": instant}


@pytest.mark.parametrize("sent", ["-1", "1e300", "true", '"2026-11-22T00:00:00Z"', "253402300800"])
def test_what_is_no_time_is_a_serialization_error(sent: str) -> None:
    """Timestamps are numbers that name a date."""
    with pytest.raises(Serialization):
        wire.parse(OURS.operation("Do"), f'{{"at":{sent}}}'.encode())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"a": "", "b": ""}, "Member must have length less than or equal to 1"),
        ({"": "x"}, "Map keys must satisfy constraint: [Member must have length greater than or equal to 1]"),
        (
            {"x": ""},
            "Map value must satisfy constraint: [Member must have length greater than or equal to 1]",
        ),
        ({"x": None}, "Map value must satisfy constraint: [Member must not be null]"),
    ],
)
def test_a_map_is_checked_in_keys_and_values(labels: dict[str, Any], message: str) -> None:
    """A map's refusal names the map."""
    with pytest.raises(
        InvalidParameter, match=re.escape(f"'labels' failed to satisfy constraint: '{message}'")
    ):
        wire.parse(OURS.operation("Do"), json.dumps({"labels": labels}).encode())


def test_a_double_may_be_written_as_an_integer() -> None:
    """JSON does not tell 1 from 1.0; a number too large for a double is no double."""
    assert wire.parse(OURS.operation("Do"), b'{"share":1}') == {"share": 1.0}
    with pytest.raises(Serialization):
        wire.parse(OURS.operation("Do"), b'{"share":1%s}' % (b"0" * 400))


def test_an_operation_may_go_without_input_and_output() -> None:
    """The model's format allows it, and a model of ours may use it."""
    assert wire.parse(OURS.operation("Rest"), b"") == {}
    assert wire.write(OURS.operation("Rest"), {}) == b"{}"


# --- patterns

PATTERNS = {
    name: ecr().model.shape_for(name)
    for name in ecr().model.shape_names
    if "pattern" in ecr().model.shape_for(name).metadata
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("shape", PATTERNS.values(), ids=PATTERNS.keys())
def test_no_pattern_can_be_made_to_run_for_long(shape: Shape) -> None:
    """A long near miss is refused at once: the model's worst pattern alone would take years for these."""
    for text in (
        "a" * 250 + " ",
        "a." * 125 + " ",
        "a-" * 125 + "!",
        "a/" * 125 + "!",
        "arn:aws" + "-a" * 120 + "!",
    ):
        results = [refuses(check, text) for check in checks(shape)]
        assert any(results) or shape.name == "Base64"  # which admits all but white space


@settings(max_examples=300, deadline=None)
@given(text=st.text("a9*._-/ B", max_size=9))
@pytest.mark.parametrize(("model", "ours"), _LINEAR.items())
def test_a_rewritten_pattern_admits_the_same_texts(model: str, ours: str, text: str) -> None:
    """What replaces a pattern of the model is the same language."""
    assert bool(re.fullmatch(model, text, re.ASCII)) == bool(re.fullmatch(ours, text, re.ASCII))


def test_the_patterns_that_are_rewritten_are_still_the_models() -> None:
    """A pattern that AWS has changed needs another look."""
    assert set(_LINEAR) <= {shape.metadata["pattern"] for shape in PATTERNS.values()}


def refuses(check: Any, value: object) -> bool:
    try:
        check(value)
    except Refused:
        return True
    return False
