"""Draw what a policy decides: a column for each image, a row for each rule, from a real evaluation.

The examples are those of lifecycle.md, read from the page. ``docs/generate.py`` writes the pictures, and a test compares them.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from careen.charts import svg
from careen.clock import DAY, Instant
from careen.lifecycle import wording
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.explain import Explanation, Finding, explain
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import Action
from careen.lifecycle.policy import parse
from careen.lifecycle.rule import ActionType

PAGE = Path(__file__).parent / "lifecycle.md"
NOW: Instant = 1_767_225_600_000_000
"""2026-01-01: the page says ages, so any instant will do."""


class Example(NamedTuple):
    """A section of the page: a policy, images, and what becomes of them."""

    title: str
    policy: str
    images: list[Image]
    decisions: list[str]

    @property
    def name(self) -> str:
        """The picture's file, below docs/."""
        return f"pictures/{re.sub('[^a-z]+', '-', self.title.lower()).strip('-')}.svg"


def examples(page: Path = PAGE) -> Iterator[Example]:
    """Each section of the page with a policy and a table of images."""
    for section in page.read_text().split("\n## ")[1:]:
        title, _, rest = section.partition("\n")
        found = re.search(r"```json\n(.*?)```", rest, re.DOTALL)
        if found:
            rows = list(_rows(rest[found.end() :]))
            yield Example(title, found[1], [_image(row) for row in rows], [row["decision"] for row in rows])


def _rows(table: str) -> Iterator[dict[str, str]]:
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line[:1] == "|"
    ]
    head, _, *body = lines
    for cells in body:
        yield dict(zip(head, cells, strict=True))


def _image(row: dict[str, str]) -> Image:
    def instant(cell: str | None) -> int | None:
        return NOW - int(cell.split()[0]) * DAY if cell else None

    pushed_at = instant(row["pushed"])
    assert pushed_at is not None
    return Image(
        digest=row["image"],
        tags=tuple(filter(None, row["tags"].split(", "))),
        pushed_at=pushed_at,
        pulled_at=instant(row.get("pulled")),
        archived_at=instant(row.get("archived")),
        status=ImageStatus.ARCHIVED if row.get("archived") else ImageStatus.ACTIVE,
        references=tuple(filter(None, row.get("lists", "").split(", "))),
        subject=row.get("refers to") or None,
    )


STYLE = """
text{font:13px system-ui,sans-serif;fill:#1f2933}.small{font-size:11px;fill:#5b6673}.card{fill:#fff;stroke:#d5dbe1}
.line{stroke:#d5dbe1}.stays{fill:#2a9187;stroke:#2a9187}.goes{fill:#c24a4a;stroke:#c24a4a}.archive{fill:#8a63b8;stroke:#8a63b8}
.state{fill:none;stroke:#2a9187;stroke-width:1.5}.name{font-weight:600}.way{fill:none;stroke:#8a95a1;stroke-width:1.5}
.head{fill:#8a95a1}
.identified{fill:none;stroke:#8a95a1;stroke-width:1.5;stroke-dasharray:3 2.5}.verdict{font-weight:600;stroke:none}
@media(prefers-color-scheme:dark){text{fill:#e3e8ee}.small{fill:#9aa7b8}.card{fill:#1b2129;stroke:#38424e}.line{stroke:#38424e}}
"""

LABELS, COLUMN, ROW, HEAD = 250, 118, 52, 66
"""Widths and heights in pixels: of the rules' names, of an image, of a rule, of the images' names."""

VERDICTS = {
    Action.EXPIRE: ("goes", "expires"),
    Action.TRANSITION: ("archive", "archived"),
    Action.CASCADE: ("goes", "follows"),
    Action.BLOCKED: ("stays", "held"),
    Action.KEEP: ("stays", "stays"),
}


def picture(example: Example) -> str:
    """The example as SVG, the oldest image at the left."""
    ordered = sorted(example.images, key=lambda image: (image.pushed_at, image.digest))
    plan = evaluate(parse(example.policy), ordered, NOW)
    columns = explain(plan, [image.digest for image in ordered])
    rules = [finding.rule for finding in columns[0].findings]
    width = LABELS + COLUMN * len(columns) + 16
    height = HEAD + ROW * (len(rules) + 1) + 44
    parts = [
        svg.element("style", STYLE),
        svg.element("rect", class_="card", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=8),
    ]
    for number, rule in enumerate(rules):
        y = HEAD + ROW * number
        parts += [_line(y, width), _words(wording.of_rule(rule), f"rule {rule.rule_priority}", y)]
    y = HEAD + ROW * len(rules)
    parts += [_line(y, width), svg.element("text", "so the image", x=16, y=y + 31)]
    for number, column in enumerate(columns):
        parts += _column(column, LABELS + COLUMN * number + COLUMN / 2, y)
    parts += [_line(y + ROW, width), *_legend(columns, y + ROW + 27)]
    described = "; ".join(
        f"{one.decision.image.digest} {VERDICTS[one.decision.action][1]}" for one in columns
    )
    return _document(width, height, f"{example.title}: {described}", parts)


