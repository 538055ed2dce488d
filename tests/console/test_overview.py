"""The overview, the trash and the activity: what they tell, what can be done from them, and who may."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from careen.iam.managed import ManagedPolicy
from careen.registry import lifecycle, measurements, summaries
from careen.registry.registry import Registry
from tests import backend
from tests.console.visitor import Visitor, sign_in
from tests.ecrapi.client import push
from tests.ecrapi.samples import KEEP_ONE
from tests.images import image
from tests.server import Server
from tests.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def ecr(house: Server) -> Any:
    """The registry of the console, by its API."""
    return house.boto()


@pytest.fixture
def name(request: pytest.FixtureRequest, ecr: Any) -> str:
    """A repository of the test's own."""
    made = f"trash/{re.sub('[^a-z]+', '-', request.node.name).strip('-')}"
    ecr.create_repository(repositoryName=made)
    return made


@pytest.fixture
def deleted(ecr: Any, name: str) -> dict[str, str]:
    """Two images that lie in the trash: tag to digest."""
    digests = {tag: push(ecr, name, image(name, tag), tag) for tag in ("one", "two")}
    ids = [{"imageDigest": digest} for digest in digests.values()]
    ecr.batch_delete_image(repositoryName=name, imageIds=ids)
    return digests


def tags(ecr: Any, name: str) -> set[str]:
    """The tags that are there."""
    found = ecr.list_images(repositoryName=name, filter={"tagStatus": "TAGGED"})["imageIds"]
    return {each["imageTag"] for each in found}


def test_the_overview_tells_what_was_measured(
    root: Visitor, registry_of: Callable[[], Registry], ecr: Any, name: str
) -> None:
    """What is taken and costs, the repositories without rules, the busiest: a chart and the same as a table."""
    push(ecr, name, image(name, "large", size=300_000), "large")
    registry = registry_of()
    measurements.measure(registry)
    registry.write_now(
        lambda tx: tx.rows.execute(
            "UPDATE manifests SET pull_count = 7777 WHERE repository_id = (SELECT id FROM repositories WHERE name = ?)",
            (name,),
        )
    )
    summaries.refresh(registry)
    page = root.get("", days=7)
    assert page.status_code == 200
    for told in (
        "Storage over time",
        "The same as a table",
        "A month costs",
        "7,777",
        name,
        "given back",
    ):
        assert told in page.text
    assert '<div class="charts"><svg class="chart chart-w360"' in page.text


def test_who_may_not_measure_finds_the_repositories(house: Server, reader: Visitor) -> None:
    """Whoever may read sees the overview; who may only pull is led on, and sees neither trash nor events."""
    assert reader.get("").status_code == 200
    puller = sign_in(house, "puller", ManagedPolicy.PULL_ONLY)
    answered = puller.get("")
    assert (answered.status_code, answered.headers["location"]) == (303, "/console/repositories")
    assert all("is not authorized to perform" in puller.get(path).text for path in ("trash", "activity"))


def test_chosen_images_come_back(root: Visitor, ecr: Any, name: str, deleted: dict[str, str]) -> None:
    """Those that were ticked, with their tags; the others stay, and a tag that names another image by now is left there."""
    page = root.get("trash", repository=name)
    assert all(digest in page.text for digest in deleted.values())
    push(ecr, name, image(name, "new one"), "one")
    again = root.follow(root.post(f"trash?repository={name}", {"image": f"{name}@{deleted['one']}"}))
    assert "1 image restored. Left where they are by now: one." in again.text
    assert deleted["one"] not in again.text
    assert deleted["two"] in again.text
    moved = root.post(f"trash?repository={name}", {"image": f"{name}@{deleted['two']}", "move": "on"})
    assert "1 image restored." in root.follow(moved).text
    assert tags(ecr, name) == {"one", "two"}


def test_nothing_chosen(root: Visitor, name: str) -> None:
    """Is said, and changes nothing."""
    assert "Nothing was chosen" in root.follow(root.post(f"trash?repository={name}")).text


def test_an_image_that_is_not_there_is_refused(root: Visitor, name: str) -> None:
    """The page says why, in the API's words."""
    answered = root.post(f"trash?repository={name}", {"image": f"{name}@sha256:{'0' * 64}"})
    assert answered.status_code == 400
    assert "alert-danger" in answered.text


