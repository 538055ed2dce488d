"""Rules of the pull-through cache in the console."""

import pytest

from tests.console.visitor import Visitor
from tests.server import REGION, REGISTRY_ID, Server


def test_a_rule_from_its_first_day_to_its_last(house: Server, root: Visitor) -> None:
    """It is made with another registry than those that Amazon knows, listed, and deleted when somebody is sure."""
    form = {
        "prefix": "elsewhere",
        "upstream": "https://registry.example.com:5000",
        "upstream-prefix": "library",
    }
    page = root.follow(root.post("cache/new", form)).text
    assert "https://registry.example.com:5000" in page
    assert "https://registry.example.com:5000/library" in root.get("cache").text
    asked = root.post("cache/elsewhere/-/edit", {"do": "delete"})
    assert "What was cached stays" in asked.text
    assert "elsewhere" in root.get("cache").text
    root.follow(root.post("cache/elsewhere/-/edit", {"do": "delete", "sure": "yes"}))
    assert root.get("cache/elsewhere/-/edit").status_code == 404
    rules = house.boto().describe_pull_through_cache_rules()["pullThroughCacheRules"]
    assert "elsewhere" not in {rule["ecrRepositoryPrefix"] for rule in rules}


def test_a_secret_is_named_and_never_shown(house: Server, root: Visitor) -> None:
    """By the name of its file or by its ARN; the page shows the name, whoever looks."""
    folder = house.data / "secrets" / "ecr-pullthroughcache"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shown.json").write_text('{"username": "me", "accessToken": "hidden-token"}')
    root.follow(root.post("cache/new", {"prefix": "secretive", "upstream": "ghcr.io", "secret": "shown"}))
    found = house.boto().describe_pull_through_cache_rules(ecrRepositoryPrefixes=["secretive"])
    arn = f"arn:aws:secretsmanager:{REGION}:{REGISTRY_ID}:secret:ecr-pullthroughcache/shown"
    assert found["pullThroughCacheRules"][0]["credentialArn"] == arn
    root.follow(root.post("cache/secretive/-/edit", {"secret": arn}))
    page = root.get("cache/secretive/-/edit").text
    assert 'value="shown"' in page
    assert "hidden-token" not in page + root.get("cache").text


def test_checking_a_rule_says_what_is_wrong(house: Server, root: Visitor) -> None:
    """Where nothing listens, the notice has the reason."""
    house.boto().create_pull_through_cache_rule(
        ecrRepositoryPrefix="unreachable", upstreamRegistryUrl="http://127.0.0.1:9"
    )
    answered = root.post("cache/unreachable/-/validate")
    assert answered.status_code == 303
    assert "careen-notice" in answered.cookies


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("cache/new", {"prefix": "quay", "upstream": "ghcr.io"}, "already exists"),
        ("cache/new", {"prefix": "dock", "upstream": "docker.io"}, "registry-1.docker.io"),
        ("cache/new", {"prefix": "sec", "upstream": "ghcr.io", "secret": "absent"}, "absent"),
        ("cache/quay/-/edit", {"secret": ""}, "must be given"),
    ],
)
def test_what_the_api_refuses_is_shown(path: str, form: dict[str, str], said: str, root: Visitor) -> None:
    """In its own words."""
    answered = root.post(path, form)
    assert answered.status_code == 400
    assert said in answered.text.partition('role="alert">')[2]


def test_who_may_only_read_is_offered_nothing_and_refused(reader: Visitor) -> None:
    """Reading images does not show where they come from."""
    assert 'href="/console/cache"' not in reader.get("gallery").text
    assert reader.get("cache").status_code == 403
    assert "not authorized" in reader.post("cache/new", {"prefix": "mine", "upstream": "quay.io"}).text
