"""What stands beside lifecycle policies: protection rules, extension rules, and the policies of repositories that have none."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from careen.console import confirmation, repositories
from careen.console.visit import Notice, Page, Visit, url
from careen.console.words import indented
from careen.ecr.errors import (
    DefaultLifecyclePolicyNotFound,
    EcrError,
    ExtensionRulesNotFound,
    ProtectionRulesNotFound,
)
from careen.lifecycle import extension, policy, protection, wording
from careen.registry import rules

SECTION = "rules"
TAB = "rules"

PAGE = 100
"""Repositories of a default that are shown at once."""


async def registrys(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The protection rules that hold everywhere, and the default policies."""
    text = await _protection(visit, None)
    defaults = None
    if visit.may("DescribeDefaultLifecyclePolicies", service="careen"):
        found = await visit.every("DescribeDefaultLifecyclePolicies", "defaultLifecyclePolicies", "careen")
        counts = await visit.registry.read_in_thread(rules.default_counts) if _sees_names(visit) else {}
        defaults = [
            (
                each["repositoryNamePattern"],
                _policy_in_words(each["lifecyclePolicyText"]),
                counts.get(each["repositoryNamePattern"]),
            )
            for each in found
        ]
    return visit.page(
        "rules/registry.html",
        section=SECTION,
        title="Rules and defaults",
        protection=_protection_in_words(text),
        has_protection=bool(text),
        protection_text=visit.form.get("protection", "") if refusal else text,
        defaults=defaults,
        refusal=refusal,
    )


