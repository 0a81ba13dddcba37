"""Turns Flagger's Canary, MetricTemplate and AlertProvider into specs of canary, and lists what has no equivalent.

Manifests may have any shape: what cannot be read is listed like what has no equivalent. Nothing is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from canary.migrate.checks import SUCCESS, NotConverted, Source, checks_of, unused
from canary.migrate.fate import ALERT, CANARY, TEMPLATE, without_equivalent
from canary.migrate.model import Made, Remark
from canary.spec.units import parse_duration

GROUP = "flagger.app"
LEAST_INTERVAL = timedelta(seconds=10)
MESHES = {
    "istio": "istio",
    "linkerd": "linkerd",
    "kuma": "kuma",
    "gatewayapi:v1": "gateway-api",
    "gatewayapi:v1beta1": "gateway-api",
}
_FATES = {"Canary": CANARY, "MetricTemplate": TEMPLATE, "AlertProvider": ALERT}


@dataclass(slots=True)
class _One:
    """One Canary on its way: its spec so far, and where remarks go."""

    title: str
    namespace: str
    name: str
    old: Mapping[str, Any]
    spec: dict[str, Any] = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)

    def list(self, path: str, text: str) -> None:
        """List a field."""
        self.remarks.append(Remark(object=self.title, field=f"spec.{path}", text=text))

    def at(self, *path: str) -> Any:
        """Return what stands there, None for nothing."""
        value: Any = self.old
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def migrated(manifests: Iterable[Mapping[str, Any]]) -> Made:
    """Return our specs for all of Flagger's Canaries, and every field that did not become a part of one."""
    ours = [one for one in manifests if str(one.get("apiVersion", "")).partition("/")[0] == GROUP]
    by_kind = {kind: {_key(one): _spec(one) for one in ours if one.get("kind") == kind} for kind in _FATES}
    remarks: dict[Remark, None] = dict.fromkeys(_doubled(ours))
    specs: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in ours:
        kind = str(one.get("kind"))
        title = title_of(kind, _key(one))
        elsewhere = _elsewhere(kind, _spec(one))
        for path, fate in without_equivalent(_spec(one), _FATES.get(kind, {})):
            remarks[Remark(object=title, field=f"spec.{path}", text=elsewhere or fate)] = None
        if kind == "Canary":
            going = _One(title=title, namespace=_key(one)[0], name=_key(one)[1], old=_spec(one))
            if _convert(going, by_kind):
                specs[_key(one)] = going.spec
            remarks.update(dict.fromkeys(going.remarks))
        elif elsewhere:
            field = "spec.provider.type" if kind == "MetricTemplate" else "spec.type"
            remarks[Remark(object=title, field=field, text=elsewhere)] = None
    return Made(specs=specs, remarks=tuple(remarks))


def _elsewhere(kind: str, spec: Mapping[str, Any]) -> str:
    """Return why nothing of a MetricTemplate or an AlertProvider counts for canary, "" where something does."""
    provider = spec.get("provider")
    if kind == "MetricTemplate" and (provider if isinstance(provider, Mapping) else {}).get("type") != "prometheus":
        return "no equivalent: canary asks Prometheus only"
    if kind == "AlertProvider" and spec.get("type") != "slack":
        return "no equivalent: canary tells Slack only"
    return ""


def _doubled(ours: Iterable[Mapping[str, Any]]) -> Iterator[Remark]:
    """Yield a remark on each object that is there more than once, as of several clusters."""
    counts = Counter((str(one.get("kind")), _key(one)) for one in ours)
    for (kind, key), count in counts.items():
        if kind in _FATES and count > 1:
            text = f"it is there {count} times and the last was taken: give the files of one cluster at a time"
            yield Remark(object=title_of(kind, key), field="metadata.name", text=text)


def title_of(kind: str, key: tuple[str, str]) -> str:
    """Return how remarks name an object of Flagger's by its namespace, "" for none, and name."""
    return f"{kind} {'/'.join(part for part in key if part)}"


