"""A visit: one request of somebody who is signed in, and what a page can do with it: ask, offer, answer."""

import base64
import hmac
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from careen.circumstances import circumstances_of
from careen.clock import Instant
from careen.console import navigation, rendering
from careen.distribution.allowance import Allowance
from careen.ecr import model, wire
from careen.ecr.errors import EcrError
from careen.ecrapi import operations, permissions
from careen.ecrapi.call import Call, base_url_of
from careen.ecrapi.trail import Trail
from careen.iam.actions import action_of
from careen.iamapi import app as iamapi
from careen.issuers import Issuers
from careen.pull_through.importer import Importer
from careen.registry import access, callers
from careen.registry.callers import Principal
from careen.registry.pulls import PullTimes
from careen.registry.registry import Registry

ROOT = "/console/"

SESSION_COOKIE = "careen-session"
CSRF_FIELD = "csrf"
NOTICE_COOKIE = "careen-notice"
MAX_NOTICE = 4_000
"""Characters of its cookie: browsers keep 4,096 with the name, and drop a longer one without a word."""

THEME_COOKIE = "careen-theme"
THEMES = ("auto", "light", "dark")

_CUT = 500
"""Characters of a text that does not fit: so many do, in whatever script."""

_SERVICES = {
    "ecr": model.ecr,
    "ecr-public": model.ecr_public,
    "careen": model.careen,
    "iam": model.iam,
    "sts": model.sts,
}


@dataclass(frozen=True, slots=True)
class House:
    """What the console has of the process that it is in."""

    registry: Registry
    pulls: PullTimes
    importer: Importer
    issuers: Issuers
    allowance: Allowance
    """How often those may come who are not signed in; shared with those who pull without a credential."""


@dataclass(frozen=True, slots=True)
class Page:
    """What answers an address."""

    get: "PageHandler | None" = None
    post: "PageHandler | None" = None
    is_open: bool = False
    """Whether nobody need be signed in."""


class Undo(msgspec.Struct, frozen=True):
    """What takes back what was just done: a form of one button."""

    path: str
    """Where it is posted to, below :data:`ROOT`."""
    fields: dict[str, str]
    label: str = "Undo"


class Notice(msgspec.Struct, frozen=True):
    """What the next page says has been done."""

    text: str
    undo: Undo | None = None
    is_good: bool = True


def url(path: str, **query: str | int | Sequence[str] | None) -> str:
    """An address in the console.

    Args:
        path: below :data:`ROOT`, unquoted; slashes stay.
        query: parameters; those that are None or empty are left out, a list is several of one name.
    """
    given = [(name, value) for name, value in query.items() if value not in (None, "", [], ())]
    return ROOT + quote(path, safe="/:@") + (f"?{urlencode(given, doseq=True)}" if given else "")


class InvalidForm(Exception):
    """What was sent is no form of ours. The message is for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class MissingField(InvalidForm, KeyError):
    """A handler asked for a field by its name, which all of our pages send."""


class Form(QueryParams):
    """What was sent with a form; ``form["name"]`` raises :class:`MissingField`.

    Raises:
        InvalidForm: a text has a NUL, which no browser sends and PostgreSQL does not keep.
    """

    def __init__(self, sent: bytes = b"") -> None:
        super().__init__(sent)
        if any("\0" in text for field in self.multi_items() for text in field):
            raise InvalidForm("A field of the form has a NUL character.")

    def __getitem__(self, name: str) -> str:
        if name not in self:
            raise MissingField(f"The form has no field '{name}'.")
        return super().__getitem__(name)


def number(text: str) -> int | None:
    """The number that a field or an address has: digits, at most as many as a row's id may have. None: it has none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


