"""Repository creation templates in the console."""

import json

from tests.console.conftest import POLICY
from tests.console.visitor import Visitor
from tests.server import Server


def test_a_template_from_its_first_day_to_its_last(house: Server, root: Visitor) -> None:
    """Made, changed so that what is emptied goes, and deleted when somebody is sure."""
    form = {
        "prefix": "formed",
        "description": "made in a form",
        "occasion": ["CREATE_ON_PUSH", "PULL_THROUGH_CACHE"],
        "mutability": "IMMUTABLE_WITH_EXCLUSION",
        "filters": "dev-*, latest",
        "tags": "team=web\nstage=test",
        "lifecycle": POLICY,
    }
    assert "made in a form" in root.follow(root.post("templates/new", form)).text
    ecr = house.boto()

    def described() -> dict[str, object]:
        (found,) = ecr.describe_repository_creation_templates(prefixes=["formed"])[
            "repositoryCreationTemplates"
        ]
        return dict(found)

    made = described()
    assert made["appliedFor"] == ["CREATE_ON_PUSH", "PULL_THROUGH_CACHE"]
    assert made["imageTagMutabilityExclusionFilters"] == [
        {"filterType": "WILDCARD", "filter": "dev-*"},
        {"filterType": "WILDCARD", "filter": "latest"},
    ]
    assert json.loads(str(made["lifecyclePolicy"]))["rules"][0]["rulePriority"] == 1
    page = root.get("templates/formed/-/edit").text
    assert "stage=test" in page

    root.follow(root.post("templates/formed/-/edit", {"mutability": "MUTABLE", "occasion": "REPLICATION"}))
    changed = described()
    assert changed["appliedFor"] == ["REPLICATION"]
    assert not {"description", "lifecyclePolicy", "resourceTags"} & {
        name for name, value in changed.items() if value
    }
    assert "stay as they are" in root.post("templates/formed/-/edit", {"do": "delete"}).text
    root.follow(root.post("templates/formed/-/edit", {"do": "delete", "sure": "yes"}))
    assert root.get("templates/formed/-/edit").status_code == 404


def test_what_the_api_refuses_is_shown_with_what_was_sent(root: Visitor) -> None:
    """A policy that is none, a prefix that is taken."""
    answered = root.post("templates/new", {"prefix": "refused", "description": "typed", "lifecycle": "{}"})
    assert answered.status_code == 400
    assert 'value="typed"' in answered.text
    assert root.post("templates/new", {"prefix": "web"}).status_code == 400


def test_who_may_only_read_is_refused(reader: Visitor) -> None:
    """Templates are for those who administer."""
    assert reader.get("templates").status_code == 403
    assert "not authorized" in reader.post("templates/new", {"prefix": "mine"}).text
