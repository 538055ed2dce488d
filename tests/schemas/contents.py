"""What a data folder of a released schema holds: the same images for every one, so that one test asks all of them."""

import json
from typing import NamedTuple

from tests.images import Built, artifact, image, index

APP = "team/app"
"""An index of two images, a tag on one of them, and what refers to it."""

POLICY = "team/policy"
"""Two images and a policy that keeps one."""

KEEP_ONE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
                "action": {"type": "expire"},
            }
        ]
    }
)

LEFTOVER = b"an upload that no manifest followed"
"""A blob of :data:`APP` that no image needs."""

AMD64, ARM64 = image("base", "amd64"), image("base", "arm64")
BOTH = index(AMD64, ARM64)
LARGE = artifact("application/vnd.example.sbom", AMD64, b"a line of a long list\n" * 10_000)
"""Its layer is a file: 220,000 bytes, which compress."""
OLD, NEW = image("old"), image("new")


class Pushed(NamedTuple):
    """An image, where it was pushed, and under which tag."""

    repository: str
    built: Built
    tag: str | None


PUSHED = (
    Pushed(APP, AMD64, "amd64"),
    Pushed(APP, ARM64, None),
    Pushed(APP, BOTH, "1.0"),
    Pushed(APP, LARGE, None),
    Pushed(POLICY, OLD, "1"),
    Pushed(POLICY, NEW, "2"),
)
"""In the order in which they were pushed."""