def _column(column: Explanation, x: float, verdict_y: float) -> Iterator[str]:
    image = column.decision.image
    yield _middle(image.digest, x, 24)
    yield _middle(", ".join(image.tags) or "no tag", x, 40, "small")
    yield _middle(f"{(NOW - image.pushed_at) // DAY} days old", x, 55, "small")
    for number, finding in enumerate(column.findings):
        if finding.miss is None:
            yield svg.element("circle", class_=_mark(finding), cx=x, cy=HEAD + ROW * number + ROW / 2, r=9)
    kind, verdict = VERDICTS[column.decision.action]
    if column.decision.follows and column.decision.action is Action.KEEP:
        verdict = f"stays with {column.decision.follows}"
    elif column.decision.follows:
        verdict = f"goes with {column.decision.follows}"
    elif column.decision.blocked_by:
        verdict = f"held by {column.decision.blocked_by}"
    yield _middle(verdict, x, verdict_y + 31, f"verdict {kind}")


def _mark(finding: Finding) -> str:
    if finding.shielded_by is not None:
        return "identified"
    if not finding.due:
        return "stays"
    return "archive" if finding.rule.action.type is ActionType.TRANSITION else "goes"


SAID = {
    "stays": "decides: not due",
    "goes": "decides: due",
    "archive": "decides: due for the archive",
    "identified": "identifies it, but a rule above decides",
}


def _legend(columns: list[Explanation], y: float) -> Iterator[str]:
    shown = {_mark(finding) for column in columns for finding in column.findings if finding.miss is None}
    x = 24.0
    for mark, said in SAID.items():
        if mark not in shown:
            continue
        yield svg.element("circle", class_=mark, cx=x, cy=y - 4, r=6)
        yield svg.element("text", said, class_="small", x=x + 12, y=y)
        x += 40 + svg.CHARACTER * 0.9 * len(said)


def _line(y: float, width: float) -> str:
    return svg.element("line", class_="line", x1=16, x2=width - 16, y1=y, y2=y)


def _middle(said: str, x: float, y: float, kind: str = "") -> str:
    return svg.element("text", svg.text(said), x=x, y=y, class_=kind, text_anchor="middle")


def _words(said: str, name: str, y: float) -> str:
    lines = textwrap.wrap(said, 38)
    small = [
        svg.element("text", svg.text(line), class_="small", x=16, y=y + 32 + 13 * at)
        for at, line in enumerate(lines)
    ]
    return "".join([svg.element("text", name, x=16, y=y + 17), *small])


BOX, GAP, TOP = 150, 96, 40
"""Width of a state, the room for what leads to the next, and where the first row is."""


def life() -> str:
    """The life of a blob, for collector.md."""
    states = [
        ("linked", "a manifest needs it"),
        ("on review", "perhaps nobody does"),
        ("condemned", "no link, no row"),
        ("gone", "bytes given back"),
    ]
    steps = ["image deleted", "lease over", "file deleted"]
    width, height = 32 + BOX * 4 + GAP * 3, 250
    parts = [
        svg.element("style", STYLE),
        svg.element("rect", class_="card", x=0.5, y=0.5, width=width - 1, height=height - 1, rx=8),
    ]
    places = [16 + (BOX + GAP) * number for number in range(4)]
    for x, (name, said) in zip(places, states, strict=True):
        parts += _state(x, TOP, name, said)
    for x, said in zip(places, steps, strict=False):
        parts += _arrow(x + BOX, TOP + 26, x + BOX + GAP, TOP + 26, said, x + BOX + GAP / 2, TOP + 18)
    back = places[1] + BOX / 2
    parts += [
        svg.element("path", class_="way", d=f"M{back},{TOP + 52} v26 h{places[0] - places[1]} v-20"),
        _head(places[0] + BOX / 2, TOP + 52, -90),
        _middle("needed after all", (places[0] + places[1] + BOX) / 2, TOP + 94, "small"),
    ]
    parts += _state(places[0], TOP + 134, "linked", "another generation")
    parts += _arrow(places[2], TOP + 160, places[0] + BOX, TOP + 160, "", 0, 0)
    parts += [
        svg.element("path", class_="way", d=f"M{places[2] + BOX / 2},{TOP + 52} v108 h{-BOX / 2}"),
        _middle(
            "pushed again meanwhile: new bytes, new row",
            (places[0] + places[2] + BOX) / 2,
            TOP + 152,
            "small",
        ),
    ]
    return _document(width, height, "The life of a blob", parts)


def _state(x: float, y: float, name: str, said: str) -> Iterator[str]:
    yield svg.element("rect", class_="state", x=x, y=y, width=BOX, height=52, rx=6)
    yield _middle(name, x + BOX / 2, y + 22, "name")
    yield _middle(said, x + BOX / 2, y + 39, "small")


def _arrow(
    x: float, y: float, to_x: float, to_y: float, said: str, at_x: float, at_y: float
) -> Iterator[str]:
    yield svg.element("line", class_="way", x1=x, y1=y, x2=to_x, y2=to_y)
    yield _head(to_x, to_y, 0 if to_x > x else 180)
    if said:
        yield _middle(said, at_x, at_y, "small")


def _head(x: float, y: float, turned: float) -> str:
    return svg.element(
        "path", class_="head", d="M0,0 l-8,-4 v8 z", transform=f"translate({x},{y}) rotate({turned})"
    )


def _document(width: float, height: float, title: str, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f"<title>{svg.text(title)}</title>{''.join(parts)}</svg>\n"
    )


def pictures() -> dict[str, str]:
    """Every picture by its file below docs/."""
    return {example.name: picture(example) for example in examples()} | {"pictures/blob.svg": life()}
