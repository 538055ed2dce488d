"""Webhooks in the console."""

import re
from typing import Any

import pytest

from tests.console.visitor import Visitor
from tests.server import Server
from tests.waiting import until

URL = "http://127.0.0.1:9/nobody-listens"


def find(house: Server, name: str) -> dict[str, Any]:
    """A webhook as the API has it."""
    found: dict[str, Any] = next(
        each for each in house.boto("careen").list_webhooks()["webhooks"] if each["webhookName"] == name
    )
    return found


def test_a_secret_is_told_once(house: Server, root: Visitor) -> None:
    """When the webhook is made, and when it gets another; never on a page that can be asked for."""
    form = {"url": URL, "kind": ["ECR Image Action"], "actions": "push, delete", "pattern": "team/*"}
    made = root.post("webhooks/new", {"name": "told", **form})
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", made.text)[:1]
    found = find(house, "told")
    assert found["actionTypes"] == ["PUSH", "DELETE"]
    assert found["detailTypes"] == ["ECR Image Action"]
    assert not found["enabled"]
    assert secret not in root.get("webhooks/-/told").text
    rotated = root.post("webhooks/-/told", {**form, "do": "rotate"})
    assert "whsec_" in rotated.text
    assert secret not in rotated.text
    assert root.post("webhooks/-/told", form).status_code == 303
    assert root.post("webhooks/new", {"name": "told", "url": "https://elsewhere.example"}).status_code == 303
    assert find(house, "told")["url"] == URL


def test_what_could_not_be_delivered_is_sent_again(house: Server, root: Visitor) -> None:
    """Dead letters are listed with the reason; those that are ticked are asked for, then the webhook is deleted."""
    root.post("webhooks/new", {"name": "dead", "url": URL, "enabled": "on", "kind": "ECR Image Scan"})
    root.post("webhooks/-/dead/test")
    until(lambda: find(house, "dead")["deadLetters"] > 0, "it is not given up")
    page = root.get("webhooks/-/dead").text
    assert "Careen Webhook Test" in page
    (number,) = re.findall(r'name="letter" value="(\d+)"', page)
    assert root.post("webhooks/-/dead/redeliver", {"letter": number, "do": "chosen"}).status_code == 303
    assert root.post("webhooks/-/dead/redeliver", {"do": "all"}).status_code == 303
    assert "is gone" in root.post("webhooks/-/dead", {"do": "delete"}).text
    root.follow(root.post("webhooks/-/dead", {"do": "delete", "sure": "yes"}))
    assert root.get("webhooks/-/dead").status_code == 404


@pytest.mark.parametrize(
    "form", [{"name": "bad name", "url": URL}, {"name": "bad", "url": "ftp://example.com"}], ids=str
)
def test_what_the_api_refuses_is_shown_with_what_was_sent(form: dict[str, str], root: Visitor) -> None:
    """In its own words."""
    answered = root.post("webhooks/new", form)
    assert answered.status_code == 400
    assert f'value="{form["url"]}"' in answered.text


def test_who_may_only_read_is_refused(reader: Visitor) -> None:
    """Webhooks are for those who administer."""
    assert reader.get("webhooks").status_code == 403
    assert "not authorized" in reader.post("webhooks/new", {"name": "mine", "url": URL}).text
