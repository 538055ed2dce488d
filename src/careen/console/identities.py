"""What users and roles have in common: attached policies, policies of their own, and the lists. Roles have no more than that."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

from starlette.responses import Response

from careen.console.visit import Notice, Page, Visit, url
from careen.console.words import indented
from careen.ecr.errors import EcrError
from careen.iam.managed import ManagedPolicy
from careen.registry.identities import Kind

PAGE_SIZE = 100

NEW_POLICY = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      "Resource": "arn:aws:ecr:*:*:repository/team/*"
    }
  ]
}"""
"""What somebody begins with."""


def section(kind: Kind) -> str:
    """The path of their list: ``access/users``."""
    return f"access/{kind}s"


def address(kind: Kind, name: str, below: str = "") -> str:
    """Where a user or a role is in the console."""
    return url(f"{section(kind)}/{name}" + (f"/{below}" if below else ""))


def named(kind: Kind, name: str) -> dict[str, str]:
    """How IAM's operations name it: ``{"UserName": "ci"}``."""
    return {f"{kind.capitalize()}Name": name}


def lists(kind: Kind) -> Callable[[Visit], Awaitable[Response]]:
    """The list of users, or of roles, a page of it."""
    noun = kind.capitalize()

    async def listed(visit: Visit) -> Response:
        marker = visit.query.get("after")
        found = await visit.ask(f"List{noun}s", "iam", MaxItems=PAGE_SIZE, Marker=marker)
        return visit.page(
            "access/list.html",
            section=section(kind),
            title=f"{noun}s",
            kind=kind,
            noun=noun,
            rows=[(each[f"{noun}Name"], each) for each in found[f"{noun}s"]],
            next=url(section(kind), after=found["Marker"]) if found["IsTruncated"] else "",
            is_first=marker is None,
            address=address,
        )

    return listed


async def policies_of(visit: Visit, kind: Kind, name: str) -> dict[str, Any]:
    """What the templates' part about policies takes. What may not be seen is None, what may not be done is not offered."""
    noun, who = kind.capitalize(), named(kind, name)
    attached = own = None
    if visit.may(f"ListAttached{noun}Policies", None, "iam", **who):
        found = await visit.ask(f"ListAttached{noun}Policies", "iam", **who)
        attached = [(each["PolicyName"], each["PolicyArn"]) for each in found["AttachedPolicies"]]
    if visit.may(f"List{noun}Policies", None, "iam", **who):
        own = (await visit.ask(f"List{noun}Policies", "iam", **who))["PolicyNames"]
    return {
        "kind": kind,
        "attached": attached,
        "own": own,
        "attachable": [
            (each.arn, str(each))
            for each in ManagedPolicy
            if each not in {name for name, _ in attached or ()}
            and visit.may(f"Attach{noun}Policy", None, "iam", **who, PolicyArn=each.arn)
        ],
        "may_detach": visit.may(f"Detach{noun}Policy", None, "iam", **who),
        "may_put": visit.may(f"Put{noun}Policy", None, "iam", **who),
        "address": address,
    }


async def change_policies(visit: Visit, kind: Kind) -> Notice:
    """Attach a managed policy, or detach one, as the form says.

    Raises:
        EcrError: IAM refuses.
    """
    noun, name = kind.capitalize(), visit.path("name")
    given = named(kind, name) | {"PolicyArn": visit.form.get("arn", "")}
    does = "Detach" if visit.form.get("do") == "detach" else "Attach"
    await visit.ask(f"{does}{noun}Policy", "iam", **given)
    return Notice(f"{given['PolicyArn'].rpartition('/')[2]} is {does.lower()}ed.")


def edits(kind: Kind) -> Page:
    """The page of one policy of a user's or a role's own; of a new one, its name is ``new``."""
    noun = kind.capitalize()

    async def show(visit: Visit, refusal: EcrError | None = None) -> Response:
        name, policy = visit.path("name"), visit.path("policy")
        text = NEW_POLICY
        if refusal is not None:
            text = visit.form.get("document", "")
        elif policy != NEW:
            found = await visit.ask(f"Get{noun}Policy", "iam", **named(kind, name), PolicyName=policy)
            text = indented(unquote(found["PolicyDocument"]))
        return visit.page(
            "access/policy.html",
            section=section(kind),
            title="A policy of its own" if policy == NEW else policy,
            noun=noun,
            kind=kind,
            name=name,
            policy=None if policy == NEW else policy,
            sent=visit.form,
            text=text,
            refusal=refusal,
            may_put=visit.may(f"Put{noun}Policy", None, "iam", **named(kind, name)),
            may_delete=policy != NEW and visit.may(f"Delete{noun}Policy", None, "iam", **named(kind, name)),
            address=address,
        )

    async def save(visit: Visit) -> Response:
        name, policy, form = visit.path("name"), visit.path("policy"), visit.form
        called = form.get("policy", "").strip() if policy == NEW else policy
        who = named(kind, name) | {"PolicyName": called}
        try:
            if form.get("do") == "delete":
                await visit.ask(f"Delete{noun}Policy", "iam", **who)
                return visit.go(address(kind, name), Notice(f"The policy {called} is deleted."))
            await visit.ask(f"Put{noun}Policy", "iam", **who, PolicyDocument=form.get("document", ""))
        except EcrError as refusal:
            return await show(visit, refusal)
        return visit.go(address(kind, name), Notice(f"The policy {called} holds from now on."))

    return Page(show, save)


NEW = "new"
"""Stands for the name of a policy that has none yet. One that is called so can be changed by the API alone."""


async def role(visit: Visit, refusal: EcrError | None = None) -> Response:
    """A role: who may assume it, and what it may do."""
    name = visit.path("name")
    found = (await visit.ask("GetRole", "iam", RoleName=name))["Role"]
    return visit.page(
        "access/role.html",
        section=section(Kind.ROLE),
        title=name,
        role=found,
        trust=indented(unquote(found["AssumeRolePolicyDocument"])),
        refusal=refusal,
        name=name,
        **await policies_of(visit, Kind.ROLE, name),
    )


async def change_role(visit: Visit) -> Response:
    """Attach and detach."""
    try:
        notice = await change_policies(visit, Kind.ROLE)
    except EcrError as refusal:
        return await role(visit, refusal)
    return visit.go(address(Kind.ROLE, visit.path("name")), notice)


PAGES = {
    section(Kind.ROLE): Page(lists(Kind.ROLE)),
    f"{section(Kind.ROLE)}/{{name}}": Page(role, change_role),
    f"{section(Kind.ROLE)}/{{name}}/policies/{{policy}}": edits(Kind.ROLE),
}
