"""``careen policy``: try a lifecycle policy on images from a file. Needs no server, no account and no network."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import App, Parameter

from careen.cli.output import fail, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from careen.clock import Instant
    from careen.lifecycle.image import Image
    from careen.lifecycle.plan import Decision, Plan
    from careen.lifecycle.policy import LifecyclePolicy

app = App(name="policy", help="Lifecycle policies in files: check one, or see what it would do and why.")

LISTED = 100
"""How many images a table shows: more nobody reads, and a hundred thousand rows take a minute to lay out."""

BAD_INPUT = 2
"""The exit status where a policy, images or a time cannot be read."""

PolicyFile = Annotated[
    str,
    Parameter(name="--policy", allow_leading_hyphen=True, help="The policy's file; - reads standard input."),
]
ImagesFile = Annotated[
    str,
    Parameter(
        name="--images",
        allow_leading_hyphen=True,
        help="What `aws ecr describe-images` printed, in a file; - reads standard input."
        " Add imageReferences, the digests an index lists, to images that are indexes.",
    ),
]
Now = Annotated[str | None, Parameter(help="Evaluate at this time: ISO 8601 or epoch seconds.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


@app.command
def validate(*, policy: PolicyFile, json: Json = False) -> None:
    """Check a policy as Amazon ECR would. Exits 2, with ECR's message, if ECR would refuse it."""
    from careen.lifecycle.policy import canonical

    parsed = _read_policy(policy, json)
    if json:
        print_json({"valid": True, "rules": len(parsed.rules), "lifecyclePolicyText": canonical(parsed)})
    else:
        print(f"valid: {_plural(len(parsed.rules), 'rule')}")


@app.command
def simulate(*, policy: PolicyFile, images: ImagesFile, now: Now = None, json: Json = False) -> None:
    """Show what a policy would do to images, and why. Changes nothing."""
    from careen.lifecycle.evaluate import evaluate

    if policy == images == "-":
        _refuse(
            "InvalidInput", "policy and images cannot both come from standard input", "name one file", json
        )
    plan = evaluate(_read_policy(policy, json), _read_images(images, json), _read_time(now, json))
    if json:
        print_json(_as_json(plan))
    else:
        _print_tables(plan)


def _read_policy(file: str, json: bool) -> "LifecyclePolicy":
    from careen.lifecycle.policy import InvalidLifecyclePolicy, parse

    try:
        return parse(_read(file, json).decode())
    except UnicodeDecodeError as wrong:
        _refuse("InvalidInput", f"{file} is not UTF-8 text: {wrong.reason}", "save it as UTF-8", json)
    except InvalidLifecyclePolicy as invalid:
        _refuse("InvalidParameterException", invalid.message, invalid.advice, json)


def _read_images(file: str, json: bool) -> "list[Image]":
    from careen.lifecycle.image_details import InvalidImageDetails, read

    try:
        return read(_read(file, json))
    except InvalidImageDetails as wrong:
        hint = "aws ecr describe-images --repository-name NAME --output json > FILE"
        _refuse("InvalidInput", f"{file} does not describe images: {wrong}", hint, json)


def _read_time(text: str | None, json: bool) -> "Instant":
    from careen.clock import parse_instant, system_now, to_datetime

    if text is None:
        return system_now()
    try:
        instant = parse_instant(float(text) if text.replace(".", "", 1).isdecimal() else text)
        to_datetime(instant)
    except (ValueError, OverflowError):
        _refuse("InvalidInput", f"{text} is not a time", "2026-11-22T00:00:00Z, or epoch seconds", json)
    return instant


def _read(file: str, json: bool) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        _refuse(
            "InvalidInput", f"{file} cannot be read: {error.strerror}", "name a file, or - for stdin", json
        )


def _refuse(code: str, message: str, hint: str | None, json: bool) -> NoReturn:
    if json:
        print_json({"error": {"code": code, "message": message}})
    fail(message, hint, code=BAD_INPUT)


def _as_json(plan: "Plan") -> dict[str, Any]:
    from careen.clock import isoformat

    return {
        "now": isoformat(plan.now),
        "summary": {
            action: {"images": tally.images, "imageSizeInBytes": tally.size}
            for action, tally in plan.tallies.items()
        },
        "decisions": [_decision_as_json(decision, plan.now) for decision in plan.decisions],
    }


def _decision_as_json(decision: "Decision", now: "Instant") -> dict[str, Any]:
    from careen.lifecycle.reason import reason

    image = decision.image
    return {
        "imageDigest": image.digest,
        "imageTags": image.tags,
        "imageSizeInBytes": image.size,
        "action": decision.action,
        "appliedRulePriority": decision.rule_priority,
        "reason": reason(decision, now),
    }


def _print_tables(plan: "Plan") -> None:
    """What goes, in the order it goes; what is held back; and how much of everything."""
    from rich.console import Console

    from careen.clock import isoformat
    from careen.lifecycle.plan import Action

    console = Console(markup=False, emoji=False, highlight=False)
    blocked = [decision for decision in plan.decisions if decision.action is Action.BLOCKED]
    listed = [*plan.acted_on, *blocked]
    if listed:
        console.print(_table_of_decisions(listed[:LISTED], plan.now))
    else:
        console.print("Nothing goes.")
    if len(listed) > LISTED:
        console.print(f"and {len(listed) - LISTED:,} more; --json lists all")
    console.print()
    console.print(f"{_plural(len(plan.decisions), 'image')} at {isoformat(plan.now)}")
    console.print(_table_of_totals(plan))


def _table_of_decisions(decisions: "Sequence[Decision]", now: "Instant") -> "Table":
    from rich.filesize import decimal
    from rich.table import Table

    from careen.lifecycle.reason import reason

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("image", no_wrap=True)
    table.add_column("tags", overflow="fold", max_width=24)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("what and why", ratio=1)
    for decision in decisions:
        image = decision.image
        digest = image.digest.removeprefix("sha256:")[:12]
        table.add_row(digest, "\n".join(image.tags) or "-", decimal(image.size), reason(decision, now))
    return table


def _table_of_totals(plan: "Plan") -> "Table":
    from rich.filesize import decimal
    from rich.table import Table

    from careen.lifecycle.plan import Action

    names = {
        Action.EXPIRE: "to expire",
        Action.TRANSITION: "to the archive",
        Action.CASCADE: "following their subject",
        Action.BLOCKED: "blocked",
        Action.KEEP: "kept",
    }
    rules = Counter((decision.action, _decider(decision)) for decision in plan.decisions)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1)
    for action, name in names.items():
        tally = plan.tallies[action]
        by = [f"{count:,} {decider}" for (of, decider), count in sorted(rules.items()) if of is action]
        if tally.images:
            table.add_row(f"{tally.images:,}", name, decimal(tally.size), ", ".join(by))
    return table


def _decider(decision: "Decision") -> str:
    from careen.lifecycle.reason import label

    if decision.follows is not None:
        return "with their subject"
    return "that no rule identifies" if decision.rule is None else f"by {label(decision.rule)}"


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
