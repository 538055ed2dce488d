"""Templates: Jinja's, with everything that comes from outside escaped, and nothing undefined passed over."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from careen.console import markdown, static, words
from careen.lifecycle.cost import GIB

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """The templates, and what they know: filters from :mod:`careen.console.words`, ``asset`` and ``url``."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for word in (
        words.size,
        words.dollars,
        words.number,
        words.moment,
        words.day,
        words.short_digest,
        words.plural,
        words.indented,
        words.capital,
        markdown.safe_markdown,
    ):
        made.filters[word.__name__] = word
    made.globals |= {"asset": static.address, "ago": words.ago, "share": words.share, "GIB": GIB}
    return made


def render(template: str, **context: Any) -> str:
    """The text of a template: ``repositories/list.html``."""
    return environment().get_template(template).render(context)
