"""Pull-through cache: prefixes of repository names that stand for other registries, and what was cached from them.

What is cached is an image like any other: it is listed, pinned, expired and deleted as if it had been pushed. Beside it is noted
what the tag stood for upstream. As long as it names the same image here, the tag follows its upstream; a tag that was pushed here
is ours, and the upstream is not asked about it.

Source: Amazon ECR user guide, "Sync an upstream registry with an Amazon ECR private registry".
"""

from collections.abc import Iterable
from typing import NamedTuple

from careen.clock import SECOND, Instant
from careen.db import images as image_rows
from careen.db import pull_through as rows
from careen.db import repositories as repository_rows
from careen.db.pull_through import Followed as Followed
from careen.db.pull_through import Rule as Rule
from careen.db.repositories import Repository
from careen.ecr import errors
from careen.ecr import events as ecr_events
from careen.oci import names
from careen.registry import events, images, repositories
from careen.registry.images import Put
from careen.registry.registry import Transaction
from careen.registry.templates import AppliedFor

ROOT = "ROOT"
"""The prefix of all names, here and upstream."""

MAX_RULES = 50
"""Amazon ECR's quota for a registry."""

RETRY: Instant = 300 * SECOND
"""After an upstream that could not be asked, the cached image is given for this long before it is asked again."""


class Upstream(NamedTuple):
    """Where the images of a repository come from."""

    rule: Rule
    repository: str
    """Its name there."""


class Standing(NamedTuple):
    """How a reference stands to its upstream."""

    upstream: Upstream | None
    """None: no rule has the repository's prefix."""
    has_repository: bool
    digest: str | None
    """What it names here; None: nothing that can be pulled."""
    due_at: Instant | None
    """When the upstream is to be asked again; None: never, because a digest does not change and a pushed tag is ours."""

    def is_due(self, now: Instant) -> bool:
        """Whether the upstream is to be asked before this is given."""
        if self.upstream is None:
            return False
        return self.digest is None or (self.due_at is not None and now >= self.due_at)


def create_rule(
    tx: Transaction,
    prefix: str,
    upstream_url: str,
    *,
    upstream_registry: str | None = None,
    upstream_prefix: str | None = None,
    credential_arn: str | None = None,
    custom_role_arn: str | None = None,
) -> Rule:
    """Let a prefix stand for another registry. That it is one, and that the credential is there, the caller has checked.

    Raises:
        careen.ecr.errors.PullThroughCacheRuleAlreadyExists: it stands for one.
        careen.ecr.errors.LimitExceeded: there are :data:`MAX_RULES`.
    """
    rule = Rule(
        prefix=_bare(prefix),
        upstream_url=upstream_url,
        upstream_registry=upstream_registry,
        upstream_prefix=_bare(upstream_prefix or ROOT),
        credential_arn=credential_arn,
        custom_role_arn=custom_role_arn,
        created_at=tx.now,
        updated_at=tx.now,
    )
    if rows.by_prefix(tx.rows, rule.prefix) is not None:
        raise errors.PullThroughCacheRuleAlreadyExists(rule.prefix, tx.registry_id)
    if len(rows.every(tx.rows)) >= MAX_RULES:
        raise errors.LimitExceeded(f"A registry can have at most {MAX_RULES} pull through cache rules")
    rows.insert(tx.rows, rule)
    return rule


def require_rule(tx: Transaction, prefix: str) -> Rule:
    """The rule of a prefix.

    Raises:
        careen.ecr.errors.PullThroughCacheRuleNotFound: it has none.
    """
    rule = rows.by_prefix(tx.rows, _bare(prefix))
    if rule is None:
        raise errors.PullThroughCacheRuleNotFound(_bare(prefix), tx.registry_id)
    return rule


def rules(tx: Transaction, prefixes: Iterable[str] | None = None) -> list[Rule]:
    """All rules, or those of some prefixes; by prefix.

    Raises:
        careen.ecr.errors.PullThroughCacheRuleNotFound: one of the prefixes has none.
    """
    if prefixes is None:
        return rows.every(tx.rows)
    return sorted({require_rule(tx, prefix) for prefix in prefixes})


def update_rule(
    tx: Transaction, prefix: str, credential_arn: str | None, custom_role_arn: str | None
) -> Rule:
    """Change who we are upstream; None leaves what is there.

    Raises:
        careen.ecr.errors.PullThroughCacheRuleNotFound: the prefix has no rule.
    """
    rule = require_rule(tx, prefix)
    rule = rule._replace(
        credential_arn=credential_arn or rule.credential_arn,
        custom_role_arn=custom_role_arn or rule.custom_role_arn,
        updated_at=tx.now,
    )
    rows.set_credentials(tx.rows, rule)
    return rule


def delete_rule(tx: Transaction, prefix: str) -> Rule:
    """Remove a rule; what was cached by it stays, and is compared with nothing any more.

    Raises:
        careen.ecr.errors.PullThroughCacheRuleNotFound: the prefix has no rule.
    """
    rule = require_rule(tx, prefix)
    rows.delete(tx.rows, rule.prefix)
    return rule


def upstream_of(found: Iterable[Rule], name: str) -> Upstream | None:
    """Where a repository's images come from: by the rule with the longest prefix of its name.

    ``docker-hub/library/nginx`` is ``library/nginx`` of the rule ``docker-hub``; each prefix ends with a ``/`` of its own.
    """
    fitting = (rule for rule in found if rule.prefix == ROOT or name.startswith(f"{rule.prefix}/"))
    rule = max(fitting, key=lambda each: 0 if each.prefix == ROOT else len(each.prefix), default=None)
    if rule is None:
        return None
    rest = name if rule.prefix == ROOT else name.removeprefix(f"{rule.prefix}/")
    return Upstream(rule, rest if rule.upstream_prefix == ROOT else f"{rule.upstream_prefix}/{rest}")


