"""The controller's pods meet the pod security standard `restricted`, field by field as it is published.

https://kubernetes.io/docs/concepts/security/pod-security-standards: an API server of 1.20 has no admission for it, and
one that has it looks at the namespace's labels first. Here each of its rules is a function from a pod's spec to faults.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DEPLOYMENTS = sorted((ROOT / "manifests").glob("install*/deployment.yaml"))
JSON = dict[str, Any]
Rule = Callable[[JSON], Iterator[str]]

CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
VOLUMES = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
)
SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_syncookies",
    }
)
SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
PROFILES = ("RuntimeDefault", "Localhost")


def containers(pod: JSON) -> Iterator[JSON]:
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        yield from pod.get(kind) or ()


def security(one: JSON) -> JSON:
    return dict(one.get("securityContext") or {})


def contexts(pod: JSON) -> Iterator[JSON]:
    yield security(pod)
    yield from map(security, containers(pod))


def host_namespaces(pod: JSON) -> Iterator[str]:
    yield from (f"{key} is true" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key))


def host_process(pod: JSON) -> Iterator[str]:
    for each in contexts(pod):
        if (each.get("windowsOptions") or {}).get("hostProcess"):
            yield "hostProcess is true"


def privileged(pod: JSON) -> Iterator[str]:
    yield from ("privileged is true" for each in containers(pod) if security(each).get("privileged"))


def capabilities(pod: JSON) -> Iterator[str]:
    for each in containers(pod):
        wanted = security(each).get("capabilities") or {}
        if "ALL" not in (wanted.get("drop") or ()):
            yield f"{each['name']} does not drop ALL"
        yield from (f"{each['name']} adds {added}" for added in wanted.get("add") or () if added not in CAPABILITIES)


def volumes(pod: JSON) -> Iterator[str]:
    for each in pod.get("volumes") or ():
        yield from (f"{each['name']} is a {kind}" for kind in each if kind != "name" and kind not in VOLUMES)


def host_ports(pod: JSON) -> Iterator[str]:
    for each in containers(pod):
        yield from (f"{each['name']} has a hostPort" for port in each.get("ports") or () if port.get("hostPort"))


def probes(pod: JSON) -> Iterator[str]:
    """No host but the pod in probes and hooks, as the standard has it since 1.34."""
    for each in containers(pod):
        hooks = (each.get("lifecycle") or {}).values()
        for one in (*hooks, *(each.get(f"{name}Probe") or {} for name in ("liveness", "readiness", "startup"))):
            for kind in ("httpGet", "tcpSocket"):
                if (one.get(kind) or {}).get("host"):
                    yield f"{each['name']} is probed at another host"


def app_armor(pod: JSON) -> Iterator[str]:
    for each in contexts(pod):
        kind = (each.get("appArmorProfile") or {}).get("type", "RuntimeDefault")
        if kind not in PROFILES:
            yield f"appArmorProfile is {kind}"


def selinux(pod: JSON) -> Iterator[str]:
    for each in contexts(pod):
        options = each.get("seLinuxOptions") or {}
        if options.get("type", "") not in SELINUX or options.get("user") or options.get("role"):
            yield f"seLinuxOptions are {options}"


def proc_mount(pod: JSON) -> Iterator[str]:
    for each in containers(pod):
        if security(each).get("procMount", "Default") != "Default":
            yield f"{each['name']} has another procMount"


def sysctls(pod: JSON) -> Iterator[str]:
    for each in security(pod).get("sysctls") or ():
        if each["name"] not in SYSCTLS:
            yield f"sysctl {each['name']}"


def escalation(pod: JSON) -> Iterator[str]:
    for each in containers(pod):
        if security(each).get("allowPrivilegeEscalation") is not False:
            yield f"{each['name']} may gain privileges"


def _of_each(pod: JSON, key: str) -> Iterator[tuple[str, Any]]:
    """Yield each container with its own value, the pod's where it has none."""
    for each in containers(pod):
        yield each["name"], security(each).get(key, security(pod).get(key))


def non_root(pod: JSON) -> Iterator[str]:
    yield from (f"{name} may run as root" for name, value in _of_each(pod, "runAsNonRoot") if value is not True)


