"""Helm: charts packaged, pushed, shown, rendered and pulled."""

from pathlib import Path

import pytest

from tests.clients.client import Shell, needs
from tests.distribution.client import Client
from tests.server import Server

pytestmark = needs("helm")

CHART = """
apiVersion: v2
name: "{chart}"
version: 1.2.3+build.4
description: {chart} of a test
"""

TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {greeting: {{ .Values.greeting }}}
"""

CONFIG = "application/vnd.cncf.helm.config.v1+json"


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    """A shell whose docker configuration has the credentials; helm reads those, too."""
    return Shell(server, tmp_path)


def helm(shell: Shell, *command: str) -> str:
    """Run helm, which is told how to reach the registry after the command."""
    return shell.run("helm", *command, *shell.reach("--plain-http", "--ca-file"))


@pytest.fixture
def chart(shell: Shell, name: str) -> str:
    """A chart, pushed; its address."""
    chart = name.rpartition("/")[2]
    folder = shell.folder / chart
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(CHART.format(chart=chart))
    (folder / "values.yaml").write_text("greeting: hello\n")
    (folder / "templates" / "map.yaml").write_text(TEMPLATE)
    shell.run("helm", "package", folder)
    helm(shell, "push", f"{chart}-1.2.3+build.4.tgz", f"oci://{shell.host}/test")
    return f"oci://{shell.host}/{name}"


def test_a_chart_comes_back(shell: Shell, chart: str) -> None:
    """Shown, rendered and unpacked as it was packaged."""
    assert "description: " in helm(shell, "show", "chart", chart, "--version", "1.2.3+build.4")
    assert "greeting: hello" in helm(shell, "show", "values", chart)
    assert "data: {greeting: hello}" in helm(shell, "template", "release", chart)
    helm(shell, "pull", chart, "--untar", "--untardir", "out")
    chart_folder = shell.folder / chart.rpartition("/")[2]
    for file in ("values.yaml", "templates/map.yaml"):
        pulled = shell.folder / "out" / chart_folder.name / file
        assert pulled.read_text() == (chart_folder / file).read_text()


@pytest.mark.usefixtures("chart")
def test_a_chart_is_an_artifact(server: Server, name: str) -> None:
    """Its version is the tag, with ``_`` for ``+``; ECR's API names its config's type."""
    (found,) = server.boto().describe_images(repositoryName=name)["imageDetails"]
    assert (found["imageTags"], found["artifactMediaType"]) == (["1.2.3_build.4"], CONFIG)
    pushed = Client.of(server).send("GET", f"/v2/{name}/manifests/1.2.3_build.4").json()
    assert pushed["config"]["mediaType"] == CONFIG


def test_versions_are_chosen_by_range(shell: Shell, chart: str) -> None:
    """Without a version helm lists the tags and takes the newest; a range takes the newest in it."""
    folder = shell.folder / chart.rpartition("/")[2]
    for version in ("1.3.0", "2.0.0"):
        shell.run("helm", "package", folder, "--version", version)
        helm(shell, "push", f"{folder.name}-{version}.tgz", f"oci://{shell.host}/test")
    assert "version: 2.0.0" in helm(shell, "show", "chart", chart)
    assert "version: 1.3.0" in helm(shell, "show", "chart", chart, "--version", "^1.2.0")
