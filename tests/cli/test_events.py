"""What `careen events` and `careen webhook` may be asked for."""

import re
from pathlib import Path
from typing import get_args

import pytest

from careen.cli import events, webhook
from careen.cli.tree import app
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
        ("events", "--last", "-1"),
        ("replication", "status", "--last", "-1"),
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
    assert re.search(r"Choose from|Must be >= 0", capsys.readouterr().err)


def test_what_no_registry_takes_is_not_blamed_on_the_way_to_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that the model refuses is not sent, and the endpoint has nothing to do with it."""
    for name, value in {
        "ENDPOINT_URL_ECR": "http://localhost:9",
        "DEFAULT_REGION": "us-east-1",
        "ACCESS_KEY_ID": "AKIA",
        "SECRET_ACCESS_KEY": "none",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(SystemExit) as ended:
        app(("webhook", "remove", ""))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "webhookName" in said
    assert "AWS_ENDPOINT_URL_ECR" not in said
