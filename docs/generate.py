"""Write the reference pages that come from code: ``python docs/generate.py``. A test fails when one is out of date."""

import ast
import inspect
import itertools
import re
import runpy
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

from botocore import xform_name

from careen import faults, settings
from careen.cli.tree import app
from careen.ecr import model
from careen.ecrapi import operations as ecr_api
from careen.iam.actions import action_of
from careen.iam.managed import ManagedPolicy, documents
from careen.lifecycle.lint.codes import CODES

sys.path.insert(0, str(Path(__file__).parents[1]))  # started as a program, it has docs/ there alone

from release import licences

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
    kinds = get_type_hints(settings.Settings, include_extras=True)
    body = ast.parse(inspect.getsource(settings.Settings)).body[0]
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            name, default = ast.unparse(field.target), ast.unparse(field.value or field).strip("'")
            shown = f"`{default.lower() if kinds[name] is bool else default}`" if default else ""
            meaning = re.sub(r"\b(?:docs/)?([a-z0-9-]+\.md)\b", r"[\1](\1)", str(text.value.value))
            lines.append(f"| `{name}` | {_kind(kinds[name])} | {shown} | {meaning} |")
    return "\n".join(lines) + "\n"


def _kind(annotation: Any) -> str:
    """A type in words, with its bounds but for those that only keep nonsense out."""
    kind, *bounds = get_args(annotation) or (annotation,)
    word = {str: "text", bool: "true or false", int: "whole number", float: "number"}[kind]
    if not bounds:
        return word
    [meta] = bounds
    bounded = meta.le is not None and meta.le <= 1_000_000
    if meta.ge is None:
        return f"{word} above {meta.gt}" + (f", {meta.le} at most" if bounded else "")
    return f"{word}, {meta.ge} " + (f"to {meta.le}" if bounded else "or more")


SERVICE = """# The careen service

What goes beyond Amazon ECR is a service of its own, `careen`, at the same address and with the same signatures and keys. Nothing
of ECR's API is changed for it.

## With AWS's clients

The package carries the service's model in botocore's format. `careen model` prints the folder:

```
export AWS_DATA_PATH=$(careen model)
export AWS_ENDPOINT_URL_CAREEN=http://localhost:5000     # as careen serve prints for ECR
aws careen explain-image --repository-name team/app --image-ids imageTag=v1.4
aws careen diff-lifecycle-policy --repository-name team/app --lifecycle-policy-text file://new.json
```

```python
import boto3

careen = boto3.client("careen", endpoint_url="http://localhost:5000")
for page in careen.get_paginator("simulate_lifecycle_policy").paginate(repositoryName="team/app"):
    for decision in page["decisions"]:
        print(decision["imageTags"], decision["action"], decision["reason"])
```

## With careen itself

Every `careen policy` command that works on images from a file works on a repository of a registry: name it with `--repository` and
leave `--images` out. Endpoint, region, profile and keys are found as the AWS CLI finds them; if only ECR's endpoint is set, that
is asked.

```
careen policy simulate --repository team/app
careen policy explain  --repository team/app --image v1.4
careen policy lint     --repository team/app
careen policy diff     --repository team/app --policy new.json
careen policy forecast --repository team/app --policy new.json --replay
careen policy apply    --repository team/app --policy new.json --accept sha256:…
```

Without `--policy` it is the rules that hold: the repository's policy or a default, and the documents [beyond ECR](beyond-ecr.md).

## Operations

All of them sign as service `careen`; the target is `{prefix}.OPERATION`. A managed policy that may read lifecycle policies may ask
what they do; only full access may write. `PinReporter`, which Amazon does not have, is for feeds of [images in use](pins.md): it
may report them, and see what is pinned.

| operation | what it does | reads | errors of its own |
|---|---|---|---|
"""


def service_page() -> str:
    """Our own service: how to reach it, and its operations from the model."""
    service = model.careen()
    rows = []
    [read_only] = documents(ManagedPolicy.READ_ONLY)
    [statement] = read_only.document.statements
    for name in sorted(service.model.operation_names):
        operation = service.operation(name)
        errors = [shape.name for shape in operation.error_shapes if shape.name not in COMMON]
        reads = action_of(name, "careen") in statement.actions
        text = operation.documentation.removeprefix("<p>").removesuffix("</p>")
        listed = ", ".join(f"`{error}`" for error in errors)
        rows.append(f"| `{name}` | {text} | {'yes' if reads else 'no'} | {listed} |\n")
    return SERVICE.replace("{prefix}", service.target_prefix) + "".join(rows)


