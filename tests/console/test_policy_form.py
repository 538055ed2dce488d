"""The form of a lifecycle policy: text to rows, rows to text, and what rows can get wrong."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from careen.clock import parse_instant
from careen.console import policy_form
from careen.console.policy_form import CHANGES_ROWS, DEEDS, LOOKS_AT, TEMPLATES, Draft, Row
from careen.lifecycle import policy as policies
from careen.lifecycle.evaluate import evaluate
from tests.lifecycle import worlds


def document(*rules: dict[str, Any]) -> str:
    """A policy's text."""
    return json.dumps({"rules": list(rules)}, indent=1)


def rule(priority: int = 1, action: dict[str, str] | None = None, **selection: Any) -> dict[str, Any]:
    """One rule of it: keep ten of any, if nothing else is said."""
    selected = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10} | selection
    return {"rulePriority": priority, "selection": selected, "action": action or {"type": "expire"}}


def sent(draft: Draft, do: str = "rows", **changed: str) -> QueryParams:
    """The form of a draft's page, with some fields of the page changed."""
    fields = [
        ("shown", draft.shown),
        ("in_step", "yes" if draft.is_in_step else "no"),
        ("text", draft.text),
        ("do", do),
    ]
    for row in draft.rows:
        fields += [
            (name, getattr(row, name)) for name in ("looks_at", "tags", "deed", "number", "description")
        ]
    return QueryParams([(name, changed.get(name, value)) for name, value in fields])


TAGS = st.lists(st.from_regex(r"[a-z0-9][a-z0-9.*-]{0,8}", fullmatch=True), max_size=3).map(", ".join)
ROWS = st.builds(
    Row,
    st.sampled_from(list(LOOKS_AT)),
    TAGS,
    st.sampled_from(list(DEEDS)),
    st.one_of(st.integers(1, 400).map(str), st.sampled_from(["", "0", "-1", "1.5", "many", "9" * 30])),
    st.sampled_from(["", "keep some", "ünïcode, with “quotes” \\ and <b>"]),
)


@given(st.lists(ROWS, max_size=5))
def test_a_form_makes_a_policy_that_ecr_takes_or_says_what_is_wrong(rows: list[Row]) -> None:
    """There is no third: a form without a fault makes a text that PutLifecyclePolicy accepts, as it keeps it."""
    draft = policy_form.draft_of_rows(rows)
    if draft.policy is None:
        assert draft.faults or draft.row_faults or not draft.rows
        assert all(0 <= place < len(draft.rows) for place in draft.row_faults)
    else:
        assert policies.canonical(policies.parse(draft.canonical)) == draft.canonical
        assert json.loads(draft.text) == json.loads(draft.canonical)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_form_and_text_say_the_same(rows: list[Row]) -> None:
    """The rows of a text that a form made are the form's rows, and make that text again."""
    draft = policy_form.draft_of_rows(rows)
    if draft.policy is not None:
        again = policy_form.draft_of_text(draft.text)
        assert again.is_in_step
        assert again.policy == draft.policy
        assert policy_form.draft_of_rows(again.rows).text == draft.text


@pytest.mark.parametrize("seed", range(60))
def test_any_policy_keeps_its_meaning(seed: int) -> None:
    """What ECR takes decides the same on every image once the form has written it, or the form leaves it alone."""
    one = worlds.world(Random(seed))  # noqa: S311 a world, no secret
    text = json.dumps(one.policy).ljust(policies.MIN_LENGTH)
    draft = policy_form.draft_of_text(text)
    assert draft.policy == one.parsed()
    if draft.is_in_step:
        written = policy_form.draft_of_rows(draft.rows).policy
        assert written is not None
        images, now = one.read(), parse_instant(one.now)
        effects = [
            {each.image.digest: each.effect for each in evaluate(policy, images, now).acted_on}
            for policy in (draft.policy, written)
        ]
        assert effects[0] == effects[1]


@given(st.lists(ROWS, max_size=4))
def test_what_is_sent_unchanged_stays(rows: list[Row]) -> None:
    """A page that is sent back as it came has the same text and the same faults."""
    draft = policy_form.draft_of_rows(rows)
    again = policy_form.read(sent(draft))
    assert (again.text, again.row_faults, again.faults) == (draft.text, draft.row_faults, draft.faults)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (Row("pattern", ""), "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED."),
        (Row("pattern", "*a*b*c*d*"), "A pattern can have at most 4 wildcards"),
        (Row("any", "", "keep", ""), "does not match any allowed primitive type"),
        (Row("any", "", "keep", "0"), "lower than the required minimum (minimum: 1, found: 0)"),
        (Row("any", "", "keep", "3000000000"), "greater than the required maximum"),
        (Row("any", "", "archived-age", "89"), "countNumber must be at least 90"),
    ],
)
def test_a_row_says_what_is_wrong_with_it(row: Row, fault: str) -> None:
    """In ECR's words, at the row."""
    draft = policy_form.draft_of_rows([Row("pattern", "v*"), row])
    assert draft.policy is None
    place = next(iter(draft.row_faults))
    assert draft.rows[place] == row
    assert fault in draft.row_faults[place][0]


