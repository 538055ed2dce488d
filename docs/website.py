"""Build the site: ``python docs/website.py [FOLDER]``, by default into results/site. An error, if a link or a page leads nowhere.

The pages are plain Markdown that reads well in the tree. What the site needs otherwise is changed in a copy: links to files outside
of docs/ lead to copies of those, and what tests read, in comments and after the name of a language, is left out. ADR 37 says why.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent

NAVIGATION: dict[str, list[str]] = {
    "Tutorials": ["tutorials/laptop.md", "tutorials/ci-service.md", "tutorials/production.md"],
    "Policies": [
        "lifecycle.md", "forecast.md", "policy-tests.md", "beyond-ecr.md", "pins.md", "trash.md", "storage.md",
        "archive.md", "fleet.md",
    ],
    "Using the registry": [
        "clients.md", "console.md", "access.md", "users.md", "templates.md", "pull-through-cache.md", "replication.md",
        "scanning.md", "signing.md", "public.md", "events.md",
    ],
    "Running it": [
        "deploy.md", "runbook.md", "doctor.md", "logs.md", "backup.md", "limits.md", "behind-nginx.md", "s3.md", "nodes.md",
        "moving.md",
    ],
    "Coming over": ["from-ecr.md", "from-harbor.md", "from-distribution.md", "import.md"],
    "Reference": [
        "reference/commands.md", "settings.md", "reference/operations.md", "service.md", "metrics.md", "lint.md",
    ],
    "Why it holds": [
        "promises.md", "ARCHITECTURE.md", "security.md", "collector.md", "consistency.md", "faults.md", "scale.md",
        "conformance.md",
        "benchmarks.md", "benchmarks-lifecycle.md", "comparison.md", "contributing.md", "changelog.md",
        "release.md", "licences.md", "security-policy.md",
    ],
}  # fmt: skip
"""Every page but the decisions, which are listed by their own page, and the first."""

PLACES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "README.md",
    "SECURITY.md": "security-policy.md",
    "docs/README.md": "pages.md",
}
"""Pages that the site has elsewhere than docs/ has them. Its first page is the tree's README."""

COLOUR = re.compile("\x1b\\[[0-9;]*m")
"""What the generator paints its warnings with, whoever reads them."""

STYLE = """
.md-grid { max-width: 92rem }
.md-typeset pre > code { font-size: .64rem }            /* commands are long */
.md-typeset table:not([class]) { font-size: .68rem }
.md-typeset img[src$=".svg"] { max-width: 100% }
"""


class BrokenSiteError(Exception):
    """Links or pages that lead nowhere, or something that the generator warns of."""