def standing(tx: Transaction, name: str, reference: str) -> Standing:
    """How a tag or a digest of a repository stands to its upstream."""
    found, upstream = _start(tx, name)
    if upstream is None or found is None:
        return Standing(upstream, found is not None, None, None)
    by_digest = ":" in reference
    row = (
        image_rows.by_digest(tx.rows, found.id, reference)
        if by_digest
        else image_rows.by_tag(tx.rows, found.id, reference)
    )
    if row is None or row.status != images.ACTIVE or images.content(tx, row) is None:
        # What was archived here, or damaged, comes back from where it came from.
        return Standing(upstream, has_repository=True, digest=None, due_at=None)
    noted = None if by_digest else rows.followed(tx.rows, found.id, reference)
    follows = noted is not None and noted.digest == row.digest
    return Standing(upstream, True, row.digest, noted.due_at if noted and follows else None)


def referrers_standing(tx: Transaction, name: str, subject: str) -> Standing:
    """How the list of an image's referrers stands to its upstream. Nobody is asked about an image that is not here."""
    found, upstream = _start(tx, name)
    if upstream is None or found is None or image_rows.by_digest(tx.rows, found.id, subject) is None:
        return Standing(None, found is not None, None, None)
    noted = rows.followed(tx.rows, found.id, subject)
    return Standing(upstream, True, subject, noted.due_at if noted else 0)


def is_here(tx: Transaction, name: str, digest: str) -> bool:
    """Whether a repository has an image that can be pulled."""
    return images.pullable(tx, name, digest) is not None


def _start(tx: Transaction, name: str) -> tuple[Repository | None, Upstream | None]:
    upstream = upstream_of(rows.every(tx.rows), name)
    if upstream is None or not names.is_repository_name(name):
        return None, None
    return repository_rows.by_name(tx.rows, name), upstream


def repository_for(tx: Transaction, name: str) -> Repository:
    """The repository to cache in; made now if there is none."""
    found = repository_rows.by_name(tx.rows, name)
    return found or repositories.create_by_template(tx, name, AppliedFor.PULL_THROUGH_CACHE)


def keep(
    tx: Transaction,
    repository: Repository,
    data: bytes,
    *,
    media_type: str,
    digest: str,
    tag: str | None,
    rule: Rule | None = None,
) -> Put:
    """Store a manifest that an upstream gave; its blobs and children are here.

    A tag follows its upstream from now on, unless somebody pushed it while the image was on its way: then it is ours.

    Args:
        tx: the transaction.
        repository: where to.
        data: the manifest.
        media_type: what the upstream says it is.
        digest: its digest.
        tag: the tag that was asked for.
        rule: by which it was asked for itself; None: another image needs it.

    Raises:
        what :func:`careen.registry.images.put` raises.
    """
    if tag is not None and _is_ours(tx, repository.id, tag):
        tag = None
    put = images.put(tx, repository, data, media_type=media_type, digest=digest, tag=tag)
    if tag is not None:
        note(tx, repository.id, tag, digest)
    if rule is not None:
        events.record(tx, _sync(repository.name, rule, tag, digest))
    return put


def _is_ours(tx: Transaction, repository_id: int, tag: str) -> bool:
    """Whether a tag names what was pushed here."""
    row = image_rows.by_tag(tx.rows, repository_id, tag)
    noted = rows.followed(tx.rows, repository_id, tag)
    return row is not None and (noted is None or noted.digest != row.digest)


def fail(tx: Transaction, name: str, rule: Rule, reference: str, why: str) -> None:
    """An upstream did not give an image that it may have."""
    is_digest = ":" in reference
    tag, digest = (None, reference) if is_digest else (reference, None)
    events.record(tx, _sync(name, rule, tag, digest, why))


def _sync(
    name: str, rule: Rule, tag: str | None, digest: str | None, failure: str | None = None
) -> ecr_events.Event:
    return ecr_events.pulled_through(
        name,
        rule.prefix,
        rule.upstream_url.removeprefix("https://"),
        tag=tag,
        digest=digest,
        status="SUCCESS" if failure is None else "FAILURE",
        failure=failure,
    )


def confirm(tx: Transaction, name: str, reference: str, digest: str) -> None:
    """The upstream was asked, and says what it said: a reference stands for ``digest``."""
    note(tx, repositories.require(tx, name).id, reference, digest)


def postpone(tx: Transaction, name: str, reference: str, digest: str) -> None:
    """The upstream could not be asked: do not do so again for :data:`RETRY`."""
    due_at = tx.now + min(RETRY, tx.limits.upstream_every)
    rows.follow(tx.rows, repositories.require(tx, name).id, reference, digest, due_at)


def note(tx: Transaction, repository_id: int, reference: str, digest: str) -> None:
    """What a reference stands for upstream was found out now."""
    rows.follow(tx.rows, repository_id, reference, digest, tx.now + tx.limits.upstream_every)


def forget(tx: Transaction) -> int:
    """Forget about references that are gone, and whose images cannot come back from the trash. Returns how many."""
    return rows.forget(tx.rows, tx.now - tx.limits.trash - tx.limits.upstream_every)


def _bare(prefix: str) -> str:
    """``ecr-public/`` and ``ecr-public`` are one prefix: Amazon ECR ends each with a ``/``."""
    return prefix.removesuffix("/")
