"""Tests of the homes for bytes."""

import pytest

pytest.register_assert_rewrite("tests.blobs.contract")
