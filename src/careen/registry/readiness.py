"""What a registry needs before it can serve anybody."""

from collections.abc import Callable, Mapping

from careen.registry.registry import Registry


def needs(registry: Registry) -> Mapping[str, Callable[[], object]]:
    """What must answer, by name, and how to ask. To ask blocks, and raises whatever is wrong.

    A full disk is not asked for: images can be pulled while it is, and no other node would have more room in the same place. The
    archive's home is not, either: what is served from there may wait.
    """
    return {"database": registry.database.version, "blobs": registry.blobs.knock}
