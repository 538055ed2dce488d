"""The pages of lifecycle policies: what holds, the editor, runs, and one policy for many."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.console.visitor import Visitor
from tests.ecrapi.client import push
from tests.images import image
from tests.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

DEV = ("dev-1", "dev-2", "dev-3")


def policy(number: int, **selection: Any) -> str:
    """Keep so many images, of any if nothing else is said."""
    counted = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number} | selection
    rule = {"rulePriority": 1, "description": "ours", "selection": counted, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]}, separators=(",", ":"))


@pytest.fixture(scope="module")
def ecr(house: Server) -> Any:
    """A client of the same registry."""
    return house.boto()


@pytest.fixture
def made(ecr: Any, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Makes repositories of the test's own, with three images each: ``made("app")``."""
    folder = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")

    def make(name: str = "app") -> str:
        repository = f"{folder}/{name}"
        ecr.create_repository(repositoryName=repository)
        for tag in DEV:
            push(ecr, repository, image(f"{repository} {tag}", size=500), tag)
        return repository

    return make


def fields(text: str) -> dict[str, str]:
    """What a browser would send beside what is typed: hidden fields and text areas, as if the text of a policy had been typed."""
    found = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', text))
    found |= re.findall(r'<textarea[^>]* name="([^"]*)"[^>]*>\n(.*?)</textarea>', text, re.DOTALL)
    return {name: unescape(value) for name, value in found.items() if name not in {"csrf", "shown"}}


def stands(ecr: Any, repository: str) -> str | None:
    """The policy of a repository."""
    try:
        found: str = ecr.get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"]
    except ecr.exceptions.LifecyclePolicyNotFoundException:
        return None
    return found


def tags(ecr: Any, repository: str) -> set[str]:
    """The tags that are left."""
    return {each["imageTag"] for each in ecr.list_images(repositoryName=repository)["imageIds"]}


def test_what_holds_is_told(root: Visitor, house: Server, ecr: Any, made: Callable[..., str]) -> None:
    """None, a default one by its pattern, or the repository's own: in words and as JSON."""
    repository, careen = made(), house.boto("careen")
    path = f"repositories/{repository}/-/policy"
    assert "No policy" in root.get(path).text
    careen.put_default_lifecycle_policy(repositoryNamePattern=f"{repository}*", lifecyclePolicyText=policy(7))
    page = root.get(path).text
    assert "Deletes all but the newest 7 images." in page
    assert f"the default policy for <code>{repository}*</code>" in page
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(5))
    page = root.get(path).text
    assert "all but the newest 5 images" in page
    assert "this repository" in page
    careen.delete_default_lifecycle_policy(repositoryNamePattern=f"{repository}*")


