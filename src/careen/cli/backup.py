"""``careen backup`` and ``careen restore``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from careen.cli.data import load_settings, opened
from careen.cli.output import fail, plural, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from careen.registry.backup import Lost

Data = Annotated[str | None, Parameter(help="The data folder.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


def backup(
    target: Path,
    *,
    verify: Annotated[bool, Parameter(negative="")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Copy the registry into a folder, while it serves. Into the folder of an earlier backup only what is new is copied.

    It has everything but uploads under way: images, policies, keys, and the master key, so keep it as you keep a password.
    The exit status is 1 if the registry itself has lost bytes: the backup has all the rest.

    Args:
        target: The backup's folder, on another disk.
        verify: Read all that the backup has, and compare it with its digests.
    """
    from careen.registry import backup as backups

    with opened(data) as registry:
        try:
            made = backups.make(registry, Path(load_settings({"data": data}).data), target, verify=verify)
        except backups.BackupFailed as error:
            fail(str(error))
        except OSError as error:
            fail(f"the backup was not made: {error}", "start it again: what is copied stays")
    if json:
        print_json(made._asdict())
    else:
        print(
            f"{plural(made.backup.manifests, 'manifest')} and {plural(made.backup.blobs, 'blob')} of"
            f" {made.backup.repositories:,} repositories are in {target}{', verified' if verify else ''}"
        )
        print(
            f"{plural(made.copied, 'file')} of {made.copied_size:,} bytes copied, {made.kept:,} kept, {made.removed:,} removed;"
            f" the database has {made.backup.database_size:,} bytes"
        )
    _end(made.backup.lost, json=json)


def restore(
    source: Path,
    *,
    data: Annotated[str, Parameter(help="The new data folder, which must be empty.")],
    database: Annotated[str | None, Parameter(help="Where the rows go, as the setting.")] = None,
    blobs: Annotated[str | None, Parameter(help="Where the blobs go, as the setting.")] = None,
    verify: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Make a registry from a backup. A restore that was stopped goes on when it is started again.

    Rows and blobs go where the settings say: into the data folder, unless `database` or `blobs` name another place, which must be
    empty. Give an empty --database and --blobs for the data folder where the settings name one.

    Sizes are always compared with what they should be. The exit status is 1 if something was lost: everything else is restored, and
    a push of the images that `careen scrub --status` names brings it back.

    Args:
        source: The backup's folder.
        verify: Scrub the restored registry: compare everything with its digest.
    """
    import threading

    from careen import startup
    from careen.registry import scrub
    from careen.registry.backup import BackupFailed, Lost

    options = {"data": data, "database": database, "blobs": blobs}
    try:
        restored = startup.restore(source, load_settings(options))
    except (BackupFailed, startup.CannotStart) as error:
        fail(str(error))
    except OSError as error:
        fail(f"the restore has not ended: {error}", "start it again: it goes on where it was")
    lost = list(restored.lost)
    if verify:
        with opened(data, database=database, blobs=blobs) as registry:
            scrub.run(
                registry,
                scrub.Pace(0, threading.Event()),
                scope=scrub.COMMAND,
                found=lambda damage: lost.append(Lost(damage.digest, damage.what)),
            )
    if json:
        print_json(restored._asdict() | {"lost": lost})
    else:
        print(
            f"the backup of {restored.backup.created_at} is in {data}{', verified' if verify else ''}:"
            f" {plural(restored.backup.manifests, 'manifest')} of {restored.backup.repositories:,} repositories"
        )
        print(f"serve it with the settings it had: careen serve --data {data}")
    _end(lost, json=json)


def _end(lost: "Iterable[Lost]", *, json: bool) -> None:
    lost = list(lost)
    if not json:
        for one in lost:
            print(f"lost: {one.digest} ({one.what})", file=sys.stderr)
    if lost:
        sys.exit(1)
