"""Two ways into a registry with the same verbs: its use cases, and HTTP. Doing a thing a second time is no error."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

from careen import deliveries, worker
from careen.clock import system_now
from careen.ecr import errors
from careen.ecr import replication as configurations
from careen.ecr.replication import Destination
from careen.iam import errors as iam_errors
from careen.iam.managed import ManagedPolicy, documents
from careen.oci.digest import digest_of
from careen.registry import (
    archive,
    backfills,
    console_sessions,
    gc,
    identities,
    identity_policies,
    images,
    jobs,
    layers,
    lifecycle,
    login_profiles,
    policies,
    previews,
    public,
    replication,
    repositories,
    scans,
    sign_in_attempts,
    trash,
    webhooks,
)
from careen.registry.access import Circumstances
from careen.registry.callers import Principal
from careen.registry.events import Filter
from careen.registry.identities import Kind
from careen.registry.identity_policies import Inline
from careen.registry.public import Catalogue
from careen.registry.pulls import Pull, PullTimes
from careen.registry.registry import Registry
from careen.registry.repositories import Repository
from careen.replication.work import backfilling, copies
from tests.console.visitor import Visitor
from tests.distribution.client import Answer, Client
from tests.images import Built
from tests.receiver import Receiver
from tests.registry import steps
from tests.registry.steps import TESTER, cause, noted
from tests.server import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from tests.waiting import until

PART = 60_000
"""Bytes per chunk of an upload."""

HOOK = "script"
"""The webhook of the script."""

PIECE = 20_000
"""Bytes in which a chunk arrives."""


NOWHERE = {"region": "eu-west-1", "registryId": "123456789012"}
"""A destination that nobody has said the place of: whatever goes there fails at once, by the same steps."""

REPLICATION = {"rules": [{"destinations": [NOWHERE], "deleteReplication": {"enabled": True}}]}


class Gone(Exception):
    """What a push relies on is not there (any more): push it again."""


class Door(Protocol):
    """What a client does."""

    def create(self, repository: str) -> None: ...
    def publish(self, repository: str) -> None: ...
    def describe(self, repository: str, text: str) -> None: ...
    def delete_repository(self, repository: str) -> None: ...
    def put_policy(self, repository: str, text: str) -> None: ...
    def set_access_policy(self, repository: str, text: str) -> None: ...
    def make_user(self, name: str) -> None: ...
    def let_user(self, name: str, text: str) -> None: ...
    def give_password(self, name: str) -> None: ...
    def visit(self, name: str) -> None: ...
    def delete_user(self, name: str) -> None: ...
    def preview(self, repository: str) -> None: ...
    def replicate(self) -> None: ...
    def backfill(self) -> None: ...
    def upload(self, repository: str, data: bytes) -> None: ...
    def leave(self, repository: str, data: bytes) -> object: ...
    def mount(self, repository: str, digest: str, source: str) -> None: ...
    def delete_blob(self, repository: str, digest: str) -> None: ...
    def put(self, repository: str, built: Built, tag: str | None) -> None: ...
    def untag(self, repository: str, tag: str) -> None: ...
    def delete(self, repository: str, digest: str) -> None: ...
    def bring_back(self, repository: str, digest: str) -> None: ...
    def archive(self, repository: str, digest: str) -> None: ...
    def restore(self, repository: str, digest: str) -> None: ...
    def scan(self, repository: str, digest: str) -> None: ...
    def pull(self, repository: str, reference: str) -> bytes | None: ...
    def blob(self, repository: str, digest: str) -> bytes | None: ...
    def settle(self, repository: str, tags: set[str]) -> None: ...
    def deliver(self) -> None: ...
    def collect(self) -> None: ...


class Direct:
    """The use cases, in this process; ``settle`` does the worker's part, too."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._pulls = PullTimes(registry)

    def _target(self, name: str) -> Repository:
        found = self._registry.read(repositories.find, name)
        return found or self._registry.write_now(repositories.require_for_push, name)

    def create(self, repository: str) -> None:
        with contextlib.suppress(errors.RepositoryAlreadyExists):
            self._registry.write_now(repositories.create, repository)

    def publish(self, repository: str) -> None:
        with contextlib.suppress(errors.RepositoryAlreadyExists):
            self._registry.write_now(public.create, repository, tags={})

    def describe(self, repository: str, text: str) -> None:
        self._registry.write_now(public.put_catalogue, repository, Catalogue(description=text), None)

    def delete_repository(self, repository: str) -> None:
        with contextlib.suppress(errors.RepositoryNotFound):
            self._registry.write_now(repositories.delete, repository, cause(), force=True)

    def put_policy(self, repository: str, text: str) -> None:
        self._registry.write_now(lifecycle.put_policy, repository, text)

    def set_access_policy(self, repository: str, text: str) -> None:
        owner = Principal(self._registry.id, "owner", "AKIA", documents(ManagedPolicy.FULL_ACCESS))
        here = Circumstances(system_now())
        self._registry.write_now(policies.set_repository_policy, repository, text, owner, here)

    def make_user(self, name: str) -> None:
        with contextlib.suppress(iam_errors.EntityAlreadyExists):
            self._registry.write_now(identities.create_user, name)

    def let_user(self, name: str, text: str) -> None:
        self._registry.write_now(identity_policies.put, Kind.USER, name, Inline("p", text))

    def give_password(self, name: str) -> None:
        with contextlib.suppress(iam_errors.EntityAlreadyExists):
            self._registry.write_now(login_profiles.create, name, "a hash")

    def visit(self, name: str) -> None:
        registry, here = self._registry, Circumstances(system_now(), "192.0.2.1")
        attempt = sign_in_attempts.attempt_of(registry, name, here)
        registry.write_now(sign_in_attempts.count, attempt, here.at)
        user = registry.read(identities.require, Kind.USER, name)
        link = registry.write_now(console_sessions.make_link, user, here.at)
        cookie = registry.write_now(console_sessions.begin_by_link, registry, link, here)
        assert cookie is not None
        assert registry.read(console_sessions.caller, registry, cookie, here.at) is not None
        assert registry.write_now(console_sessions.end, cookie)
        assert registry.read(console_sessions.caller, registry, cookie, here.at) is None

    def delete_user(self, name: str) -> None:
        with contextlib.suppress(iam_errors.NoSuchEntity):
            self._registry.write_now(identities.delete, Kind.USER, name, force=True)

    def preview(self, repository: str) -> None:
        with contextlib.suppress(errors.LifecyclePolicyPreviewInProgress):
            self._registry.write_now(previews.start, repository, None)

    def replicate(self) -> None:
        document = configurations.checked(REPLICATION, self._registry.region, self._registry.id)
        self._registry.write_now(replication.put_configuration, document)

    def backfill(self) -> None:
        with contextlib.suppress(errors.ReplicationBackfillInProgress):
            self._registry.write_now(backfills.start, Destination(NOWHERE["region"], NOWHERE["registryId"]))

    def upload(self, repository: str, data: bytes) -> None:
        asyncio.run(self._upload(self._target(repository), data, finish=True))

    def leave(self, repository: str, data: bytes) -> None:
        asyncio.run(self._upload(self._target(repository), data, finish=False))

    async def _upload(self, target: Repository, data: bytes, *, finish: bool) -> None:
        registry = self._registry
        upload_id = await layers.begin(registry, target)
        for start in range(0, len(data), PART):
            async with layers.held(registry, target, upload_id) as held:
                await layers.append(registry, held, _stream(data[start : start + PART]))
        if finish:
            async with layers.held(registry, target, upload_id) as held:
                await layers.complete(registry, target, held, digest_of(data))

    def mount(self, repository: str, digest: str, source: str) -> None:
        if not self._registry.write_now(layers.mount, self._target(repository), digest, source):
            raise Gone

    def delete_blob(self, repository: str, digest: str) -> None:
        if not self._registry.write_now(layers.delete, repository, digest):
            raise Gone

    def put(self, repository: str, built: Built, tag: str | None) -> None:
        try:
            self._registry.write_now(images.put, self._target(repository), built.manifest, tag=tag)
        except errors.LayersNotFound:
            raise Gone from None

    def untag(self, repository: str, tag: str) -> None:
        self._registry.write_now(images.untag, self._target(repository), tag)

    def delete(self, repository: str, digest: str) -> None:
        self._registry.write_now(images.delete_by_digest, self._target(repository), digest, cause())

    def bring_back(self, repository: str, digest: str) -> None:
        if self._registry.read(images.find, self._target(repository), digest=digest) is None:
            try:
                self._registry.write_now(trash.restore, repository, digest, TESTER)
            except errors.ImageNotInTrash:
                raise Gone from None

    def _change(self, repository: str, digest: str, change: Any) -> None:
        row = self._registry.read(images.find, self._target(repository), digest=digest)
        assert row is not None
        with contextlib.suppress(archive.WrongStatus):
            self._registry.write_now(change, row)

    def archive(self, repository: str, digest: str) -> None:
        self._change(repository, digest, archive.archive_with_referrers)

    def restore(self, repository: str, digest: str) -> None:
        self._change(repository, digest, archive.begin_restore)

    def scan(self, repository: str, digest: str) -> None:
        with contextlib.suppress(errors.LimitExceeded):
            self._change(repository, digest, scans.start)

    def pull(self, repository: str, reference: str) -> bytes | None:
        found = self._registry.read(images.pullable, repository, reference)
        if found is None:
            return None
        self._pulls.record(Pull(found.manifest_id, "arn:aws:iam::0:user/a"), None)
        asyncio.run(self._pulls.flush())
        return found.content

    def blob(self, repository: str, digest: str) -> bytes | None:
        return steps.blob(self._registry, repository, digest)

    def settle(self, repository: str, tags: set[str]) -> None:
        self._registry.write_now(jobs.schedule)
        lifecycle.enqueue_runs(self._registry)
        stop = threading.Event()
        every = (
            worker.JOBS,
            worker.moving(stop, "worker"),
            worker.image_scans(stop, "worker"),
            copies("worker", stop),
            backfilling("worker", stop),
        )
        while any(worker.run_one(self._registry, "worker", work) for work in every):
            pass
        found = self._registry.read(images.tag_names, repository, "", 1000)
        assert set(found) == tags

    def deliver(self) -> None:
        stop = threading.Event()
        delivering = threading.Thread(
            target=deliveries.run, args=(self._registry, noted(self._registry), stop)
        )
        with Receiver().running() as receiver:
            self._registry.write_now(webhooks.put, HOOK, receiver.url, Filter(actions=["PUSH"]))
            number = self._registry.write_now(webhooks.test, HOOK)
            delivering.start()
            until(lambda: self._registry.read(webhooks.require, HOOK).cursor >= number, "not delivered")
            stop.set()
            delivering.join()
        assert receiver.deliveries

    def collect(self) -> None:
        gc.collect(self._registry, grace=0)
        gc.sweep(self._registry)