def test_without_script_the_text_can_be_saved(root: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """A preview is a button, and what was previewed is what stands."""
    repository = made()
    path = f"repositories/{repository}/-/policy/edit"
    form = fields(root.get(path).text) | {"text": policy(9), "do": "preview"}
    page = root.post(path, form)
    assert "Nothing happens to any image now." in page.text
    assert "The next 30 days" in page.text
    saved = root.post(path, fields(page.text) | {"do": "save"})
    assert "The policy stands. The next round runs it." in root.follow(saved).text
    assert stands(ecr, repository) == policy(9)


def test_without_script_the_form_can_be_saved(root: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """Who changes a field and not the text means the field; buttons move and remove without saving anything."""
    repository = made()
    path = f"repositories/{repository}/-/policy/edit"
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(9))
    page = root.get(path).text
    [shown] = re.findall(r'name="shown" value="([^"]*)"', page)
    row = {"looks_at": "any", "tags": "", "deed": "keep", "number": "4", "description": "ours"}
    form = fields(page) | {"shown": shown} | row
    assert "No rule yet." in root.post(path, form | {"do": "remove:0"}).text
    assert stands(ecr, repository) == policy(9)
    assert root.post(path, form | {"do": "save"}).status_code == 303
    assert stands(ecr, repository) == policy(4)


def test_what_is_wrong_is_said_and_nothing_is_lost(root: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """Saving a text that is no policy brings the page back with the text and ECR's reason."""
    repository = made()
    path = f"repositories/{repository}/-/policy/edit"
    wrong = policy(1, tagStatus="tagged")
    page = root.post(path, fields(root.get(path).text) | {"text": wrong, "do": "save"})
    assert "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED." in page.text
    assert fields(page.text)["text"] == wrong
    assert stands(ecr, repository) is None


def test_what_was_reviewed_is_what_is_applied(root: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """An image that came meanwhile stops it, and the page shows the new plan; then it is done, and undone whole."""
    repository = made()
    path = f"repositories/{repository}/-/policy/edit"
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(50))
    page = root.post(path, fields(root.get(path).text) | {"text": policy(2), "do": "preview"}).text
    assert "<strong>1 image</strong>" in page
    push(ecr, repository, image(f"{repository} later"), "dev-4")
    outdated = root.post(path, fields(page) | {"do": "apply"})
    assert outdated.status_code == 400
    assert "The images or the rules changed since the preview." in outdated.text
    assert "<strong>2 images</strong>" in outdated.text
    assert stands(ecr, repository) == policy(50)
    done = root.follow(root.post(path, fields(outdated.text) | {"do": "apply"})).text
    assert "The policy stands: 2 images deleted." in done
    assert tags(ecr, repository) == {"dev-3", "dev-4"}
    [undo] = re.findall(r'<form method="post" action="/console/([^"]*/undo)">(.*?)</form>', done, re.DOTALL)
    back = root.follow(root.post(undo[0], fields(undo[1])))
    assert "The policy is as it was before. 2 images came back." in back.text
    assert stands(ecr, repository) == policy(50)
    assert tags(ecr, repository) == {*DEV, "dev-4"}


@pytest.mark.parametrize("deed", ["apply", "save"])
def test_beyond_the_limits_takes_the_typed_name(
    deed: str, root: Visitor, ecr: Any, made: Callable[..., str]
) -> None:
    """Who would take the last image of a kind types the repository's name, at once or for the next round."""
    repository = made()
    path = f"repositories/{repository}/-/policy/edit"
    push(ecr, repository, image(f"{repository} v1"), "v1")
    text = policy(1, tagStatus="any")
    page = root.post(path, fields(root.get(path).text) | {"text": text, "do": "preview"}).text
    assert "all 3 images tagged dev-* would go" in page
    refused = root.post(path, fields(page) | {"do": deed, "typed": "something"})
    assert refused.status_code == 400
    assert stands(ecr, repository) is None
    done = root.post(path, fields(refused.text) | {"do": deed, "typed": repository})
    assert done.status_code == 303
    assert stands(ecr, repository) == text


def test_run_now_and_its_record(root: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """A run shows its plan first, is listed with every decision, and is taken back by one button."""
    repository = made()
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(2))
    path = f"repositories/{repository}/-/policy/run"
    page = root.get(path).text
    assert "3rd youngest of 3, keeps 2" in page
    done = root.follow(root.post(path, fields(page)))
    assert "1 image deleted." in done.text
    listed = root.get(f"repositories/{repository}/-/runs").text
    [run] = re.findall(rf'href="/console/(repositories/{repository}/-/runs/\d+)"', listed)
    decisions = root.get(run).text
    assert "expires: rule 1 (any), 3rd youngest of 3, keeps 2" in decisions
    assert f"/console/{run}" in root.get("runs").text
    assert "1 image came back." in root.follow(root.post(run)).text
    assert tags(ecr, repository) == set(DEV)
    again = root.post(run)
    assert again.status_code == 400
    assert "is not in the trash" in again.text
    assert root.get(f"repositories/{repository}/-/runs/nothing").status_code == 404


def test_a_deleted_policy_comes_back(root: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """Deleting touches no image, and is undone with a button."""
    repository = made()
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(1))
    done = root.follow(root.post(f"repositories/{repository}/-/policy/delete")).text
    assert stands(ecr, repository) is None
    undo = re.search(r'/undo">(.*?)</form>', done, re.DOTALL)
    assert undo is not None
    root.post(f"repositories/{repository}/-/policy/undo", fields(undo.group(1)))
    assert stands(ecr, repository) == policy(1)


def test_many_are_done_one_by_one_and_undone(root: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """Each repository is an operation of its own: failures are listed, and what was done is taken back whole."""
    first, second, third = made("a"), made("b"), made("c")
    folder = first.rpartition("/")[0]
    ecr.put_lifecycle_policy(repositoryName=second, lifecyclePolicyText=policy(20))
    asked = {"pattern": f"{folder}/*", "text": policy(2), "mode": "replace"}
    page = root.post("policies/apply", asked | {"do": "list"}).text
    assert re.findall(r'name="repository" value="([^"]*)"', page) == [first, second, third]
    row = root.post("policies/apply", asked | {"do": "look", "name": second, "place": "1"}).text
    assert "another" in row
    assert fields(row)[f"plan {second}"].startswith("sha256:")
    ecr.delete_repository(repositoryName=third, force=True)
    chosen = asked | {"do": "apply", "repository": [first, second, third]} | fields(row)
    done = root.post("policies/apply", chosen).text
    assert "Done: 3 repositories." in done
    assert "1 was not done." in done
    assert f"The repository with name &#39;{third}&#39; does not exist" in done
    assert [stands(ecr, each) for each in (first, second)] == [policy(2), policy(2)]
    assert tags(ecr, first) == {"dev-2", "dev-3"}
    undone = root.post("policies/apply", fields(done)).text
    assert "its former policy; 1 image came back" in undone
    assert [stands(ecr, each) for each in (first, second)] == [None, policy(20)]
    assert tags(ecr, first) == set(DEV)


def test_many_can_be_left_alone_where_they_have_one(
    root: Visitor, ecr: Any, made: Callable[..., str]
) -> None:
    """Only what has no policy of its own gets it; what goes beyond the limits is left out, unless it is typed."""
    first, second = made("a"), made("b")
    folder = first.rpartition("/")[0]
    ecr.put_lifecycle_policy(repositoryName=second, lifecyclePolicyText=policy(20))
    push(ecr, first, image(f"{first} v1"), "v1")
    asked = {"pattern": f"{folder}/*", "text": policy(1), "mode": "missing"}
    assert "left alone" in root.post("policies/apply", asked | {"do": "look", "name": second}).text
    row = fields(root.post("policies/apply", asked | {"do": "look", "name": first}).text)
    chosen = asked | {"do": "apply", "repository": [first, second]} | row
    done = root.post("policies/apply", chosen | {"typed": "no"}).text
    assert "left alone: it has a policy of its own" in done
    assert "needs to be accepted" in done
    assert stands(ecr, first) is None
    assert "3 images deleted" in root.post("policies/apply", chosen | {"typed": f"{folder}/*"}).text


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"pattern": "nothing-like-*", "text": policy(1)}, "No repository has a name like nothing-like-*."),
        ({"pattern": "*", "text": "{}"}, "The text must have 100 to 30720 characters"),
        ({"pattern": "", "text": policy(1)}, "No repository has a name like that."),
    ],
)
def test_many_of_nothing(form: dict[str, str], reason: str, root: Visitor) -> None:
    """What cannot be listed is said, above what was typed."""
    page = root.post("policies/apply", form | {"do": "list"})
    assert page.status_code == 400
    assert reason in page.text
    assert fields(page.text)["text"] == form["text"]