FAULTS = """# What a crash leaves

Every durable step has a name, {count} of them, in `src/careen/faults.py`. A test arms one in a program of its own and the program
is killed there with SIGKILL, with every process of its group. Nothing in Careen arms a point: no setting, no file, no request, no
environment. In production a point is one look at one variable.

## How it is tried

`make test` kills once at each point and a dozen times at random; `make test-all` kills more than 1,500 times.

**At every point** (`tests/faults/test_every_point.py`). A script of some sixty steps passes every point. It runs in a program that
has the registry open, as a process of `careen serve` has it, which dies at each point, at every passing of it, and right after the
commit that the point is in; and as a client of `careen serve`, which dies with all its processes. Seven points belong to the first
start of a registry, which dies at each of them, and those of copies to moves and restores (`tests/faults/test_copies.py`).

**At random** (`tests/faults/test_random_kills.py`). Three clients push, move tags, delete and pull images that share layers, while
policies run, the collector collects without a grace period and the sweep sweeps. All are killed at a random point or moment, again
and again on one data folder: 900 times without HTTP, a process for each, of which at times only one dies; and 200 times as clients
of `careen serve` with two HTTP processes, of which at times one dies first and the parent starts it again.

After every kill the registry is opened anew, and

* the database is sound (`integrity_check`, `foreign_key_check`);
* every manifest that can be read has all its blobs, and every blob that can be read has the right digest;
* everything that was acknowledged is there; what was under way has happened or has not, as a whole;
* what was not answered is asked for again, and succeeds;
* after `careen gc --now --grace 0`, with files made a year old, no stray file is left, nothing unneeded, no draft of a key,
  and the accounts of `careen storage` agree to the byte.

```
.venv/bin/pytest tests/faults -m "not slow"      # the short one
.venv/bin/pytest tests/faults                    # all of it; -n 2 for two at a time
```

`tests/faults/test_disks.py` fills a small disk, lets a kernel turn one read-only, and starts on one that is;
`tests/faults/test_torn.py` tears pages and files; `tests/faults/test_clock.py` sets clocks
([how ages are judged then](adr/0018-leaps-of-the-clock-and-full-disks.md)). What several nodes do, and what clients see, is in
[consistency.md](consistency.md).

## What a bad disk leaves

A file that is gone or has another size than its row says is never taken for the whole: the answer to a GET ends early, a HEAD
says that the registry does not have it, so that clients push it again, and that mends it. The daily sweep names such blobs in the
log. Bytes that are wrong in place are found by whoever pulls, by the digest. A torn end of the database's log costs only what
nobody was told of.

## The points

| point | in | what holds after a kill there |
|---|---|---|
"""


