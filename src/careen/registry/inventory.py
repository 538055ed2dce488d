"""A repository's images as lifecycle rules see them, read in one snapshot.

What only some rules ask for (labels, annotations, the time of every tag) is read only for them.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from careen.clock import Instant
from careen.db import images, layers
from careen.lifecycle.beyond import NOTHING, Beyond
from careen.lifecycle.image import NO_MEMBERS, Image, ImageStatus
from careen.lifecycle.rule import CountType
from careen.oci import manifest as manifests
from careen.registry import pins
from careen.registry.registry import Transaction


class _Told(NamedTuple):
    """What a manifest and its configuration say of themselves."""

    annotations: Mapping[str, str]
    labels: Mapping[str, str] | None
    """None: the configuration is no row, nobody has read it."""


_SILENT = _Told(NO_MEMBERS, NO_MEMBERS)


class _Config(msgspec.Struct):
    """The part of an image configuration that has the labels (image-spec, config.md)."""

    config: Any = None


def load(tx: Transaction, repository_id: int, beyond: Beyond = NOTHING) -> list[Image]:
    """The repository's images, with the facts that the policy and what stands beside it may ask for."""
    tags: defaultdict[int, list[str]] = defaultdict(list)
    tagged_at: defaultdict[int, list[Instant]] = defaultdict(list)
    for manifest_id, name, instant in images.all_tags(tx.rows, repository_id):
        tags[manifest_id].append(name)
        tagged_at[manifest_id].append(instant)
    children: defaultdict[int, list[str]] = defaultdict(list)
    for manifest_id, digest in images.all_children(tx.rows, repository_id):
        children[manifest_id].append(digest)
    pinned = pins.load(tx, repository_id)
    told = _told(tx, repository_id) if _asks_for_members(beyond) else {}
    times = tagged_at if _asks_for_tag_times(beyond) else {}
    return [
        Image(
            digest=digest,
            tags=tuple(tags.get(manifest_id, ())),
            pushed_at=pushed_at,
            pulled_at=pulled_at,
            archived_at=archived_at,
            activated_at=activated_at,
            status=ImageStatus(status),
            size=size,
            media_type=media_type,
            references=tuple(children.get(manifest_id, ())),
            subject=subject,
            artifact_type=artifact_type,
            tagged_at=tuple(times.get(manifest_id, ())),
            labels=told.get(manifest_id, _SILENT).labels,
            annotations=told.get(manifest_id, _SILENT).annotations,
            pins=pinned.get(digest, ()),
        )
        for manifest_id, digest, pushed_at, pulled_at, archived_at, activated_at, status, size, media_type, subject,
            artifact_type in images.for_lifecycle(tx.rows, repository_id)
    ]  # fmt: skip


def _asks_for_members(beyond: Beyond) -> bool:
    return any(rule.labels or rule.annotations for rule in beyond.protection)


def _asks_for_tag_times(beyond: Beyond) -> bool:
    return any(rule.selection.count_type is CountType.SINCE_TAGGED for rule in beyond.extension.rules)


def _told(tx: Transaction, repository_id: int) -> dict[int, _Told]:
    told = {}
    for manifest_id, content in images.all_contents(tx.rows, repository_id):
        manifest = manifests.parse(content)
        config = manifest.config
        labels = NO_MEMBERS if config is None else _labels(layers.small_content(tx.rows, config.digest))
        told[manifest_id] = _Told(manifest.annotations or NO_MEMBERS, labels)
    return told


def _labels(config: bytes | None) -> Mapping[str, str] | None:
    if config is None:
        return None
    try:
        labels = msgspec.json.decode(config, type=_Config).config.get("Labels")
        return msgspec.convert(labels or {}, dict[str, str])
    except (msgspec.MsgspecError, AttributeError):  # an artifact's configuration may be anything
        return NO_MEMBERS
