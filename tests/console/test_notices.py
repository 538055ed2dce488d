"""Notices: what the next page says, however much there is to say."""

import hmac
import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx2

from tests.console.visitor import Visitor
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


def stand(server: Server, name: str, *words: str) -> str:
    """A repository with a policy of as many rules. Returns its text."""
    rules = [
        {
            "rulePriority": priority,
            "description": said,
            "selection": {
                "tagStatus": "tagged",
                "tagPrefixList": [f"v{priority}."],
                "countType": "imageCountMoreThan",
                "countNumber": 1,
            },
            "action": {"type": "expire"},
        }
        for priority, said in enumerate(words, start=1)
    ]
    text = json.dumps({"rules": rules}, ensure_ascii=False)
    server.boto().create_repository(repositoryName=name)
    server.boto().put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)
    return text


def test_a_policy_in_any_script_is_put_back(
    open_page: Callable[..., "Page"], house: Server, name: str
) -> None:
    """In a browser, which keeps no cookie of more than 4,096 bytes."""
    former = stand(house, name, *["古いイメージを片付ける規則" * 9] * 9)
    page = open_page(f"repositories/{name}/-/policy")
    page.get_by_role("button", name="Delete the policy").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("The policy is as it was before.").wait_for()
    stands = house.boto().get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    assert json.loads(stands) == json.loads(former)


def test_what_does_not_fit_is_said_without_its_undoing(house: Server, root: Visitor, name: str) -> None:
    """Browsers drop a cookie that is too long, and nothing would be said at all."""
    stand(house, name, *[secrets.token_hex(100) for _ in range(48)])
    deleted = root.post(f"repositories/{name}/-/policy/delete")
    assert len(deleted.headers["set-cookie"].partition(";")[0]) <= 4096
    said = root.follow(deleted).text
    assert "The policy is deleted." in said
    assert "Undo" not in said


def test_what_is_asked_for_a_part_of_a_page_takes_no_notice_away(
    house: Server, root: Visitor, name: str
) -> None:
    """The activity in another tab asks every five seconds, also between a form and the page that it leads to."""
    house.boto().create_repository(repositoryName=name)
    done = root.post(f"repositories/{name}/-/settings", {"mutability": "IMMUTABLE"})
    cookies = {"careen-session": root.secret, **done.cookies}
    parts = httpx2.get(
        f"{house.url}/console/activity", cookies=cookies, headers={"HX-Request": "true"}, timeout=60
    )
    assert parts.status_code == 200
    assert "set-cookie" not in parts.headers
    assert "Saved." in root.follow(done).text


def test_nobody_is_told_what_he_sealed_himself(house: Server) -> None:
    """Who is not signed in has no secret to seal with."""
    packed = "bm90aGluZw=="
    forged = f"{packed}.{hmac.digest(b'', packed.encode(), 'sha256').hex()}"
    page = httpx2.get(f"{house.url}/console/sign-in", cookies={"careen-notice": forged}, timeout=60)
    assert page.status_code == 200
