"""docs/metrics.md against a live server, after a walk through its surfaces; the dashboard and the alerts against both."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from careen import figures
from careen.counting import Histogram
from tests.distribution.client import Client
from tests.ecrapi.client import push
from tests.images import image
from tests.server import Server

ROOT = Path(__file__).parents[2]

SCRAPED = {"instance", "job", "le"}
"""Labels that Prometheus adds, or a histogram has."""

FUNCTIONS = frozenset(
    {
        "abs",
        "by",
        "count",
        "delta",
        "histogram_quantile",
        "increase",
        "label_values",
        "max",
        "min",
        "min_over_time",
        "or",
    }
    | {"predict_linear", "rate", "sum", "topk", "up", "vector"}
)

Families = dict[str, set[str]]
"""Names as they are queried, each with its labels."""


@pytest.fixture(scope="module")
def told(server: Server) -> Families:
    """What a server tells that was asked by every surface."""
    push(server.boto(), "test/metrics", image("layer"), "1")
    client = Client(server)
    for path in (
        "/v2/",
        "/v2/test/metrics/manifests/1",
        "/v2/test/metrics/tags/list",
        "/console/sign-in",
        "/healthz",
        "/",
    ):
        client.send("GET", path)
    client.send("GET", "/events", None, {"Authorization": ""})
    server.boto("ecr-public", region_name="us-east-1").describe_registries()
    server.boto("sts").get_caller_identity()
    answer = client.send("GET", "/metrics")
    found: Families = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for sample in family.samples for label in sample.labels}
        if family.type == "histogram":
            found |= {f"{name}_{part}": found[name] for part in ("bucket", "sum", "count")}
    for figure in figures.EVERY:
        suffixes = ("_bucket", "_sum", "_count") if isinstance(figure, Histogram) else ("", "_total")
        for suffix in suffixes:
            if figure.name + suffix in found:
                found[figure.name + suffix] |= set(figure.labels)
    for name in found:
        if name.startswith("careen_node_"):  # where a database is one node's, there are no rows of nodes
            found[name] |= {"node", "id", "version"}
    return found


def documented() -> set[str]:
    """The names in the first columns of the page's tables."""
    rows = (line for line in (ROOT / "docs/metrics.md").read_text().splitlines() if line.startswith("| `"))
    return {name for row in rows for name in re.findall(r"`(careen_\w+)`", row.split("|")[1])}


def test_the_page_has_what_a_server_tells(told: Families) -> None:
    """Every name, and no other."""
    parts = ("_bucket", "_sum", "_count")
    families = {name for name in told if not (name.endswith(parts) and name.rpartition("_")[0] in told)}
    assert families == documented()


def test_every_surface_is_counted(server: Server, told: Families) -> None:  # noqa: ARG001 the walk
    """Under its own name; no operation is one that a client made up."""
    body = Client(server).send("GET", "/metrics").body.decode()
    requests = next(
        family for family in text_string_to_metric_families(body) if family.name == "careen_http_requests"
    )
    seen = {sample.labels["surface"] for sample in requests.samples if sample.value}
    assert {"oci", "ecr", "ecr-public", "sts", "console", "events", "other"} <= seen
    assert all("test/metrics" not in value for sample in requests.samples for value in sample.labels.values())


def expressions() -> Iterator[tuple[str, str]]:
    """Each expression of the dashboard and of the alerts, with where it is."""
    dashboard = json.loads((ROOT / "deploy/grafana/careen.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']} {target['refId']}", target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


EXPRESSIONS = dict(expressions())


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_asks_for_what_there_is(told: Families, expression: str) -> None:
    """Its metrics are told, and each has the labels that it is selected and summed by."""
    text = re.sub(r"\[[^\]]*\]", "", expression)
    names = re.findall(r"\bcareen_\w+", text)
    assert set(names) <= set(told), expression
    for name, matchers in re.findall(r"\b(careen_\w+)\{([^}]*)\}", text):
        used = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", re.sub(r'"[^"]*"', '""', matchers)))
        assert used <= told[name] | SCRAPED, expression
    every = set().union(*(told[name] for name in names)) | SCRAPED
    for grouped in re.findall(r"\bby \(([^)]*)\)", text):
        assert {label.strip() for label in grouped.split(",")} <= every, expression
    rest = re.sub(r'"[^"]*"|\{[^}]*\}|\bcareen_\w+|by \([^)]*\)', "", text)
    assert set(re.findall(r"[a-z_]{2,}", rest)) <= FUNCTIONS | {"instance"}, expression


def test_the_dashboard_can_be_imported() -> None:
    """It asks for its data source, and no two panels have one number or lie on each other."""
    dashboard: dict[str, Any] = json.loads((ROOT / "deploy/grafana/careen.json").read_text())
    assert [each["pluginId"] for each in dashboard["__inputs"]] == ["prometheus"]
    assert dashboard["id"] is None
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel.get("targets", ()))


def test_an_alert_says_what_to_do() -> None:
    """Whom it wakes, what is wrong, and what to try."""
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "what_to_do"}
