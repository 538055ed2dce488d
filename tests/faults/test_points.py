"""The fault points: all of them are somewhere, each says what holds there, and nothing in Careen can arm them."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from careen import faults
from careen.faults import Point
from tests.waiting import PATIENCE

SOURCE = Path(faults.__file__).parent


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of Careen but the one that has the points."""
    for path in SOURCE.rglob("*.py"):
        if path != Path(faults.__file__):
            yield path, ast.parse(path.read_text())


def test_every_point_is_reached_somewhere() -> None:
    """``reach(Point.NAME)``, and no name that is not in the table."""
    reached = {
        node.args[0].attr
        for _, module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "reach"
        and isinstance(node.args[0], ast.Attribute)
    }
    assert reached == set(Point.__members__)


def test_an_unknown_name_is_an_error() -> None:
    """Whoever arms a point that is not there hears of it."""
    with pytest.raises(ValueError, match="no such point"):
        Point("no such point")


def test_nothing_in_careen_can_arm_them() -> None:
    """Every module takes ``reach`` and the names from the module, and nothing else; none imports by a name it is given.

    One touches the table of modules, for the entry of a library.
    """
    for path, module in modules():
        allowed = {
            id(node.value)
            for node in ast.walk(module)
            if isinstance(node, ast.Subscript) and ast.unparse(node) == "sys.modules['rich']"
        }
        for node in ast.walk(module):
            if isinstance(node, ast.ImportFrom) and node.module == "careen.faults":
                assert {alias.name for alias in node.names} <= {"Point", "reach"}, path
            elif isinstance(node, ast.ImportFrom) and node.module == "careen":
                assert "faults" not in {alias.name for alias in node.names}, path
            elif isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
                assert not names & {"careen.faults", "importlib", "runpy"}, path
            elif isinstance(node, ast.Attribute):
                assert ast.unparse(node) not in {"careen.faults", "sys.modules"} or id(node) in allowed, path
            elif isinstance(node, ast.Name):
                assert node.id not in {"__import__", "exec", "eval"}, path


def test_they_are_not_armed_whatever_is_imported() -> None:
    """A process with all of Careen in it, started as anybody starts it, does nothing at a point."""
    program = (
        "import pkgutil, careen\n"
        "for found in pkgutil.walk_packages(careen.__path__, 'careen.'):\n"
        "    if 'migrations' not in found.name and not found.name.endswith('__main__'):\n"
        "        __import__(found.name)\n"
        "from careen import faults\n"
        "assert faults._at is None\n"
        "faults.reach(faults.Point.COMMITTED)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=PATIENCE)


def test_an_armed_process_is_told_of_every_point() -> None:
    """Until it is disarmed."""
    told: list[Point] = []
    faults.arm(told.append)
    faults.reach(Point.COMMITTING)
    faults.reach(Point.COMMITTED)
    faults.arm(None)
    faults.reach(Point.COMMITTED)
    assert told == [Point.COMMITTING, Point.COMMITTED]