def test_the_same_list_twice_is_wrong_at_both_rows() -> None:
    """Whoever looks at either sees it."""
    draft = policy_form.draft_of_rows([Row("pattern", "a*, b*"), Row("pattern", "b*, a*", "age")])
    assert set(draft.row_faults) == {0, 1}


def test_the_row_for_any_image_is_last() -> None:
    """Wherever it was put: ECR takes it nowhere else."""
    draft = policy_form.draft_of_rows([Row("any"), Row("pattern", "v*")])
    assert [row.looks_at for row in draft.rows] == ["pattern", "any"]
    assert draft.policy is not None
    assert [each.rule_priority for each in draft.policy.rules] == [1, 2]


def test_a_changed_text_changes_the_form() -> None:
    """And the text stays as it was typed."""
    draft = policy_form.draft_of_rows([Row("any", "", "keep", "10")])
    typed = draft.text.replace(": 10", ":   7").replace("\n", "\r\n")
    again = policy_form.read(sent(draft, text=typed))
    assert again.rows[0].number == "7"
    assert again.text == typed.replace("\r\n", "\n")


def test_a_changed_form_changes_the_text() -> None:
    """If both were changed, the text counts: it is what ECR gets."""
    draft = policy_form.draft_of_rows([Row("any", "", "keep", "10")])
    assert '"countNumber": 3' in policy_form.read(sent(draft, number="3")).text
    both = policy_form.read(sent(draft, number="3", text=document(rule(countNumber=5))))
    assert both.rows[0].number == "5"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"rules": [{}]}', document(rule(countType="never"))])
def test_a_text_that_cannot_be_read_leaves_the_rows(text: str) -> None:
    """While somebody types, the form stays; what is wrong is said."""
    draft = policy_form.draft_of_rows([Row("any")])
    again = policy_form.read(sent(draft, text=text, do="text"))
    assert (again.policy, again.rows, again.text) == (None, draft.rows, text)
    assert again.faults
    assert policy_form.read(sent(again, do="save")).policy is None, "the form did not take over by itself"
    assert policy_form.read(sent(again, do="rows", number="4")).policy is not None


@pytest.mark.parametrize(
    "one",
    [
        rule(tagStatus="tagged", tagPatternList=["a,b"]),
        rule(tagStatus="tagged", tagPrefixList=["with space"]),
    ],
)
def test_what_the_form_has_no_words_for_stays_as_it_is(one: dict[str, Any]) -> None:
    """It could only be changed into something else: the text alone is there, and is taken."""
    draft = policy_form.draft_of_text(document(one))
    assert (draft.is_in_step, draft.rows) == (False, [])
    assert draft.policy is not None
    assert policy_form.read(sent(draft, do="save")).policy == draft.policy


def test_what_says_nothing_is_no_difference() -> None:
    """Empty lists, the class that holds in any case and other numbers do not keep a policy out of the form."""
    text = document(
        rule(20, tagPatternList=[], storageClass="standard"),
        rule(10, tagStatus="tagged", tagPrefixList=["v"], tagPatternList=[]),
    )
    assert policy_form.draft_of_text(text).is_in_step


@pytest.mark.parametrize(
    ("do", "order"),
    [
        ("up:1", "bac"),
        ("down:1", "acb"),
        ("up:0", "abc"),
        ("down:2", "abc"),
        ("remove:1", "ac"),
        ("remove:9", "abc"),
        ("up:-1", "abc"),
        ("up:x", "abc"),
        ("template:nothing", "abc"),
    ],
)
def test_rows_are_moved_and_removed(do: str, order: str) -> None:
    """By their place; what is no place changes nothing."""
    before = policy_form.draft_of_rows([Row("pattern", tag) for tag in "abc"])
    deed, _, which = do.partition(":")
    assert deed in CHANGES_ROWS
    assert "".join(row.tags for row in policy_form.change(before, deed, which).rows) == order


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_is_a_policy(name: str) -> None:
    """By itself, and added to one with a rule for any image it stays above that; twice it is there once."""
    draft = policy_form.change(policy_form.draft_of_policy(None), "template", name)
    assert draft.policy is not None
    assert len(policy_form.change(draft, "template", name).rows) == len(draft.rows)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (Row("any", "", "keep", "10"), "Deletes all but the newest 10 images"),
        (Row("any", "", "age", "1"), "Deletes images that were pushed more than 1 day ago"),
        (
            Row("pattern", "v*, *-rc", "archive-unpulled", "90"),
            "Archives images tagged v* and *-rc that nobody pulled for 90 days",
        ),
        (Row("pattern", "v*", "keep", "ten"), ""),
    ],
)
def test_a_rule_in_words(row: Row, sentence: str) -> None:
    """As the policy's rules are said everywhere: of several patterns a tag must be there for each. What is no rule says nothing."""
    assert row.sentence == sentence
