"""What `careen events` and `careen webhook` may be asked for."""

import re
from pathlib import Path
from typing import get_args

import pytest

from careen.cli import events, webhook
from careen.cli.main import app
from careen.ecr.events import DetailType

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def test_every_detail_type_can_be_chosen() -> None:
    """A webhook can ask for each kind of event."""
    [kinds, _] = get_args(get_args(webhook.DetailType)[0])
    assert set(get_args(kinds)) == set(DetailType)


def test_every_action_can_be_chosen() -> None:
    """Those that docs/events.md names."""
    rows = [line.split("|") for line in PAGE.read_text().splitlines() if line.count("|") == 4]
    named = {name for row in rows for name in re.findall(r"\b[A-Z_]{3,}\b", row[2])}
    assert set(get_args(events.ActionType)) == named


@pytest.mark.parametrize(
    "command",
    [
        ("events", "--action", "PUSHED"),
        ("webhook", "add", "hook", "https://example.com", "--action", "PUSHED"),
        ("webhook", "add", "hook", "https://example.com", "--detail-type", "Image Action"),
    ],
    ids=" ".join,
)
def test_what_never_happens_cannot_be_asked_for(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A word that is spelled wrong would be told of nothing, for ever."""
    with pytest.raises(SystemExit) as ended:
        app(command)
    assert ended.value.code == 2
    assert "Choose from" in capsys.readouterr().err
