"""Plans: what is wished for whom, what comes of it, and the file."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careen.fleet import inventory, plan, planning, wishes
from careen.fleet.errors import BadInput
from careen.fleet.plan import Change, Plan, Unchanged, Why
from careen.fleet.scanned import Scanned
from careen.fleet.selection import Selection, parse
from careen.fleet.wishes import Mode, Wish
from careen.lifecycle import policy as policies
from careen.lifecycle.cost import monthly_dollars
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.rule import ActionType
from tests.fleet.samples import ACCOUNT, NOW, digest, fleets, header
from tests.fleet.small import MIB, UNTAGGED, fleet, image, index, policy, repository, rule, used, written


def planned(
    tmp_path: Path, *wanted: Wish, found: list[Scanned] | None = None
) -> dict[str, Change | Unchanged]:
    """What comes of wishes, by repository."""
    made = planning.plan(written(tmp_path / "inventory", found), wanted)
    decided: list[Change | Unchanged] = [*made.changes, *made.unchanged]
    return {each.name: each for each in decided}


def change(of: Change | Unchanged) -> Change:
    """It is one."""
    assert isinstance(of, Change), of
    return of


def test_what_goes_now_and_in_a_month(tmp_path: Path) -> None:
    """Images, bytes that nothing needs any more, dollars; beside what the policy of today takes."""
    made = change(planned(tmp_path, Wish("w", UNTAGGED))["team-a/web"])
    assert made.images == 4
    assert made.bytes == 140 * MIB  # the base is there once
    assert (made.now.expired, made.now.freed) == (1, 10 * MIB)
    assert (made.month.expired, made.month.freed) == (2, 20 * MIB)  # the one of yesterday, too
    assert (made.was_month.expired, made.was_month.freed) == (2, 20 * MIB)
    assert made.now.dollars == pytest.approx(10 / 1024 * 0.10)
    assert [(each.digest, each.effect, each.rule_priority) for each in made.going] == [
        (digest(103), ActionType.EXPIRE, 1)
    ]
    assert made.saved == 1  # v1, which the policy of today takes
    assert made.share == 0.25
    assert made.is_exact


def test_layers_that_were_not_read(tmp_path: Path) -> None:
    """Make bytes an upper bound, which says so."""
    made = change(planned(tmp_path, Wish("w", UNTAGGED))["team-b/job"])
    assert (made.is_exact, made.bytes) == (False, 220 * MIB)


def test_images_in_use(tmp_path: Path) -> None:
    """Are named with who runs them, when they would go, why, and whether that is new."""
    wish = Wish("w", policy(rule(1, pattern="v*", pushed=25)))
    made = change(planned(tmp_path, wish)["team-a/web"])
    assert [(each.tags, each.consumers, each.day, each.is_new) for each in made.in_use] == [
        (("v1",), ("ecs/prod/team-a/web",), 0, False),
        (("v2",), ("ecs/prod/team-a/web",), 6, False),
    ]
    assert made.in_use[0].reason == "expires: rule 1 (tagged v*), pushed 40.0 days ago, limit 25 days"
    stricter = change(planned(tmp_path, Wish("w", policy(rule(1, count=1))))["team-a/web"])
    assert [(each.tags, each.is_new) for each in stricter.in_use] == [(("v1",), False), (("v2",), False)]


def test_a_use_that_is_new(tmp_path: Path) -> None:
    """What only the new policy takes is told from what goes anyway."""
    found = [Scanned(repository("a"), [image(1, 30, "v1")], [used("a", 1)])]
    made = change(planned(tmp_path, Wish("w", policy(rule(1, pushed=7))), found=found)["a"])
    assert [each.is_new for each in made.in_use] == [True]


def test_more_than_should_go_unseen(tmp_path: Path) -> None:
    """Is a breach of what lifecycle/blast allows, and the linter speaks of the policy with these images."""
    found = [Scanned(repository("a"), [image(number, 30, f"v{number}") for number in range(40)])]
    made = change(planned(tmp_path, Wish("w", policy(rule(1, count=1))), found=found)["a"])
    assert [each.code for each in made.breaches] == ["SHARE"]
    assert made.share == pytest.approx(39 / 40)
    assert "takes-most" in {each.code for each in made.findings}


MODES: dict[str, tuple[Mode, dict[str, Why | None]]] = {
    "replace": (
        Mode.REPLACE,
        {"team-a/web": None, "team-a/api": None, "team-b/job": None, "locked": Why.POLICY_UNKNOWN},
    ),
    "merge": (
        Mode.MERGE,
        {"team-a/web": None, "team-a/api": None, "team-b/job": None, "locked": Why.POLICY_UNKNOWN},
    ),
    "only if missing": (
        Mode.ONLY_IF_MISSING,
        {
            "team-a/web": Why.HAS_POLICY,
            "team-a/api": None,
            "team-b/job": Why.HAS_POLICY,
            "locked": Why.POLICY_UNKNOWN,
        },
    ),
}


@pytest.mark.parametrize("name", MODES)
def test_modes(name: str, tmp_path: Path) -> None:
    """A policy that is there goes, gets the wish's rules, or stays; one that nobody could read is left alone."""
    mode, expected = MODES[name]
    found = planned(tmp_path, Wish("w", UNTAGGED, mode))
    assert {
        name: each.why if isinstance(each, Unchanged) else None for name, each in found.items()
    } == expected
    becomes = {
        name: len(policies.parse(each.becomes).rules)
        for name, each in found.items()
        if isinstance(each, Change)
    }
    assert becomes.get("team-a/web") == {Mode.REPLACE: 1, Mode.MERGE: 2}.get(mode)


