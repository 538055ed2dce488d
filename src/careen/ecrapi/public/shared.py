"""How ECR Public's operations are run: by handlers that call a repository what everything else calls it.

What ECR Public calls ``nginx`` is ``public/nginx`` to the distribution API, to ECR's and in the rows. A request is handed on with
the whole name, and the answer or the refusal is given back with the short one. So the operations that ECR Public has in
common with ECR are ECR's own handlers.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from careen.ecr.arn import ECR_PUBLIC, parse_repository_arn
from careen.ecr.errors import EcrError, RepositoryNotFound
from careen.ecrapi.call import Call
from careen.registry import public

Parameters = dict[str, Any]
Result = dict[str, Any]
Operation = Callable[[Call, Parameters], Awaitable[Result]]


def public_operation(handler: Operation, *, creates: bool = False) -> Operation:
    """The operation of ECR Public that a handler of whole names does.

    Args:
        handler: takes and answers repositories by their whole names, and resources by ECR's ARNs.
        creates: whether the repository that is named need not be there yet. Any other must be, and be public.
    """

    async def handle(call: Call, parameters: Parameters) -> Result:
        prefix = call.registry.public_prefix
        handed = _with_whole_names(call, parameters)
        with _shortened_refusal(prefix):
            if "repositoryName" in handed and not creates:
                call.registry.read(public.require, handed["repositoryName"])
            if "resourceArn" in handed:
                call.registry.read(public.require, parse_repository_arn(handed["resourceArn"]).repository)
            return _shortened(await handler(call, handed), prefix)

    return handle


def _with_whole_names(call: Call, parameters: Parameters) -> Parameters:
    """The request without the registry, which was checked: aliases are none to ECR's handlers."""
    prefix = call.registry.public_prefix
    handed = {key: value for key, value in parameters.items() if key != "registryId"}
    if "repositoryName" in handed:
        handed["repositoryName"] = prefix + handed["repositoryName"]
    if "repositoryNames" in handed:
        handed["repositoryNames"] = [prefix + name for name in handed["repositoryNames"]]
    if "resourceArn" in handed:
        named = parse_repository_arn(handed["resourceArn"], ECR_PUBLIC)
        if named.registry_id != call.registry.id:
            raise RepositoryNotFound(named.repository, named.registry_id)
        handed["resourceArn"] = call.arn(prefix + named.repository)
    return handed


def _shortened(value: Result, prefix: str) -> Result:
    """An answer in which repositories have their short names."""
    return {
        key: inner.removeprefix(prefix) if key == "repositoryName" else _shortened_member(inner, prefix)
        for key, inner in value.items()
    }


def _shortened_member(value: Any, prefix: str) -> Any:
    match value:
        case dict():
            return _shortened(value, prefix)
        case list():
            return [_shortened_member(inner, prefix) for inner in value]
    return value


@contextlib.contextmanager
def _shortened_refusal(prefix: str) -> Iterator[None]:
    """The same for a refusal; its sentence has names in quotes."""
    try:
        yield
    except EcrError as refusal:
        refusal.message = refusal.message.replace(f"'{prefix}", "'")
        refusal.members = _shortened(refusal.members, prefix)
        raise