class Visit:
    """One request, by somebody who is signed in, or by anybody where a page is open to all.

    Args:
        house: where it is.
        request: the request.
        principal: who; their policies are those of now.
        csrf: what forms of this session must bring along.
        session: the secret of the session's cookie; empty: nobody is signed in.
    """

    def __init__(
        self, house: House, request: Request, principal: Principal, csrf: str, session: str = ""
    ) -> None:
        self.house = house
        self.request = request
        self.principal = principal
        self.csrf = csrf
        self.session = session
        self.form = Form()
        """What was sent, of a POST."""
        self.now: Instant = house.registry.clock()

    @property
    def is_signed_in(self) -> bool:
        """Whether somebody is."""
        return self.principal is not callers.ANONYMOUS

    @property
    def registry(self) -> Registry:
        """The registry."""
        return self.house.registry

    @property
    def query(self) -> QueryParams:
        """What stands behind the address's question mark."""
        return self.request.query_params

    @property
    def came_from(self) -> str:
        """The page of the console that a link or a form was on, as far as the browser tells; else the first."""
        try:
            back = urlsplit(self.request.headers.get("referer", ""))
        except ValueError:  # anybody can write anything there
            return ROOT
        query = f"?{back.query}" if back.query else ""
        return back.path + query if back.path.startswith(ROOT) else ROOT

    @property
    def theme(self) -> str:
        """One of :data:`THEMES`."""
        chosen = self.request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else THEMES[0]

    def path(self, name: str) -> str:
        """A part of the address, by its name in the page's table."""
        return str(self.request.path_params[name])

    async def ask(self, operation: str, service: str = "ecr", /, **parameters: Any) -> dict[str, Any]:
        """Run an operation of the API as whoever is signed in: checked against the model, authorised, written to the audit log.

        Args:
            operation: ``BatchDeleteImage``.
            service: its signing name: ``ecr``, ``ecr-public``, ``careen``, ``iam``, ``sts``.
            parameters: its input, by the model's names; what is None is left out.

        Returns:
            What its handler answers, before it is written: times are instants.

        Raises:
            careen.ecr.errors.EcrError: as on the wire.
        """
        described = _SERVICES[service]().operation(operation)
        trail = Trail(self.registry, self.request, str(uuid.uuid4()))
        trail.service, trail.operation, trail.principal = service, operation, self.principal
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            parsed = trail.parameters = wire.parse(described, msgspec.json.encode(given))
            if service in {"iam", "sts"}:
                result = await iamapi.answer(self._iam_call, described, parsed)
            else:
                keys = permissions.condition_keys(described, parsed)
                result = await operations.answer(self._call(keys), described, parsed)
        except EcrError as refusal:
            trail.end(b"", refusal)
            raise
        trail.end(wire.write(described, result), None)
        return result

    async def every(
        self, operation: str, member: str, service: str = "ecr", /, **parameters: Any
    ) -> list[Any]:
        """All that a listing has under ``member``, page after page."""
        found: list[Any] = []
        token = None
        while True:
            page = await self.ask(operation, service, **parameters, nextToken=token)
            found += page[member]
            token = page.get("nextToken")
            if token is None:
                return found

    def may(
        self, operation: str, repository: str | None = None, service: str = "ecr", **parameters: Any
    ) -> bool:
        """Whether an operation would be let pass, so that a page offers it.

        Args:
            operation: ``BatchDeleteImage``.
            repository: the one that it would be on; None: it is on none.
            service: its signing name.
            parameters: what tells whom it is about, of IAM's: ``UserName``.
        """
        if service == "iam":
            return self.registry.read(iamapi.may, self._iam_call, operation, parameters)
        resource = "*" if repository is None else self._call().arn(repository)
        if service == "ecr-public" and repository is not None:
            resource = self._call().public_arn(repository)
        action = action_of(operation, service)
        asked = self.principal, action, resource, self.circumstances
        return self.registry.read(access.judge, *asked).decision.allowed

    def page(
        self,
        template: str,
        *,
        status: int | None = None,
        section: str = "",
        refusal: EcrError | None = None,
        **context: Any,
    ) -> Response:
        """A page.

        Args:
            template: its file.
            status: of the answer; None: 200, or 400 with a refusal.
            section: the path of the entry in the navigation that it belongs to.
            refusal: why the form that was sent from it was not done.
            context: what the template takes.
        """
        text = rendering.render(
            template,
            visit=self,
            url=url,
            section=section,
            navigation=navigation.entries(self),
            notice=self._notice(),
            refusal=refusal,
            **context,
        )
        response = HTMLResponse(text, status or (200 if refusal is None else 400))
        # What htmx asks for is a part, without the notice: it waits for the page that somebody sees.
        if NOTICE_COOKIE in self.request.cookies and "hx-request" not in self.request.headers:
            response.delete_cookie(NOTICE_COOKIE, ROOT)
        return response

    def go(self, to: str, notice: Notice | None = None) -> Response:
        """Lead to a page, after something was done.

        Args:
            to: its address (:func:`url`).
            notice: what it is to say. What does not fit into a cookie is left out: the end of its text, then its undoing.
        """
        response = RedirectResponse(to, 303)
        if notice is not None:
            sealed = self._sealed(notice)
            response.set_cookie(NOTICE_COOKIE, sealed, max_age=60, path=ROOT, httponly=True, samesite="lax")
        return response

    def _sealed(self, notice: Notice) -> str:
        text = notice.text if len(notice.text) <= _CUT else f"{notice.text[:_CUT]} …"
        sealed = ""
        for each in (notice, Notice(text, notice.undo, notice.is_good), Notice(text, None, notice.is_good)):
            packed = base64.urlsafe_b64encode(zlib.compress(msgspec.json.encode(each))).decode()
            sealed = f"{packed}.{self._seal(packed)}"
            if len(sealed) <= MAX_NOTICE:
                break
        return sealed

    def _notice(self) -> Notice | None:
        packed, _, seal = self.request.cookies.get(NOTICE_COOKIE, "").partition(".")
        if not self.csrf or not hmac.compare_digest(seal.encode(), self._seal(packed).encode()):
            return None
        return msgspec.json.decode(zlib.decompress(base64.urlsafe_b64decode(packed)), type=Notice)

    def _seal(self, text: str) -> str:
        return hmac.digest(self.csrf.encode(), text.encode(), "sha256").hex()

    def _call(self, keys: Mapping[str, tuple[str, ...]] | None = None) -> Call:
        house = self.house
        circumstances = circumstances_of(house.registry, self.request.scope, keys or {})
        base = base_url_of(house.registry, self.request)
        return Call(house.registry, house.pulls, house.importer, self.principal, base, circumstances)

    @cached_property
    def circumstances(self) -> access.Circumstances:
        """When, from where and with what browser."""
        return circumstances_of(self.registry, self.request.scope, {})

    @property
    def _iam_call(self) -> iamapi.Call:
        return iamapi.Call(self.registry, self.house.issuers, self.principal, self.circumstances)

    @property
    def host(self) -> str:
        """``localhost:5000``: what stands before the names of images."""
        return self._call().host


PageHandler = Callable[[Visit], Awaitable[Response]]
