"""Texts in Markdown, which anybody may have written, as HTML that does nothing but stand there.

CommonMark and tables. HTML inside a text is shown, not taken; a link leads to where browsers fetch pages from, or nowhere; pictures
are links, as no page of the console asks anybody else for anything.
"""

from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_BELOW = 2
"""Levels that headings of a text go down: the page has a title, the text's card has one."""


def safe_markdown(text: str) -> Markup:
    """The HTML of a text."""
    reader = _reader()
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + _BELOW, 6)}"
        token.attrs.pop("style", None)  # how tables align their cells; pages may have no styles inside
        if token.children:
            token.children = [made for child in token.children for made in _inline(child)]
    return Markup(reader.renderer.render(tokens, reader.options, {}))  # noqa: S704 html is off: the text is escaped


def _inline(token: Token) -> list[Token]:
    if token.type == "link_open":
        token.attrSet("rel", "nofollow noopener")
    if token.type != "image":
        return [token]
    link = Token("link_open", "a", 1, {"href": str(token.attrs["src"]), "rel": "nofollow noopener"})
    said = Token("text", "", 0, content=token.content or str(token.attrs["src"]))
    return [link, said, Token("link_close", "a", -1)]


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")
