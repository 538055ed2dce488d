"""Rules beyond ECR in the console: read in words, edited as JSON, for whoever may."""

import json

import pytest

from careen.iam.managed import ManagedPolicy
from tests.console.conftest import POLICY
from tests.console.visitor import Visitor, sign_in
from tests.server import Server

EXTENSION = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "any",
                "countType": "sinceImagePulled",
                "countUnit": "days",
                "countNumber": 90,
            },
            "action": {"type": "expire"},
        }
    ]
}


@pytest.fixture
def repository(house: Server, request: pytest.FixtureRequest) -> str:
    """A repository of the test's own."""
    name = f"rules/{request.node.name.partition('[')[0].removeprefix('test_').replace('_', '-')}"
    house.boto().create_repository(repositoryName=name)
    return name


def test_the_registrys_rules_are_told_in_words(root: Visitor) -> None:
    """Beside the JSON that they are."""
    page = root.get("rules").text
    assert "Keeps images that are tagged v* or stable." in page
    assert "anyTagPattern" in page


def test_a_default_policy_from_its_first_day_to_its_last(root: Visitor, repository: str) -> None:
    """It is put, says which repositories go by it, and is deleted when somebody is sure."""
    pattern = f"{repository}*"
    put = root.post("rules/default", {"pattern": pattern, "policy": POLICY})
    page = root.follow(put).text
    assert "Deletes all but the newest 10 images tagged main-*." in page
    assert f">{repository}</a>" in page
    assert "1 repository" in root.get("rules").text
    assert f"default for <code>{pattern}</code>" in root.get(f"repositories/{repository}/-/rules").text

    asked = root.post("rules/default", {"pattern": pattern, "do": "delete"})
    assert "go by the next pattern that fits" in asked.text
    assert root.get("rules/default", pattern=pattern).status_code == 200
    root.post("rules/default", {"pattern": pattern, "do": "delete", "sure": "yes"})
    assert root.get("rules/default", pattern=pattern).status_code == 404


@pytest.mark.parametrize("which", ["protection", "extension"])
def test_a_repositorys_own_documents(which: str, house: Server, root: Visitor) -> None:
    """Each is put, read and deleted by itself."""
    name = f"rules/own-{which}"
    house.boto().create_repository(repositoryName=name)
    path, text = f"repositories/{name}/-/rules", EXTENSION
    words = "Deletes images that nobody pulled for 90 days."
    if which == "protection":
        text, words = {"rules": [{"name": "own", "inUse": True}]}, "Keeps images that are in use."
    page = root.follow(root.post(path, {"which": which, "text": json.dumps(text)})).text
    assert words in page
    gone = root.post(path, {"which": which, "do": "delete", "sure": "yes"})
    assert words not in root.follow(gone).text


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("rules", {"protection": '{"rules": [{}]}'}, "missing required field"),
        ("rules/default", {"pattern": "refused/*", "policy": "{}"}, "rules"),
        ("rules/default", {"pattern": "", "policy": POLICY}, "repositoryNamePattern"),
        ("repositories/shop/web/-/rules", {"which": "extension", "text": "no JSON"}, "malformed"),
        (
            "repositories/shop/web/-/rules",
            {
                "which": "protection",
                "text": '{"rules": [{"name": "a", "anyRepository": ["b"], "signed": true}]}',
            },
            "only in the registry&#39;s document",
        ),
    ],
)
def test_what_the_api_refuses_is_shown_beside_what_was_sent(
    path: str, form: dict[str, str], said: str, root: Visitor
) -> None:
    """In the API's own words, and nothing that was typed is lost."""
    answered = root.post(path, form)
    assert answered.status_code == 400
    alert = answered.text.partition('role="alert">')[2] if "alert-danger" in answered.text else ""
    assert said in alert
    typed = form.get("text") or form.get("policy") or form["protection"]
    assert typed.replace('"', "&#34;").replace("'", "&#39;") in answered.text


def test_who_may_only_read_is_offered_nothing_and_refused(reader: Visitor) -> None:
    """The rules are shown, without a button; a form sent all the same is refused."""
    for path in ("rules", "repositories/shop/web/-/rules"):
        page = reader.get(path).text
        assert "Show as JSON" in page
        assert ">Save<" not in page
    assert "not authorized to perform" in reader.post("rules", {"protection": '{"rules": []}'}).text


def test_names_are_for_those_who_may_see_them(house: Server) -> None:
    """Somebody who may not see any repository does not learn of them from a default."""
    stranger = sign_in(house, "rules-stranger", ManagedPolicy.PUBLIC_READ_ONLY)
    assert stranger.get("rules").status_code == 403
    assert stranger.get("rules/default").status_code == 403
