"""A pin: that somebody says an image runs. Whoever holds it, what it pins neither goes nor loses its tags."""

import msgspec

from careen.clock import Instant


class Pin(msgspec.Struct, frozen=True, gc=False):
    """One use of an image."""

    consumer: str
    """What runs it: ``kubernetes/prod/shop/web-7f9c``."""
    source: str
    """Who says so: ``kubernetes/prod``."""
    seen_at: Instant
    """When that was said last."""
