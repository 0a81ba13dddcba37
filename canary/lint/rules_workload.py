"""What in a Deployment keeps primary and candidate from running side by side, or hides a new version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canary.controller.names import (
    EPOCH,
    LONGEST_NAME,
    MANAGED_BY,
    MANAGER,
    canary_service_ref,
    matches,
    primary_ref,
)
from canary.controller.refusals import unshared
from canary.lint.bundle import Bundle, Subject
from canary.lint.model import Document, Finding, Level, Path, map_at, maps_at, text_at, value_at

POD: Path = ("spec", "template", "spec")
SHARED_MODES = ("ReadWriteMany", "ReadOnlyMany")


def is_whole(deployment: Document) -> bool:
    """Return whether a document is a Deployment and no patch of one."""
    return bool(maps_at(deployment.manifest, *POD, "containers"))


def pod_labels(deployment: Document) -> Mapping[str, Any]:
    """Return the labels of its pods."""
    return map_at(deployment.manifest, "spec", "template", "metadata", "labels")


def node_ports(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Ports of the node: two pods cannot have the same one."""
    deployment = subject.deployment
    if deployment is None:
        return
    allowed, remedy = "pods that can run beside each other on a node", "use a Service instead, and a containerPort"
    if value_at(deployment.manifest, *POD, "hostNetwork") is True:
        place = deployment.at(*POD, "hostNetwork")
        yield Finding(place=place, rule="host-port", found="true", allowed=allowed, remedy=remedy)
    for group in ("initContainers", "containers"):
        for at, container in maps_at(deployment.manifest, *POD, group):
            for number, port in maps_at(container, "ports"):
                if port.get("hostPort"):
                    place = deployment.at(*POD, group, at, "ports", number, "hostPort")
                    found = str(port["hostPort"])
                    yield Finding(place=place, rule="host-port", found=found, allowed=allowed, remedy=remedy)


