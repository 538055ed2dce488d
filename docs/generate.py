"""Write the reference pages that come from code: ``python docs/generate.py``. A test fails when one is out of date."""

import ast
import inspect
import sys
from pathlib import Path

from careen import settings

HERE = Path(__file__).parent


def settings_page() -> str:
    """Every setting with its type, default and meaning, from the docstrings beside them."""
    lines = [
        "# Settings",
        "",
        "From the environment (`CAREEN_PORT=5001`), else from a TOML file (`careen.toml` in the working folder, or the one that",
        "`CAREEN_CONFIG` names), else the default. Options of `careen serve` go before all three. Times are seconds, sizes bytes.",
        "",
        "| setting | type | default | meaning |",
        "|---|---|---|---|",
    ]
    body = ast.parse(inspect.getsource(settings.Settings)).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            name, kind, default = (
                ast.unparse(field.target),
                ast.unparse(field.annotation),
                ast.unparse(field.value or field),
            )
            lines.append(f"| `{name}` | {kind} | `{default.strip(chr(39)) or ' '}` | {text.value.value} |")
    return "\n".join(lines) + "\n"


PAGES = {"settings.md": settings_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page())
        sys.stdout.write(f"wrote {HERE / name}\n")
