"""Policy tests among other tests: pytest collects ``*.policytest.yaml``, ``.yml`` and ``.toml``, each test as one of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from careen.lifecycle.policy_test import Result

NAMES = tuple(f".policytest{suffix}" for suffix in (".yaml", ".yml", ".toml"))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "PolicyTestFile | None":
    """Take the files that are policy tests."""
    if not file_path.name.endswith(NAMES):
        return None
    made: PolicyTestFile = PolicyTestFile.from_parent(parent, path=file_path)
    return made


class PolicyTestFile(pytest.File):
    """A file of policy tests."""

    def collect(self) -> Iterator["PolicyTest"]:
        """Carry all of them out, as they share their images, and hand out one after the other."""
        from careen.cli.policy import test_files
        from careen.lifecycle.policy_fixture import InvalidPolicyTest

        try:
            results = test_files.run(self.path)
        except InvalidPolicyTest as error:
            raise self.CollectError(str(error)) from None
        for result in results:
            yield PolicyTest.from_parent(self, name=result.name, result=result)


class PolicyTest(pytest.Item):
    """A test of a policy."""

    def __init__(self, *, result: "Result", **options: Any) -> None:
        super().__init__(**options)
        self._result = result

    def runtest(self) -> None:
        """Fail as the test has failed."""
        if self._result.failures:
            raise AssertionError("\n".join(self._result.failures))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:  # noqa: ARG002
        """What is otherwise than expected; where in this file that was found out is of no interest."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is."""
        return self.path, None, self.name
