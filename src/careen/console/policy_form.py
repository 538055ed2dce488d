"""A lifecycle policy as rows of a form, and back.

A row offers only what ECR's grammar has: which images, and one of six deeds with a number. Priorities come from the order, and
the rule for any image stands last, as it must. What rows can still get wrong is said in ECR's words, at the row: lists without
tags, one list twice, a number that is none. The form knows none of that by itself; :mod:`careen.lifecycle` does.

Form and text are one state. Whoever sends both has changed one of them: the text, if it is another than the one that was shown
(:data:`SHOWN`), and else the form.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from starlette.datastructures import QueryParams

from careen.console.words import capital, indented
from careen.lifecycle import constraints, grammar, wording
from careen.lifecycle import policy as policies
from careen.lifecycle.constraints import MIN_ARCHIVE_DAYS
from careen.lifecycle.policy import InvalidLifecyclePolicy, LifecyclePolicy, canonical
from careen.lifecycle.rule import (
    ActionType,
    CountType,
    CountUnit,
    Rule,
    StorageClass,
    TagStatus,
)

SHOWN = "shown"
"""The field that names the text which was shown beside the form."""

_EMPTY = '{"rules":[]}'


class Deed(NamedTuple):
    """What a rule can do: one of ECR's combinations of count, action and storage class."""

    words: str
    """In the form."""
    unit: str
    count_type: CountType
    action: ActionType
    storage_class: StorageClass = StorageClass.STANDARD
    least: int = 1


DEEDS: dict[str, Deed] = {
    "keep": Deed(
        "Keep the newest, delete the others",
        "image",
        CountType.IMAGE_COUNT_MORE_THAN,
        ActionType.EXPIRE,
    ),
    "age": Deed(
        "Delete by age since the push",
        "day",
        CountType.SINCE_IMAGE_PUSHED,
        ActionType.EXPIRE,
    ),
    "archive-keep": Deed(
        "Keep the newest, archive the others",
        "image",
        CountType.IMAGE_COUNT_MORE_THAN,
        ActionType.TRANSITION,
    ),
    "archive-age": Deed(
        "Archive by age since the push",
        "day",
        CountType.SINCE_IMAGE_PUSHED,
        ActionType.TRANSITION,
    ),
    "archive-unpulled": Deed(
        "Archive by age since the last pull",
        "day",
        CountType.SINCE_IMAGE_PULLED,
        ActionType.TRANSITION,
    ),
    "archived-age": Deed(
        "Delete from the archive, by age since it went there",
        "day",
        CountType.SINCE_IMAGE_TRANSITIONED,
        ActionType.EXPIRE,
        StorageClass.ARCHIVE,
        MIN_ARCHIVE_DAYS,
    ),
}

LOOKS_AT: dict[str, str] = {
    "pattern": "Tagged like",
    "prefix": "Tagged with the beginning",
    "untagged": "Untagged",
    "any": "Any, but for those of rules above",
}


class Row(NamedTuple):
    """A rule as the form has it: text, right or wrong."""

    looks_at: str = "pattern"
    """One of :data:`LOOKS_AT`."""
    tags: str = ""
    """Patterns or prefixes, with commas between; nothing where no tag is looked at."""
    deed: str = "keep"
    """One of :data:`DEEDS`."""
    number: str = "10"
    description: str = ""

    @property
    def storage_class(self) -> StorageClass:
        """Whose images it looks at."""
        return DEEDS[self.deed].storage_class

    @property
    def has_tags(self) -> bool:
        """Whether it looks at tags."""
        return self.looks_at in {"pattern", "prefix"}

    @property
    def sentence(self) -> str:
        """What the rule does, without a full stop; empty: it is none yet."""
        try:
            return capital(wording.of_rule(msgspec.convert(_rule(1, self), Rule)))
        except msgspec.ValidationError:
            return ""


class Template(NamedTuple):
    """Rows for a common wish."""

    words: str
    rows: tuple[Row, ...]


TEMPLATES: dict[str, Template] = {
    "untagged": Template(
        "Delete untagged images after 14 days", (Row("untagged", "", "age", "14", "Untagged: two weeks"),)
    ),
    "last": Template("Keep the last 10 images", (Row("any", "", "keep", "10", "Keep the last ten"),)),
    "dev": Template(
        "Delete dev- images after 30 days", (Row("prefix", "dev-", "age", "30", "Development: a month"),)
    ),
    "pull-requests": Template(
        "Delete pr- images after 14 days", (Row("prefix", "pr-", "age", "14", "Pull requests: two weeks"),)
    ),
    "releases": Template(
        "Keep the last 20 releases (v*)", (Row("pattern", "v*", "keep", "20", "Releases: keep twenty"),)
    ),
    "main": Template(
        "Keep the last 10 builds of main (main-*)",
        (Row("pattern", "main-*", "keep", "10", "Main: keep ten"),),
    ),
    "archive": Template(
        "Archive what is not pulled for 90 days, delete it a year later",
        (
            Row("any", "", "archive-unpulled", "90", "Not pulled for 90 days: archive"),
            Row("any", "", "archived-age", "365", "Archived for a year: delete"),
        ),
    ),
}


