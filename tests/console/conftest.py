"""A registry with sixty days of content, people who are signed in to its console, and a browser."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from careen import clock, startup
from careen.demo.fill import fill
from careen.demo.history import history
from careen.iam.managed import ManagedPolicy
from careen.registry.registry import Registry
from tests.console.content import administer
from tests.console.pages import REPOSITORY
from tests.console.visitor import Visitor, settings_of, sign_in
from tests.iamapi.conftest import allowing, arn, trust
from tests.server import Server, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PUSHES = 120
"""The latest of the demonstration's: enough for every page to have something, and made in seconds."""

POLICY = """{"rules": [
  {"rulePriority": 1, "description": "main: keep the ten newest builds",
   "selection": {"tagStatus": "tagged", "tagPatternList": ["main-*"], "countType": "imageCountMoreThan", "countNumber": 10},
   "action": {"type": "expire"}},
  {"rulePriority": 2, "description": "untagged: one week",
   "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7},
   "action": {"type": "expire"}}
]}"""


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A team's latest pushes, and a policy for one repository. Tests that change something use names of their own."""
    data = tmp_path_factory.mktemp("console") / "data"
    server = Server(data, lifecycle_interval=86_400, webhook_attempts=1)
    settings = settings_of(server)
    startup.prepare(settings)
    present = [0]
    registry = startup.open_registry(settings, lambda: present[0])
    pushes = history(clock.system_now())[-PUSHES:]
    fill(registry, pushes, lambda at: present.__setitem__(0, at), lambda _: None)
    registry.close()
    with serving(server) as started:
        started.boto().put_lifecycle_policy(repositoryName=REPOSITORY, lifecyclePolicyText=POLICY)
        administer(started)
        meet(started)
        yield started


def meet(server: Server) -> None:
    """A user with all that a user can have, and a role."""
    iam = server.boto("iam")
    alice = {"UserName": "alice"}
    iam.create_user(**alice, Path="/team/")
    iam.create_access_key(**alice)
    iam.create_login_profile(**alice, Password="correct horse battery staple")
    iam.put_user_policy(**alice, PolicyName="push", PolicyDocument=allowing("ecr:PutImage"))
    managed = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
    iam.attach_user_policy(**alice, PolicyArn=managed)
    iam.create_role(RoleName="release", AssumeRolePolicyDocument=trust({"AWS": arn("user/team/alice")}))
    iam.attach_role_policy(RoleName="release", PolicyArn=managed)


@pytest.fixture(scope="session")
def root(house: Server) -> Visitor:
    """The account itself, signed in."""
    return sign_in(house)


@pytest.fixture(scope="session")
def reader(house: Server) -> Visitor:
    """Somebody who may look at everything of ECR's, and change nothing."""
    return sign_in(house, "reader", ManagedPolicy.READ_ONLY)


@pytest.fixture(scope="package")
def browser() -> Iterator["Browser"]:
    """The system's Chromium. Playwright's event loop lasts as long, in which no other test could run its own."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: "Browser", house: Server, root: Visitor) -> Iterator[Callable[..., "Page"]]:
    """Open pages of the console in the browser: ``open_page("repositories", width=390, scheme="dark")``.

    Whatever the browser complains of, and a request to anywhere else, fails the test.
    """
    complaints: list[str] = []
    contexts = []

    def opened(
        path: str = "",
        *,
        visitor: Visitor = root,
        width: int = 1280,
        scheme: str = "light",
        script: bool = True,
    ) -> "Page":
        context = browser.new_context(
            viewport={"width": width, "height": 850},
            color_scheme=scheme,  # type: ignore[arg-type]  # one of Playwright's literals
            java_script_enabled=script,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        context.add_cookies(
            [{"name": "careen-session", "value": visitor.secret, "url": f"{house.url}/console/"}]
        )
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((house.url, "data:"))
                else complaints.append(f"asks {request.url}")
            ),
        )
        page.goto(f"{house.url}/console/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def registry_of(house: Server) -> Iterator[Callable[[], Registry]]:
    """The same registry, opened beside its server, for what no client can prepare."""
    opened = []

    def opening() -> Registry:
        opened.append(startup.open_registry(settings_of(house)))
        return opened[-1]

    yield opening
    for each in opened:
        each.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where :mod:`tests.console.test_pages` leaves what it saw, to be looked at."""
    folder = Path("results/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def stranger(house: Server) -> Visitor:
    """Nobody who is signed in."""
    return Visitor(house, "")
