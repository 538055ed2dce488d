"""Repositories in the console: found, created, set, deleted."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.console.visitor import Visitor
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_list_is_searched_while_somebody_types(open_page: Callable[..., "Page"], house: Server) -> None:
    """What does not match is gone, the address says what was searched for, and the links still lead to images."""
    page = open_page("repositories")
    page.get_by_label("Name contains").fill("work")
    page.wait_for_url("**search=work**")
    assert page.locator("#list tbody tr").count() == 1
    page.get_by_role("link", name="shop/worker").click()
    page.wait_for_url(f"{house.url}/console/repositories/shop/worker")


@pytest.mark.parametrize("order", ["up", "down"])
@pytest.mark.parametrize("sort", ["name", "images", "untagged", "size", "pushed", "pulled"])
def test_a_list_is_sorted_by_any_column(sort: str, order: str, root: Visitor, house: Server) -> None:
    """The order is ListRepositorySummaries', so that it holds for all pages."""
    text = root.get("repositories", sort=sort, order=order, search="shop/").text
    found = house.boto("careen").list_repository_summaries(
        nameContains="shop/", sortBy=sort.upper(), descending=order == "down"
    )
    names = [each["repositoryName"] for each in found["repositories"]]
    assert len(names) == 3
    assert re.findall(r'<td class="name"><a href="/console/repositories/([^"]+)"', text) == names


def test_a_repository_is_created_and_deleted(
    open_page: Callable[..., "Page"], house: Server, name: str
) -> None:
    """The button that deletes opens when the name is typed; afterwards the registry has no such repository."""
    page = open_page("repositories/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Tags", exact=True).select_option("IMMUTABLE")
    page.get_by_label("Resource tags").fill("owner=payments")
    page.get_by_role("button", name="Create").click()
    page.wait_for_url(f"**/repositories/{name}")
    described = house.boto().describe_repositories(repositoryNames=[name])["repositories"][0]
    assert described["imageTagMutability"] == "IMMUTABLE"
    page.goto(f"{house.url}/console/repositories/{name}/-/delete")
    button = page.get_by_role("button", name="Delete the repository")
    assert button.is_disabled()
    page.get_by_label(f"Type {name} to delete it").fill(name)
    button.click()
    page.get_by_text(f"{name} is deleted.").wait_for()
    with pytest.raises(house.boto().exceptions.RepositoryNotFoundException):
        house.boto().describe_repositories(repositoryNames=[name])


@pytest.mark.parametrize(
    ("form", "reads", "wanted"),
    [
        ({"mutability": "IMMUTABLE"}, "imageTagMutability", "IMMUTABLE"),
        ({"scanning": "on", "scan": "on"}, "imageScanningConfiguration", {"scanOnPush": True}),
    ],
    ids=["mutability", "scanning"],
)
def test_settings_are_those_of_the_api(
    form: dict[str, str], reads: str, wanted: object, root: Visitor, house: Server, name: str
) -> None:
    """What the form sets, DescribeRepositories tells."""
    ecr = house.boto()
    ecr.create_repository(repositoryName=name)
    assert "Saved." in root.follow(root.post(f"repositories/{name}/-/settings", form)).text
    assert ecr.describe_repositories(repositoryNames=[name])["repositories"][0][reads] == wanted


def test_resource_tags_are_set_and_taken_away(root: Visitor, house: Server, name: str) -> None:
    """The lines of the field are the tags, no more and no fewer."""
    ecr = house.boto()
    arn = ecr.create_repository(repositoryName=name, tags=[{"Key": "old", "Value": "1"}])["repository"][
        "repositoryArn"
    ]
    root.post(f"repositories/{name}/-/settings", {"tags": "owner=payments\nstage = prod"})
    tags = {tag["Key"]: tag["Value"] for tag in ecr.list_tags_for_resource(resourceArn=arn)["tags"]}
    assert tags == {"owner": "payments", "stage": "prod"}


def test_a_policy_that_is_none_is_refused_in_the_words_of_the_api(
    root: Visitor, house: Server, name: str
) -> None:
    """What was typed is still there."""
    house.boto().create_repository(repositoryName=name)
    answered = root.post(f"repositories/{name}/-/permissions", {"policy": '{"Version": "now"}', "do": "save"})
    assert answered.status_code == 400
    assert "Invalid parameter" in answered.text
    assert "now" in answered.text


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("repositories/new", {"name": "readers/own"}),
        ("repositories/shop/web/-/settings", {"mutability": "IMMUTABLE"}),
        ("repositories/shop/web/-/permissions", {"policy": "{}", "do": "save"}),
        ("repositories/shop/web/-/delete", {"typed": "shop/web"}),
    ],
)
def test_who_may_only_read_changes_nothing(path: str, form: dict[str, str], reader: Visitor) -> None:
    """The refusal is the API's, whatever page a form comes from; and nothing of it is offered."""
    answered = reader.post(path, form)
    assert answered.status_code in {400, 403}
    assert "is not authorized to perform" in answered.text
    assert "Create a repository" not in reader.get("repositories").text


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({}, {"csrf": "0" * 64}),
        ({"sec-fetch-site": "cross-site"}, {}),
        ({"origin": "https://evil.example"}, {}),
    ],
    ids=["without the token", "from another site", "of another origin"],
)
def test_a_form_from_elsewhere_changes_nothing(
    headers: dict[str, str], form: dict[str, str], root: Visitor, house: Server, name: str
) -> None:
    """A browser says where a request comes from, and a session's pages have a token that others do not know."""
    answered = root.post("repositories/new", {"name": name, **form}, **headers)
    assert answered.status_code == 403
    with pytest.raises(house.boto().exceptions.RepositoryNotFoundException):
        house.boto().describe_repositories(repositoryNames=[name])


def test_a_double_click_creates_once(open_page: Callable[..., "Page"], name: str) -> None:
    """The second click of a form that is on its way does nothing."""
    page = open_page("repositories/new")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create").dblclick()
    page.wait_for_url(f"**/repositories/{name}")
    assert page.get_by_role("heading", name=name).is_visible()
