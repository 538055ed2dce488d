"""The pull-through cache: which names stand for other registries, and with which secret they are asked."""

from starlette.responses import Response

from careen.console import confirmation
from careen.console.visit import Notice, Page, Visit, url
from careen.ecr.errors import EcrError, PullThroughCacheRuleNotFound
from careen.pull_through import secrets

SECTION = "cache"

UPSTREAMS = (
    "registry-1.docker.io",
    "quay.io",
    "ghcr.io",
    "registry.k8s.io",
    "public.ecr.aws",
    "registry.gitlab.com",
    "cgr.dev",
)
"""What is offered while one types an address; any other is taken, too."""


def address(prefix: str, what: str = "edit") -> str:
    """Where a rule is in the console."""
    return url(f"cache/{prefix}/-/{what}")


async def listed(visit: Visit) -> Response:
    """All rules."""
    rules = await visit.every("DescribePullThroughCacheRules", "pullThroughCacheRules")
    return visit.page(
        "cache/list.html",
        section=SECTION,
        title="Pull-through cache",
        rules=rules,
        address=address,
        name_of=secret_name,
    )


async def new(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The form for another one."""
    return visit.page(
        "cache/new.html",
        section=SECTION,
        title="Add a cache rule",
        sent=visit.form,
        upstreams=UPSTREAMS,
        refusal=refusal,
    )


async def create(visit: Visit) -> Response:
    """Make it."""
    form = visit.form
    prefix = form.get("prefix", "").strip()
    try:
        await visit.ask(
            "CreatePullThroughCacheRule",
            ecrRepositoryPrefix=prefix,
            upstreamRegistryUrl=form.get("upstream", "").strip(),
            upstreamRepositoryPrefix=form.get("upstream-prefix", "").strip() or None,
            credentialArn=_secret(visit, form.get("secret", "")),
            customRoleArn=form.get("role", "").strip() or None,
        )
    except EcrError as refusal:
        return await new(visit, refusal)
    return visit.go(address(prefix), Notice("The rule is there. Check it before somebody pulls."))


async def edit(visit: Visit, refusal: EcrError | None = None) -> Response:
    """A rule, and the secret that it names."""
    prefix = visit.path("prefix")
    found = await visit.ask("DescribePullThroughCacheRules", ecrRepositoryPrefixes=[prefix])
    if not found["pullThroughCacheRules"]:
        raise PullThroughCacheRuleNotFound(prefix, visit.registry.id)
    (rule,) = found["pullThroughCacheRules"]
    return visit.page(
        "cache/edit.html",
        section=SECTION,
        title=prefix,
        rule=rule,
        is_amazon=rule["upstreamRegistry"] == "ecr",
        secret=visit.form.get("secret", "") if refusal else secret_name(rule["credentialArn"]),
        role=visit.form.get("role", "") if refusal else rule["customRoleArn"] or "",
        address=address,
        refusal=refusal,
    )


async def put(visit: Visit) -> Response:
    """Change the secret or the role, or delete the rule."""
    prefix, form = visit.path("prefix"), visit.form
    try:
        if form.get("do") != "delete":
            await visit.ask(
                "UpdatePullThroughCacheRule",
                ecrRepositoryPrefix=prefix,
                credentialArn=_secret(visit, form.get("secret", "")),
                customRoleArn=form.get("role", "").strip() or None,
            )
            return visit.go(address(prefix), Notice("Saved."))
        if not confirmation.is_given(visit):
            return confirmation.ask(
                visit,
                f"Delete the cache rule {prefix}?",
                consequence="What was cached stays and can be pulled. Nothing new comes from the upstream any more.",
                button="Delete the rule",
                back=address(prefix),
                section=SECTION,
            )
        await visit.ask("DeletePullThroughCacheRule", ecrRepositoryPrefix=prefix)
    except EcrError as refusal:
        if form.get("do") == "delete":
            raise
        return await edit(visit, refusal)
    return visit.go(url(SECTION), Notice(f"The rule {prefix} is deleted. What was cached is still there."))


async def validate(visit: Visit) -> Response:
    """Knock at the upstream with the secret."""
    prefix = visit.path("prefix")
    found = await visit.ask("ValidatePullThroughCacheRule", ecrRepositoryPrefix=prefix)
    if found["isValid"]:
        return visit.go(address(prefix), Notice("The upstream is there and lets us in."))
    return visit.go(address(prefix), Notice(f"{found['failure']}", is_good=False))


def secret_name(arn: str | None) -> str:
    """The name of the secret in an ARN; empty: none is named."""
    return (arn or "").partition(f":secret:{secrets.PREFIX}")[2]


def _secret(visit: Visit, text: str) -> str | None:
    """The ARN of a secret that somebody names, or whose ARN they give."""
    name = text.strip()
    if not name or name.startswith("arn:"):
        return name or None
    registry = visit.registry
    return f"arn:aws:secretsmanager:{registry.region}:{registry.id}:secret:{secrets.PREFIX}{name}"


PAGES = {
    "cache": Page(listed),
    "cache/new": Page(new, create),
    "cache/{prefix:path}/-/edit": Page(edit, put),
    "cache/{prefix:path}/-/validate": Page(post=validate),
}
