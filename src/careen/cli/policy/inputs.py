"""What the commands of ``careen policy`` are given: files with policies and images and a time, or a registry's repository."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from cyclopts import Parameter

from careen.cli.output import fail, print_json

if TYPE_CHECKING:
    from careen.clock import Instant
    from careen.lifecycle.beyond import Beyond
    from careen.lifecycle.extension import ExtensionRules
    from careen.lifecycle.image import Image
    from careen.lifecycle.policy import LifecyclePolicy
    from careen.lifecycle.protection import ProtectionRules

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
        help="What `careen policy images` or `aws ecr describe-images` printed, in a file; - reads standard input."
        " Only the former has imageReferences, the digests an index lists."
        " Without it the registry that the AWS configuration names is asked about --repository.",
    ),
]
ExtensionFile = Annotated[
    str | None,
    Parameter(
        name="--extension",
        allow_leading_hyphen=True,
        help="Rules beyond ECR that stand beside the policy, in a file.",
    ),
]
ProtectionFile = Annotated[
    str | None,
    Parameter(
        name="--protection",
        allow_leading_hyphen=True,
        help="Rules for what must stay, in a file. Keep beats delete.",
    ),
]
RepositoryName = Annotated[
    str | None,
    Parameter(
        name="--repository",
        help="With images from a file: their repository's name, for protection rules that ask for it."
        " Without: the repository of the registry.",
    ),
]
Now = Annotated[str | None, Parameter(help="Evaluate at this time: ISO 8601 or epoch seconds.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


def read_policy(file: str, json: bool) -> "LifecyclePolicy":
    """The policy in a file; what ECR would refuse ends the program with ECR's message."""
    from careen.lifecycle.policy import InvalidLifecyclePolicy, parse

    try:
        return parse(_text(file, json))
    except InvalidLifecyclePolicy as invalid:
        refuse("InvalidParameterException", invalid.message, invalid.advice, json)


def read_images(file: str, json: bool) -> "list[Image]":
    """The images in a file."""
    from careen.lifecycle.image_details import InvalidImageDetails, read

    try:
        return read(_read(file, json))
    except InvalidImageDetails as wrong:
        hint = "careen policy images --repository NAME --output FILE"
        refuse("InvalidInput", f"{file} does not describe images: {wrong}", hint, json)


def read_time(text: str | None, json: bool) -> "Instant":
    """The time that was asked for, or the present."""
    from careen.clock import parse_instant, system_now, to_datetime

    if text is None:
        return system_now()
    try:
        instant = parse_instant(float(text) if text.replace(".", "", 1).isdecimal() else text)
        to_datetime(instant)
    except (ValueError, OverflowError):
        refuse("InvalidInput", f"{text} is not a time", "2026-11-22T00:00:00Z, or epoch seconds", json)
    return instant


def _text(file: str, json: bool) -> str:
    try:
        return _read(file, json).decode()
    except UnicodeDecodeError as wrong:
        refuse("InvalidInput", f"{file} is not UTF-8 text: {wrong.reason}", "save it as UTF-8", json)


def _read(file: str, json: bool) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        refuse(
            "InvalidInput", f"{file} cannot be read: {error.strerror}", "name a file, or - for stdin", json
        )


def refuse(code: str, message: str, hint: str | None, json: bool) -> NoReturn:
    """End the program because of what it was given, in the form that was asked for."""
    if json:
        print_json({"error": {"code": code, "message": message}})
    fail(message, hint, code=BAD_INPUT)


def read_beyond(
    extension: str | None, protection: str | None, repository: str | None, json: bool
) -> "Beyond":
    """What stands beside the policy, from files."""
    from careen.lifecycle import protection as protections
    from careen.lifecycle.beyond import Beyond

    rules, kept = read_documents(extension, protection, json)
    if repository is None and any(rule.any_repository for rule in kept.rules):
        reason = "protection rules ask for the repository's name"
        refuse("InvalidInput", reason, "name it with --repository", json)
    return Beyond(rules, protections.applicable(kept.rules, repository or ""))


def read_documents(
    extension: str | None, protection: str | None, json: bool
) -> "tuple[ExtensionRules, ProtectionRules]":
    """The documents beside a policy, for every repository; without a file, an empty one."""
    from careen.lifecycle import extension as extensions
    from careen.lifecycle import protection as protections

    try:
        rules = extensions.parse(_text(extension, json)) if extension else extensions.ExtensionRules()
        kept = protections.parse(_text(protection, json)) if protection else protections.ProtectionRules()
    except extensions.InvalidExtensionRules as invalid:
        refuse(
            "InvalidInput", f"{extension} is no extension document: {invalid}", "see docs/beyond-ecr.md", json
        )
    except protections.InvalidProtectionRules as invalid:
        refuse(
            "InvalidInput",
            f"{protection} is no protection document: {invalid}",
            "see docs/beyond-ecr.md",
            json,
        )
    return rules, kept


def require_repository(repository: str | None, json: bool, **of_files: object) -> str:
    """The repository to ask a registry about; options that only images from a file can have are refused."""
    if repository is None:
        hint = "--images FILE, or --repository NAME to ask the registry that the AWS configuration names"
        refuse("InvalidInput", "no images are named", hint, json)
    for name, value in of_files.items():
        if value:
            reason = f"--{name} goes with --images: a registry has its own"
            refuse("InvalidInput", reason, "name a file with --images", json)
    return repository


def read_policy_text(file: str | None, json: bool) -> str | None:
    """The text of the policy in a file, for the registry to judge; None if no file is named."""
    return None if file is None else _text(file, json)


def read_world(
    policy: str | None,
    images: str,
    now: str | None,
    json: bool,
    beyond: "Beyond",
) -> "tuple[LifecyclePolicy, list[Image], Instant, Beyond]":
    """What an evaluation takes, in the order it takes it."""
    if policy is None:
        refuse("InvalidInput", "images from a file need a policy", "name it with --policy", json)
    if policy == images == "-":
        reason = "policy and images cannot both come from standard input"
        refuse("InvalidInput", reason, "name one file", json)
    return read_policy(policy, json), read_images(images, json), read_time(now, json), beyond
