"""An image's configuration: what it runs, and how it was built (image-spec, config.md). Read for people, never to decide by."""

from typing import Any, NamedTuple

import msgspec


class Step(msgspec.Struct, frozen=True):
    """One entry of the history: usually a line of a Dockerfile."""

    created: str | None = None
    created_by: str | None = None
    comment: str | None = None
    empty_layer: bool = False
    """Whether it made no layer."""


class Execution(msgspec.Struct, frozen=True, rename="pascal"):
    """How a container begins."""

    user: str | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    working_dir: str | None = None
    exposed_ports: dict[str, Any] | None = None
    volumes: dict[str, Any] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str | None = None


class ImageConfig(msgspec.Struct, frozen=True):
    """A configuration."""

    created: str | None = None
    """As it was written: builds that can be repeated say 1970."""
    author: str | None = None
    os: str | None = None
    architecture: str | None = None
    variant: str | None = None
    config: Execution | None = None
    history: list[Step] | None = None

    @property
    def platform(self) -> str:
        """``linux/arm64/v8``."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class Built(NamedTuple):
    """A step, with the number of the layer that it made, 0 for the first; None if it made none."""

    step: Step
    layer: int | None


def read(data: bytes) -> ImageConfig | None:
    """A configuration; None: the bytes are none."""
    try:
        return msgspec.json.decode(data, type=ImageConfig)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def built(config: ImageConfig) -> list[Built]:
    """The history, the first step first."""
    layer, steps = 0, []
    for step in config.history or ():
        steps.append(Built(step, None if step.empty_layer else layer))
        layer += not step.empty_layer
    return steps
