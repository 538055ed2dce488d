"""The console's pages, who may see them, and the one place where a refusal becomes a page.

A request comes with the cookie of a session, or goes to the sign-in page. One that changes something must come from a page of
ours: by what the browser says of its origin (``Sec-Fetch-Site``, Fetch Metadata; else ``Origin``), and by a token that only the
session's own pages have.
"""

import hmac
import math
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from careen.circumstances import circumstances_of
from careen.clock import system_now
from careen.console import (
    account,
    activity,
    apply,
    cache,
    creation_templates,
    credentials,
    deletion,
    explain,
    gallery,
    identities,
    image,
    images,
    overview,
    pins,
    policy,
    policy_editor,
    public,
    replication,
    repositories,
    rules,
    runs,
    scanning,
    sign_in,
    signing,
    static,
    theme,
    trash,
    users,
    webhooks,
)
from careen.console.visit import CSRF_FIELD, ROOT, SESSION_COOKIE, Form, House, InvalidForm, Page, Visit, url
from careen.distribution import anonymous
from careen.ecr.common_errors import AccessDenied
from careen.ecr.errors import EcrError
from careen.registry import callers, console_sessions
from careen.registry.trouble import tell, trouble
from careen.traffic import served

MAX_FORM = 1024 * 1024
"""Bytes of a form: a policy has up to 30,720 characters, and a page of digests 10 KB."""

MAX_STRANGERS_FORM = 32 * 1024
"""The same of who is not signed in, and sends no more than a password: a megabyte of fields takes a third of a second to read."""

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, no script and no style inside a page (Content Security Policy Level 3)."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": CSP,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

PAGES: dict[str, Page] = {
    **theme.PAGES,
    **sign_in.PAGES,
    **credentials.PAGES,
    **users.PAGES,
    **identities.PAGES,
    **explain.PAGES,
    **activity.PAGES,
    **overview.PAGES,
    **repositories.PAGES,
    **trash.PAGES,
    **deletion.PAGES,
    **image.PAGES,
    **policy.PAGES,
    **policy_editor.PAGES,
    **runs.PAGES,
    **apply.PAGES,
    **rules.PAGES,
    **public.PAGES,
    **gallery.PAGES,
    **cache.PAGES,
    **replication.PAGES,
    **creation_templates.PAGES,
    **scanning.PAGES,
    **signing.PAGES,
    **pins.PAGES,
    **webhooks.PAGES,
    **account.PAGES,
    **images.PAGES,  # at the end: a name has slashes, so this fits every address of a repository
}
"""Addresses below :data:`ROOT`, the first that fits counts."""


class FormTooLarge(Exception):
    """A form has more bytes than it may. The message is for a person."""


class NotOurs(Exception):
    """A request would change something, and does not come from a page of this session."""