def test_what_has_it_already(tmp_path: Path) -> None:
    """Is no change, however the text is written."""
    spaced = json.dumps(json.loads(UNTAGGED), indent=4)
    found = [Scanned(repository("a", policy=spaced), [image(1, 30)])]
    for mode in Mode:
        made = planned(tmp_path, Wish("w", UNTAGGED, mode), found=found)["a"]
        assert isinstance(made, Unchanged)
        assert made.why is (Why.HAS_POLICY if mode is Mode.ONLY_IF_MISSING else Why.AS_WISHED)


def test_images_that_could_not_be_listed(tmp_path: Path) -> None:
    """Leave a repository alone: nobody knows what would go."""
    made = planned(tmp_path, Wish("w", UNTAGGED), found=[Scanned(repository("a"), [], is_whole=False)])["a"]
    assert isinstance(made, Unchanged)
    assert made.why is Why.IMAGES_UNKNOWN
    has_it = Scanned(repository("a", policy=UNTAGGED), [], is_whole=False)
    kept = planned(tmp_path, Wish("w", UNTAGGED), found=[has_it])["a"]
    assert isinstance(kept, Unchanged)
    assert kept.why is Why.AS_WISHED  # which takes no look at images


def test_policies_that_cannot_be_merged(tmp_path: Path) -> None:
    """Are left alone, with ECR's reason; to replace one is possible."""
    many = policy(*(rule(number, pattern=f"a{number}*", count=1) for number in range(1, 51)))
    found = [
        Scanned(repository("many", policy=many), [image(1, 30)]),
        Scanned(repository("odd", policy='{"rules": "odd"}'), [image(2, 30)]),
    ]
    merged = planned(tmp_path, Wish("w", UNTAGGED, Mode.MERGE), found=found)
    assert [each.why for each in merged.values() if isinstance(each, Unchanged)] == [Why.CANNOT_MERGE] * 2
    assert "at most 50 rules" in merged["many"].detail  # type: ignore[union-attr]
    assert all(
        isinstance(each, Change) for each in planned(tmp_path, Wish("w", UNTAGGED), found=found).values()
    )


def test_the_first_wish_that_selects_a_repository_is_its(tmp_path: Path) -> None:
    """Repositories that no wish is for are counted, and stay out."""
    strict = Wish("strict", policy(rule(1, pushed=7)), selection=parse(tags=["owner=a"]))
    loose = Wish("loose", UNTAGGED, selection=parse(repositories=["team-*"]))
    unwished = Scanned(repository("other", tags={}), [image(401, 5, "x")])
    made = planning.plan(written(tmp_path / "inventory", [*fleet()[:3], unwished]), [strict, loose])
    assert {each.name: each.wish for each in made.changes} == {
        "team-a/web": 0,
        "team-a/api": 0,
        "team-b/job": 1,
    }
    assert made.unwished == 1


