"""The audit log: who did what and was refused what, in CloudTrail's shape, in a file that is rotated."""

import json
import multiprocessing
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from careen.audit import AuditLog
from careen.ecr import trail
from tests.distribution.client import Client
from tests.ecrapi.client import push
from tests.images import artifact, image, index
from tests.server import ACCESS_KEY_ID, REGION, REGISTRY_ID, Server, running
from tests.waiting import PATIENCE, found

ONE = image("one")
KEEP_ONE = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1},'
    '"action":{"type":"expire"}}]}'
)


def records(path: Path) -> list[dict[str, Any]]:
    """Every line of a log, and of those that were put aside."""
    files = sorted(path.parent.glob(f"{path.name}*"), key=lambda file: (file == path, file.name))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with an audit log, and the log."""
    folder = tmp_path_factory.mktemp("audited")
    with running(folder / "data", audit_log=folder / "audit.jsonl", lifecycle_interval=0.2) as server:
        yield server, folder / "audit.jsonl"


@pytest.fixture
def since(audited: tuple[Server, Path]) -> Callable[[], list[dict[str, Any]]]:
    """What calls and sign-ins were written down since the test began: what the registry does by itself may come at any time."""
    _, path = audited
    before = len(records(path)) if path.exists() else 0
    return lambda: [each for each in records(path)[before:] if each["eventType"] != "AwsServiceEvent"]


def named(found: list[dict[str, Any]]) -> list[str]:
    """The operations."""
    return [each["eventName"] for each in found]


def test_a_call_that_changes_something_is_written_down(
    audited: tuple[Server, Path], since: Callable[[], list[dict[str, Any]]]
) -> None:
    """All members of CloudTrail's record; reads are not."""
    server, _ = audited
    ecr = server.boto()
    made = ecr.create_repository(repositoryName="audit/made")
    ecr.describe_repositories()
    ecr.get_authorization_token()
    [record] = since()
    assert record.pop("eventTime").endswith("Z")
    assert len({record.pop("eventID"), record["requestID"]}) == 2
    assert record.pop("requestID") == made["ResponseMetadata"]["RequestId"]
    assert record.pop("userAgent").startswith("Boto3/")
    assert record.pop("responseElements")["repository"]["repositoryName"] == "audit/made"
    arn = f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/audit/made"
    assert record == {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "Root",
            "principalId": REGISTRY_ID,
            "arn": f"arn:aws:iam::{REGISTRY_ID}:root",
            "accountId": REGISTRY_ID,
            "accessKeyId": ACCESS_KEY_ID,
        },
        "eventSource": "ecr.amazonaws.com",
        "eventName": "CreateRepository",
        "awsRegion": REGION,
        "sourceIPAddress": "127.0.0.1",
        "requestParameters": {"repositoryName": "audit/made"},
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": REGISTRY_ID,
        "eventCategory": "Management",
        "resources": [{"accountId": REGISTRY_ID, "type": "AWS::ECR::Repository", "ARN": arn}],
    }


def test_a_push_is_written_down_in_ecrs_words(
    audited: tuple[Server, Path], since: Callable[[], list[dict[str, Any]]]
) -> None:
    """Each request of the distribution API by the operation that it is; pulls are not."""
    server, _ = audited
    client = Client(server)
    path = "/v2/audit/pushed"
    for data, digest in zip(ONE.blobs, ONE.digests, strict=True):
        location = client.send("POST", f"{path}/blobs/uploads/", None, {}).headers["location"]
        client.send("PUT", f"{location}?digest={digest}", data, {})
    client.send("PUT", f"{path}/manifests/1", ONE.manifest, {"Content-Type": ONE.media_type})
    client.send("GET", f"{path}/manifests/1", None, {})
    client.send("POST", f"/v2/audit/other/blobs/uploads/?mount={ONE.digests[0]}&from=audit/pushed", None, {})
    client.send("DELETE", f"{path}/manifests/1", None, {})
    client.send("DELETE", f"{path}/manifests/nothing", None, {})
    found = since()
    each = ["InitiateLayerUpload", "CompleteLayerUpload"]
    assert named(found) == [*each, *each, "PutImage", "MountLayer", "BatchDeleteImage", "BatchDeleteImage"]
    assert found[4]["requestParameters"] == {
        "repositoryName": "audit/pushed",
        "imageIds": [{"imageTag": "1"}],
    }
    assert found[4]["responseElements"] == {"imageDigest": ONE.digest}
    assert found[5]["requestParameters"]["sourceRepositoryName"] == "audit/pushed"
    assert [each.get("errorCode") for each in found[6:]] == [None, "MANIFEST_UNKNOWN"]