async def put_registrys(visit: Visit) -> Response:
    """Set or delete the protection rules that hold everywhere."""
    try:
        if visit.form.get("do") != "delete":
            await visit.ask(
                "PutProtectionRules", "careen", protectionRulesText=visit.form.get("protection", "")
            )
            return visit.go(url(SECTION), Notice("The protection rules stand."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                "Delete the protection rules of the registry?",
                consequence="Policies may delete from then on what only these rules kept. Images in use stay protected.",
                button="Delete the protection rules",
                back=url(SECTION),
                section=SECTION,
            )
        await visit.ask("DeleteProtectionRules", "careen")
    except EcrError as refusal:
        return await registrys(visit, refusal)
    return visit.go(url(SECTION), Notice("The protection rules are deleted."))


async def default(visit: Visit, refusal: EcrError | None = None) -> Response:
    """A default policy, and which repositories it holds for; without a pattern the form for a new one."""
    pattern = visit.form.get("pattern", visit.query.get("pattern", ""))
    found = await visit.every("DescribeDefaultLifecyclePolicies", "defaultLifecyclePolicies", "careen")
    standing = next((each for each in found if each["repositoryNamePattern"] == pattern), None)
    if standing is None and "pattern" in visit.query:
        raise DefaultLifecyclePolicyNotFound(pattern, visit.registry.id)
    names: Sequence[str] | None = None
    if standing is not None and _sees_names(visit):
        after = visit.query.get("after", "")
        names = await visit.registry.read_in_thread(rules.repositories_of_default, pattern, after, PAGE + 1)
    text = "" if standing is None else standing["lifecyclePolicyText"]
    return visit.page(
        "rules/default.html",
        section=SECTION,
        title="A default policy" if standing is None else f"Default for {pattern}",
        pattern=pattern,
        is_standing=standing is not None,
        in_words_of_policy=_policy_in_words(text),
        text=visit.form.get("policy", "") if refusal else indented(text) if text else "",
        names=None if names is None else names[:PAGE],
        further=names[PAGE - 1] if names and len(names) > PAGE else None,
        address=repositories.address,
        refusal=refusal,
    )


async def put_default(visit: Visit) -> Response:
    """Set or delete a default policy."""
    pattern = visit.form.get("pattern", "").strip()
    try:
        if visit.form.get("do") != "delete":
            await visit.ask(
                "PutDefaultLifecyclePolicy",
                "careen",
                repositoryNamePattern=pattern,
                lifecyclePolicyText=visit.form.get("policy", ""),
            )
            return visit.go(url("rules/default", pattern=pattern), Notice("The default policy stands."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                f"Delete the default policy for {pattern}?",
                consequence="Repositories that went by it go by the next pattern that fits, or by no policy at all.",
                button="Delete the default policy",
                back=url("rules/default", pattern=pattern),
                section=SECTION,
            )
        await visit.ask("DeleteDefaultLifecyclePolicy", "careen", repositoryNamePattern=pattern)
    except EcrError as refusal:
        if visit.form.get("do") == "delete":
            raise
        return await default(visit, refusal)
    return visit.go(url(SECTION), Notice(f"The default policy for {pattern} is deleted."))


async def of_repository(visit: Visit, refusal: EcrError | None = None) -> Response:
    """What holds for a repository beside its policy, and what it has of its own."""
    name = visit.path("name")
    effective = await visit.ask("GetEffectiveLifecyclePolicy", "careen", repositoryName=name)
    own = await _protection(visit, name)
    own_extension = await _extension(visit, name)
    changed = "" if refusal is None else visit.form.get("which", "")
    return await repositories.of_repository(
        visit,
        "rules/repository.html",
        TAB,
        effective=effective,
        policy=_policy_in_words(effective["lifecyclePolicyText"]),
        protection=_protection_in_words(effective["protectionRulesText"]),
        extension=_extension_in_words(own_extension),
        protection_text=visit.form.get("text", "") if changed == "protection" else own,
        extension_text=visit.form.get("text", "") if changed == "extension" else own_extension,
        has_protection=bool(own),
        has_extension=bool(own_extension),
        changed=changed,
        refusal=refusal,
    )


async def put_of_repository(visit: Visit) -> Response:
    """Set or delete one of a repository's two documents."""
    name, form = visit.path("name"), visit.form
    kind = "Extension" if form.get("which") == "extension" else "Protection"
    back = repositories.address(name, TAB)
    try:
        if form.get("do") != "delete":
            text = {f"{kind.lower()}RulesText": form.get("text", "")}
            await visit.ask(f"Put{kind}Rules", "careen", repositoryName=name, **text)
            return visit.go(back, Notice(f"The {kind.lower()} rules stand."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                f"Delete the {kind.lower()} rules of {name}?",
                consequence="Policies may delete from then on what only these rules kept."
                if kind == "Protection"
                else "Nothing is deleted, archived or untagged by them any more. Its policy stays.",
                button=f"Delete the {kind.lower()} rules",
                back=back,
                section=repositories.SECTION,
            )
        await visit.ask(f"Delete{kind}Rules", "careen", repositoryName=name)
    except EcrError as refusal:
        if form.get("do") == "delete":
            raise
        return await of_repository(visit, refusal)
    return visit.go(back, Notice(f"The {kind.lower()} rules are deleted."))


def _sees_names(visit: Visit) -> bool:
    return visit.may("DescribeRepositories", "*")


async def _protection(visit: Visit, name: str | None) -> str:
    """A protection document as people edit it; empty: there is none."""
    try:
        found = await visit.ask("GetProtectionRules", "careen", repositoryName=name)
    except ProtectionRulesNotFound:
        return ""
    return indented(found["protectionRulesText"])


async def _extension(visit: Visit, name: str) -> str:
    try:
        found = await visit.ask("GetExtensionRules", "careen", repositoryName=name)
    except ExtensionRulesNotFound:
        return ""
    return indented(found["extensionRulesText"])


def _policy_in_words(text: str | None) -> list[tuple[str, str]]:
    """Priority and words of every rule."""
    return _in_words(policy.parse(text).rules if text else ())


def _extension_in_words(text: str | None) -> list[tuple[str, str]]:
    return _in_words(extension.parse(text).rules if text else ())


def _in_words(read: Sequence[Any]) -> list[tuple[str, str]]:
    return [(str(rule.rule_priority), wording.of_rule(rule)) for rule in read]


def _protection_in_words(text: str | None) -> list[tuple[str, str]]:
    """Name and words of every rule."""
    return [(rule.name, wording.of_protection(rule)) for rule in protection.parse(text).rules] if text else []


PAGES = {
    "rules": Page(registrys, put_registrys),
    "rules/default": Page(default, put_default),
    f"repositories/{{name:path}}/-/{TAB}": Page(of_repository, put_of_repository),
}
