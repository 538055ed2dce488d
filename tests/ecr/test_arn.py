"""ARNs and URIs."""

import pytest

from careen.ecr import arn
from careen.ecr.errors import InvalidParameter

TEXT = "arn:aws:ecr:eu-west-1:123456789012:repository/team/app"


def test_a_repository_arn_reads_as_it_is_written() -> None:
    """Parsing and writing are inverse."""
    value = arn.RepositoryArn("eu-west-1", "123456789012", "team/app")
    assert str(value) == TEXT
    assert arn.parse_repository_arn(TEXT) == value


def test_a_partition_is_kept() -> None:
    """China's and GovCloud's ARNs are ARNs."""
    text = TEXT.replace("arn:aws:", "arn:aws-us-gov:")
    assert str(arn.parse_repository_arn(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app",
        TEXT + "\n",
        TEXT + "/",
        TEXT.replace("ecr", "s3"),
        TEXT.replace("123456789012", "1"),
        TEXT.replace("repository", "image"),
        TEXT.replace("team/app", ""),
        TEXT.replace("team/app", "Team"),
    ],
)
def test_anything_else_is_an_invalid_parameter(text: str) -> None:
    """The refusal names resourceArn."""
    with pytest.raises(InvalidParameter, match="Invalid parameter at 'resourceArn' failed"):
        arn.parse_repository_arn(text)


def test_other_names() -> None:
    """URIs for docker, ARNs for principals."""
    assert arn.repository_uri("localhost:5000", "team/app") == "localhost:5000/team/app"
    assert arn.user_arn("123456789012", "alice") == "arn:aws:iam::123456789012:user/alice"
    assert arn.root_arn("123456789012") == "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize(
    ("api_host", "host"),
    [
        ("api.ecr.us-east-1.amazonaws.com", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
        ("api.ecr.cn-north-1.amazonaws.com.cn:8443", "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn:8443"),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
        ("localhost:5000", "localhost:5000"),
        ("api.ecr.example.com", "api.ecr.example.com"),
    ],
)
def test_images_are_where_the_api_is_except_at_amazons_names(api_host: str, host: str) -> None:
    """Amazon's API has a host of its own; everywhere else one host serves both."""
    assert arn.registry_host(api_host, "123456789012") == host
