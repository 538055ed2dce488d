"""``careen demo``: sixty days of a team's pushes, a policy, its preview in words and bytes, the run, the space returned."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from careen.cli.data import load_settings
from careen.cli.output import fail

if TYPE_CHECKING:
    from rich.console import Console

    from careen.demo.history import Push
    from careen.lifecycle.plan import Plan
    from careen.registry.registry import Registry

POLICY = """{"rules": [
  {"rulePriority": 1, "description": "releases: keep twenty",
   "selection": {"tagStatus": "tagged", "tagPatternList": ["v*"],
                 "countType": "imageCountMoreThan", "countNumber": 20},
   "action": {"type": "expire"}},
  {"rulePriority": 2, "description": "main: keep the ten newest builds",
   "selection": {"tagStatus": "tagged", "tagPatternList": ["main-*"],
                 "countType": "imageCountMoreThan", "countNumber": 10},
   "action": {"type": "expire"}},
  {"rulePriority": 3, "description": "pull requests: two weeks",
   "selection": {"tagStatus": "tagged", "tagPatternList": ["pr-*"],
                 "countType": "sinceImagePushed", "countUnit": "days",
                 "countNumber": 14},
   "action": {"type": "expire"}},
  {"rulePriority": 4, "description": "untagged: one week",
   "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed",
                 "countUnit": "days", "countNumber": 7},
   "action": {"type": "expire"}}
]}"""

EXAMPLES = 3
"""Decisions shown per repository and kind."""


def demo(
    *,
    port: int | None = None,
    serve: Annotated[bool, Parameter(negative="--no-serve")] = True,
    data: str | None = None,
) -> None:
    """Show what Careen does, on a registry made for the show; then keep serving it.

    Args:
        port: The port to serve on.
        serve: Whether to go on serving after the show.
        data: An empty folder for the registry; a temporary one, removed at the end, if not given.
    """
    with tempfile.TemporaryDirectory(prefix="careen-demo-") as temporary:
        folder = Path(data) if data else Path(temporary)
        if folder.exists() and any(folder.iterdir()):
            fail(f"{folder} is not empty", "name another folder: the demo begins with an empty registry")
        _show(folder)
        if serve:
            from careen.cli.serving import serve as serve_registry

            serve_registry(load_settings({"data": str(folder), "port": port}))


def _show(folder: Path) -> None:
    from dataclasses import replace

    from rich.console import Console

    from careen import clock, startup
    from careen.demo.history import DAYS, history
    from careen.registry import gc

    console = Console(highlight=False)
    settings = load_settings({"data": str(folder), "create_on_push": True})
    startup.prepare(settings)
    now = clock.system_now()
    present = [now]
    registry = replace(startup.open_registry(settings), clock=lambda: present[0])
    try:
        pushes = history(now)
        repositories = {push.repository for push in pushes}
        console.print(
            f"[bold]1. A team pushes for {DAYS} days[/bold] ({len(pushes)} pushes to {len(repositories)} repositories)"
        )
        _fill(console, registry, pushes, present)
        present[0] = now
        _print_repositories(console, registry)
        console.print("\n[bold]2. A lifecycle policy, for all of them[/bold]")
        console.print(POLICY, markup=False, soft_wrap=True)
        _put_policy(registry)
        console.print("\n[bold]3. Its preview: nothing is changed yet[/bold]")
        _preview(console, registry)
        console.print("\n[bold]4. The run: what goes lies in the trash for a week[/bold]")
        _run(console, registry)
        present[0] += clock.HOUR
        console.print("   An hour later, the images that an index had listed:")
        _run(console, registry)
        console.print("\n[bold]5. Who deleted that image, and can I have it back?[/bold]")
        _undo(console, registry)
        console.print("\n[bold]6. A week later[/bold]")
        present[0] += 8 * clock.DAY
        _empty(console, registry)
        gc.sweep(registry)
        console.print("\n[bold]7. What is left[/bold]")
        _print_repositories(console, registry)
        _print_why(console, registry)
    finally:
        registry.close()
    console.print()


def _fill(console: "Console", registry: "Registry", pushes: list["Push"], present: list[int]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from careen.demo.fill import fill

    def set_clock(instant: int) -> None:
        present[0] = instant

    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("pushing", total=len(pushes))
        fill(registry, pushes, set_clock, lambda done: bar.update(task, completed=done))


def _print_repositories(console: "Console", registry: "Registry") -> None:
    from rich.table import Table

    from careen.lifecycle.cost import monthly_dollars
    from careen.registry.storage import account

    found = account(registry)
    table = Table(box=None, pad_edge=True)
    table.add_column("repository")
    for name in ("images", "blobs", "bytes"):
        table.add_column(name, justify="right")
    for repository in found.repositories:
        table.add_row(
            repository.name, f"{repository.images:,}", f"{repository.blobs:,}", f"{repository.size:,}"
        )
    console.print(table)
    console.print(
        f"   stored once each: {_size(found.blob_bytes)}, ${monthly_dollars(found.blob_bytes):.4f} a month at Amazon's price"
    )


def _put_policy(registry: "Registry") -> None:
    from careen.registry import lifecycle, repositories

    for name in registry.read(repositories.catalog, "", 1000):
        registry.write_now(lifecycle.put_policy, name, POLICY)


def _plans(registry: "Registry") -> dict[str, "Plan"]:
    from careen.registry import lifecycle, repositories

    found = registry.read(repositories.page, "", 1000)
    return {one.name: registry.read(lifecycle.simulate, one.name) for one in found}


def _forecast(registry: "Registry", plans: dict[str, "Plan"]) -> int:
    from careen.registry import storage

    doomed = {name: {one.image.digest for one in plan.acted_on} for name, plan in plans.items()}
    return registry.read(storage.freed_by, doomed)


def _preview(console: "Console", registry: "Registry") -> None:
    from careen.lifecycle.plan import Action
    from careen.lifecycle.reason import reason

    plans = _plans(registry)
    for name, plan in plans.items():
        kept = plan.tallies[Action.KEEP].images
        blocked = plan.tallies[Action.BLOCKED].images
        console.print(
            f"   [bold]{name}[/bold]: {len(plan.acted_on)} go, {kept} stay, {blocked} are held by an index"
        )
        for action in (Action.EXPIRE, Action.CASCADE, Action.BLOCKED):
            for decision in [one for one in plan.decisions if one.action is action][:EXAMPLES]:
                what = ", ".join(decision.image.tags) or f"untagged {decision.image.digest[7:15]}"
                console.print(f"      {what}: {reason(decision, plan.now)}", markup=False, soft_wrap=True)
    freed = _forecast(registry, plans)
    console.print(f"   This frees exactly {freed:,} bytes ({_size(freed)}).")


def _run(console: "Console", registry: "Registry") -> None:
    from careen.registry import gc, lifecycle, storage

    forecast = _forecast(registry, _plans(registry))
    _, before = registry.read(storage.in_trash)
    ran = [
        one
        for found in registry.read(lifecycle.to_run)
        if (one := lifecycle.run(registry, found)) is not None
    ]
    gc.collect(registry)
    _, after = registry.read(storage.in_trash)
    freed = after - before
    same = "as forecast, to the byte" if freed == forecast else f"the forecast said {forecast:,}"
    console.print(
        f"   {sum(one.expired for one in ran)} images expired, {freed:,} bytes wait in the trash: {same}.",
        soft_wrap=True,
    )


def _undo(console: "Console", registry: "Registry") -> None:
    """The image with a tag that was deleted last, as the ledger has it; and its way back."""
    from careen.clock import isoformat
    from careen.registry import trash

    deletion = next(
        each for each, _ in registry.read(trash.page, None, None, 2**63 - 1, 1000) if trash.tags_of(each)
    )
    tag = trash.tags_of(deletion)[0]
    console.print(
        f"   {deletion.repository}:{tag} was deleted at {isoformat(deletion.deleted_at)[:16]}Z", markup=False
    )
    console.print(f"   by run {deletion.run_id}, {deletion.reason}", markup=False, soft_wrap=True)
    registry.write_now(trash.restore, deletion.repository, tag, deletion.deleted_by)
    console.print(
        f"   careen trash restore {deletion.repository} --image {tag}: it is back, with every byte.",
        markup=False,
    )


def _empty(console: "Console", registry: "Registry") -> None:
    from careen.registry import gc, storage
    from careen.registry.storage import account

    images, forecast = registry.read(storage.in_trash)
    before = account(registry)
    gc.collect(registry)
    freed = before.blob_bytes - account(registry).blob_bytes
    same = "what only they needed, to the byte" if freed == forecast else f"the forecast said {forecast:,}"
    console.print(f"   {images} images are gone for good, {freed:,} bytes came back: {same}.", soft_wrap=True)


def _print_why(console: "Console", registry: "Registry") -> None:
    from careen.lifecycle.reason import reason

    console.print("   Every image that stays can say why:")
    for name, plan in _plans(registry).items():
        for decision in [one for one in plan.decisions if one.image.tags][:2]:
            console.print(
                f"      {name}:{decision.image.tags[0]}: {reason(decision, plan.now)}",
                markup=False,
                soft_wrap=True,
            )


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
