"""The grammar of repository names and tags (OCI distribution-spec 1.1, "Pulling manifests").

The limits are the narrower of OCI's and Amazon ECR's, so that whatever is stored here can be copied to either.
"""

import re

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")

MIN_REPOSITORY_LENGTH = 2
MAX_REPOSITORY_LENGTH = 256


def is_repository_name(text: str) -> bool:
    """Whether ``text`` names a repository: 2 to 256 characters of lower-case path components."""
    return (
        MIN_REPOSITORY_LENGTH <= len(text) <= MAX_REPOSITORY_LENGTH and REPOSITORY.fullmatch(text) is not None
    )


def is_tag(text: str) -> bool:
    """Whether ``text`` is a tag: 1 to 128 characters, beginning with a letter, a digit or an underscore."""
    return TAG.fullmatch(text) is not None
