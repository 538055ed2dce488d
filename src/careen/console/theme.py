"""Light or dark: a cookie, so that a page is drawn right from the start."""

from starlette.responses import Response

from careen.console.visit import ROOT, THEME_COOKIE, THEMES, Page, Visit

_YEAR = 365 * 86_400


async def choose(visit: Visit) -> Response:
    """Choose one, and go back to where the choice was made."""
    chosen = visit.form.get("theme", "")
    response = visit.go(visit.came_from)
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, max_age=_YEAR, path=ROOT, httponly=True, samesite="lax")
    return response


PAGES = {"theme": Page(post=choose, is_open=True)}
