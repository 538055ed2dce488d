"""Protection rules: what must stay, whatever a lifecycle policy says. Keep beats delete.

A document of Careen's own beside the policy, never inside it. A rule keeps the images that meet *all* of its conditions;
a condition that is a list is met by *any* of its entries, and says so by its name:

    {"rules": [{"name": "releases", "anyTagPattern": ["v*", "stable"], "signed": true},
               {"name": "rollback", "anyRepository": ["team-a/*"], "newest": 3}]}

A protected image is neither deleted nor archived nor untagged. Nor are the indexes that list it, without which nobody
finds it, and the image it refers to, which would take it along. Counting takes no notice of protection.

Images that are pinned need no rule: they are protected, and so is all that a pinned index lists.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from semantic_version import NpmSpec, Version

from careen.clock import DAY, Instant
from careen.lifecycle.family import family
from careen.lifecycle.image import Image
from careen.lifecycle.pin import Pin
from careen.lifecycle.policy import MAX_LENGTH
from careen.lifecycle.roster import Roster
from careen.lifecycle.selection import InvalidRegex, Test, pattern_test, regex_test
from careen.oci import signatures

MAX_RULES = 50


class ProtectionRule(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """Conditions that an image must all meet to be kept by the rule."""

    name: str
    """What the reasons call it."""
    description: str | None = None
    any_repository: tuple[str, ...] = ()
    """Patterns of repository names; ``*`` stands for anything. Without them: every repository."""
    any_tag_pattern: tuple[str, ...] = ()
    any_tag_regex: tuple[str, ...] = ()
    """Regular expressions (RE2) that match a whole tag."""
    semver_range: str | None = None
    """A range as npm writes them, ``>=1.4 <3``; met by a tag that is a version of three numbers, ``v`` before it or not."""
    pulled_within_days: int | None = None
    pushed_within_days: int | None = None
    in_use: bool = False
    signed: bool = False
    """A signature refers to the image, or is tagged with its digest as cosign does."""
    labels: Mapping[str, str] = {}
    """Labels of the configuration that must all be there, their values patterns."""
    annotations: Mapping[str, str] = {}
    """Annotations of the manifest, likewise."""
    newest: int | None = None
    """Of the images that meet all other conditions, so many of every tag family."""


class ProtectionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A protection document."""

    rules: tuple[ProtectionRule, ...] = ()


class InvalidProtectionRules(ValueError):
    """A text that is no protection document; the message says where and why."""


class Protection(NamedTuple):
    """Why an image is protected."""

    rule: ProtectionRule | None
    """The rule that keeps it, or the image it is protected for. None: it is in use."""
    through: str | None = None
    """The digest of the image it is protected for; None if it is protected itself."""
    pins: tuple[Pin, ...] = ()
    """Who says that it, or the image it is protected for, is in use; the latest first."""


