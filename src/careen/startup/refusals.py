"""Why a registry cannot be started or moved, in a sentence with what to try."""

import contextlib
from collections.abc import Iterator

from careen.db import schema
from careen.db.engine import Place, is_url
from careen.db.failures import failure


class CannotStart(Exception):
    """The data folder, its database or the address cannot be used. The message says why, and what to try where that helps."""


class NoRegistry(CannotStart):
    """Where the rows are to be, nobody has begun a registry. The message names the place."""


class CannotMove(Exception):
    """The rows of a registry cannot be brought to another database. The message says why; they are where they were."""


@contextlib.contextmanager
def answering(place: Place) -> Iterator[None]:
    """Let what goes wrong with a server's database be said in a sentence."""
    try:
        yield
    except (schema.SchemaTooNew, schema.StillInUse) as error:
        raise CannotStart(str(error)) from None
    except Exception as error:
        if is_url(place) and failure(error) is not None:
            raise CannotStart(f"the database cannot be used: {error}") from None
        raise
