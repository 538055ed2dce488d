"""A real Kubernetes API: etcd and kube-apiserver. No controller and no node run, so that tests make what those would."""

import contextlib
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.server import free_port

TOOLS = ("etcd", "kube-apiserver")

INSTALL = "see .ci/kubernetes, which builds both from the Go module proxy"

needs_kubernetes = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS),
    reason=f"{' and '.join(TOOLS)} are not installed: {INSTALL}",
)

ADMIN, FEED, LIMITED = "admin-token", "feed-token", "limited-token"
"""The tokens of those who may do everything, what a test permits the account ``feed``, and the account ``limited``."""

_TOKENS = f'{ADMIN},admin,1,"system:masters"\n{FEED},feed,2\n{LIMITED},limited,3\n'


class Cluster:
    """An API server on a port of 127.0.0.1."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self._url = f"https://127.0.0.1:{port}"
        self._http: httpx2.Client | None = None

    def wait(self) -> None:
        """Until it serves, and has made the namespace that things go to by default."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, httpx2.HTTPError):
                if self._http is None:
                    trusted = ssl.create_default_context(
                        cafile=self.folder / "certificates" / "apiserver.crt"
                    )
                    headers = {"Authorization": f"Bearer {ADMIN}"}
                    self._http = httpx2.Client(base_url=self._url, verify=trusted, headers=headers)
                if self._http.get("/api/v1/namespaces/default").status_code == 200:
                    return
            time.sleep(0.2)
        raise AssertionError(
            "the cluster did not start: " + (self.folder / "apiserver.log").read_text()[-2000:]
        )

    def close(self) -> None:
        """Ask no more."""
        if self._http is not None:
            self._http.close()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as an administrator."""
        assert self._http is not None
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self._http.request(method, path, json=body, headers={"Content-Type": kind})
        assert answer.status_code < 300, answer.text
        return answer.json()

    def namespace(self, name: str) -> str:
        """Make a namespace."""
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def make(self, path: str, name: str, spec: Any, **metadata: Any) -> Any:
        """Make something in a namespace: ``/api/v1/namespaces/shop/pods``."""
        return self.ask("POST", path, {"metadata": {"name": name, **metadata}, "spec": spec})

    def pod(self, namespace: str, name: str, spec: Any, status: Any = None) -> None:
        """Make a pod, and say of it what its node would."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        self.make(path, name, spec)
        if status is not None:
            self.ask("PATCH", f"{path}/{name}/status", {"status": status})

    def permit(
        self, account: str, name: str, rules: list[dict[str, Any]], namespace: str | None = None
    ) -> None:
        """Let an account do something, everywhere or in a namespace."""
        rbac = "/apis/rbac.authorization.k8s.io/v1" + (f"/namespaces/{namespace}" if namespace else "")
        kind = "Role" if namespace else "ClusterRole"
        self.ask("POST", f"{rbac}/{kind.lower()}s", {"metadata": {"name": name}, "rules": rules})
        binding = {
            "metadata": {"name": name},
            "subjects": [{"kind": "User", "name": account}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        }
        self.ask("POST", f"{rbac}/{kind.lower()}bindings", binding)

    def kubeconfig(self, token: str = FEED, context: str = "prod") -> Path:
        """The file of somebody who has a token."""
        named = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "contexts": [{"name": context, "context": {"cluster": "test", "user": "somebody"}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self._url, "certificate-authority": "certificates/apiserver.crt"},
                }
            ],
            "users": [{"name": "somebody", "user": {"token": token}}],
        }
        path = self.folder / f"{context}-{token}.kubeconfig"
        path.write_text(yaml.safe_dump(named))
        return path


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster for the length of a ``with`` block."""
    (folder / "tokens.csv").write_text(_TOKENS)
    key = folder / "account.key"
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "RSA", "-out", key], check=True, capture_output=True, timeout=60
    )
    client, peer, port = free_port(), free_port(), free_port()
    at, between = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    etcd: list[str | Path] = [
        "etcd", "--data-dir", folder / "etcd", "--unsafe-no-fsync", "--log-level", "error",
        "--listen-client-urls", at, "--advertise-client-urls", at,
        "--listen-peer-urls", between, "--initial-advertise-peer-urls", between, "--initial-cluster", f"default={between}",
    ]  # fmt: skip
    server: list[str | Path] = [
        "kube-apiserver", f"--etcd-servers={at}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
        f"--secure-port={port}", f"--cert-dir={folder / 'certificates'}", "--service-cluster-ip-range=10.0.0.0/24",
        f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://kubernetes.default.svc", f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
    ]  # fmt: skip
    with contextlib.ExitStack() as stack:
        for name, command in (("etcd", etcd), ("apiserver", server)):
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(process.wait, 60)
            stack.callback(process.kill)  # nothing of it is worth an orderly end
        cluster = Cluster(folder, port)
        stack.callback(cluster.close)
        cluster.wait()
        yield cluster
