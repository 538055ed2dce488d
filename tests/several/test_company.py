"""What a node knows of the others, and of its own clock."""

import dataclasses
import json
import re
from collections.abc import Callable

import pytest

from careen.cli import nodes as command
from careen.clock import HOUR, SECOND, Cautious, Clock, system_now
from careen.db import nodes as rows
from careen.db.nodes import SEEN
from careen.registry import nodes
from careen.registry.nodes import ClockAstray, Company
from careen.registry.registry import Registry
from tests.postgres import needs_postgres
from tests.several.conftest import MakeSettings

pytestmark = needs_postgres


def ahead(seconds: float) -> Clock:
    """A clock that is wrong."""
    return lambda: system_now() + round(seconds * SECOND)


def age(registry: Registry, node: str, by: int) -> None:
    """Let a node not have been seen for so long."""
    statement = "UPDATE nodes SET seen_at = seen_at - :by WHERE name = :node"
    registry.write_now(lambda tx: tx.rows.execute(statement, {"by": by, "node": node}))


def names(registry: Registry) -> list[str]:
    """Who is there, the oldest first."""
    return [node.name for node in registry.read(nodes.every)]


def test_nodes_know_each_other(opened: Callable[..., Registry]) -> None:
    """The oldest is the first, until it stops or is not seen any more."""
    registries = [opened(name, workers=count) for name, count in (("one", 2), ("two", 1), ("three", 4))]
    one, two, three = (Company(registry) for registry in registries)
    assert not one.is_first  # nobody knows of it yet
    for company in (one, two, three, one):
        company.note()
    assert [company.is_first for company in (one, two, three)] == [True, False, False]
    assert names(registries[2]) == ["one", "two", "three"]
    two.look()
    assert two.processes == one.processes == 7
    age(registries[0], "one", SEEN)
    two.note()
    assert (two.is_first, two.processes) == (True, 5)
    two.leave()
    three.note()
    assert (three.is_first, three.processes) == (True, 4)
    one.note()  # it was away for a while, and others were first meanwhile
    three.note()
    assert (one.is_first, three.is_first) == (False, True)


def test_a_registry_in_a_data_folder_is_one_node(registry: Registry) -> None:
    """It notes nothing, and does what one node at a time does."""
    if registry.database.is_shared:
        pytest.skip("in a server's database")
    version = registry.database.version()
    company = Company(registry, ahead(3600))
    company.note()
    company.look()
    assert (company.is_first, company.processes, company.clock_offset) == (True, 1, 0)
    assert (names(registry), registry.database.version()) == ([], version)


@pytest.mark.parametrize(
    ("seconds", "is_told", "is_astray"),
    [(0, False, False), (-20, True, False), (20, True, False), (90, True, True), (-90, True, True)],
)
def test_a_wrong_clock(
    opened: Callable[..., Registry],
    capsys: pytest.CaptureFixture[str],
    seconds: int,
    is_told: bool,
    is_astray: bool,
) -> None:
    """A few seconds are told, once; by more than a minute nothing is judged any more."""
    company = Company(opened("one"), ahead(seconds))
    began = system_now()
    company.note()
    company.look()
    took = system_now() - began  # the database's clock is known as exactly as it answers quickly
    assert capsys.readouterr().out.count("is not the database's") == is_told
    assert company.is_clock_astray == is_astray
    assert company.clock_offset is not None
    assert abs(company.clock_offset - seconds * SECOND) < SECOND + took
    if is_astray:
        off = f"the clock is {company.clock_offset / SECOND:+.0f} s off"
        with pytest.raises(ClockAstray, match=re.escape(off)):
            company.check_clock()
    else:
        company.check_clock()
    assert company.is_first != is_astray
    assert names(opened("two")) == ["one"]  # who is there is judged by the database's clock


def test_a_clock_that_is_set_right(
    opened: Callable[..., Registry], capsys: pytest.CaptureFixture[str]
) -> None:
    """That is told, too."""
    seconds = [90.0, 90.0, 0.0, 0.0]
    company = Company(opened("one"), lambda: system_now() + round(seconds[0] * SECOND))
    company.look()
    assert company.is_clock_astray
    del seconds[:2]
    company.look()
    company.look()
    assert not company.is_clock_astray
    assert capsys.readouterr().out.count("is right again") == 1


def test_a_clock_that_nobody_could_measure(
    opened: Callable[..., Registry], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """May be wrong: nothing is judged by it, and the others do not see the node before it knows."""
    company = Company(opened("one"))
    assert company.is_clock_astray
    monkeypatch.setattr(nodes, "SLOW", -1)
    company.note()
    company.look()
    assert capsys.readouterr().out.count("too slow to say what time it is") == 2
    assert (company.is_clock_astray, company.is_first, names(opened("two"))) == (True, False, [])
    with pytest.raises(ClockAstray, match="not measured yet"):
        company.check_clock()
    monkeypatch.undo()
    company.note()
    company.check_clock()
    assert (company.is_clock_astray, company.is_first, names(opened("two"))) == (False, True, ["one"])
    monkeypatch.setattr(nodes, "SLOW", -1)
    company.note()  # what it was is what is known
    assert not company.is_clock_astray


def test_a_cautious_clock_that_is_set_right_is_believed_at_once(opened: Callable[..., Registry]) -> None:
    """The database's clock confirms it. A whole day of judging by the wrong one would break the leases of others."""
    seconds = [-3 * 3600.0]

    def system() -> int:
        return system_now() + round(seconds[0] * SECOND)

    judging = Cautious(system)
    company = Company(dataclasses.replace(opened("one"), clock=judging), system)
    company.note()
    assert company.is_clock_astray
    seconds[0] = 20.0  # not yet right enough to be believed
    company.note()
    assert (company.is_clock_astray, judging.leap > 0) == (True, True)
    seconds[0] = 0.0
    company.note()
    assert (company.is_clock_astray, judging.leap) == (False, 0)
    assert_present(judging)


def assert_present(clock: Clock) -> None:
    """A clock tells the present, however long we take to look."""
    before = system_now()
    assert before - SECOND < clock() < system_now() + SECOND


def test_a_server_that_leaps_along_confirms_nothing(
    opened: Callable[..., Registry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on our machine, say. Work goes on by the time before the leap."""
    leap = [0]
    present = rows.present
    monkeypatch.setattr(rows, "present", lambda on, ours: present(on, ours) + leap[0])
    judging = Cautious(lambda: system_now() + leap[0])
    company = Company(dataclasses.replace(opened("one"), clock=judging), lambda: system_now() + leap[0])
    company.note()
    leap[0] = HOUR
    company.note()
    assert_present(judging)
    assert not company.is_clock_astray


def test_nodes_are_listed(
    settings_of: MakeSettings,
    opened: Callable[..., Registry],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``careen nodes``, for people and as JSON."""
    registry = opened("one", workers=3)
    began = system_now()
    Company(registry, ahead(20)).note()
    took = system_now() - began
    settings = settings_of("one")
    monkeypatch.setenv("CAREEN_DATABASE", settings.database)
    command.nodes(data=settings.data)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith(f"one  {registry.node.id}  Careen ")
    assert "3 HTTP" in line
    command.nodes(data=settings.data, json=True)
    [listed] = json.loads(capsys.readouterr().out)
    assert (listed["name"], listed["processes"]) == ("one", 3)
    assert listed["clockOffsetSeconds"] == pytest.approx(20, abs=1 + took / SECOND)
    assert f"CLOCK {listed['clockOffsetSeconds']:+.1f} s" in line
