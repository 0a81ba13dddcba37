"""Finds out which form the installed Kuma understands, in which mesh a workload is, and where its route belongs.

Nothing is guessed from a version number: the form follows from the schema of the installed CRD and from the mode of the
Mesh. What stands in the way is noted in the route, first things first, and told by `conflicts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from meshes.contract import Kind, Manifest, ObjectRef, Route, Surroundings
from meshes.kuma.names import (
    DEFAULT_MESH,
    GROUP,
    MESH,
    MESH_HTTP_ROUTE,
    SYSTEM_LABEL,
    SYSTEM_NAMESPACE,
    VERSION,
    Form,
    Option,
    noted_mesh,
    own_ref,
)
from meshes.kuma.own import is_ours, written_form
from meshes.kuma.workload import Trouble, undeclared, uninjected
from meshes.parts.document import table

NAMESPACE = Kind("", "Namespace")
DEPLOYMENT = Kind("apps", "Deployment")
SERVICE = Kind("", "Service")

_TARGET = "spec.to[].targetRef"
_BACKEND = "spec.to[].rules[].default.backendRefs[]"
NEEDS: Mapping[Form, tuple[str, ...]] = {
    Form.LEGACY: (f"{_TARGET}.name", f"{_BACKEND}.name"),
    Form.MESHSERVICE: (f"{_TARGET}.name", f"{_TARGET}.namespace", f"{_TARGET}.sectionName", f"{_BACKEND}.port"),
    Form.LABELS: (f"{_TARGET}.labels", f"{_TARGET}.sectionName", f"{_BACKEND}.labels", f"{_BACKEND}.port"),
}
"""The fields that a form is written with: a release whose schema lacks one would prune it and mean something else."""


def resolve(route: Route, around: Surroundings) -> Route:
    """Return the route with form, mesh, home and what stands in the way noted in its options. Never raises."""
    system = _system_namespace(around)
    deployment = _deployment(route, around)
    namespace = around.get(ObjectRef(NAMESPACE, "", route.namespace)) or {}
    template = table(table(table(deployment).get("spec")).get("template"))
    mesh = noted_mesh(template) or noted_mesh(namespace) or DEFAULT_MESH
    form, trouble = _form(route, around, mesh)
    live = _live(route, around, system)
    unsure = form is None
    if form is None:
        form = (written_form(route, live, _home(live)) if live else None) or Form.LEGACY
    home = _home(live) if live else _usual_home(route, around, form, system)
    if form is Form.LEGACY and route.user_route is None:
        home = system
    service = around.get(ObjectRef(SERVICE, route.namespace, route.apex))
    trouble = (
        trouble
        or _unseen(around, home)
        or uninjected(route, namespace, template)
        or (undeclared(route, service, form) if service else None)
    )
    found = {
        Option.FORM.value: form.value,
        Option.MESH.value: mesh,
        Option.HOME.value: home,
        Option.SYSTEM.value: system,
        Option.UNSURE.value: "true" if unsure else "",
        Option.REASON.value: trouble.reason if trouble else "",
        Option.TROUBLE.value: trouble.message if trouble else "",
    }
    return replace(route, options={**route.options, **found})


def _system_namespace(around: Surroundings) -> str:
    found = around.list(NAMESPACE, "", {SYSTEM_LABEL: "true"})
    return min((str(table(one.get("metadata")).get("name")) for one in found), default=SYSTEM_NAMESPACE)


def _deployment(route: Route, around: Surroundings) -> Manifest | None:
    """Return the user's Deployment, or what was made of it and serves when it is gone."""
    for name in (route.target, f"{route.target}-primary"):
        found = around.get(ObjectRef(DEPLOYMENT, route.namespace, name))
        if found is not None:
            return found
    return None


def _form(route: Route, around: Surroundings, mesh: str) -> tuple[Form | None, Trouble | None]:
    """Return the form to write, None with the reason where it cannot be told."""
    if VERSION not in route.served:
        return None, None  # that no such route can be written is told by all who meet it
    known = {form: [around.has_field(MESH_HTTP_ROUTE, VERSION, path) for path in NEEDS[form]] for form in Form}
    if any(field is None for fields in known.values() for field in fields):
        return None, _unreadable()
    asked = route.options.get(Option.FORM, "auto")
    if asked in tuple(Form):
        form = Form(asked)
        missing = [path for path, there in zip(NEEDS[form], known[form], strict=True) if not there]
        return (form, None) if not missing else (None, _unusable(form, missing))
    if not all(known[Form.LEGACY]):
        return (Form.LABELS, None) if all(known[Form.LABELS]) else (None, _unreadable())
    found = around.get(ObjectRef(MESH, "", mesh))
    if found is None:
        return None, _no_mesh(route, mesh)
    mode = table(table(found.get("spec")).get("meshServices")).get("mode") or "Disabled"
    real = mode != "Disabled" and all(known[Form.MESHSERVICE])
    return (Form.MESHSERVICE if real else Form.LEGACY), None


def _live(route: Route, around: Surroundings, system: str) -> Manifest | None:
    """Return the route object that is there: the user's in the own namespace before one in the system namespace.

    Ours stays where it was made when Kuma's form changes under it, so that it is changed in one write.
    """
    for home in (route.namespace, system) if route.user_route else (system, route.namespace):
        ref = ObjectRef(MESH_HTTP_ROUTE, home, route.user_route) if route.user_route else own_ref(route, home)
        found = around.get(ref)
        if found is not None and (route.user_route or is_ours(route, found)):
            return found
    return None


def _home(live: Manifest) -> str:
    return str(table(live.get("metadata")).get("namespace", ""))


def _usual_home(route: Route, around: Surroundings, form: Form, system: str) -> str:
    """Return where a route of that form holds for the clients of every namespace.

    Up to 2.14 one that goes by labels in the own namespace is a consumer's: for the clients of that namespace alone.
    """
    old = around.has_field(MESH_HTTP_ROUTE, VERSION, f"{_TARGET}.name")
    return system if form is Form.LEGACY or (form is Form.LABELS and old) else route.namespace


def _unseen(around: Surroundings, home: str) -> Trouble | None:
    if around.watches(MESH_HTTP_ROUTE, home):
        return None
    return Trouble(
        "NamespaceNotWatched",
        f"the route belongs into namespace {home}, where this controller may not look: start it with "
        f"--route-namespace {home} and give it the Role of manifests/install-namespaced/kuma.yaml there",
    )


def _unreadable() -> Trouble:
    return Trouble(
        "FormUnknown",
        f"the schema of CustomResourceDefinition meshhttproutes.{GROUP}, {VERSION}, cannot be read or is of an unknown "
        "release, so it is not known how routes are written: let the controller read it, or use a release it knows",
    )


def _unusable(form: Form, missing: list[str]) -> Trouble:
    return Trouble(
        "FormUnusable",
        f"canary.delivery/kuma-form is {form}, but the installed MeshHTTPRoute knows no {missing[0]}: set it to auto",
    )


def _no_mesh(route: Route, mesh: str) -> Trouble:
    return Trouble(
        "MeshNotFound",
        f"Deployment {route.target} is in mesh {mesh}, and there is no Mesh of that name: create it, or name the right "
        "one in the label kuma.io/mesh of the pods or their namespace",
    )
