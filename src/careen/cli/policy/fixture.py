"""``careen policy fixture``."""

import os
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from careen.cli.policy.inputs import (
    ExtensionFile,
    ImagesFile,
    Now,
    PolicyFile,
    ProtectionFile,
    RepositoryName,
    read_beyond,
    read_world,
    refuse,
)

Output = Annotated[
    str | None, Parameter(name="--output", help="The test's file; without it standard output.")
]


def fixture(
    *,
    policy: PolicyFile,
    images: ImagesFile,
    extension: ExtensionFile = None,
    protection: ProtectionFile = None,
    repository: RepositoryName = None,
    now: Now = None,
    output: Output = None,
) -> None:
    """Save images, and what the policy makes of them today, as a policy test: what a later policy makes of them is compared."""
    import yaml

    from careen.lifecycle.evaluate import evaluate
    from careen.lifecycle.policy_test import fixture

    if "-" in (policy, extension, protection):
        refuse("InvalidInput", "a test names the files of its rules", "save them first", json=False)
    folder = Path(output).parent if output else Path()
    files = {"extension": extension, "protection": protection}
    others = {name: os.path.relpath(file, folder) for name, file in files.items() if file}
    others |= {} if repository is None else {"repository": repository}
    beyond = read_beyond(extension, protection, repository, json=False)
    plan = evaluate(*read_world(policy, images, now, False, beyond))
    document = fixture(plan, os.path.relpath(policy, folder), others)
    text = "".join(_dumped(yaml, name, value) for name, value in document.items())
    if output is None:
        print(text, end="")
    else:
        Path(output).write_text(text, encoding="utf-8")


def _dumped(yaml: Any, name: str, value: Any) -> str:
    """A member; an image to a line."""
    options = {"sort_keys": False, "width": float("inf"), "allow_unicode": True}
    if name != "images":
        return str(yaml.safe_dump({name: value}, **options))
    lines = [f"  - {yaml.safe_dump(image, default_flow_style=True, **options).rstrip()}\n" for image in value]
    return f"images:{'' if lines else ' []'}\n{''.join(lines)}"
