"""A pod's service account, from a real API server, assumes a role."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config

from tests.cli.test_commands import careen
from tests.ecrapi.client import refusal
from tests.iamapi.conftest import arn, in_session
from tests.iamapi.samples import MANAGED
from tests.pins.cluster import Cluster, needs_kubernetes
from tests.server import Server

ISSUER = "kubernetes.default.svc"
"""What the API server of tests is called."""


@needs_kubernetes
def test_a_service_account_pulls_without_a_secret(
    server: Server, iam: Any, cluster: Cluster, role_for: Callable[..., str], tmp_path: Path
) -> None:
    """Its projected token becomes credentials; another account's, or one for another audience, does not."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(cluster.ask("GET", "/openid/v1/jwks")))
    url = f"https://{ISSUER}"
    done = careen("provider", "create", url, "--keys", str(keys), **server.environment())
    assert done.returncode == 0, done.stderr
    namespace = cluster.namespace("web-identity")
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"

    def token(account: str, audience: str = "sts.amazonaws.com") -> str:
        spec = {"audiences": [audience], "expirationSeconds": 600}
        made = cluster.ask("POST", f"{accounts}/{account}/token", {"spec": spec})
        return str(made["status"]["token"])

    for account in ("deployer", "visitor"):
        cluster.ask("POST", accounts, {"metadata": {"name": account}})
    condition = {"StringEquals": {f"{ISSUER}:sub": f"system:serviceaccount:{namespace}:deployer"}}
    provider = {"Federated": arn(f"oidc-provider/{ISSUER}")}
    role = role_for(provider, condition, "sts:AssumeRoleWithWebIdentity")
    iam.attach_role_policy(RoleName=role, PolicyArn=MANAGED)
    sts = server.boto("sts", config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))
    asked = {"RoleArn": arn(f"role/{role}"), "RoleSessionName": "pod"}
    made = sts.assume_role_with_web_identity(**asked, WebIdentityToken=token("deployer"))
    server.boto(**in_session(made["Credentials"])).describe_repositories()
    visitor = refusal(sts.assume_role_with_web_identity, **asked, WebIdentityToken=token("visitor"))
    assert visitor.code == "AccessDenied"
    elsewhere = token("deployer", "https://vault.example.com")
    refused = refusal(sts.assume_role_with_web_identity, **asked, WebIdentityToken=elsewhere)
    assert (refused.code, refused.message) == ("InvalidIdentityToken", "Incorrect token audience")