def test_tags_that_could_not_be_read(tmp_path: Path) -> None:
    """Select nothing, also where a selector only leaves out: it may be the very repository that is to be left out.

    Nor does the next wish get what the one before it may be for.
    """
    spared = Wish("w", UNTAGGED, selection=parse(tags=["!owner=b"]))
    everywhere = Wish("baseline", policy(rule(1, count=1)))
    for found in (planned(tmp_path, spared), planned(tmp_path, spared, everywhere)):
        locked = found["locked"]
        assert isinstance(locked, Unchanged)
        assert (locked.wish, locked.why) == (0, Why.TAGS_UNKNOWN)
        assert {"team-a/web", "team-a/api"} <= set(found)


def test_an_index_holds_what_it_lists(tmp_path: Path) -> None:
    """Untagged images of an index that stays are not planned to go, as ECR does not take them."""
    made = change(planned(tmp_path, Wish("w", UNTAGGED))["team-a/api"])
    assert [each.digest for each in made.going] == [digest(203)]


@given(
    fleets(), st.sampled_from([UNTAGGED, policy(rule(1, count=1)), policy(rule(1, pattern="v*", pushed=3))])
)
def test_sums(tmp_path_factory: pytest.TempPathFactory, found: list[Scanned], text: str) -> None:
    """What a plan says goes now is what one evaluation takes; a month takes no less; dollars are of the bytes."""
    file = tmp_path_factory.getbasetemp() / "sums"
    inventory.write(file, header(), found)
    made = planning.plan(inventory.read(file), [Wish("w", text)])
    worlds = {each.repository.arn: each.as_rules_see() for each in found}
    assert len(made.changes) + len(made.unchanged) == len(found)
    for each in made.changes:
        alone = evaluate(policies.parse(text), worlds[each.arn], NOW)
        assert [going.digest for going in each.going] == [one.image.digest for one in alone.acted_on]
        assert each.now.expired == sum(one.effect is ActionType.EXPIRE for one in alone.acted_on)
        assert each.now.expired <= each.month.expired <= each.images
        assert each.now.freed <= each.month.freed <= each.bytes
        assert each.month.dollars == pytest.approx(monthly_dollars(each.month.freed))


@settings(max_examples=30)
@given(fleets())
def test_a_plan_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, found: list[Scanned]
) -> None:
    """And the same inventory and wishes make the same plan."""
    folder = tmp_path_factory.getbasetemp()
    inventory.write(folder / "same", header(), found)
    wish = Wish("w", UNTAGGED, Mode.MERGE, Selection(repositories=("*",)))
    one, two = (planning.plan(inventory.read(folder / "same"), [wish]) for _ in range(2))
    hash_ = plan.write(folder / "plan", one)
    assert plan.read(folder / "plan") == one == two
    assert hash_ == one.hash == two.hash


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A plan's."""
    plan.write(tmp_path / "plan.jsonl.gz", made(tmp_path))
    return tmp_path / "plan.jsonl.gz"


def made(tmp_path: Path) -> Plan:
    """A plan."""
    return planning.plan(written(tmp_path / "inventory"), [Wish("w", UNTAGGED)])


def test_a_plan_that_was_edited(file: Path) -> None:
    """Is none."""
    text = gzip.decompress(file.read_bytes()).replace(b'"countNumber\\":14', b'"countNumber\\":1')
    file.write_bytes(gzip.compress(text))
    with pytest.raises(BadInput, match="is not what was planned"):
        plan.read(file)


NOT_PLANS = {
    "nothing": None,
    "a text": b"a plan",
    "nothing in gzip": gzip.compress(b""),
    "half of one": gzip.compress(b'{"type":"plan"}')[:20],
    "an object": gzip.compress(b"{}\n"),
    "a change": gzip.compress(b'{"type":"unchanged"}\n'),
}


