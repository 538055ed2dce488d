"""``careen policy``: try a lifecycle policy on images from a file. Needs no server, no account and no network."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import App, Parameter

from careen.cli.output import fail, print_json

if TYPE_CHECKING:
    from careen.clock import Instant
    from careen.lifecycle.image import Image
    from careen.lifecycle.plan import Decision, Plan
    from careen.lifecycle.policy import LifecyclePolicy

app = App(name="policy", help="Lifecycle policies in files: check one, or see what it would do and why.")

BAD_INPUT = 2
"""The exit status where a policy, images or a time cannot be read."""

PolicyFile = Annotated[str, Parameter(name="--policy", help="The policy's file; - reads standard input.")]
ImagesFile = Annotated[
    str,
    Parameter(
        name="--images",
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
        _refuse("InvalidInput", "policy and images cannot both come from standard input", "name one file", json)
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
        _refuse("InvalidInput", f"{file} cannot be read: {error.strerror}", "name a file, or - for stdin", json)


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
