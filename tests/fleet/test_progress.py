"""How far a command is, and how that is said."""

import io

import pytest

from careen.cli.fleet.shown import shown, state
from careen.fleet.progress import Progress, Standing

SAID: dict[str, tuple[Standing, str]] = {
    "nothing yet": (Standing("images", 0, None, 0.0), "0"),
    "of so many": (Standing("images", 250, 1000, 5.0), "250 of 1,000, 50.0 in a second, 15 s left"),
    "without an end": (Standing("images", 250, None, 5.0, "3 refused"), "250, 50.0 in a second; 3 refused"),
    "for long": (Standing("images", 1, 3601, 1.0), "1 of 3,601, 1.0 in a second, 1 h 0 min left"),
    "for a while": (Standing("images", 10, 100, 10.0), "10 of 100, 1.0 in a second, 1 min 30 s left"),
    "done": (Standing("images", 10, 10, 10.0), "10 of 10, 1.0 in a second"),
}


@pytest.mark.parametrize("case", SAID)
def test_in_words(case: str) -> None:
    """Rate and time to come, as far as they are known."""
    standing, words = SAID[case]
    assert state(standing) == words


def test_counting() -> None:
    """Begins anew with every task; a note stays until there is another."""
    time = 100.0
    heard: list[Standing] = []
    progress = Progress(heard.append, lambda: time)
    progress.begin("registries", 2)
    time = 110.0
    progress.begin("repositories", 10)
    time = 112.0
    progress.step(2, "5 images")
    progress.step()
    assert heard[-1] == Standing("repositories", 3, 10, 2.0, "5 images")
    assert heard[-1].left == pytest.approx(14 / 3)


def test_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last step have a line, and nothing else that comes within ten seconds."""
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    with shown() as progress:
        progress.begin("images", 3)
        for _ in range(3):
            progress.step()
    assert [line.split(",")[0] for line in written.getvalue().splitlines()] == [
        "images: 0 of 3",
        "images: 3 of 3",
    ]


def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a bar, which goes when all is done."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    written = Terminal()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setenv("TERM", "xterm")
    with shown() as progress:
        progress.begin("images", 2)
        progress.step(2, "all of them")
    assert "images" in written.getvalue()
    assert "all of them" in written.getvalue()
