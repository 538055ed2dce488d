"""Fixtures: a registry in this process whose clock the test moves."""

import dataclasses

import pytest

from careen.registry.registry import Registry
from tests.registry.steps import Hands


@pytest.fixture
def clock() -> Hands:
    """The registry's clock."""
    return Hands()


@pytest.fixture
def registry(registry: Registry, clock: Hands) -> Registry:
    """A registry without a server and, unless a test says otherwise, without a grace period."""
    return dataclasses.replace(registry, clock=clock)