def user(pod: JSON) -> Iterator[str]:
    yield from ("runAsUser is 0" for each in contexts(pod) if each.get("runAsUser") == 0)


def seccomp(pod: JSON) -> Iterator[str]:
    for name, profile in _of_each(pod, "seccompProfile"):
        if (profile or {}).get("type") not in PROFILES:
            yield f"{name} has no seccompProfile"


def of_pod(changes: JSON) -> Callable[[JSON], None]:
    return lambda pod: pod.update(changes)


def of_context(changes: JSON) -> Callable[[JSON], None]:
    return lambda pod: pod["securityContext"].update(changes)


def of_container(changes: JSON) -> Callable[[JSON], None]:
    return lambda pod: pod["containers"][0].update(changes)


def of_its_context(changes: JSON) -> Callable[[JSON], None]:
    return lambda pod: pod["containers"][0]["securityContext"].update(changes)


HOST = {"readinessProbe": {"httpGet": {"host": "elsewhere", "port": 80}}}
BROKEN: list[tuple[Rule, Callable[[JSON], None]]] = [
    *((host_namespaces, of_pod({key: True})) for key in ("hostNetwork", "hostPID", "hostIPC")),
    (host_process, of_context({"windowsOptions": {"hostProcess": True}})),
    (privileged, of_its_context({"privileged": True})),
    (capabilities, of_its_context({"capabilities": {"drop": ["NET_RAW"]}})),
    (capabilities, of_its_context({"capabilities": {"drop": ["ALL"], "add": ["SYS_TIME"]}})),
    (volumes, of_pod({"volumes": [{"name": "host", "hostPath": {"path": "/"}}]})),
    (host_ports, of_container({"ports": [{"containerPort": 80, "hostPort": 80}]})),
    (probes, of_container(HOST)),
    (app_armor, of_context({"appArmorProfile": {"type": "Unconfined"}})),
    (selinux, of_context({"seLinuxOptions": {"type": "spc_t"}})),
    (selinux, of_its_context({"seLinuxOptions": {"user": "system_u"}})),
    (proc_mount, of_its_context({"procMount": "Unmasked"})),
    (sysctls, of_context({"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})),
    (escalation, of_its_context({"allowPrivilegeEscalation": True})),
    (escalation, lambda pod: pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation")),
    (non_root, of_context({"runAsNonRoot": False})),
    (non_root, of_its_context({"runAsNonRoot": False})),
    (user, of_context({"runAsUser": 0})),
    (user, of_its_context({"runAsUser": 0})),
    (seccomp, of_context({"seccompProfile": {"type": "Unconfined"}})),
    (seccomp, lambda pod: pod["securityContext"].pop("seccompProfile")),
]
"""Each rule with a template that it alone refuses."""
RULES = list(dict.fromkeys(rule for rule, _ in BROKEN))


def template(file: Path) -> JSON:
    [deployment] = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    return dict(deployment["spec"]["template"]["spec"])


def refused(pod: JSON) -> dict[str, list[str]]:
    """Return the faults by rule; none for a pod that the standard admits."""
    return {rule.__name__: faults for rule in RULES if (faults := [*rule(pod)])}


@pytest.mark.parametrize("file", DEPLOYMENTS, ids=lambda file: file.parent.name)
def test_the_controllers_pods_are_restricted(file: Path) -> None:
    assert refused(template(file)) == {}


@pytest.mark.parametrize(("rule", "change"), BROKEN, ids=[f"{n}-{rule.__name__}" for n, (rule, _) in enumerate(BROKEN)])
def test_a_template_that_breaks_one_rule_is_refused_by_it_alone(rule: Rule, change: Callable[[JSON], None]) -> None:
    pod = copy.deepcopy(template(DEPLOYMENTS[0]))
    change(pod)
    assert list(refused(pod)) == [rule.__name__]


def test_the_rules_hold_for_containers_that_end_before_the_others_begin_too() -> None:
    pod = copy.deepcopy(template(DEPLOYMENTS[0]))
    pod["initContainers"] = [{"name": "first", "image": "registry.example/first:1"}]
    assert list(refused(pod)) == ["capabilities", "escalation"]
