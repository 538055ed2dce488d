"""uv, which knows the lock file: where the program is."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def program() -> Path:
    """``$UV``, or the one on the path, or the one that ``make .uv/bin/uv`` installs; it may not be there."""
    found = shutil.which(os.environ.get("UV", "uv"))
    return Path(found).absolute() if found else ROOT / ".uv" / "bin" / "uv"
