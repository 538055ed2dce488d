"""My credentials: who I am, where I am signed in, my password, my access keys."""

from starlette.responses import Response

from careen.console import sign_in, users
from careen.console.visit import ROOT, SESSION_COOKIE, Page, Visit, url
from careen.ecr.errors import EcrError
from careen.iam.errors import InvalidInput, NoSuchEntity
from careen.registry import console_sessions
from careen.registry import sign_in as signing_in
from careen.registry.console_sessions import SignedIn

SECTION = "credentials"


async def show(visit: Visit, refusal: EcrError | None = None) -> Response:
    """The page."""
    here = _signed_in(visit)
    name = visit.principal.name if visit.principal.is_user else ""
    return visit.page(
        "access/credentials.html",
        section=SECTION,
        title="My credentials",
        refusal=refusal,
        sessions=visit.registry.read(console_sessions.sessions_of, here, visit.circumstances.at),
        here=here.session,
        has_password=bool(name) and await _has_password(visit, name),
        name=name,
        keys=await users.keys_of(visit, name) if name else None,
        to=url(SECTION),
    )


async def change(visit: Visit) -> Response:
    """Change the password, or sign out everywhere."""
    form = visit.form
    if form.get("do") == "sign-out":
        principal_id = _signed_in(visit).session.principal_id
        await visit.registry.write(console_sessions.end_all, principal_id)
        response = visit.go(url("sign-in"))
        response.delete_cookie(SESSION_COOKIE, ROOT)
        return response
    new = form.get("new", "")
    try:
        if new != form.get("again", ""):
            raise InvalidInput("The two new passwords are not the same.")
        await visit.ask("ChangePassword", "iam", OldPassword=form.get("old", ""), NewPassword=new)
    except EcrError as refusal:
        return await show(visit, refusal)
    # All sessions have ended, this one with them: whoever has just proved the password begins another.
    secret = await signing_in.by_password(visit.registry, visit.principal.name, new, visit.circumstances)
    return sign_in.let_in(visit, secret, url(SECTION))


def _signed_in(visit: Visit) -> SignedIn:
    now = visit.circumstances.at
    found = visit.registry.read(console_sessions.caller, visit.registry, visit.session, now)
    if found is None:  # it ended while the page was made
        raise NoSuchEntity("This session has ended.")
    return found


async def _has_password(visit: Visit, name: str) -> bool:
    """Whether there is one to change, as far as the user may know and do that."""
    if not visit.may("ChangePassword", None, "iam"):
        return False
    if not visit.may("GetLoginProfile", None, "iam", UserName=name):
        return True
    try:
        await visit.ask("GetLoginProfile", "iam", UserName=name)
    except NoSuchEntity:
        return False
    return True


PAGES = {SECTION: Page(show, change)}
