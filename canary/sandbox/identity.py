"""Who a pod is: what its answers and its metrics say of it, and how a client reads that from an answer."""

from __future__ import annotations

from dataclasses import dataclass

from meshes.contract import Manifest

POD_HEADER = "x-canary-pod"
WORKLOAD_HEADER = "x-canary-workload"
REVISION_HEADER = "x-canary-revision"
VERSION_HEADER = "x-canary-version"
"""What each answer of a pod says of it: fields of its `Identity`. An answer without them was not made by a pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a pod is. `workload` is its Deployment, `revision` its pod-template-hash, `version` its image's tag.

    Those three and `app` (the label) are "" when the pod has none. `port` is its first container's first, 0 for none.
    """

    namespace: str
    name: str
    workload: str
    revision: str
    version: str
    app: str
    port: int = 0


def identity(pod: Manifest) -> Identity:
    """Return who the pod is, from its metadata and its first container's image."""
    meta = pod["metadata"]
    labels = meta.get("labels", {})
    revision = labels.get("pod-template-hash", "")
    owners = [owner["name"] for owner in meta.get("ownerReferences", ()) if owner.get("controller")]
    owner = owners[0] if owners else ""
    return Identity(
        namespace=meta.get("namespace", "default"),
        name=meta["name"],
        workload=owner.removesuffix(f"-{revision}") if revision else owner,
        revision=revision,
        version=tag(pod["spec"]["containers"][0].get("image", "")),
        app=labels.get("app", labels.get("app.kubernetes.io/name", "")),
        port=next((int(port["containerPort"]) for port in pod["spec"]["containers"][0].get("ports", ())), 0),
    )


def tag(image: str) -> str:
    """Return the tag of an image, "" when it has none."""
    return image.rpartition("/")[2].partition("@")[0].partition(":")[2]
