"""Words that belong to the code are in it as pages spell them, and what is public in the code is in a page."""

from __future__ import annotations

import ast
import re

import yaml

from canary.controller import copies, names, scalers
from canary.lint.catalogue import DESCRIBED
from canary.rollout.conditions import PROMOTED, READY
from canary.rollout.phases import Phase
from canary.spec.crd import crd
from canary.spec.resource_reference import fields
from canary.spec.table import KEYS
from canary.telemetry.catalogue import METRICS
from meshes.parts.users_route import NOTE as ROUTE_NOTE
from tests.docs.lines import leaves, root_command
from tests.docs.pages import DOCS, ROOT, all_spans, all_text, prose, source, spans

TEXT = all_text()
SPANS = all_spans()
PREFIX = "canary.delivery/"


def marks() -> set[str]:
    """Every label, annotation and finalizer that the controller writes on objects."""
    own = {value for value in vars(names).values() if isinstance(value, str) and value.startswith(PREFIX)}
    return own - {PREFIX} | {copies.COPY_OF, scalers.NOTE, ROUTE_NOTE}


def test_every_key_label_and_finalizer_is_in_a_page_and_no_other() -> None:
    keys = {f"{PREFIX}{key.name}" for key in KEYS}
    shown = set(re.findall(r"canary\.delivery/[a-z0-9][\w.-]*", TEXT)) - {f"{PREFIX}v1alpha1"}
    told = {re.sub(r"check\..+", "check.NAME", one.rstrip(".-")) for one in shown}
    listed = set(re.findall(r"^\| `([\w.-]+)` \|", (DOCS / "annotations.md").read_text(encoding="utf-8"), re.M))
    assert sorted(told - keys - marks()) == []
    assert sorted(marks() - told) == []
    assert sorted({f"{PREFIX}{name}" for name in listed} ^ keys) == []


def test_every_mark_that_the_code_spells_is_one_of_those_that_the_pages_explain() -> None:
    code = source("canary", but=("sandbox", "cli", "lint", "migrate", "spec")) + source("meshes")
    spelt = set(re.findall(r'= f?"(?:\{PREFIX\}|canary\.delivery/)([a-z-]+)"', code))
    assert {f"{PREFIX}{name}" for name in spelt} - marks() == set()


def test_every_variable_is_in_a_page_and_no_other() -> None:
    name = r"\b(?:CANARY|SLACK)_[A-Z_]*[A-Z]\b"
    known = set(re.findall(rf'"({name})"', source("canary", but=("sandbox",))))
    options = [each for _, command in leaves(root_command()) for each in command.params]
    known |= {str(each.envvar) for each in options if getattr(each, "envvar", None)}
    of_tests = set(re.findall(name, source("tests") + (ROOT / "Makefile").read_text(encoding="utf-8")))
    told = set(re.findall(name, TEXT))
    assert (sorted(known - told), sorted(told - known - of_tests)) == ([], [])


def test_every_field_of_the_resource_is_in_a_page_and_no_other() -> None:
    resource = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    known = {path for part in ("spec", "status") for path, _, _ in fields(part, resource[part])}
    page = (DOCS / "canary-resource.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `((?:spec|status)[\w.\[\]]*)` \|", page, re.M)) == known
    others = {"spec.meshServices.mode"}  # Kuma's Mesh
    told = {word for span in SPANS for word in re.findall(r"\b(?:spec|status)\.[a-zA-Z.\[\]]*[a-zA-Z]", span)}
    assert sorted(told - known - others) == []


def rules_of_the_code() -> set[str]:
    """Every name that a finding of lint can have: what is written as `rule`, and what adapters refuse."""
    found: set[str] = set()
    for file in (ROOT / "canary" / "lint").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "rule" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                first, value = node.targets[0].elts[0], node.value
                if isinstance(first, ast.Name) and first.id == "rule" and isinstance(value, ast.Tuple):
                    found.add(str(ast.literal_eval(value.elts[0])))
    return found | {"route-conflict", "route-unusable"}


def test_every_rule_of_lint_is_in_its_page_and_no_other() -> None:
    page = (DOCS / "lint.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.M)) == rules_of_the_code()
    assert len({rule.name for rule in DESCRIBED}) == len(DESCRIBED)


def test_every_metric_is_in_its_page_and_no_other() -> None:
    known = {metric.name for metric in METRICS}
    page = set(re.findall(r"^\| `(canary_\w+)` \|", (DOCS / "metrics.md").read_text(encoding="utf-8"), re.M))
    told = set(re.findall(r"\bcanary_[a-z_]+[a-z]\b", TEXT))
    assert (page, sorted(told - known)) == (known, [])


def test_every_alert_is_in_a_page_and_no_other() -> None:
    rules = yaml.safe_load((ROOT / "manifests" / "monitoring" / "rules.yaml").read_text(encoding="utf-8"))
    known = {rule["alert"] for group in rules["spec"]["groups"] for rule in group["rules"]}
    told = set(re.findall(r"^\| `(Canary[A-Z]\w+)` \|", (DOCS / "operating.md").read_text(encoding="utf-8"), re.M))
    assert told == known


def test_every_condition_and_phase_is_in_a_page() -> None:
    page = (DOCS / "canary-resource.md").read_text(encoding="utf-8")
    assert {READY, PROMOTED} <= SPANS
    assert [phase for phase in Phase if phase not in page] == []


WORDS_OF_OTHERS = {
    *("argocd-cm", "argocd-controller", "kustomize-controller"),
    *("kube-apiserver", "kube-controller-manager", "kuma-system", "metrics-api", "prometheus-admin"),
    *(
        "pytest-asyncio",
        "canary-system",
        "canary-controller",
        "canary-controller-cluster",
        "kubectl-canary",
        "node-exporter",
    ),
    *("checkout-primary", "checkout-canary", "shop-front", "cluster-admin", "canary-view", "canary-edit"),
}
"""Words with hyphens that are neither keys nor rules: names of objects, programs and packages."""


def test_every_word_with_a_hyphen_is_a_key_a_rule_a_value_or_known_to_be_of_others() -> None:
    known = {key.name for key in KEYS} | {rule.name for rule in DESCRIBED} | WORDS_OF_OTHERS
    known |= set(re.findall(r'"([a-z]+(?:-[a-z0-9]+)+)"', source("canary") + source("meshes")))
    known |= {point.removeprefix("--") for point in re.findall(r"--[a-z-]+", source("canary/cli"))}
    known |= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    known |= {word.name for word in METRICS}
    told = {span for span in SPANS if re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", span)}
    assert sorted(told - known) == []


def test_every_reason_in_the_prose_is_one_that_the_page_on_trouble_explains() -> None:
    explained = set(re.findall(r"^\| `([A-Z][A-Za-z]+)` \|", prose(DOCS / "troubleshooting.md"), re.M))
    pages = [page for page in DOCS.glob("*.md") if page.name not in ("writing-an-adapter.md", "canary-resource.md")]
    told = {span for page in pages for span in spans(page) if re.fullmatch(r"(?:[A-Z][a-z]+){2,}", span)}
    code = source("canary") + source("meshes")
    kinds = {"AlertProvider", "AnalysisTemplate", "MetricTemplate", "ResolvedRefs", "TaskGroup"}
    alerts = {word for word in told if word.startswith("Canary")}
    phases = {str(phase) for phase in Phase}
    assert sorted(told - explained - kinds - alerts - phases) == []
    assert [word for word in sorted(told & explained) if word not in code] == []
