"""The error envelope of the distribution specification."""

import json

import pytest

from careen.oci.errors import STATUS, OciError

SPECIFIED = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNSUPPORTED",
}
"""Codes 1 to 14 of distribution-spec 1.1, "Error Codes"."""

DOCKERS = {"PAGINATION_NUMBER_INVALID", "TAG_INVALID", "UNAVAILABLE"}
"""Three that Docker's registry has and no specification. Clients come again after the last, and decide by the code."""


def test_every_code_of_the_specification_has_a_status() -> None:
    """All fourteen, the three others, and no inventions."""
    assert set(STATUS) == SPECIFIED | DOCKERS
    assert all(400 <= STATUS[code] < 500 for code in set(STATUS) - {"UNAVAILABLE"})
    assert STATUS["UNAVAILABLE"] == 503


@pytest.mark.parametrize("code", STATUS)
def test_an_error_is_an_envelope_of_one(code: str) -> None:
    """Code and message, and a detail only if there is one."""
    plain = OciError(code, "what is wrong")
    assert (plain.status, str(plain)) == (STATUS[code], "what is wrong")
    assert json.loads(plain.body()) == {"errors": [{"code": code, "message": "what is wrong"}]}
    detailed = OciError(code, "what is wrong", detail={"digest": "sha256:…"})
    assert json.loads(detailed.body())["errors"][0]["detail"] == {"digest": "sha256:…"}


def test_a_situation_may_have_a_better_status_and_headers() -> None:
    """As 416 has: the code is BLOB_UPLOAD_INVALID, and the answer says where to go on."""
    error = OciError("BLOB_UPLOAD_INVALID", "out of order", status=416, headers=[(b"range", b"0-9")])
    assert (error.code, error.status, error.headers) == ("BLOB_UPLOAD_INVALID", 416, [(b"range", b"0-9")])
