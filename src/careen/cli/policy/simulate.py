"""``careen policy simulate``."""

from collections import Counter
from typing import TYPE_CHECKING

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
    read_world,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from careen.clock import Instant
    from careen.lifecycle.plan import Decision, Plan

LISTED = 100
"""How many images a table shows: more nobody reads, and a hundred thousand rows take a minute to lay out."""


def simulate(
    *,
    policy: PolicyFile,
    images: ImagesFile,
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    repository: RepositoryName = None,
    now: Now = None,
    json: Json = False,
) -> None:
    """Show what a policy would do to images, and why. Changes nothing."""
    from careen.clock import isoformat
    from careen.lifecycle import documents
    from careen.lifecycle.evaluate import evaluate

    beyond = read_beyond(extension, protection, repository, json)
    plan = evaluate(*read_world(policy, images, now, json, beyond))
    if json:
        print_json(documents.plan(plan, isoformat))
    else:
        _print_tables(plan)


def _print_tables(plan: "Plan") -> None:
    """What goes, in the order it goes; what is held back; and how much of everything."""
    from rich.console import Console

    from careen.clock import isoformat
    from careen.lifecycle.plan import Action

    console = Console(markup=False, emoji=False, highlight=False)
    held = [each for each in plan.decisions if each.action in (Action.BLOCKED, Action.PROTECTED)]
    listed = [*plan.acted_on, *held]
    if listed:
        console.print(_table_of_decisions(listed[:LISTED], plan.now))
    else:
        console.print("Nothing goes.")
    if len(listed) > LISTED:
        console.print(f"and {len(listed) - LISTED:,} more; --json lists all")
    console.print()
    console.print(f"{plural(len(plan.decisions), 'image')} at {isoformat(plan.now)}")
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
        Action.UNTAG: "losing tags",
        Action.BLOCKED: "blocked",
        Action.PROTECTED: "protected",
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
