"""The documents that docs/beyond-ecr.md shows are the examples, and they are documents."""

import re
from pathlib import Path

import pytest

from careen.lifecycle import extension, protection
from careen.lifecycle.protection import ProtectionRule

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "beyond-ecr.md").read_text()


@pytest.mark.parametrize("name", ["protection", "extension"])
def test_the_page_shows_the_example(name: str) -> None:
    """What people copy from the page is the file beside it, and is read."""
    text = (ROOT / "examples" / "beyond" / f"{name}.json").read_text()
    assert text in PAGE
    read = protection.parse(text) if name == "protection" else extension.parse(text)
    assert len(read.rules) >= 2


def test_the_page_names_every_condition() -> None:
    """A condition that is new in the code is on the page."""
    named = set(re.findall(r"`(\w+)`", PAGE))
    fields = {
        field for field in ProtectionRule.__struct_encode_fields__ if field not in {"name", "description"}
    }
    assert fields <= named
