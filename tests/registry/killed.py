"""A backup and a restore in processes that kill themselves at one step or another."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from careen import startup
from careen.registry import backup as backups
from careen.settings import Settings
from tests.forks import FORKS
from tests.waiting import PATIENCE


def backup(folder: Path, target: Path, number: int) -> bool:
    """Back up until the so-many-th change of a name. False: it had ended by then."""
    return _killed(_backup, folder, target, number)


def restore(folder: Path, target: Path, number: int) -> bool:
    """Restore until the so-many-th change of a name. False: it had ended by then."""
    return _killed(_restore, folder, target, number)


def _killed(work: Any, *arguments: Any) -> bool:
    process = FORKS.Process(target=work, args=arguments)
    process.start()
    process.join(PATIENCE)
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0


def _backup(folder: Path, target: Path, number: int) -> None:
    registry = startup.open_registry(Settings(data=str(folder)))
    _kill_at(number)
    backups.make(registry, folder, target)
    registry.close()


def _restore(folder: Path, target: Path, number: int) -> None:
    _kill_at(number)
    startup.restore(target, Settings(data=str(folder)))


def _kill_at(number: int) -> None:
    calls = 0

    def count(event: str, _: Any) -> None:
        nonlocal calls
        if event in {"os.link", "os.rename", "os.remove"}:
            calls += 1
            if calls == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