def parse(text: str) -> ProtectionRules:
    """Read a protection document.

    Raises:
        InvalidProtectionRules: it is none.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidProtectionRules(
            f"the text must have at most {MAX_LENGTH} characters, it has {len(text)}"
        )
    try:
        document = msgspec.json.decode(text.encode(), type=ProtectionRules)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as wrong:
        raise InvalidProtectionRules(str(wrong)) from None
    for fault in _faults(document.rules):
        raise InvalidProtectionRules(fault)
    return document


def canonical(rules: ProtectionRules) -> str:
    """The document in compact JSON."""
    return msgspec.json.encode(rules).decode()


def applicable(rules: Sequence[ProtectionRule], repository: str) -> tuple[ProtectionRule, ...]:
    """The rules that look at a repository."""
    return tuple(
        rule
        for rule in rules
        if not rule.any_repository or any(pattern_test(each)(repository) for each in rule.any_repository)
    )


def protect(rules: Sequence[ProtectionRule], repository: Roster, now: Instant) -> dict[int, Protection]:
    """The protected images by number, each with the first reason there is.

    Args:
        rules: those that look at this repository.
        repository: its images; rules look at all that do not follow a subject, wherever they are stored.
        now: ages are measured against this instant.
    """
    protected: dict[int, Protection] = {}
    for number, image in enumerate(repository.images):
        if image.pins or image.in_use_by:
            protected[number] = Protection(None, pins=image.pins)
    for rule in rules:
        for number in _kept(rule, repository, now):
            protected.setdefault(number, Protection(rule))
    _extend(protected, repository)
    _extend_to_children(protected, repository)
    return protected


def _extend(protected: dict[int, Protection], repository: Roster) -> None:
    """Protect the indexes that list a protected image, and the subject that would take it along."""
    images = repository.images
    subjects = {each: number for number, referrers in repository.referrers.items() for each in referrers}
    waiting = list(protected)
    while waiting:
        number = waiting.pop()
        above = [*repository.indexes.get(number, ()), *([subjects[number]] if number in subjects else [])]
        for other in above:
            if other not in protected:
                protected[other] = protected[number]._replace(through=images[number].digest)
                waiting.append(other)


def _extend_to_children(protected: dict[int, Protection], repository: Roster) -> None:
    """Protect what pinned indexes list: any of it may be what runs.

    The index would hold it, but for an archived index, and for its tags.
    """
    images = repository.images
    waiting = [number for number in protected if images[number].pins and images[number].references]
    numbers = {image.digest: number for number, image in enumerate(images)} if waiting else {}
    reached = set(waiting)
    while waiting:
        number = waiting.pop()
        for child in map(numbers.get, images[number].references):
            if child is not None and child not in reached:
                reached.add(child)
                protected.setdefault(child, protected[number]._replace(through=images[number].digest))
                waiting.append(child)


def _kept(rule: ProtectionRule, repository: Roster, now: Instant) -> Sequence[int]:
    """The images that meet the rule, the youngest first."""
    tag_tests = list(_tag_tests(rule))
    conditions = list(_conditions(rule, repository, now))
    met = [
        number
        for number in reversed(repository.oldest_first)
        if number not in repository.followers
        and all(any(map(test, repository.images[number].tags)) for test in tag_tests)
        and all(condition(repository.images[number]) for condition in conditions)
    ]
    return met if rule.newest is None else _newest(met, rule.newest, tag_tests, repository.images)


def _newest(
    met: Sequence[int], newest: int, tag_tests: Sequence[Test], images: Sequence[Image]
) -> Sequence[int]:
    """Those that are among the newest of a family of theirs; only tags that meet the conditions make a family."""
    seen: defaultdict[str, int] = defaultdict(int)
    kept = []
    for number in met:
        tags = [tag for tag in images[number].tags if all(test(tag) for test in tag_tests)]
        families = {family(tag) for tag in tags or images[number].tags}
        if any(seen[each] < newest for each in families):
            kept.append(number)
        for each in families:
            seen[each] += 1
    return kept


def _tag_tests(rule: ProtectionRule) -> Iterator[Test]:
    if rule.any_tag_pattern:
        yield partial(_any, [pattern_test(pattern) for pattern in rule.any_tag_pattern])
    if rule.any_tag_regex:
        yield partial(_any, [regex_test(expression) for expression in rule.any_tag_regex])
    if rule.semver_range is not None:
        yield partial(_in_range, NpmSpec(rule.semver_range))


def _any(tests: Sequence[Test], tag: str) -> bool:
    return any(test(tag) for test in tests)


def _in_range(versions: NpmSpec, tag: str) -> bool:
    try:
        return bool(versions.match(Version(tag.removeprefix("v"))))
    except ValueError:
        return False


def _conditions(rule: ProtectionRule, repository: Roster, now: Instant) -> Iterator[Callable[[Image], bool]]:
    if rule.pulled_within_days is not None:
        pulled_after = now - rule.pulled_within_days * DAY
        yield lambda image: image.pulled_at is not None and image.pulled_at >= pulled_after
    if rule.pushed_within_days is not None:
        pushed_after = now - rule.pushed_within_days * DAY
        yield lambda image: image.pushed_at >= pushed_after
    if rule.in_use:
        yield lambda image: bool(image.pins or image.in_use_by)
    if rule.signed:
        signed = _signed(repository.images)
        yield lambda image: image.digest in signed
    for key, value in rule.labels.items():
        yield partial(_has, key, pattern_test(value), "labels")
    for key, value in rule.annotations.items():
        yield partial(_has, key, pattern_test(value), "annotations")


def _has(key: str, test: Test, where: str, image: Image) -> bool:
    members = image.labels if where == "labels" else image.annotations
    # What nobody has read may ask for protection: better to keep it.
    return members is None or (key in members and test(members[key]))


def _signed(images: Sequence[Image]) -> frozenset[str]:
    """The digests that signatures name."""
    by_subject = {
        image.subject
        for image in images
        if image.subject is not None and signatures.is_signature(image.artifact_type)
    }
    by_tag = {signatures.signed_by_tag(tag) for image in images for tag in image.tags}
    return frozenset(digest for digest in by_subject | by_tag if digest is not None)


def _faults(rules: Sequence[ProtectionRule]) -> Iterator[str]:
    if len(rules) > MAX_RULES:
        yield f"a document can have at most {MAX_RULES} rules, this one has {len(rules)}"
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            yield f"names must be unique, more than one rule is called {rule.name}"
        seen.add(rule.name)
        for fault in _faults_of(rule):
            yield f"rule {rule.name}: {fault}"


def _faults_of(rule: ProtectionRule) -> Iterator[str]:
    if rule == ProtectionRule(
        name=rule.name, description=rule.description, any_repository=rule.any_repository
    ):
        yield 'it has no condition; to keep every tagged image, say anyTagPattern ["*"]'
    for expression in rule.any_tag_regex:
        try:
            regex_test(expression)
        except InvalidRegex as wrong:
            yield str(wrong)
    if rule.semver_range is not None:
        try:
            NpmSpec(rule.semver_range)
        except ValueError:
            yield f"semverRange is no range of versions: {rule.semver_range}"
    limits = {
        "pulledWithinDays": rule.pulled_within_days,
        "pushedWithinDays": rule.pushed_within_days,
        "newest": rule.newest,
    }
    for name, limit in limits.items():
        if limit is not None and limit < 1:
            yield f"{name} must be 1 or more"
