"""The chart: what it makes of values is what Kubernetes takes, and what Careen takes."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import yaml

from careen import settings
from careen.settings import Settings
from tests.clients.client import needs
from tests.distribution.client import Client
from tests.pins.cluster import Cluster, needs_kubernetes
from tests.server import Server

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "careen"

pytestmark = needs("helm")

SHARED = {
    "store": "shared",
    "replicas": 3,
    "secret": "careen",
    "config": {
        "blobs": "s3://careen/blobs?region=eu-central-1",
        "storage_price": 0.09,
        "reserve": 67_108_864,
    },
}

VALUES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "one node, with a Secret": {"secret": "careen", "persistence": {"storageClass": "fast", "size": "1Ti"}},
    "several nodes": SHARED,
    "everything": SHARED
    | {
        "image": {"digest": "sha256:" + "0" * 64, "pullSecrets": [{"name": "pull"}]},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "registry.example.com",
            "tlsSecret": "tls",
        },
        "service": {"type": "LoadBalancer", "port": 80, "annotations": {"a": "b"}},
        "serviceAccount": {
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/careen"}
        },
        "podAnnotations": {"a": "b"},
        "podLabels": {"team": "platform"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "registry", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "podDisruptionBudget": {"maxUnavailable": "25%"},
    },
}

PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
}


def helm(command: str, values: Mapping[str, Any], tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run helm on the chart with values."""
    (tmp_path / "values.json").write_text(json.dumps(values))
    words = ["template", "careen"] if command == "template" else ["lint", "--strict"]
    return subprocess.run(
        ["helm", *words, CHART, "--values", tmp_path / "values.json"],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class Chart(NamedTuple):
    """What was made of values."""

    objects: dict[str, Any]
    """By kind."""

    @property
    def workload(self) -> Any:
        """The Deployment or the StatefulSet."""
        return self.objects.get("Deployment") or self.objects["StatefulSet"]

    @property
    def pod(self) -> Any:
        """The pod's specification."""
        return self.workload["spec"]["template"]["spec"]

    @property
    def container(self) -> Any:
        """Its one container."""
        (container,) = self.pod["containers"]
        return container

    @property
    def environment(self) -> dict[str, str]:
        """The container's variables; those from the Secret have the names of its keys."""
        return {
            each["name"]: each.get("value") or each["valueFrom"]["secretKeyRef"]["key"]
            for each in self.container["env"]
        }


def render(values: Mapping[str, Any], tmp_path: Path) -> Chart:
    """Have helm make the objects."""
    done = helm("template", values, tmp_path)
    assert done.returncode == 0, done.stderr
    return Chart({each["kind"]: each for each in yaml.safe_load_all(done.stdout) if each})


@pytest.fixture(params=list(VALUES.values()), ids=list(VALUES))
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Values that people use."""
    found: dict[str, Any] = request.param
    return found


@pytest.fixture
def chart(values: dict[str, Any], tmp_path: Path) -> Chart:
    """What is made of them."""
    return render(values, tmp_path)


def test_helm_has_nothing_to_say(values: dict[str, Any], tmp_path: Path) -> None:
    """`helm lint --strict`."""
    done = helm("lint", values, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_kubernetes
def test_kubernetes_takes_all_of_it(cluster: Cluster, chart: Chart) -> None:
    """A real API server, strictly: a field that it does not know is an error. Nothing is made."""
    for kind, each in chart.objects.items():
        path = f"{PATHS[kind].format('default')}?dryRun=All&fieldValidation=Strict"
        assert cluster.ask("POST", path, each)["kind"] == kind


def test_careen_takes_the_settings(chart: Chart, values: dict[str, Any], tmp_path: Path) -> None:
    """The file is read as Careen reads it; variables are settings; what was given arrives as it was given."""
    (tmp_path / "careen.toml").write_text(chart.objects["ConfigMap"]["data"]["careen.toml"])
    names = {name.removeprefix("CAREEN_").lower() for name in chart.environment if name.startswith("CAREEN_")}
    assert names - {"config"} <= set(Settings.__struct_fields__)
    read = settings.load(environ={"CAREEN_CONFIG": str(tmp_path / "careen.toml")})
    given = values.get("config", {})
    assert {name: getattr(read, name) for name in given} == given
    assert (read.data, read.host, read.port) == ("/data", "0.0.0.0", 5000)  # noqa: S104 compared
    assert read.public_url == ("https://registry.example.com" if "Ingress" in chart.objects else "")


def test_a_pod_may_do_little(chart: Chart) -> None:
    """No root, no privileges, nothing to write to but its volumes, no token of the cluster."""
    security = chart.container["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert chart.pod["securityContext"]["runAsNonRoot"] is True
    assert chart.pod["automountServiceAccountToken"] is False
    writable = {each["mountPath"] for each in chart.container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"/data", "/tmp"}  # noqa: S108 the container's


def test_probes_ask_what_answers(chart: Chart, server: Server) -> None:
    """Each path answers 200 without a credential, and a probe waits longer than the registry does for what it needs."""
    probes = [chart.container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")]
    assert [each["httpGet"]["path"] for each in probes] == ["/healthz", "/healthz", "/readyz"]
    for probe in probes:
        assert Client(server, "", "").send("GET", probe["httpGet"]["path"]).status == 200
        assert probe["timeoutSeconds"] > 3


def test_the_grace_fits_the_drain(chart: Chart, tmp_path: Path) -> None:
    """Longer than draining, the end of what is under way, and the end of the processes; and a probe fails well within the drain."""
    (tmp_path / "careen.toml").write_text(chart.objects["ConfigMap"]["data"]["careen.toml"])
    read = settings.load(environ={"CAREEN_CONFIG": str(tmp_path / "careen.toml")})
    assert chart.pod["terminationGracePeriodSeconds"] >= read.drain_delay + read.shutdown_timeout + 10
    readiness = chart.container["readinessProbe"]
    assert (
        read.drain_delay
        >= readiness["periodSeconds"] * readiness["failureThreshold"] + readiness["timeoutSeconds"]
    )


def test_several_nodes_share_everything(tmp_path: Path) -> None:
    """Database, master key and bucket are one for all; a budget keeps most of them up; their own volume is scratch."""
    chart = render(SHARED, tmp_path)
    assert set(chart.objects) == {
        "ConfigMap",
        "Deployment",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }
    assert chart.environment["CAREEN_DATABASE"] == "database"
    volumes = {each["name"]: each for each in chart.pod["volumes"]}
    assert volumes["master-key"]["secret"]["secretName"] == "careen"
    (mount,) = [each for each in chart.container["volumeMounts"] if each["name"] == "master-key"]
    assert (mount["mountPath"], mount["subPath"]) == ("/data/master.key", "master.key")
    assert "emptyDir" in volumes["data"]


def test_one_node_keeps_its_folder(tmp_path: Path) -> None:
    """On a volume of its own, and without a budget, which would never let its machine go."""
    chart = render({"secret": "careen"}, tmp_path)
    assert set(chart.objects) == {"ConfigMap", "Service", "ServiceAccount", "StatefulSet"}
    assert "CAREEN_DATABASE" not in chart.environment
    (claim,) = chart.workload["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"


def test_another_setting_makes_other_pods(tmp_path: Path) -> None:
    """Careen reads its settings at its start only."""
    before, after = (render({"config": {"workers": number}}, tmp_path) for number in (1, 3))
    templates = [each.workload["spec"]["template"]["metadata"] for each in (before, after)]
    assert templates[0] != templates[1]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "several nodes on one disk": ({"replicas": 2}, "more need store: shared"),
    "no Secret": (SHARED | {"secret": ""}, "needs a secret"),
    "no bucket": (SHARED | {"config": {"blobs": ""}}, "needs config.blobs"),
    "a setting of the chart's own": ({"config": {"port": 5001}}, "config.port is the chart's own"),
    "a secret in the open": ({"config": {"database": "postgresql://"}}, "config.database is a secret"),
    "a value that there is not": ({"replica": 1}, "replica"),
    "a store that there is not": ({"store": "memory"}, "store"),
    "no digest": ({"image": {"digest": "latest"}}, "digest"),
}


@pytest.mark.parametrize(("wrong", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused(wrong: dict[str, Any], words: str, tmp_path: Path) -> None:
    """Before anything is installed, and helm says why."""
    done = helm("template", wrong, tmp_path)
    assert done.returncode != 0
    assert words in done.stderr


def test_a_setting_that_is_none_stops_the_start(tmp_path: Path) -> None:
    """The chart cannot know them all; Careen does."""
    chart = render({"config": {"wrokers": 2}}, tmp_path)
    (tmp_path / "careen.toml").write_text(chart.objects["ConfigMap"]["data"]["careen.toml"])
    with pytest.raises(settings.InvalidSetting, match="wrokers"):
        settings.load(environ={"CAREEN_CONFIG": str(tmp_path / "careen.toml")})


def test_every_value_is_in_the_schema() -> None:
    """With what values.yaml explains; the schema knows no others."""
    schema = msgspec.json.decode((CHART / "values.schema.json").read_bytes())["properties"]
    given = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema) - {"global"} == set(given)
    for name, value in given.items():
        if "properties" in schema[name]:
            assert set(schema[name]["properties"]) == set(value)
