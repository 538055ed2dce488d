"""What happens to a data folder before anything is served."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from careen import startup
from careen.settings import Settings


def test_the_master_key_is_made_once_and_is_the_owner_s(tmp_path: Path) -> None:
    """The first start makes it; later ones leave it as it is, and nothing else lies about."""
    settings = Settings(data=str(tmp_path / "data"))
    startup.prepare(settings)
    path = tmp_path / "data" / "master.key"
    key = path.read_bytes()
    assert (len(key), stat.S_IMODE(path.stat().st_mode)) == (32, 0o600)
    startup.prepare(settings)
    assert path.read_bytes() == key
    assert list(path.parent.glob("master.key*")) == [path]


def test_a_master_key_that_was_put_there_is_taken(tmp_path: Path) -> None:
    """Nodes on several machines are given one, perhaps in a file that they may not write to."""
    path = tmp_path / "data" / "master.key"
    path.parent.mkdir()
    path.write_bytes(b"k" * 32)
    path.chmod(0o440)
    startup.prepare(Settings(data=str(path.parent)))
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"k" * 32, 0o440)


def test_starts_at_the_same_moment_agree_on_the_key(tmp_path: Path) -> None:
    """Whoever is first, everybody signs with the same key."""
    settings = Settings(data=str(tmp_path / "data"))
    with ThreadPoolExecutor(4) as pool:
        for prepared in [pool.submit(startup.prepare, settings) for _ in range(4)]:
            prepared.result()
    opened = [startup.open_registry(settings) for _ in range(3)]
    assert len({registry.master_key for registry in opened}) == 1
    for registry in opened:
        registry.close()


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"half")], ids=["gone", "cut"])
def test_a_lost_master_key_is_told_and_not_replaced(tmp_path: Path, damage: object) -> None:
    """A new key would lock everybody out without a word."""
    settings = Settings(data=str(tmp_path / "data"))
    startup.prepare(settings)
    path = tmp_path / "data" / "master.key"
    damage(path)  # type: ignore[operator]
    left = path.read_bytes() if path.exists() else None
    with pytest.raises(startup.CannotStart, match="restore it from a backup"):
        startup.prepare(settings)
    assert (path.read_bytes() if path.exists() else None) == left
