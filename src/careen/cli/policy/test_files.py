"""Policy tests on disk: YAML or TOML, and the files they name beside them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable

    from careen.lifecycle.policy_test import Result


def run(file: Path) -> "list[Result]":
    """Carry out the tests of a file.

    Raises:
        careen.lifecycle.policy_fixture.InvalidPolicyTest: it cannot be read, or is no policy test.
    """
    from careen.lifecycle import policy_test

    return policy_test.run(_decode(file), lambda name: _read(file.parent / name))


def _read(file: Path) -> bytes:
    from careen.lifecycle.policy_fixture import InvalidPolicyTest

    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise InvalidPolicyTest(f"{file} cannot be read: {error.strerror}") from None


def _decode(file: Path) -> Any:
    from careen.lifecycle.policy_fixture import InvalidPolicyTest

    try:
        text = _read(file).decode()
        return _decode_toml(text) if file.suffix == ".toml" else _decode_yaml(text)
    except ValueError as error:
        if isinstance(error, InvalidPolicyTest):
            raise
        raise InvalidPolicyTest(" ".join(str(error).split())) from None


def _decode_toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)


def _decode_yaml(text: str) -> Any:
    """Only maps, lists, text, whole numbers and truth: a time stays text, and so does 1.10, which is a tag."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
            first: [
                (tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":float"))
            ]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: Any, deep: bool = False) -> "dict[Hashable, Any]":
            """A mapping each of whose keys is written once: of two the first would be lost without a word."""
            keys = [key.value for key, _ in node.value]
            twice = [key for key in keys if keys.count(key) > 1]
            if twice:
                raise ValueError(f"{twice[0]} is written twice, line {node.start_mark.line + 1}")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
