"""Somebody who is signed in to a server's console, without a browser."""

import re
from typing import Any

import httpx2

from careen import startup
from careen.clock import system_now
from careen.iam.managed import ManagedPolicy
from careen.registry import console_sessions, identities, identity_policies
from careen.registry.access import Circumstances
from careen.registry.console_sessions import Method
from careen.settings import Settings
from tests import backend
from tests.server import ACCESS_KEY_ID, REGION, REGISTRY_ID, SECRET_ACCESS_KEY, Server


class Visitor:
    """Asks for pages, and sends the forms that are on them.

    Args:
        server: whose console.
        secret: what the session's cookie has; empty: nobody is signed in.
    """

    def __init__(self, server: Server, secret: str) -> None:
        self.secret = secret
        self._home = f"{server.url}/console/"

    def _client(self) -> httpx2.Client:
        """A connection for one request, so that nothing has to be closed."""
        cookies = {"careen-session": self.secret} if self.secret else {}
        return httpx2.Client(base_url=self._home, cookies=cookies, trust_env=False, verify=False, timeout=60)

    def get(self, path: str = "", **parameters: Any) -> httpx2.Response:
        """A page, whatever its status."""
        with self._client() as client:
            return client.get(path, params=parameters or None)  # empty ones would take the address's own away

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> httpx2.Response:
        """Send a form as the page at ``path`` would: with its token. Redirects are not followed."""
        token = re.search(r'name="csrf" value="([0-9a-f]*)"', self.get("gallery").text)  # everybody's
        data = {"csrf": token.group(1) if token else "", **(form or {})}
        with self._client() as client:
            answered = client.post(path, data=data, headers=headers)
        if answered.headers.get("set-cookie", "").startswith("careen-session="):  # signed in, or out
            self.secret = answered.cookies.get("careen-session") or ""
        return answered

    def follow(self, answered: httpx2.Response) -> httpx2.Response:
        """The page that a form led to, with what it was told to say."""
        assert answered.status_code == 303, answered.text
        with self._client() as client:
            client.cookies.update(answered.cookies)
            return client.get(answered.headers["location"].removeprefix("/console/"))


def sign_in(
    server: Server, user: str | None = None, policy: ManagedPolicy = ManagedPolicy.READ_ONLY
) -> Visitor:
    """Begin a session beside a server.

    Args:
        server: the registry.
        user: made now, with that policy; None: the account itself.
        policy: what the user may do.
    """
    registry = startup.open_registry(settings_of(server))
    try:
        row = None
        if user is not None:
            row = registry.write_now(identities.create_user, user)
            registry.write_now(identity_policies.attach, identities.Kind.USER, user, policy.arn)
        circumstances = Circumstances(system_now())
        secret = registry.write_now(console_sessions.begin, registry, row, Method.LINK, circumstances)
        return Visitor(server, secret)
    finally:
        registry.close()


def settings_of(server: Server) -> Settings:
    """The settings that open a server's data folder beside it, for what no client can prepare."""
    return Settings(
        data=str(server.data),
        create_on_push=True,
        registry_id=REGISTRY_ID,
        region=REGION,
        access_key_id=ACCESS_KEY_ID,
        secret_access_key=SECRET_ACCESS_KEY,
        **backend.current().settings(server.data),
    )
