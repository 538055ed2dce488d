"""A server with a little of everything, which only those should see or change who may."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from careen.db.engine import Database
from tests.distribution.client import Client
from tests.ecrapi.samples import KEEP_ONE
from tests.iamapi.conftest import allowing, trust
from tests.security.endpoints import BUILT, NAME
from tests.server import REGISTRY_ID, Server, running

CLOCKWORK = {
    "collection_totals",
    "collections",
    "jobs",
    "nodes",
    "pin_watch",
    "repository_summaries",
    "storage_samples",
}
"""Tables that change without being asked."""


class Guarded(NamedTuple):
    """The server, and what its callers need."""

    server: Server
    upload: str
    """An upload's id."""
    keys: dict[str, dict[str, str]]
    """Of ``nobody``, who may do nothing, and of ``leaver``, whose key was deleted."""

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables that change only when somebody changes something."""
        with contextlib.closing(self.server.database()) as database:
            return {name: _rows(database, name) for name in _tables() if name not in CLOCKWORK}

    def audited(self) -> list[dict[str, Any]]:
        """The audit log."""
        text = (self.server.data.parent / "audit.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]


def _tables() -> list[str]:
    from careen.db import tables

    return sorted(tables.metadata.tables)


def _rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    with database.read() as rows:
        return sorted((tuple(row) for row in rows.execute(f"SELECT * FROM {table}")), key=repr)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A registry with a repository, an image, an upload, a policy, a webhook, a user, a role."""
    folder = tmp_path_factory.mktemp("guarded")
    quiet = {"lifecycle_interval": 86_400, "collect_interval": 86_400, "anonymous_rate": 0}
    with running(folder / "data", audit_log=folder / "audit.jsonl", **quiet) as server:
        yield fill(server)


def fill(server: Server) -> Guarded:
    """Put it all in."""
    client = Client(server)
    client.push(NAME, BUILT, "1")
    upload = client.begin(NAME).rpartition("/")[2]
    client.send("PATCH", f"/v2/{NAME}/blobs/uploads/{upload}", b"begun")
    ecr, careen, iam = server.boto(), server.boto("careen"), server.boto("iam")
    ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=KEEP_ONE)
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="cached", upstreamRegistryUrl="quay.io")
    ecr.create_repository_creation_template(prefix="cached", appliedFor=["REPLICATION"])
    careen.put_webhook(webhookName="guarded", url="http://127.0.0.1:9/", enabled=False)
    server.boto("ecr-public", region_name="us-east-1").create_repository(repositoryName=NAME)
    iam.create_user(UserName="guarded")
    iam.put_user_policy(UserName="guarded", PolicyName="guarded", PolicyDocument=allowing("ecr:PutImage"))
    iam.create_role(
        RoleName="guarded",
        AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{REGISTRY_ID}:user/guarded"}),
    )
    keys = {}
    for name in ("nobody", "leaver"):
        iam.create_user(UserName=name)
        keys[name] = iam.create_access_key(UserName=name)["AccessKey"]
    iam.delete_access_key(UserName="leaver", AccessKeyId=keys["leaver"]["AccessKeyId"])
    return Guarded(server, upload, keys)
