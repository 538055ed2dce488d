"""``careen database``: bring the rows of a registry into another database."""

from typing import Annotated

from cyclopts import App, Parameter

from careen.cli.data import load_settings
from careen.cli.output import fail, plural

FOLDER = "sqlite"
"""What the file in the data folder is called on the command line."""

app = App(name="database")


@app.command
def move(
    target: str,
    *,
    data: Annotated[str | None, Parameter(help="The data folder.")] = None,
) -> None:
    """Move the rows of a registry that is not served from the data folder to PostgreSQL, from there to another, or back.

    Every row is copied in one transaction, read again and compared. When it has ended, the database they came from says where they
    went and is not served any more; before, it is whole. A move that was stopped goes on when it is started again. Blobs stay where
    they are.

    Args:
        target: A URL, postgresql://user:password@host:port/database, of a database that is empty; or `sqlite`: the data folder.
    """
    from careen import startup

    loaded = load_settings({"data": data})
    # The setting's own rules are the rules for what it is moved to.
    wanted = load_settings({"data": data, "database": "" if target == FOLDER else target}).database
    copied: list[int] = []

    def told(table: str, rows: int) -> None:
        copied.append(rows)
        if rows:
            print(f"{rows:>12,}  {table}", flush=True)

    try:
        place = startup.move_database(loaded, wanted, told)
    except (startup.CannotMove, startup.CannotStart) as error:
        fail(str(error))
    what = (
        f"{plural(sum(copied), 'row')} arrived and were compared" if copied else "the move has ended before"
    )
    print(f"{what}: the registry is in {place}")
    if wanted:
        print(
            "set CAREEN_DATABASE, or `database` in careen.toml, to the URL you gave, and start the registry"
        )
    else:
        print(f"leave out the setting `database`, and start the registry: careen serve --data {loaded.data}")
