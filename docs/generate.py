"""Write the reference pages that come from code: ``python docs/generate.py``. A test fails when one is out of date."""

import ast
import inspect
import sys
from pathlib import Path

from careen import settings
from careen.ecr import model
from careen.iam.actions import action_of
from careen.iam.managed import ALLOWED, ManagedPolicy

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
    for name in sorted(service.model.operation_names):
        operation = service.operation(name)
        errors = [shape.name for shape in operation.error_shapes if shape.name not in COMMON]
        reads = action_of(name, "careen") in ALLOWED[ManagedPolicy.READ_ONLY]
        text = operation.documentation.removeprefix("<p>").removesuffix("</p>")
        listed = ", ".join(f"`{error}`" for error in errors)
        rows.append(f"| `{name}` | {text} | {'yes' if reads else 'no'} | {listed} |\n")
    return SERVICE.replace("{prefix}", service.target_prefix) + "".join(rows)


COMMON = {"ServerException", "InvalidParameterException", "RepositoryNotFoundException"}

PAGES = {"settings.md": settings_page, "service.md": service_page}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page())
        sys.stdout.write(f"wrote {HERE / name}\n")