class Console:
    """The pages of one HTTP process."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[Route]:
        """For the application's router."""
        return [
            Route(static.PREFIX + "{mark}/{name:path}", static.answer, methods=["GET"]),
            *(self._route(path, page) for path, page in PAGES.items()),
            Route(ROOT + "{rest:path}", self._endpoint("other", Page(get=_nothing)), methods=["GET"]),
        ]

    def _route(self, path: str, page: Page) -> Route:
        methods = [method for method, handler in (("GET", page.get), ("POST", page.post)) if handler]
        return Route(ROOT + path, self._endpoint(ROOT + path, page), methods=methods)

    def _endpoint(self, template: str, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            served(request.scope).operation = template
            response = await self._answer(request, page)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return answer

    async def _answer(self, request: Request, page: Page) -> Response:
        visit = await self._arrive(request)
        noted = served(request.scope)
        if visit.is_signed_in:
            noted.principal = visit.principal
        if not visit.is_signed_in and not page.is_open:
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            if request.method == "POST":  # what was sent is gone, and often there is no page at its address
                asked = visit.came_from
            response: Response = RedirectResponse(url("sign-in", to=asked), 303)
            if request.headers.get("hx-request"):  # a part of a page cannot be the sign-in page
                response = Response(status_code=401, headers={"hx-redirect": url("sign-in")})
            return response
        wait = 0.0 if visit.is_signed_in else self._wait_of(request)
        if wait:
            noted.refusal = "too often"
            refused = _refusal(
                visit, 429, "Too often", "Many requests come from this address. Wait a moment."
            )
            refused.headers["retry-after"] = str(math.ceil(wait))
            return refused
        try:
            if request.method == "POST":
                await self._read_form(request, visit)
            handler = page.post if request.method == "POST" else page.get
            assert handler is not None  # noqa: S101 the router lets no other method pass
            return await handler(visit)
        except ClientDisconnect:
            return Response(status_code=400)
        except FormTooLarge as refusal:
            return _refusal(visit, 413, "Too much", str(refusal))
        except InvalidForm as refusal:
            return _refusal(
                visit, 400, "Not done", f"{refusal.message} Go back to the page and send it again."
            )
        except NotOurs:
            reason = "The page that this came from is of another session, or of another site. Open it again."
            return _refusal(visit, 403, "Not done", reason)
        except AccessDenied as error:  # which the wire of JSON has as a 400
            noted.refusal = "denied"
            return _refusal(visit, 403, "You may not do this", error.message, error.code)
        except EcrError as error:
            is_absent = error.code.endswith("NotFoundException")  # another 400 there
            status, title = (404, "Not found") if is_absent else (error.status, "Not done")
            return _refusal(visit, status, title, error.message, error.code)
        except Exception as error:  # noqa: BLE001 it is told
            wrong = trouble(error)
            tell(error, "a page failed", path=request.url.path, request_id=noted.id)
            reason = (
                "Something failed here. The log of the registry has it." if wrong is None else wrong.value
            )
            return _refusal(visit, 500 if wrong is None else 503, "Not done", reason)

    def _wait_of(self, request: Request) -> float:
        """How many seconds a stranger's address has to wait."""
        address = circumstances_of(self._house.registry, request.scope, {}).source_ip
        return anonymous.wait_of(self._house.allowance, address)

    async def _arrive(self, request: Request) -> Visit:
        """Who comes, by the cookie."""
        registry, secret = self._house.registry, request.cookies.get(SESSION_COOKIE, "")
        now = system_now()
        found = registry.read(console_sessions.caller, registry, secret, now) if secret else None
        if found is None:
            return Visit(self._house, request, callers.ANONYMOUS, "")
        await console_sessions.note_use(registry, found.session, now)
        return Visit(self._house, request, found.principal, csrf_of(secret), secret)

    async def _read_form(self, request: Request, visit: Visit) -> None:
        """Take the form in, if it comes from a page of ours."""
        if not _is_from_here(request, self._house.registry.public_url):
            raise NotOurs
        parts, size, most = [], 0, MAX_FORM if visit.is_signed_in else MAX_STRANGERS_FORM
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > most:
                raise FormTooLarge(f"A form may have {most:,} bytes.")
        visit.form = Form(b"".join(parts))
        if visit.is_signed_in and not hmac.compare_digest(
            visit.form.get(CSRF_FIELD, "").encode(), visit.csrf.encode()
        ):
            raise NotOurs


def csrf_of(secret: str) -> str:
    """What the forms of a session bring along: whoever knows it knows nothing of the cookie."""
    return hmac.digest(secret.encode(), b"careen console form", "sha256").hex()


def _is_from_here(request: Request, public_url: str) -> bool:
    """Whether the browser says that the request comes from our own pages, as far as it says anything."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(public_url).netloc} - {""}  # no host of "null"
    return origin is None or origin.partition("://")[2] in ours


def _refusal(visit: Visit, status: int, title: str, reason: str, code: str = "") -> Response:
    return visit.page("error.html", status=status, title=title, reason=reason, code=code)


async def _nothing(visit: Visit) -> Response:
    reason = "There is no such page. It may have been of an image or a repository that is gone."
    return _refusal(visit, 404, "Not found", reason)
