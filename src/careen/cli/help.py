"""Help in plain text, which is there at once: Markdown would need a parser that takes longer to import than all the rest.

Cyclopts prints plain text with the line breaks of the source. Here a paragraph fills the terminal, however wide that is.
"""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpPanel
    from rich.console import Console, ConsoleOptions


def filled(text: str) -> str:
    """Text with every paragraph in one line, for whoever wraps it; paragraphs are what empty lines divide."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


class PlainHelp:
    """How cyclopts shows help, with its own tables. Nothing of that is imported before help is asked for."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print the table of a group of commands or parameters."""
        from cyclopts.help.formatters import DefaultFormatter

        DefaultFormatter()(console, options, panel)

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:
        """Print the line that says how a command is called."""
        from cyclopts.help.formatters import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)

    def render_description(self, console: "Console", options: "ConsoleOptions", description: Any) -> None:  # noqa: ARG002
        """Print what a command is for."""
        from rich.text import Text

        if description:
            console.print(Text(filled(description.primary_renderable.plain)), end="\n\n")
