"""What has to hold after every fault, however bad."""

import contextlib
from collections import Counter
from collections.abc import Iterable

from careen.oci.digest import digest_of
from careen.registry import events, gc, storage
from careen.registry.registry import Registry
from tests.faults.model import seen
from tests.images import Built
from tests.nodes.checker import assert_linearizable
from tests.nodes.clients import TAGS
from tests.nodes.cluster import Cluster
from tests.nodes.history import History
from tests.registry import steps


def assert_consistent(cluster: Cluster, history: History, repository: str, images: Iterable[Built]) -> None:
    """Every node tells the same, it is what everybody was told before, every image is whole, and the accounts are right.

    Args:
        cluster: with all nodes up and all wires whole.
        history: of everything that was done to the repository.
        repository: its name.
        images: all that anybody may have pushed there.
    """
    known = {built.digest: built for built in images}
    for node in cluster.nodes:
        with contextlib.closing(cluster.recorder_at(node, history)) as reader:
            for tag in TAGS:
                reader.pull(repository, tag)
            for digest, built in known.items():
                if reader.pull(repository, digest) is not None:
                    for data in built.blobs:
                        assert reader.blob(repository, digest_of(data)) == data
    assert_linearizable(history.operations())
    with cluster.registry() as registry:
        assert_accounted(registry)


def assert_accounted(registry: Registry) -> None:
    """The log of events leads to the tags that are there, no row lacks its bytes, and the accounts agree to the byte."""
    assert steps.told_tags(registry) == seen(registry).tags
    gc.collect(registry, grace=0)
    gc.sweep(registry)
    assert list(storage.damaged(registry)) == []
    account = storage.account(registry)
    assert (account.unneeded_bytes, account.condemned_bytes) == (0, 0)
    # What a dead node left in the bucket is too young for the sweep, and no row names it.
    assert account.stored_bytes - account.orphan_bytes == account.file_bytes


def told_of(registry: Registry, repository: str, action: str) -> Counter[str]:
    """How often events of an action tell of each image of a repository."""
    steps.settle(registry)
    details = [
        stamped.event.detail
        for stamped in registry.read(events.following, 0, 1_000_000)
        if stamped.event.action == action
    ]
    return Counter(
        str(detail["image-digest"]) for detail in details if detail.get("repository-name") == repository
    )