@pytest.mark.parametrize("name", NOT_PLANS)
def test_files_that_are_no_plans(name: str, tmp_path: Path) -> None:
    """Are said to be none, with what makes one."""
    content = NOT_PLANS[name]
    if content is not None:
        (tmp_path / "p").write_bytes(content)
    with pytest.raises(BadInput) as error:
        plan.read(tmp_path / "p")
    assert error.value.hint == "careen fleet plan"


def test_a_plan_of_another_version(file: Path) -> None:
    """Is not guessed at."""
    text = gzip.decompress(file.read_bytes()).replace(b'"version":1', b'"version":2')
    file.write_bytes(gzip.compress(text))
    with pytest.raises(BadInput, match="has version 2, this careen reads 1"):
        plan.read(file)


def test_the_world_a_plan_was_made_from() -> None:
    """Has another name once an image comes, goes or loses a tag, or the policy changes; pulls do not rename it."""
    scanned = fleet()[0]
    images = scanned.as_rules_see()
    before = plan.world(scanned.repository, images)
    assert plan.world(scanned.repository, images[::-1]) == before
    pulled = Scanned(scanned.repository, [image(101, 40, "v1", pulled_at=NOW), *scanned.images[1:]])
    assert plan.world(scanned.repository, pulled.as_rules_see()) == before
    untagged = Scanned(scanned.repository, [image(101, 40), *scanned.images[1:]])
    others = {
        before,
        plan.world(scanned.repository, images[1:]),
        plan.world(scanned.repository, untagged.as_rules_see()),
        plan.world(repository("team-a/web"), images),
    }
    assert len(others) == 4


def test_wishes_in_a_file(tmp_path: Path) -> None:
    """Name policies beside it, and select with the words of the command line."""
    (tmp_path / "a.json").write_text(UNTAGGED)
    (tmp_path / "wishes.toml").write_text(
        '[[wish]]\npolicy = "a.json"\nmode = "merge"\nrepository = ["team-*", "!team-x/*"]\n\n'
        f'[[wish]]\npolicy = "a.json"\naccount = ["{ACCOUNT}"]\ntag = ["owner=a"]\n'
    )
    one, two = wishes.from_file(tmp_path / "wishes.toml")
    assert one == Wish("a.json", UNTAGGED, Mode.MERGE, parse(repositories=["team-*", "!team-x/*"]))
    assert two == Wish("a.json", UNTAGGED, Mode.REPLACE, parse(accounts=[ACCOUNT], tags=["owner=a"]))


WRONG_WISHES = {
    "no wish": ("", "has no wish"),
    "no TOML": ("[[wish", "wishes.toml"),
    "a word that means nothing": ('[[wish]]\npolicy = "a.json"\nmood = "merge"\n', "mood"),
    "no such mode": ('[[wish]]\npolicy = "a.json"\nmode = "mend"\n', "mend"),
    "no such policy": ('[[wish]]\npolicy = "b.json"\n', "b.json cannot be read"),
    "a policy that ECR refuses": ('[[wish]]\npolicy = "bad.json"\n', "bad.json"),
    "a selector that says nothing": ('[[wish]]\npolicy = "a.json"\nrepository = [""]\n', "selects nothing"),
}


@pytest.mark.parametrize("name", WRONG_WISHES)
def test_wishes_that_are_wrong(name: str, tmp_path: Path) -> None:
    """Say what is wrong with them."""
    text, message = WRONG_WISHES[name]
    (tmp_path / "a.json").write_text(UNTAGGED)
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "wishes.toml").write_text(text)
    with pytest.raises(BadInput, match=message):
        wishes.from_file(tmp_path / "wishes.toml")


def test_an_index_without_layers_of_its_own(tmp_path: Path) -> None:
    """Counts what its images need, and nothing besides."""
    found = [Scanned(repository("a"), [index(1, 5, "all", lists=(2,)), image(2, 5)])]
    assert change(planned(tmp_path, Wish("w", UNTAGGED), found=found)["a"]).bytes == 110 * MIB
