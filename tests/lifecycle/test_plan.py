"""A plan's figures."""

from careen.lifecycle.plan import Action, Tally
from tests.lifecycle.build import image, plan, rule


def test_tallies_count_images_and_bytes_of_each_action() -> None:
    """Every action has its number of images and the sum of their sizes, none included."""
    images = [
        image("a", 50, size=1),
        image("b", 40, size=20),
        image("sig", 1, size=300, subject="a"),
        image("c", 1, size=4000),
        image("index", 1, size=50_000, lists="b"),
    ]
    assert plan([rule(pushed=30)], images).tallies == {
        Action.EXPIRE: Tally(1, 1),
        Action.TRANSITION: Tally(0, 0),
        Action.CASCADE: Tally(1, 300),
        Action.BLOCKED: Tally(1, 20),
        Action.UNTAG: Tally(0, 0),
        Action.PROTECTED: Tally(0, 0),
        Action.KEEP: Tally(2, 54_000),
    }
