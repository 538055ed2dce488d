"""The three rules of ``lifecycle_images.three_rules`` on a polars dataframe, where polars is installed."""

import importlib
from collections.abc import Sequence
from typing import Any

from benchmarks.lifecycle_images import ANY_DAYS, KEPT, UNTAGGED_DAYS
from careen.clock import DAY, Instant
from careen.lifecycle.image import Image


def polars() -> Any | None:
    """The library, or None if it is not installed. The project does not need it."""
    try:
        return importlib.import_module("polars")
    except ImportError:
        return None


def frame(pl: Any, images: Sequence[Image]) -> Any:
    """The images as columns."""
    return pl.DataFrame(
        {
            "digest": [image.digest for image in images],
            "tag": [image.tags[0] if image.tags else None for image in images],
            "pushed_at": [image.pushed_at for image in images],
        }
    )


def expired(pl: Any, images: Any, now: Instant) -> list[str]:
    """The digests of the images that go, in no order."""
    tag, pushed_at = pl.col("tag"), pl.col("pushed_at")
    rule = pl.when(tag.is_null()).then(1).when(tag.str.starts_with("v")).then(2).otherwise(3)
    goes = (
        pl.when(pl.col("rule") == 1)
        .then(pushed_at < now - UNTAGGED_DAYS * DAY)
        .when(pl.col("rule") == 2)
        .then(pl.col("rank") > KEPT)
        .otherwise(pushed_at < now - ANY_DAYS * DAY)
    )
    rank = pl.int_range(1, pl.len() + 1).over("rule")
    ranked = (
        images.lazy()
        .with_columns(rule=rule)
        .sort("pushed_at", "digest", descending=True)
        .with_columns(rank=rank)
    )
    return list(ranked.filter(goes).select("digest").collect()["digest"])
