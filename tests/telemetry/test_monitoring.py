"""The dashboard and the alerts: about metrics that there are, in PromQL that parses, and fired when they should be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from canary.telemetry.catalogue import METRICS, Kind

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "manifests" / "monitoring"
DASHBOARD = ROOT / "manifests" / "grafana" / "canary.json"
TESTS = Path(__file__).with_name("alerts.yaml")
PROMTOOL = shutil.which("promtool")
KUBECTL = shutil.which("kubectl")

ROWS = {row.name: row for row in METRICS}
OF_THE_TARGET = {"namespace", "pod", "job", "instance"}
"""Labels that Prometheus gives to every series of a Pod."""
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$namespace": "shop", "$canary": ".*"}


def groups() -> list[dict[str, Any]]:
    rules = yaml.safe_load((MONITORING / "rules.yaml").read_text(encoding="utf-8"))
    return list(rules["spec"]["groups"])


def alerts() -> dict[str, str]:
    """The expressions of the alerts; those of one name have numbers behind it."""
    rules = [rule for group in groups() for rule in group["rules"]]
    return {f"{rule['alert']} {number}": rule["expr"] for number, rule in enumerate(rules)}


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text(encoding="utf-8")))


def drawn() -> dict[str, str]:
    """The expressions of the dashboard, Grafana's variables filled in."""
    found: dict[str, str] = {}
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            found[f"{panel['title']} {target['refId']} {panel['id']}"] = filled(target["expr"])
    found |= {each["name"]: filled(each["expr"]) for each in dashboard()["annotations"]["list"]}
    return found


def filled(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


EXPRESSIONS = {**alerts(), **drawn()}


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric with the labels that its selector names."""
    for name, matchers in re.findall(r"\b((?:canary|process)_\w+)(?:\{(.*?)\})?", expression):
        yield name, set(re.findall(r"(\w+)\s*[=!]", matchers))


def row_of(name: str) -> str:
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    return base if base in ROWS and ROWS[base].kind is Kind.HISTOGRAM else name


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_parses_and_names_what_is_exported(where: str) -> None:
    expression = EXPRESSIONS[where]
    promql_parser.parse(expression)
    named = [(name, labels) for name, labels in selectors(expression) if not name.startswith("process_")]
    assert named
    for name, labels in named:
        assert row_of(name) in ROWS
        assert labels <= {*ROWS[row_of(name)].labels, *OF_THE_TARGET, "le"}, name


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_groups_by_labels_that_its_metrics_have(where: str) -> None:
    expression = EXPRESSIONS[where]
    has = {label for name, _ in selectors(expression) for label in getattr(ROWS.get(row_of(name)), "labels", ())}
    assert grouped(expression) <= has | OF_THE_TARGET | {"le"}


def test_every_metric_is_drawn_or_alerted_on() -> None:
    used = {row_of(name) for expression in EXPRESSIONS.values() for name, _ in selectors(expression)}
    assert ROWS.keys() - used == set()


def grouped(expression: str) -> set[str]:
    """The labels that an expression groups by, and so those that its result has."""
    return {label.strip() for part in re.findall(r"\bby \((.*?)\)", expression) for label in part.split(",")}


def test_every_label_of_a_legend_or_a_text_is_one_of_the_result() -> None:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped(target["expr"]), panel["title"]
    for group in groups():
        for rule in group["rules"]:
            shown = re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
            assert set(shown) <= grouped(rule["expr"]), rule["alert"]


def test_every_alert_says_what_is_wrong_what_to_do_and_how_grave_it_is() -> None:
    for group in groups():
        for rule in group["rules"]:
            assert rule["alert"].startswith("Canary")
            assert rule["annotations"].keys() == {"summary", "description"}
            assert rule["labels"]["severity"] in ("warning", "critical")


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool on the PATH")
def test_the_alerts_fire_when_they_should(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}), encoding="utf-8")
    shutil.copy(TESTS, tmp_path)
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", TESTS.name]):
        done = subprocess.run([PROMTOOL, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test() -> None:
    named = {name.split()[0] for name in alerts()}
    assert named <= set(re.findall(r"\bCanary\w+", TESTS.read_text(encoding="utf-8")))


def test_the_pods_are_found_and_scraped_where_they_listen() -> None:
    [monitor] = yaml.safe_load_all((MONITORING / "servicemonitor.yaml").read_text(encoding="utf-8"))
    [service] = yaml.safe_load_all((MONITORING / "service.yaml").read_text(encoding="utf-8"))
    [deployment] = yaml.safe_load_all((ROOT / "manifests/install/deployment.yaml").read_text(encoding="utf-8"))
    template = deployment["spec"]["template"]
    [endpoint], [port] = monitor["spec"]["endpoints"], service["spec"]["ports"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert {one["metadata"]["namespace"] for one in (monitor, service, deployment)} == {"canary-system"}
    [container] = template["spec"]["containers"]
    assert endpoint["port"] == port["name"]
    assert port["targetPort"] in [each["name"] for each in container["ports"]]
    assert (service["spec"]["clusterIP"], service["spec"]["publishNotReadyAddresses"]) == ("None", True)
    assert (endpoint["path"], endpoint["honorLabels"]) == ("/metrics", True)


@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH")
def test_the_components_add_to_an_installation(tmp_path: Path) -> None:
    assert KUBECTL is not None
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests")
    overlay = {"resources": ["manifests/install"], "components": ["manifests/monitoring", "manifests/grafana"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")
    done = subprocess.run([KUBECTL, "kustomize", str(tmp_path)], check=True, capture_output=True, text=True)
    made = {one["kind"]: one for one in yaml.safe_load_all(done.stdout)}
    assert {"Deployment", "Service", "ServiceMonitor", "PrometheusRule", "ConfigMap"} <= made.keys()
    assert json.loads(made["ConfigMap"]["data"]["canary.json"]) == dashboard()
    assert made["ConfigMap"]["metadata"]["labels"] == {"grafana_dashboard": "1"}
