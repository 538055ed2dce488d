"""``careen fleet clean``."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from careen.cli.fleet.deeds import (
    AcceptUnseen,
    Apply,
    MaxAge,
    enter,
    failures,
    journal,
    lines,
    name_of,
    read_inventory,
    require_sight,
)
from careen.cli.fleet.options import ANYWHERE, AS_CONFIGURED, HERE, Access, Files, Json, Where, refusing
from careen.cli.fleet.shown import shown
from careen.cli.output import plural, print_json
from careen.cli.policy.diff import MaxShare
from careen.cli.policy.inputs import ExtensionFile, ProtectionFile, read_documents, read_policy
from careen.cli.policy.tables import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careen.fleet.clean import Cleaned, Marked

_LISTED = 10
"""Images of one repository that are shown; --json has them all."""

PolicyFile = Annotated[
    str | None,
    Parameter(
        name="--policy",
        allow_leading_hyphen=True,
        help="The policy that decides, in a file; - reads standard input. Without: each repository's own.",
    ),
]


def clean(
    *,
    policy: PolicyFile = None,
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    apply: Apply = False,
    max_share: MaxShare = 25.0,
    last_of_family: Annotated[
        bool, Parameter(negative="", help="Let the last image of a family of tags go, too.")
    ] = False,
    max_age: MaxAge = 24.0,
    accept_unseen: AcceptUnseen = False,
    where: Where = ANYWHERE,
    access: Access = AS_CONFIGURED,
    files: Files = HERE,
    json: Json = False,
) -> None:
    """Delete what a policy marks now, through BatchDeleteImage, instead of waiting for ECR's next evaluation.

    What runs is kept, and so is what protection rules name. Each repository is listed again right before; what is not what it was
    when it was scanned stays. On Amazon ECR a deletion is final once ECR has collected the layers; the journal has what it takes
    to try: careen fleet rollback.
    """
    from careen.clock import system_now
    from careen.fleet import clean as cleaning
    from careen.lifecycle.blast import Limits

    beyond, kept = read_documents(extension, protection, json)
    rules = None if policy is None else read_policy(policy, json)
    wish = cleaning.Wish(rules, beyond, kept, Limits(max_share / 100, last_of_family=last_of_family))
    with refusing(json):
        selection = where.selection()
        now = system_now()
        inventory = read_inventory(files)
        require_sight(inventory, now, max_age, accept_unseen)
        written = None
        found: list[cleaning.Cleaned] = []
        if not apply:
            found += cleaning.marked(inventory, selection, wish)
        else:
            fleet = enter(access, inventory.header.targets)
            with shown() as progress, journal(files, "clean", now, policy=policy or "of each") as made:
                progress.begin("repositories")
                for each in cleaning.clean(fleet, made, inventory, selection, wish):
                    found.append(each)
                    progress.step(note=name_of(each.repository))
            written = str(made.path)
    found.sort(key=lambda each: each.repository.arn)
    if json:
        print_json(_document(found, written))
    else:
        _tell(found, written)
    sys.exit(_status(found, applied=apply))


def _status(found: "Sequence[Cleaned]", *, applied: bool) -> int:
    from careen.cli.fleet.deeds import ended
    from careen.fleet.status import Status

    failed = sum(bool(each.failures) and not _is_too_much(each) for each in found)
    done = sum(bool(each.deleted or each.untagged) if applied else not each.failures for each in found)
    if not failed and any(map(_is_too_much, found)):
        return Status.DIFFERENT
    return ended(done, failed)


def _is_too_much(cleaned: "Cleaned") -> bool:
    return cleaned.marked is not None and bool(cleaned.marked.breaches)


def _tell(found: "Sequence[Cleaned]", written: str | None) -> None:
    for each in found:
        if each.marked is None or each.failures or each.marked.plan.acted_on:
            print(f"{name_of(each.repository)}: {_summary(each, written is not None)}")
        if each.marked is not None and written is None:
            _tell_images(each.marked)
        for line in lines(each.failures):
            print(line, file=sys.stderr)
    images = sum(each.deleted if written else _going(each) for each in found)
    freed = sum(each.size if written else _size(each) for each in found)
    kept = sum(each.marked.kept for each in found if each.marked)
    verb = "deleted" if written else "would be deleted"
    print(
        f"{plural(images, 'image')} {verb}, {size(freed)} by their own sizes; {kept:,} kept as they are in use or protected"
    )
    if written:
        print(f"journal: {written}")
    elif images:
        print("nothing is done: --apply does it")


def _going(cleaned: "Cleaned") -> int:
    """Images that are to go: none from a repository that is left out."""
    return len(cleaned.marked.going) if cleaned.marked and not cleaned.failures else 0


def _size(cleaned: "Cleaned") -> int:
    return cleaned.marked.size if cleaned.marked and not cleaned.failures else 0


def _summary(cleaned: "Cleaned", applied: bool) -> str:
    if applied:
        untagged = f", tags taken off {cleaned.untagged:,}" if cleaned.untagged else ""
        return f"{plural(cleaned.deleted, 'image')} deleted{untagged}, {size(cleaned.size)}"
    if cleaned.marked is None:
        return "nothing is known"
    marked = cleaned.marked
    return f"{len(marked.going):,} of {plural(len(marked.scanned.images), 'image')}, {size(marked.size)}"


def _tell_images(marked: "Marked") -> None:
    from careen.lifecycle.reason import reason

    deeds = marked.plan.acted_on
    for each in deeds[:_LISTED]:
        tags = ", ".join(each.image.tags) or "untagged"
        print(f"  {each.image.digest[:19]} {tags}: {reason(each, marked.plan.now)}")
    if len(deeds) > _LISTED:
        print(f"  and {len(deeds) - _LISTED:,} more (--json has all)")


def _document(found: "Sequence[Cleaned]", written: str | None) -> dict[str, Any]:
    return {
        "applied": written is not None,
        "journal": written,
        "deleted": sum(each.deleted for each in found),
        "repositories": [_entry(each) for each in found],
    }


def _entry(cleaned: "Cleaned") -> dict[str, Any]:
    from careen.lifecycle import documents

    repository, marked = cleaned.repository, cleaned.marked
    return {
        "account": repository.account,
        "region": repository.region,
        "repository": repository.name,
        "images": len(marked.scanned.images) if marked else None,
        "marked": [documents.decision(each, marked.plan.now) for each in marked.plan.acted_on]
        if marked
        else [],
        "kept": marked.kept if marked else 0,
        "deleted": cleaned.deleted,
        "untagged": cleaned.untagged,
        "deletedBytes": cleaned.size,
        "failures": failures(cleaned.failures),
    }
