"""The code blocks of a page, with what the page says of them in comments that nobody sees.

A comment right before a block says what a reader does with it::

    <!-- file: policy.json -->                        save it under this name
    <!-- serves: http://localhost:5000/readyz -->     it goes on; read on when this answers, and paste the exports it printed
    <!-- not run: there is no such address yet -->    do not run it, and why
"""

import json
import re
import shlex
import tomllib
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import yaml

from careen.iam import policy as iam
from careen.lifecycle import policy, protection

FENCED = re.compile(
    r"^(?:<!-- (?P<deed>[a-z ]+): (?P<about>[^\n]+) -->\n)?(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


class Deed(Enum):
    """What a reader does with a block."""

    RUN = "run"
    """In a shell, or in Python."""
    SERVE = "serves"
    """In a shell of its own, where it goes on."""
    SAVE = "file"
    COMPARE = "compare"
    """With what the block before it printed; ``…`` stands for anything."""
    READ = "read"
    """It configures something else: it has to be well-formed."""
    NOTHING = "not run"


DEEDS = {
    "sh": Deed.RUN,
    "python": Deed.RUN,
    "text": Deed.COMPARE,
    "json": Deed.READ,
    "yaml": Deed.READ,
    "toml": Deed.READ,
}


class Block(NamedTuple):
    """A code block."""

    line: int
    """Where its text begins."""
    language: str
    deed: Deed
    about: str
    """A file's name, an address, or a reason, as the deed is."""
    text: str


class NoLanguageError(ValueError):
    """A block that does not say what it is."""


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, from top to bottom.

    Raises:
        NoLanguageError: for a block in no language that can be tried.
        ValueError: for a comment that is not understood.
    """
    text = page.read_text()
    found = []
    for match in FENCED.finditer(text):
        line = text.count("\n", 0, match.start("text")) + 1
        language = match["language"]
        if language not in DEEDS:
            raise NoLanguageError(
                f"{page.name}:{line}: a block in {language or 'no language'}; one of {', '.join(DEEDS)}"
            )
        deed = Deed(match["deed"]) if match["deed"] else DEEDS[language]
        body = "".join(part.removeprefix(match["indent"]) for part in match["text"].splitlines(keepends=True))
        found.append(Block(line, language, deed, match["about"] or "", body))
    return found


def read(block: Block) -> None:
    """Read what is to configure something else.

    Raises:
        ValueError: it is not well-formed, or no policy of its kind.
    """
    if block.language == "yaml":
        list(yaml.safe_load_all(block.text))
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "json":
        document = json.loads(block.text)
        if "Statement" in document:
            iam.parse(block.text, iam.Kind.IDENTITY)
        elif any("name" in rule for rule in document.get("rules", [])):
            protection.parse(block.text)
        elif "rules" in document:
            policy.parse(block.text)


def differs(block: Block, printed: str) -> str | None:
    """The first line of a block that was not printed after the one before it; None: all were."""
    lines = iter(line.rstrip() for line in printed.splitlines())
    for expected in block.text.rstrip().splitlines():
        pattern = re.compile(".*".join(map(re.escape, expected.rstrip().split("…"))))
        if not any(pattern.fullmatch(line) for line in lines):
            return expected
    return None


CAREEN = re.compile(r"(?:^|^\$ |sudo |-- |exec \S+ |/bin/)careen ([a-z].*)")
SHELL = re.compile(r"^```(?:|sh|console)(?: [^\n]*)?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    """Every ``careen …`` of a page's blocks, however it is reached."""
    lines = "\n".join(SHELL.findall(page.read_text())).replace("\\\n", " ").splitlines()
    return _commands(lines)


def mentioned(page: Path) -> list[str]:
    """Every ``careen …`` of a page's sentences."""
    return _commands(
        re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
    )


def _commands(lines: list[str]) -> list[str]:
    found = [CAREEN.search(line) for line in lines]
    return sorted({each[1].split(" #")[0].strip() for each in found if each})


def words(command: str) -> list[str]:
    """A command's words, up to where a shell, or the brackets of a synopsis, would take over."""
    return shlex.split(re.split(r" [|&;>] ?| && | \[", command)[0])