def test_a_broken_state_does_nothing(root: Visitor) -> None:
    """What does not come from a page of ours is nothing to go on with."""
    assert (
        "Done: 0 repositories." in root.post("policies/apply", {"do": "go-on", "state": "bm90aGluZw=="}).text
    )


def test_who_may_only_read_is_offered_nothing(reader: Visitor, ecr: Any, made: Callable[..., str]) -> None:
    """No button changes anything, and what is sent without one is refused."""
    repository = made()
    ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=policy(2))
    page = reader.get(f"repositories/{repository}/-/policy").text
    assert "all but the newest 2 images" in page
    assert not {"policy/edit", "policy/run", "policy/delete", "policies/apply"} & set(
        re.findall(r"policy/\w+|policies/\w+", page)
    )
    edit = f"repositories/{repository}/-/policy/edit"
    tried = fields(reader.get(edit).text) | {"text": policy(1)}
    for deed in ("apply", "save"):
        assert "is not authorized to perform" in reader.post(edit, tried | {"do": deed}).text
    for path in ("policy/run", "policy/delete", "policy/undo"):
        refused = reader.post(f"repositories/{repository}/-/{path}", {"policy": policy(1)})
        assert "is not authorized to perform" in unescape(refused.text)
    many = {"do": "apply", "pattern": "*", "text": policy(1), "repository": repository}
    assert "is not authorized to perform" in unescape(reader.post("policies/apply", many).text)
    assert stands(ecr, repository) == policy(2)
    assert tags(ecr, repository) == set(DEV)


def test_form_and_text_are_in_step(
    open_page: Callable[..., "Page"], ecr: Any, made: Callable[..., str]
) -> None:
    """In a browser: a wish, a change in the form, a change in the text, and each time what it would do; by keyboard, too."""
    repository = made()
    page = open_page(f"repositories/{repository}/-/policy/edit")
    page.select_option("#template", "dev")
    page.click("#rules button:text-is('Add')")
    page.wait_for_selector("#rule-0")
    assert '"dev-"' in page.input_value("#text")
    page.wait_for_selector("#preview >> text=Nothing happens to any image now.")
    page.select_option("#deed-0", "keep")
    page.wait_for_selector("label:text-is('How many stay')")
    page.fill("#number-0", "2")
    page.press("#number-0", "Tab")
    expect(page.locator("#text")).to_have_value(re.compile('"countNumber": 2'))
    page.wait_for_selector("#preview >> text=3rd youngest of 3, keeps 2")
    page.wait_for_selector("#forecast svg:visible")
    page.fill("#text", page.input_value("#text").replace("dev-", "none-"))
    page.wait_for_selector("#tags-0[value='none-']")
    page.wait_for_selector("#preview >> text=matches-nothing")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.fill("#text", "{")
    page.wait_for_selector("#rules .alert")
    page.wait_for_selector("#preview >> text=Correct what is wrong")
    page.fill("#tags-0", "dev-")
    page.press("#tags-0", "Tab")
    page.wait_for_selector("#preview >> text=3rd youngest of 3, keeps 2")
    page.click("text=Set it and run it now")
    page.wait_for_selector(".notice >> text=1 image deleted")
    assert tags(ecr, repository) == {"dev-2", "dev-3"}


def test_many_in_a_browser(open_page: Callable[..., "Page"], ecr: Any, made: Callable[..., str]) -> None:
    """The rows fill by themselves, and the steps follow each other."""
    repository = made()
    page = open_page(f"policies/apply?pattern={repository}")
    page.fill("#field-text", policy(2))
    page.click("text=What would it do?")
    page.wait_for_selector("#row-0 td.figure:text-is('1')")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.click("text=Set it and run it")
    page.wait_for_selector("text=Done: 1 repository.")
    assert stands(ecr, repository) == policy(2)
