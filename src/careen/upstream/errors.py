"""What can go wrong with another registry, in five words that callers decide by."""


class UpstreamError(Exception):
    """Another registry did not do what it was asked.

    Attributes:
        status: the HTTP status it answered with; None if it gave no answer.
        code: its own error code (distribution-spec 1.1, "Error Codes"), such as ``TAG_INVALID``; empty if it gave none.
        retry_after: the seconds it asked to be left alone for; None if it did not.
    """

    def __init__(
        self, message: str, *, status: int | None = None, code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after


class Unavailable(UpstreamError):
    """It cannot be reached, does not answer in time, breaks off, or has a fault of its own: worth another try later."""


class Denied(UpstreamError):
    """The credential is missing, wrong or over, or does not allow this."""


class NotFound(UpstreamError):
    """There is no such repository, manifest or blob."""


class TooManyRequests(UpstreamError):
    """It wants fewer requests, and still did after the waits that a call allows itself."""


class Invalid(UpstreamError):
    """It answered something that is not what was asked for, such as bytes of another digest, or refused the request as wrong."""
