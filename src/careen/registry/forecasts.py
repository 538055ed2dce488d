"""Forecasts of a repository, with exact bytes: which layers each image needs is in the rows."""

from collections import defaultdict
from collections.abc import Sequence

from careen.db import layers
from careen.ecr import errors
from careen.lifecycle.arrivals import Stream, TooManyArrivals, arrivals, streams
from careen.lifecycle.forecast import Forecast, forecast
from careen.lifecycle.projection import Blobs
from careen.registry import inventory, repositories, rules
from careen.registry.registry import Transaction


def look_ahead(
    tx: Transaction, name: str, text: str | None, days: int, *, replay: bool
) -> tuple[Forecast, Sequence[Stream] | None]:
    """What the rules that hold for a repository will have done day by day, with ``text`` as its policy if it is given.

    Bytes are those that the collector gives back: a layer which another repository needs, too, is not freed. Reads only.

    Returns:
        The forecast, and the streams of pushes that were replayed; None if none were to be.

    Raises:
        careen.lifecycle.policy.InvalidLifecyclePolicy: with ECR's message.
        careen.ecr.errors.LifecyclePolicyNotFound: nothing holds.
        careen.ecr.errors.InvalidParameter: more pushes would be replayed than a repository may hold images.
    """
    repository = repositories.require(tx, name)
    holds = rules.effective_for(tx, repository, text)
    if holds.is_empty:
        raise errors.LifecyclePolicyNotFound(name, tx.registry_id)
    images = inventory.load(tx, repository.id, holds.beyond)
    blobs = _blobs(tx, repository.id)
    try:
        coming = arrivals(images, tx.now, days, blobs) if replay else []
    except TooManyArrivals as error:
        raise errors.InvalidParameter("replay", str(error)) from None
    found = forecast(holds.policy, images, tx.now, holds.beyond, days=days, arrivals=coming, blobs=blobs)
    return found, streams(images, tx.now) if replay else None


def _blobs(tx: Transaction, repository_id: int) -> Blobs:
    blobs: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for image, blob, size in layers.references_in(tx.rows, repository_id):
        blobs[image][blob] = size
    return blobs
