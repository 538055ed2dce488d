"""The nodes of a registry: who is there, how many processes they have together, and whose clock is wrong.

Nobody leads. A node keeps a row of its own young and reads those of the others; all are judged by the clock of the database's
server, so that a node with a wrong clock is neither thought dead nor takes others for dead (docs/adr/0033). Where the rows are in a
data folder there is one node, and nothing is written down.
"""

from importlib.metadata import version

import structlog

from careen.clock import SECOND, Cautious, Clock, Instant, system_now
from careen.db import nodes, schema
from careen.db.nodes import NodeRow as NodeRow
from careen.registry.registry import Node, Registry, Transaction

NOTE_SECONDS = 10.0
"""How often a node says that it is there, and looks around."""

SLOW = SECOND
"""What a question to the database may take for its answer to say what time it is there."""

ASKED = 3
"""How often in a row it is asked before that is put off: the first time connects, and the machine may be busy with our start."""

SUSPECT = 2 * SECOND
"""From so far on somebody is told that a node's clock is wrong."""

ASTRAY = 60 * SECOND
"""From so far on a node judges neither leases nor ages."""

log = structlog.get_logger()


class ClockAstray(Exception):
    """This node's clock is wrong by more than :data:`ASTRAY`, or not measured yet. The message says so, and how far."""


class Company:
    """What a process knows of the nodes, its own among them, as it saw them last.

    Args:
        registry: the registry.
        system: the clock of this node. Where the registry's is a cautious reading of it, that believes at once what the database's
            clock confirms.
    """

    def __init__(self, registry: Registry, system: Clock = system_now) -> None:
        self._registry = registry
        self._system = system
        self._is_shared = registry.database.is_shared
        self._told = False
        self.processes = registry.node.processes
        """Of all nodes together, those that answer requests."""
        self.is_first = not self._is_shared
        """Whether no node whose clock is right is older than ours: what one node at a time does is that one's. Known once ours was
        noted."""
        self.clock_offset: Instant | None = None if self._is_shared else 0
        """How far our clock is ahead of the database's; None: nobody knows yet."""
        self._theirs: Instant = 0
        self._steady: Cautious | None = None
        """The database's clock, but for its own leaps: a server on our machine leaps along with us, and confirms nothing."""
        self._judging_offset: Instant = 0
        """How far the registry's clock is ahead of that, which may not have followed ours yet."""

    def look(self) -> None:
        """Look who is there, and at the clocks."""
        if self._is_shared:
            self._measure()
            self._learn(self._registry.read(every))

    def note(self) -> None:
        """Say that our node is there, and look. One that does not know how wrong its clock is only looks: it does nothing yet."""
        if self._is_shared:
            self._measure()
            if self.clock_offset is None:
                self._learn(self._registry.read(every))
            else:
                self._learn(self._registry.write_now(note, self._registry.node, self.clock_offset))

    def leave(self) -> None:
        """Our node stops: the others need not wait until it was not seen for long."""
        if self._is_shared:
            self._registry.write_now(forget, self._registry.node)

    @property
    def is_clock_astray(self) -> bool:
        """Whether our clock, or the one that judges in its place, may be so wrong that nothing may be judged."""
        return self.clock_offset is None or max(abs(self.clock_offset), abs(self._judging_offset)) > ASTRAY

    def check_clock(self) -> None:
        """See that it is not.

        Raises:
            ClockAstray: it is.
        """
        if self.clock_offset is None:
            raise ClockAstray("the clock is not measured yet against the database's")
        if self.is_clock_astray:
            raise ClockAstray(f"the clock is {self.clock_offset / SECOND:+.0f} s off the database's")

    def _learn(self, found: list[NodeRow]) -> None:
        node = self._registry.node
        others = sum(each.processes for each in found if each.id != node.id)
        self.processes = others + node.processes
        first = next((each.id for each in found if abs(each.clock_offset) <= ASTRAY), None)
        self.is_first = first == node.id

    def _measure(self) -> None:
        for _ in range(ASKED):
            before = self._system()
            theirs = nodes.present(self._registry.single_read().rows, before)
            after = self._system()
            if after - before <= SLOW:
                break
        else:
            if self.clock_offset is None:
                log.warning(
                    "the database is too slow to say what time it is there; trying again",
                    seconds=NOTE_SECONDS,
                )
            return
        self.clock_offset = (before + after) // 2 - theirs
        self._judge(theirs, after)
        is_wrong = abs(self.clock_offset) > SUSPECT
        if is_wrong and not self._told:
            log.warning(
                "the clock of this node is not the database's: leases and ages are judged by it, so set it right",
                seconds_ahead=round(self.clock_offset / SECOND, 1),
                works=not self.is_clock_astray,
            )
        elif self._told and not is_wrong:
            log.warning("the clock of this node is right again")
        self._told = is_wrong

    def _judge(self, theirs: Instant, ours: Instant) -> None:
        """Let the registry's clock believe ours where the database's says the same, and see how far it is off."""
        judging = self._registry.clock
        if not isinstance(judging, Cautious):
            return
        self._theirs = theirs
        self._steady = self._steady or Cautious(lambda: self._theirs)
        steady = self._steady()
        if abs(ours - steady) <= SUSPECT:
            judging.believe(ours)
        self._judging_offset = judging() - steady


def note(tx: Transaction, node: Node, clock_offset: Instant) -> list[NodeRow]:
    """A node is there. Returns who is, the oldest first; forgets who is not."""
    present = nodes.present(tx.rows, system_now())
    row = NodeRow(
        node.id, node.name, version("careen"), schema.head(), node.processes, present, present, clock_offset
    )
    nodes.note(tx.rows, row)
    nodes.prune(tx.rows, present)
    return nodes.every(tx.rows, present)


def forget(tx: Transaction, node: Node) -> None:
    """A node stops."""
    nodes.forget(tx.rows, node.id)


def every(tx: Transaction) -> list[NodeRow]:
    """The nodes that are there, the oldest first."""
    return nodes.every(tx.rows, nodes.present(tx.rows, system_now()))
