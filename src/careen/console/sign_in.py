"""In and out: by a password, by an access key, by a link that works once.

Whoever opens a link is asked whether to use it: what looks at links beforehand (a chat's preview, a scanner of mail) asks for the
page, and must not use it up.
"""

from starlette.responses import Response

from careen.clock import SECOND
from careen.console.visit import ROOT, SESSION_COOKIE, Page, Visit, url
from careen.iam.errors import PasswordPolicyViolation, TooManyAttempts
from careen.registry import console_sessions, sign_in
from careen.registry.sign_in import PasswordExpired, SignInRefused
from careen.traffic import served

METHODS = {"password": "Password", "key": "Access key"}
"""What the page offers."""


async def page(visit: Visit) -> Response:
    """The form, or the button of a link."""
    if link := visit.query.get("link"):
        return _link_page(visit, link)
    if visit.is_signed_in:
        return visit.go(_after(visit.query.get("to", "")))
    return _form(visit)


async def enter(visit: Visit) -> Response:
    """Sign in."""
    form, registry, asked = visit.form, visit.registry, visit.circumstances
    try:
        if "link" in form:
            secret = await sign_in.by_link(registry, form["link"], asked)
        elif form.get("with") == "key":
            secret = await sign_in.by_access_key(
                registry, form.get("id", "").strip(), form.get("secret", "").strip(), asked
            )
        elif form.get("new", "") != form.get("again", ""):
            return _change(visit, "The two new passwords are not the same.")
        else:
            name, password = form.get("name", "").strip(), form.get("password", "")
            secret = await sign_in.by_password(registry, name, password, asked, form.get("new"))
    except PasswordExpired:
        return _change(visit, "")
    except PasswordPolicyViolation as refusal:
        return _change(visit, refusal.message)
    except SignInRefused as refusal:
        served(visit.request.scope).refusal = "wrong credential"
        return _again(visit, str(refusal), 403)
    except TooManyAttempts as refusal:
        served(visit.request.scope).refusal = "locked out"
        response = _again(visit, refusal.message, 429)
        response.headers["retry-after"] = str(refusal.seconds)
        return response
    if visit.is_signed_in:
        await registry.write(console_sessions.end, visit.session)
    return let_in(visit, secret, _after(form.get("to", "")))


async def leave(visit: Visit) -> Response:
    """Sign out."""
    if visit.is_signed_in:
        await visit.registry.write(console_sessions.end, visit.session)
    response = visit.go(url("sign-in"))
    response.delete_cookie(SESSION_COOKIE, ROOT)
    return response


def let_in(visit: Visit, secret: str, to: str) -> Response:
    """Lead on with the cookie of a session that has just begun."""
    response = visit.go(to)
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=console_sessions.LASTS // SECOND,
        path=ROOT,
        secure=visit.circumstances.secure is True,
        httponly=True,
        samesite="lax",
    )
    return response


def _after(to: str) -> str:
    """Where somebody wanted to go, if that is in the console."""
    return to if to.startswith(ROOT) else ROOT


def _form(visit: Visit, reason: str = "", status: int = 200) -> Response:
    sent = visit.form or visit.query
    chosen = sent.get("with", "password")
    return visit.page(
        "sign_in/form.html",
        status=status,
        title="Sign in",
        reason=reason,
        chosen=chosen if chosen in METHODS else "password",
        methods=METHODS,
        to=sent.get("to", ""),
        name=visit.form.get("name", ""),
        key_id=visit.form.get("id", ""),
    )


def _again(visit: Visit, reason: str, status: int) -> Response:
    if "link" in visit.form:
        return visit.page(
            "sign_in/link.html", status=status, title="Sign in", reason=reason, holder=None, link=""
        )
    if "new" in visit.form:
        return _change(visit, reason, status)
    return _form(visit, reason, status)


def _change(visit: Visit, reason: str, status: int = 400) -> Response:
    """The form for another password, of somebody whose own is good for nothing else."""
    return visit.page(
        "sign_in/change.html",
        status=status if reason else 200,
        title="Choose a password",
        reason=reason,
        name=visit.form.get("name", "").strip(),
        to=visit.form.get("to", ""),
    )


def _link_page(visit: Visit, link: str) -> Response:
    holder = visit.registry.read(
        console_sessions.holder_of_link, visit.registry, link, visit.circumstances.at
    )
    reason = "" if holder else sign_in.LINK_IS_OVER
    return visit.page(
        "sign_in/link.html",
        status=200 if holder else 403,
        title="Sign in",
        reason=reason,
        holder=holder,
        link=link,
        to=visit.query.get("to", ""),
    )


PAGES = {
    "sign-in": Page(page, enter, is_open=True),
    "sign-out": Page(post=leave, is_open=True),
}
