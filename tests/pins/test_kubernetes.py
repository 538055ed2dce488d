"""The feed of Kubernetes against a real API server: what it sees, page by page, and what it makes of what it may not see."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from careen.pins import kubernetes
from careen.pins.sighting import Sighting, Use
from tests.pins.cluster import ADMIN, LIMITED, Cluster, needs_kubernetes
from tests.pins.conftest import Run, said
from tests.server import Server

Pinned = Callable[[str], set[tuple[str, str]]]

EXAMPLE = Path(__file__).parents[2] / "examples" / "pins" / "kubernetes.yaml"

RUNS, MOVED = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def container(image: str, name: str = "app") -> dict[str, Any]:
    """A container of a pod or a template."""
    return {"name": name, "image": image}


def status(image_id: str, name: str = "app") -> dict[str, Any]:
    """What a node says of a container."""
    return {"name": name, "image": "x", "imageID": image_id, "ready": True, "restartCount": 0}


def template(image: str, **spec: Any) -> dict[str, Any]:
    """A template of pods."""
    pod = {"containers": [container(image)]} | spec
    return {"metadata": {"labels": {"app": "x"}}, "spec": pod}


def replicas(image: str, number: int = 0) -> dict[str, Any]:
    """The specification of a ReplicaSet, a StatefulSet or, without the number, a DaemonSet."""
    return {"replicas": number, "selector": {"matchLabels": {"app": "x"}}, "template": template(image)}


@pytest.fixture
def namespace(cluster: Cluster, name: str) -> str:
    """A namespace that no other test uses."""
    return cluster.namespace(name.replace("/", "-"))


def look(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Sighting:
    """Look through one namespace as an administrator."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(ADMIN)))
    seen = Sighting(["h.x"])
    configured = kubernetes.configuration("prod")
    kubernetes.look(configured, "k/prod", seen, namespaces=[namespace], **options)
    return seen


