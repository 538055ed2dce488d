"""Forecasts of a registry come true, to the byte; and asking changes nothing."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from careen.clock import DAY
from careen.ecr.errors import EcrError
from careen.lifecycle import policy as policies
from careen.lifecycle.explain import explain
from careen.registry import forecasts, gc, images, inventory, lifecycle, repositories, rules
from careen.registry.registry import Registry, Transaction
from tests.images import image, index
from tests.registry.steps import Hands, push, put

APP = "team/app"


def policy(*selections: dict[str, Any]) -> str:
    """Rules that expire what is selected, in this order."""
    made = [
        {"rulePriority": number, "selection": selection, "action": {"type": "expire"}}
        for number, selection in enumerate(selections, start=1)
    ]
    return json.dumps({"rules": made}).ljust(100)


KEEP_TWO = {
    "tagStatus": "tagged",
    "tagPatternList": ["v*"],
    "countType": "imageCountMoreThan",
    "countNumber": 2,
}
AN_AGE = {"tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 5}


@pytest.fixture
def app(registry: Registry, clock: Hands) -> str:
    """A repository with shared layers, an index, untagged images, and a copy of one image elsewhere."""
    for number in range(5):
        push(registry, APP, image("base", f"own {number}", size=40_000), f"v{number}")
        clock.forward()
    children = [image("base", f"arch {number}", size=30_000) for number in range(2)]
    for child in children:
        push(registry, APP, child)
    put(registry, APP, index(*children), "multi")
    push(registry, APP, image("loose", size=20_000))
    push(registry, "team/other", image("base", "own 1", size=40_000), "copy")
    registry.write_now(lifecycle.put_policy, APP, policy(KEEP_TWO, AN_AGE))
    return APP


def test_what_is_foretold_comes_true(registry: Registry, clock: Hands, app: str) -> None:
    """Day after day a run deletes as many images as the forecast said, and the collector frees exactly its bytes."""
    repository = registry.read(repositories.require, app)
    foretold, streams = registry.read(partial(forecasts.look_ahead, replay=False), app, None, 8)
    assert (foretold.exact, streams) == (True, None)
    begun = clock.now
    done = []
    for day in foretold.days:
        clock.now = begun + day.day * DAY
        ran = lifecycle.run(registry, repository.id)
        assert ran is not None
        done.append((ran.expired, gc.collect(registry, grace=0).freed))
    assert done == [(day.expired, day.freed) for day in foretold.days]
    assert [day.day for day in foretold.days if day.freed] == [0, 5, 6]
    assert len(registry.read(inventory.load, repository.id)) == foretold.days[-1].stored.images


def test_with_pushes_replayed(registry: Registry, app: str) -> None:
    """The repository's own rate brings new images, whose layers are theirs but for those that several share."""
    foretold, streams = registry.read(partial(forecasts.look_ahead, replay=True), app, None, 10)
    assert streams is not None
    assert {name: round(stream.per_day, 1) for stream in streams for name in stream.families} == {"v*": 0.8}
    assert sum(day.arrived for day in foretold.days) >= 8
    [v_lost] = [day for day in foretold.days if day.day == 3]
    assert 0 < v_lost.freed < 2 * 80_000


def test_nothing_to_foretell(registry: Registry) -> None:
    """Where no rule holds there is no forecast."""
    registry.write_now(repositories.create, APP)
    with pytest.raises(EcrError, match="Lifecycle policy does not exist"):
        registry.read(partial(forecasts.look_ahead, replay=False), APP, None, 8)


def test_too_many_pushes(registry: Registry) -> None:
    """A rate that no repository could take is refused as a parameter."""
    for number in range(3):
        push(registry, APP, image(str(number)), f"v{number}")
    found, _ = registry.read(partial(forecasts.look_ahead, replay=True), APP, policy(AN_AGE), 3)
    assert sum(day.arrived for day in found.days) == 6
    with pytest.raises(EcrError, match="images would be pushed"):
        registry.read(partial(forecasts.look_ahead, replay=True), APP, policy(AN_AGE), 100_000)


def _explain(tx: Transaction) -> object:
    plan = lifecycle.simulate(tx, APP)
    return explain(plan, [decision.image.digest for decision in plan.decisions])


QUESTIONS: dict[str, Callable[[Transaction], object]] = {
    "simulate": lambda tx: lifecycle.simulate(tx, APP, policy(AN_AGE)),
    "explain": _explain,
    "diff": lambda tx: lifecycle.compare(tx, APP, policy(AN_AGE)),
    "forecast": lambda tx: forecasts.look_ahead(tx, APP, policy(AN_AGE), 30, replay=True),
    "effective": lambda tx: rules.effective(tx, APP),
    "due": lifecycle.due,
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_asking_leaves_no_trace(
    registry: Registry, app: str, question: Callable[[Transaction], object]
) -> None:
    """The database's files are the same bytes before and after, and the transaction could not have written."""
    assert app == APP
    before = _stored(registry)
    assert registry.read(question) is not None
    assert _stored(registry) == before


def test_a_question_cannot_write(registry: Registry, app: str) -> None:
    """What only reads has a transaction in which writing fails."""
    with pytest.raises(
        (sqlite3.OperationalError, psycopg.errors.ReadOnlySqlTransaction), match=r"read-?only"
    ):
        registry.read(lifecycle.put_policy, app, policy(AN_AGE))
    assert policies.parse(registry.read(lifecycle.get_policy, app)[0]).rules[0].rule_priority == 1
    assert registry.read(images.find, registry.read(repositories.require, app), tag="v4") is not None


def _stored(registry: Registry) -> dict[str, str]:
    """Every file of the data folder by its hash; not the index of the write-ahead log, in which readers note where they are."""
    folder = registry.scratch_folder
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("-shm")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