async def _stream(data: bytes) -> AsyncIterator[list[bytes]]:
    for start in range(0, len(data), PIECE):
        yield [data[start : start + PIECE]]


class Http:
    """A client of a server, which has a worker of its own."""

    def __init__(self, client: Client, ecr: Any, own: Any, iam: Any) -> None:
        self._client = client
        self._ecr = ecr
        self._iam = iam
        self._own = own
        self._ecr_public = client.server.boto("ecr-public")

    def _ask(
        self, method: str, path: str, body: bytes | None = None, *expected: int, **headers: str
    ) -> Answer:
        got = self._client.send(method, path, body, headers)
        if got.code in {"MANIFEST_BLOB_UNKNOWN", "BLOB_UPLOAD_UNKNOWN"}:
            raise Gone
        assert got.status in expected, (method, path, got)
        return got

    def create(self, repository: str) -> None:
        with contextlib.suppress(self._ecr.exceptions.RepositoryAlreadyExistsException):
            self._ecr.create_repository(repositoryName=repository)

    def publish(self, repository: str) -> None:
        with contextlib.suppress(self._ecr_public.exceptions.RepositoryAlreadyExistsException):
            self._ecr_public.create_repository(repositoryName=repository.removeprefix("public/"))

    def describe(self, repository: str, text: str) -> None:
        self._ecr_public.put_repository_catalog_data(
            repositoryName=repository.removeprefix("public/"), catalogData={"description": text}
        )

    def delete_repository(self, repository: str) -> None:
        with contextlib.suppress(self._ecr.exceptions.RepositoryNotFoundException):
            self._ecr.delete_repository(repositoryName=repository, force=True)

    def put_policy(self, repository: str, text: str) -> None:
        self._ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=text)

    def set_access_policy(self, repository: str, text: str) -> None:
        self._ecr.set_repository_policy(repositoryName=repository, policyText=text)

    def make_user(self, name: str) -> None:
        with contextlib.suppress(self._iam.exceptions.EntityAlreadyExistsException):
            self._iam.create_user(UserName=name)

    def let_user(self, name: str, text: str) -> None:
        self._iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=text)

    def give_password(self, name: str) -> None:
        with contextlib.suppress(self._iam.exceptions.EntityAlreadyExistsException):
            self._iam.create_login_profile(UserName=name, Password="correct horse battery staple")

    def visit(self, name: str) -> None:
        visitor = Visitor(self._client.server, "")
        key = {"with": "key", "id": ACCESS_KEY_ID, "secret": SECRET_ACCESS_KEY}
        assert visitor.post("sign-in", key).headers["location"] == "/console/"
        assert visitor.get("credentials").status_code == 200
        visitor.post("sign-out")
        assert visitor.get("credentials").status_code == 303, name

    def delete_user(self, name: str) -> None:
        with contextlib.suppress(self._iam.exceptions.NoSuchEntityException):
            self._iam.delete_user_policy(UserName=name, PolicyName="p")
        with contextlib.suppress(self._iam.exceptions.NoSuchEntityException):
            self._iam.delete_login_profile(UserName=name)
        with contextlib.suppress(self._iam.exceptions.NoSuchEntityException):
            self._iam.delete_user(UserName=name)

    def preview(self, repository: str) -> None:
        with contextlib.suppress(self._ecr.exceptions.LifecyclePolicyPreviewInProgressException):
            self._ecr.start_lifecycle_policy_preview(repositoryName=repository)

    def replicate(self) -> None:
        self._ecr.put_replication_configuration(replicationConfiguration=REPLICATION)

    def backfill(self) -> None:
        with contextlib.suppress(self._ecr.exceptions.ReplicationBackfillInProgressException):
            self._ecr.start_replication_backfill(destination=NOWHERE)

    def upload(self, repository: str, data: bytes) -> None:
        location = self.leave(repository, data)
        self._ask("PUT", f"{location}?digest={digest_of(data)}", b"", 201)

    def leave(self, repository: str, data: bytes) -> str:
        location = self._ask("POST", f"/v2/{repository}/blobs/uploads/", None, 202).headers["location"]
        for start in range(0, len(data), PART):
            self._ask("PATCH", location, data[start : start + PART], 202)
        return location

    def mount(self, repository: str, digest: str, source: str) -> None:
        path = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}"
        if self._ask("POST", path, None, 201, 202).status == 202:
            raise Gone

    def delete_blob(self, repository: str, digest: str) -> None:
        if self._ask("DELETE", f"/v2/{repository}/blobs/{digest}", None, 202, 404).status == 404:
            raise Gone

    def put(self, repository: str, built: Built, tag: str | None) -> None:
        path = f"/v2/{repository}/manifests/{tag or built.digest}"
        self._ask("PUT", path, built.manifest, 201, **{"Content-Type": built.media_type})

    def untag(self, repository: str, tag: str) -> None:
        self._ask("DELETE", f"/v2/{repository}/manifests/{tag}", None, 202, 404)

    def delete(self, repository: str, digest: str) -> None:
        self._ask("DELETE", f"/v2/{repository}/manifests/{digest}", None, 202, 404)

    def bring_back(self, repository: str, digest: str) -> None:
        if self.pull(repository, digest) is None:
            try:
                self._own.restore_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
            except self._own.exceptions.ImageNotInTrashException:
                raise Gone from None

    def _change(self, repository: str, digest: str, storage: str) -> None:
        with contextlib.suppress(self._ecr.exceptions.ImageStorageClassUpdateNotSupportedException):
            self._ecr.update_image_storage_class(
                repositoryName=repository, imageId={"imageDigest": digest}, targetStorageClass=storage
            )

    def archive(self, repository: str, digest: str) -> None:
        self._change(repository, digest, "ARCHIVE")

    def restore(self, repository: str, digest: str) -> None:
        self._change(repository, digest, "STANDARD")

    def scan(self, repository: str, digest: str) -> None:
        with contextlib.suppress(self._ecr.exceptions.LimitExceededException):
            self._ecr.start_image_scan(repositoryName=repository, imageId={"imageDigest": digest})

    def pull(self, repository: str, reference: str) -> bytes | None:
        got = self._ask("GET", f"/v2/{repository}/manifests/{reference}", None, 200, 404)
        return got.body if got.status == 200 else None

    def blob(self, repository: str, digest: str) -> bytes | None:
        got = self._ask("GET", f"/v2/{repository}/blobs/{digest}", None, 200, 404)
        return got.body if got.status == 200 else None

    def settle(self, repository: str, tags: set[str]) -> None:
        path = f"/v2/{repository}/tags/list"
        until(lambda: set(self._ask("GET", path, None, 200).json()["tags"]) == tags, f"never {tags}")

    def deliver(self) -> None:
        careen = self._client.server.boto("careen")
        with Receiver().running() as receiver:
            careen.put_webhook(webhookName=HOOK, url=receiver.url, actionTypes=["PUSH"])
            number = careen.test_webhook(webhookName=HOOK)["sequenceNumber"]
            until(lambda: careen.list_webhooks()["webhooks"][0]["sequenceNumber"] >= number, "not delivered")
        assert receiver.deliveries

    def collect(self) -> None:
        """The worker does it all the time: give it some of that."""
        for _ in range(15):
            self._ask("GET", "/v2/", None, 200)
            time.sleep(0.1)
