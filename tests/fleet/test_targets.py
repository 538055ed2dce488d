"""The ways into accounts: profiles, roles, one role in many accounts; and the Regions of each."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from careen.fleet import targets
from careen.fleet.errors import BadInput, Denied, FleetError, NotReached
from careen.fleet.scanned import Refusal
from careen.fleet.selection import parse
from careen.fleet.targets import Fleet, Listed, Ways
from tests.fleet.amazon import ACCOUNT, REGION, Amazon, repository

OTHER, THIRD = "210987654321", "333333333333"


def found(fleet: Fleet) -> list[tuple[str, str, str | None]]:
    """The targets, plainly."""
    return [(each.account, each.region, each.name) for each in fleet.targets]


def find(ways: Ways = Ways(), **selectors: list[str]) -> Fleet:  # noqa: B008 - it is frozen
    """Enter accounts."""
    return targets.find(ways, parse(**selectors))


@pytest.mark.usefixtures("amazon")
def test_as_configured() -> None:
    """Without any option it is the account and Region of the configuration."""
    fleet = find()
    assert found(fleet) == [(ACCOUNT, REGION, None)]
    assert fleet.connection(fleet.targets[0]).arn.startswith(f"arn:aws:sts::{ACCOUNT}:")


REGIONS: dict[str, tuple[list[str], Callable[[set[str]], bool]]] = {
    "by name": (["us-east-1", "eu-west-1"], lambda those: those == {"us-east-1", "eu-west-1"}),
    "by pattern": (["eu-*"], lambda those: "eu-west-3" in those and all(e.startswith("eu-") for e in those)),
    "all": (["all"], lambda those: len(those) > 20),
    "all but some": (["all", "!eu-*"], lambda those: "us-west-2" in those and "eu-west-1" not in those),
    "one that Amazon has not got": (["local-1"], lambda those: those == {"local-1"}),
    "the configured one, left as it is": (["!us-*"], lambda those: those == {REGION}),
}


@pytest.mark.usefixtures("amazon")
@pytest.mark.parametrize("case", REGIONS)
def test_regions(case: str) -> None:
    """Those that are named, and those of ECR's that match."""
    patterns, is_right = REGIONS[case]
    assert is_right({each.region for each in find(regions=patterns).targets})


def test_one_role_in_many_accounts(amazon: Amazon) -> None:
    """Each account is entered by the role, under the name that the accounts file has; calls are made in the account."""
    ways = Ways(role_name="CareenFleet", accounts=(Listed(OTHER, "prod-a"), Listed(THIRD, "dev")))
    fleet = find(ways, regions=[REGION, "us-east-1"], accounts=["prod-*"])
    assert found(fleet) == [(OTHER, REGION, "prod-a"), (OTHER, "us-east-1", "prod-a")]
    connection = fleet.connection(fleet.targets[0])
    assert connection.principal == f"arn:aws:iam::{OTHER}:role/CareenFleet"
    repository(fleet.client(fleet.targets[0], "ecr"), "theirs")
    assert amazon.boto("ecr").describe_repositories()["repositories"] == []
    [theirs] = fleet.client(fleet.targets[0], "ecr").describe_repositories()["repositories"]
    assert theirs["registryId"] == OTHER
    assert find(Ways(role_name="CareenFleet"), accounts=[THIRD]).targets[0].account == THIRD


@pytest.mark.usefixtures("amazon")
def test_roles_by_arn() -> None:
    """Several of them."""
    ways = Ways(roles=tuple(f"arn:aws:iam::{each}:role/team/Reader" for each in (OTHER, THIRD)))
    assert [each.account for each in find(ways).targets] == [OTHER, THIRD]