@dataclass(frozen=True)
class Draft:
    """A policy that somebody is writing."""

    rows: Sequence[Row]
    """Empty of a text that has rules: the form has no words for them."""
    text: str
    """As the page shows it."""
    policy: LifecyclePolicy | None = None
    """None: something is wrong."""
    faults: Sequence[str] = ()
    """What is wrong with the policy as a whole."""
    row_faults: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """What is wrong with a row, by its place."""
    is_in_step: bool = True
    """Whether the rows say what the text says: not if it cannot be read, or says what the form has no words for."""

    @property
    def canonical(self) -> str:
        """The policy as ECR answers it; empty: something is wrong."""
        return "" if self.policy is None else canonical(self.policy)

    @property
    def shown(self) -> str:
        """The value of :data:`SHOWN`."""
        return _mark(self.text)


def draft_of_rows(rows: Iterable[Row]) -> Draft:
    """What a form says. The rows for any image go to the end: ECR takes them nowhere else."""
    ordered = sorted(rows, key=lambda row: row.looks_at == "any")
    document = {"rules": [_rule(place, row) for place, row in enumerate(ordered, start=1)]}
    text = indented(msgspec.json.encode(document).decode())
    shape = list(grammar.faults(document))
    row_faults: defaultdict[int, list[str]] = defaultdict(list)
    for fault in shape:
        row_faults[int(fault.where.split("[")[1].split("]")[0])].append(f"{fault.reason}: {fault.advice}")
    if shape:
        return Draft(ordered, text, None, (), row_faults)
    return _checked(ordered, text, msgspec.convert(document, LifecyclePolicy), is_in_step=True)


def draft_of_text(text: str, before: Sequence[Row] = ()) -> Draft:
    """What a text says.

    Args:
        text: the policy, or what is to become one.
        before: the rows that stay as long as the text cannot be read.
    """
    text = text.replace("\r\n", "\n")
    try:
        policy = policies.parse(text)
    except InvalidLifecyclePolicy as invalid:
        advice = f" ({invalid.advice})" if invalid.advice else ""
        fault = f"{invalid.reason}{advice}"
        try:
            readable = msgspec.json.decode(text, type=LifecyclePolicy)
        except (msgspec.MsgspecError, RecursionError):
            return Draft(before, text, None, (fault,), is_in_step=False)
        rows, is_in_step = _rows(readable)
        return Draft(rows, text, None, (fault,), is_in_step=is_in_step)
    rows, is_in_step = _rows(policy)
    return Draft(rows, text, policy, is_in_step=is_in_step)


def draft_of_policy(text: str | None) -> Draft:
    """The policy that stands, or an empty one to begin with."""
    return draft_of_rows([]) if text is None else draft_of_text(indented(text))


def read(form: QueryParams) -> Draft:
    """What was sent: text and form, of which one was changed."""
    rows = _sent(form)
    text = form.get("text", "").replace("\r\n", "\n")
    if _mark(text) != form.get(SHOWN, ""):
        return draft_of_text(text, rows)
    if form.get("in_step") == "no" and form.get("do", "") not in CHANGES_ROWS:
        return draft_of_text(text, rows)
    return draft_of_rows(rows)


CHANGES_ROWS = frozenset({"rows", "add", "remove", "up", "down", "template"})
"""What was done to the rows, by the field ``do``; what follows a colon says to which."""


def change(draft: Draft, deed: str, which: str) -> Draft:
    """Add, remove or move a row.

    Args:
        draft: before.
        deed: one of :data:`CHANGES_ROWS`.
        which: the place of the row, or the name of a template.
    """
    rows = list(draft.rows)
    place = int(which) if which.isdecimal() and len(which) < 4 else -1
    if deed == "add":
        rows.append(Row())
    elif deed == "template" and which in TEMPLATES:
        rows += [row for row in TEMPLATES[which].rows if row not in rows]
    elif deed == "remove" and 0 <= place < len(rows):
        del rows[place]
    elif deed in {"up", "down"} and 0 <= place < len(rows):
        other = place + (1 if deed == "down" else -1)
        if 0 <= other < len(rows):
            rows[place], rows[other] = rows[other], rows[place]
    return draft_of_rows(rows)