def volumes(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Volumes that only one pod, or the pods of one node, may mount."""
    deployment = subject.deployment
    if deployment is None:
        return
    recreate = text_at(deployment.manifest, "spec", "strategy", "type") == "Recreate"
    for at, volume in maps_at(deployment.manifest, *POD, "volumes"):
        claim = text_at(volume, "persistentVolumeClaim", "claimName")
        if not claim:
            continue
        why, level = _unshared(bundle.named("PersistentVolumeClaim", claim, deployment), recreates=recreate)
        if not why:
            continue
        yield Finding(
            place=deployment.at(*POD, "volumes", at, "persistentVolumeClaim"),
            rule="volume-not-shared",
            found=f"claim {claim}, which {why}",
            allowed="a claim with ReadWriteMany or ReadOnlyMany: primary and candidate mount it at once",
            remedy="use such a claim, or keep the data outside of the pods",
            level=level,
        )


def _unshared(claim: Document | None, *, recreates: bool) -> tuple[str, Level]:
    """Return why two sets of pods cannot share a claim, "" when they can, and how sure that is."""
    if claim is None:
        return ("is not among the files, with strategy Recreate" if recreates else ""), Level.WARNING
    found = value_at(claim.manifest, "spec", "accessModes")
    modes = list(map(str, found)) if isinstance(found, list) else []
    why = unshared({"spec": {"accessModes": modes}}, recreates=recreates)
    if why or set(modes) & set(SHARED_MODES):
        return why, Level.FAULT
    return "is ReadWriteOnce, for the pods of one node", Level.WARNING


def anti_affinity(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A rule that keeps pods of the same labels apart: it counts primary and candidate together."""
    deployment = subject.deployment
    if deployment is None:
        return
    path = (*POD, "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    for at, term in maps_at(deployment.manifest, *path):
        if matches(_selector(map_at(term, "labelSelector")), pod_labels(deployment)):
            topology = text_at(term, "topologyKey") or "its topology"
            yield Finding(
                place=deployment.at(*path, at),
                rule="anti-affinity",
                found=f"at most one pod for each {topology}, primary and candidate counted together",
                allowed="room for the candidate's pods beside the primary's",
                remedy="use preferredDuringSchedulingIgnoredDuringExecution, or have twice as many nodes",
                level=Level.WARNING,
            )


def _selector(selector: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a selector without what the API server would refuse."""
    expressions = [
        {
            "key": str(one.get("key")),
            "operator": one.get("operator"),
            "values": list(map(str, value_at(one, "values") or ())),
        }
        for _, one in maps_at(selector, "matchExpressions")
    ]
    return {"matchLabels": map_at(selector, "matchLabels"), "matchExpressions": expressions}


def replicas(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """`replicas` in a file that is applied again and again: the candidate would be scaled up at rest.

    What was read from a cluster always has them.
    """
    deployment = subject.deployment
    written = value_at(deployment.manifest, "spec", "replicas") if deployment else None
    if deployment is not None and written is not None and not deployment.is_live:
        yield Finding(
            place=deployment.at("spec", "replicas"),
            rule="replicas-in-file",
            found=str(written),
            allowed="no replicas: canary keeps the Deployment at 0 at rest, and each apply would scale it up again",
            remedy="take it out; set the size of what serves with canary.delivery/replicas or an autoscaler",
            level=Level.WARNING,
        )


def paused(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A Deployment that the user paused: nothing starts. One of a cluster may be paused by the controller."""
    deployment = subject.deployment
    if deployment is None or (deployment.is_live and EPOCH in map_at(deployment.manifest, "metadata", "labels")):
        return
    if value_at(deployment.manifest, "spec", "paused") is True:
        yield Finding(
            place=deployment.at("spec", "paused"),
            rule="paused",
            found="true",
            allowed="false, or no such field: canary pauses and unpauses the Deployment itself",
            remedy='take it out; canary.delivery/suspend: "true" is what holds rollouts back',
        )


def readiness(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Pods that are ready at once, whether they can serve or not."""
    deployment = subject.deployment
    if deployment is None:
        return
    containers = maps_at(deployment.manifest, *POD, "containers")
    if containers and not any("readinessProbe" in container for _, container in containers):
        yield Finding(
            place=deployment.at(*POD, "containers", 0),
            rule="no-readiness",
            found="no readinessProbe in any container",
            allowed="a readinessProbe: traffic goes to a new version as soon as its pods are ready",
            remedy="add one that answers only when the application can serve",
            level=Level.WARNING,
        )


def image_tag(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """An image whose name stays the same when its content changes: no template changes, so nothing is rolled out."""
    deployment = subject.deployment
    if deployment is None:
        return
    for at, container in maps_at(deployment.manifest, *POD, "containers"):
        image = text_at(container, "image")
        tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
        if image and "@" not in image and tag in ("", "latest"):
            yield Finding(
                place=deployment.at(*POD, "containers", at, "image"),
                rule="moving-tag",
                found=image,
                allowed="an image with a tag of its own for each version, or a digest",
                remedy="name the version; primary and candidate could not be told apart",
                level=Level.WARNING,
            )


def names(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """Names of derived objects that are too long or taken."""
    deployment = subject.deployment
    if deployment is None or subject.plan is None:
        return
    target = subject.plan.target
    derived = (primary_ref("", target), canary_service_ref("", target))
    longest = max(derived, key=lambda ref: len(ref.name))
    if len(longest.name) > LONGEST_NAME:
        yield Finding(
            place=deployment.at("metadata", "name"),
            rule="name-too-long",
            found=f"{target}, of which {longest.name} is made with {len(longest.name)} characters",
            allowed=f"a name of at most {LONGEST_NAME - (len(longest.name) - len(target))} characters",
            remedy="give the Deployment a shorter name",
        )
    for ref in derived:
        taken = bundle.named(ref.kind.kind, ref.name, deployment)
        if taken is not None and map_at(taken.manifest, "metadata", "labels").get(MANAGED_BY) != MANAGER:
            yield Finding(
                place=taken.at("metadata", "name"),
                rule="name-taken",
                found=f"{ref.name}, the name that canary gives to its own {ref.kind.kind} for {target}",
                allowed="any other name",
                remedy="rename it, or take it out of the files; canary never takes over what is not its own",
            )


def overlaps(subject: Subject, bundle: Bundle) -> Iterator[Finding]:
    """A selector that picks the pods of another Deployment too."""
    deployment = subject.deployment
    if deployment is None or subject.plan is None:
        return
    own = _selector(map_at(deployment.manifest, "spec", "selector"))
    known = (subject.plan.target, primary_ref("", subject.plan.target).name)
    for other in bundle.of("Deployment", near=deployment):
        if other.name not in known and matches(own, pod_labels(other)):
            yield Finding(
                place=deployment.at("spec", "selector"),
                rule="selector-overlap",
                found=f"a selector that matches the pods of {other.title} too",
                allowed="labels that only pods of this Deployment have",
                remedy="give the two Deployments labels that tell them apart",
            )


RULES = (node_ports, volumes, anti_affinity, replicas, paused, readiness, image_tag, names, overlaps)
