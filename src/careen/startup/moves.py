"""A registry comes to other places: from a backup, or its rows from one database into another."""

from functools import partial
from pathlib import Path

import msgspec

from careen import clock
from careen.blobs.disk import DiskBlobStore
from careen.db import bulk, copies, engine, founding, schema
from careen.db.engine import Connection, is_url
from careen.registry import backup
from careen.registry.backup import Restored
from careen.settings import Settings
from careen.startup import homes, master_key
from careen.startup.node import begin, check_restored
from careen.startup.opening import open_registry
from careen.startup.refusals import CannotMove, answering
from careen.startup.stores import blob_store, database_place, looked_at


def restore(source: Path, settings: Settings) -> Restored:
    """Make a registry from a backup, where the settings say; when it returns, it may be served.

    Raises:
        careen.registry.backup.BackupFailed: a place is not empty or does not answer, or the backup not whole or too new.
        CannotStart: a place cannot be used.
    """
    data, place = Path(settings.data), database_place(settings)
    backup.read(source)
    homes.check_place(settings, settings.blobs)
    bucket = blob_store(settings, settings.blobs, clock.system_now) if settings.blobs else None
    with backup.broken_off("restore", "it goes on where it was"), answering(place):
        goal = backup.Goal(data, place if is_url(place) else None, settings.blobs)
        backup.begin_restore(goal, bucket)
        restored = backup.restore(source, data, bucket or DiskBlobStore(data))
        folder = msgspec.structs.replace(settings, database="", master_key="")
        start = begin(folder)
        registry = open_registry(folder, start=start)
        try:
            backup.mark_lost(registry, restored)
        finally:
            registry.close()
        key = partial(
            founding.bring_key, key=start.master_key, keep=master_key.is_for(settings, settings.database)
        )
        backup.end_restore(goal, key)
    return restored


def move_database(settings: Settings, target: str, told: copies.Told) -> str:
    """Bring the rows of a registry that nobody serves into another database. Where its blobs are does not change.

    Args:
        settings: of the registry.
        target: a URL, or empty for the file in the data folder, as the setting ``database``.
        told: hears of each table that has arrived.

    Returns:
        Where the rows are now, in words.

    Raises:
        CannotMove: somebody has one of the two open, or there is no registry, or the target is not empty or cannot keep a value.
        CannotStart: a database cannot be used, or the master key is not the registry's, or not there.
    """
    data, source = Path(settings.data), database_place(settings)
    place = database_place(msgspec.structs.replace(settings, database=target))
    check_restored(data)
    with answering(source), answering(place):
        if schema.current(source) is None:
            raise CannotMove(f"there is no registry in {engine.name_of(source)}")
        schema.migrate(source)
        given = master_key.in_file(settings)
        with master_key.checked(settings), looked_at(settings) as database, database.read() as rows:
            key, is_kept = founding.known_key(rows, given) or given, founding.keeps_key(rows)
            owner = founding.known(rows, founding.OWNER)
        if key is None:
            raise CannotMove(f"the registry in {engine.name_of(source)} was never started")
        if not target:
            try:
                data.mkdir(parents=True, exist_ok=True)
                master_key.bring(data, key)
                homes.bring_owner(data, owner)
            except OSError as error:
                raise CannotMove(f"the data folder {data} cannot be used: {error.strerror}") from None
        # Whoever kept it out of one server's database does not want it in another's.
        keep = master_key.is_for(settings, target) and (is_kept or not is_url(source))
        said = None if is_url(source) else homes.of_folder(settings)

        def arrived(rows: Connection) -> None:
            founding.bring_key(rows, key=key, keep=keep)
            if said is not None:
                founding.bring_homes(rows, said)

        try:
            copies.move(source, place, told, arrived)
        except bulk.InUse as error:
            raise CannotMove(
                f"{error}; stop the registry on every machine, and start the move again"
            ) from None
        except (copies.CopyFailed, bulk.Unfit) as error:
            raise CannotMove(str(error)) from None
    return engine.name_of(place)
