"""Users: the list, and of each its keys, its password, what it may do, its end."""

from typing import Any

from starlette.responses import Response

from careen.console import identities
from careen.console.identities import address, section
from careen.console.visit import Notice, Page, Visit, url
from careen.ecr.errors import EcrError
from careen.iam import passwords
from careen.iam.errors import InvalidInput, NoSuchEntity
from careen.iam.managed import ManagedPolicy
from careen.registry.identities import Kind

SECTION = section(Kind.USER)


async def new(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The form for another one."""
    return visit.page(
        "access/user_new.html",
        section=SECTION,
        title="Create a user",
        sent=visit.form,
        managed=[("", "None yet"), *((each.arn, str(each)) for each in ManagedPolicy)],
        refusal=refusal,
    )


async def create(visit: Visit) -> Response:
    """Make it, with a policy to begin with."""
    form = visit.form
    name = form.get("name", "").strip()
    try:
        await visit.ask("CreateUser", "iam", UserName=name, Path=form.get("path", "").strip() or None)
    except EcrError as refusal:
        return await new(visit, refusal)
    notice = Notice(f"{name} is there, and has neither a key nor a password yet.")
    if form.get("arn"):
        try:
            await visit.ask("AttachUserPolicy", "iam", UserName=name, PolicyArn=form["arn"])
        except EcrError as refusal:
            notice = Notice(f"{name} is there; the policy is not attached: {refusal.message}", is_good=False)
    return visit.go(address(Kind.USER, name), notice)


async def show(visit: Visit, refusal: EcrError | None = None) -> Response:
    """A user."""
    name = visit.path("name")
    found = (await visit.ask("GetUser", "iam", UserName=name))["User"]
    return visit.page(
        "access/user.html",
        section=SECTION,
        title=name,
        user=found,
        name=name,
        keys=await keys_of(visit, name),
        to=address(Kind.USER, name),
        password=await _password_of(visit, name),
        refusal=refusal,
        **await identities.policies_of(visit, Kind.USER, name),
    )


async def change(visit: Visit) -> Response:
    """Policies and the password."""
    try:
        if visit.form.get("do") == "password":
            return await _set_password(visit)
        if visit.form.get("do") == "no-password":
            await visit.ask("DeleteLoginProfile", "iam", UserName=visit.path("name"))
            notice = Notice("The password is gone, and whoever was signed in with it is signed out.")
        else:
            notice = await identities.change_policies(visit, Kind.USER)
    except EcrError as refusal:
        return await show(visit, refusal)
    return visit.go(address(Kind.USER, visit.path("name")), notice)


async def ask_delete(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The field for its name."""
    name = visit.path("name")
    await visit.ask("GetUser", "iam", UserName=name)
    return visit.page(
        "access/user_delete.html",
        section=SECTION,
        title=f"Delete {name}",
        name=name,
        refusal=refusal,
        address=address,
    )


async def delete(visit: Visit) -> Response:
    """Delete it with all that belongs to it: IAM deletes no user that has something yet."""
    name = visit.path("name")
    if visit.form.get("typed", "") != name:
        return visit.go(address(Kind.USER, name, "delete"), Notice("The name was another.", is_good=False))
    try:
        await _empty(visit, name)
        await visit.ask("DeleteUser", "iam", UserName=name)
    except EcrError as refusal:
        return await ask_delete(visit, refusal)
    return visit.go(url(SECTION), Notice(f"{name} is deleted."))


async def change_key(visit: Visit) -> Response:
    """Make an access key, switch one off or on, delete one; for this page and for one's own."""
    name, form = visit.path("name"), visit.form
    is_own = visit.principal.is_user and visit.principal.name == name and form.get("to") == "credentials"
    to = url("credentials") if is_own else address(Kind.USER, name)
    one = {"UserName": name, "AccessKeyId": form.get("id", "")}
    try:
        match form.get("do"):
            case "create":
                made = (await visit.ask("CreateAccessKey", "iam", UserName=name))["AccessKey"]
                return _secret(
                    visit,
                    f"An access key of {name}",
                    {"Access key": made["AccessKeyId"], "Secret": made["SecretAccessKey"]},
                    to,
                )
            case "delete":
                await visit.ask("DeleteAccessKey", "iam", **one)
                done = "deleted"
            case _:
                status = "Active" if form.get("do") == "activate" else "Inactive"
                await visit.ask("UpdateAccessKey", "iam", **one, Status=status)
                done = status.lower()
    except EcrError as refusal:
        return visit.go(to, Notice(refusal.message, is_good=False))
    return visit.go(to, Notice(f"{one['AccessKeyId']} is {done}."))


async def keys_of(visit: Visit, name: str) -> dict[str, Any] | None:
    """The access keys of a user, and what may be done with them; None: they are not to be seen."""
    if not visit.may("ListAccessKeys", None, "iam", UserName=name):
        return None
    found = await visit.ask("ListAccessKeys", "iam", UserName=name)
    return {
        "found": found["AccessKeyMetadata"],
        "may_create": visit.may("CreateAccessKey", None, "iam", UserName=name),
        "may_update": visit.may("UpdateAccessKey", None, "iam", UserName=name),
        "may_delete": visit.may("DeleteAccessKey", None, "iam", UserName=name),
    }


async def _password_of(visit: Visit, name: str) -> dict[str, Any] | None:
    """The login profile, if there is one, and what may be done with it; None: that is not to be seen."""
    if not visit.may("GetLoginProfile", None, "iam", UserName=name):
        return None
    try:
        profile = (await visit.ask("GetLoginProfile", "iam", UserName=name))["LoginProfile"]
    except NoSuchEntity:
        profile = None
    does = "CreateLoginProfile" if profile is None else "UpdateLoginProfile"
    return {
        "profile": profile,
        "may_set": visit.may(does, None, "iam", UserName=name),
        "may_delete": visit.may("DeleteLoginProfile", None, "iam", UserName=name),
    }


async def _set_password(visit: Visit) -> Response:
    """Give the user a password that somebody has typed, or one that is shown once."""
    name, form = visit.path("name"), visit.form
    typed = form.get("password", "")
    if typed != form.get("again", ""):
        raise InvalidInput("The two passwords are not the same.")
    has_one = form.get("has-one") == "yes"
    chosen = typed or passwords.generated()
    await visit.ask(
        "UpdateLoginProfile" if has_one else "CreateLoginProfile",
        "iam",
        UserName=name,
        Password=chosen,
        PasswordResetRequired=form.get("reset") == "on",
    )
    if not typed:
        return _secret(
            visit, f"A password of {name}", {"User": name, "Password": chosen}, address(Kind.USER, name)
        )
    return visit.go(address(Kind.USER, name), Notice(f"{name} signs in with this password from now on."))


def _secret(visit: Visit, title: str, told: dict[str, str], to: str) -> Response:
    """What is shown this once, with a way on."""
    return visit.page("access/secret.html", section=SECTION, title=title, told=told, to=to)


async def _empty(visit: Visit, name: str) -> None:
    """Take from a user what it has, each by its own operation."""
    who = {"UserName": name}
    for each in (await visit.ask("ListAttachedUserPolicies", "iam", **who))["AttachedPolicies"]:
        await visit.ask("DetachUserPolicy", "iam", **who, PolicyArn=each["PolicyArn"])
    for policy in (await visit.ask("ListUserPolicies", "iam", **who))["PolicyNames"]:
        await visit.ask("DeleteUserPolicy", "iam", **who, PolicyName=policy)
    for key in (await visit.ask("ListAccessKeys", "iam", **who))["AccessKeyMetadata"]:
        await visit.ask("DeleteAccessKey", "iam", **who, AccessKeyId=key["AccessKeyId"])
    try:
        await visit.ask("DeleteLoginProfile", "iam", **who)
    except NoSuchEntity:
        return


PAGES = {
    SECTION: Page(identities.lists(Kind.USER)),
    f"{SECTION}/-/new": Page(new, create),
    f"{SECTION}/{{name}}": Page(show, change),
    f"{SECTION}/{{name}}/delete": Page(ask_delete, delete),
    f"{SECTION}/{{name}}/keys": Page(post=change_key),
    f"{SECTION}/{{name}}/policies/{{policy}}": identities.edits(Kind.USER),
}