def test_a_whole_run_comes_back(
    root: Visitor, ecr: Any, name: str, registry_of: Callable[[], Registry]
) -> None:
    """The list of what one run deleted has one button that undoes it."""
    for tag in ("one", "two", "three"):
        push(ecr, name, image(name, tag), tag)
    registry = registry_of()
    registry.write_now(lifecycle.put_policy, name, KEEP_ONE)
    repository_id = registry.read(lifecycle.to_run, [name])[0]
    ran = lifecycle.run(registry, repository_id)
    assert ran is not None
    (run, _), *_ = registry.read(lifecycle.history, name, 1)
    page = root.get("trash", run=run.id)
    assert f"Restore all that run {run.id} deleted" in page.text
    assert page.text.count('name="image"') == ran.expired == 2
    assert "2 images restored." in root.follow(root.post(f"trash?run={run.id}", {"run": str(run.id)})).text
    assert tags(ecr, name) == {"one", "two", "three"}


def test_emptying_asks_to_be_meant(root: Visitor, name: str, deleted: dict[str, str]) -> None:
    """Only what was typed to the letter empties; then the images are gone for good, and the ledger says so."""
    here = f"trash/empty?repository={name}"
    wrong = root.follow(root.post(here, {"typed": "Empty"}))
    assert "Something else was typed" in wrong.text
    assert "2 images gone for good" in root.follow(root.post(here, {"typed": "empty the trash"})).text
    assert "Nothing is here" in root.get("trash", repository=name).text
    ledger = root.get("activity/deletions", image=deleted["one"]).text
    assert "gone for good" in ledger
    assert "BatchDeleteImage" in ledger


def test_a_reader_is_offered_nothing(reader: Visitor, name: str, deleted: dict[str, str]) -> None:
    """Who may look sees what lies there, without buttons; and a form sent all the same is refused."""
    page = reader.get("trash", repository=name).text
    assert deleted["one"] in page
    assert "Restore" not in page
    assert "Empty…" not in page
    answered = reader.post(f"trash?repository={name}", {"image": f"{name}@{deleted['one']}"})
    assert answered.status_code in {400, 403}
    assert "not authorized" in answered.text


def test_events_by_repository_kind_action_and_time(root: Visitor, ecr: Any, name: str) -> None:
    """Each filter narrows the log; a time that is none is no filter."""
    push(ecr, name, image(name, "one"), "one")
    ecr.delete_repository(repositoryName=name, force=True)
    backend.current().settle()

    def told(**filters: str) -> list[str]:
        text = root.get("activity", repository=name, **filters).text
        return [each for each in ("PUSH", "DELETE", "CREATE") if f"<strong>{each}</strong>" in text]

    assert told() == ["PUSH", "DELETE", "CREATE"]
    assert told(action="push") == ["PUSH"]
    assert told(kind="Careen Repository Action") == ["DELETE", "CREATE"]
    assert told(to="2020-01-01T00:00") == []
    assert told(**{"from": "2020-01-01T00:00", "to": "no time"}) == ["PUSH", "DELETE", "CREATE"]
    assert "Nothing happened" in root.get("activity", repository="never/there").text


def test_the_ledger_by_tag(root: Visitor, name: str, deleted: dict[str, str]) -> None:
    """Who deleted what this tag named."""
    found = root.get("activity/deletions", repository=name, image="two").text
    assert deleted["two"] in found
    assert deleted["one"] not in found
    assert ":root" in found


def test_events_appear_by_themselves(open_page: Callable[..., "Page"], ecr: Any, name: str) -> None:
    """Somebody who looks at the log sees what happens, without doing anything."""
    page = open_page(f"activity?repository={name}")
    assert page.locator("strong", has_text="PUSH").count() == 0
    push(ecr, name, image(name, "live"), "live")
    page.locator("strong", has_text="PUSH").wait_for()


@pytest.mark.parametrize("path", ["trash", "activity/deletions"])
def test_everybody_can_use_the_lists(
    open_page: Callable[..., "Page"], name: str, deleted: dict[str, str], screenshots: Path, path: str
) -> None:
    """With something in them they have no violation of the accessibility rules either, and fit a phone."""
    assert deleted
    page = open_page(f"{path}?repository={name}")
    page.screenshot(path=screenshots / f"{path.replace('/', '-')}-filled-light-desktop.png", full_page=True)
    found = Axe().run(page)
    page.set_viewport_size({"width": 390, "height": 850})
    page.screenshot(path=screenshots / f"{path.replace('/', '-')}-filled-light-phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert found.violations_count == 0, found.generate_report()


def test_restoring_by_hand(
    open_page: Callable[..., "Page"], ecr: Any, name: str, deleted: dict[str, str]
) -> None:
    """Tick all, press Restore: the button says how many, the page then says that they are back."""
    assert deleted
    page = open_page(f"trash?repository={name}")
    restore = page.get_by_role("button", name="Restore")
    assert restore.is_disabled()
    page.get_by_role("checkbox", name="All images of this page").check()
    assert restore.inner_text().split() == ["Restore", "(2)"]
    restore.click()
    page.get_by_role("status").get_by_text("2 images restored.").wait_for()
    until(lambda: tags(ecr, name) == {"one", "two"}, "they are not back")