def test_what_is_refused_is_written_down(
    audited: tuple[Server, Path], since: Callable[[], list[dict[str, Any]]]
) -> None:
    """With who claimed to be calling; a client that is only asked for its credential was refused nothing."""
    server, _ = audited
    wrong = server.boto(aws_secret_access_key="not the secret")
    with pytest.raises(ClientError):
        wrong.describe_repositories()
    with pytest.raises(ClientError):
        server.boto("sts", aws_access_key_id="AKIANOBODYNOBODYNOBO").get_caller_identity()
    client = Client(server)
    client.send("GET", "/v2/", None, {"Authorization": "Basic bm9ib2R5Om5vdGhpbmc="})
    client.send("GET", "/v2/", None, {"Authorization": ""})
    found = since()
    assert [(each["eventName"], each["errorCode"], each["readOnly"]) for each in found] == [
        ("DescribeRepositories", "InvalidSignatureException", True),
        ("GetCallerIdentity", "UnrecognizedClientException", True),
        ("Login", "UNAUTHORIZED", False),
    ]
    assert [each["userIdentity"]["type"] for each in found] == ["Unknown"] * 3
    assert found[0]["userIdentity"]["accessKeyId"] == ACCESS_KEY_ID


def test_secrets_are_not_written_down(
    audited: tuple[Server, Path], since: Callable[[], list[dict[str, Any]]]
) -> None:
    """Nor the bytes of layers."""
    server, path = audited
    careen, ecr = server.boto("careen"), server.boto()
    secret = careen.put_webhook(webhookName="audited", url="http://127.0.0.1:9/", enabled=False)["secret"]
    ecr.create_repository(repositoryName="audit/parts")
    push(ecr, "audit/parts", ONE, "1")
    found = since()
    assert secret not in path.read_text()
    assert found[0]["responseElements"]["secret"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert found[0]["eventSource"] == "careen"
    parts = [each for each in found if each["eventName"] == "UploadLayerPart"]
    assert {each["requestParameters"]["layerPartBlob"] for each in parts} == {
        f"({len(data)} bytes)" for data in ONE.blobs
    }
    put_image = next(each for each in found if each["eventName"] == "PutImage")
    assert put_image["requestParameters"]["imageManifest"] == ONE.manifest.decode()


def test_what_the_registry_does_by_itself_is_written_down(audited: tuple[Server, Path]) -> None:
    """A preview, a run with an image that an index needs, and an image back from the archive."""
    server, path = audited

    def told(name: str) -> list[dict[str, Any]]:
        """The only test that makes these waits for the first."""
        return found(lambda: [each for each in records(path) if each["eventName"] == name], f"no {name}")

    ecr = server.boto()
    name = "audit/policy"
    ecr.create_repository(repositoryName=name)
    built = [image(f"{name} {number}") for number in range(3)]
    for number, each in enumerate(built):
        push(ecr, name, each, f"v{number}")
    listing = index(built[0], built[2])
    ecr.put_image(repositoryName=name, imageManifest=listing.manifest.decode(), imageTag="both")
    ecr.start_lifecycle_policy_preview(repositoryName=name, lifecyclePolicyText=KEEP_ONE)
    [dry] = told("DryRunEvent")
    ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=KEEP_ONE)
    ran, *_ = told("PolicyExecutionEvent")  # it runs five times a second
    for record in (dry, ran):
        assert (record["eventType"], record["readOnly"]) == ("AwsServiceEvent", True)
        assert record["userIdentity"] == {"accountId": REGISTRY_ID, "invokedBy": "AWS Internal"}
        details = record["serviceEventDetails"]
        assert [each["lifecycleEventImage"]["tagList"] for each in details["lifecycleEventImageActions"]] == [
            ["v1"]
        ]
        failures = details["lifecycleEventFailureDetails"]
        assert {each["failureCode"] for each in failures} == {"ImageReferencedByManifestList"}
        assert {each["failureReason"] for each in failures} == {
            f"Requested image referenced by manifest list: [{listing.digest}]"
        }
    ecr.delete_lifecycle_policy(repositoryName=name)
    signature = artifact("application/vnd.example.signature", listing)
    assert signature.digest
    ids = {"repositoryName": name, "imageId": {"imageTag": "both"}}
    ecr.update_image_storage_class(**ids, targetStorageClass="ARCHIVE")
    ecr.update_image_storage_class(**ids, targetStorageClass="STANDARD")
    [activated] = told("ImageActivationEvent")
    assert activated["serviceEventDetails"]["imageDigest"] == listing.digest


def _write_many(path: Path, name: str, count: int, size: int) -> None:
    log = AuditLog(path, size)
    for number in range(count):
        log.write({"by": name, "number": number})
    log.close()