def _key(manifest: Mapping[str, Any]) -> tuple[str, str]:
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _spec(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = manifest.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def _convert(one: _One, known: Mapping[str, Mapping[tuple[str, str], Mapping[str, Any]]]) -> bool:
    """Fill the spec; return False where the target is nothing that canary ships."""
    kind, target = one.at("targetRef", "kind"), one.at("targetRef", "name")
    if kind != "Deployment" or not isinstance(target, str):
        service = "; it split between Services whose pods another tool made: annotate the Deployment behind them"
        more = service if kind == "Service" else ""
        one.list("targetRef.kind", f"no equivalent: canary ships Deployments, and this is about a {kind}{more}")
        return False
    if one.at("targetRef", "apiVersion") not in (None, "apps/v1"):
        one.list("targetRef.apiVersion", "canary knows apps/v1 only; this is what was written instead")
    one.spec["targetRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    _mesh(one)
    _service(one, target)
    one.spec["analysis"] = dict(_analysis(one, known["MetricTemplate"]))
    for name in ("skipAnalysis", "suspend"):
        if one.at(name) is not None:
            one.spec[name] = bool(one.at(name))
    deadline = one.at("progressDeadlineSeconds")
    if isinstance(deadline, int | float) and deadline >= 1:
        one.spec["progressDeadline"] = f"{int(deadline)}s"
    _alerts(one, known["AlertProvider"])
    return True


def _mesh(one: _One) -> None:
    provider = one.at("provider")
    if provider is None:
        return
    if isinstance(provider, str) and provider in MESHES:
        one.spec["mesh"] = MESHES[provider]
    else:
        one.list(
            "provider", f"no equivalent for {provider}: canary splits with {', '.join(sorted(set(MESHES.values())))}"
        )


def _service(one: _One, target: str) -> None:
    service: dict[str, Any] = {}
    name, port, protocol = (one.at("service", key) for key in ("name", "port", "appProtocol"))
    if isinstance(name, str) and name != target:
        service["name"] = name
    if isinstance(port, int | float):
        service["port"] = int(port)
    if isinstance(protocol, str):
        service["protocol"] = "grpc" if protocol.lower() in ("grpc", "kubernetes.io/h2c") else "http"
        one.list("service.appProtocol", "say so in the Service too: meshes read it there")
    if service:
        one.spec["service"] = service


def _analysis(one: _One, templates: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    if one.at("analysis") is None:
        one.list("analysis", "without it Flagger promotes unproved, and canary by its own steps and checks")
    yield from _interval(one)
    threshold = one.at("analysis", "threshold")
    if isinstance(threshold, int | float) and threshold >= 1:
        yield "maxFailures", int(threshold)
    elif one.at("analysis") is not None:
        one.list("analysis.threshold", "without a number of at least 1 it is 1 to Flagger, which was taken")
        yield "maxFailures", 1
    yield from _steps(one)
    checks = list(_checks(one, templates))
    if checks or one.at("analysis", "metrics"):
        yield "checks", checks
    elif one.at("analysis") is not None:
        one.list("analysis.metrics", "without any Flagger looks at pods alone, and canary at its success rate too")


def _interval(one: _One) -> Iterator[tuple[str, str]]:
    """Take the interval as Flagger does, for which 10 s is the least."""
    interval = one.at("analysis", "interval")
    if interval is None:
        return
    try:
        if parse_duration(str(interval)) >= LEAST_INTERVAL:
            yield "interval", str(interval)
            return
    except ValueError as error:
        one.list("analysis.interval", f"found {interval!r}, allowed is {error}")
        return
    one.list("analysis.interval", f"found {interval!r}, which is 10s to Flagger; that was taken")
    yield "interval", "10s"


def _steps(one: _One) -> Iterator[tuple[str, Any]]:
    weights = one.at("analysis", "stepWeights")
    if isinstance(weights, list) and weights:
        rising = sorted({int(weight) for weight in weights if isinstance(weight, int | float) and 1 <= weight <= 100})
        if rising != weights:
            one.list(
                "analysis.stepWeights", f"found {weights}; canary's weights rise from 1 to 100: {rising} was taken"
            )
        for name in ("stepWeight", "maxWeight"):
            if one.at("analysis", name) is not None:
                one.list(f"analysis.{name}", "not needed beside stepWeights")
        yield "steps", [{"weight": weight} for weight in rising]
        return
    step, most = one.at("analysis", "stepWeight"), one.at("analysis", "maxWeight")
    if isinstance(step, int | float) and step >= 1:
        yield "stepWeight", int(step)
        if not isinstance(most, int | float):
            one.list("analysis.maxWeight", "without a number it is 100 to Flagger, which was taken")
            most = 100
        yield "maxWeight", min(100, int(most))
    elif most is not None:
        one.list(
            "analysis.maxWeight", "without stepWeight it means nothing to canary, whose default steps are 5,10,25,50"
        )


def _checks(one: _One, templates: Mapping[tuple[str, str], Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    metrics = one.at("analysis", "metrics")
    source = Source(name=one.name, namespace=one.namespace, templates=templates)
    taken: set[str] = set()
    for at, metric in enumerate(metrics if isinstance(metrics, list) else ()):
        path = f"analysis.metrics[{at}]"
        if not isinstance(metric, Mapping):
            one.list(path, "it is no map of fields")
            continue
        for part, why in unused(metric, source):
            one.list(f"{path}.{part}", why)
        try:
            for check in checks_of(metric, source):
                if check["name"] in taken:
                    one.list(f"{path}.name", f"there is a check {check['name']} already; this one was left out")
                else:
                    taken.add(check["name"])
                    yield check
        except NotConverted as error:
            one.list(path, f"{metric.get('name')}: {error}")
    if taken and "success-rate" not in taken:
        one.list("analysis.metrics", f"{SUCCESS} was not asked for, so canary's success rate is off; consider it")


def _alerts(one: _One, providers: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    """Take the channel of the first alert that goes to Slack."""
    alerts = one.at("analysis", "alerts")
    for at, alert in enumerate(alerts if isinstance(alerts, list) else ()):
        path = f"analysis.alerts[{at}]"
        reference = alert.get("providerRef") if isinstance(alert, Mapping) else None
        reference = reference if isinstance(reference, Mapping) else {}
        key = (str(reference.get("namespace") or one.namespace), str(reference.get("name") or ""))
        provider = providers.get(key)
        if isinstance(alert, Mapping) and alert.get("severity"):
            one.list(f"{path}.severity", "no equivalent: every transition is told, failures with a mention")
        if provider is None:
            one.list(
                f"{path}.providerRef", f"AlertProvider {key[0]}/{key[1]} is not among the files: give its file too"
            )
        elif provider.get("type") != "slack":
            one.list(f"{path}.providerRef", f"no equivalent for {provider.get('type')}: canary tells Slack only")
        elif "notify" in one.spec:
            one.list(f"{path}.providerRef", "canary has one channel for a Canary: the first was taken")
        elif provider.get("channel"):
            one.spec["notify"] = {"slackChannel": f"#{str(provider['channel']).removeprefix('#')}"}
        if isinstance(alert, Mapping) and alert.get("name"):
            one.list(f"{path}.name", "not needed: canary's messages name the Canary")
