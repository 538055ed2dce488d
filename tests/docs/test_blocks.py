"""What README, the tutorials and the guides let people paste is pasted, from top to bottom, with the clients that they name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.client import INSTALL, needs
from tests.clients.engine import docker_engine, short_folder, write_root
from tests.clients.namespace import Namespace, namespace
from tests.docs.blocks import Block, Deed, NoLanguageError, blocks, differs, read
from tests.docs.reader import Reader

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
    ROOT / "docs" / "from-ecr.md",
    ROOT / "docs" / "from-harbor.md",
]

STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'


def named(page: Path) -> str:
    """A page, as a test is called."""
    return str(page.relative_to(ROOT))


def tools(page: Path) -> list[str]:
    """The clients that a page's blocks call, with what those need."""
    text = "\n".join(
        block.text for block in blocks(page) if block.language == "sh" and block.deed is not Deed.NOTHING
    )
    called = [tool for tool in INSTALL if re.search(rf"(?:^|[|(&]) *{tool} ", text, re.MULTILINE)]
    return called + (["dockerd", "containerd", "ctr", "runc", "busybox"] if "docker" in called else [])


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """Where nobody but the reader listens on port 5000."""
    with namespace(tmp_path_factory.mktemp("machine")) as made:
        yield made


@pytest.fixture(scope="module")
def engine(machine: Namespace) -> Iterator[str]:
    """A Docker Engine on that machine."""
    with docker_engine(machine.within()) as host:
        yield host


@pytest.fixture(
    params=[pytest.param(page, marks=needs("nsenter", "ip", *tools(page)), id=named(page)) for page in PAGES]
)
def page(request: pytest.FixtureRequest) -> Path:
    """Each, to be skipped by name where a client that it names is missing."""
    found: Path = request.param
    return found


@pytest.fixture
def reader(
    request: pytest.FixtureRequest, machine: Namespace, tmp_path: Path, page: Path
) -> Iterator[Reader]:
    """Who reads the page; an image `alpine` is on the machine already, for there is no network to pull it from."""
    with short_folder() as storage:
        (storage / "storage.conf").write_text(STORAGE.format(folder=storage))
        environment = {"CONTAINERS_STORAGE_CONF": str(storage / "storage.conf")}
        called = tools(page)
        if "docker" in called:
            environment["DOCKER_HOST"] = request.getfixturevalue("engine")
        made = Reader(tmp_path, machine, environment)
        write_root(tmp_path / "root.tar")
        for tool in {"docker", "podman"} & set(called):
            made.run(Block(0, "sh", Deed.RUN, "", f"{tool} import {tmp_path}/root.tar alpine"))
        try:
            yield made
        finally:
            made.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_page_can_be_followed(reader: Reader, page: Path) -> None:
    """Every command succeeds, and prints what the page says it prints."""
    printed = ""
    for block in blocks(page):
        where = f"{named(page)}:{block.line}"
        match block.deed:
            case Deed.RUN:
                printed = reader.run(block)
            case Deed.SERVE:
                printed = reader.serve(block)
            case Deed.SAVE:
                reader.save(block)
            case Deed.COMPARE:
                missing = differs(block, printed)
                assert missing is None, f"{where}: not printed: {missing}\n{printed}"
            case Deed.READ | Deed.NOTHING:
                pass


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_what_configures_something_else_is_well_formed(path: Path) -> None:
    """Files to save, too: JSON, YAML and TOML can be read, and ECR would take the policies."""
    for block in blocks(path):
        if block.language in {"json", "yaml", "toml"}:
            read(block)


NOT_RUN = [
    pytest.param(block.about, id=f"{named(page)}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.deed is Deed.NOTHING
]


@pytest.mark.parametrize("reason", NOT_RUN)
def test_what_is_not_run_says_why(reason: str) -> None:
    """So that the list of skipped tests is the list of these blocks."""
    pytest.skip(reason)


@pytest.mark.parametrize(
    "text",
    ["```\nls\n```", "```bash\nls\n```", "```sh quietly\nls\n```"],
    ids=["no language", "another", "more than a language"],
)
def test_a_block_that_does_not_say_what_it_is(tmp_path: Path, text: str) -> None:
    """It cannot be left out by mistake."""
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(NoLanguageError):
        blocks(tmp_path / "page.md")


def test_a_comment_that_is_not_understood(tmp_path: Path) -> None:
    """Nor by a slip of the pen."""
    (tmp_path / "page.md").write_text("<!-- not ran: whatever -->\n```sh\nls\n```\n")
    with pytest.raises(ValueError, match="not ran"):
        blocks(tmp_path / "page.md")


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("one\nthree", "one\ntwo\nthree\n", None),
        ("o… of …", "one of two\n", None),
        ("three\none", "one\ntwo\nthree\n", "one"),
        ("on", "one\n", "on"),
    ],
    ids=["lines left out", "parts left out", "another order", "half a line"],
)
def test_comparing_what_is_printed(shown: str, printed: str, missing: str | None) -> None:
    """Lines may be left out; those that are shown are whole and in their order."""
    assert differs(Block(1, "text", Deed.COMPARE, "", shown), printed) == missing
