"""Reports: costs that add up, what nobody needs, and what the policies of today do."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from careen.fleet import inventory, report, sheets
from careen.fleet.errors import BadInput
from careen.fleet.report import EVERYTHING, Asked, Cost, Report
from careen.fleet.scanned import Blob, Scanned
from careen.fleet.selection import parse
from careen.fleet.waste import Waste, waste
from careen.fleet.wishes import Mode, Wish
from careen.lifecycle.cost import monthly_dollars
from tests.fleet.samples import ACCOUNT, NOW, digest, fleets, header
from tests.fleet.small import (
    MIB,
    OTHER,
    UNTAGGED,
    fleet,
    image,
    index,
    policy,
    repository,
    rule,
    used,
    written,
)


@pytest.fixture
def made(tmp_path: Path) -> Report:
    """Of the small fleet."""
    return report.report(written(tmp_path / "inventory"))


def of(tmp_path: Path, *found: Scanned, asked: Asked = EVERYTHING) -> Report:
    """Of some repositories."""
    return report.report(written(tmp_path / "some", list(found)), asked)


def test_costs(made: Report) -> None:
    """A layer costs once for a repository, however many images have it; where layers were not read images are summed."""
    assert {row.name: row.cost.bytes // MIB for row in made.repositories} == {
        "team-b/job": 220,
        "team-a/web": 140,
        "team-a/api": 130,
        "locked": 110,
    }
    assert [each.cost.is_exact for each in made.accounts] == [False, True]
    assert [(each.name, each.cost.bytes // MIB) for each in made.accounts] == [
        (OTHER, 330),
        (f"prod ({ACCOUNT})", 270),
    ]
    assert made.total.dollars == pytest.approx(600 / 1024 * 0.10)


def test_costs_by_tag(made: Report) -> None:
    """Values of a tag, and what has none or could not be asked."""
    owner, *others = made.tags
    assert (owner.key, others) == ("owner", [])
    assert [(each.name, each.cost.bytes // MIB) for each in owner.groups] == [("a", 270), ("b", 220)]
    assert (owner.without.repositories, owner.without.bytes // MIB) == (1, 110)


def test_a_tag_that_was_asked_for(tmp_path: Path) -> None:
    """Is told of even if nothing has it."""
    [made] = of(tmp_path, *fleet(), asked=Asked(tag_keys=("team",))).tags
    assert (made.key, made.groups, made.without.repositories) == ("team", (), 4)


@settings(max_examples=30)
@given(fleets())
def test_sums(tmp_path_factory: pytest.TempPathFactory, found: list[Scanned]) -> None:
    """An account, a Region, and everybody with or without a tag cost what their repositories do."""
    file = tmp_path_factory.getbasetemp() / "costs"
    inventory.write(file, header(), found)
    made = report.report(inventory.read(file))
    repositories = [row.cost for row in made.repositories]
    for costs in (
        repositories,
        [each.cost for each in made.accounts],
        [each.cost for each in made.regions],
        *([*(group.cost for group in each.groups), each.without] for each in made.tags),
    ):
        assert added(costs) == added([made.total])
    for cost in repositories:
        assert 0 <= cost.untagged_bytes + cost.stale_bytes <= cost.bytes
        assert cost.dollars == pytest.approx(monthly_dollars(cost.bytes))
    assert made.saves.freed == sum(row.saves.freed for row in made.repositories) <= made.total.bytes


def added(costs: list[Cost]) -> tuple[int, ...]:
    """Sums of what can be added exactly."""
    return tuple(
        sum(getattr(each, name) for each in costs)
        for name in (
            "repositories",
            "images",
            "bytes",
            "untagged_images",
            "untagged_bytes",
            "stale_images",
            "stale_bytes",
        )
    )


def test_waste() -> None:
    """An image counts with all that hangs on it; what an index lists is no waste of its own, nor what is in use."""
    images = Scanned(
        repository("a"),
        [
            index(1, 200, "old", lists=(2, 3)),
            image(2, 200),
            image(3, 200),
            image(4, 5),
            image(5, 5, subject=digest(4)),
            image(6, 300, "runs"),
            index(7, 10, lists=(8,)),
            image(8, 10),
            image(9, 200, "pulled", pulled_at=NOW),
        ],
    ).as_rules_see()
    found = waste(images, {digest(6)}, NOW)
    assert found == Waste(
        untagged=frozenset(map(digest, (4, 5, 7, 8))), stale=frozenset(map(digest, (1, 2, 3)))
    )
    assert waste(images, {digest(3), digest(8)}, NOW) == Waste(
        untagged=frozenset(map(digest, (4, 5))), stale=frozenset(map(digest, (6,)))
    )


def test_images_of_two_indexes() -> None:
    """Stay with the one that stays."""
    images = Scanned(
        repository("a"), [index(1, 1, "new", lists=(3,)), index(2, 9, lists=(3,)), image(3, 9)]
    ).as_rules_see()
    assert waste(images, (), NOW) == Waste(frozenset({digest(2)}), frozenset())


def test_images_in_use_that_todays_policies_take(made: Report) -> None:
    """Are named with the day."""
    assert [(row.name, each.tags, each.day) for row, each in made.ending] == [
        ("team-a/web", ("v1",), 0),
        ("team-a/web", ("v2",), 11),
    ]


def test_repositories_without_a_policy(made: Report) -> None:
    """Are told from those of which nobody could read it."""
    assert [row.name for row in made.repositories if row.has_policy is False] == ["team-a/api"]
    assert made.without_policy.repositories == 1
    assert made.policies_unknown == 1
    assert [each.permission for each in made.refusals] == ["ecr:GetLifecyclePolicy"]


def test_findings(tmp_path: Path) -> None:
    """Are counted by repository, the worst first."""
    bad = policy(
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "tagged",
                "tagPrefixList": ["v*"],
                "countType": "imageCountMoreThan",
                "countNumber": 1,
            },
            "action": {"type": "expire"},
        }
    )
    made = of(tmp_path, *(Scanned(repository(name, policy=bad), [image(1, 5, "v1")]) for name in ("a", "b")))
    first = made.findings[0]
    assert (first.code, first.severity, first.repositories) == ("wildcard-in-prefix", "error", 2)
    assert first.example == f"{ACCOUNT}/eu-central-1/a"


def test_savings(tmp_path: Path) -> None:
    """Are what the policy would take beyond those of today, the most first; what is in use among it is counted."""
    made = of(
        tmp_path,
        Scanned(repository("little"), [image(1, 50), image(2, 1, "v1")]),
        Scanned(repository("much"), [image(3, 50, layers=500), image(4, 1, "v1")], [used("much", 3)]),
        Scanned(repository("has it", policy=UNTAGGED), [image(5, 50), image(6, 1, "v1")]),
        asked=Asked(saving=Wish("w", UNTAGGED, Mode.MERGE)),
    )
    assert [
        (row.name, row.saves.expired, row.saves.freed // MIB, row.saves_in_use) for row in made.savings
    ] == [
        ("much", 1, 500, 1),
        ("little", 1, 10, 0),
    ]
    assert (made.saves.expired, made.saves.freed // MIB) == (2, 510)


def test_the_sensible_policy_is_one() -> None:
    """It has what it says of itself, and the linter finds no mistake in it."""
    from careen.lifecycle.lint.finding import Severity
    from careen.lifecycle.lint.linter import lint

    found = lint(report.SAVING.rules, None, NOW)
    assert [each for each in found if each.severity is not Severity.NOTE] == []


def test_layers_in_several_repositories(made: Report) -> None:
    """Are billed once for each; those of repositories whose layers were not read are not known."""
    [base] = made.duplicates
    assert (base.digest, base.size, base.repositories) == (digest(1), 100 * MIB, 3)
    assert base.extra == made.duplicate_bytes == 200 * MIB
    assert len(base.named) == 3
    assert made.duplicate_dollars == pytest.approx(200 / 1024 * 0.10)


def test_a_layer_of_one_repository_is_no_duplicate(tmp_path: Path) -> None:
    """However many of its images have it."""
    assert of(tmp_path, Scanned(repository("a"), [image(1, 1), image(2, 2)])).duplicates == ()


def test_images_that_could_not_be_listed(tmp_path: Path) -> None:
    """Leave a repository in the report with what is known; nothing is judged that needs all."""
    [row] = of(
        tmp_path, Scanned(repository("a", policy=policy(rule(1, count=1))), [image(1, 50)], is_whole=False)
    ).repositories
    assert (row.is_whole, row.cost.images, row.saves.expired, row.ends) == (False, 1, 0, ())


def test_a_selection(tmp_path: Path) -> None:
    """Everything is of what it selects."""
    made = of(tmp_path, *fleet(), asked=Asked(parse(tags=["owner=a"])))
    assert {row.name for row in made.repositories} == {"team-a/web", "team-a/api"}
    assert made.total.repositories == 2


def test_an_empty_fleet(tmp_path: Path) -> None:
    """Is a report of nothing."""
    made = of(tmp_path)
    assert (made.total.bytes, made.repositories, made.savings, made.ending) == (0, (), [], [])


def test_tables(made: Report, tmp_path: Path) -> None:
    """One CSV for each, with the figures of the report."""
    files = sheets.write(tmp_path / "out", made)
    assert {file.stem for file in files} == set(sheets.sheets(made))
    rows = {file.stem: list(csv.DictReader(file.read_text("utf-8").splitlines())) for file in files}
    assert sum(int(each["bytes"]) for each in rows["repositories"]) == made.total.bytes
    assert sum(int(each["bytes"]) for each in rows["accounts"]) == made.total.bytes
    assert [each["policy"] for each in rows["repositories"]] == ["yes", "yes", "none", "unknown"]
    assert [each["day"] for each in rows["in-use"]] == ["0", "11"]
    assert [(each["key"], each["value"]) for each in rows["tags"]] == [
        ("owner", "a"),
        ("owner", "b"),
        ("owner", ""),
    ]
    assert rows["duplicates"][0]["extra_bytes"] == str(200 * MIB)


def test_a_table_in_a_file(made: Report, tmp_path: Path) -> None:
    """Is that of repositories."""
    assert sheets.write(tmp_path / "fleet.csv", made) == (tmp_path / "fleet.csv",)
    assert (tmp_path / "fleet.csv").read_text().splitlines()[0].startswith("account,region,repository,")


def test_formulas_in_tags(tmp_path: Path) -> None:
    """Are text in the table: whoever may tag a repository does not get to run something in a spreadsheet."""
    made = of(tmp_path, Scanned(repository("a", tags={"owner": '=HYPERLINK("http://evil")'}), [image(1, 1)]))
    _, [row] = sheets.sheets(made)["tags"]
    assert "'=HYPERLINK" in sheets.text((("value",), [row]))


def test_a_folder_that_cannot_be_made(made: Report) -> None:
    """Is one line."""
    with pytest.raises(BadInput, match="cannot be written"):
        sheets.write(Path("/dev/null/x"), made)


def test_json(made: Report) -> None:
    """Has everything, times as text."""
    from careen.cli.fleet.report import document

    found = json.loads(json.dumps(document(made)))
    assert found["evaluatedAt"] == "2027-01-15T08:00:00Z"
    assert found["total"]["bytes"] == made.total.bytes
    assert found["repositories"][1]["ends"][0]["consumers"] == ["ecs/prod/team-a/web"]
    assert found["repositories"][1]["lastPulledAt"] == "2027-01-14T08:00:00Z"


def test_a_layer_that_comes_in_two_forms_of_digest(tmp_path: Path) -> None:
    """Digests of other algorithms than SHA-256 are digests, too."""
    blob = Blob("sha512:" + "ab" * 64, MIB)
    made = of(tmp_path, *(Scanned(repository(name), [image(1, 1, blobs=(blob,))]) for name in ("a", "b")))
    assert [each.digest for each in made.duplicates] == [blob.digest]
