"""Whether this node is on its way out: its parent says so once, and all of its processes see it at once."""

import mmap


class Draining:
    """False until :meth:`begin`, in every process that was forked from the one that made it, also in later ones."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)  # shared with children: a flag that is only ever set needs no lock

    def begin(self) -> None:
        """Say that the node is about to stop."""
        self._page[0] = 1

    def __bool__(self) -> bool:
        return self._page[0] == 1
