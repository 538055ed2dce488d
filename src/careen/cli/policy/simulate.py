"""``careen policy simulate``."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from careen.cli.output import plural, print_json
from careen.cli.policy.inputs import (
    ExtensionFile,
    ImagesFile,
    Json,
    Now,
    PolicyFile,
    ProtectionFile,
    RepositoryName,
    read_beyond,
    read_policy_text,
    read_world,
    require_repository,
)
from careen.cli.policy.tables import ACTIONS, Document, console, grid, print_decisions, size

if TYPE_CHECKING:
    from rich.table import Table


def simulate(
    *,
    policy: PolicyFile | None = None,
    images: ImagesFile | None = None,
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    repository: RepositoryName = None,
    now: Now = None,
    json: Json = False,
) -> None:
    """Show what a policy would do to images, and why. Changes nothing."""
    if images is None:
        name = require_repository(repository, json, extension=extension, protection=protection, now=now)
        plan = _ask(name, read_policy_text(policy, json), json)
    else:
        from careen.clock import isoformat
        from careen.lifecycle import documents
        from careen.lifecycle.evaluate import evaluate

        beyond = read_beyond(extension, protection, repository, json)
        plan = documents.plan(evaluate(*read_world(policy, images, now, json, beyond)), isoformat)
    if json:
        print_json(plan)
    else:
        _print(plan)


def _ask(repository: str, text: str | None, json: bool) -> Document:
    from careen.cli.policy.service import ask

    # People are shown what does not simply stay; a hundred thousand images that do are for programs.
    shown: dict[str, Any] | None = None if json else {"actions": [name for name in ACTIONS if name != "KEEP"]}
    return ask(
        "simulate_lifecycle_policy",
        json,
        repositoryName=repository,
        lifecyclePolicyText=text,
        filter=shown,
        PaginationConfig={"PageSize": 1000},
    )


def _print(plan: Document) -> None:
    """What goes, in the order it goes; what is held back; and how much of everything."""
    out = console()
    concerned = [each for each in plan["decisions"] if each["action"] != "KEEP"]
    concerned.sort(key=lambda each: (each.get("order") is None, each.get("order")))
    if concerned:
        print_decisions(out, concerned)
    else:
        out.print("Nothing goes.")
    images = sum(each["images"] for each in plan["summary"].values())
    out.print(f"\n{plural(images, 'image')} at {plan['now']}")
    out.print(_totals(plan["summary"], plan["deciders"]))
    out.print(f"plan {plan['planHash']}")


def _totals(summary: Document, deciders: Sequence[Document]) -> "Table":
    table = grid()
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1)
    for action, name in ACTIONS.items():
        tally = summary.get(action, {"images": 0})
        by = [f"{each['images']:,} {_decider(each)}" for each in deciders if each["action"] == action]
        if tally["images"]:
            table.add_row(f"{tally['images']:,}", name, size(tally["imageSizeInBytes"]), ", ".join(by))
    return table


def _decider(of: Document) -> str:
    if of["follows"]:
        return "with their subject"
    rule = of.get("rule")
    return "that no rule identifies" if rule is None else f"by {rule}"
