"""A public repository of one's own."""

from typing import Any

import pytest


@pytest.fixture
def repository(ecr_public: Any, name: str) -> str:
    """A public repository that no other test uses, by the name that ECR Public has for it."""
    ecr_public.create_repository(repositoryName=name)
    return name