def faults_page() -> str:
    """Every fault point with where it is and the promise beneath it."""
    source = Path(faults.__file__).parent
    texts = {path: path.read_text() for path in sorted(source.rglob("*.py")) if path != Path(faults.__file__)}
    body = next(
        node
        for node in ast.parse(inspect.getsource(faults)).body
        if isinstance(node, ast.ClassDef) and node.name == "Point"
    ).body
    rows = []
    for field, text in itertools.pairwise(body):
        if (
            isinstance(field, ast.Assign)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            name = ast.unparse(field.targets[0])
            places = [
                f"`{path.relative_to(source)}`"
                for path, code in texts.items()
                if re.search(rf"reach\(Point\.{name}\)", code)
            ]
            rows.append(f"| `{faults.Point[name].value}` | {', '.join(places)} | {text.value.value} |\n")
    return FAULTS.replace("{count}", str(len(rows))) + "".join(rows)


OPERATIONS = """# ECR's operations

Amazon ECR has {count} operations (botocore's service model). {served} of them are served here, each as AWS documents it. The
permission is what a policy has to allow ([who may do what](../access.md)); those of users and roles are in [users](../users.md).
Every operation can also answer `InvalidParameterException` and `ServerException`; a repository that is not there is
`RepositoryNotFoundException`. The tests are up to three that call the operation on a live server, apart from the tables that go
through all of them ([every operation](../../tests/ecrapi/test_every_operation.py),
[permissions](../../tests/ecrapi/test_permissions.py)).

| operation | served | permission | errors of its own | tests |
|---|---|---|---|---|
"""


PUBLIC_OPERATIONS = """
# ECR Public's operations

All {count} of them are served, on [public repositories](../public.md). The target's prefix is `{prefix}`, the service
`ecr-public`.

| operation | served | permission | errors of its own | tests |
|---|---|---|---|---|
"""


def operations_page() -> str:
    """All of ECR's and ECR Public's operations: served or not, the permission, the errors, and where each is tested."""
    rows = _operations(model.ecr(), ecr_api.OPERATIONS, _calls_in_tests(public=False))
    head = OPERATIONS.replace("{count}", str(len(rows))).replace("{served}", str(len(ecr_api.OPERATIONS)))
    public = model.ecr_public()
    public_rows = _operations(public, ecr_api.PUBLIC_OPERATIONS, _calls_in_tests(public=True))
    public_head = PUBLIC_OPERATIONS.replace("{count}", str(len(public_rows)))
    return head + "".join(rows) + public_head.replace("{prefix}", public.target_prefix) + "".join(public_rows)


def _operations(
    service: model.Service, served: Collection[str], called: Mapping[str, Sequence[Path]]
) -> list[str]:
    rows = []
    for name in sorted(service.model.operation_names):
        errors = [shape.name for shape in service.operation(name).error_shapes if shape.name not in COMMON]
        tests = [f"[{path.stem}](../../{path})" for path in called.get(xform_name(name), [])[:3]]
        rows.append(
            f"| `{name}` | {'yes' if name in served else 'no'} | `{action_of(name, service.signing_name)}` |"
            f" {', '.join(f'`{error}`' for error in errors)} | {', '.join(tests)} |\n"
        )
    return rows


def _calls_in_tests(*, public: bool) -> dict[str, list[Path]]:
    """Each name that a test calls as a method, with the files that do, those of ECR's API first; of ECR Public or the others."""
    root = HERE.parent
    found: dict[str, list[Path]] = {}
    files = sorted((root / "tests").rglob("test_*.py"), key=lambda path: (path.parent.name != "ecrapi", path))
    for path in files:
        if ("ecrapi/public" in str(path)) is not public:
            continue
        nodes = ast.walk(ast.parse(path.read_text()))
        for name in {node.attr for node in nodes if isinstance(node, ast.Attribute)}:
            found.setdefault(name, []).append(path.relative_to(root))
    return found


COMMANDS = """# Commands

Every command of `careen`, as `--help` tells it. Those that work on a registry through its API find it as the AWS CLI does; those
that work on the data folder are for its machine. What each is for is told where it belongs: [policies](../lifecycle.md),
[the fleet](../fleet.md), [users and keys](../users.md), [backup and scrub](../backup.md), [the trash](../trash.md).
"""


def commands_page() -> str:
    """Every command with its parameters, from the command line's own help."""
    text = app.generate_docs(heading_level=2)
    # What stands before the commands is the program itself, with a table of contents that the site makes better.
    first = text.index("\n### ")
    return COMMANDS + re.sub("^#(#+ )", r"\1", text[first:], flags=re.MULTILINE).rstrip() + "\n"


LINT = """# Mistakes in lifecycle policies

`careen policy lint --policy FILE [--images FILE] [--format text|json|sarif] [--strict]` finds mistakes in policies that Amazon ECR
accepts. It exits 1 if there is an error (with `--strict`: or a warning), 2 if ECR would refuse the policy.

An *error* is a rule that cannot do what any author could have meant. A *warning* is a fact about these images, or a contradiction
in the text. A *note* says how ECR reads a rule where people have read it otherwise. The last {count} codes need images.

| code | severity | finds | why it matters | how to mend it |
|---|---|---|---|---|
"""


def lint_page() -> str:
    """Every mistake that the linter knows, those that need images last."""
    rows = [
        f"| `{code.name}` | {code.severity} | {code.finds} | {code.why} ({code.source}) | {code.mend} |\n"
        for code in CODES
    ]
    return LINT.replace("{count}", str(sum(code.needs_images for code in CODES))) + "".join(rows)


COMMON = {
    "ServerException",
    "InvalidParameterException",
    "RepositoryNotFoundException",
    "UnsupportedCommandException",  # every operation of ECR Public declares it, and none answers it here
}

PICTURES: Mapping[str, str] = runpy.run_path(str(HERE / "pictures.py"))["pictures"]()

PAGES = {
    **{name: (lambda text=text: text) for name, text in PICTURES.items()},
    "licences.md": licences.page,
    "settings.md": settings_page,
    "service.md": service_page,
    "faults.md": faults_page,
    "lint.md": lint_page,
    "reference/commands.md": commands_page,
    "reference/operations.md": operations_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page())
        sys.stdout.write(f"wrote {HERE / name}\n")
