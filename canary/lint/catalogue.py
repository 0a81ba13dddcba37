"""Every rule of lint in words, for docs/lint.md: what it finds, how bad that is, what to do.

A finding says the same with names and values. That no rule is missing here is held by tests/docs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from canary.lint.model import Level


class About(StrEnum):
    """The headings of the page."""

    FILES = "Files"
    SETTINGS = "What canary is told"
    PODS = "The Deployment and its pods"
    SERVICES = "Services and budgets"
    SIZE = "Autoscalers"
    CHECKS = "Steps and checks"
    MESH = "The mesh and its routes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One rule. `levels` are those that it can have: the first is the usual one."""

    name: str
    about: About
    levels: tuple[Level, ...]
    finds: str
    remedy: str


_F, _W, _N = (Level.FAULT,), (Level.WARNING,), (Level.NOTE,)
_FW = (Level.FAULT, Level.WARNING)


def _rules(about: About, *rows: tuple[str, tuple[Level, ...], str, str]) -> tuple[Described, ...]:
    return tuple(
        Described(name=name, about=about, levels=levels, finds=finds, remedy=remedy)
        for name, levels, finds, remedy in rows
    )


DESCRIBED: tuple[Described, ...] = (
    *_rules(
        About.FILES,
        ("unreadable", _F, "a file that is no text in UTF-8, or neither YAML nor JSON", "mend the syntax at that line"),
        ("too-large", _F, "a document with more keys, or deeper, than any manifest has", "take out the anchors"),
        ("helm-template", _F, "a Helm template that was not rendered", "`helm template CHART \\| canary lint -`"),
        ("key-twice", _F, "a map that has a key twice: one of the two silently wins", "remove one"),
        ("number", _F, "a number that JSON has no word for, such as `.inf`", "write another number"),
    ),
    *_rules(
        About.SETTINGS,
        ("spec", _F, "a key that is not known, or a value that is not allowed", "the finding says what is allowed"),
        ("api-version", _F, "a Canary of a version that no controller serves", "write the version that is named"),
        ("not-enabled", _F, "keys without `enabled`: nothing is done", 'add `canary.delivery/enabled: "true"`'),
        ("misplaced", _F, "keys of canary as labels, or on the pod template", "move them to `metadata.annotations`"),
        ("wrong-kind", _F, "keys of canary on another kind than a Deployment", "move them to the Deployment"),
        ("annotations-ignored", _W, "annotations beside a Canary for it, which wins", "keep one of the two"),
        ("command-in-file", (Level.WARNING, Level.FAULT), "a command, which each apply would repeat", "run it once"),
        ("target-conflict", _F, "two Canaries for one Deployment", "delete one"),
        ("target-not-here", _N, "a Canary whose Deployment is not among the files", "give lint that file too"),
        ("other-controller", _F, "Flagger or Argo Rollouts have the same Deployment", "delete their resource first"),
        ("suspended", _N, "`suspend` is set: no rollout starts", "take it out once versions are to be rolled out"),
    ),
    *_rules(
        About.PODS,
        ("host-port", _F, "a port of the node, or its network: two pods cannot share it", "use a Service"),
        ("volume-not-shared", _FW, "a claim that primary and candidate cannot mount at once", "ReadWriteMany"),
        ("anti-affinity", _W, "a rule that leaves no room for the candidate", "prefer it instead of requiring it"),
        ("replicas-in-file", _W, "`replicas`, which each apply would set again", "`canary.delivery/replicas`, or none"),
        ("paused", _F, "`paused`, which the controller uses itself", "`canary.delivery/suspend`"),
        ("no-readiness", _W, "no readiness probe: traffic goes to pods that may not serve yet", "add one"),
        ("moving-tag", _W, "an image without a tag of its own, such as `latest`", "name the version, or a digest"),
        ("name-too-long", _F, "a name from which one of more than 63 characters would be made", "a shorter name"),
        ("name-taken", _F, "an object with a name that the controller gives to its own", "rename it"),
        ("selector-overlap", _F, "a selector that matches other pods too", "labels that tell them apart"),
    ),
    *_rules(
        About.SERVICES,
        ("service-not-here", _N, "the Service that is named is not among the files", "give lint that file too"),
        ("service-unusable", _F, "a Service that is headless, ExternalName, or picks other pods", "name another one"),
        ("service-shared", _F, "a Service that picks the pods of two Deployments", "narrow its selector"),
        ("port-unknown", _FW, "no single port that the split could be about", "`canary.delivery/port`"),
        ("target-port", _F, "a `targetPort` whose name no container has", "name that port, or write a number"),
        ("not-ready-addresses", _W, "`publishNotReadyAddresses`: requests reach pods that fail them", "take it out"),
        ("scrape-service", _W, "a Service for scraping, which will be narrowed to the primary", "a PodMonitor"),
        ("budget-of-both", _W, "a budget that counts primary and candidate together", "add the role label"),
    ),
    *_rules(
        About.SIZE,
        ("autoscaler-of-candidate", _W, "an autoscaler that names the Deployment in Git", "write `NAME-primary`"),
        ("autoscaler-conflict", _F, "two autoscalers for one set of pods", "delete one"),
        ("replicas-beside-autoscaler", _W, "`canary.delivery/replicas` beside an autoscaler", "keep one of the two"),
    ),
    *_rules(
        About.CHECKS,
        ("interval-short", _W, "an interval of less than four scrapes", "write the interval that is named"),
        ("step-short", _W, "a step that ends before it can be evaluated", "give it more time"),
        ("no-data-timeout-short", _W, "a patience of less than an interval", "give it a few intervals"),
        ("both-sides", _W, "a query about the canary that counts the primary with it", "use `{{ pods }}`"),
        ("unproved", _W, "settings that promote what was not analysed", "take them out, unless you mean it"),
        ("no-counterpart", _W, "a query that says the same of both sides", "use `{{ pods }}` or `{{ target }}`"),
        ("latency-between-edges", _W, "a limit between two edges of the mesh's histogram", "write one of the edges"),
        ("latency-beyond-edges", _F, "a limit over the last edge: nothing can be slower", "write a lower limit"),
    ),
    *_rules(
        About.MESH,
        ("mesh-unknown", _F, "a mesh that no adapter is installed for", "name one that is"),
        ("not-in-mesh", _F, "pods that are kept out of the mesh", "take the label or annotation out"),
        ("namespace-not-in-mesh", _W, "a Namespace that does not bring its pods into the mesh", "add the label"),
        ("port-protocol", _FW, "a port that the mesh would not take for HTTP or gRPC", "set `appProtocol`"),
        ("opaque-port", _F, "the port that is split is opaque to Linkerd", "take it out of the annotation"),
        ("no-waypoint", _W, "ambient pods whose Service has no waypoint", "add the label `istio.io/use-waypoint`"),
        ("route-not-here", _N, "the route that is named is not among the files", "give lint that file too"),
        ("route-unreadable", _F, "a route whose spec has another shape", "compare it with the mesh's API reference"),
        ("route-unusable", _F, "a route in which no split can be kept", "the finding says which part, and why"),
        ("route-conflict", _F, "another object that decides where requests go", "name it in `canary.delivery/route`"),
    ),
)
