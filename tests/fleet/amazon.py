"""Accounts in Amazon's cloud: moto's server, which throttles and denies besides, and counts what it is asked."""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from careen.demo import images
from careen.oci.digest import digest_of

REGION = "eu-central-1"
ACCOUNT = "123456789012"
"""Whose moto takes keys to be that it does not know."""

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/")

SERVICES = ("APPRUNNER", "BATCH", "ECR", "ECS", "EKS", "IAM", "LAMBDA", "STS")


class Amazon:
    """A server for all accounts and Regions. A rule sees each request before moto, and may answer: an error's code, or JSON."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        """Requests by service and operation, ``ecr:DescribeImages``; by service and path where the path names it."""
        self.rule: Callable[[str, str, str], str | None] = lambda *_: None
        """Is told the operation, the Region and the body."""
        self.apps: dict[str, str] = {}
        """Services of App Runner, and the image of each."""
        self._lock = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """WSGI."""
        signed = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        region, service = (signed[2], signed[3]) if signed else ("", "")
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        operation = f"{service}:{target.rpartition('.')[2] or environ['PATH_INFO']}"
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        with self._lock:
            self.asked[operation] += 1
            code = self.rule(operation, region, body.decode())
        if code is None and service == "apprunner":
            said = json.dumps(self._app_runner(operation, json.loads(body))).encode()
            start_response("200 OK", [("Content-Length", str(len(said)))])
            return [said]
        if code is None:
            environ["wsgi.input"] = _Body(body)
            answer: Iterable[bytes] = self._moto(environ, start_response)
            return answer
        if code.startswith("{"):
            start_response("200 OK", [("Content-Length", str(len(code.encode())))])
            return [code.encode()]
        message = f"User: arn:aws:iam::{ACCOUNT}:user/x is not authorized to perform this"
        if code == "ThrottlingException":
            message = "Rate exceeded"
        said = json.dumps({"__type": code, "message": message}).encode()
        if service in {"iam", "sts"}:
            said = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()
        headers = [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)]
        start_response("400 BAD REQUEST", [*headers, ("Content-Length", str(len(said)))])
        return [said]

    def _app_runner(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """App Runner, which moto has not got: two services at most in a page."""
        names = sorted(self.apps)
        if operation == "apprunner:ListServices":
            start = int(asked.get("NextToken", 0))
            page = [{"ServiceName": name, "ServiceArn": f"arn:{name}"} for name in names[start : start + 2]]
            more = {"NextToken": str(start + 2)} if start + 2 < len(names) else {}
            return {"ServiceSummaryList": page, **more}
        name = asked["ServiceArn"].removeprefix("arn:")
        source = {"ImageRepository": {"ImageIdentifier": self.apps[name], "ImageRepositoryType": "ECR"}}
        return {"Service": {"ServiceName": name, "Status": "RUNNING", "SourceConfiguration": source}}

    def boto(self, service: str, region: str = REGION, key: str = "a") -> Any:
        """A client of an account's service."""
        return boto3.client(
            service,
            region,
            endpoint_url=self.url,
            aws_access_key_id=key,
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def environment(self, **more: str) -> dict[str, str]:
        """What leads everybody's clients here."""
        return {
            **{f"AWS_ENDPOINT_URL_{service}": self.url for service in SERVICES},
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            **more,
        }

    def every(self, number: int, code: str = "ThrottlingException") -> None:
        """Refuse one of so many requests to ECR."""
        seen = 0

        def rule(operation: str, _region: str, _body: str) -> str | None:
            nonlocal seen
            if not operation.startswith("ecr:"):
                return None
            seen += 1
            return code if seen % number == 0 else None

        self.rule = rule

    def deny(self, *operations: str, region: str | None = None, about: str = "") -> None:
        """Deny operations, everywhere or in a Region, or those that are about something."""

        def rule(operation: str, where: str, body: str) -> str | None:
            denied = operation in operations and region in {None, where} and about in body
            return "AccessDeniedException" if denied else None

        self.rule = rule


class _Body:
    """A body that was read before, for those who read it again."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = len(self._data)
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    readline = read


@contextmanager
def serving() -> Iterator[Amazon]:
    """A server for the length of a ``with`` block."""
    amazon = Amazon()
    server = make_server("127.0.0.1", 0, amazon, threaded=True)
    amazon.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield amazon
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def push(ecr: Any, repository: str, tag: str, *, layers: int = 2) -> str:
    """Put an image's manifest; moto asks for no layers. Returns its digest."""
    built = images.image(
        tuple(images.layer("file", 10, f"{repository} {tag} {each}") for each in range(layers)),
        "linux/amd64",
        {"tag": tag},
    )
    answer = ecr.put_image(
        repositoryName=repository,
        imageManifest=built.manifest.decode(),
        imageTag=tag,
        imageDigest=digest_of(built.manifest),  # moto would make one of its own
    )
    digest: str = answer["image"]["imageId"]["imageDigest"]
    return digest


def repository(ecr: Any, name: str, *tags: str, **resource_tags: str) -> dict[str, str]:
    """Make a repository with images. Returns their digests by tag."""
    ecr.create_repository(
        repositoryName=name, tags=[{"Key": key, "Value": value} for key, value in resource_tags.items()]
    )
    return {tag: push(ecr, name, tag) for tag in tags}
