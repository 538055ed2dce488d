"""One lifecycle policy for many repositories: what it would do in each, doing it where it was chosen, taking all of it back.

Each repository is an operation of its own. What is done and what is left travels with the page from one step to the next, so
that nothing is lost with a connection: the page that one has goes on. Former policies are in it, too, for the way back.
"""

import base64
import time
import zlib

import msgspec
from starlette.responses import Response

from careen.console import policy, policy_form, policy_preview
from careen.console.policy_preview import Preview
from careen.console.repositories import address
from careen.console.visit import Page, Visit
from careen.console.words import indented, plural
from careen.ecr.errors import EcrError, LifecyclePolicyNotFound
from careen.lifecycle.selection import pattern_test

SECTION = "policies/apply"

MOST = 200
"""Repositories at a time."""

STEP = 1.0
"""Seconds after which a step ends, and the page shows how far it is."""

MAX_STATE = 16 * 1024 * 1024
"""Bytes of what travels along, unpacked: so many policies of the greatest length are 6 MB."""

REPLACE = "replace"
MISSING = "missing"
MODES = (
    (REPLACE, "In place of what they have"),
    (MISSING, "Only where there is no policy of their own"),
)


class Task(msgspec.Struct, frozen=True):
    """A repository in which something is to be done."""

    repository: str
    plan: str | None = None
    """The hash of the plan that was looked at."""
    former: int | None = None
    """Of an undo: the place of the policy that comes back; None: there was none."""
    run: int | None = None
    """Of an undo: the run whose images come back."""


class Result(msgspec.Struct, frozen=True):
    """What came of one."""

    repository: str
    told: str
    is_good: bool = True
    is_changed: bool = False
    """Whether its policy is another now."""
    former: int | None = None
    run: int | None = None


class Progress(msgspec.Struct):
    """How far it is."""

    text: str
    mode: str
    to_do: list[Task]
    done: list[Result] = []
    formers: list[str] = []
    """The policies that stood before, each once."""
    is_undo: bool = False

    @property
    def failed(self) -> int:
        """How many were not done."""
        return sum(not each.is_good for each in self.done)

    @property
    def undoable(self) -> list[Task]:
        """What takes back all that was done."""
        return [Task(each.repository, None, each.former, each.run) for each in self.done if each.is_changed]


async def begin(visit: Visit) -> Response:
    """The form, with the policy of a repository if one is named."""
    name, text = visit.query.get("from", ""), ""
    if name:
        holds = await policy.standing(visit, name)
        text = indented(holds.text) if holds.text is not None else ""
    elif visit.query.get("template") in policy_form.TEMPLATES:
        text = policy_form.draft_of_rows(policy_form.TEMPLATES[visit.query["template"]].rows).text
    return _form(visit, text, visit.query.get("pattern", ""), REPLACE)


async def step(visit: Visit) -> Response:
    """List, look at one, apply a few, or take a few back."""
    form = visit.form
    deed = form.get("do", "list")
    if deed == "go-on":
        return await _go_on(visit, _unpacked(form.get("state", "")))
    if deed == "undo":
        progress = _unpacked(form.get("state", ""))
        undoing = Progress(
            progress.text, progress.mode, progress.undoable, [], progress.formers, is_undo=True
        )
        return await _go_on(visit, undoing)
    text, pattern = form.get("text", ""), form.get("pattern", "").strip()
    mode = MISSING if form.get("mode") == MISSING else REPLACE
    draft = policy_form.draft_of_text(text)
    if draft.policy is None:
        return _form(visit, text, pattern, mode, draft.faults[0])
    if deed == "apply":
        is_confirmed = form.get("typed", "") == pattern
        chosen = form.getlist("repository")
        to_do = [Task(name, _reviewed(visit, name, is_confirmed=is_confirmed)) for name in chosen[:MOST]]
        return await _go_on(visit, Progress(draft.canonical, mode, to_do))
    if deed == "look":
        return await _look(visit, form.get("name", ""), draft.canonical, mode)
    names = [each["repositoryName"] for each in await visit.every("DescribeRepositories", "repositories")]
    tests = [pattern_test(each) for each in pattern.replace(",", " ").split()]
    matching = [name for name in names if any(test(name) for test in tests)]
    if not matching:
        return _form(visit, text, pattern, mode, f"No repository has a name like {pattern or 'that'}.")
    return visit.page(
        "policy/apply_list.html",
        section=SECTION,
        title="Apply a policy to many",
        names=matching[:MOST],
        total=len(matching),
        text=draft.canonical,
        pattern=pattern,
        mode=mode,
        modes=dict(MODES),
        sentences=policy_form.sentences(draft.canonical),
        address=address,
    )