@needs_kubernetes
def test_the_images_of_pods(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers of all sorts and image volumes; the digest that runs is the node's word, the repository the workload's."""
    spec = {
        "initContainers": [container("h.x/init:1", "init")],
        "containers": [
            container("h.x/app:1"),
            container(f"h.x/side@{RUNS}", "side"),
            container("redis", "cache"),
        ],
        "volumes": [{"name": "model", "image": {"reference": "h.x/model:1"}}],
    }
    running = {
        "phase": "Running",
        "containerStatuses": [
            status(f"mirror.example/app@{RUNS}"),
            status(f"h.x/side@{RUNS}", "side"),
            status("sha256:" + "3" * 64, "cache"),
        ],
        "initContainerStatuses": [status(f"docker-pullable://h.x/init@{MOVED}", "init")],
    }
    cluster.pod(namespace, "web-1", spec, running)
    path = f"/api/v1/namespaces/{namespace}/pods/web-1/ephemeralcontainers"
    cluster.ask("PATCH", path, {"spec": {"ephemeralContainers": [container("h.x/debug:1", "debug")]}})
    cluster.pod(namespace, "done", {"containers": [container("h.x/job:1")]}, {"phase": "Succeeded"})
    cluster.pod(namespace, "waiting", {"containers": [container("h.x/next:1")]})
    seen = look(cluster, namespace, monkeypatch)
    web, waiting = f"k/prod/{namespace}/web-1", f"k/prod/{namespace}/waiting"
    assert seen.problems == []
    assert seen.foreign == 1
    assert set(seen.uses) == {
        Use("app", "1", RUNS, web),
        Use("side", None, RUNS, web),
        Use("init", "1", MOVED, web),
        Use("debug", "1", None, web),
        Use("model", "1", None, web),
        Use("next", "1", None, waiting),
    }


@needs_kubernetes
def test_what_a_rollback_would_start(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each Deployment the ReplicaSets of the last revisions, by number and not by name; those that have pods; nobody's."""
    path = f"/apis/apps/v1/namespaces/{namespace}/replicasets"
    for deployment, revisions in (("web", (2, 9, 10, 11)), ("api", (1,))):
        for revision in revisions:
            cluster.make(
                path,
                f"{deployment}-{revision}",
                replicas(f"h.x/{deployment}:{revision}", 1 if (deployment, revision) == ("web", 2) else 0),
                annotations={"deployment.kubernetes.io/revision": str(revision)},
                labels={"app": "x"},
                ownerReferences=[
                    {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": deployment,
                        "uid": f"uid-{deployment}",
                        "controller": True,
                    }
                ],
            )
    cluster.make(path, "alone", replicas("h.x/alone:1"))
    seen = look(cluster, namespace, monkeypatch, revisions=2)
    found = {f"{use.repository}:{use.tag}" for use in seen.uses}
    assert found == {"web:2", "web:10", "web:11", "api:1", "alone:1"}
    assert {use.consumer for use in seen.uses if use.repository == "alone"} == {
        f"k/prod/{namespace}/replicaset/alone"
    }


@needs_kubernetes
def test_what_has_no_pod_now(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A StatefulSet without replicas, a DaemonSet without nodes, a CronJob between its turns."""
    apps = f"/apis/apps/v1/namespaces/{namespace}"
    cluster.make(f"{apps}/statefulsets", "db", replicas("h.x/db:1"))
    daemons = replicas("h.x/agent:1")
    del daemons["replicas"]
    cluster.make(f"{apps}/daemonsets", "agent", daemons)
    job = {"spec": {"template": template("h.x/report:1", restartPolicy="Never")}}
    cluster.make(
        f"/apis/batch/v1/namespaces/{namespace}/cronjobs",
        "report",
        {"schedule": "0 3 * * *", "jobTemplate": job},
    )
    seen = look(cluster, namespace, monkeypatch)
    assert seen.problems == []
    assert {(use.repository, use.consumer.removeprefix(f"k/prod/{namespace}/")) for use in seen.uses} == {
        ("db", "statefulset/db"),
        ("agent", "daemonset/agent"),
        ("report", "cronjob/report"),
    }


@needs_kubernetes
def test_more_than_a_page(cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's continue token is followed to the end."""
    monkeypatch.setattr(kubernetes, "PAGE", 2)
    for number in range(5):
        cluster.pod(namespace, f"pod-{number}", {"containers": [container(f"h.x/app:{number}")]})
    first = cluster.ask("GET", f"/api/v1/namespaces/{namespace}/pods?limit=2")
    assert first["metadata"]["continue"]
    seen = look(cluster, namespace, monkeypatch)
    assert [use.tag for use in seen.uses] == ["0", "1", "2", "3", "4"]


@pytest.fixture
def example() -> dict[str, dict[str, Any]]:
    """The documents of the example by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(EXAMPLE.read_text())}


@needs_kubernetes
def test_the_whole_way(
    run: Run,
    server: Server,
    pinned: Pinned,
    cluster: Cluster,
    namespace: str,
    name: str,
    images: dict[str, str],
    example: dict[str, dict[str, Any]],
) -> None:
    """With the permissions of the example and no others: the pod's running digest and its tag's are pinned."""
    cluster.permit("feed", "example", example["ClusterRole"]["rules"])
    image = f"{server.host}/{name}:v2"
    running = {"phase": "Running", "containerStatuses": [status(f"{server.host}/{name}@{images['v1']}")]}
    cluster.pod(namespace, "web-7f9c", {"containers": [container(image)]}, running)
    kubeconfig = {"KUBECONFIG": str(cluster.kubeconfig())}
    done = run("sync", "kubernetes", "--json", **kubeconfig)
    found = said(done)
    assert (done.returncode, found["complete"], found["problems"]) == (0, True, [])
    assert found["source"] == "kubernetes/prod"
    web = f"kubernetes/prod/{namespace}/web-7f9c"
    assert pinned(name) == {(images["v1"], web), (images["v2"], web)}


@needs_kubernetes
def test_what_may_not_be_listed(
    run: Run,
    server: Server,
    careen: Any,
    pinned: Pinned,
    cluster: Cluster,
    name: str,
    images: dict[str, str],
) -> None:
    """A namespace that refuses makes the report a part: what is seen is pinned, nothing ends, the exit status says so."""
    open_one, closed = (cluster.namespace(f"{name.replace('/', '-')}-{each}") for each in ("open", "closed"))
    everything = [{"apiGroups": ["", "apps", "batch"], "resources": ["*"], "verbs": ["list"]}]
    cluster.permit("limited", "open", everything, open_one)
    for namespace in (open_one, closed):
        cluster.pod(namespace, "web", {"containers": [container(f"{server.host}/{name}:v1")]})
    source = f"kubernetes/{name}"
    options = ["--source", source, "--namespace", open_one, "--namespace", closed, "--json"]
    done = run("sync", "kubernetes", *options, KUBECONFIG=str(cluster.kubeconfig(LIMITED)))
    found = said(done)
    assert (done.returncode, found["complete"], found["pinned"]) == (3, False, 1)
    assert len(found["problems"]) == 5
    assert all(f"in namespace {closed}: " in each and "forbidden" in each for each in found["problems"])
    assert pinned(name) == {(images["v1"], f"{source}/{open_one}/web")}
    feeds = {each["source"]: each for each in careen.describe_pin_feeds(maxResults=1000)["feeds"]}
    assert "lastCompleteReportAt" not in feeds[source]


@needs_kubernetes
def test_the_example_is_one_that_a_cluster_takes(
    cluster: Cluster, example: dict[str, dict[str, Any]]
) -> None:
    """Every document of it."""
    core, apps = "/api/v1/namespaces", "/apis/batch/v1/namespaces/careen/cronjobs"
    paths = {
        "Namespace": core,
        "ServiceAccount": f"{core}/careen/serviceaccounts",
        "Secret": f"{core}/careen/secrets",
        "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "CronJob": apps,
    }
    assert example.keys() == paths.keys()
    for kind, document in example.items():
        cluster.ask("POST", f"{paths[kind]}?fieldValidation=Strict", document)


def test_a_cluster_without_a_name(run: Run, tmp_path: Path) -> None:
    """Asks for one: two clusters that call themselves the same would end each other's pins."""
    file = tmp_path / "config"
    user = {"name": "u", "user": {"token": "t"}}
    where = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
    context = {"name": "default", "context": {"cluster": "c", "user": "u"}}
    document = {"contexts": [context], "clusters": [where], "users": [user], "current-context": "default"}
    file.write_text(yaml.safe_dump(document))
    done = run("sync", "kubernetes", KUBECONFIG=str(file))
    assert done.returncode == 2
    assert "try: --source kubernetes/prod" in done.stderr
    done = run("sync", "kubernetes", "--context", "other", KUBECONFIG=str(file))
    assert "Context 'other' not found" in done.stderr
    done = run("sync", "kubernetes", "--source", "kubernetes/away", "--json", KUBECONFIG=str(file))
    assert (done.returncode, len(said(done)["problems"])) == (3, 5)


class Breaking(BaseHTTPRequestHandler):
    """Lists of one object a page, which end after the first: as when a cluster compacts what a continue token stands for."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if "continue" in parse_qs(address.query):
            answer: dict[str, Any] = {
                "kind": "Status",
                "code": 410,
                "reason": "Expired",
                "message": "too old",
            }
        elif address.path.endswith("/pods"):
            pod = {
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"containers": [container("h.x/app:1")]},
            }
            answer = {"kind": "PodList", "metadata": {"continue": "more"}, "items": [pod]}
        else:
            answer = {"kind": "List", "metadata": {}, "items": []}
        body = json.dumps(answer).encode()
        self.send_response(answer.get("code", 200))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def breaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """KUBECONFIG leads to a server whose lists break off, which a real one does only when it is old and busy."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaking) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{serving.server_port}"
        document = {
            "contexts": [{"name": "prod", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": address}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        (tmp_path / "config").write_text(yaml.safe_dump(document))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        yield
        serving.shutdown()
        thread.join()


@pytest.mark.usefixtures("breaking")
def test_a_list_that_breaks_off() -> None:
    """Is a problem; what came before it counts."""
    seen = Sighting(["h.x"])
    kubernetes.look(kubernetes.configuration("prod"), "k/prod", seen)
    assert list(seen.uses) == [Use("app", "1", None, "k/prod/shop/web")]
    assert seen.problems == ["Pod in any namespace: too old"]
