"""The registry's account: authorization tokens and account settings."""

import base64
from typing import Any

from careen.clock import system_now
from careen.ecrapi.call import Call
from careen.registry import account_settings, callers, policies
from careen.registry.registry import Transaction

Parameters = dict[str, Any]
Result = dict[str, Any]


async def get_authorization_token(call: Call, parameters: Parameters) -> Result:
    """GetAuthorizationToken: what ``docker login`` takes, valid for twelve hours, but not for longer than temporary credentials.

    ``registryIds`` does not change its scope.
    """
    expires_at = system_now() + call.registry.limits.token_ttl
    if call.principal.expires_at is not None:
        expires_at = min(expires_at, call.principal.expires_at)
    password = callers.mint_authorization(call.registry, call.principal, expires_at)
    data = {
        "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
        "expiresAt": expires_at,
        "proxyEndpoint": call.base_url,
    }
    return {"authorizationData": [data for _ in parameters.get("registryIds", [None])]}


async def get_account_setting(call: Call, parameters: Parameters) -> Result:
    """GetAccountSetting."""
    name = parameters["name"]
    return {"name": name, "value": call.registry.read(account_settings.get, name)}


async def put_account_setting(call: Call, parameters: Parameters) -> Result:
    """PutAccountSetting."""
    name, value = parameters["name"], parameters["value"]
    await call.registry.write(_put_setting, name, value)
    return {"name": name, "value": value}


def _put_setting(tx: Transaction, name: str, value: str) -> None:
    account_settings.put(tx, name, value)
    policies.check_standing_scope(tx)
