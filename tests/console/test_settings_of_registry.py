"""What is set for the whole registry: scanning, signing, its policy, account settings, feeds of images in use."""

import json

import pytest

from tests.console.visitor import Visitor
from tests.server import REGION, REGISTRY_ID, Server

PROFILE = f"arn:aws:signer:{REGION}:{REGISTRY_ID}:/signing-profiles/other"


def test_scanning_rules(house: Server, root: Visitor) -> None:
    """One pattern a line; what is emptied is gone; a pattern that is none is refused with what was typed."""
    page = root.follow(
        root.post("scanning", {"SCAN_ON_PUSH": "scanned/*\nmore/*", "MANUAL": "rarely/*"})
    ).text
    assert "No scanner is set up" in page
    found = house.boto().get_registry_scanning_configuration()["scanningConfiguration"]["rules"]
    assert {rule["scanFrequency"]: len(rule["repositoryFilters"]) for rule in found} == {
        "SCAN_ON_PUSH": 2,
        "MANUAL": 1,
    }
    refused = root.post("scanning", {"SCAN_ON_PUSH": "UPPER"})
    assert refused.status_code == 400
    assert "UPPER" in refused.text
    root.follow(root.post("scanning", {"SCAN_ON_PUSH": "scanned/*", "MANUAL": ""}))
    assert "rarely/*" not in root.get("scanning").text


def test_principals_whose_pulls_do_not_count(house: Server, root: Visitor) -> None:
    """Added and taken away."""
    arn = f"arn:aws:iam::{REGISTRY_ID}:user/robot"
    assert arn in root.follow(root.post("scanning/exclusions", {"principal": arn})).text
    root.follow(root.post("scanning/exclusions", {"principal": arn, "do": "include"}))
    assert arn not in house.boto().list_pull_time_update_exclusions()["pullTimeUpdateExclusions"]
    assert root.post("scanning/exclusions", {"principal": "nobody"}).status_code == 400


def test_signing_rules(house: Server, root: Visitor) -> None:
    """Rows of a form; the configuration goes when somebody is sure, and comes again."""
    ecr = house.boto()
    before = ecr.get_signing_configuration()["signingConfiguration"]
    root.follow(root.post("signing", {"profile": [PROFILE, ""], "filters": ["team/* lib", "lost/*"]}))
    (rule,) = ecr.get_signing_configuration()["signingConfiguration"]["rules"]
    assert [each["filter"] for each in rule["repositoryFilters"]] == ["team/*", "lib"]
    assert root.post("signing", {"profile": "no ARN", "filters": ""}).status_code == 400
    assert "not expected to be signed" in root.post("signing", {"do": "delete"}).text
    page = root.follow(root.post("signing", {"do": "delete", "sure": "yes"})).text
    assert PROFILE not in page
    ecr.put_signing_configuration(signingConfiguration=before)


def test_the_registrys_policy(house: Server, root: Visitor) -> None:
    """Put, refused, deleted."""
    statement = {
        "Sid": "replicate",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{REGISTRY_ID}:root"},
        "Action": ["ecr:ReplicateImage"],
        "Resource": [f"arn:aws:ecr:{REGION}:{REGISTRY_ID}:repository/*"],
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert "ecr:ReplicateImage" in root.follow(root.post("registry", {"policy": text})).text
    refused = root.post("registry", {"policy": "no policy"})
    assert refused.status_code == 400
    assert "no policy" in refused.text
    assert "other policies alone" in root.post("registry", {"policy": text, "do": "delete"}).text
    root.follow(root.post("registry", {"do": "delete", "sure": "yes"}))
    assert "ecr:ReplicateImage" not in root.get("registry").text
    with pytest.raises(house.boto().exceptions.RegistryPolicyNotFoundException):
        house.boto().get_registry_policy()


def test_account_settings(house: Server, root: Visitor) -> None:
    """Each by itself."""
    ecr = house.boto()
    root.follow(root.post("registry", {"setting": "BLOB_MOUNTING", "value": "DISABLED"}))
    assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "DISABLED"
    root.follow(root.post("registry", {"setting": "BLOB_MOUNTING", "value": "ENABLED"}))
    assert root.post("registry", {"setting": "BLOB_MOUNTING", "value": "PERHAPS"}).status_code == 400


def test_a_feed_is_forgotten_when_somebody_is_sure(house: Server, root: Visitor) -> None:
    """With what it reported."""
    house.boto("careen").report_images_in_use(source="gone", ttlSeconds=60, complete=True, images=[])
    assert "gone" in root.get("pins").text
    assert "protected by it no more" in root.post("pins", {"source": "gone"}).text
    root.follow(root.post("pins", {"source": "gone", "sure": "yes"}))
    feeds = house.boto("careen").describe_pin_feeds()["feeds"]
    assert "gone" not in {feed["source"] for feed in feeds}


@pytest.mark.parametrize("path", ["signing", "registry", "scanning"])
def test_who_may_only_read_is_offered_no_button(path: str, reader: Visitor) -> None:
    """Either the page is refused, or it has nothing to send; what is sent all the same is refused."""
    page = reader.get(path)
    assert page.status_code == 403 or ">Save<" not in page.text
    sent = reader.post(path, {"policy": "{}", "profile": PROFILE, "filters": "", "SCAN_ON_PUSH": "x"})
    assert "not authorized" in sent.text
