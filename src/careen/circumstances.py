"""What an HTTP request tells beside who asks for what, for the conditions of policies."""

from starlette.requests import Request

from careen.clock import system_now
from careen.iam.patterns import Context
from careen.registry.access import Circumstances


def circumstances_of(request: Request, more: Context) -> Circumstances:
    """The circumstances of a request.

    The address is that of whoever connected: what a header says about another anybody can write.

    Args:
        request: as it came.
        more: condition keys that its parameters answer.
    """
    return Circumstances(
        at=system_now(),
        source_ip=None if request.client is None else request.client.host,
        secure=request.url.scheme == "https",
        user_agent=request.headers.get("user-agent"),
        more=more,
    )
