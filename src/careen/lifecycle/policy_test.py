"""Tests of policies: given these images at this time, these stay and these go, by this rule.

A document, as YAML, TOML or JSON decode it, has the rules, the images, and what is expected of them:

    policy: keep-releases.json            # a file, or the policy itself
    images:
      - {tags: [v1.0], pushed: 400 days}
      - {tags: [pr-7], pushed: 31 days}
    tests:
      - name: releases stay, builds of branches go
        stay: [v1.0]
        go: {pr-7: rule 2}

Images are named by a tag, by a name of their own, by a digest or its beginning, or with ``*`` by many tags. A name that no
image has, and a test that expects nothing, are mistakes: no test passes because of a slip.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from careen.clock import Instant, isoformat
from careen.lifecycle import extension, policy, protection
from careen.lifecycle.beyond import Beyond
from careen.lifecycle.evaluate import evaluate
from careen.lifecycle.explain import explain
from careen.lifecycle.image import Image
from careen.lifecycle.narrate import narrate
from careen.lifecycle.plan import Decision, Plan
from careen.lifecycle.policy import LifecyclePolicy
from careen.lifecycle.policy_fixture import ImageFixture, InvalidPolicyTest, World, duration, instant, written
from careen.lifecycle.reason import label, reason
from careen.lifecycle.rule import ActionType

Load = Callable[[str], bytes]
"""Reads a file that a document names."""

NOW = "2026-01-01T00:00:00Z"
"""When a document is evaluated that does not say when: of ages alone it does not matter."""

Names = list[str] | dict[str, str | int]
"""Names of images; with what decides, if that is expected, too: ``rule 2`` or 2, ``extension rule 1``, ``protection rule it``."""


class _Test(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    after: str | None = None
    """So much later than now, with nothing pushed, pulled or deleted in between."""
    stay: Names = []
    go: Names = []
    others: Literal["stay", "go"] | None = None
    """What is expected of all images that are not named."""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    tests: list[_Test]
    policy: str | dict[str, Any] | None = None
    extension: str | dict[str, Any] | None = None
    protection: str | dict[str, Any] | None = None
    repository: str | None = None
    now: str = NOW
    inventory: str | None = None
    """A file as ``aws ecr describe-images`` prints it."""
    images: list[ImageFixture] = []


class Result(NamedTuple):
    """How one test ended."""

    name: str
    images: int
    """How many the evaluation was of."""
    expectations: int
    """How many images something was expected of."""
    failures: Sequence[str]
    """Of one image each: what is otherwise than expected, and below it what every rule says. None if the test passes."""


def run(decoded: Any, load: Load) -> list[Result]:
    """Carry out the tests of a document.

    Args:
        decoded: the document.
        load: reads files that it names.

    Raises:
        InvalidPolicyTest: it is none, a rule document of it is refused, or it names an image that is not there.
    """
    try:
        document = msgspec.convert(decoded, _Document)
    except msgspec.ValidationError as error:
        raise InvalidPolicyTest(f"{error}; text that looks like a number needs quotes") from None
    if not document.tests:
        raise InvalidPolicyTest("tests: there is none")
    rules, beyond = _rules(document, load)
    now = instant(document.now, 0)
    inventory = None if document.inventory is None else load(document.inventory)
    world = World(inventory, document.images, now)
    return [_run(test, rules, beyond, world, now) for test in document.tests]


def _rules(document: _Document, load: Load) -> tuple[LifecyclePolicy, Beyond]:
    def text(of: str | dict[str, Any]) -> str:
        # White space brings a short policy of a mapping to ECR's minimum length, which it has only on paper.
        return load(of).decode() if isinstance(of, str) else msgspec.json.encode(of).decode().ljust(100)

    try:
        rules = LifecyclePolicy(()) if document.policy is None else policy.parse(text(document.policy))
        added = extension.ExtensionRules()
        if document.extension is not None:
            added = extension.parse(text(document.extension))
        kept = () if document.protection is None else protection.parse(text(document.protection)).rules
    except policy.InvalidLifecyclePolicy as invalid:
        raise InvalidPolicyTest(f"policy: {invalid.message}") from None
    except extension.InvalidExtensionRules as invalid:
        raise InvalidPolicyTest(f"extension: {invalid}") from None
    except protection.InvalidProtectionRules as invalid:
        raise InvalidPolicyTest(f"protection: {invalid}") from None
    if document.repository is None and any(rule.any_repository for rule in kept):
        raise InvalidPolicyTest("repository: protection rules ask for its name")
    return rules, Beyond(added, protection.applicable(kept, document.repository or ""))


def _run(test: _Test, rules: LifecyclePolicy, beyond: Beyond, world: World, now: Instant) -> Result:
    at = now if test.after is None else now + duration(test.after)
    plan = evaluate(rules, world.images, at, beyond)
    expected = dict(_expectations(test, world))
    decisions = {decision.image.digest: decision for decision in plan.decisions}
    failures = [
        failure for digest, of in expected.items() for failure in _failures(decisions[digest], of, plan)
    ]
    return Result(test.name, len(world.images), len(expected), failures)


class _Expected(NamedTuple):
    goes: bool
    by: str | None


def _expectations(test: _Test, world: World) -> Iterator[tuple[str, _Expected]]:
    seen: dict[str, bool] = {}
    for goes, names in ((False, test.stay), (True, test.go)):
        by = names if isinstance(names, Mapping) else dict.fromkeys(names)
        for name, decider in by.items():
            for digest in world.meant(name):
                if seen.setdefault(digest, goes) is not goes:
                    raise InvalidPolicyTest(f"{test.name}: {name} is to stay and to go")
                yield digest, _Expected(goes, f"rule {decider}" if isinstance(decider, int) else decider)
    if test.others is not None:
        others = [image.digest for image in world.images if image.digest not in seen]
        seen |= dict.fromkeys(others, test.others == "go")
        yield from ((digest, _Expected(test.others == "go", None)) for digest in others)
    if not seen:
        raise InvalidPolicyTest(f"{test.name}: nothing is expected")


def _failures(decision: Decision, expected: _Expected, plan: Plan) -> Iterator[str]:
    goes = decision.effect in (ActionType.EXPIRE, ActionType.TRANSITION)
    decider = _decider(decision)
    if goes is not expected.goes:
        wrong = f"is to {'go' if expected.goes else 'stay'}"
    elif expected.by is not None and decider != expected.by:
        wrong = f"is decided by {decider or 'no rule'}, not by {expected.by}"
    else:
        return
    [explanation] = explain(plan, [decision.image.digest])
    _, _, *findings = narrate(explanation)
    told = "".join(f"\n  {finding}" for finding in findings)
    yield f"{_name(decision.image)} {wrong}; {reason(decision, plan.now)}{told}"


def _name(image: Image) -> str:
    return image.tags[0] if image.tags else image.digest


def _decider(decision: Decision) -> str | None:
    """``rule 2``, ``extension rule 1``, ``protection rule releases``."""
    keeps = decision.protected_by
    if keeps is not None:
        return "in use" if keeps.rule is None else f"protection rule {keeps.rule.name}"
    return None if decision.rule is None else label(decision.rule).partition(" (")[0]


def fixture(plan: Plan, policy_file: str, others: Mapping[str, str]) -> dict[str, Any]:
    """A document that holds images and today's outcome fast: the plan's images, what goes and by which rule, the rest stays.

    Args:
        plan: today's.
        policy_file: the name of the policy's file.
        others: further members, such as the names of other files.
    """
    going = [each for each in plan.decisions if each.effect in (ActionType.EXPIRE, ActionType.TRANSITION)]
    test = {
        "name": f"as of {isoformat(plan.now)}",
        "go": {_name(each.image): _decider(each) for each in going},
        "others": "stay",
    }
    return {
        "policy": policy_file,
        **others,
        "now": isoformat(plan.now),
        "images": [written(decision.image) for decision in plan.decisions],
        "tests": [{name: value for name, value in test.items() if value}],
    }
