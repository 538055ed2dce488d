"""The error codes of the distribution specification, with the status each is sent with (spec, "Error Codes").

Handlers raise :class:`OciError`; one place in the surface writes it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

STATUS = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DENIED": 403,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 404,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "PAGINATION_NUMBER_INVALID": 400,
    "SIZE_INVALID": 400,
    "TAG_INVALID": 400,
    "TOOMANYREQUESTS": 429,
    "UNAUTHORIZED": 401,
    "UNAVAILABLE": 503,
    "UNSUPPORTED": 405,
}
"""Code to HTTP status.

TAG_INVALID and UNSUPPORTED are what Amazon ECR answers for an immutable tag and a refused delete. UNAVAILABLE is CNCF
distribution's (registry/api/errcode): docker and crane try again after it, and after a 503 with UNSUPPORTED they do not.
"""


class OciError(Exception):
    """A refusal in the distribution API's own words.

    Attributes:
        code: one of :data:`STATUS`.
        status: the HTTP status; the code's own unless the situation has a better one (413, 416).
        detail: what the specification leaves to the registry; any JSON value.
        headers: what belongs beside it in the answer: where to go on (416), what is allowed (405).
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        detail: Any = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = STATUS[code] if status is None else status
        self.detail = detail
        self.headers = headers

    def body(self) -> bytes:
        """The JSON envelope: ``{"errors": [{"code", "message", "detail"}]}``."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            error["detail"] = self.detail
        return msgspec.json.encode({"errors": [error]})
