"""The words of a lifecycle policy: a rule, what it selects, what it does.

Values as ECR's policy document writes them; fields stand in the order of ECR's answers. Whether a rule makes
sense is not decided here (``grammar`` for the shape of the text, ``constraints`` for the rest).

Three words are Careen's own: ``tagRegexList``, ``sinceTagged`` and ``untag``. ECR's documents cannot contain them;
rules that use them come from an extension document (``extension``).
"""

from enum import StrEnum

import msgspec


class TagStatus(StrEnum):
    """Which images a rule looks at."""

    TAGGED = "tagged"
    UNTAGGED = "untagged"
    ANY = "any"


class StorageClass(StrEnum):
    """Where images are, as policies write it (the API writes ``STANDARD`` and ``ARCHIVE``)."""

    STANDARD = "standard"
    ARCHIVE = "archive"


class CountType(StrEnum):
    """What ``countNumber`` counts: images, or days since something."""

    IMAGE_COUNT_MORE_THAN = "imageCountMoreThan"
    SINCE_IMAGE_PUSHED = "sinceImagePushed"
    SINCE_IMAGE_PULLED = "sinceImagePulled"
    SINCE_IMAGE_TRANSITIONED = "sinceImageTransitioned"
    SINCE_TAGGED = "sinceTagged"
    """Beyond ECR: days since a tag of the list was put on the image."""


class CountUnit(StrEnum):
    """The unit of an age."""

    DAYS = "days"


class ActionType(StrEnum):
    """What a rule does to the images it marks."""

    EXPIRE = "expire"
    TRANSITION = "transition"
    UNTAG = "untag"
    """Beyond ECR: take the tags of the list off, and leave the image."""


class _Words(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """Camel case on the wire; what was not sent is ``None`` here and absent there."""


class Selection(_Words, frozen=True, kw_only=True):
    """Which images a rule identifies, and which of those it marks."""

    tag_status: TagStatus
    tag_pattern_list: tuple[str, ...] | None = None
    tag_prefix_list: tuple[str, ...] | None = None
    tag_regex_list: tuple[str, ...] | None = None
    """Beyond ECR."""
    storage_class: StorageClass | None = None
    """As sent; ``Rule.storage_class`` knows the default."""
    count_type: CountType
    count_unit: CountUnit | None = None
    count_number: int


class Action(_Words, frozen=True, kw_only=True):
    """What happens to the images a rule marks."""

    type: ActionType
    target_storage_class: StorageClass | None = None


class Rule(_Words, frozen=True, kw_only=True):
    """One rule of a policy."""

    rule_priority: int
    """1 is the highest priority."""
    description: str | None = None
    selection: Selection
    action: Action

    @property
    def storage_class(self) -> StorageClass:
        """The storage class whose images the rule looks at; it knows nothing of the others."""
        return self.selection.storage_class or StorageClass.STANDARD
