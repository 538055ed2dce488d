"""Texts in Markdown as HTML: whatever is written, it does nothing."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from careen.console.markdown import safe_markdown

TAGS = {
    *(
        "p",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "code",
        "em",
        "strong",
        "br",
        "hr",
        "a",
    ),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"href", "rel", "title", "class", "start"}
PIECES = st.sampled_from(
    [
        *(
            "# ",
            "## ",
            "- ",
            "1. ",
            "> ",
            "\n",
            "\n\n",
            "`",
            "```\n",
            "*",
            "**",
            "|",
            "---",
            "| a | b |\n|--:|:--|\n",
        ),
        *("<script>", "</script>", "<img src=x onerror=y>", "<a style='x'>", "&lt;", "&#x6a;", "<!--", "<b>"),
        *(
            "[a](",
            "![a](",
            ")",
            "javascript:x",
            "JAVASCRIPT:x",
            "data:text/html,x",
            "vbscript:x",
            "https://e.com",
            "/x",
        ),
        *(
            "<javascript:x>",
            "<https://e.com>",
            "[r]",
            "\n[r]: javascript:x\n",
            "\n[r]: https://e.com 'title'\n",
            "text ",
        ),
        *("&colon;", "java\tscript:", '"', "'", "\\", "\x00"),
    ]
)


class Reader(HTMLParser):
    """What a browser would find."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found += [(tag, name, value or "") for name, value in attrs] or [(tag, "", "")]


@given(st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join)))
def test_no_text_does_anything(text: str) -> None:
    """No element that is not of a text, no attribute that acts, no address that runs."""
    reader = Reader()
    reader.feed(safe_markdown(text))
    for tag, name, value in reader.found:
        assert tag in TAGS
        assert name in ATTRIBUTES | {""}
        if name == "href":
            scheme = value.partition(":")[0].strip().lower()
            assert scheme not in {"javascript", "vbscript", "data", "file"}


def test_a_picture_is_a_link_and_a_heading_stands_below_the_pages() -> None:
    """A page asks nobody else for anything, and has one heading of the first level."""
    assert safe_markdown("# Hello\n![drawing](https://e.com/x.png)") == (
        '<h3>Hello</h3>\n<p><a href="https://e.com/x.png" rel="nofollow noopener">drawing</a></p>\n'
    )