def test_processes_that_rotate_lose_no_line(tmp_path: Path) -> None:
    """Three of them, a file for every few lines: each line is there once, whole, and no file is much larger than asked."""
    path = tmp_path / "audit.jsonl"
    forks = multiprocessing.get_context("fork")
    writers = [
        forks.Process(target=_write_many, args=(path, name, 300, 2_000)) for name in ("one", "two", "three")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE)
        assert writer.exitcode == 0
    found = [(each["by"], each["number"]) for each in records(path)]
    assert sorted(found) == sorted(
        (name, number) for name in ("one", "two", "three") for number in range(300)
    )
    files = list(tmp_path.iterdir())
    assert len(files) > 5
    assert max(file.stat().st_size for file in files) < 2_000 + 3 * 100


def test_a_log_that_others_rotate_is_followed(tmp_path: Path) -> None:
    """Logrotate renames the file; the next line is in a new one."""
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, 10**9)
    log.write({"number": 1})
    path.rename(tmp_path / "audit.jsonl.1")
    log.write({"number": 2})
    log.close()
    assert json.loads(path.read_text()) == {"number": 2}


def test_a_log_that_cannot_be_written_stops_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once in a while, and the log goes on when it can."""
    path = tmp_path / "gone" / "audit.jsonl"
    log = AuditLog(path, 10**9)
    log.write({"number": 1})
    log.write({"number": 2})
    assert capsys.readouterr().out.count("the audit log cannot be written") == 1
    path.parent.mkdir()
    log.write({"number": 3})
    log.close()
    assert json.loads(path.read_text()) == {"number": 3}


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (
            "arn:aws:iam::1:user/alice",
            {"type": "IAMUser", "principalId": "alice", "userName": "alice", "accessKeyId": "AKIA"},
        ),
        ("arn:aws:iam::1:root", {"type": "Root", "principalId": "1", "accessKeyId": "AKIA"}),
        (
            "arn:aws:sts::1:assumed-role/Admin/me",
            {"type": "AssumedRole", "principalId": "Admin/me", "accessKeyId": "AKIA"},
        ),
    ],
)
def test_whoever_called_is_told_by_the_arn(arn: str, expected: dict[str, str]) -> None:
    """Users, roles and the account itself."""
    found = trail.identity("1", arn, "AKIA")
    assert found == expected | {"arn": arn, "accountId": "1"}


def test_long_text_is_cut() -> None:
    """A manifest may have 4 MiB, a line of the log should not."""
    assert len(trail.presentable({"imageManifest": "x" * 10**6})["imageManifest"]) < trail.MAX_TEXT + 40


def test_the_log_is_its_owners_and_groups(tmp_path: Path) -> None:
    """It tells who has which key."""
    log = AuditLog(tmp_path / "audit.jsonl", 10**9)
    log.write({})
    log.close()
    mode = subprocess.run(
        ["stat", "-c", "%a", tmp_path / "audit.jsonl"], capture_output=True, text=True, check=True
    ).stdout
    assert int(mode, 8) & 0o007 == 0


def test_what_happens_to_users_is_written_down_without_their_secrets(
    audited: tuple[Server, Path], since: Callable[[], list[dict[str, Any]]]
) -> None:
    """IAM's and STS's calls too: who was made, who got which key, who tried a role; never a secret or a token."""
    server, path = audited
    iam = server.boto("iam")
    iam.create_user(UserName="audited")
    iam.get_user(UserName="audited")
    made = iam.create_access_key(UserName="audited")["AccessKey"]
    role = f"arn:aws:iam::{REGISTRY_ID}:role/none"
    anybody = server.boto("sts", config=Config(signature_version=UNSIGNED))
    with pytest.raises(ClientError):
        anybody.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName="run", WebIdentityToken="a-token.of.somebody"
        )
    iam.delete_access_key(UserName="audited", AccessKeyId=made["AccessKeyId"])
    created, key, refused, gone = since()
    assert named([created, key]) == ["CreateUser", "CreateAccessKey"]
    assert named([refused, gone]) == ["AssumeRoleWithWebIdentity", "DeleteAccessKey"]
    told = key["responseElements"]["AccessKey"]
    assert (told["AccessKeyId"], told["SecretAccessKey"]) == (made["AccessKeyId"], trail.HIDDEN)
    assert created["eventSource"] == "iam.amazonaws.com"
    assert created["requestParameters"] == {"UserName": "audited"}
    assert created["userIdentity"]["type"] == "Root"
    assert (refused["errorCode"], refused["userIdentity"]["type"]) == ("InvalidIdentityToken", "Unknown")
    assert refused["requestParameters"]["RoleArn"] == role
    written = path.read_text()
    assert made["SecretAccessKey"] not in written
    assert "a-token.of.somebody" not in written