def sentences(text: str) -> list[tuple[Rule, str]]:
    """The rules of a policy that stands, each in words."""
    return [(rule, capital(wording.of_rule(rule))) for rule in policies.parse(text).rules]


def _checked(rows: Sequence[Row], text: str, policy: LifecyclePolicy, *, is_in_step: bool) -> Draft:
    row_faults: defaultdict[int, list[str]] = defaultdict(list)
    whole = []
    for fault in constraints.faults(policy.rules):
        places = [int(word) - 1 for word in fault.where.replace("rule", "").split() if word.isdecimal()]
        for place in places:
            row_faults[place].append(fault.reason)
        if not places:
            whole.append(fault.reason)
    if not whole and not row_faults:
        try:
            policies.parse(canonical(policy))
        except InvalidLifecyclePolicy as invalid:  # too long, or too short: no rules
            whole += [invalid.reason] if rows else []
            return Draft(rows, text, None, whole, {}, is_in_step)
    is_right = not whole and not row_faults
    return Draft(rows, text, policy if is_right else None, whole, row_faults, is_in_step)


def _rows(policy: LifecyclePolicy) -> tuple[list[Row], bool]:
    """The rows of a policy, and whether they say all that it says."""
    try:
        rows = [_row(rule) for rule in policy.rules]
    except KeyError:  # a combination that ECR refuses
        return [], False
    again = [msgspec.convert(_rule(place, row), Rule) for place, row in enumerate(rows, start=1)]
    is_in_step = [_meaning(rule) for rule in again] == [_meaning(rule) for rule in policy.rules]
    return (rows, True) if is_in_step else ([], False)


def _meaning(rule: Rule) -> tuple[Any, ...]:
    """A rule without what says nothing: its number, empty lists, the class that holds in any case."""
    selection = rule.selection
    lists = (selection.tag_pattern_list or (), selection.tag_prefix_list or ())
    counted = (selection.tag_status, selection.count_type, selection.count_unit, selection.count_number)
    return rule.description or "", *lists, *counted, rule.storage_class, rule.action


def _row(rule: Rule) -> Row:
    selection = rule.selection
    tags = selection.tag_pattern_list or selection.tag_prefix_list or ()
    if selection.tag_status is TagStatus.TAGGED:
        looks_at = "prefix" if selection.tag_prefix_list else "pattern"
    else:
        looks_at = selection.tag_status.value
    deed = _DEED_OF[selection.count_type, rule.action.type, rule.storage_class]
    return Row(looks_at, ", ".join(tags), deed, str(selection.count_number), rule.description or "")


_DEED_OF = {(deed.count_type, deed.action, deed.storage_class): name for name, deed in DEEDS.items()}


def _rule(place: int, row: Row) -> dict[str, Any]:
    """A row as the document has it. A number that is none stays text, for the grammar to refuse."""
    deed = DEEDS[row.deed]
    selection: dict[str, Any] = {
        "tagStatus": "tagged" if row.has_tags else row.looks_at,
    }
    if row.has_tags:
        selection["tagPrefixList" if row.looks_at == "prefix" else "tagPatternList"] = _tags(row.tags)
    if deed.storage_class is not StorageClass.STANDARD:
        selection["storageClass"] = deed.storage_class.value
    selection["countType"] = deed.count_type.value
    if deed.unit == "day":
        selection["countUnit"] = CountUnit.DAYS.value
    number = row.number.strip()
    selection["countNumber"] = int(number) if number.isdecimal() and len(number) < 20 else number
    action = {"type": deed.action.value}
    if deed.action is ActionType.TRANSITION:
        action["targetStorageClass"] = StorageClass.ARCHIVE.value
    described = {"description": row.description} if row.description else {}
    return {"rulePriority": place, **described, "selection": selection, "action": action}


def _tags(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _sent(form: QueryParams) -> list[Row]:
    """The rows of a form: each has every field once, in the same order. What is no choice becomes the first one."""
    columns = [form.getlist(name) for name in ("looks_at", "tags", "deed", "number", "description")]
    return [
        Row(
            looks_at if looks_at in LOOKS_AT else "pattern",
            ", ".join(_tags(tags)),
            deed if deed in DEEDS else "keep",
            number,
            description.strip(),
        )
        for looks_at, tags, deed, number, description in zip(*columns, strict=False)
    ]


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