def build(target: Path) -> None:
    """Build the site into a folder, in the place of what is there.

    Raises:
        BrokenSiteError: with everything that is wrong, a line for each.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _stage(work / "docs")
        (work / "docs" / "site.css").write_text(STYLE)
        faults = list(_not_listed(work / "docs"))
        (work / "mkdocs.yml").write_text(yaml.safe_dump(_configuration(work), sort_keys=False))
        command = [sys.executable, "-m", "zensical", "build", "--strict"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            said = COLOUR.sub("", done.stdout + done.stderr).partition("Traceback")[0]
            raise BrokenSiteError("\n".join([*faults, said]))
        faults += _broken_links(work / "site")
        if faults:
            raise BrokenSiteError("\n".join(faults))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(work / "site", target)


def _configuration(work: Path) -> dict[str, Any]:
    decisions = sorted(path.name for path in (work / "docs" / "adr").glob("0*.md"))
    navigation: list[Any] = [{"Careen": ["README.md", "pages.md"]}]
    navigation += [{section: list(pages)} for section, pages in NAVIGATION.items()]
    navigation.append({"Decisions": ["adr/README.md", *(f"adr/{name}" for name in decisions)]})
    light = {"media": "(prefers-color-scheme: light)", "scheme": "default", "primary": "indigo"}
    dark = {"media": "(prefers-color-scheme: dark)", "scheme": "slate", "primary": "indigo"}
    return {
        "site_name": "Careen",
        "site_description": "A container registry that keeps itself clean",
        "docs_dir": "docs",
        "site_dir": "site",
        "use_directory_urls": False,  # so that it can be read from a disk, without a server
        "theme": {
            "name": "material",
            "font": False,  # nothing is fetched from elsewhere
            "features": [
                "navigation.tabs",
                "navigation.top",
                "content.code.copy",
                "toc.follow",
                "search.highlight",
            ],
            "palette": [
                light | {"toggle": {"icon": "lucide/sun", "name": "Dark"}},
                dark | {"toggle": {"icon": "lucide/moon", "name": "Light"}},
            ],
        },
        "markdown_extensions": [
            "tables",
            "attr_list",
            "sane_lists",
            {"toc": {"permalink": True}},
            "pymdownx.superfences",
            {"pymdownx.highlight": {"use_pygments": True}},
        ],
        "extra_css": ["site.css"],
        "nav": navigation,
    }


def _stage(folder: Path) -> None:
    """Write the pages as the generator reads them, and what they lead to."""
    waiting = [path.relative_to(ROOT) for path in HERE.rglob("*") if path.suffix in {".md", ".png", ".svg"}]
    waiting += [Path(name) for name in PLACES if (ROOT / name).is_file()]
    done: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in done:
            continue
        done.add(path)
        there = folder / _place(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        if there.suffix != ".md":
            shutil.copyfile(ROOT / path, there)
            continue
        text, others = _page(path)
        there.write_text(text)
        waiting += others


def _place(path: Path) -> PurePosixPath:
    """Where a file of the tree is on the site."""
    if path.as_posix() in PLACES:
        return PurePosixPath(PLACES[path.as_posix()])
    if path.parts[0] == "docs":
        return PurePosixPath(*path.parts[1:])
    # A browser shows text, whatever it is the text of; of what begins with a dot the generator makes no copy.
    return PurePosixPath(
        "tree", *(part.lstrip(".") for part in path.parts[:-1]), f"{path.name.lstrip('.')}.txt"
    )


def _page(path: Path) -> tuple[str, list[Path]]:
    """A page with its links changed, and the files they lead to."""
    others: list[Path] = []
    here = _place(path)

    def link(match: re.Match[str]) -> str:
        target, mark, fragment = match[1].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        file = Path(os.path.normpath(path.parent / target))
        if (ROOT / file).is_dir():
            file /= "README.md"
        if (ROOT / file).is_file():
            others.append(file)
        return f"]({os.path.relpath(_place(file), here.parent)}{mark}{fragment})"

    text = (ROOT / path).read_text()
    text = re.sub(r"^<!-- .* -->\n(?=```)", "", text, flags=re.MULTILINE)
    text = re.sub(r"^```(\w+) .*$", r"```\1", text, flags=re.MULTILINE)
    fenced = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
    parts = [
        part if part.startswith("```") else re.sub(r"\]\(([^)\s]+)\)", link, part)
        for part in fenced.split(text)
    ]
    return "".join(parts), others


def _not_listed(folder: Path) -> Iterator[str]:
    listed = {name for pages in NAVIGATION.values() for name in pages} | {"README.md", "pages.md"}
    pages = {path.relative_to(folder).as_posix() for path in folder.rglob("*.md")}
    there = {name for name in pages if not name.startswith("adr/")}
    yield from (f"docs/website.py lists no page for {name}" for name in sorted(there - listed))
    yield from (f"docs/website.py lists {name}, which is not there" for name in sorted(listed - there))


class _Anchors(HTMLParser):
    """What a page leads to, and what can be led to in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.ids: set[str] = {"", "__top"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note ids, and where links and pictures lead."""
        of = dict(attrs)
        self.ids.add(of.get("id") or "")
        if tag in {"a", "img", "script", "link"} and (link := of.get("href") or of.get("src")):
            (self.links if tag == "a" else self.fetched).append(link)


def _broken_links(site: Path) -> Iterator[str]:
    pages = {path: _Anchors() for path in sorted(site.rglob("*.html")) if path.name != "404.html"}
    for path, anchors in pages.items():
        anchors.feed(path.read_text())
    for path, anchors in pages.items():
        yield from (f"{path.name} fetches {link}" for link in anchors.fetched if urlsplit(link).netloc)
        for link in anchors.links + anchors.fetched:
            parts = urlsplit(link)
            if parts.scheme in {"http", "https", "data", "mailto"}:
                continue
            there = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            if there.is_dir():
                there /= "index.html"
            found = pages[there].ids if there in pages else {""}
            if not there.is_file() or (there in pages and unquote(parts.fragment) not in found):
                yield f"{path.relative_to(site)}: {link} leads nowhere"


if __name__ == "__main__":
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "results" / "site"
    try:
        build(into)
    except BrokenSiteError as error:
        sys.exit(str(error))
    sys.stdout.write(f"wrote {into / 'index.html'}\n")
