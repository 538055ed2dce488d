"""``careen rules``: what stands beside lifecycle policies on a registry."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from careen.cli.output import print_json
from careen.cli.policy.inputs import Json, read_policy_text, refuse

app = App(
    name="rules",
    help="Protection rules, extension rules and default policies of a registry: show, put, delete."
    " The registry is the one that the AWS configuration names.",
)

Repository = Annotated[str, Parameter(name="--repository", help="The repository.")]
SomeRepository = Annotated[str | None, Parameter(name="--repository", help="The repository.")]
Everywhere = Annotated[
    bool,
    Parameter(
        name="--every-repository", negative="", help="The registry's own document, which holds for all."
    ),
]
Pattern = Annotated[
    str, Parameter(name="--pattern", help="Of repository names, * for anything: the most specific holds.")
]


@app.command
def show(repository: str, *, json: Json = False) -> None:
    """Show what holds for a repository, and where it comes from.

    Args:
        repository: The repository's name.
    """
    found = _ask("get_effective_lifecycle_policy", json, repositoryName=repository)
    if json:
        print_json(found)
        return
    origin = {
        "REPOSITORY": "its own lifecycle policy",
        "DEFAULT": f"the default lifecycle policy for {found.get('repositoryNamePattern')}",
        "NONE": "no lifecycle policy",
    }
    _print_document(origin[found["origin"]], found.get("lifecyclePolicyText"))
    for title, name in (
        ("extension rules", "extensionRulesText"),
        ("protection rules", "protectionRulesText"),
    ):
        if name in found:
            _print_document(title, found[name])


@app.command
def defaults(*, json: Json = False) -> None:
    """List the policies of repositories that have none, by name pattern."""
    found = _ask("describe_default_lifecycle_policies", json)
    if json:
        print_json(found)
        return
    for each in found["defaultLifecyclePolicies"]:
        _print_document(each["repositoryNamePattern"], each["lifecyclePolicyText"])
    if not found["defaultLifecyclePolicies"]:
        print("there is no default lifecycle policy")


@app.command
def put_protection(
    file: str, *, repository: SomeRepository = None, everywhere: Everywhere = False, json: Json = False
) -> None:
    """Keep images, whatever a policy says.

    Args:
        file: The document's; - reads standard input.
    """
    whose = _whose(repository, everywhere, json)
    text = read_policy_text(file, json)
    _done(_ask("put_protection_rules", json, repositoryName=whose, protectionRulesText=text), json)


@app.command
def put_extension(file: str, *, repository: Repository, json: Json = False) -> None:
    """Set rules that Amazon ECR cannot say.

    Args:
        file: The document's; - reads standard input.
    """
    text = read_policy_text(file, json)
    _done(_ask("put_extension_rules", json, repositoryName=repository, extensionRulesText=text), json)


@app.command
def put_default(file: str, *, pattern: Pattern, json: Json = False) -> None:
    """Set the lifecycle policy of repositories that have none.

    Args:
        file: The policy's; - reads standard input.
    """
    text = read_policy_text(file, json)
    given = {"repositoryNamePattern": pattern, "lifecyclePolicyText": text}
    _done(_ask("put_default_lifecycle_policy", json, **given), json)


@app.command
def delete_protection(
    *, repository: SomeRepository = None, everywhere: Everywhere = False, json: Json = False
) -> None:
    """Remove protection rules."""
    _done(_ask("delete_protection_rules", json, repositoryName=_whose(repository, everywhere, json)), json)


@app.command
def delete_extension(*, repository: Repository, json: Json = False) -> None:
    """Remove extension rules."""
    _done(_ask("delete_extension_rules", json, repositoryName=repository), json)


@app.command
def delete_default(*, pattern: Pattern, json: Json = False) -> None:
    """Remove a default lifecycle policy."""
    _done(_ask("delete_default_lifecycle_policy", json, repositoryNamePattern=pattern), json)


def _ask(operation: str, json: bool, **parameters: Any) -> dict[str, Any]:
    from careen.cli.policy.service import ask

    return ask(operation, json, **parameters)


def _whose(repository: str | None, everywhere: bool, json: bool) -> str | None:
    """A repository, or None for the registry: which has to be said, so that nobody means one and gets all."""
    if (repository is None) is not everywhere:
        refuse("InvalidInput", "whose rules?", "--repository NAME, or --every-repository", json)
    return repository


def _done(answer: dict[str, Any], json: bool) -> None:
    """The document as it was put or was until now."""
    if json:
        print_json(answer)
    else:
        [text] = [value for name, value in answer.items() if name.endswith("Text")]
        print(_indented(text))


def _print_document(title: str, text: str | None) -> None:
    print(title if text is None else f"{title}:\n{_indented(text)}")


def _indented(text: str) -> str:
    import msgspec

    return msgspec.json.format(text, indent=2)