def test_profiles(amazon: Amazon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own Region; one that assumes a role is botocore's affair, and the profile's name is the account's."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile prod]\nregion = us-east-1\nrole_arn = arn:aws:iam::{OTHER}:role/R\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = a\naws_secret_access_key = b\nregion = eu-west-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert amazon.url
    fleet = find(Ways(profiles=("base", "prod")))
    assert found(fleet) == [(ACCOUNT, "eu-west-1", "base"), (OTHER, "us-east-1", "prod")]
    assert found(find(Ways(profiles=("base", "prod")), accounts=["prod"])) == [(OTHER, "us-east-1", "prod")]
    with pytest.raises(BadInput, match="none-such"):
        find(Ways(profiles=("none-such",)))


def test_an_account_that_cannot_be_entered(amazon: Amazon) -> None:
    """Is named with the permission that is missing, and the others are entered all the same; none at all is an error."""
    amazon.rule = lambda operation, _, body: (
        "AccessDenied" if operation.startswith("sts:") and f"{OTHER}%3Arole" in body else None
    )
    ways = Ways(role_name="CareenFleet", accounts=(Listed(OTHER), Listed(THIRD)))
    fleet = find(ways)
    assert [each.account for each in fleet.targets] == [THIRD]
    [refused] = fleet.refusals
    assert isinstance(refused, Refusal)
    assert (refused.account, refused.permission) == (OTHER, "sts:AssumeRole")
    with pytest.raises(Denied) as error:
        find(ways, accounts=[OTHER])
    assert error.value.permission == "sts:AssumeRole"


WRONG: dict[str, tuple[Ways, dict[str, list[str]], str]] = {
    "a role without accounts": (Ways(role_name="R"), {}, "in which accounts"),
    "a role that is none": (Ways(roles=("arn:aws:iam::1:user/x",)), {}, "no ARN of a role"),
    "selectors that leave nothing": (Ways(), {"accounts": ["prod-*"]}, "leave no account"),
    "a pattern of Regions that matches none": (
        Ways(),
        {"regions": ["mars-*"]},
        "leave no account and Region",
    ),
}


@pytest.mark.usefixtures("amazon")
@pytest.mark.parametrize("case", WRONG)
def test_options_that_lead_nowhere(case: str) -> None:
    """Are refused in one line, with what to try."""
    ways, selectors, message = WRONG[case]
    with pytest.raises(BadInput, match=message) as refused:
        find(ways, **selectors)
    assert refused.value.hint


def test_without_credentials(amazon: Amazon, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said that there are none."""
    assert amazon.url
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(NotReached, match="Unable to locate credentials"):
        find()
    with pytest.raises(FleetError, match="no AWS credentials"):
        find(Ways(roles=(f"arn:aws:iam::{OTHER}:role/R",)))


ACCOUNTS_FILES: dict[str, tuple[str, tuple[Listed, ...]]] = {
    "ids and names": (
        f"# ours\n{ACCOUNT} prod eu  # the oldest\n\n{OTHER}\n",
        (Listed(ACCOUNT, "prod eu"), Listed(OTHER)),
    ),
    "an organization": (
        json.dumps(
            {
                "Accounts": [
                    {"Id": ACCOUNT, "Name": "prod", "Status": "ACTIVE", "Email": "x"},
                    {"Id": OTHER, "Name": "gone", "Status": "SUSPENDED"},
                ]
            }
        ),
        (Listed(ACCOUNT, "prod"),),
    ),
    "its accounts alone": (f'[{{"Id": "{OTHER}"}}]', (Listed(OTHER),)),
}


@pytest.mark.parametrize("case", ACCOUNTS_FILES)
def test_accounts_files(tmp_path: Path, case: str) -> None:
    """By hand, or as AWS Organizations lists accounts."""
    text, listed = ACCOUNTS_FILES[case]
    (tmp_path / "accounts").write_text(text)
    assert targets.read_accounts(tmp_path / "accounts") == listed


@pytest.mark.parametrize("text", ["prod 123456789012\n", '{"Accounts": 1}', "{"])
def test_accounts_files_that_are_none(tmp_path: Path, text: str) -> None:
    """Are refused with the line or the member."""
    (tmp_path / "accounts").write_text(text)
    with pytest.raises(BadInput):
        targets.read_accounts(tmp_path / "accounts")
    with pytest.raises(BadInput, match="cannot be read"):
        targets.read_accounts(tmp_path / "none")