def _form(visit: Visit, text: str, pattern: str, mode: str, reason: str = "") -> Response:
    return visit.page(
        "policy/apply.html",
        status=400 if reason else 200,
        section=SECTION,
        title="Apply a policy to many",
        text=text,
        pattern=pattern,
        mode=mode,
        modes=MODES,
        templates=policy_form.TEMPLATES,
        reason=reason,
    )


async def _look(visit: Visit, name: str, text: str, mode: str) -> Response:
    """One row of the list: what the policy would do in a repository."""
    unknown, preview, holds = "", None, None
    try:
        holds = await policy.standing(visit, name)
        preview = await policy_preview.look(visit, name, text)
    except EcrError as error:
        unknown = error.message
    return visit.page(
        "policy/apply_row.html",
        name=name,
        place=visit.form.get("place", "0"),
        preview=preview,
        holds=holds,
        is_same=holds is not None and holds.own == text,
        is_left_alone=mode == MISSING and holds is not None and holds.own is not None,
        elsewhere="" if preview is None else _elsewhere(preview),
        unknown=unknown,
        address=address,
    )


def _elsewhere(preview: Preview) -> str:
    """What a plan does beside deleting, in words."""
    summary = preview.plan["summary"]
    words = (
        ("TRANSITION", "archived"),
        ("CASCADE", "with the image that they refer to"),
        ("UNTAG", "untagged"),
    )
    counts = [(summary[action]["images"], what) for action, what in words]
    return ", ".join(f"{plural(count, 'image')} {what}" for count, what in counts if count)


def _reviewed(visit: Visit, name: str, *, is_confirmed: bool) -> str | None:
    """The plan that was looked at; none if it goes beyond the limits and nobody typed that it may."""
    plan = visit.form.get(f"plan {name}")
    return None if visit.form.get(f"breaches {name}") == "some" and not is_confirmed else plan


async def _go_on(visit: Visit, progress: Progress) -> Response:
    """Do the next ones, until it is time to show how far it is."""
    until = time.monotonic() + STEP
    while progress.to_do and (not progress.done or time.monotonic() < until):
        task = progress.to_do.pop(0)
        do = _take_back if progress.is_undo else _apply
        try:
            result = await do(visit, progress, task)
        except EcrError as refusal:
            result = Result(task.repository, refusal.message, is_good=False)
        progress.done.append(result)
        if time.monotonic() >= until:
            break
    return visit.page(
        "policy/applying.html",
        section=SECTION,
        title="Taking a policy back" if progress.is_undo else "Applying a policy",
        progress=progress,
        state=_packed(progress),
        address=address,
    )


async def _apply(visit: Visit, progress: Progress, task: Task) -> Result:
    name = task.repository
    try:
        former = (await visit.ask("GetLifecyclePolicy", repositoryName=name))["lifecyclePolicyText"]
    except LifecyclePolicyNotFound:
        former = None
    if former is not None and progress.mode == MISSING:
        return Result(name, "left alone: it has a policy of its own")
    ran = await visit.ask(
        "ApplyLifecyclePolicy",
        "careen",
        repositoryName=name,
        lifecyclePolicyText=progress.text,
        planHash=task.plan,
    )
    place = None
    if former is not None:
        if former not in progress.formers:
            progress.formers.append(former)
        place = progress.formers.index(former)
    told, run = policy.in_words(ran), policy.restorable(visit, ran)
    return Result(name, told, is_changed=True, former=place, run=run)


async def _take_back(visit: Visit, progress: Progress, task: Task) -> Result:
    await policy.put_back(
        visit, task.repository, None if task.former is None else progress.formers[task.former]
    )
    told = "no policy, as before" if task.former is None else "its former policy"
    if task.run is not None:
        restored = await visit.ask("RestoreImages", "careen", runId=task.run)
        told += f"; {plural(len(restored['images']), 'image')} came back"
    return Result(task.repository, told)


def _packed(progress: Progress) -> str:
    return base64.b64encode(zlib.compress(msgspec.json.encode(progress))).decode()


def _unpacked(state: str) -> Progress:
    """What a page brought along; nothing of what was not packed here is done without permission."""
    try:
        text = zlib.decompressobj().decompress(base64.b64decode(state), MAX_STATE)
        return msgspec.json.decode(text, type=Progress)
    except (ValueError, zlib.error, msgspec.MsgspecError):
        return Progress("", REPLACE, [])


PAGES = {"policies/apply": Page(begin, step)}
